/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cells of origin circuits: the cells of a burst are opened and sealed layer by layer, so that each
 * layer is one crypto burst. Source: protocol sections 13.1, 13.5, 13.6, 15.6; W2, W10 of 27.
 */
#include <rte_prefetch.h>

#include "burst.h"

/* messages for control of one path and second; a circuit that is being built has a few */
#define CONTROL_MAX 64

/* The direction that seals (or opens) a layer. A downloader uses the end-to-end keys the other way
 * round. */
static inline struct peel_direction *
direction_of(const struct peel_worker *w, unsigned int i, unsigned int layer, bool seal)
{
	const uint8_t downloader = PEEL_PATH_E2E | PEEL_PATH_REVERSED;
	const struct origin_cells *o = &w->origin;
	struct peel_session *s = peel_session_at(w->conf.routes, o->path[i]->session[layer]);
	bool reversed = layer + 1u == o->n_layers[i] && (o->flags[i] & downloader) == downloader;

	return seal != reversed ? &s->forward : &s->backward;
}

static inline void
origin_drop(struct peel_worker *w, unsigned int i, enum peel_counter reason)
{
	burst_free(w, w->origin.m[i], reason);
	w->origin.m[i] = NULL;
}

/* ---- receiving ------------------------------------------------------------------------------- */

void
stage_origin_queue(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route,
	uint64_t fingerprint)
{
	struct origin_cells *o = &w->origin;
	const struct peel_path *path = peel_path_at(w->conf.paths, route->peer);
	/* In this order: with the flag of an end-to-end layer, that layer is seen, too. */
	uint8_t flags = peel_path_flags(path);
	unsigned int n_layers = peel_path_n_layers(path);

	/* W10: the route is there a moment before the first layer, and what nothing opened is no
	 * message. */
	if (unlikely(n_layers == 0)) {
		burst_drop(w, m, PEEL_DROP_UNKNOWN_CIRCUIT);
		return;
	}
	o->m[o->n] = m;
	o->path[o->n] = path;
	o->index[o->n] = route->peer;
	o->flags[o->n] = flags;
	o->n_layers[o->n] = (uint8_t)n_layers;
	o->fingerprint[o->n] = fingerprint;
	for (unsigned int layer = 1; layer < n_layers; layer++)
		rte_prefetch0(direction_of(w, o->n, layer, false));
	o->n++;
	trim(m, PEEL_CELL_HEADER_LEN, 0);
}

/* The innermost layer is what tells a cell: the hops before its maker can seal a copy of that
 * anew. */
static inline void
prepare_innermost(struct peel_worker *w, unsigned int i, unsigned int layer)
{
	struct origin_cells *o = &w->origin;
	const uint8_t *salt = rte_pktmbuf_mtod(o->m[i], const uint8_t *);

	if (layer == 0 || layer + 1u != o->n_layers[i] || w->conf.replay == NULL)
		return;
	o->fingerprint[i] = peel_replay_fingerprint(w->conf.replay, o->path[i]->session[layer],
		peel_get_be64(salt), salt + o->m[i]->data_len - PEEL_SEAL_TAG_LEN);
	peel_replay_prefetch(w->conf.replay, o->fingerprint[i]);
}

/* One layer off: the salt in front and the tag behind. */
static inline void
layer_opened(struct peel_worker *w, unsigned int i, unsigned int layer)
{
	struct origin_cells *o = &w->origin;
	struct rte_mbuf *m = o->m[i];
	struct peel_direction *direction = direction_of(w, i, layer, false);

	/* Authentic by keys that only the first hop has. */
	if (layer == 0)
		peel_direction_account(direction, w->now_s, m->data_len + PEEL_CELL_HEADER_LEN);
	if (layer + 1u == o->n_layers[i] && w->conf.replay != NULL &&
		peel_replay_seen(w->conf.replay, o->fingerprint[i])) {
		origin_drop(w, i, PEEL_DROP_REPLAY);
		return;
	}
	if (layer > 0)
		peel_direction_seen(direction, w->now_s);
	trim(m, PEEL_SEAL_SALT_LEN, PEEL_SEAL_TAG_LEN);
}

