/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* DHTs that know addresses only: who is asked there, whose answers count, and how long it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "scene.h"

static struct originator downloader[16];
static uint8_t msg[PEEL_DATAGRAM_MAX];

static struct peel_addr
host(uint32_t i)
{
	return peel_addr_ipv4(203, (uint8_t)(i >> 8), (uint8_t)i, 9, (uint16_t)(4000 + i));
}

static void
begin(struct scene *s)
{
	scene_open(s, peel_addr_ipv4(192, 0, 2, 99, 99), NULL, NULL, 64);
	originator_init(&downloader[0], peel_addr_ipv4(198, 51, 100, 1, 8090), 1);
	exit_make(s->n, &downloader[0], 1);
	assert_int_equal(say_peers_cell(s, &downloader[0], 1), 0);
}

static void
addresses(struct scene *s, const struct peel_addr *addr, size_t n)
{
	peel_hidden_addresses(s->h, s->looked_up, addr, n);
}

/* To the last question: points @p first ... with the same key of the introduction point, at @p at.
 */
static int
answer_at(struct scene *s, const struct peel_addr *from, const struct peel_addr *at, uint32_t first,
	size_t n)
{
	uint8_t pk[PEEL_PK_LEN], seeder_pk[PEEL_PEERS_MAX][PEEL_PK_LEN], out[PEEL_DATAGRAM_MAX];
	struct peel_msg_peers_request q;
	struct peel_msg_peers_response m;

	assert_int_equal(peel_peers_request_parse(s->sent.data + PEEL_HEADER_LEN,
				 s->sent.len - PEEL_HEADER_LEN, true, &q),
		0);
	m = (struct peel_msg_peers_response){
		.cid = q.cid, .identifier = q.identifier, .info_hash = q.info_hash, .n = n};
	seeder_key(7, pk);
	for (size_t i = 0; i < n; i++) {
		seeder_key(first + (uint32_t)i, seeder_pk[i]);
		m.peer[i] = (struct peel_introduction){.address = *at,
			.pk = {pk, sizeof(pk)},
			.seeder_pk = {seeder_pk[i], PEEL_PK_LEN},
			.source = PEEL_SOURCE_PEX};
	}
	memcpy(out, s->sent.data, PEEL_PREFIX_LEN);
	int len = peel_peers_response_build(
		out + PEEL_PREFIX_LEN, sizeof(out) - PEEL_PREFIX_LEN, true, &m);

	return peel_hidden_datagram(s->h, from, out, PEEL_PREFIX_LEN + (size_t)len);
}

static int
answer(struct scene *s, const struct peel_addr *from, uint32_t first, size_t n)
{
	return answer_at(s, from, from, first, n);
}

static size_t
told(struct scene *s, struct peel_msg_peers_response *m)
{
	int len = scene_answer(s, &downloader[0], msg);

	assert_true(len > 0);
	assert_int_equal(peel_peers_response_parse(msg + 1, (size_t)len - 1, false, m), 0);
	return m->n;
}

/* The address is asked as downloaders ask, what it says and what another DHT says are one answer.
 */
static void
test_address_is_asked(void **state)
{
	struct peel_dht_introduction one = {.address = peel_addr_ipv4(192, 0, 2, 1, 1)};
	struct peel_addr point = host(1);
	struct peel_msg_peers_response m;
	struct scene s;

	(void)state;
	seeder_key(1, one.pk);
	seeder_key(2, one.seeder_pk);
	begin(&s);
	addresses(&s, &point, 1);
	assert_int_equal(s.n_sent, 1);
	assert_true(peel_addr_equal(&s.sent.to, &point));
	assert_int_equal(s.sent.len, PEEL_HEADER_LEN + 26);
	assert_int_equal(scene_count(&s).asked, 1);
	peel_hidden_found(s.h, s.looked_up, &one, 1);
	peel_hidden_found(s.h, s.looked_up, &one, 1);
	peel_hidden_searched(s.h, s.looked_up);
	assert_int_equal(s.n->n_sent, 0); /* its answer may still come */
	assert_int_equal(answer(&s, &point, 50, 1), 0);
	assert_int_equal(told(&s, &m), 2);
	assert_memory_equal(m.peer[0].seeder_pk.p, one.seeder_pk, PEEL_PK_LEN);
	assert_true(peel_addr_equal(&m.peer[1].address, &point));
	assert_int_equal(m.peer[1].source, PEEL_SOURCE_DHT);
	assert_int_equal(scene_count(&s).asked, 0);
	assert_int_equal(s.n_cancelled, 0);
	assert_int_equal(answer(&s, &point, 50, 1), -EBADMSG); /* once */
	scene_close(&s);
}

