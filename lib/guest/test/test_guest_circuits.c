/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A guest's circuits on real tables, with a clock of the test's own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sodium.h>

#include "guest_internal.h"

#define MAX 16

static struct world {
	uint64_t now;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_paths *paths;
	struct peel_guest_circuits *c;
	struct peel_exits exits;
	struct peel_addr previous, next, other;
	unsigned int n_gone, n_sent;
	uint32_t gone_session, gone_endpoint;
	uint64_t random;
	uint8_t sent[PEEL_DATAGRAM_MAX];
	size_t sent_len;
} w;

static const uint8_t prefix[PEEL_PREFIX_LEN] = {0, 2, 7};

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return w.now;
}

static void
fill_random(void *arg, void *out, size_t len)
{
	(void)arg;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)peel_splitmix(&w.random);
}

static const struct peel_env env = {.now_ms = now_ms, .random = fill_random};

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	assert_ptr_equal(arg, &w);
	assert_true(peel_addr_equal(to, &w.previous));
	memcpy(w.sent, data, len);
	w.sent_len = len;
	w.n_sent++;
}

static void
on_gone(void *arg, uint32_t session, uint32_t endpoint)
{
	assert_ptr_equal(arg, &w);
	w.gone_session = session;
	w.gone_endpoint = endpoint;
	w.n_gone++;
}

static int
setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.now = 5000;
	w.random = 1;
	w.previous = peel_addr_ipv4(192, 0, 2, 1, 1);
	w.next = peel_addr_ipv4(192, 0, 2, 2, 2);
	w.other = peel_addr_ipv4(192, 0, 2, 3, 3);
	assert_int_equal(peel_rcu_new(1, &w.rcu), 0);
	assert_int_equal(peel_route_table_new(
				 &(struct peel_route_conf){.max_sessions = peel_gc_sessions(MAX),
					 .rcu = w.rcu,
					 .env = &env,
					 .heap = true},
				 &w.routes),
		0);
	assert_int_equal(peel_paths_new(MAX, w.rcu, &w.paths), 0);
	assert_int_equal(peel_gc_new(&(struct peel_gc_conf){.env = &env,
					     .routes = w.routes,
					     .paths = w.paths,
					     .max_circuits = MAX,
					     .send = on_send,
					     .exit_gone = on_gone,
					     .arg = &w},
				 &w.c),
		0);
	peel_gc_set_prefix(w.c, prefix);
	peel_gc_exits(w.c, &w.exits);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	peel_gc_free(w.c);
	assert_int_equal(peel_session_count(w.routes), 0);
	assert_int_equal(peel_route_count(w.routes), 0);
	while (peel_rcu_poll(w.rcu) > 0)
		;
	peel_paths_free(w.paths);
	peel_route_table_free(w.routes);
	peel_rcu_free(w.rcu);
	return 0;
}

/* Time passes, and workers let go of what is retired. */
static void
pass(uint64_t ms)
{
	w.now += ms;
	peel_gc_tick(w.c);
	while (peel_rcu_poll(w.rcu) > 0)
		;
}

static struct peel_session_keys
keys_of(uint8_t number)
{
	struct peel_session_keys k;

	memset(&k, number, sizeof(k));
	return k;
}

static int
add_exit(uint32_t cid, uint8_t keys)
{
	struct peel_session_keys k = keys_of(keys);

	return peel_gc_add_exit(w.c, cid, &w.previous, &k);
}

static int
add_relay(uint32_t in, uint32_t out, const struct peel_addr *to, bool backward, bool rendezvous,
	uint8_t keys)
{
	struct peel_gc_relay r = {.out_cid = out,
		.out = *to,
		.backward = backward,
		.rendezvous = rendezvous,
		.keys = keys_of(keys)};

	return peel_gc_add_relay(w.c, in, &r);
}

/* The route of what comes from there; NULL: there is none. */
static const struct peel_route *
route(const struct peel_addr *from, uint32_t cid)
{
	uint32_t slot = peel_route_lookup(w.routes, from, cid);

	return slot != PEEL_NONE ? peel_route_at(w.routes, slot) : NULL;
}

static void
route_is_of(const struct peel_addr *from, uint32_t cid, enum peel_route_kind kind)
{
	const struct peel_route *r = route(from, cid);

	if (kind == PEEL_ROUTE_NONE) {
		assert_null(r);
		return;
	}
	assert_non_null(r);
	assert_int_equal(r->kind, kind);
}

