/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The mail of a guest, a program with a control plane of its own: datagrams of its overlays as they
 * came, plaintext cells that no relay has to drop, and opened cells. All wait in one ring, so that
 * what a neighbour sends stays in order.
 */
#include "burst.h"

/* How full the ring may be, in quarters: what anybody can send without end leaves room for what
 * builds circuits, and both for the first messages of each circuit in a second. */
#define ROOM_ANY 2
#define ROOM_PLAIN 3
#define ROOM_FIRST 4
#define FIRST_MAX 64 /* a circuit that is being built has a few */

void
peel_worker_set_overlays(struct peel_worker *w, const struct peel_guest_overlays *overlays)
{
	/* Pairs with the acquire in guest_begin. */
	__atomic_store_n(&w->guest.set, overlays, __ATOMIC_RELEASE);
}

void
guest_begin(struct peel_worker *w)
{
	struct guest_mail *mail = &w->guest;
	const struct peel_guest_overlays *o = __atomic_load_n(&mail->set, __ATOMIC_ACQUIRE);

	mail->overlays = o;
	if (o == NULL || o->version == mail->version)
		return;
	mail->version = o->version;
	if (o->cells == PEEL_NONE)
		return;
	memcpy(w->conf.prefix[0], o->prefix[o->cells], PEEL_PREFIX_LEN);
	memcpy(w->header, o->prefix[o->cells], PEEL_PREFIX_LEN);
}

/* @return false: the ring is too full. */
static bool
push(struct peel_worker *w, struct rte_mbuf *m, unsigned int room)
{
	bool wake;

	if (!peel_submit_queue_has_room(w->conf.guest, room) ||
		peel_submit_queue_push(w->conf.guest, m, &wake) != 0)
		return false;
	w->guest.wake |= wake;
	peel_stats_add(w->conf.stats, PEEL_TO_CONTROL, 1);
	return true;
}

static void
push_or_drop(struct peel_worker *w, struct rte_mbuf *m, unsigned int room)
{
	if (!push(w, m, room))
		burst_free(w, m, PEEL_DROP_CONTROL_FULL);
}

/* Is a circuit's message one of its first in this second? Whoever is on it could send them without
 * end. */
static bool
is_first(struct peel_worker *w, uint32_t session)
{
	struct guest_mail *mail = &w->guest;
	uint8_t *n = &mail->messages[session % GUEST_SESSIONS];

	if (mail->second != w->now_s) {
		mail->second = w->now_s;
		memset(mail->messages, 0, sizeof(mail->messages));
	}
	if (*n == FIRST_MAX)
		return false;
	++*n;
	return true;
}

bool
guest_cell(struct peel_worker *w, struct rte_mbuf *m, unsigned int n_layers, uint32_t session)
{
	uint8_t *head = rte_pktmbuf_mtod(m, uint8_t *) - PEEL_CELL_HEADER_LEN;

	memmove(head, head - n_layers * (size_t)PEEL_SEAL_SALT_LEN, PEEL_CELL_HEADER_LEN);
	trim(m, -PEEL_CELL_HEADER_LEN, 0);
	return push(w, m, is_first(w, session) ? ROOM_FIRST : ROOM_ANY);
}

static void
plain_cell(struct peel_worker *w, struct rte_mbuf *m, const uint8_t *d)
{
	/* A relay's cells are sealed, and its ids are not to be had again. */
	if (peel_guest_is_plain(d[PEEL_CELL_HEADER_LEN]) &&
		!peel_route_relays(w->conf.routes, peel_get_be32(d + PEEL_CELL_OFF_CID)))
		push_or_drop(w, m, ROOM_PLAIN);
	else
		burst_free(w, m, PEEL_DROP_PLAIN);
}

void
guest_classify(
	struct peel_worker *w, struct group *g, struct rte_mbuf *m, const uint8_t *d, uint32_t len)
{
	const struct peel_guest_overlays *o = w->guest.overlays;
	uint32_t i;

	if (unlikely(len < PEEL_HEADER_LEN)) {
		burst_free(w, m, PEEL_DROP_SHORT);
		return;
	}
	if (unlikely(o == NULL)) {
		burst_free(w, m, PEEL_DROP_PREFIX);
		return;
	}
	i = o->cells != PEEL_NONE && prefix_equal(d, w->conf.prefix[0])
		    ? o->cells
		    : peel_guest_overlay_find(o, d);
	if (unlikely(i == PEEL_NONE)) {
		burst_free(w, m, PEEL_DROP_PREFIX);
		return;
	}
	peel_guest_count_down(&w->conf.guest_counts->count[i][d[PEEL_PREFIX_LEN]], len);
	if (i != o->cells || d[PEEL_PREFIX_LEN] != PEEL_MSG_CELL) {
		if (o->open[i])
			push_or_drop(w, m, ROOM_ANY);
		else
			burst_free(w, m, PEEL_DROP_PREFIX);
	} else if (unlikely(len < PEEL_CELL_MIN)) {
		burst_free(w, m, PEEL_DROP_SHORT);
	} else if (unlikely(d[PEEL_CELL_OFF_PLAIN] != 0)) {
		plain_cell(w, m, d);
	} else {
		group_add(g, m, d, len);
	}
}

bool
guest_itself(const struct peel_worker *w, const struct peel_policy *policy,
	const struct peel_addr *a, const uint8_t *d, size_t len)
{
	const struct peel_guest_overlays *o = w->guest.overlays;

	return o != NULL && o->port == a->port && policy->own != NULL &&
	       peel_addr_set_has(policy->own, a) && len >= PEEL_HEADER_LEN &&
	       memcmp(d, w->conf.prefix[0], PEEL_PREFIX_LEN) == 0;
}

void
guest_count_sent(struct peel_worker *w)
{
	const struct peel_guest_overlays *o = w->guest.overlays;
	uint64_t num = 0, bytes = 0;

	for (uint16_t i = 0; i < w->burst.n_tx; i++) {
		struct rte_mbuf *m = w->burst.tx[i];
		uint64_t is_cell = peel_pkt(m)->endpoint == PEEL_ENDPOINT_MAIN;

		num += is_cell;
		bytes += is_cell * m->data_len;
	}
	if (num > 0 && o != NULL && o->cells != PEEL_NONE)
		peel_guest_count_up(
			&w->conf.guest_counts->count[o->cells][PEEL_MSG_CELL], num, bytes);
}
