/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proxy_internal.h"

static struct {
	struct peel_stats stats;
	struct peel_proxy proxy[PEEL_PROXY_HOPS_MAX];
	struct peel_proxy_peers *peers;
	uint8_t sent_to;	/* last byte of the peer's address */
	unsigned int n_sent;	/* ... and how often something was sent */
	uintptr_t delivered_to; /* number of the association */
	uint64_t delivered;	/* a bit for each association */
	unsigned int n_delivered;
	uint64_t unreachable; /* a bit for each association */
} t;

/* ---- what would be others' ------------------------------------------------------------------- */

static bool
own(const struct peel_addr *addr)
{
	return addr->ip[0] == 127 && addr->ip[1] >= 192;
}

static int
send_to(void *arg, const struct peel_addr *peer, const uint8_t *payload, size_t len)
{
	(void)arg;
	(void)payload;
	assert_int_equal(peer->port, 1024);
	assert_true(len > 0);
	t.sent_to = peer->ip[3];
	t.n_sent++;
	return 0;
}

bool
peel_socks_reachable(const struct peel_socks_assoc *a)
{
	return (t.unreachable >> (uintptr_t)a & 1) == 0;
}

int
peel_socks_deliver(struct peel_socks_assoc *a, const struct peel_socks_target *origin,
	const uint8_t *payload, size_t len)
{
	(void)payload;
	(void)len;
	assert_int_equal(origin->addr.port, 1024);
	t.delivered_to = (uintptr_t)a;
	t.delivered |= UINT64_C(1) << (uintptr_t)a;
	t.n_delivered++;
	return 0;
}

/* ---- helpers --------------------------------------------------------------------------------- */

static int
make(void **state, const struct peel_proxy_peers_conf *conf)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	t.peers = peel_proxy_peers_new(conf);
	if (t.peers == NULL)
		return -1;
	for (unsigned int i = 0; i < PEEL_PROXY_HOPS_MAX; i++) {
		t.proxy[i].conf.hops = i + 1;
		t.proxy[i].conf.peers = t.peers;
		proxy_peers_attach(t.peers, &t.proxy[i]);
	}
	return 0;
}

static int
setup(void **state)
{
	const struct peel_proxy_peers_conf conf = {
		.env = &peel_env_system, .stats = &t.stats, .own = own, .send = send_to};

	return make(state, &conf);
}

static int
teardown(void **state)
{
	(void)state;
	peel_proxy_peers_free(t.peers);
	return 0;
}

/* An association begins at the proxy of that many hops; its number and its slot are the same. */
static void
open_association(unsigned int hops, unsigned int slot)
{
	struct peel_proxy *p = &t.proxy[hops - 1];

	p->assoc[slot] = (struct peel_socks_assoc *)(uintptr_t)slot;
	p->opened[slot] = ++p->turn;
}

static void
close_association(unsigned int hops, unsigned int slot)
{
	t.proxy[hops - 1].opened[slot] = 0;
	proxy_peers_closed(&t.proxy[hops - 1], slot);
}

static struct peel_addr
address(uint8_t number)
{
	return peel_addr_ipv4(127, 192, 0, number, 1024);
}

static void
add(uint8_t number, unsigned int hops, unsigned int service)
{
	struct peel_addr a = address(number);

	peel_proxy_peers_add(t.peers, &a, hops, service);
}

/* Whether what an association sends to a peer is sent on. */
static bool
sends(unsigned int hops, unsigned int slot, uint8_t number, uint16_t port)
{
	struct peel_socks_target to = {.addr = peel_addr_ipv4(127, 192, 0, number, port)};
	unsigned int before = t.n_sent;

	assert_true(proxy_peers_has(t.peers, &to));
	proxy_peers_send(&t.proxy[hops - 1], slot, &to, (const uint8_t *)"x", 1);
	if (t.n_sent == before)
		return false;
	assert_int_equal(t.sent_to, number);
	return true;
}