/* A worker counts a cell first, then its bytes; meanwhile somebody asks. */
static void
test_counts_of_a_moment(void **state)
{
	struct peel_direction *forward;
	struct peel_gc_stats stats;

	(void)state;
	assert_int_equal(add_relay(8, 7, &w.previous, true, false, 1), 0);
	assert_int_equal(add_relay(7, 8, &w.next, false, false, 1), 0);
	forward = &peel_session_at(w.routes, route(&w.previous, 7)->session)->forward;
	forward->cells = 1;
	assert_int_equal(peel_gc_stats(w.c, PEEL_GC_RELAY, 8, &stats), 0);
	assert_int_equal(stats.up, 0);
	forward->bytes = 100;
	assert_int_equal(peel_gc_stats(w.c, PEEL_GC_RELAY, 8, &stats), 0);
	assert_int_equal(stats.up, 100 - PEEL_SEAL_OVERHEAD);
}

/* ---- exits ----------------------------------------------------------------------------------- */

static void
test_exit(void **state)
{
	const struct peel_route *r;
	struct peel_exit_info info;
	uint32_t generation;

	(void)state;
	assert_int_equal(add_exit(7, 1), 0);
	r = route(&w.previous, 7);
	assert_non_null(r);
	assert_int_equal(r->kind, PEEL_ROUTE_EXIT);
	generation = peel_session_generation(w.routes, r->session);
	assert_int_equal(w.exits.exit(w.exits.owner, r->session, generation, &info), 0);
	assert_int_equal(info.cid, 7);
	assert_int_equal(info.endpoint, 0);
	assert_true(peel_addr_equal(&info.previous, &w.previous));
	assert_int_equal(w.exits.exit(w.exits.owner, r->session, generation + 2, &info), -ENOENT);
	assert_int_equal(w.exits.exit(w.exits.owner, r->session + 1, generation, &info), -ENOENT);
	assert_int_equal(w.exits.exit(w.exits.owner, UINT32_MAX, generation, &info), -ENOENT);
	assert_int_equal(w.exits.opened(w.exits.owner, r->session, generation, 5), 0);
	assert_int_equal(r->endpoint, 5);
	assert_int_equal(w.exits.used(w.exits.owner, r->session, generation), 0);
	/* Once more: nothing changes, and the socket knows it by its route. */
	assert_int_equal(add_exit(7, 1), 0);
	assert_ptr_equal(route(&w.previous, 7), r);
	assert_int_equal(r->endpoint, 5);
	/* It goes on for a second. */
	peel_gc_remove_exit(w.c, 7);
	peel_gc_remove_exit(w.c, 7);
	peel_gc_remove_exit(w.c, 8);
	pass(999);
	route_is_of(&w.previous, 7, PEEL_ROUTE_EXIT);
	assert_int_equal(w.n_gone, 0);
	/* It may come back meanwhile, with its socket. */
	assert_int_equal(add_exit(7, 1), 0);
	pass(5000);
	assert_ptr_equal(route(&w.previous, 7), r);
	assert_int_equal(r->endpoint, 5);
	peel_gc_remove_exit(w.c, 7);
	pass(1000);
	route_is_of(&w.previous, 7, PEEL_ROUTE_NONE);
	assert_int_equal(w.n_gone, 1);
	assert_int_equal(w.gone_endpoint, 5);
	/* The session stays for a while. */
	assert_int_equal(peel_session_count(w.routes), 1);
	pass(GC_SESSION_MS - 1);
	assert_int_equal(peel_session_count(w.routes), 1);
	pass(1);
	assert_int_equal(peel_session_count(w.routes), 0);
}

/* The previous hop has another address: the route is another one, and the socket, too. */
static void
test_exit_moves(void **state)
{
	const struct peel_route *r;
	struct peel_session_keys k = keys_of(1);

	(void)state;
	assert_int_equal(add_exit(7, 1), 0);
	r = route(&w.previous, 7);
	assert_int_equal(w.exits.opened(w.exits.owner, r->session,
				 peel_session_generation(w.routes, r->session), 5),
		0);
	assert_int_equal(peel_gc_add_exit(w.c, 7, &w.next, &k), 0);
	route_is_of(&w.previous, 7, PEEL_ROUTE_NONE);
	assert_int_equal(route(&w.next, 7)->endpoint, 0);
	assert_int_equal(w.n_gone, 1);
	assert_int_equal(w.gone_endpoint, 5);
	peel_gc_remove_exit(w.c, 7);
	pass(1000);
	assert_int_equal(w.n_gone, 2);
	assert_int_equal(w.gone_endpoint, 0);
}

