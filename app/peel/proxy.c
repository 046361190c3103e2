/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Between lib/socks and lib/peel. All in the loop's thread: the library's callbacks come from
 * peel_poll.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "output.h"
#include "peel_flows.h"
#include "peel_held.h"
#include "peel_internal.h"
#include "proxy.h"
#include "proxy_http.h"

#define TICK_MS 1000
/* between circuits for associations that have none; longer and longer while they fail */
#define EXTRA_MS 500
#define EXTRA_MAX_MS 60000

struct listener {
	struct proxy *proxy;
	struct peel_socks *socks; /* NULL: none of this length, or closed */
	struct peel_flows *flows;
	struct peel_held *held;				  /* while there is no circuit */
	struct peel_socks_assoc *assoc[PEEL_FLOWS_USERS]; /* by slot of the flows */
	struct proxy_http *http;
	unsigned int hops;
	bool ready;	    /* as last logged */
	size_t n_circuits;  /* that data goes through */
	peel_circuit extra; /* begun last beside the pool; when the next one may be: */
	uint64_t extra_ms, extra_pause_ms;
};

struct proxy {
	struct session *session;
	struct peel_stats *stats; /* of the loop's thread */
	struct listener listener[PEEL_HOPS_LIMIT];
	uv_timer_t timer;
	unsigned int open; /* listeners that are not closed yet */
	bool closing;
};

/* ---- circuits -------------------------------------------------------------------------------- */

/* Circuits beside the pool may end at an exit that does nothing but HTTP. 0: its flags are not
 * known. */
static bool
lets_data_out(struct peel *peel, peel_circuit circuit)
{
	uint16_t flags;

	return peel_exit_flags(peel, circuit, &flags) == 0 &&
	       (flags == 0 || (flags & (PEEL_EXIT_BT | PEEL_EXIT_IPV8)));
}

static void send_held(struct listener *l);

/* A circuit came or went: tell the flows, and the log when that matters. */
static void
sync_circuits(struct listener *l)
{
	struct peel *peel = l->proxy->session->peel;
	peel_circuit ready[PEEL_FLOWS_CIRCUITS];
	size_t n = peel_active_data_circuits_of(peel, l->hops, ready, PEEL_ARRAY_LEN(ready));
	const char *s = l->hops == 1 ? "" : "s";

	size_t good = 0;

	if (n > PEEL_ARRAY_LEN(ready))
		n = PEEL_ARRAY_LEN(ready);
	for (size_t i = 0; i < n; i++) {
		if (lets_data_out(peel, ready[i]) && !peel_is_reserved(peel, ready[i]))
			ready[good++] = ready[i];
	}
	n = good;
	peel_flows_set(l->flows, ready, n);
	if (n > l->n_circuits)
		l->extra_pause_ms = 0;
	l->n_circuits = n;
	if (!l->ready && n > 0 && peel_tunnels_ready(peel, l->hops) >= 1.0) {
		l->ready = true;
		peel_log(PEEL_LOG_INFO, "circuits of %u hop%s are ready", l->hops, s);
	} else if (l->ready && n == 0) {
		l->ready = false;
		peel_log(PEEL_LOG_WARNING, "no circuit of %u hop%s is left", l->hops, s);
	}
	if (n > 0)
		send_held(l);
}

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
		sync_circuits(&p->listener[i]);
		proxy_http_try(p->listener[i].http);
	}
}

static void
on_tick(uv_timer_t *timer)
{
	struct proxy *p = timer->data;

	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++) {
		if (p->listener[i].socks == NULL)
			continue;
		peel_stats_add(
			p->stats, PEEL_DROP_SOCKS_WAIT, peel_held_expire(p->listener[i].held));
		proxy_http_try(p->listener[i].http);
	}
}

