/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The routing table: a bucket for each number of leading bits that a node's id shares with ours.
 * That is the table of section 21.3, in which only the bucket around our own id is split. Only
 * nodes that answered a question of ours are in it, so that forged addresses take no place.
 */
#include "dht_internal.h"

bool
dht_closer(const uint8_t a[PEEL_DHT_KEY_LEN], const uint8_t b[PEEL_DHT_KEY_LEN],
	const uint8_t target[PEEL_DHT_KEY_LEN])
{
	for (size_t i = 0; i < PEEL_DHT_KEY_LEN; i++) {
		uint8_t of_a = a[i] ^ target[i], of_b = b[i] ^ target[i];

		if (of_a != of_b)
			return of_a < of_b;
	}
	return false;
}

unsigned int
dht_shared_bits(const uint8_t a[PEEL_DHT_KEY_LEN], const uint8_t b[PEEL_DHT_KEY_LEN])
{
	for (unsigned int i = 0; i < PEEL_DHT_KEY_LEN; i++) {
		uint8_t difference = a[i] ^ b[i];

		if (difference != 0)
			return 8 * i + (unsigned int)__builtin_clz(difference) - 24;
	}
	return 8 * PEEL_DHT_KEY_LEN;
}

static bool
is_bad(const struct dht_node *node)
{
	return node->failed >= DHT_BAD_FAILURES;
}

static unsigned int
place(const struct dht_routing *r, const uint8_t id[PEEL_DHT_KEY_LEN])
{
	unsigned int bits = dht_shared_bits(r->own_id, id);

	return bits < DHT_BUCKETS ? bits : DHT_BUCKETS - 1;
}

struct dht_bucket *
dht_routing_bucket(struct dht_routing *r, const uint8_t id[PEEL_DHT_KEY_LEN])
{
	return &r->bucket[place(r, id)];
}

static struct dht_node *
find_in(struct dht_bucket *b, const uint8_t id[PEEL_DHT_KEY_LEN])
{
	for (uint8_t i = 0; i < b->n; i++) {
		if (memcmp(b->node[i].is.id, id, PEEL_DHT_KEY_LEN) == 0)
			return &b->node[i];
	}
	return NULL;
}

struct dht_node *
dht_routing_find(struct dht_routing *r, const uint8_t id[PEEL_DHT_KEY_LEN])
{
	return find_in(dht_routing_bucket(r, id), id);
}

/* Which of a bucket a node of that source would have to replace. */
static bool
same_source_full(const struct dht_bucket *b, const struct peel_dht_node *node)
{
	struct peel_addr source = peel_addr_sender(&node->addr);
	unsigned int n = 0;

	for (uint8_t i = 0; i < b->n; i++) {
		struct peel_addr other = peel_addr_sender(&b->node[i].is.addr);

		n += !is_bad(&b->node[i]) && peel_addr_equal(&source, &other);
	}
	return n >= DHT_SAME_SOURCE_MAX;
}

static struct dht_node *
bad_one(struct dht_bucket *b)
{
	for (uint8_t i = 0; i < b->n; i++) {
		if (is_bad(&b->node[i]))
			return &b->node[i];
	}
	return NULL;
}

bool
dht_routing_wants(struct dht_routing *r, const struct peel_dht_node *node)
{
	struct dht_bucket *b = dht_routing_bucket(r, node->id);

	return find_in(b, node->id) == NULL && !same_source_full(b, node) &&
	       (b->n < DHT_BUCKET_SIZE || bad_one(b) != NULL);
}

/* A place for a new node with that round trip, or NULL. */
static struct dht_node *
make_room(struct dht_bucket *b, uint32_t rtt_ms)
{
	struct dht_node *node;

	if (b->n < DHT_BUCKET_SIZE)
		return &b->node[b->n++];
	node = bad_one(b);
	for (uint8_t i = 0; i < b->n && node == NULL; i++) {
		if (rtt_ms > 0 && b->node[i].rtt_ms / rtt_ms >= 2)
			node = &b->node[i];
	}
	return node;
}

struct dht_node *
dht_routing_answered(
	struct dht_routing *r, const struct peel_dht_node *from, uint32_t rtt_ms, uint64_t now)
{
	struct dht_bucket *b = dht_routing_bucket(r, from->id);
	struct dht_node *node = find_in(b, from->id);

	if (node == NULL) {
		if (memcmp(from->id, r->own_id, PEEL_DHT_KEY_LEN) == 0 ||
			same_source_full(b, from) || (node = make_room(b, rtt_ms)) == NULL)
			return NULL;
		*node = (struct dht_node){.pinged_ms = now};
		b->changed_ms = now;
	}
	/* One id is one key behind one address, but its port may have changed. */
	node->is = *from;
	node->answered_ms = now;
	node->rtt_ms = rtt_ms;
	node->failed = 0;
	return node;
}

void
dht_routing_purge(struct dht_routing *r)
{
	for (unsigned int i = 0; i < DHT_BUCKETS; i++) {
		struct dht_bucket *b = &r->bucket[i];

		for (uint8_t k = b->n; k-- > 0;) {
			if (is_bad(&b->node[k]))
				b->node[k] = b->node[--b->n];
		}
	}
}

void
dht_routing_move(struct dht_routing *r, const uint8_t own_id[PEEL_DHT_KEY_LEN])
{
	struct dht_routing old = *r;

	memset(r, 0, sizeof(*r));
	memcpy(r->own_id, own_id, PEEL_DHT_KEY_LEN);
	for (unsigned int i = 0; i < DHT_BUCKETS; i++) {
		for (uint8_t k = 0; k < old.bucket[i].n; k++) {
			const struct dht_node *node = &old.bucket[i].node[k];
			struct dht_bucket *b = dht_routing_bucket(r, node->is.id);

			if (b->n < DHT_BUCKET_SIZE)
				b->node[b->n++] = *node;
		}
	}
}

size_t
dht_routing_closest(const struct dht_routing *r, const uint8_t target[PEEL_DHT_KEY_LEN],
	const uint8_t *but, const struct dht_node **out, size_t max)
{
	size_t n = 0;

	for (unsigned int i = 0; i < DHT_BUCKETS; i++) {
		for (uint8_t k = 0; k < r->bucket[i].n; k++) {
			const struct dht_node *node = &r->bucket[i].node[k];
			size_t at = n;

			if (is_bad(node) ||
				(but != NULL && memcmp(node->is.id, but, PEEL_DHT_KEY_LEN) == 0))
				continue;
			while (at > 0 && dht_closer(node->is.id, out[at - 1]->is.id, target))
				at--;
			if (at == max)
				continue;
			if (n < max)
				n++;
			memmove(&out[at + 1], &out[at], (n - 1 - at) * sizeof(out[0]));
			out[at] = node;
		}
	}
	return n;
}

size_t
dht_routing_count(const struct dht_routing *r)
{
	size_t n = 0;

	for (unsigned int i = 0; i < DHT_BUCKETS; i++)
		n += r->bucket[i].n;
	return n;
}
