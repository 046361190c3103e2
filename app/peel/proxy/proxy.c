/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The proxies of lib/proxy, and which of them gets what lib/peel tells. The library's callbacks
 * come from peel_poll, so all of it is in the loop's thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "output.h"
#include "peel_internal.h"
#include "proxy.h"
#include "proxy_circuits.h"
#include "proxy_services.h"
#include "service_name.h"

/* Circuits of one length. */
struct listener {
	struct proxy_circuits circuits;
	struct peel_proxy *proxy; /* NULL: none of this length */
	struct peel_socks *socks;
	bool ready; /* as last logged */
};

struct proxy {
	struct session *session;
	struct listener listener[PEEL_HOPS_LIMIT];
	struct peel_proxy_peers *peers;
	struct proxy_services *services;
	unsigned int open; /* listeners that are not closed yet */
	bool closing;
};

/* ---- what happens ---------------------------------------------------------------------------- */

static void
look_at(struct listener *l)
{
	size_t n = peel_proxy_changed(l->proxy);
	unsigned int hops = l->circuits.hops;
	const char *s = hops == 1 ? "" : "s";

	if (!l->ready && n > 0 && peel_tunnels_ready(l->circuits.session->peel, hops) >= 1.0) {
		l->ready = true;
		peel_log(PEEL_LOG_INFO, "circuits of %u hop%s are ready", hops, s);
	} else if (l->ready && n == 0) {
		l->ready = false;
		peel_log(PEEL_LOG_WARNING, "no circuit of %u hop%s is left", hops, s);
	}
}

static void
on_circuit(void *arg, struct peel *peel, peel_circuit circuit, bool ready)
{
	struct proxy *p = arg;

	(void)peel;
	(void)circuit;
	(void)ready;
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT && !p->closing; i++) {
		if (p->listener[i].proxy != NULL)
			look_at(&p->listener[i]);
	}
}

static void
on_data(void *arg, struct peel *peel, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct peel_socks_target from;
	struct proxy *p = arg;

	(void)peel;
	if (p->closing || origin->type == PEEL_ADDRESS_NONE)
		return;
	proxy_origin(origin, &from);
	/* Exits cannot say such things: libpeel sees to that. */
	if (origin->type == PEEL_ADDRESS_IPV4 && service_is_peer(origin->ip)) {
		peel_proxy_peers_take(p->peers, &from.addr, payload, len);
		return;
	}
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++) {
		struct peel_proxy *proxy = p->listener[i].proxy;

		if (proxy != NULL && peel_proxy_take(proxy, circuit, &from, payload, len))
			return;
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
open_listener(
	struct proxy *p, unsigned int hops, struct peel_stats *stats, char *why, size_t why_size)
{
	const struct client_conf *cc = &p->session->conf.client;
	struct listener *l = &p->listener[hops - 1];
	struct peel_proxy_conf conf = {.loop = &p->session->loop,
		.stats = stats,
		.hops = hops,
		.peers = p->peers,
		.isolate = cc->isolate_destinations};
	struct peel_socks_conf socks;
	int rc;

	l->circuits = (struct proxy_circuits){.session = p->session, .hops = hops};
	conf.circuits = proxy_circuits(&l->circuits);
	rc = peel_proxy_new(&conf, &l->proxy);
	if (rc != 0)
		return rc;
	peel_socks_conf_init(&socks);
	socks.listen = cc->listen[hops - 1];
	socks.user = cc->user;
	socks.password = cc->password;
	socks.max_clients = cc->max_clients;
	socks.idle_ms = cc->idle_timeout * 1000;
	rc = peel_proxy_listen(l->proxy, &socks, &l->socks, why, why_size);
	if (rc != 0)
		return rc;
	rc = peel_build_tunnels(p->session->peel, hops);
	if (rc != 0)
		snprintf(why, why_size, "%s", peel_strerror(rc));
	return rc;
}

int
proxy_open(struct session *s, struct proxy **out, char *why, size_t why_size)
{
	struct peel_stats *stats = peel_node_stats(peel_get_node(s->peel));
	struct proxy *p = calloc(1, sizeof(*p));
	int rc = p != NULL ? 0 : -ENOMEM;

	if (rc == 0) {
		p->session = s;
		p->peers = proxy_peers(s, stats);
		rc = p->peers != NULL ? 0 : -ENOMEM;
	}
	for (unsigned int hops = 1; hops <= PEEL_HOPS_LIMIT && rc == 0; hops++) {
		if (s->conf.client.listen[hops - 1].family != PEEL_FAMILY_NONE)
			rc = open_listener(p, hops, stats, why, why_size);
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
	p->open = 1 + PEEL_HOPS_LIMIT; /* ours is the last one, also when there are none */
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++)
		peel_proxy_close(p->listener[i].proxy, on_listener_closed, p);
	on_listener_closed(p);
}

void
proxy_free(struct proxy *p)
{
	if (p == NULL)
		return;
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++)
		peel_proxy_free(p->listener[i].proxy);
	proxy_services_free(p->services);
	peel_proxy_peers_free(p->peers);
	free(p);
}
