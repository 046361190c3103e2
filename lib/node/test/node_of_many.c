/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <malloc.h>
#include <stdlib.h>
#include <time.h>

#include "node_of_many.h"

#define BATCH 200 /* creates that may wait */

struct node *world;
struct peel_node *node;

uint64_t
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

size_t
memory_in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void
no_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)to;
	(void)data;
	(void)len;
}

static bool
no_address(void *arg, struct peel_addr *out)
{
	(void)arg;
	(void)out;
	return false;
}

static struct peel_addr
source(uint32_t i)
{
	struct peel_addr a = {.family = PEEL_FAMILY_IPV4, .port = 4000};

	peel_put_be32(a.ip, 0x0b000000 + i);
	return a;
}

/* Circuits of one originator's handshake, each from another address, and each used. */
static void
join_many(uint32_t from, uint32_t to)
{
	static struct originator o;
	uint8_t out[PEEL_DATAGRAM_MAX];
	size_t len;

	originator_init(&o, source(0), 1);
	len = originator_create(&o, world, 1, out);
	world->joins_wait = true;
	for (uint32_t i = from; i < to; i++) {
		struct peel_addr a = source(i);

		peel_put_be32(out + PEEL_CELL_OFF_CID, i + 1);
		assert_int_equal(node_input(world, &a, out, len), 0);
	}
	assert_int_equal(node_join(world), to - from);
	for (uint32_t i = from; i < to; i++) {
		o.addr = source(i);
		o.cid = i + 1;
		exit_use(world, &o);
	}
	node_run(world, 6000, 100); /* looks at all of them */
}

void
make_node(uint32_t n_circuits)
{
	struct peel_or_settings s;
	struct peel_addr here = {.family = PEEL_FAMILY_IPV4, .ip = {192, 0, 2, 1}, .port = 1};

	peel_or_settings_init(&s);
	s.peer_flags = PEEL_FLAG_RELAY;
	s.max_joined_circuits = 2 * MANY;
	s.create_rate = s.create_rate_per_source = 0;
	s.max_time = s.max_time_inactive = 1000000;
	world = node_new(here, NULL, &s, peel_or_sessions(&s));
	for (uint32_t i = 0; i < n_circuits; i += BATCH)
		join_many(i, i + BATCH < n_circuits ? i + BATCH : n_circuits);
	node = calloc(1, sizeof(*node));
	assert_non_null(node);
	node->env = &world->env;
	node->or_circuits = world->circuits;
	const struct peel_overlay_conf oc = {.env = &world->env,
		.identity = &world->id,
		.stats = &world->stats,
		.send = no_send};
	const struct peel_hidden_conf hc = {.env = &world->env,
		.identity = &world->id,
		.stats = &world->stats,
		.or_circuits = world->circuits,
		.send = no_send,
		.public_address = no_address};

	assert_int_equal(peel_overlay_new(&oc, &node->overlay), 0);
	assert_int_equal(peel_hidden_new(&hc, &node->hidden), 0);
	assert_int_equal(uv_loop_init(&node->loop), 0);
	assert_int_equal(pthread_mutex_init(&node->lock, NULL), 0);
}

void
free_node(void)
{
	peel_hidden_free(node->hidden);
	peel_overlay_free(node->overlay);
	uv_run(&node->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&node->loop), 0);
	free(node);
	node_free(world);
}

ssize_t
count_rows(void *cookie, const char *text, size_t len)
{
	struct rows *r = cookie;

	for (size_t i = 0; i < len; i++) {
		r->n += text[i] == '{';
		r->last = text[i];
	}
	r->len += len;
	return (ssize_t)len;
}
