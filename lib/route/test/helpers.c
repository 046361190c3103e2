/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "helpers.h"

static uint64_t state = 0x123456789abcdefu;

uint64_t
test_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1du;
}

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return 0;
}

static void
fill_random(void *arg, void *out, size_t len)
{
	(void)arg;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)(test_random() >> 40);
}

const struct peel_env test_env = {.now_ms = now_ms, .random = fill_random};

struct peel_rcu *
test_rcu(void)
{
	struct peel_rcu *rcu;

	assert_int_equal(peel_rcu_new(2, &rcu), 0);
	return rcu;
}

struct peel_route_table *
test_table(uint32_t max_sessions, struct peel_rcu *rcu)
{
	const struct peel_route_conf conf = {
		.max_sessions = max_sessions,
		.rcu = rcu,
		.env = &test_env,
		.socket_id = -1,
		.heap = true,
	};
	struct peel_route_table *t;

	assert_int_equal(peel_route_table_new(&conf, &t), 0);
	return t;
}

struct peel_addr
test_addr(uint32_t i)
{
	struct peel_addr a = peel_addr_ipv4(
		10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, (uint16_t)(1000 + i % 7));

	if (i % 3 == 2) {
		a.family = PEEL_FAMILY_IPV6;
		memcpy(a.ip + 12, &i, sizeof(i));
	}
	return a;
}

uint32_t
test_session(struct peel_route_table *t, uint8_t fill)
{
	struct peel_key key;
	uint8_t salt[4];
	uint32_t session;

	memset(&key, fill, sizeof(key));
	memset(salt, fill, sizeof(salt));
	assert_int_equal(peel_session_add(t, &key, salt, &key, salt, 1000, &session), 0);
	return session;
}

struct peel_route
test_spec(uint32_t neighbour, uint32_t cid, uint8_t kind, uint32_t session)
{
	return (struct peel_route){
		.in = test_addr(neighbour),
		.in_cid = cid,
		.out = test_addr(neighbour + 1),
		.out_cid = ~cid,
		.session = session,
		.peer = session,
		.kind = kind,
		.max_early = 8,
	};
}

uint32_t
test_publish(struct peel_route_table *t, const struct peel_route *spec)
{
	uint32_t slot;

	assert_int_equal(peel_route_publish(t, spec, &slot), 0);
	assert_int_not_equal(slot, PEEL_NONE);
	return slot;
}

uint32_t
test_lookup(const struct peel_route_table *t, uint32_t neighbour, uint32_t cid)
{
	struct peel_addr a = test_addr(neighbour);

	return peel_route_lookup(t, &a, cid);
}