static void
target_from(const struct peel_address *a, struct peel_socks_target *out)
{
	memset(&out->addr, 0, sizeof(out->addr));
	out->name[0] = '\0';
	out->addr.port = a->port;
	if (a->type == PEEL_ADDRESS_DOMAIN) {
		memcpy(out->name, a->domain, strnlen(a->domain, sizeof(out->name) - 1) + 1);
		return;
	}
	out->addr.family = a->type == PEEL_ADDRESS_IPV6 ? PEEL_FAMILY_IPV6 : PEEL_FAMILY_IPV4;
	memcpy(out->addr.ip, a->ip, out->addr.family == PEEL_FAMILY_IPV6 ? 16 : 4);
}

static void
target_to(const struct peel_socks_target *t, struct peel_address *out)
{
	session_address(&t->addr, out);
	if (t->name[0] != '\0') {
		out->type = PEEL_ADDRESS_DOMAIN;
		memcpy(out->domain, t->name, strlen(t->name) + 1);
	}
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static void
on_data(void *arg, struct peel *peel, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct proxy *p = arg;
	struct peel_socks_target from;
	int slot;

	(void)peel;
	if (p->closing || origin->type == PEEL_ADDRESS_NONE)
		return;
	target_from(origin, &from);
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++) {
		struct listener *l = &p->listener[i];

		if (l->socks == NULL)
			continue;
		slot = peel_flows_in(l->flows, circuit, &from);
		if (slot == -ENOENT)
			continue; /* a circuit of another length, or nobody to use it */
		if (slot < 0)
			return;
		(void)peel_socks_deliver(l->assoc[slot], &from, payload, len);
		return;
	}
}

static unsigned int
slot_of(const struct peel_socks_assoc *a)
{
	return (unsigned int)(uintptr_t)peel_socks_assoc_get(a);
}

static void
on_opened(void *arg, struct peel_socks_assoc *a)
{
	struct listener *l = arg;
	int slot = peel_flows_join(l->flows);

	/* As many slots as a listener has associations: there always is one. */
	if (slot < 0)
		slot = PEEL_FLOWS_USERS;
	else
		l->assoc[slot] = a;
	peel_socks_assoc_set(a, (void *)(uintptr_t)slot);
}

static void
on_closed(void *arg, struct peel_socks_assoc *a)
{
	struct listener *l = arg;

	if (slot_of(a) >= PEEL_FLOWS_USERS)
		return;
	peel_flows_leave(l->flows, slot_of(a));
	peel_stats_add(
		l->proxy->stats, PEEL_DROP_SOCKS_WAIT, peel_held_forget(l->held, slot_of(a)));
}

/* A host that an association wants is another's on every circuit. One of its own, beside the pool,
 * helps; not more than there are associations, one at a time. */
static void
begin_extra(struct listener *l)
{
	uint64_t now = uv_now(&l->proxy->session->loop);
	struct peel_socks_counts counts;
	int ret;

	peel_socks_count(l->socks, &counts);
	if (now < l->extra_ms || l->n_circuits >= counts.assocs)
		return;
	ret = peel_begin_circuit(l->proxy->session->peel, l->hops, &l->extra);
	if (ret != -EALREADY) {
		l->extra_pause_ms = l->extra_pause_ms == 0 ? EXTRA_MS : 2 * l->extra_pause_ms;
		if (l->extra_pause_ms > EXTRA_MAX_MS)
			l->extra_pause_ms = EXTRA_MAX_MS;
		l->extra_ms = now + l->extra_pause_ms;
	}
	if (ret == 0)
		peel_log(PEEL_LOG_DEBUG, "a circuit of %u hop%s more, as associations share hosts",
			l->hops, l->hops == 1 ? "" : "s");
}

/* 0: sent, or dropped for good; -EAGAIN: there is no circuit; -EBUSY: none on which the host is not
 * another's. */