/* @return false when no cell has that many layers. */
static bool
open_layer(struct peel_worker *w, unsigned int layer)
{
	struct origin_cells *o = &w->origin;
	uint16_t who[BURST], n = 0;
	uint64_t failed;

	for (uint16_t i = 0; i < o->n; i++) {
		struct rte_mbuf *m = o->m[i];

		if (m == NULL || o->n_layers[i] <= layer)
			continue;
		if (unlikely(m->data_len < PEEL_SEAL_OVERHEAD)) {
			origin_drop(w, i, PEEL_DROP_SHORT);
			continue;
		}
		prepare_innermost(w, i, layer);
		set_op(&o->op[n], direction_of(w, i, layer, false), rte_pktmbuf_mtod(m, uint8_t *),
			m->data_len - PEEL_SEAL_SALT_LEN);
		who[n++] = i;
	}
	if (n == 0)
		return false;
	failed = w->conf.engine->open(w->aead, o->op, n);
	for (uint16_t k = 0; k < n; k++) {
		if (unlikely(failed >> k & 1))
			origin_drop(w, who[k], PEEL_DROP_AUTH);
		else
			layer_opened(w, who[k], layer);
	}
	return true;
}

/* Any hop could send pings without end, and they would be in the way of messages that build other
 * circuits. */
static bool
too_many(struct peel_worker *w, uint32_t path)
{
	struct origin_cells *o = &w->origin;
	uint8_t *used = &o->control[path % ORIGIN_PATHS];

	if (o->second != w->now_s) {
		o->second = w->now_s;
		memset(o->control, 0, sizeof(o->control));
	}
	if (*used == CONTROL_MAX)
		return true;
	++*used;
	return false;
}

/* To the control thread; it competes with other messages of @p cls. */
static void
hand_over(struct peel_worker *w, unsigned int i, enum peel_msg_class cls, enum peel_msg_kind kind)
{
	struct rte_mbuf *m = w->origin.m[i];
	struct peel_pkt *pkt = peel_pkt(m);

	pkt->session = w->origin.index[i];
	pkt->generation = peel_path_generation(w->conf.paths, pkt->session);
	/* Retired since: nobody knows it by that number. */
	if (unlikely(pkt->generation % 2 == 0)) {
		origin_drop(w, i, PEEL_DROP_UNKNOWN_CIRCUIT);
		return;
	}
	if (cls == PEEL_CLASS_OR && too_many(w, pkt->session)) {
		origin_drop(w, i, PEEL_DROP_RATE);
		return;
	}
	if (!burst_push(w, m, cls, kind))
		origin_drop(w, i,
			cls == PEEL_CLASS_ORIGIN ? PEEL_DROP_OWN_FULL : PEEL_DROP_CONTROL_FULL);
}

static void
to_guest(struct peel_worker *w, unsigned int i)
{
	struct origin_cells *o = &w->origin;

	if (!guest_cell(w, o->m[i], o->n_layers[i], o->path[i]->session[0]))
		origin_drop(w, i, PEEL_DROP_CONTROL_FULL);
}

/* W2: a data message may carry a message of the tunnel overlay itself only when a hidden service
 * waits for it. */
static bool
may_come_out(uint8_t id, uint8_t flags)
{
	return id == PEEL_MSG_CREATED_E2E || id == PEEL_MSG_PEERS_RESPONSE ||
	       (id == PEEL_MSG_CREATE_E2E && (flags & PEEL_PATH_INTRODUCTION) != 0);
}