/* Another circuit, and another neighbour, under the same id. */
static void
test_exit_replaced(void **state)
{
	struct peel_session_keys k = keys_of(2);

	(void)state;
	assert_int_equal(add_exit(7, 1), 0);
	assert_int_equal(peel_gc_add_exit(w.c, 7, &w.next, &k), 0);
	route_is_of(&w.previous, 7, PEEL_ROUTE_NONE);
	route_is_of(&w.next, 7, PEEL_ROUTE_EXIT);
	assert_int_equal(w.n_gone, 1);
	k = keys_of(1);
	assert_int_equal(peel_gc_add_exit(w.c, 8, &w.next, &k), 0); /* the keys move on */
	assert_int_equal(peel_gc_add_exit(w.c, 8, &w.other, &k), 0);
	route_is_of(&w.next, 8, PEEL_ROUTE_NONE);
	route_is_of(&w.other, 8, PEEL_ROUTE_EXIT);
	/* Two with one session: each ends by itself. */
	assert_int_equal(peel_gc_add_exit(w.c, 9, &w.other, &k), 0);
	peel_gc_remove_exit(w.c, 8);
	pass(1000);
	route_is_of(&w.other, 9, PEEL_ROUTE_EXIT);
}

static void
test_full(void **state)
{
	uint32_t n = 0;

	(void)state;
	while (add_exit(n, (uint8_t)(n + 1)) == 0)
		n++;
	assert_int_equal(n, 2 * MAX);
	assert_int_equal(add_exit(n, 99), -ENOSPC);
	assert_int_equal(add_relay(1000, 1001, &w.next, false, false, 99), -ENOSPC);
	assert_int_equal(peel_gc_set_circuit(w.c, 1, &(struct peel_gc_circuit){0}), -ENOSPC);
	for (uint32_t i = 0; i < n; i++)
		peel_gc_remove_exit(w.c, i);
	pass(1000);
	assert_int_equal(w.n_gone, n);
	assert_int_equal(add_exit(n, 99), 0);
}

/* What comes back over the control thread is sealed as all else, even if a relay is there by now.
 */
static void
test_answer(void **state)
{
	struct peel_session_keys k = keys_of(1);
	uint8_t text[8];
	uint32_t session;

	(void)state;
	assert_int_equal(add_exit(7, 1), 0);
	session = route(&w.previous, 7)->session;
	assert_int_equal(
		w.exits.answer(w.exits.owner, session, (const uint8_t *)"\x1dhello", 6), 0);
	assert_int_equal(w.sent_len, PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD + 6);
	assert_int_equal(peel_open_one(&k.backward, k.salt_backward, w.sent + PEEL_CELL_HEADER_LEN,
				 w.sent_len - PEEL_CELL_HEADER_LEN, text),
		6);
	assert_memory_equal(text, "\x1dhello", 6);
	peel_gc_remove_exit(w.c, 7);
	assert_int_equal(add_relay(8, 7, &w.previous, true, false, 1), 0);
	assert_int_equal(add_relay(7, 8, &w.next, false, false, 1), 0);
	assert_int_equal(
		w.exits.answer(w.exits.owner, session, (const uint8_t *)"\x1dhello", 6), 0);
	assert_int_equal(w.exits.answer(w.exits.owner, session, text, 0), -EINVAL);
	assert_int_equal(w.exits.answer(w.exits.owner, session, w.sent, 2000), -EINVAL);
	pass(1000);
	assert_int_equal(
		w.exits.answer(w.exits.owner, session, (const uint8_t *)"\x1dhello", 6), -ENOENT);
	assert_int_equal(w.n_sent, 2);
}

/* ---- relays ---------------------------------------------------------------------------------- */