/* Where nobody asked to be asked: not in networks that exits do not reach, not ourselves, no source
 * twice, no more than a few in all. */
static void
test_who_is_asked(void **state)
{
	struct peel_addr addr[100];
	struct scene s;

	(void)state;
	begin(&s);
	addr[0] = peel_addr_ipv4(10, 0, 0, 1, 80);
	addr[1] = s.here;
	addr[2] = peel_addr_ipv4(203, 0, 113, 1, 0);
	addr[3] = peel_addr_ipv4(224, 0, 0, 1, 80);
	addresses(&s, addr, 4);
	assert_int_equal(s.n_sent, 0);
	for (uint32_t i = 0; i < 100; i++)
		addr[i] = peel_addr_ipv4(203, 0, 113, 1, (uint16_t)(1 + i));
	addresses(&s, addr, 100);
	assert_int_equal(s.n_sent, 1);
	for (uint32_t i = 0; i < 100; i++)
		addr[i] = host(i);
	addresses(&s, addr, 100);
	assert_int_equal(s.n_sent, 16);
	memset(s.looked_up, 9, sizeof(s.looked_up));
	addresses(&s, &addr[20], 1); /* nobody looks that up */
	assert_int_equal(s.n_sent, 16);
	scene_close(&s);
}

/* Whatever hashes others make us look up: an address that somebody names is asked once a second,
 * and all together get 50 datagrams a second. */
static void
test_no_flood_comes_of_it(void **state)
{
	struct peel_addr victim = host(1), addr[16];
	uint32_t n_victim = 0;
	struct scene s;

	(void)state;
	begin(&s);
	for (uint32_t round = 0; round < 200; round++) {
		world_now += 50; /* ten seconds in all */
		uint32_t before = s.n_sent;

		/* The look-up ends, and the next hash comes. */
		addresses(&s, &victim, 1);
		n_victim += s.n_sent - before;
		for (uint32_t i = 0; i < 16; i++)
			addr[i] = host(2 + round * 16 + i);
		addresses(&s, addr, 16);
		peel_hidden_searched(s.h, s.looked_up);
		world_now += 10000;
		scene_settle(&s);
		drain(s.n);
		world_now -= 10000;
		if (round % 10 == 9) { /* who asks is limited, too: another neighbour */
			originator_init(&downloader[1],
				peel_addr_ipv4(198, 51, (uint8_t)round, 1, 8090), 1000 + round);
			exit_make(s.n, &downloader[1], 1000 + round);
			drain(s.n);
		}
		assert_int_equal(
			say_peers_cell(&s, round < 9 ? &downloader[0] : &downloader[1], 2 + round),
			0);
	}
	assert_in_range(n_victim, 4, 14);
	assert_in_range(s.n_sent, 100, 600);
	scene_close(&s);
}

/* Who puts addresses of nobody into a DHT, and has them looked up, does not keep others from
 * asking. */
static void
test_dead_addresses_leave_room(void **state)
{
	struct peel_addr addr[16], point = host(500);
	struct scene s;

	(void)state;
	begin(&s);
	for (uint32_t i = 1; i < 9; i++) {
		originator_init(
			&downloader[i], peel_addr_ipv4(198, 51, 100, (uint8_t)(1 + i), 8090), 1);
		exit_make(s.n, &downloader[i], 1 + i);
		assert_int_equal(say_peers_cell(&s, &downloader[i], 1 + i), 0);
		for (uint32_t k = 0; k < 16; k++)
			addr[k] = host(16 * i + k);
		if (i < 8)
			addresses(&s, addr, 16);
	}
	unsigned int before = s.n_sent;

	addresses(&s, &point, 1);
	assert_int_equal(s.n_sent, before + 1);
	assert_true(peel_addr_equal(&s.sent.to, &point));
	scene_close(&s);
}

