/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A program's DHT: it answers at once, later, from other threads, too late, never. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "handle.h"

#define KEPT_MAX 64

typedef void (*found_fn)(void *ctx, const struct peel_introduction_point *point);
typedef void (*address_fn)(void *ctx, const struct peel_address *address);

/* The program's side. */
static struct {
	bool at_once;
	int result;
	found_fn found[KEPT_MAX];
	address_fn address[KEPT_MAX];
	void *ctx[KEPT_MAX];
	unsigned int n, n_announced;
	struct peel_introduction_point announced;
} dht;

/* What the node is told. */
static struct {
	unsigned int n_found, n_ended, n_peers, n_no_peers, n_wakes;
	uint8_t hash[PEEL_INFO_HASH_LEN];
	struct peel_dht_introduction point;
	struct peel_addr peer;
} told;

static struct peel_introduction_point
point_at(uint16_t port)
{
	struct peel_introduction_point p = {.source = 1};

	assert_int_equal(peel_address_set(&p.address, "192.0.2.7", port), 0);
	memcpy(p.key, "LibNaCLPK:", 10);
	memset(p.key + 10, 1, sizeof(p.key) - 10);
	memcpy(p.seeder_key, "LibNaCLPK:", 10);
	memset(p.seeder_key + 10, 2, sizeof(p.seeder_key) - 10);
	return p;
}

static int
on_lookup(void *arg, const uint8_t info_hash[20], found_fn found, void *ctx)
{
	struct peel_introduction_point p = point_at(7);

	(void)info_hash;
	assert_ptr_equal(arg, &dht);
	if (dht.result != 0)
		return dht.result;
	if (dht.at_once) {
		found(ctx, &p);
		found(ctx, NULL);
		return 0;
	}
	dht.found[dht.n] = found;
	dht.ctx[dht.n++] = ctx;
	return 0;
}

static int
on_announce(void *arg, const uint8_t info_hash[20], const struct peel_introduction_point *point)
{
	(void)arg;
	(void)info_hash;
	dht.n_announced++;
	dht.announced = *point;
	return dht.result;
}

static int
on_peer_lookup(void *arg, const uint8_t mid[20], address_fn found, void *ctx)
{
	(void)arg;
	(void)mid;
	if (dht.result != 0)
		return dht.result;
	dht.address[dht.n] = found;
	dht.ctx[dht.n++] = ctx;
	return 0;
}

static const struct peel_dht_provider program = {&dht, on_lookup, on_announce, on_peer_lookup};

static void
on_wake(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&told.n_wakes, 1, __ATOMIC_RELAXED);
}

static void
on_found(void *arg, const uint8_t *info_hash, const struct peel_dht_introduction *point, size_t n)
{
	(void)arg;
	assert_int_equal(n, 1);
	told.n_found++;
	told.point = *point;
	memcpy(told.hash, info_hash, sizeof(told.hash));
}

static void
on_ended(void *arg, const uint8_t *info_hash)
{
	(void)arg;
	told.n_ended++;
	memcpy(told.hash, info_hash, sizeof(told.hash));
}

static void
on_peer(void *arg, const uint8_t *mid, const struct peel_addr *addr)
{
	(void)arg;
	(void)mid;
	if (addr != NULL)
		told.peer = *addr;
	told.n_peers += addr != NULL;
	told.n_no_peers += addr == NULL;
}

static void *
start(void)
{
	const struct peel_provider_conf conf = {.program = &program,
		.wake = on_wake,
		.found = on_found,
		.ended = on_ended,
		.peer = on_peer};
	char why[16];
	void *self;

	memset(&dht, 0, sizeof(dht));
	memset(&told, 0, sizeof(told));
	assert_int_equal(program_provider.open(&conf, &self, why, sizeof(why)), 0);
	return self;
}

static size_t
questions(void *self)
{
	struct peel_provider_count count;

	program_provider.count(self, &count);
	return count.lookups;
}

static void
test_at_once(void **state)
{
	const uint8_t hash[PEEL_INFO_HASH_LEN] = {5};
	void *self = start();

	(void)state;
	dht.at_once = true;
	assert_int_equal(program_provider.look_up(self, hash), 0);
	assert_int_equal(told.n_found + told.n_ended, 0); /* never from inside */
	assert_true(told.n_wakes > 0);
	program_provider.tick(self);
	assert_int_equal(told.n_found, 1);
	assert_int_equal(told.n_ended, 1);
	assert_memory_equal(told.hash, hash, sizeof(hash));
	assert_int_equal(told.point.address.port, 7);
	assert_int_equal(told.point.seeder_pk[10], 2);
	assert_int_equal(questions(self), 0);
	dht.result = -EIO;
	assert_int_equal(program_provider.look_up(self, hash), -EIO);
	assert_int_equal(program_provider.find_peer(self, hash), -EIO);
	assert_int_equal(questions(self), 0);
	program_provider.close(self);
}