/* The association that gets what a peer sends; -1: none. */
static int
receiver(uint8_t number)
{
	struct peel_addr a = address(number);
	unsigned int before = t.n_delivered;

	peel_proxy_peers_take(t.peers, &a, (const uint8_t *)"x", 1);
	return t.n_delivered == before ? -1 : (int)t.delivered_to;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_who_sends_first_keeps_the_peer(void **state)
{
	(void)state;
	open_association(1, 4);
	open_association(1, 5);
	add(1, 1, 0);
	assert_true(sends(1, 5, 1, 1024));
	assert_int_equal(receiver(1), 5);
	assert_false(sends(1, 4, 1, 1024));
	assert_int_equal(peel_stats_get(&t.stats, PEEL_DROP_SOCKS_SHARED), 1);
	assert_int_equal(receiver(1), 5);
	close_association(1, 5);
	assert_int_equal(receiver(1), 4);
	assert_true(sends(1, 4, 1, 1024));
}

static void
test_what_comes_unasked(void **state)
{
	(void)state;
	add(1, 1, 0);
	add(2, 1, 0);
	add(3, 1, 1);
	assert_int_equal(receiver(1), -1);
	assert_int_equal(peel_stats_get(&t.stats, PEEL_DROP_SOCKS_WHOSE), 1);
	open_association(1, 9);
	open_association(1, 4);
	open_association(1, 5);
	/* The oldest one that can be reached. */
	t.unreachable = 1 << 9;
	assert_int_equal(receiver(1), 4);
	/* Nobody has sent to it, so it may still become another one's. */
	assert_true(sends(1, 5, 1, 1024));
	assert_int_equal(receiver(1), 5);
	/* Other peers of the service follow, those of other services do not. */
	assert_int_equal(receiver(2), 5);
	assert_int_equal(receiver(3), 4);
}

static void
test_peers_belong_to_a_length(void **state)
{
	(void)state;
	open_association(1, 4);
	open_association(2, 6);
	add(1, 2, 0);
	assert_false(sends(1, 4, 1, 1024));
	assert_false(sends(2, 6, 1, 1025));
	assert_false(sends(2, 6, 2, 1024));
	assert_int_equal(peel_stats_get(&t.stats, PEEL_DROP_SOCKS_SEND), 3);
	assert_int_equal(receiver(1), 6);
	assert_true(sends(2, 6, 1, 1024));
	/* The same slot of another proxy is somebody else. */
	open_association(1, 6);
	close_association(1, 6);
	assert_int_equal(receiver(1), 6);
}

static int
setup_shared(void **state)
{
	const struct peel_proxy_peers_conf conf = {
		.env = &peel_env_system, .stats = &t.stats, .send = send_to, .shared = true};

	return make(state, &conf);
}

/* Whether an association gets something from a peer, once. */
static void
expect_delivered(uint8_t number, uint64_t slots)
{
	struct peel_addr a = address(number);

	t.delivered = 0;
	t.n_delivered = 0;
	peel_proxy_peers_take(t.peers, &a, (const uint8_t *)"x", 1);
	assert_int_equal(t.delivered, slots);
	assert_int_equal(t.n_delivered, __builtin_popcountll(slots));
}

static void
test_shared_peers(void **state)
{
	const struct peel_socks_target absent = {.addr = address(7)};

	(void)state;
	open_association(1, 4);
	open_association(1, 5);
	open_association(1, 6);
	open_association(2, 7);
	t.unreachable = 1 << 6;
	assert_false(proxy_peers_has(t.peers, &absent));
	add(1, 1, 0);
	add(1, 2, 0); /* it is there already */
	expect_delivered(1, 1 << 4 | 1 << 5);
	assert_true(sends(1, 5, 1, 1024));
	expect_delivered(1, 1 << 5);
	assert_true(sends(1, 4, 1, 1024));
	expect_delivered(1, 1 << 4 | 1 << 5);
	close_association(1, 5);
	expect_delivered(1, 1 << 4);
	close_association(1, 4);
	assert_int_equal(peel_stats_get(&t.stats, PEEL_DROP_SOCKS_WHOSE), 0);
	expect_delivered(1, 0);
	assert_int_equal(peel_stats_get(&t.stats, PEEL_DROP_SOCKS_WHOSE), 1);
}

static void
count_one(void *arg, const struct peel_addr *peer)
{
	unsigned int *n = arg;

	assert_int_equal(peer->ip[0], 127);
	(*n)++;
}

static unsigned int
count(unsigned int service)
{
	unsigned int n = 0;

	peel_proxy_peers_dump(t.peers, service, count_one, &n);
	return n;
}

static void
test_peers_go(void **state)
{
	const struct peel_socks_target exit = {.addr = peel_addr_ipv4(192, 0, 2, 1, 1024)};
	struct peel_addr first = address(1);

	(void)state;
	open_association(1, 4);
	add(1, 1, 0);
	add(2, 1, 0);
	add(3, 1, 1);
	assert_int_equal(count(0), 2);
	peel_proxy_peers_del(t.peers, &first);
	peel_proxy_peers_del(t.peers, &first);
	assert_int_equal(count(0), 1);
	assert_false(sends(1, 4, 1, 1024));
	assert_int_equal(receiver(1), -1);
	peel_proxy_peers_forget(t.peers, 0);
	assert_int_equal(count(0), 0);
	assert_int_equal(count(1), 1);
	assert_int_equal(receiver(3), 4);
	assert_false(proxy_peers_has(t.peers, &exit));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_who_sends_first_keeps_the_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_comes_unasked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peers_belong_to_a_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_peers_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_peers, setup_shared, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
