/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Three false DHTs used as one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_providers.h"

#define N 3

/* One of them: what it was told, and what it says. */
struct fake {
	struct peel_provider_conf conf;
	unsigned int n_close, n_look_up, n_cancel, n_announce, n_withdraw, n_find;
	uint32_t withdrawn;
	int result;
};

static struct fake fake[N];
static uint64_t now;

/* What came out. */
static struct {
	unsigned int n_found, n_addresses, n_ended, n_peers, n_wakes;
	uint8_t hash;
} told;

static uint64_t
test_now(void *arg)
{
	(void)arg;
	return now;
}

static void
test_random(void *arg, void *out, size_t len)
{
	(void)arg;
	memset(out, 7, len);
}

static const struct peel_env env = {.now_ms = test_now, .random = test_random};

static int
fake_open(struct fake *f, const struct peel_provider_conf *conf, void **self)
{
	f->conf = *conf;
	if (f->result == 0)
		*self = f;
	return f->result;
}

static void
fake_close(void *self)
{
	((struct fake *)self)->n_close++;
}

static int
fake_look_up(void *self, const uint8_t *hash)
{
	struct fake *f = self;

	(void)hash;
	f->n_look_up++;
	return f->result;
}

static void
fake_cancel(void *self, const uint8_t *hash)
{
	(void)hash;
	((struct fake *)self)->n_cancel++;
}

static int
fake_announce(
	void *self, const uint8_t *hash, const struct peel_dht_introduction *point, uint32_t *id)
{
	struct fake *f = self;

	(void)hash;
	assert_int_equal(point->address.port, 77);
	*id = 100 + f->n_announce++;
	return f->result;
}

static void
fake_withdraw(void *self, uint32_t id)
{
	struct fake *f = self;

	f->n_withdraw++;
	f->withdrawn = id;
}

static int
fake_find_peer(void *self, const uint8_t *mid)
{
	struct fake *f = self;

	(void)mid;
	f->n_find++;
	return f->result;
}

static void
fake_count(void *self, struct peel_provider_count *out)
{
	out->nodes = 10 + (size_t)((struct fake *)self - fake);
}

static uint64_t
fake_tick(void *self)
{
	return self == &fake[1] ? 20 : 600;
}

#define OPEN(i)                                                                                    \
	static int open_##i(                                                                       \
		const struct peel_provider_conf *conf, void **self, char *why, size_t size)        \
	{                                                                                          \
		(void)why;                                                                         \
		(void)size;                                                                        \
		return fake_open(&fake[i], conf, self);                                            \
	}
OPEN(0)
OPEN(1)
OPEN(2)

/* The first keeps up itself what is announced; the second has to be told again; the third neither
 * finds peers nor counts. */
static const struct peel_provider_ops ops[N] = {
	{.name = "first",
		.open = open_0,
		.close = fake_close,
		.tick = fake_tick,
		.look_up = fake_look_up,
		.cancel = fake_cancel,
		.announce = fake_announce,
		.withdraw = fake_withdraw,
		.find_peer = fake_find_peer,
		.count = fake_count},
	{.name = "second",
		.repeat_ms = 60000,
		.open = open_1,
		.close = fake_close,
		.tick = fake_tick,
		.look_up = fake_look_up,
		.cancel = fake_cancel,
		.announce = fake_announce,
		.find_peer = fake_find_peer,
		.count = fake_count},
	{.name = "third",
		.repeat_ms = 120000,
		.open = open_2,
		.close = fake_close,
		.look_up = fake_look_up,
		.cancel = fake_cancel,
		.announce = fake_announce},
};

static void
on_found(void *arg, const uint8_t *hash, const struct peel_dht_introduction *point, size_t n)
{
	(void)point;
	assert_ptr_equal(arg, &told);
	told.n_found += (unsigned int)n;
	told.hash = hash[0];
}

static void
on_addresses(void *arg, const uint8_t *hash, const struct peel_addr *addr, size_t n)
{
	(void)arg;
	(void)addr;
	told.n_addresses += (unsigned int)n;
	told.hash = hash[0];
}

static void
on_ended(void *arg, const uint8_t *hash)
{
	(void)arg;
	told.n_ended++;
	told.hash = hash[0];
}

