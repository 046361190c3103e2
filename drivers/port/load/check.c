/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What came out: is it what a relay has to make of what went in? Opened with the keys of the other
 * end.
 */
#include "load_internal.h"

#define MESSAGE_MAX 2048

/* Where it goes, under which circuit id, sealed with whose backward key (none: @p holder is not
 * used). */
struct wanted {
	struct peel_addr to;
	uint32_t endpoint, cid, holder;
	bool cell, sealed;
	uint32_t len; /* of the plaintext */
	uint8_t text[MESSAGE_MAX];
};

static void
want_return(const struct peel_port *p, const struct peel_load_record *r, struct wanted *w)
{
	struct peel_addr outside = load_outside(p, r->circuit);
	const uint8_t head[DATA_HEADER_LEN] = {PEEL_MSG_DATA, PEEL_HOST_IPV4, 0, 0, 0, 0, 0, 0,
		PEEL_HOST_IPV4, outside.ip[0], outside.ip[1], outside.ip[2], outside.ip[3],
		(uint8_t)(outside.port >> 8), (uint8_t)outside.port};

	memcpy(w->text, head, sizeof(head));
	load_payload(p, r, w->text + sizeof(head));
	w->len = DATA_HEADER_LEN + r->payload;
}

static void
want(const struct peel_port *p, const struct peel_load_record *r, struct wanted *w)
{
	w->to = load_previous(p, r->circuit);
	w->cid = load_cid(p, r->circuit);
	w->endpoint = PEEL_ENDPOINT_MAIN;
	w->cell = w->sealed = true;
	w->holder = r->circuit;
	w->len = load_message(p, r, w->text);
	if (r->kind == PEEL_LOAD_PING) {
		w->text[0] = PEEL_MSG_PONG;
		return;
	}
	switch (p->conf.work) {
	case PEEL_LOAD_FORWARD:
		w->to = load_next(p, r->circuit);
		w->cid = load_next_cid(p, r->circuit);
		w->sealed = false;
		break;
	case PEEL_LOAD_RENDEZVOUS:
		w->holder = load_joined(p, r->circuit);
		w->to = load_previous(p, w->holder);
		w->cid = load_cid(p, w->holder);
		break;
	case PEEL_LOAD_EXIT:
		w->to = load_outside(p, r->circuit);
		w->endpoint = load_endpoint(p, r->circuit);
		w->cell = w->sealed = false;
		load_payload(p, r, w->text);
		w->len = r->payload;
		break;
	case PEEL_LOAD_RETURN:
		want_return(p, r, w);
		break;
	default:
		break;
	}
}

/* The text of a sealed cell, or NULL. Turned in place: the mbuf is about to be freed. */
static const uint8_t *
open_text(const struct peel_port *p, struct load_queue *q, const struct wanted *w, uint8_t *sealed,
	uint32_t len)
{
	struct load_direction h = load_direction(p, w->holder, false);
	struct peel_aead_op op = {.key = &h.key,
		.text = sealed + PEEL_SEAL_SALT_LEN,
		.len = len - PEEL_SEAL_SALT_LEN};
	uint64_t failed;

	load_nonce(&op, &h, sealed);
	failed = p->conf.engine->open(q->aead, &op, 1);
	peel_wipe(&h, sizeof(h));
	return failed == 0 ? op.text : NULL;
}

static bool
is_right(
	const struct peel_port *p, struct load_queue *q, struct rte_mbuf *m, const struct wanted *w)
{
	uint32_t overhead =
		(w->cell ? PEEL_CELL_HEADER_LEN : 0) + (w->sealed ? PEEL_SEAL_OVERHEAD : 0);
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *), header[PEEL_CELL_HEADER_LEN];
	const uint8_t *text = d;

	if (m->data_len != w->len + overhead || m->pkt_len != m->data_len ||
		!peel_addr_equal(&peel_pkt(m)->remote, &w->to) ||
		peel_pkt(m)->endpoint != w->endpoint)
		return false;
	if (w->cell) {
		peel_cell_header(header, p->prefix, w->cid, false, false);
		if (memcmp(d, header, sizeof(header)) != 0)
			return false;
		text += sizeof(header);
	}
	if (w->sealed)
		text = open_text(p, q, w, d + sizeof(header), m->data_len - sizeof(header));
	return text != NULL && memcmp(text, w->text, w->len) == 0;
}

/* Of a pair of copies either may come first. */
static void
note_copy(struct load_queue *q, const struct peel_load_record *r)
{
	for (uint32_t i = 0; i < q->n_records; i++) {
		struct peel_load_record *other = &q->record[i];

		if (other != r && other->seq == r->seq && (other->flags & PEEL_LOAD_CAME) != 0) {
			q->count.came_twice++;
			return;
		}
	}
}

void
load_check(struct peel_port *p, struct load_queue *q, struct rte_mbuf *m)
{
	struct peel_load_record *r = &q->record[m->hash.usr];
	struct wanted w;

	q->count.came++;
	q->count.came_pings += r->kind == PEEL_LOAD_PING;
	if (p->conf.duplicate != 0)
		note_copy(q, r);
	r->flags |= PEEL_LOAD_CAME;
	if ((r->flags & PEEL_LOAD_FORGED) != 0 || r->kind == PEEL_LOAD_CREATE) {
		q->count.wrong++;
		return;
	}
	if (p->conf.check_every == 0 || ++q->since_check < p->conf.check_every)
		return;
	q->since_check = 0;
	q->count.checked++;
	want(p, r, &w);
	q->count.wrong += !is_right(p, q, m, &w);
}