static void
test_takes_over(void **state)
{
	struct peel_exit_info info;
	const struct peel_route *r;
	uint32_t session, generation;

	(void)state;
	assert_int_equal(add_exit(7, 1), 0);
	session = route(&w.previous, 7)->session;
	generation = peel_session_generation(w.routes, session);
	assert_int_equal(w.exits.opened(w.exits.owner, session, generation, 5), 0);
	peel_gc_remove_exit(w.c, 7);
	/* One entry is no relay yet, and the exit still works. */
	assert_int_equal(add_relay(8, 7, &w.previous, true, false, 1), 0);
	route_is_of(&w.previous, 7, PEEL_ROUTE_EXIT);
	route_is_of(&w.next, 8, PEEL_ROUTE_NONE);
	assert_int_equal(w.exits.exit(w.exits.owner, session, generation, &info), 0);
	assert_int_equal(add_relay(7, 8, &w.next, false, false, 1), 0);
	r = route(&w.previous, 7);
	assert_int_equal(r->kind, PEEL_ROUTE_FORWARD);
	assert_int_equal(r->session, session);
	assert_int_equal(r->out_cid, 8);
	assert_int_equal(r->n_early, 1);
	assert_true(peel_addr_equal(&r->out, &w.next));
	r = route(&w.next, 8);
	assert_int_equal(r->kind, PEEL_ROUTE_BACKWARD);
	assert_int_equal(r->session, session);
	assert_int_equal(r->out_cid, 7);
	assert_true(peel_addr_equal(&r->out, &w.previous));
	assert_int_equal(w.exits.exit(w.exits.owner, session, generation, &info), -ENOENT);
	assert_int_equal(w.exits.opened(w.exits.owner, session, generation, 6), -ENOENT);
	assert_int_equal(w.n_gone, 0);
	pass(1000);
	assert_int_equal(w.n_gone, 1);
	assert_int_equal(w.gone_endpoint, 5);
	route_is_of(&w.previous, 7, PEEL_ROUTE_FORWARD);
	assert_int_equal(peel_session_count(w.routes), 1);
	peel_gc_remove_relay(w.c, 8);
	assert_int_equal(peel_route_count(w.routes), 0);
	/* The other entry waits for a partner. */
	assert_int_equal(add_relay(8, 7, &w.previous, true, false, 1), 0);
	assert_int_equal(peel_route_count(w.routes), 2);
}

/* py-ipv8 removes the exit seconds after it added the relay. The previous hop has another address
 * by then: the exit must not have cells from the old one. */
static void
test_takes_over_early(void **state)
{
	(void)state;
	assert_int_equal(add_exit(7, 1), 0);
	assert_int_equal(add_relay(8, 7, &w.other, true, false, 1), 0);
	assert_int_equal(add_relay(7, 8, &w.next, false, false, 1), 0);
	route_is_of(&w.previous, 7, PEEL_ROUTE_NONE);
	route_is_of(&w.other, 7, PEEL_ROUTE_FORWARD);
	pass(4000);
	peel_gc_remove_exit(w.c, 7);
	pass(1000);
	assert_int_equal(w.n_gone, 1);
	route_is_of(&w.other, 7, PEEL_ROUTE_FORWARD);
	route_is_of(&w.next, 8, PEEL_ROUTE_BACKWARD);
}

static void
test_pairs(void **state)
{
	(void)state;
	/* Both the same way, of different kinds, not each other's, with itself: no relay. */
	assert_int_equal(add_relay(1, 2, &w.next, false, false, 1), 0);
	assert_int_equal(add_relay(2, 1, &w.previous, false, false, 1), 0);
	assert_int_equal(add_relay(2, 1, &w.previous, false, true, 1), 0);
	assert_int_equal(add_relay(2, 3, &w.previous, true, false, 1), 0);
	assert_int_equal(add_relay(5, 5, &w.previous, true, true, 1), 0);
	assert_int_equal(peel_route_count(w.routes), 0);
	assert_int_equal(add_relay(2, 1, &w.previous, true, false, 1), 0);
	assert_int_equal(peel_route_count(w.routes), 2);
	/* The next hop is another one now. */
	assert_int_equal(add_relay(1, 2, &w.other, false, false, 1), 0);
	assert_int_equal(peel_route_count(w.routes), 2);
	route_is_of(&w.next, 2, PEEL_ROUTE_NONE);
	route_is_of(&w.other, 2, PEEL_ROUTE_BACKWARD);
}

