/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Own circuits: every layer of every cell of a burst, layer by layer, so that each layer is one
 * crypto burst. Source: protocol sections 13.1, 13.5, 13.6, 15.6; W2, W10 of 27.
 */
#include <rte_prefetch.h>

#include "burst.h"

/* The direction that seals (or opens) a layer: hops have theirs, and a downloader uses the
 * end-to-end keys the other way round. */
static inline struct peel_direction *
direction_of(const struct peel_worker *w, const struct peel_path *path, unsigned int layer,
	unsigned int n_layers, bool seal)
{
	struct peel_session *s = peel_session_at(w->conf.routes, path->session[layer]);
	uint8_t flags = peel_path_flags(path);
	bool reversed = layer + 1 == n_layers && (flags & (PEEL_PATH_E2E | PEEL_PATH_REVERSED)) ==
							 (PEEL_PATH_E2E | PEEL_PATH_REVERSED);

	return seal != reversed ? &s->forward : &s->backward;
}

static inline void
nonce_of(struct peel_aead_op *op, const struct peel_direction *direction, const uint8_t *salt)
{
	memcpy(op->nonce, direction->salt, 4);
	memcpy(op->nonce + 4, salt, PEEL_SEAL_SALT_LEN);
}

static inline void
own_drop(struct peel_worker *w, unsigned int i, enum peel_counter reason)
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
	o->n_layers[o->n] = (uint8_t)n_layers;
	o->fingerprint[o->n] = fingerprint;
	o->n++;
	for (unsigned int i = 1; i < n_layers; i++)
		rte_prefetch0(direction_of(w, path, i, n_layers, false));
	m->data_off += PEEL_CELL_HEADER_LEN;
	m->data_len -= PEEL_CELL_HEADER_LEN;
	m->pkt_len = m->data_len;
}

/* One layer off: the salt in front and the tag behind. */
static inline void
layer_opened(struct peel_worker *w, unsigned int i, unsigned int layer)
{
	struct origin_cells *o = &w->origin;
	struct rte_mbuf *m = o->m[i];

	struct peel_direction *direction =
		direction_of(w, o->path[i], layer, o->n_layers[i], false);

	if (layer > 0) {
		peel_direction_seen(direction, w->now_s);
	} else { /* authentic by the first hop's keys, which no one but it has */
		peel_direction_account(direction, w->now_s, m->data_len + PEEL_CELL_HEADER_LEN);
		if (w->conf.replay != NULL && peel_replay_seen(w->conf.replay, o->fingerprint[i])) {
			own_drop(w, i, PEEL_DROP_REPLAY);
			return;
		}
	}
	m->data_off += PEEL_SEAL_SALT_LEN;
	m->data_len -= PEEL_SEAL_OVERHEAD;
	m->pkt_len = m->data_len;
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
			own_drop(w, i, PEEL_DROP_SHORT);
			continue;
		}
		const struct peel_direction *direction =
			direction_of(w, o->path[i], layer, o->n_layers[i], false);
		uint8_t *salt = rte_pktmbuf_mtod(m, uint8_t *);
		struct peel_aead_op *op = &o->op[n];

		op->key = &direction->key;
		op->text = salt + PEEL_SEAL_SALT_LEN;
		op->len = m->data_len - PEEL_SEAL_SALT_LEN;
		nonce_of(op, direction, salt);
		who[n++] = i;
	}
	if (n == 0)
		return false;
	failed = w->conf.engine->open(w->aead, o->op, n);
	for (uint16_t k = 0; k < n; k++) {
		if (unlikely(failed >> k & 1))
			own_drop(w, who[k], PEEL_DROP_AUTH);
		else
			layer_opened(w, who[k], layer);
	}
	return true;
}

/* An exit, or any hop, could send pings without end, and they would stand in the way of what builds
 * other circuits. */
static bool
too_many(struct peel_worker *w, uint32_t path)
{
	struct origin_cells *o = &w->origin;
	uint8_t *used = &o->control[path % OWN_CONTROL];

	if (o->control_s != w->now_s) {
		o->control_s = w->now_s;
		memset(o->control, 0, sizeof(o->control));
	}
	if (*used == OWN_CONTROL_MAX)
		return true;
	++*used;
	return false;
}

/* To the control thread: @p cls decides what it competes with. */
static void
hand_over(struct peel_worker *w, unsigned int i, enum peel_msg_class cls, enum peel_msg_kind kind)
{
	struct rte_mbuf *m = w->origin.m[i];
	struct peel_pkt *pkt = peel_pkt(m);

	pkt->session = w->origin.index[i];
	pkt->generation = peel_path_generation(w->conf.paths, pkt->session);
	if (unlikely(pkt->generation % 2 == 0)) { /* retired since: nobody knows it by that name */
		own_drop(w, i, PEEL_DROP_UNKNOWN_CIRCUIT);
		return;
	}
	if (cls == PEEL_CLASS_OR && too_many(w, pkt->session)) {
		own_drop(w, i, PEEL_DROP_RATE);
		return;
	}
	pkt->kind = (uint8_t)kind;
	pkt->worker = (uint16_t)w->conf.id;
	if (peel_mailbox_push_control(w->conf.mailbox, cls, m) != 0) {
		own_drop(w, i,
			cls == PEEL_CLASS_ORIGIN ? PEEL_DROP_OWN_FULL : PEEL_DROP_CONTROL_FULL);
		return;
	}
	w->burst.notify = true;
}

/* W2: of the tunnel overlay's own messages, only the answers that hidden services wait for may come
 * out of data. */
