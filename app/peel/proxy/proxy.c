/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The listeners, and who gets what lib/socks and lib/peel tell. The library's callbacks come from
 * peel_poll, so all of it is in the loop's thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "output.h"
#include "peel_internal.h"
#include "proxy.h"
#include "proxy_http.h"
#include "proxy_services.h"

#define TICK_MS 1000

struct proxy {
	struct session *session;
	struct peel_stats *stats; /* of the loop's thread */
	struct listener listener[PEEL_HOPS_LIMIT];
	struct proxy_peers *peers;
	struct proxy_services *services;
	uv_timer_t timer;
	unsigned int open; /* listeners that are not closed yet */
	bool closing;
};

/* ---- what happens ---------------------------------------------------------------------------- */

static void
on_circuit(void *arg, struct peel *peel, peel_circuit circuit, bool ready)
{
	struct proxy *p = arg;

	(void)peel;
	(void)circuit;
	(void)ready;
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT && !p->closing; i++) {
		if (p->listener[i].socks == NULL)
			continue;
		proxy_sync_circuits(&p->listener[i]);
		proxy_http_try(p->listener[i].http);
	}
}

static void
on_tick(uv_timer_t *timer)
{
	struct proxy *p = timer->data;

	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++) {
		struct listener *l = &p->listener[i];

		if (l->socks == NULL)
			continue;
		peel_stats_add(l->stats, PEEL_DROP_SOCKS_WAIT, peel_held_expire(l->held));
		proxy_http_try(l->http);
	}
}

static void
on_data(void *arg, struct peel *peel, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct proxy *p = arg;

	(void)peel;
	if (p->closing || origin->type == PEEL_ADDRESS_NONE ||
		proxy_peers_take(p->peers, origin, payload, len))
		return;
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++) {
		struct listener *l = &p->listener[i];

		if (l->socks != NULL && proxy_take(l, circuit, origin, payload, len))
			return;
	}
}

static enum peel_socks_ready
on_ready(void *arg)
{
	const struct listener *l = arg;

	return proxy_http_ready(l->http);
}

static int
on_http(void *arg, uint64_t id, const struct peel_socks_target *to, const uint8_t *request,
	size_t len)
{
	const struct listener *l = arg;
	struct peel_address target;

	proxy_address(to, &target);
	return proxy_http_ask(l->http, id, &target, request, len);
}

static void
on_gone(void *arg, uint64_t id)
{
	const struct listener *l = arg;

	proxy_http_gone(l->http, id);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
open_listener(struct proxy *p, unsigned int hops, char *why, size_t why_size)
{
	const struct client_conf *cc = &p->session->conf.client;
	struct listener *l = &p->listener[hops - 1];
	struct peel_socks_conf conf;
	int rc;

	l->session = p->session;
	l->stats = p->stats;
	l->hops = hops;
	l->peers = p->peers;
	l->flows = peel_flows_new(&peel_env_system, p->stats, cc->isolate_destinations);
	l->held = peel_held_new(&peel_env_system);
	l->http = proxy_http_new(p->session, hops);
	if (l->flows == NULL || l->held == NULL || l->http == NULL)
		return -ENOMEM;
	peel_socks_conf_init(&conf);
	conf.listen = cc->listen[hops - 1];
	conf.user = cc->user;
	conf.password = cc->password;
	conf.max_clients = cc->max_clients;
	conf.http_ms = PROXY_HTTP_MS;
	conf.idle_ms = cc->idle_timeout * 1000;
	conf.stats = p->stats;
	conf.backend = (struct peel_socks_backend){.arg = l,
		.ready = on_ready,
		.opened = proxy_on_opened,
		.closed = proxy_on_closed,
		.datagram = proxy_on_datagram,
		.http = on_http,
		.gone = on_gone};
	rc = peel_socks_new(&p->session->loop, &conf, &l->socks, why, why_size);
	if (rc != 0)
		return rc;
	proxy_http_answer_to(l->http, l->socks);
	p->open++;
	rc = peel_build_tunnels(p->session->peel, hops);
	if (rc != 0)
		snprintf(why, why_size, "%s", peel_strerror(rc));
	return rc;
}

int
proxy_open(struct session *s, struct proxy **out, char *why, size_t why_size)
{
	struct proxy *p = calloc(1, sizeof(*p));
	int rc = p != NULL ? 0 : -ENOMEM;

	if (rc == 0) {
		p->session = s;
		p->stats = peel_node_stats(peel_get_node(s->peel));
		uv_timer_init(&s->loop, &p->timer);
		p->timer.data = p;
		uv_timer_start(&p->timer, on_tick, TICK_MS, TICK_MS);
		p->peers = proxy_peers_new(p->listener, p->stats);
		rc = p->peers != NULL ? 0 : -ENOMEM;
	}
	for (unsigned int hops = 1; hops <= PEEL_HOPS_LIMIT && rc == 0; hops++) {
		if (s->conf.client.listen[hops - 1].family != PEEL_FAMILY_NONE)
			rc = open_listener(p, hops, why, why_size);
	}
	if (rc == 0)
		rc = proxy_services_new(s, p->peers, &p->services, why, why_size);
	peel_wipe(s->conf.client.password, sizeof(s->conf.client.password));
	if (rc == 0) {
		peel_on_data(s->peel, on_data, p);
		peel_on_circuit(s->peel, on_circuit, p);
	}
	*out = p; /* half open or not: proxy_close ends it */
	return rc;
}

void
proxy_print(const struct proxy *p)
{
	char text[PEEL_ADDR_TEXT_MAX];
	struct peel_addr local;

	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++) {
		if (p->listener[i].socks == NULL)
			continue;
		peel_socks_local(p->listener[i].socks, &local);
		output_print(OUTPUT_STDOUT, "socks %u %s\n", i + 1, peel_addr_text(&local, text));
	}
}

static void
on_listener_closed(void *arg)
{
	struct proxy *p = arg;

	if (--p->open == 0)
		session_stop(p->session);
}

void
proxy_close(struct proxy *p)
{
	if (p == NULL || p->closing)
		return;
	p->closing = true;
	uv_close((uv_handle_t *)&p->timer, NULL);
	p->open++; /* ours, so that the last one ends it, also when there are none */
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++) {
		struct peel_socks *socks = p->listener[i].socks;

		p->listener[i].socks = NULL;
		if (socks == NULL)
			continue;
		proxy_http_answer_to(p->listener[i].http, NULL);
		peel_socks_close(socks, on_listener_closed, p);
	}
	on_listener_closed(p);
}

void
proxy_free(struct proxy *p)
{
	if (p == NULL)
		return;
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++) {
		proxy_http_free(p->listener[i].http);
		peel_flows_free(p->listener[i].flows);
		peel_held_free(p->listener[i].held);
	}
	proxy_services_free(p->services);
	proxy_peers_free(p->peers);
	free(p);
}
