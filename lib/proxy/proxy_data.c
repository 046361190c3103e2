/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Datagrams of associations into circuits and back, and which circuits those are.
 */
#include <errno.h>

#include "proxy_internal.h"

/* Between circuits for associations that have none; longer and longer while they fail. */
#define EXTRA_MS 500
#define EXTRA_MAX_MS 60000

/* ---- from associations ----------------------------------------------------------------------- */

static unsigned int
slot_of(const struct peel_socks_assoc *a)
{
	return (unsigned int)(uintptr_t)peel_socks_assoc_get(a);
}

int
proxy_on_opened(void *arg, struct peel_socks_assoc *a)
{
	struct peel_proxy *p = ((struct proxy_server *)arg)->proxy;
	int slot = peel_flows_join(p->flows);

	if (slot < 0)
		return slot;
	p->assoc[slot] = a;
	p->opened[slot] = ++p->turn;
	p->n_assocs++;
	peel_socks_assoc_set(a, (void *)(uintptr_t)slot);
	return 0;
}

void
proxy_on_closed(void *arg, struct peel_socks_assoc *a)
{
	struct peel_proxy *p = ((struct proxy_server *)arg)->proxy;
	unsigned int slot = slot_of(a);

	p->opened[slot] = 0;
	p->n_assocs--;
	proxy_peers_closed(p, slot);
	peel_flows_leave(p->flows, slot);
	peel_stats_add(p->conf.stats, PEEL_DROP_SOCKS_WAIT, peel_held_forget(p->held, slot));
}

/* On every circuit, the host belongs to another association. A circuit beside the pool helps. One
 * is begun at a time, and there are no more circuits than associations. */
static void
begin_extra(struct peel_proxy *p)
{
	const struct peel_proxy_circuits *c = &p->conf.circuits;
	uint64_t now = uv_now(p->conf.loop);
	int rc;

	if (c->more == NULL || now < p->extra_ms || p->n_circuits >= p->n_assocs)
		return;
	rc = c->more(c->arg);
	if (rc != -EALREADY) {
		p->extra_pause_ms = p->extra_pause_ms == 0 ? EXTRA_MS : 2 * p->extra_pause_ms;
		if (p->extra_pause_ms > EXTRA_MAX_MS)
			p->extra_pause_ms = EXTRA_MAX_MS;
		p->extra_ms = now + p->extra_pause_ms;
	}
	if (rc == 0)
		peel_log(PEEL_LOG_DEBUG, "a circuit of %u hop%s more, as associations share hosts",
			p->conf.hops, p->conf.hops == 1 ? "" : "s");
}

/* 0: sent, or dropped for good; -EAGAIN: there is no circuit; -EBUSY: none on which the host is not
 * another's. */
static int
send_datagram(struct peel_proxy *p, unsigned int slot, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	const struct peel_proxy_circuits *c = &p->conf.circuits;
	uint64_t circuit;
	int rc;

	while ((rc = peel_flows_out(p->flows, slot, to, &circuit)) == 0) {
		rc = c->send(c->arg, circuit, to, payload, len);
		if (rc == 0) {
			if (p->destinations != NULL && to->name[0] == '\0')
				proxy_destinations_note(p->destinations, circuit, &to->addr);
			return 0;
		}
		if (rc != -ENOENT && rc != -ENOTCONN) {
			peel_stats_add(p->conf.stats, PEEL_DROP_SOCKS_SEND, 1);
			return 0;
		}
		peel_flows_del(p->flows, circuit); /* it has just ended: there may be another one */
	}
	if (rc == -EBUSY)
		begin_extra(p);
	return rc;
}

void
proxy_on_datagram(void *arg, struct peel_socks_assoc *a, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	struct peel_proxy *p = ((struct proxy_server *)arg)->proxy;
	unsigned int slot = slot_of(a);

	if (proxy_peers_has(p->conf.peers, to))
		proxy_peers_send(p, slot, to, payload, len);
	else if (send_datagram(p, slot, to, payload, len) != 0)
		peel_stats_add(p->conf.stats, PEEL_DROP_SOCKS_WAIT,
			peel_held_push(p->held, slot, to, payload, len));
}

/* ---- circuits -------------------------------------------------------------------------------- */

static void
on_held(void *arg, unsigned int slot, const struct peel_socks_target *to, const uint8_t *payload,
	size_t len)
{
	struct peel_proxy *p = arg;
	int rc = send_datagram(p, slot, to, payload, len);

	if (rc != 0)
		peel_stats_add(p->conf.stats,
			rc == -EBUSY ? PEEL_DROP_SOCKS_SHARED : PEEL_DROP_SOCKS_WAIT, 1);
}

/* There is a circuit now, or one more. */
static void
send_held(struct peel_proxy *p)
{
	unsigned int dropped = 0;

	for (unsigned int slot = 0; slot < PEEL_FLOWS_USERS; slot++) {
		while (peel_held_pop(p->held, slot, on_held, p, &dropped))
			;
	}
	peel_stats_add(p->conf.stats, PEEL_DROP_SOCKS_WAIT, dropped);
}

void
proxy_sync_circuits(struct peel_proxy *p)
{
	const struct peel_proxy_circuits *c = &p->conf.circuits;
	uint64_t usable[PEEL_FLOWS_CIRCUITS];
	size_t n = c->usable(c->arg, usable, PEEL_ARRAY_LEN(usable));

	if (n > PEEL_ARRAY_LEN(usable))
		n = PEEL_ARRAY_LEN(usable);
	peel_flows_set(p->flows, usable, n);
	if (n > p->n_circuits)
		p->extra_pause_ms = 0;
	p->n_circuits = n;
	if (n > 0)
		send_held(p);
}

/* ---- out of circuits ------------------------------------------------------------------------- */

bool
peel_proxy_take(struct peel_proxy *p, uint64_t circuit, const struct peel_socks_target *origin,
	const uint8_t *payload, size_t len)
{
	int slot = peel_flows_in(p->flows, circuit, origin);

	if (slot >= 0)
		(void)peel_socks_deliver(p->assoc[slot], origin, payload, len);
	return slot != -ENOENT;
}