static int
send_datagram(struct listener *l, unsigned int slot, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	struct peel *peel = l->proxy->session->peel;
	struct peel_address destination;
	peel_circuit circuit;
	int ret;

	target_to(to, &destination);
	while ((ret = peel_flows_out(l->flows, slot, to, &circuit)) == 0) {
		ret = peel_tunnel_data(peel, circuit, &destination, PEEL_DATA, payload, len);
		if (ret == 0)
			return 0;
		if (ret != -ENOENT && ret != -ENOTCONN) {
			peel_stats_add(l->proxy->stats, PEEL_DROP_SOCKS_SEND, 1);
			return 0;
		}
		peel_flows_del(l->flows, circuit); /* it has just ended: there may be another one */
	}
	if (ret == -EBUSY)
		begin_extra(l);
	return ret;
}

static void
on_datagram(void *arg, struct peel_socks_assoc *a, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	struct listener *l = arg;

	if (slot_of(a) < PEEL_FLOWS_USERS && send_datagram(l, slot_of(a), to, payload, len) != 0)
		peel_stats_add(l->proxy->stats, PEEL_DROP_SOCKS_WAIT,
			peel_held_push(l->held, slot_of(a), to, payload, len));
}

static void
on_held(void *arg, unsigned int slot, const struct peel_socks_target *to, const uint8_t *payload,
	size_t len)
{
	struct listener *l = arg;

	int ret = send_datagram(l, slot, to, payload, len);

	if (ret != 0)
		peel_stats_add(l->proxy->stats,
			ret == -EBUSY ? PEEL_DROP_SOCKS_SHARED : PEEL_DROP_SOCKS_WAIT, 1);
}

/* There is a circuit now, or one more. */
static void
send_held(struct listener *l)
{
	unsigned int dropped = 0;

	for (unsigned int slot = 0; slot < PEEL_FLOWS_USERS; slot++) {
		while (peel_held_pop(l->held, slot, on_held, l, &dropped))
			;
	}
	peel_stats_add(l->proxy->stats, PEEL_DROP_SOCKS_WAIT, dropped);
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

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

	target_to(to, &target);
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
	int ret;

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
		.opened = on_opened,
		.closed = on_closed,
		.datagram = on_datagram,
		.http = on_http,
		.gone = on_gone};
	ret = peel_socks_new(&p->session->loop, &conf, &l->socks, why, why_size);
	if (ret != 0)
		return ret;
	proxy_http_answer_to(l->http, l->socks);
	p->open++;
	ret = peel_build_tunnels(p->session->peel, hops);
	if (ret != 0)
		snprintf(why, why_size, "%s", peel_strerror(ret));
	return ret;
}

int
proxy_open(struct session *s, struct proxy **out, char *why, size_t why_size)
{
	struct proxy *p = calloc(1, sizeof(*p));
	int ret = p != NULL ? 0 : -ENOMEM;

	peel_set_isolate(s->peel, s->conf.client.isolate_destinations);
	if (ret == 0) {
		p->session = s;
		p->stats = peel_node_stats(peel_get_node(s->peel));
		uv_timer_init(&s->loop, &p->timer);
		p->timer.data = p;
		uv_timer_start(&p->timer, on_tick, TICK_MS, TICK_MS);
	}
	for (unsigned int hops = 1; hops <= PEEL_HOPS_LIMIT && ret == 0; hops++) {
		p->listener[hops - 1].proxy = p;
		p->listener[hops - 1].hops = hops;
		if (s->conf.client.listen[hops - 1].family != PEEL_FAMILY_NONE)
			ret = open_listener(p, hops, why, why_size);
	}
	peel_wipe(s->conf.client.password, sizeof(s->conf.client.password));
	if (ret == 0) {
		peel_on_data(s->peel, on_data, p);
		peel_on_circuit(s->peel, on_circuit, p);
	}
	*out = p; /* half open or not: proxy_close ends it */
	return ret;
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
		output_print(PEEL_OUTPUT, "socks %u %s\n", i + 1, peel_addr_text(&local, text));
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
	free(p);
}