static bool
may_come_out(uint8_t id, uint8_t flags)
{
	return id == PEEL_MSG_CREATED_E2E || id == PEEL_MSG_PEERS_RESPONSE ||
	       (id == PEEL_MSG_CREATE_E2E && (flags & PEEL_PATH_INTRODUCTION) != 0);
}

static void
own_data(struct peel_worker *w, unsigned int i, const uint8_t *d, uint32_t len)
{
	uint8_t flags = peel_path_flags(w->origin.path[i]);
	struct peel_msg_data data;

	if (peel_data_parse(d + 1, len - 1, &data) != 0)
		own_drop(w, i, PEEL_DROP_MALFORMED);
	else if ((flags & PEEL_PATH_E2E) != 0 || data.payload.len <= PEEL_PREFIX_LEN ||
		 memcmp(data.payload.p, w->conf.prefix[0], PEEL_PREFIX_LEN) != 0)
		hand_over(w, i, PEEL_CLASS_ORIGIN, PEEL_KIND_ORIGIN_DATA);
	else if (may_come_out(data.payload.p[PEEL_PREFIX_LEN], flags))
		hand_over(w, i, PEEL_CLASS_OR, PEEL_KIND_ORIGIN_HIDDEN);
	else
		own_drop(w, i, PEEL_DROP_POLICY);
}

static void
own_message(struct peel_worker *w, unsigned int i)
{
	const uint8_t *d = rte_pktmbuf_mtod(w->origin.m[i], const uint8_t *);
	uint32_t len = w->origin.m[i]->data_len;

	peel_stats_add(w->conf.stats, PEEL_OWN_CELLS_RECEIVED, 1);
	switch (len == 0 ? PEEL_MSG_CELL : d[0]) {
	case PEEL_MSG_DATA:
		own_data(w, i, d, len);
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
		own_drop(w, i, PEEL_DROP_MALFORMED);
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
			own_message(w, i);
	}
	o->n = 0;
	stage_done(w, PEEL_STAGE_ACT);
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Messages of circuits that still are, and that have room for their layers. */
static void
take(struct peel_worker *w, struct rte_mbuf **mail, unsigned int n)
{
	struct origin_cells *o = &w->origin;

	for (unsigned int i = 0; i < n; i++) {
		const struct peel_pkt *pkt = peel_pkt(mail[i]);
		const struct peel_path *path;
		unsigned int n_layers = 0;

		if (peel_path_generation(w->conf.paths, pkt->session) == pkt->generation) {
			path = peel_path_at(w->conf.paths, pkt->session);
			n_layers = peel_path_n_layers(path);
		}
		if (n_layers == 0) {
			burst_free(w, mail[i], PEEL_DROP_UNKNOWN_CIRCUIT);
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
		for (unsigned int k = 0; k < n_layers; k++)
			rte_prefetch0(direction_of(w, path, k, n_layers, true));
		o->m[o->n] = mail[i];
		o->path[o->n] = path;
		o->index[o->n] = pkt->session;
		o->n_layers[o->n] = (uint8_t)n_layers;
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
			direction_of(w, o->path[i], o->n_layers[i] - 1 - nth, o->n_layers[i], true);
		uint8_t *text = rte_pktmbuf_mtod(m, uint8_t *);
		struct peel_aead_op *op = &o->op[n++];

		peel_put_be64(text - PEEL_SEAL_SALT_LEN, peel_direction_next(direction));
		op->key = &direction->key;
		op->text = text;
		op->len = m->data_len;
		nonce_of(op, direction, text - PEEL_SEAL_SALT_LEN);
		m->data_off -= PEEL_SEAL_SALT_LEN;
		m->data_len += PEEL_SEAL_OVERHEAD;
	}
	if (n > 0)
		w->conf.engine->seal(w->aead, o->op, n);
	return n > 0;
}

static void
send_cell(struct peel_worker *w, unsigned int i)
{
	struct rte_mbuf *m = w->origin.m[i];
	const struct peel_path *path = w->origin.path[i];
	uint8_t *head;

	m->data_off -= PEEL_CELL_HEADER_LEN;
	m->data_len += PEEL_CELL_HEADER_LEN;
	m->pkt_len = m->data_len;
	head = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(head, w->header, PEEL_CELL_HEADER_LEN);
	peel_put_be32(head + PEEL_CELL_OFF_CID, path->cid);
	head[PEEL_CELL_OFF_EARLY] =
		peel_path_take_early(peel_path_at(w->conf.paths, w->origin.index[i]));
	peel_direction_account(
		direction_of(w, path, 0, w->origin.n_layers[i], true), w->now_s, m->data_len);
	burst_tx(w, m, &path->first, PEEL_ENDPOINT_MAIN);
}

unsigned int
stage_origin_send(struct peel_worker *w)
{
	struct rte_mbuf *mail[BURST];
	struct origin_cells *o = &w->origin;
	unsigned int n = peel_submit_queue_pop(w->conf.submit_queue, mail, BURST);

	if (n == 0)
		return 0;
	stage_done(w, PEEL_STAGE_RX);
	take(w, mail, n);
	for (unsigned int nth = 0; seal_layer(w, nth); nth++)
		;
	stage_done(w, PEEL_STAGE_SEAL);
	for (uint16_t i = 0; i < o->n; i++)
		send_cell(w, i);
	peel_stats_add(w->conf.stats, PEEL_OWN_CELLS_SENT, o->n);
	o->n = 0;
	return n;
}