static void
test_rendezvous(void **state)
{
	const struct peel_route *a, *b;

	(void)state;
	assert_int_equal(add_relay(1, 2, &w.next, false, true, 1), 0);
	assert_int_equal(add_relay(2, 1, &w.previous, false, true, 2), 0);
	a = route(&w.previous, 1);
	b = route(&w.next, 2);
	assert_true(a->kind == PEEL_ROUTE_RENDEZVOUS && b->kind == PEEL_ROUTE_RENDEZVOUS);
	assert_int_equal(a->peer, b->session);
	assert_int_equal(b->peer, a->session);
	assert_int_not_equal(a->session, b->session);
	peel_gc_remove_relay(w.c, 1);
	assert_int_equal(peel_route_count(w.routes), 0);
}

/* ---- own circuits ---------------------------------------------------------------------------- */

static struct peel_gc_circuit
circuit_of(uint8_t n_hops, uint8_t keys)
{
	struct peel_gc_circuit ci = {.goal_hops = 3, .n_hops = n_hops, .first = w.next};

	for (uint8_t i = 0; i < n_hops; i++)
		ci.hop[i] = keys_of((uint8_t)(keys + i));
	return ci;
}

static void
test_own(void **state)
{
	struct peel_gc_circuit ci = circuit_of(0, 0);
	const struct peel_path *p;
	uint32_t path;

	(void)state;
	assert_int_equal(peel_gc_set_circuit(w.c, 9, &ci), 0);
	assert_int_equal(peel_route_count(w.routes), 0);
	for (uint8_t n = 1; n <= 3; n++) {
		ci = circuit_of(n, 10);
		assert_int_equal(peel_gc_set_circuit(w.c, 9, &ci), 0);
		path = route(&w.next, 9)->peer;
		p = peel_path_at(w.paths, path);
		assert_int_equal(peel_path_n_layers(p), n);
		assert_int_equal(peel_path_flags(p), n == 3 ? PEEL_PATH_READY : 0);
	}
	/* An association's flag stays. */
	peel_path_set_flags(w.paths, path, PEEL_PATH_READY | PEEL_PATH_ASSOCIATED);
	assert_int_equal(peel_gc_set_circuit(w.c, 9, &ci), 0);
	assert_int_equal(peel_path_flags(p), PEEL_PATH_READY | PEEL_PATH_ASSOCIATED);
	assert_int_equal(route(&w.next, 9)->peer, path);
	/* Other keys, or fewer hops: another circuit. */
	ci = circuit_of(2, 10);
	assert_int_equal(peel_gc_set_circuit(w.c, 9, &ci), 0);
	assert_int_equal(peel_path_n_layers(peel_path_at(w.paths, route(&w.next, 9)->peer)), 2);
	ci = circuit_of(3, 20);
	assert_int_equal(peel_gc_set_circuit(w.c, 9, &ci), 0);
	assert_int_equal(peel_path_n_layers(peel_path_at(w.paths, route(&w.next, 9)->peer)), 3);
	ci.first = w.other;
	assert_int_equal(peel_gc_set_circuit(w.c, 9, &ci), 0);
	route_is_of(&w.next, 9, PEEL_ROUTE_NONE);
	route_is_of(&w.other, 9, PEEL_ROUTE_ORIGIN);
	ci.first.family = PEEL_FAMILY_NONE;
	assert_int_equal(peel_gc_set_circuit(w.c, 10, &ci), -EINVAL);
	peel_gc_remove_circuit(w.c, 9);
	peel_gc_remove_circuit(w.c, 9);
	peel_gc_remove_circuit(w.c, 10);
	assert_int_equal(peel_route_count(w.routes), 0);
	pass(GC_SESSION_MS);
	assert_int_equal(peel_session_count(w.routes), 0);
}

static void
test_own_hidden(void **state)
{
	struct peel_gc_circuit ci = circuit_of(3, 10);
	const struct peel_path *p;

	(void)state;
	ci.type = PEEL_GC_RP_DOWNLOADER;
	assert_int_equal(peel_gc_set_circuit(w.c, 9, &ci), 0);
	p = peel_path_at(w.paths, route(&w.next, 9)->peer);
	assert_int_equal(peel_path_flags(p) & PEEL_PATH_E2E, 0);
	ci.e2e = true;
	ci.end_to_end = keys_of(50);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(peel_gc_set_circuit(w.c, 9, &ci), 0);
		assert_int_equal(peel_path_n_layers(p), 4);
		assert_int_equal(peel_path_flags(p),
			PEEL_PATH_READY | PEEL_PATH_HIDDEN | PEEL_PATH_E2E | PEEL_PATH_REVERSED);
	}
	ci.type = PEEL_GC_RP_SEEDER;
	assert_int_equal(peel_gc_set_circuit(w.c, 10, &ci), 0);
	p = peel_path_at(w.paths, route(&w.next, 10)->peer);
	assert_int_equal(peel_path_flags(p), PEEL_PATH_READY | PEEL_PATH_HIDDEN | PEEL_PATH_E2E);
}

