/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "one_circuit.h"

#define ALL_FLAGS (PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8 | PEEL_FLAG_SPEED_TEST)

struct rig rig;
static struct peel_aead *aead;
static const struct peel_aead_engine *engine;

struct one_circuit c;

const uint8_t dht_payload[57] = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";

int
with_each_engine(const struct CMUnitTest *tests, size_t n)
{
	int failed = rig_eal(NULL);

	for (size_t i = 0; peel_aead_engines[i] != NULL && failed == 0; i++) {
		engine = peel_aead_engines[i];
		if (peel_aead_self_test(engine) == 0)
			failed = _cmocka_run_group_tests(engine->name, tests, n, NULL, NULL);
	}
	return failed;
}

void
start(enum peel_route_kind kind, uint32_t endpoint)
{
	rig_start(&rig, engine, ALL_FLAGS);
	assert_int_equal(engine->new (&aead), 0);
	memset(&c, 0, sizeof(c));
	c.previous = peel_addr_ipv4(192, 0, 2, 10, 8090);
	c.next = peel_addr_ipv4(192, 0, 2, 12, 8090);
	c.outside = peel_addr_ipv4(198, 51, 100, 7, 6881);
	memset(c.forward.b, 0x11, 32);
	memset(c.backward.b, 0x22, 32);
	memset(c.salt_forward, 0x33, 4);
	memset(c.salt_backward, 0x44, 4);
	c.counter = 1000;
	assert_int_equal(peel_session_add(rig.routes, &c.forward, c.salt_forward, &c.backward,
				 c.salt_backward, 0, &c.session),
		0);
	struct peel_route r = {.in = c.previous,
		.in_cid = 77,
		.out = kind == PEEL_ROUTE_EXIT ? c.previous : c.next,
		.out_cid = kind == PEEL_ROUTE_EXIT ? 77 : 88,
		.session = c.session,
		.kind = (uint8_t)kind,
		.endpoint = endpoint,
		.max_early = 8,
		.n_early = 1};

	assert_int_equal(peel_route_publish(rig.routes, &r, &c.slot), 0);
	if (kind != PEEL_ROUTE_FORWARD)
		return;
	struct peel_route back = {.in = c.next,
		.in_cid = 88,
		.out = c.previous,
		.out_cid = 77,
		.session = c.session,
		.kind = PEEL_ROUTE_BACKWARD,
		.max_early = 8,
		.n_early = 1};

	assert_int_equal(peel_route_publish(rig.routes, &back, &c.slot_backward), 0);
}

void
finish(void)
{
	engine->free(aead);
	rig_stop(&rig);
}

size_t
sealed_cell(uint8_t *out, const void *msg, size_t len, bool early)
{
	uint8_t *salt = out + PEEL_CELL_HEADER_LEN;
	struct peel_aead_op op = {
		.key = &c.forward, .text = salt + PEEL_SEAL_SALT_LEN, .len = (uint32_t)len};

	peel_cell_header(out, rig_prefix, 77, false, early);
	peel_put_be64(salt, c.counter++);
	memcpy(op.text, msg, len);
	memcpy(op.nonce, c.salt_forward, 4);
	memcpy(op.nonce + 4, salt, 8);
	engine->seal(aead, &op, 1);
	return PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD + len;
}

void
feed_message(const void *msg, size_t len, bool early)
{
	uint8_t cell[2304];

	rig_feed(&rig, &c.previous, cell, sealed_cell(cell, msg, len, early));
}

size_t
open_answer(unsigned int i, uint8_t *msg)
{
	const struct rig_packet *p = &rig.out[i];
	struct peel_aead_op op = {.key = &c.backward};

	assert_true(i < rig.n_out && p->len >= PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD);
	assert_true(peel_addr_equal(&p->remote, &c.previous));
	assert_int_equal(peel_get_be32(p->data + PEEL_CELL_OFF_CID), 77);
	assert_int_equal(p->data[PEEL_CELL_OFF_PLAIN] | p->data[PEEL_CELL_OFF_EARLY], 0);
	op.len = (uint32_t)(p->len - PEEL_CELL_HEADER_LEN - PEEL_SEAL_SALT_LEN);
	op.text = msg;
	memcpy(msg, p->data + PEEL_CELL_HEADER_LEN + PEEL_SEAL_SALT_LEN, op.len);
	memcpy(op.nonce, c.salt_backward, 4);
	memcpy(op.nonce + 4, p->data + PEEL_CELL_HEADER_LEN, 8);
	assert_int_equal(engine->open(aead, &op, 1), 0);
	return op.len - PEEL_SEAL_TAG_LEN;
}

size_t
data_message(uint8_t *out, const struct peel_host *destination, const void *payload, size_t len)
{
	struct peel_msg_data m = {.destination = *destination,
		.origin = {.type = PEEL_HOST_IPV4, .addr = {.family = PEEL_FAMILY_IPV4}},
		.payload = {payload, len}};
	int n = peel_data_build(out, 2304, &m);

	assert_true(n > 0);
	return (size_t)n;
}

struct peel_host
host(const struct peel_addr *a)
{
	return (struct peel_host){
		.type = a->family == PEEL_FAMILY_IPV6 ? PEEL_HOST_IPV6 : PEEL_HOST_IPV4,
		.addr = *a};
}

void
feed_data(const struct peel_host *destination, const void *payload, size_t len)
{
	uint8_t msg[2304];

	feed_message(msg, data_message(msg, destination, payload, len), false);
}
