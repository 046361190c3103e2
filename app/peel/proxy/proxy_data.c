/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Datagrams of a listener's associations into circuits and back, and which circuits those are.
 */
#include <errno.h>

#include "peel_internal.h"
#include "proxy_peers.h"

/* Between circuits for associations that have none; longer and longer while they fail. */
#define EXTRA_MS 500
#define EXTRA_MAX_MS 60000

/* ---- addresses ------------------------------------------------------------------------------- */

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

void
proxy_address(const struct peel_socks_target *t, struct peel_address *out)
{
	peel_address_from_addr(&t->addr, out);
	if (t->name[0] != '\0') {
		out->type = PEEL_ADDRESS_DOMAIN;
		out->port = t->addr.port;
		memcpy(out->domain, t->name, strlen(t->name) + 1);
	}
}

/* ---- from associations ----------------------------------------------------------------------- */

static unsigned int
slot_of(const struct peel_socks_assoc *a)
{
	return (unsigned int)(uintptr_t)peel_socks_assoc_get(a);
}

void
proxy_on_opened(void *arg, struct peel_socks_assoc *a)
{
	struct listener *l = arg;
	int slot = peel_flows_join(l->flows);

	/* As many slots as a listener has associations: there always is one. */
	if (slot < 0) {
		slot = PEEL_FLOWS_USERS;
	} else {
		l->assoc[slot] = a;
		l->opened[slot] = ++l->turn;
	}
	peel_socks_assoc_set(a, (void *)(uintptr_t)slot);
}

void
proxy_on_closed(void *arg, struct peel_socks_assoc *a)
{
	struct listener *l = arg;

	if (slot_of(a) >= PEEL_FLOWS_USERS)
		return;
	l->opened[slot_of(a)] = 0;
	proxy_peers_closed(l, slot_of(a));
	peel_flows_leave(l->flows, slot_of(a));
	peel_stats_add(l->stats, PEEL_DROP_SOCKS_WAIT, peel_held_forget(l->held, slot_of(a)));
}

/* On every circuit, the host belongs to another association. A circuit beside the pool helps. One
 * is begun at a time, and there are no more circuits than associations. */
static void
begin_extra(struct listener *l)
{
	uint64_t now = uv_now(&l->session->loop);
	struct peel_socks_counts counts;
	int rc;

	peel_socks_count(l->socks, &counts);
	if (now < l->extra_ms || l->n_circuits >= counts.assocs)
		return;
	rc = peel_begin_circuit(l->session->peel, l->hops, &l->extra);
	if (rc != -EALREADY) {
		l->extra_pause_ms = l->extra_pause_ms == 0 ? EXTRA_MS : 2 * l->extra_pause_ms;
		if (l->extra_pause_ms > EXTRA_MAX_MS)
			l->extra_pause_ms = EXTRA_MAX_MS;
		l->extra_ms = now + l->extra_pause_ms;
	}
	if (rc == 0)
		peel_log(PEEL_LOG_DEBUG, "a circuit of %u hop%s more, as associations share hosts",
			l->hops, l->hops == 1 ? "" : "s");
}

/* 0: sent, or dropped for good; -EAGAIN: there is no circuit; -EBUSY: none on which the host is not
 * another's. */
static int
send_datagram(struct listener *l, unsigned int slot, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	struct peel *peel = l->session->peel;
	struct peel_address destination;
	peel_circuit circuit;
	int rc;

	proxy_address(to, &destination);
	while ((rc = peel_flows_out(l->flows, slot, to, &circuit)) == 0) {
		rc = peel_tunnel_data(peel, circuit, &destination, PEEL_DATA, payload, len);
		if (rc == 0)
			return 0;
		if (rc != -ENOENT && rc != -ENOTCONN) {
			peel_stats_add(l->stats, PEEL_DROP_SOCKS_SEND, 1);
			return 0;
		}
		peel_flows_del(l->flows, circuit); /* it has just ended: there may be another one */
	}
	if (rc == -EBUSY)
		begin_extra(l);
	return rc;
}

void
proxy_on_datagram(void *arg, struct peel_socks_assoc *a, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	struct listener *l = arg;

	unsigned int slot = slot_of(a);

	if (slot >= PEEL_FLOWS_USERS)
		return;
	if (proxy_peers_has(to))
		proxy_peers_send(l, slot, to, payload, len);
	else if (send_datagram(l, slot, to, payload, len) != 0)
		peel_stats_add(l->stats, PEEL_DROP_SOCKS_WAIT,
			peel_held_push(l->held, slot, to, payload, len));
}

/* ---- circuits -------------------------------------------------------------------------------- */

static void
on_held(void *arg, unsigned int slot, const struct peel_socks_target *to, const uint8_t *payload,
	size_t len)
{
	struct listener *l = arg;
	int rc = send_datagram(l, slot, to, payload, len);

	if (rc != 0)
		peel_stats_add(
			l->stats, rc == -EBUSY ? PEEL_DROP_SOCKS_SHARED : PEEL_DROP_SOCKS_WAIT, 1);
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
	peel_stats_add(l->stats, PEEL_DROP_SOCKS_WAIT, dropped);
}

/* Circuits beside the pool may end at an exit that does nothing but HTTP. 0: its flags are not
 * known. */
static bool
lets_data_out(struct peel *peel, peel_circuit circuit)
{
	uint16_t flags;

	return peel_exit_flags(peel, circuit, &flags) == 0 &&
	       (flags == 0 || (flags & (PEEL_EXIT_BT | PEEL_EXIT_IPV8)));
}

void
proxy_sync_circuits(struct listener *l)
{
	struct peel *peel = l->session->peel;
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

/* ---- out of circuits ------------------------------------------------------------------------- */

bool
proxy_take(struct listener *l, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct peel_socks_target from;
	int slot;

	target_from(origin, &from);
	slot = peel_flows_in(l->flows, circuit, &from);
	if (slot >= 0)
		(void)peel_socks_deliver(l->assoc[slot], &from, payload, len);
	return slot != -ENOENT;
}