/* ---- anything -------------------------------------------------------------------------------- */

static void
random_step(uint64_t r)
{
	const struct peel_addr *at[] = {&w.previous, &w.next, &w.other};
	uint32_t cid = (uint32_t)(r >> 8) % 6, out = (uint32_t)(r >> 16) % 6;
	uint8_t keys = (uint8_t)((r >> 24) % 5 + 1), cell[64] = {0}, sealed[PEEL_DATAGRAM_MAX];
	const struct peel_addr *to = at[(r >> 32) % 3];
	struct peel_session_keys k = keys_of(keys);
	struct peel_gc_circuit ci = circuit_of((uint8_t)((r >> 40) % 5), keys);
	struct peel_gc_stats stats;

	switch (r % 9) {
	case 0:
		(void)!peel_gc_add_exit(w.c, cid, to, &k);
		break;
	case 1:
		peel_gc_remove_exit(w.c, cid);
		break;
	case 2:
	case 3:
		(void)!add_relay(cid, out, to, r >> 33 & 1, r >> 34 & 1, keys);
		break;
	case 4:
		peel_gc_remove_relay(w.c, cid);
		break;
	case 5:
		ci.e2e = r >> 35 & 1;
		ci.end_to_end = k;
		ci.type = (r >> 36) % 4;
		ci.first = *to;
		(void)!peel_gc_set_circuit(w.c, cid, &ci);
		break;
	case 6:
		peel_gc_remove_circuit(w.c, cid);
		break;
	case 7:
		peel_cell_header(cell, prefix, cid, r >> 37 & 1, false);
		cell[PEEL_CELL_HEADER_LEN] = (uint8_t)(r >> 48);
		(void)!peel_gc_seal(w.c, cell, 40, sealed);
		(void)!peel_gc_stats(w.c, (enum peel_gc_kind)(r % 3), cid, &stats);
		break;
	default:
		pass(r >> 38 & 1 ? 100 : 2000);
	}
}

/* Every route belongs to an object, and leads to a session that is in use. */
static void
check_routes(void)
{
	const struct peel_addr *at[] = {&w.previous, &w.next, &w.other};
	uint32_t n = 0;

	for (uint32_t i = 0; i < w.c->objects.n_high; i++)
		n += w.c->object[i].slot != PEEL_NONE;
	for (uint32_t k = 0; k < 18; k++) {
		const struct peel_route *r = route(at[k % 3], k / 3);

		if (r == NULL)
			continue;
		assert_int_equal(peel_session_generation(w.routes, r->session) % 2, 1);
		if (r->kind == PEEL_ROUTE_RENDEZVOUS)
			assert_int_equal(peel_session_generation(w.routes, r->peer) % 2, 1);
		if (r->kind == PEEL_ROUTE_ORIGIN)
			assert_int_equal(peel_path_generation(w.paths, r->peer) % 2, 1);
		n--;
	}
	assert_int_equal(n, 0);
	assert_int_equal(w.c->sessions.n, peel_session_count(w.routes));
}

static void
test_random(void **state)
{
	(void)state;
	w.random = 12345;
	for (int i = 0; i < 200000; i++) {
		random_step(peel_splitmix(&w.random));
		if (i % 16 == 0)
			check_routes();
	}
	for (uint32_t cid = 0; cid < 6; cid++) {
		peel_gc_remove_exit(w.c, cid);
		peel_gc_remove_relay(w.c, cid);
		peel_gc_remove_circuit(w.c, cid);
	}
	pass(1000);
	pass(GC_SESSION_MS);
	assert_int_equal(w.c->objects.n, 0);
	assert_int_equal(w.c->sessions.n, 0);
	assert_int_equal(peel_route_count(w.routes), 0);
	assert_int_equal(peel_session_count(w.routes), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts_of_a_moment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exit_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exit_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_takes_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_takes_over_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pairs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rendezvous, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