/* Answers count from whom was asked, with the identifiers of the question, and are a part only. */
static void
test_whose_answers_count(void **state)
{
	struct peel_addr point = host(1), stranger = host(2);
	struct peel_msg_peers_response m;
	struct scene s;

	(void)state;
	begin(&s);
	addresses(&s, &point, 1);
	assert_int_equal(answer(&s, &stranger, 1, 1), -EBADMSG);
	for (size_t at = PEEL_HEADER_LEN; at < PEEL_HEADER_LEN + 7; at++) {
		s.sent.data[at] ^= 1; /* circuit id, identifier, info hash */
		assert_int_equal(answer(&s, &point, 1, 1), -EBADMSG);
		s.sent.data[at] ^= 1;
	}
	assert_int_equal(node_stat(s.n, PEEL_HIDDEN_REFUSED), 8);
	assert_int_equal(answer(&s, &point, 1, 7), 0);
	peel_hidden_searched(s.h, s.looked_up);
	assert_int_equal(told(&s, &m), 4);
	scene_close(&s);
}

/* A stock node may not know its own address, or the one in its own network only: it is where it was
 * asked. */
static void
test_point_without_address(void **state)
{
	const struct peel_addr at[] = {
		peel_addr_ipv4(0, 0, 0, 0, 0), peel_addr_ipv4(10, 1, 2, 3, 4000)};
	struct peel_addr point = host(1);
	struct peel_msg_peers_response m;
	struct scene s;

	(void)state;
	begin(&s);
	for (uint32_t i = 0; i < PEEL_ARRAY_LEN(at); i++) {
		assert_int_equal(say_peers_cell(&s, &downloader[0], 1 + i), 0);
		addresses(&s, &point, 1);
		assert_int_equal(answer_at(&s, &point, &at[i], 1, 1), 0);
		peel_hidden_searched(s.h, s.looked_up);
		assert_int_equal(told(&s, &m), 1);
		assert_true(peel_addr_equal(&m.peer[0].address, &point));
	}
	scene_close(&s);
}

/* Silence takes three seconds; a DHT that does not end, nine; or a little when something is found.
 */
static void
test_times(void **state)
{
	struct peel_addr point = host(1);
	struct peel_msg_peers_response m;
	struct scene s;
	uint32_t n = 0;

	(void)state;
	begin(&s);
	addresses(&s, &point, 1);
	peel_hidden_searched(s.h, s.looked_up);
	for (; s.n->n_sent == 0; n++) {
		world_now += 250;
		uint64_t next = peel_hidden_tick(s.h);

		assert_int_equal(next, s.n->n_sent == 0 ? 250 : 1000);
	}
	assert_in_range(n, 11, 13);
	assert_int_equal(told(&s, &m), 0);
	assert_int_equal(answer(&s, &point, 1, 1), -EBADMSG); /* too late */

	assert_int_equal(say_peers_cell(&s, &downloader[0], 2), 0);
	for (n = 0; s.n->n_sent == 0; n++) {
		world_now += 250;
		peel_hidden_tick(s.h);
	}
	assert_int_equal(n, 36);
	assert_int_equal(told(&s, &m), 0);
	assert_int_equal(s.n_cancelled, 1);

	assert_int_equal(say_peers_cell(&s, &downloader[0], 3), 0);
	addresses(&s, &point, 1);
	world_now += 1000;
	assert_int_equal(answer(&s, &point, 1, 1), 0);
	for (n = 0; s.n->n_sent == 0; n++) {
		world_now += 250;
		peel_hidden_tick(s.h);
	}
	assert_int_equal(n, 6);
	assert_int_equal(told(&s, &m), 1);
	assert_int_equal(s.n_cancelled, 2);
	peel_hidden_searched(s.h, s.looked_up); /* too late as well */
	assert_int_equal(s.n->n_sent, 0);
	scene_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_is_asked),
		cmocka_unit_test(test_who_is_asked),
		cmocka_unit_test(test_dead_addresses_leave_room),
		cmocka_unit_test(test_no_flood_comes_of_it),
		cmocka_unit_test(test_whose_answers_count),
		cmocka_unit_test(test_point_without_address),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
