/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The port itself. What happens between two looks at the clock is in load_rx() and load_tx().
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>

#include "load_internal.h"

/* How many of a paced batch have arrived and found room. Losses are decided as a NIC would: the
 * ring fills, then drops until the next look makes room. */
static uint32_t
admit(struct load_queue *q)
{
	double now = (double)rte_rdtsc();
	uint32_t room = q->ring - (q->admitted - q->next);

	for (; q->next_arrival <= now && q->admitted < q->n_in; q->next_arrival += q->cycles) {
		if (room == 0) {
			uint64_t missed = (uint64_t)((now - q->next_arrival) / q->cycles) + 1;

			q->count.overflow += missed;
			q->next_arrival += (double)missed * q->cycles;
			break;
		}
		q->record[q->in[q->admitted]->hash.usr].arrival = (uint64_t)q->next_arrival;
		q->admitted++;
		room--;
	}
	return q->admitted - q->next;
}

static uint16_t
load_rx(struct peel_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct load_queue *q = &p->queue[queue];
	uint32_t waiting = q->paced ? admit(q) : q->n_in - q->next;

	n = RTE_MIN(n, p->conf.burst);
	if (n > waiting)
		n = (uint16_t)waiting;
	memcpy(pkts, q->in + q->next, n * sizeof(pkts[0]));
	q->next += n;
	return n;
}

static void
load_tx(struct peel_port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct load_queue *q = &p->queue[queue];

	if (unlikely(n > q->cap - q->n_out)) { /* mail of the control thread: not from here */
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	memcpy(q->out + q->n_out, pkts, n * sizeof(pkts[0]));
	q->n_out += n;
	if (q->paced) {
		uint64_t now = rte_rdtsc();

		for (uint16_t i = 0; i < n; i++)
			q->record[pkts[i]->hash.usr].departure = now;
	}
}

static void
load_flush(struct peel_port *p, uint16_t queue)
{
	(void)p;
	(void)queue;
}

void
peel_load_pace_start(
	struct peel_port *p, uint16_t queue, const struct peel_load_pace *pace, uint64_t tsc)
{
	struct load_queue *q = &p->queue[queue];

	q->paced = true;
	q->cycles = pace->cycles;
	q->ring = pace->ring;
	q->next_arrival = (double)tsc;
	q->admitted = q->next;
}

uint32_t
peel_load_left(const struct peel_port *p, uint16_t queue)
{
	return p->queue[queue].n_in - p->queue[queue].next;
}

/* Batches are short: the relay keeps the order of a flow, so what came out must be in order of
 * arrival but for what the sealing pass brings behind what only was opened. */
static void
check_order(struct load_queue *q)
{
	uint64_t last = 0;

	for (uint32_t i = 0; i < q->n_out; i++) {
		const struct peel_load_record *r = &q->record[q->out[i]->hash.usr];

		if (r->kind != PEEL_LOAD_CELL)
			continue;
		q->count.out_of_order += r->seq < last;
		last = r->seq;
	}
}

void
peel_load_collect(struct peel_port *p, uint16_t queue)
{
	struct load_queue *q = &p->queue[queue];

	if (p->conf.reorder == 0 && p->conf.duplicate == 0)
		check_order(q);
	for (uint32_t i = 0; i < q->n_out; i++)
		load_check(p, q, q->out[i]);
	peel_load_discard(p, queue);
}

void
peel_load_discard(struct peel_port *p, uint16_t queue)
{
	struct load_queue *q = &p->queue[queue];

	rte_pktmbuf_free_bulk(q->out, q->n_out);
	rte_pktmbuf_free_bulk(q->in + q->next, q->n_in - q->next);
	q->n_out = q->n_in = q->next = 0;
}

const struct peel_load_record *
peel_load_records(const struct peel_port *p, uint16_t queue, uint32_t *n)
{
	*n = p->queue[queue].n_records;
	return p->queue[queue].record;
}

struct rte_mbuf *
peel_load_last(const struct peel_port *p, uint16_t queue)
{
	const struct load_queue *q = &p->queue[queue];

	return q->n_out > 0 ? q->out[q->n_out - 1] : NULL;
}

const struct peel_load_count *
peel_load_count(const struct peel_port *p, uint16_t queue)
{
	return &p->queue[queue].count;
}

/* ---- the crypto alone ------------------------------------------------------------------------ */

int
peel_load_crypto_new(const struct peel_port *p, struct peel_load_crypto **out)
{
	uint32_t n = p->queue[0].cap;
	struct peel_load_crypto *c = calloc(1, sizeof(*c));

	*out = c;
	if (c == NULL)
		return -ENOMEM;
	c->open = calloc(n, sizeof(c->open[0]));
	c->seal = calloc(n, sizeof(c->seal[0]));
	c->key = calloc(2 * (size_t)n, sizeof(c->key[0]));
	if (c->open != NULL && c->seal != NULL && c->key != NULL)
		return 0;
	peel_load_crypto_free(c);
	*out = NULL;
	return -ENOMEM;
}

void
peel_load_crypto_free(struct peel_load_crypto *c)
{
	if (c == NULL)
		return;
	free(c->open);
	free(c->seal);
	free(c->key);
	free(c);
}

static void
crypto_op(const struct peel_port *p, struct peel_aead_op *op, struct peel_key *key, uint32_t holder,
	bool forward, uint8_t *text, uint32_t len)
{
	struct load_direction h = load_direction(p, holder, forward);
	uint8_t salt[8] = {0};

	*key = h.key;
	op->key = key;
	op->text = text;
	op->len = len;
	load_nonce(op, &h, forward ? text - sizeof(salt) : salt);
	peel_wipe(&h, sizeof(h));
}

void
peel_load_crypto_fill(const struct peel_port *p, uint16_t queue, struct peel_load_crypto *c)
{
	const struct load_queue *q = &p->queue[queue];
	const uint32_t head = PEEL_CELL_HEADER_LEN, salt = PEEL_SEAL_SALT_LEN;
	struct peel_key *key = c->key;

	c->n_open = c->n_seal = 0;
	for (uint32_t i = 0; i < q->n_in; i++) {
		struct rte_mbuf *m = q->in[i];
		uint32_t circuit = q->record[m->hash.usr].circuit, len = m->data_len;
		uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);

		switch (p->conf.work) {
		case PEEL_LOAD_BACKWARD:
			crypto_op(p, &c->seal[c->n_seal++], key++, circuit, false, d + head,
				len - head);
			break;
		case PEEL_LOAD_RETURN:
			crypto_op(p, &c->seal[c->n_seal++], key++, circuit, false,
				d - DATA_HEADER_LEN, len + DATA_HEADER_LEN);
			break;
		case PEEL_LOAD_RENDEZVOUS:
			crypto_op(p, &c->seal[c->n_seal++], key++, load_joined(p, circuit), false,
				d + head + salt, len - head - PEEL_SEAL_OVERHEAD);
			/* fall through */
		default:
			crypto_op(p, &c->open[c->n_open++], key++, circuit, true, d + head + salt,
				len - head - salt);
		}
	}
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool
sizes_valid(const uint16_t *size, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (size[i] < PEEL_LOAD_PAYLOAD_MIN || size[i] > PEEL_LOAD_PAYLOAD_MAX)
			return false;
	}
	return n > 0 && n <= PEEL_LOAD_SIZES_MAX;
}