static void
on_peer(void *arg, const uint8_t *mid, const struct peel_addr *addr)
{
	(void)arg;
	(void)mid;
	told.n_peers += addr != NULL;
}

static void
on_wake(void *arg)
{
	(void)arg;
	told.n_wakes++;
}

static struct peel_providers *
open_all(void)
{
	struct peel_providers_conf conf = {
		.env = &env,
		.ops = {&ops[0], &ops[1], &ops[2]},
		.n = N,
		.each = {.env = &env,
			.wake = on_wake,
			.found = on_found,
			.addresses = on_addresses,
			.ended = on_ended,
			.peer = on_peer,
			.arg = &told},
	};
	struct peel_providers *p;
	char why[64];

	memset(fake, 0, sizeof(fake));
	memset(&told, 0, sizeof(told));
	now = 1000000;
	assert_int_equal(peel_providers_new(&conf, &p, why, sizeof(why)), 0);
	return p;
}

static void
close_all(struct peel_providers *p)
{
	peel_providers_free(p);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(fake[i].n_close, 1);
}

/* Results are those of all; the end is that of the last. */
static void
test_results_are_merged(void **state)
{
	const struct peel_dht_introduction point = {.last_seen = 1};
	const struct peel_addr addr = peel_addr_ipv4(192, 0, 2, 1, 1);
	const uint8_t hash[PEEL_INFO_HASH_LEN] = {1}, other[PEEL_INFO_HASH_LEN] = {2};
	struct peel_providers *p = open_all();

	(void)state;
	fake[2].result = -EHOSTUNREACH;
	assert_int_equal(peel_providers_look_up(p, hash), 0);
	assert_int_equal(peel_providers_look_up(p, hash), -EEXIST);
	fake[0].conf.found(fake[0].conf.arg, hash, &point, 1);
	fake[1].conf.addresses(fake[1].conf.arg, hash, &addr, 1);
	fake[0].conf.found(fake[0].conf.arg, other, &point, 1); /* nobody asked for it */
	fake[2].conf.found(fake[2].conf.arg, hash, &point, 1);	/* it said that it cannot */
	fake[0].conf.ended(fake[0].conf.arg, hash);
	fake[0].conf.ended(fake[0].conf.arg, hash);
	fake[0].conf.found(fake[0].conf.arg, hash, &point, 1); /* after the end */
	assert_int_equal(told.n_found, 1);
	assert_int_equal(told.n_addresses, 1);
	assert_int_equal(told.n_ended, 0);
	fake[1].conf.ended(fake[1].conf.arg, hash);
	assert_int_equal(told.n_ended, 1);
	assert_int_equal(told.hash, 1);
	fake[0].result = fake[1].result = -ENOSPC;
	assert_int_equal(peel_providers_look_up(p, hash), -EHOSTUNREACH);
	close_all(p);
}

static void
test_look_ups_are_bounded_and_cancelled(void **state)
{
	uint8_t hash[PEEL_INFO_HASH_LEN] = {0};
	struct peel_providers *p = open_all();

	(void)state;
	for (hash[0] = 0; hash[0] < 16; hash[0]++)
		assert_int_equal(peel_providers_look_up(p, hash), 0);
	assert_int_equal(peel_providers_look_up(p, hash), -ENOSPC);
	hash[0] = 3;
	fake[1].conf.ended(fake[1].conf.arg, hash);
	peel_providers_cancel(p, hash);
	assert_int_equal(fake[0].n_cancel, 1);
	assert_int_equal(fake[1].n_cancel, 0); /* it was over */
	fake[0].conf.ended(fake[0].conf.arg, hash);
	assert_int_equal(told.n_ended, 0);
	hash[0] = 16;
	assert_int_equal(peel_providers_look_up(p, hash), 0);
	close_all(p);
}

