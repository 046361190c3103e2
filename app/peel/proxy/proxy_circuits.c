/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_flows.h"
#include "peel_internal.h"
#include "proxy_circuits.h"
#include "service_name.h"

/* ---- addresses ------------------------------------------------------------------------------- */

void
proxy_origin(const struct peel_address *a, struct peel_socks_target *out)
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
address(const struct peel_socks_target *t, struct peel_address *out)
{
	peel_address_from_addr(&t->addr, out);
	if (t->name[0] != '\0') {
		out->type = PEEL_ADDRESS_DOMAIN;
		out->port = t->addr.port;
		memcpy(out->domain, t->name, strlen(t->name) + 1);
	}
}

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

static size_t
usable(void *arg, uint64_t *out, size_t n)
{
	const struct proxy_circuits *c = arg;
	struct peel *peel = c->session->peel;
	peel_circuit ready[PEEL_FLOWS_CIRCUITS];
	size_t n_ready = peel_active_data_circuits_of(peel, c->hops, ready, PEEL_FLOWS_CIRCUITS);
	size_t good = 0;

	for (size_t i = 0; i < n_ready && i < PEEL_FLOWS_CIRCUITS; i++) {
		if (!lets_data_out(peel, ready[i]) || peel_is_reserved(peel, ready[i]))
			continue;
		if (good < n)
			out[good] = ready[i];
		good++;
	}
	return good;
}

static int
send_datagram(void *arg, uint64_t circuit, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	const struct proxy_circuits *c = arg;
	struct peel_address destination;

	address(to, &destination);
	return peel_tunnel_data(c->session->peel, circuit, &destination, PEEL_DATA, payload, len);
}

static int
more(void *arg)
{
	struct proxy_circuits *c = arg;

	return peel_begin_circuit(c->session->peel, c->hops, &c->extra);
}

static uint64_t
http(void *arg, const uint64_t *avoid, size_t n)
{
	const struct proxy_circuits *c = arg;

	return peel_http_circuit_but(c->session->peel, c->hops, avoid, n);
}

static int
request(void *arg, uint64_t circuit, const struct peel_socks_target *to, const uint8_t *bytes,
	size_t len, void (*done)(void *arg, int result, const void *answer, size_t len),
	void *done_arg)
{
	const struct proxy_circuits *c = arg;
	struct peel_address target;

	address(to, &target);
	return peel_http_request(c->session->peel, circuit, &target, bytes, len, done, done_arg);
}

struct peel_proxy_circuits
proxy_circuits(struct proxy_circuits *c)
{
	return (struct peel_proxy_circuits){.arg = c,
		.usable = usable,
		.send = send_datagram,
		.more = more,
		.http = http,
		.request = request};
}

/* ---- peers ----------------------------------------------------------------------------------- */

static bool
is_peer(const struct peel_addr *a)
{
	return a->family == PEEL_FAMILY_IPV4 && service_is_peer(a->ip);
}

static int
send_to_peer(void *arg, const struct peel_addr *peer, const uint8_t *payload, size_t len)
{
	const struct session *s = arg;
	struct peel_address destination;

	peel_address_from_addr(peer, &destination);
	return peel_tunnel_data(s->peel, 0, &destination, PEEL_DATA, payload, len);
}

struct peel_proxy_peers *
proxy_peers(struct session *s, struct peel_stats *stats)
{
	const struct peel_proxy_peers_conf conf = {.env = &peel_env_system,
		.stats = stats,
		.own = is_peer,
		.send = send_to_peer,
		.arg = s};

	return peel_proxy_peers_new(&conf);
}