static void
origin_data(struct peel_worker *w, unsigned int i, const uint8_t *d, uint32_t len)
{
	uint8_t flags = w->origin.flags[i];
	struct peel_msg_data data;
	bool of_overlay;

	if (peel_data_parse(d + 1, len - 1, &data) != 0) {
		origin_drop(w, i, PEEL_DROP_MALFORMED);
		return;
	}
	of_overlay = data.payload.len > PEEL_PREFIX_LEN &&
		     memcmp(data.payload.p, w->conf.prefix[0], PEEL_PREFIX_LEN) == 0;
	if (unlikely(w->conf.guest != NULL) &&
		(of_overlay || (flags & PEEL_PATH_ASSOCIATED) == 0)) {
		to_guest(w, i);
		return;
	}
	if ((flags & PEEL_PATH_E2E) != 0) {
		hand_over(w, i, PEEL_CLASS_ORIGIN, PEEL_KIND_ORIGIN_PEER);
		return;
	}
	if (of_overlay && may_come_out(data.payload.p[PEEL_PREFIX_LEN], flags))
		hand_over(w, i, PEEL_CLASS_OR, PEEL_KIND_ORIGIN_HIDDEN);
	else if (!of_overlay &&
		 (flags & (PEEL_PATH_HIDDEN | PEEL_PATH_ASSOCIATED)) != PEEL_PATH_HIDDEN)
		hand_over(w, i, PEEL_CLASS_ORIGIN, PEEL_KIND_ORIGIN_DATA);
	else
		origin_drop(w, i, PEEL_DROP_POLICY);
}

/* A guest has all messages but data, and answers that the control thread waits for. */
static bool
is_guests(const struct peel_worker *w, uint8_t id)
{
	return w->conf.guest != NULL && id != PEEL_MSG_CELL && id != PEEL_MSG_DATA &&
	       id != PEEL_MSG_TEST_RESPONSE_RUST && id != PEEL_MSG_HTTP_RESPONSE;
}

static void
origin_message(struct peel_worker *w, unsigned int i)
{
	const uint8_t *d = rte_pktmbuf_mtod(w->origin.m[i], const uint8_t *);
	uint32_t len = w->origin.m[i]->data_len;

	peel_stats_add(w->conf.stats, PEEL_OWN_CELLS_RECEIVED, 1);
	uint8_t id = len == 0 ? PEEL_MSG_CELL : d[0];

	if (unlikely(is_guests(w, id))) {
		to_guest(w, i);
		return;
	}
	switch (id) {
	case PEEL_MSG_DATA:
		origin_data(w, i, d, len);
		break;
	case PEEL_MSG_EXTENDED:
	case PEEL_MSG_PING:
	case PEEL_MSG_PONG:
	case PEEL_MSG_INTRO_ESTABLISHED:
	case PEEL_MSG_RENDEZVOUS_ESTABLISHED:
	case PEEL_MSG_LINKED_E2E:
	case PEEL_MSG_PEERS_RESPONSE:
		hand_over(w, i, PEEL_CLASS_OR, PEEL_KIND_ORIGIN_MESSAGE);
		break;
	case PEEL_MSG_TEST_RESPONSE: /* these may come in bulk */
	case PEEL_MSG_TEST_RESPONSE_RUST:
	case PEEL_MSG_HTTP_RESPONSE:
		hand_over(w, i, PEEL_CLASS_ORIGIN, PEEL_KIND_ORIGIN_MESSAGE);
		break;
	default:
		origin_drop(w, i, PEEL_DROP_MALFORMED);
	}
}

