/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The routing tables over a restart, as bytes. What is read may be anything: it is taken whole or
 * not at all, and its nodes are only asked, like strangers.
 *
 *	magic 8 | sequence u64 | length of all u32 | nodes u16 | node ... | SHA-1 of all before 20
 *	node: ip_address | public key 74
 */
#include <errno.h>
#include <stdlib.h>

#include "dht_internal.h"

#define HEAD_LEN 22
#define SUM_LEN PEEL_MID_LEN
/* At a time: each is pinged. */
#define ASK_AT_ONCE 16

static const uint8_t magic[8] = "peeldht1";

_Static_assert(PEEL_DHT_STATE_NODES == DHT_N_FAMILIES * DHT_BUCKETS * DHT_BUCKET_SIZE,
	"the routing tables fit");
_Static_assert(PEEL_DHT_STATE_MAX >= HEAD_LEN + PEEL_DHT_STATE_NODES * (19 + PEEL_PK_LEN) + SUM_LEN,
	"in the longest form");

size_t
peel_dht_save(const struct peel_dht *dht, uint64_t sequence, uint8_t out[PEEL_DHT_STATE_MAX])
{
	struct peel_writer w = peel_writer_init(out, PEEL_DHT_STATE_MAX);
	uint16_t n = 0;

	peel_write_bytes(&w, magic, sizeof(magic));
	peel_write_u64(&w, sequence);
	peel_write_u32(&w, 0);
	peel_write_u16(&w, 0);
	for (unsigned int f = 0; f < DHT_N_FAMILIES; f++) {
		for (unsigned int i = 0; i < DHT_BUCKETS; i++) {
			const struct dht_bucket *b = &dht->routing[f].bucket[i];

			for (uint8_t k = 0; k < b->n; k++, n++) {
				peel_write_ip_address(&w, &b->node[k].is.addr);
				peel_write_bytes(&w, b->node[k].is.pk, PEEL_PK_LEN);
			}
		}
	}
	size_t len = (size_t)peel_writer_len(&w);

	peel_put_be32(out + 16, (uint32_t)(len + SUM_LEN));
	peel_put_be16(out + 20, n);
	peel_mid(out, len, out + len);
	return len + SUM_LEN;
}

/* The nodes; -EBADMSG. */
static int
open_state(
	const uint8_t *data, size_t len, uint64_t *sequence, struct peel_reader *nodes, uint16_t *n)
{
	struct peel_reader r = peel_reader_init(data, len);
	const uint8_t *head = peel_read_bytes(&r, sizeof(magic));
	uint8_t sum[SUM_LEN];

	*sequence = peel_read_u64(&r);
	uint32_t all = peel_read_u32(&r);

	*n = peel_read_u16(&r);
	if (r.bad || memcmp(head, magic, sizeof(magic)) != 0 || all > len ||
		all < HEAD_LEN + SUM_LEN || *n > PEEL_DHT_STATE_NODES)
		return -EBADMSG;
	peel_mid(data, all - SUM_LEN, sum);
	if (memcmp(sum, data + all - SUM_LEN, SUM_LEN) != 0)
		return -EBADMSG;
	*nodes = peel_reader_init(data + HEAD_LEN, all - HEAD_LEN - SUM_LEN);
	return 0;
}

int
peel_dht_state_sequence(const uint8_t *data, size_t len, uint64_t *sequence)
{
	struct peel_reader nodes;
	uint16_t n;

	return open_state(data, len, sequence, &nodes, &n);
}

int
peel_dht_load(struct peel_dht *dht, const uint8_t *data, size_t len)
{
	struct dht_remembered *m = &dht->remembered;
	struct peel_reader nodes;
	uint64_t sequence;
	uint16_t n;

	if (open_state(data, len, &sequence, &nodes, &n) != 0)
		return -EBADMSG;
	struct peel_dht_node *node = calloc(n > 0 ? n : 1, sizeof(*node));

	if (node == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < n; i++) {
		struct peel_addr addr = peel_read_ip_address(&nodes);
		const uint8_t *pk = peel_read_bytes(&nodes, PEEL_PK_LEN);

		if (nodes.bad || !peel_addr_usable(&addr) ||
			!peel_pk_valid((struct peel_span){pk, PEEL_PK_LEN})) {
			free(node);
			return -EBADMSG;
		}
		node[i] = dht_node_make(&addr, pk);
	}
	if (peel_reader_left(&nodes) != 0) {
		free(node);
		return -EBADMSG;
	}
	free(m->node);
	*m = (struct dht_remembered){.node = node, .n = n};
	return 0;
}

void
dht_remembered_fini(struct dht_remembered *m)
{
	free(m->node);
	*m = (struct dht_remembered){0};
}

void
dht_remembered_tick(struct peel_dht *dht)
{
	struct dht_remembered *m = &dht->remembered;

	if (m->n == 0 || !dht_is_placed(dht))
		return;
	for (unsigned int i = 0; i < ASK_AT_ONCE && m->n > 0; i++) {
		const struct peel_dht_node *node = &m->node[--m->n];

		if (memcmp(node->pk, dht->conf.identity->pk, PEEL_PK_LEN) != 0)
			dht_newcomer(dht, node, false);
	}
	if (m->n == 0)
		dht_remembered_fini(m);
}
