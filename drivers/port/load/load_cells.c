/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Batches of cells, sealed before anybody looks at the clock.
 */
#include "load_internal.h"

#define REORDER_REACH 64
/* of a create message's bytes; the worker does not look into them */
#define CREATE_LEN 60

/* The header of a uTP datagram, so that an exit's policy lets it pass, then the number, then
 * noise. */
void
load_payload(const struct peel_port *p, const struct peel_load_record *r, uint8_t *out)
{
	static const uint8_t utp[20] = {0x01, 0x00, 0x12, 0x34};
	size_t head = sizeof(utp) + sizeof(r->seq);

	memcpy(out, utp, sizeof(utp));
	memcpy(out + sizeof(utp), &r->seq, sizeof(r->seq));
	memcpy(out + head, p->noise + (r->seq & 63), r->payload - head);
}

static void
put_ipv4(uint8_t *p, const struct peel_addr *a)
{
	p[0] = PEEL_HOST_IPV4;
	memcpy(p + 1, a->ip, 4);
	peel_put_be16(p + 5, a->port);
}

uint32_t
load_message(const struct peel_port *p, const struct peel_load_record *r, uint8_t *out)
{
	struct peel_addr outside = load_outside(p, r->circuit), none = {0};

	if (r->kind == PEEL_LOAD_PING) {
		out[0] = PEEL_MSG_PING;
		peel_put_be16(out + 1, (uint16_t)r->seq);
		return 3;
	}
	if (p->conf.work != PEEL_LOAD_EXIT) {
		load_payload(p, r, out);
		return r->payload;
	}
	out[0] = PEEL_MSG_DATA;
	put_ipv4(out + 1, &outside);
	put_ipv4(out + 8, &none);
	load_payload(p, r, out + DATA_HEADER_LEN);
	return DATA_HEADER_LEN + r->payload;
}

void
load_nonce(struct peel_aead_op *op, const struct load_direction *h, const uint8_t explicit_salt[8])
{
	memcpy(op->nonce, h->salt, sizeof(h->salt));
	memcpy(op->nonce + sizeof(h->salt), explicit_salt, 8);
}

/* What the sealing of a batch still needs, collected for bursts. */
struct sealing {
	struct peel_aead_op op[PEEL_AEAD_BURST];
	struct load_direction direction[PEEL_AEAD_BURST];
	struct rte_mbuf *forge[PEEL_AEAD_BURST];
	unsigned int n, n_forge;
};

static void
seal_now(const struct peel_port *p, struct load_queue *q, struct sealing *s)
{
	p->conf.engine->seal(q->aead, s->op, s->n);
	for (unsigned int i = 0; i < s->n_forge; i++) {
		struct rte_mbuf *m = s->forge[i];
		uint32_t body = m->data_len - PEEL_CELL_HEADER_LEN;

		rte_pktmbuf_mtod(m, uint8_t *)[PEEL_CELL_HEADER_LEN + load_below(q, body)] ^=
			(uint8_t)(1 + load_below(q, 255));
	}
	s->n = s->n_forge = 0;
}

static void
set_length(struct rte_mbuf *m, uint32_t len)
{
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

/* A sealed cell from the previous hop; the tag comes when the burst is full. */
static void
build_sealed(const struct peel_port *p, struct load_queue *q, const struct peel_load_record *r,
	struct rte_mbuf *m, struct sealing *s)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *), *salt = d + PEEL_CELL_HEADER_LEN;
	struct peel_aead_op *op = &s->op[s->n];

	peel_cell_header(d, p->prefix, load_cid(p, r->circuit), false, false);
	peel_put_be64(salt, r->seq);
	s->direction[s->n] = load_direction(p, r->circuit, true);
	op->key = &s->direction[s->n].key;
	op->text = salt + PEEL_SEAL_SALT_LEN;
	op->len = load_message(p, r, op->text);
	load_nonce(op, &s->direction[s->n], salt);
	set_length(m, PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD + op->len);
	if ((r->flags & PEEL_LOAD_FORGED) != 0)
		s->forge[s->n_forge++] = m;
	if (++s->n == PEEL_AEAD_BURST)
		seal_now(p, q, s);
}

static void
build_backward(const struct peel_port *p, const struct peel_load_record *r, struct rte_mbuf *m)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t len;

	peel_cell_header(d, p->prefix, load_next_cid(p, r->circuit), false, false);
	len = load_message(p, r, d + PEEL_CELL_HEADER_LEN);
	set_length(m, PEEL_CELL_HEADER_LEN + len);
	peel_pkt(m)->remote = load_next(p, r->circuit);
	if ((r->flags & PEEL_LOAD_FORGED) != 0)
		peel_pkt(m)->remote.port ^= 1; /* nobody there */
}

static void
build_return(const struct peel_port *p, const struct peel_load_record *r, struct rte_mbuf *m)
{
	uint32_t session = p->session[r->circuit];

	if ((r->flags & PEEL_LOAD_FORGED) != 0)
		session ^= 1u << 31;
	load_payload(p, r, rte_pktmbuf_mtod(m, uint8_t *));
	set_length(m, r->payload);
	peel_pkt(m)->remote = load_outside(p, r->circuit);
	peel_pkt(m)->endpoint = load_endpoint(p, r->circuit);
	peel_pkt(m)->cookie = (uint64_t)p->slot[r->circuit] << 32 | session;
}

