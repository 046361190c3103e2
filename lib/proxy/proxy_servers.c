/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The servers of a proxy, and who gets what they and the circuits tell.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy_internal.h"

#define TICK_MS 1000

/* ---- what happens ---------------------------------------------------------------------------- */

size_t
peel_proxy_changed(struct peel_proxy *p)
{
	proxy_sync_circuits(p);
	proxy_http_try(p->http);
	return p->n_circuits;
}

static void
on_tick(uv_timer_t *timer)
{
	struct peel_proxy *p = timer->data;

	peel_stats_add(p->conf.stats, PEEL_DROP_SOCKS_WAIT, peel_held_expire(p->held));
	proxy_http_try(p->http);
}

static enum peel_socks_ready
on_ready(void *arg)
{
	const struct proxy_server *s = arg;

	return proxy_http_ready(s->proxy->http);
}

static int
on_http(void *arg, uint64_t id, const struct peel_socks_target *to, const uint8_t *request,
	size_t len)
{
	const struct proxy_server *s = arg;

	return proxy_http_ask(s->proxy->http, s->socks, id, to, request, len);
}

static void
on_gone(void *arg, uint64_t id)
{
	const struct proxy_server *s = arg;

	proxy_http_gone(s->proxy->http, s->socks, id);
}

/* ---- for those who ask ----------------------------------------------------------------------- */

void
peel_proxy_default_client(struct peel_proxy *p, const struct peel_addr *client)
{
	for (unsigned int slot = 0; slot < PEEL_FLOWS_USERS; slot++) {
		if (p->opened[slot] != 0)
			peel_socks_assoc_default(p->assoc[slot], client);
	}
}

size_t
peel_proxy_destinations(
	const struct peel_proxy *p, uint64_t circuit, struct peel_addr *out, size_t n)
{
	return p->destinations != NULL ? proxy_destinations_of(p->destinations, circuit, out, n)
				       : 0;
}

size_t
peel_proxy_associated(const struct peel_proxy *p, uint16_t port, uint64_t *out, size_t n)
{
	for (unsigned int slot = 0; slot < PEEL_FLOWS_USERS; slot++) {
		if (p->opened[slot] != 0 && peel_socks_assoc_port(p->assoc[slot]) == port)
			return peel_flows_circuits(p->flows, slot, out, n);
	}
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

int
peel_proxy_new(const struct peel_proxy_conf *conf, struct peel_proxy **out)
{
	struct peel_proxy *p;

	*out = NULL;
	if (conf->hops == 0 || conf->hops > PEEL_PROXY_HOPS_MAX)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->conf = *conf;
	LIST_INIT(&p->servers);
	p->flows = peel_flows_new(&peel_env_system, conf->stats, conf->isolate);
	p->held = peel_held_new(&peel_env_system);
	p->http = proxy_http_new(&p->conf);
	if (conf->remember)
		p->destinations = proxy_destinations_new();
	if (p->flows == NULL || p->held == NULL || p->http == NULL ||
		(conf->remember && p->destinations == NULL)) {
		peel_proxy_free(p);
		return -ENOMEM;
	}
	proxy_peers_attach(conf->peers, p);
	uv_timer_init(conf->loop, &p->timer);
	p->timer.data = p;
	p->open = 1;
	uv_timer_start(&p->timer, on_tick, TICK_MS, TICK_MS);
	*out = p;
	return 0;
}

int
peel_proxy_listen(struct peel_proxy *p, const struct peel_socks_conf *conf, struct peel_socks **out,
	char *why, size_t why_size)
{
	struct proxy_server *s = calloc(1, sizeof(*s));
	struct peel_socks_conf full = *conf;
	int rc;

	if (s == NULL)
		return -ENOMEM;
	full.stats = p->conf.stats;
	full.http_ms = PEEL_PROXY_HTTP_MS;
	full.backend = (struct peel_socks_backend){.arg = s,
		.ready = on_ready,
		.opened = proxy_on_opened,
		.closed = proxy_on_closed,
		.datagram = proxy_on_datagram,
		.http = on_http,
		.gone = on_gone};
	s->proxy = p;
	rc = peel_socks_new(p->conf.loop, &full, &s->socks, why, why_size);
	if (rc != 0) {
		free(s);
		return rc;
	}
	LIST_INSERT_HEAD(&p->servers, s, entry);
	p->open++;
	if (out != NULL)
		*out = s->socks;
	return 0;
}

static void
on_closed(struct peel_proxy *p)
{
	if (--p->open == 0 && p->done != NULL)
		p->done(p->done_arg);
}

static void
on_server_closed(void *arg)
{
	struct proxy_server *s = arg;
	struct peel_proxy *p = s->proxy;

	LIST_REMOVE(s, entry);
	free(s);
	on_closed(p);
}

static void
on_timer_closed(uv_handle_t *handle)
{
	on_closed(handle->data);
}

void
peel_proxy_close(struct peel_proxy *p, void (*done)(void *arg), void *arg)
{
	struct proxy_server *s, *next;

	if (p == NULL) {
		if (done != NULL)
			done(arg);
		return;
	}
	p->done = done;
	p->done_arg = arg;
	for (s = LIST_FIRST(&p->servers); s != NULL; s = next) {
		next = LIST_NEXT(s, entry);
		peel_socks_close(s->socks, on_server_closed, s);
	}
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

void
peel_proxy_free(struct peel_proxy *p)
{
	if (p == NULL)
		return;
	proxy_peers_detach(p->conf.peers, p);
	proxy_http_free(p->http);
	proxy_destinations_free(p->destinations);
	peel_flows_free(p->flows);
	peel_held_free(p->held);
	free(p);
}