void
stage_origin_receive(struct peel_worker *w)
{
	struct origin_cells *o = &w->origin;

	stage_done(w, PEEL_STAGE_ACT);
	for (unsigned int layer = 0; open_layer(w, layer); layer++)
		;
	stage_done(w, PEEL_STAGE_OPEN);
	for (uint16_t i = 0; i < o->n; i++) {
		if (o->m[i] != NULL)
			origin_message(w, i);
	}
	o->n = 0;
	stage_done(w, PEEL_STAGE_ACT);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Keep the messages whose circuits still exist and that have room for the layers. */
static void
take(struct peel_worker *w, struct rte_mbuf **mail, unsigned int n)
{
	struct origin_cells *o = &w->origin;

	for (unsigned int i = 0; i < n; i++) {
		const struct peel_pkt *pkt = peel_pkt(mail[i]);
		const struct peel_path *path;
		unsigned int n_layers = 0;
		uint8_t flags = 0;

		if (peel_path_generation(w->conf.paths, pkt->session) == pkt->generation) {
			path = peel_path_at(w->conf.paths, pkt->session);
			flags = peel_path_flags(path);
			n_layers = peel_path_n_layers(path);
		}
		if (unlikely(n_layers == 0 || w->shut)) {
			burst_free(w, mail[i],
				w->shut ? PEEL_DROP_ACCOUNTING : PEEL_DROP_UNKNOWN_CIRCUIT);
			continue;
		}
		if (rte_pktmbuf_headroom(mail[i]) <
				PEEL_CELL_HEADER_LEN + n_layers * PEEL_SEAL_SALT_LEN ||
			rte_pktmbuf_tailroom(mail[i]) < n_layers * PEEL_SEAL_TAG_LEN ||
			PEEL_CELL_HEADER_LEN + mail[i]->data_len + n_layers * PEEL_SEAL_OVERHEAD >
				PEEL_DATAGRAM_MAX) {
			burst_free(w, mail[i], PEEL_DROP_OVERSIZE);
			continue;
		}
		o->m[o->n] = mail[i];
		o->path[o->n] = path;
		o->index[o->n] = pkt->session;
		o->flags[o->n] = flags;
		o->n_layers[o->n] = (uint8_t)n_layers;
		for (unsigned int layer = 0; layer < n_layers; layer++)
			rte_prefetch0(direction_of(w, o->n, layer, true));
		o->n++;
	}
}

/* The @p nth layer from within. @return false when no cell has that many. */
static bool
seal_layer(struct peel_worker *w, unsigned int nth)
{
	struct origin_cells *o = &w->origin;
	uint16_t n = 0;

	for (uint16_t i = 0; i < o->n; i++) {
		struct rte_mbuf *m = o->m[i];

		if (o->n_layers[i] <= nth)
			continue;
		struct peel_direction *direction =
			direction_of(w, i, o->n_layers[i] - 1 - nth, true);
		uint8_t *salt = rte_pktmbuf_mtod(m, uint8_t *) - PEEL_SEAL_SALT_LEN;

		peel_put_be64(salt, peel_direction_next(direction));
		set_op(&o->op[n++], direction, salt, m->data_len);
		trim(m, -PEEL_SEAL_SALT_LEN, -PEEL_SEAL_TAG_LEN);
	}
	if (n > 0)
		w->conf.engine->seal(w->aead, o->op, n);
	return n > 0;
}

/* @return false: over a limit. */
static bool
send_cell(struct peel_worker *w, unsigned int i)
{
	struct rte_mbuf *m = w->origin.m[i];
	const struct peel_path *path = w->origin.path[i];
	enum peel_counter reason;
	uint8_t *head;

	trim(m, -PEEL_CELL_HEADER_LEN, 0);
	if (!burst_may_send(w, path->session[0], PEEL_BANDWIDTH_ALL, m->data_len, &reason)) {
		burst_free(w, m, reason);
		return false;
	}
	head = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(head, w->header, PEEL_CELL_HEADER_LEN);
	peel_put_be32(head + PEEL_CELL_OFF_CID, path->cid);
	head[PEEL_CELL_OFF_EARLY] =
		peel_path_take_early(peel_path_at(w->conf.paths, w->origin.index[i]));
	peel_direction_account(direction_of(w, i, 0, true), w->now_s, m->data_len);
	burst_tx(w, m, &path->first, PEEL_ENDPOINT_MAIN);
	return true;
}

unsigned int
stage_origin_send(struct peel_worker *w)
{
	struct rte_mbuf *mail[BURST];
	struct origin_cells *o = &w->origin;
	unsigned int n = peel_submit_queue_pop(w->conf.submit_queue, mail, BURST), sent = 0;

	if (n == 0)
		return 0;
	stage_done(w, PEEL_STAGE_RX);
	take(w, mail, n);
	for (unsigned int nth = 0; seal_layer(w, nth); nth++)
		;
	stage_done(w, PEEL_STAGE_SEAL);
	for (uint16_t i = 0; i < o->n; i++)
		sent += send_cell(w, i);
	peel_stats_add(w->conf.stats, PEEL_OWN_CELLS_SENT, sent);
	o->n = 0;
	return n;
}