/* Points that nobody can use are left out; addresses of peers, too. */
static void
test_rubbish(void **state)
{
	const uint8_t hash[PEEL_INFO_HASH_LEN] = {5};
	void *self = start();
	struct peel_introduction_point p = point_at(7);
	struct peel_address name;

	(void)state;
	assert_int_equal(program_provider.look_up(self, hash), 0);
	p.key[0] = 'x';
	dht.found[0](dht.ctx[0], &p);
	p = point_at(7);
	p.address.port = 0;
	dht.found[0](dht.ctx[0], &p);
	assert_int_equal(peel_address_set(&p.address, "a.example", 7), 0);
	dht.found[0](dht.ctx[0], &p);
	p = point_at(7);
	for (unsigned int i = 0; i < 1000; i++) /* no more than fit */
		dht.found[0](dht.ctx[0], &p);
	dht.found[0](dht.ctx[0], NULL);
	program_provider.tick(self);
	assert_int_equal(told.n_found, 64);
	assert_int_equal(told.n_ended, 1);
	assert_int_equal(peel_address_set(&name, "a.example", 7), 0);
	assert_int_equal(program_provider.find_peer(self, hash), 0);
	assert_int_equal(program_provider.find_peer(self, hash), 0);
	assert_int_equal(program_provider.find_peer(self, hash), 0);
	dht.address[1](dht.ctx[1], &name);
	dht.address[2](dht.ctx[2], NULL);
	dht.address[3](dht.ctx[3], &p.address);
	program_provider.tick(self);
	assert_int_equal(told.n_no_peers, 2);
	assert_int_equal(told.n_peers, 1);
	assert_int_equal(told.peer.port, 7);
	program_provider.close(self);
}

/* Questions that never get their last answer hold the places there are, and no more. */
static void
test_never(void **state)
{
	uint8_t hash[PEEL_INFO_HASH_LEN] = {0};
	void *self = start();
	struct peel_introduction_point p = point_at(7);

	(void)state;
	for (hash[0] = 0; hash[0] < 32; hash[0]++)
		assert_int_equal(program_provider.look_up(self, hash), 0);
	assert_int_equal(program_provider.look_up(self, hash), -ENOSPC);
	assert_int_equal(program_provider.find_peer(self, hash), -ENOSPC);
	for (hash[0] = 0; hash[0] < 32; hash[0]++)
		program_provider.cancel(self, hash);
	assert_int_equal(questions(self), 32);
	dht.found[0](dht.ctx[0], &p);
	dht.found[0](dht.ctx[0], NULL);
	program_provider.tick(self);
	assert_int_equal(told.n_found + told.n_ended, 0); /* cancelled */
	assert_int_equal(questions(self), 31);
	/* Cancelled between its end and the tick. */
	hash[0] = 99;
	assert_int_equal(program_provider.look_up(self, hash), 0);
	dht.found[32](dht.ctx[32], NULL);
	program_provider.cancel(self, hash);
	program_provider.tick(self);
	assert_int_equal(told.n_ended, 0);
	/* The others are answered after the node has gone: sanitizers see what stays. */
	program_provider.close(self);
	for (unsigned int i = 1; i < 32; i++) {
		dht.found[i](dht.ctx[i], &p);
		dht.found[i](dht.ctx[i], NULL);
	}
	assert_int_equal(told.n_found + told.n_ended, 0);
}

static void *
answer_all(void *arg)
{
	struct peel_introduction_point p = point_at(7);

	(void)arg;
	for (unsigned int i = 0; i < dht.n; i++) {
		for (unsigned int k = 0; k < 2; k++)
			dht.found[i](dht.ctx[i], &p);
		dht.found[i](dht.ctx[i], NULL);
	}
	return NULL;
}

/* Another thread answers while the node takes what comes. */
static void
test_other_threads(void **state)
{
	uint8_t hash[PEEL_INFO_HASH_LEN] = {0};

	(void)state;
	for (unsigned int round = 0; round < 50; round++) {
		void *self = start();
		pthread_t thread;

		for (hash[0] = 0; hash[0] < 30; hash[0]++)
			assert_int_equal(program_provider.look_up(self, hash), 0);
		assert_int_equal(pthread_create(&thread, NULL, answer_all, NULL), 0);
		if (round % 2 == 0) {
			while (told.n_ended < 30)
				program_provider.tick(self);
			assert_int_equal(told.n_found, 60);
		}
		program_provider.close(self); /* or closes meanwhile */
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
}

static void
test_announce(void **state)
{
	const uint8_t hash[PEEL_INFO_HASH_LEN] = {5};
	struct peel_dht_introduction point = {.address = peel_addr_ipv4(192, 0, 2, 9, 99)};
	struct peel_address want;
	void *self = start();
	uint32_t id;

	(void)state;
	memset(point.pk, 3, sizeof(point.pk));
	memset(point.seeder_pk, 4, sizeof(point.seeder_pk));
	assert_int_equal(program_provider.announce(self, hash, &point, &id), 0);
	assert_int_equal(peel_address_set(&want, "192.0.2.9", 99), 0);
	assert_int_equal(dht.n_announced, 1);
	assert_int_equal(dht.announced.address.port, want.port);
	assert_memory_equal(dht.announced.key, point.pk, PEEL_PK_LEN);
	assert_memory_equal(dht.announced.seeder_key, point.seeder_pk, PEEL_PK_LEN);
	dht.result = -ENOSPC;
	assert_int_equal(program_provider.announce(self, hash, &point, &id), -ENOSPC);
	program_provider.close(self);
}

/* The setting reaches the node, beside IPv8's DHT. */
static void
test_setting(void **state)
{
	struct peel_node_conf *conf = malloc(sizeof(*conf));
	struct peel_settings settings;

	(void)state;
	assert_non_null(conf);
	peel_settings_init(&settings);
	assert_int_equal(settings_convert(&settings, conf), 0);
	assert_int_equal(conf->n_providers, 1);
	settings.dht_provider = &program;
	assert_int_equal(settings_convert(&settings, conf), 0);
	assert_int_equal(conf->n_providers, 2);
	assert_ptr_equal(conf->provider[1], &program_provider);
	assert_ptr_equal(conf->provider_program, &program);
	free(conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_other_threads),
		cmocka_unit_test(test_announce),
		cmocka_unit_test(test_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