/* Told in each; again where that is needed, and where there was no room at first. */
static void
test_announcements(void **state)
{
	const struct peel_dht_introduction point = {.address = peel_addr_ipv4(192, 0, 2, 1, 77)};
	const uint8_t hash[PEEL_INFO_HASH_LEN] = {1};
	struct peel_providers *p = open_all();
	uint32_t id, ids[1024];

	(void)state;
	fake[2].result = -ENOSPC;
	assert_int_equal(peel_providers_announce(p, hash, &point, &id), 0);
	fake[2].result = 0;
	for (unsigned int i = 0; i < 600; i++) {
		now += 500;
		assert_int_equal(peel_providers_tick(p), 20);
	}
	assert_int_equal(fake[0].n_announce, 1);
	assert_in_range(fake[1].n_announce, 5, 6);
	assert_int_equal(fake[2].n_announce, 4); /* in vain, soon after, twice more */
	peel_providers_withdraw(p, id + 0x10000);
	assert_int_equal(fake[0].n_withdraw, 0);
	peel_providers_withdraw(p, id);
	peel_providers_withdraw(p, id);
	assert_int_equal(fake[0].n_withdraw, 1);
	assert_int_equal(fake[0].withdrawn, 100);
	for (size_t i = 0; i < 1024; i++)
		assert_int_equal(peel_providers_announce(p, hash, &point, &ids[i]), 0);
	assert_int_equal(peel_providers_announce(p, hash, &point, &id), -ENOSPC);
	/* Their repetitions are spread. */
	fake[1].n_announce = 0;
	now += 60000;
	peel_providers_tick(p);
	assert_int_equal(fake[1].n_announce, 16);
	for (unsigned int i = 0; i < 100; i++)
		peel_providers_tick(p);
	assert_int_equal(fake[1].n_announce, 1024);
	for (size_t i = 0; i < 1024; i++)
		peel_providers_withdraw(p, ids[i]);
	assert_int_equal(fake[0].n_withdraw, 1025);
	close_all(p);
}

static void
test_peers_and_status(void **state)
{
	const struct peel_addr addr = peel_addr_ipv4(192, 0, 2, 1, 1);
	const uint8_t mid[PEEL_MID_LEN] = {1};
	struct peel_providers *p = open_all();
	struct peel_provider_count count;
	const char *name;

	(void)state;
	assert_int_equal(peel_providers_find_peer(p, mid), 2);
	fake[0].result = -ENOSPC;
	assert_int_equal(peel_providers_find_peer(p, mid), 1);
	fake[1].conf.peer(fake[1].conf.arg, mid, &addr);
	assert_int_equal(told.n_peers, 1);
	fake[1].conf.wake(fake[1].conf.arg);
	assert_int_equal(told.n_wakes, 1);
	assert_true(peel_providers_count(p, 1, &name, &count));
	assert_string_equal(name, "second");
	assert_int_equal(count.nodes, 11);
	assert_true(peel_providers_count(p, 2, &name, &count));
	assert_int_equal(count.nodes, 0);
	assert_false(peel_providers_count(p, 3, &name, &count));
	close_all(p);
}

/* What does not start leaves nothing open. */
static void
test_one_that_does_not_open(void **state)
{
	struct peel_providers_conf conf = {
		.env = &env, .ops = {&ops[0], &ops[1], &ops[2]}, .n = N, .each = {.env = &env}};
	struct peel_providers *p;
	char why[64] = "";

	(void)state;
	memset(fake, 0, sizeof(fake));
	fake[1].result = -EADDRINUSE;
	assert_int_equal(peel_providers_new(&conf, &p, why, sizeof(why)), -EADDRINUSE);
	assert_null(p);
	assert_int_equal(fake[0].n_close, 1);
	assert_int_equal(fake[1].n_close + fake[2].n_close, 0);
	conf.n = PEEL_PROVIDERS_MAX + 1;
	assert_int_equal(peel_providers_new(&conf, &p, why, sizeof(why)), -EINVAL);
	/* None at all is fine: nothing is found. */
	conf.n = 0;
	assert_int_equal(peel_providers_new(&conf, &p, why, sizeof(why)), 0);
	assert_int_equal(
		peel_providers_look_up(p, (const uint8_t[PEEL_INFO_HASH_LEN]){1}), -EHOSTUNREACH);
	peel_providers_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results_are_merged),
		cmocka_unit_test(test_look_ups_are_bounded_and_cancelled),
		cmocka_unit_test(test_announcements),
		cmocka_unit_test(test_peers_and_status),
		cmocka_unit_test(test_one_that_does_not_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