static void
build_create(const struct peel_port *p, const struct peel_load_record *r, struct rte_mbuf *m)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);

	peel_cell_header(d, p->prefix, ~load_cid(p, r->circuit), true, false);
	memcpy(d + PEEL_CELL_HEADER_LEN, p->noise, CREATE_LEN);
	d[PEEL_CELL_HEADER_LEN] = PEEL_MSG_CREATE;
	set_length(m, PEEL_CELL_HEADER_LEN + CREATE_LEN);
}

static void
build(const struct peel_port *p, struct load_queue *q, const struct peel_load_record *r,
	struct rte_mbuf *m, struct sealing *s)
{
	peel_pkt(m)->remote = load_previous(p, r->circuit);
	peel_pkt(m)->endpoint = PEEL_ENDPOINT_MAIN;
	if (r->kind == PEEL_LOAD_CREATE)
		build_create(p, r, m);
	else if (p->conf.work == PEEL_LOAD_BACKWARD)
		build_backward(p, r, m);
	else if (p->conf.work == PEEL_LOAD_RETURN)
		build_return(p, r, m);
	else
		build_sealed(p, q, r, m, s);
}

static bool
happens(struct load_queue *q, uint16_t thousandth)
{
	return thousandth != 0 && load_below(q, 1000) < thousandth;
}

static void
choose(const struct peel_port *p, struct load_queue *q, uint16_t queue, struct peel_load_record *r)
{
	const struct peel_load_conf *c = &p->conf;

	q->seq++;
	while (happens(q, c->loss))
		q->seq++;
	*r = (struct peel_load_record){.seq = q->seq,
		.circuit = load_choose(p, q, queue),
		.payload = c->size[c->n_sizes > 1 ? load_below(q, c->n_sizes) : 0],
		.kind = PEEL_LOAD_CELL};
	if (happens(q, c->create))
		r->kind = PEEL_LOAD_CREATE;
	else if (c->work == PEEL_LOAD_EXIT && happens(q, c->ping))
		r->kind = PEEL_LOAD_PING;
	else if (happens(q, c->forge))
		r->flags = PEEL_LOAD_FORGED;
}

static void
count(struct load_queue *q, const struct peel_load_record *r)
{
	struct peel_load_count *n = &q->count;

	n->offered++;
	n->pings += r->kind == PEEL_LOAD_PING;
	n->creates += r->kind == PEEL_LOAD_CREATE;
	n->forged += (r->flags & PEEL_LOAD_FORGED) != 0;
	n->duplicates += (r->flags & PEEL_LOAD_COPY) != 0;
	n->expected += r->kind != PEEL_LOAD_CREATE && r->flags == 0;
}

static struct rte_mbuf *
new_mbuf(const struct peel_port *p, struct load_queue *q)
{
	struct rte_mbuf *m = q->n_in < q->cap ? rte_pktmbuf_alloc(p->conf.pool) : NULL;

	if (m == NULL)
		return NULL;
	m->hash.usr = q->n_records;
	q->in[q->n_in++] = m;
	return m;
}

/* A copy of one of the last cells, once these are sealed. */
static void
add_copies(const struct peel_port *p, struct load_queue *q, uint32_t from)
{
	uint32_t end = q->n_in;

	for (uint32_t i = from; i < end; i++) {
		const struct peel_load_record *r = &q->record[q->in[i]->hash.usr];
		struct rte_mbuf *m;

		if (r->kind != PEEL_LOAD_CELL || r->flags != 0 || !happens(q, p->conf.duplicate))
			continue;
		m = new_mbuf(p, q);
		if (m == NULL)
			return;
		set_length(m, q->in[i]->data_len);
		memcpy(rte_pktmbuf_mtod(m, void *), rte_pktmbuf_mtod(q->in[i], void *),
			m->data_len);
		*peel_pkt(m) = *peel_pkt(q->in[i]);
		q->record[q->n_records] = *r;
		q->record[q->n_records].flags |= PEEL_LOAD_COPY;
		count(q, &q->record[q->n_records++]);
	}
}

static void
shuffle(const struct peel_port *p, struct load_queue *q)
{
	for (uint32_t i = 0; i < q->n_in && p->conf.reorder != 0; i++) {
		uint32_t with = i + load_below(q, REORDER_REACH);
		struct rte_mbuf *m = q->in[i];

		if (!happens(q, p->conf.reorder) || with >= q->n_in)
			continue;
		q->in[i] = q->in[with];
		q->in[with] = m;
	}
}

uint32_t
peel_load_prepare(struct peel_port *p, uint16_t queue, uint32_t n)
{
	struct load_queue *q = &p->queue[queue];
	struct sealing s = {.n = 0};
	uint32_t copied = 0;

	q->n_in = q->next = q->n_out = q->n_records = 0;
	q->paced = false;
	for (uint32_t i = 0; i < n && i < p->conf.batch; i++) {
		struct rte_mbuf *m = new_mbuf(p, q);
		struct peel_load_record *r = &q->record[q->n_records];

		if (m == NULL)
			break;
		choose(p, q, queue, r);
		build(p, q, r, m, &s);
		count(q, r);
		q->n_records++;
		/* All sealed: a good moment for copies, not far behind their originals. */
		if (s.n == 0 && p->conf.duplicate != 0) {
			add_copies(p, q, copied);
			copied = q->n_in;
		}
	}
	seal_now(p, q, &s);
	if (p->conf.duplicate != 0)
		add_copies(p, q, copied);
	shuffle(p, q);
	peel_wipe(&s, sizeof(s));
	return q->n_in;
}