int
peel_load_set_sizes(struct peel_port *p, const uint16_t *size, unsigned int n)
{
	if (n > PEEL_LOAD_SIZES_MAX || !sizes_valid(size, n))
		return -EINVAL;
	memcpy(p->conf.size, size, n * sizeof(size[0]));
	p->conf.n_sizes = n;
	return 0;
}

static bool
conf_valid(const struct peel_load_conf *c)
{
	return c->work < PEEL_LOAD_N_WORKS && c->n_queues > 0 && c->n_circuits >= c->n_queues &&
	       c->n_neighbours >= c->n_queues && c->n_neighbours % c->n_queues == 0 &&
	       c->batch > 0 && c->n_sizes <= PEEL_LOAD_SIZES_MAX &&
	       sizes_valid(c->size, c->n_sizes) && c->burst <= PEEL_PORT_BURST;
}

static void
load_close(struct peel_port *p)
{
	if (p == NULL)
		return;
	for (uint16_t i = 0; p->queue != NULL && i < p->conf.n_queues; i++) {
		struct load_queue *q = &p->queue[i];

		if (q->n_in > 0)
			peel_load_collect(p, i);
		if (q->aead != NULL)
			p->conf.engine->free(q->aead);
		free(q->in);
		free(q->out);
		free(q->record);
	}
	free(p->queue);
	free(p->session);
	free(p->slot);
	free(p);
}

static int
queue_init(struct peel_port *p, uint16_t i)
{
	struct load_queue *q = &p->queue[i];

	q->cap = p->conf.batch + (p->conf.duplicate != 0 ? p->conf.batch : 0);
	q->in = calloc(q->cap, sizeof(q->in[0]));
	q->out = calloc(q->cap, sizeof(q->out[0]));
	q->record = calloc(q->cap, sizeof(q->record[0]));
	q->random = load_mix(p->conf.seed + i);
	q->seq = (uint64_t)(i + 1) << 40; /* no salt twice for one key, whatever the queues do */
	if (q->in == NULL || q->out == NULL || q->record == NULL)
		return -ENOMEM;
	return p->conf.engine->new (&q->aead);
}

int
peel_load_new(const struct peel_load_conf *conf, struct peel_port **out)
{
	struct peel_port *p;
	int rc = -ENOMEM;

	*out = NULL;
	if (!conf_valid(conf))
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->conf = *conf;
	if (p->conf.burst == 0)
		p->conf.burst = PEEL_PORT_BURST;
	memcpy(p->prefix, conf->prefix, PEEL_PREFIX_LEN);
	p->conf.prefix = p->prefix;
	for (size_t i = 0; i < sizeof(p->noise); i += 8) {
		uint64_t v = load_mix(conf->seed + i);

		memcpy(p->noise + i, &v, 8);
	}
	p->session = calloc(conf->n_circuits, sizeof(p->session[0]));
	p->slot = calloc(conf->n_circuits, sizeof(p->slot[0]));
	if (posix_memalign((void **)&p->queue, _Alignof(struct load_queue),
		    conf->n_queues * sizeof(p->queue[0])) != 0)
		p->queue = NULL;
	if (p->session == NULL || p->slot == NULL || p->queue == NULL)
		goto fail;
	memset(p->queue, 0, conf->n_queues * sizeof(p->queue[0]));
	for (uint16_t i = 0; i < conf->n_queues; i++) {
		rc = queue_init(p, i);
		if (rc != 0)
			goto fail;
	}
	*out = p;
	return 0;
fail:
	load_close(p);
	return rc;
}

const struct peel_port_ops peel_port_load = {
	.name = "load",
	.close = load_close,
	.rx = load_rx,
	.tx = load_tx,
	.flush = load_flush,
};
