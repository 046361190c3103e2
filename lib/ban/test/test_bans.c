/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* What can be banned and how it reads; what is published, when bans end, and how many there are. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "peel_ban.h"

static uint64_t now = 1000;
static unsigned int n_published;
static const struct peel_addr_set *published;

static uint64_t
time_now(void *arg)
{
	(void)arg;
	return now;
}

static const struct peel_env env = {.now_ms = time_now};

static void
publish(void *arg, const struct peel_addr_set *set, struct peel_addr_set *before)
{
	(void)arg;
	assert_ptr_equal(before, published);
	peel_addr_set_free(before);
	published = set;
	n_published++;
}

static struct peel_bans *
bans_new(void)
{
	struct peel_bans *b;

	published = NULL;
	n_published = 0;
	assert_int_equal(
		peel_bans_new(&(struct peel_bans_conf){.env = &env, .publish = publish}, &b), 0);
	return b;
}

static struct peel_ban
ban(const char *text)
{
	struct peel_ban out;
	char why[128] = "";

	assert_int_equal(peel_ban_parse(text, &out, why, sizeof(why)), 0);
	return out;
}

static struct peel_addr
addr(const char *text)
{
	struct peel_ban b = ban(text);

	b.network.addr.port = 7;
	return b.network.addr;
}

#define MID "00112233445566778899aabbccddeeff00112233"

static void
test_texts(void **state)
{
	static const char *const same[] = {"192.0.2.1", "192.0.2.0/24", "10.0.0.0/8", "2001:db8::1",
		"2001:db8::/32", "192.0.2.128/25", MID};
	static const char *const wrong[] = {"", "x", "192.0.2.1:80", "[2001:db8::1]",
		"192.0.2.0/33", "192.0.2.0/", "192.0.2.0/x", "192.0.2.0/24x", "192.0.2.0/-1",
		"192.0.2.1/24", "0.0.0.0/0", "10.0.0.0/7", "::/0", "2001:db8::1/64", "2000::/15",
		"::ffff:192.0.2.1", "::ffff:0.0.0.0/96", MID "0", "0011223344556677",
		"host.example"};
	char text[PEEL_BAN_TEXT_MAX], why[128];
	struct peel_ban b;

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(same); i++) {
		b = ban(same[i]);
		assert_string_equal(peel_ban_text(&b, text), same[i]);
		assert_true(b.until_ms == PEEL_BAN_FOR_EVER);
	}
	b = ban("192.0.2.7/32");
	assert_string_equal(peel_ban_text(&b, text), "192.0.2.7");
	for (size_t i = 0; i < PEEL_ARRAY_LEN(wrong); i++) {
		why[0] = '\0';
		assert_int_equal(peel_ban_parse(wrong[i], &b, why, sizeof(why)), -EINVAL);
		assert_true(strlen(why) > 10);
	}
}

/* A public key is banned by its member id. */
static void
test_key(void **state)
{
	struct peel_bans *b = bans_new();
	struct peel_identity id, other;
	char hex[2 * PEEL_PK_LEN + 1];
	struct peel_bans_count n;
	struct peel_ban key;

	(void)state;
	assert_int_equal(peel_keys_init(), 0);
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	assert_int_equal(peel_identity_generate(&peel_env_system, &other), 0);
	for (int i = 0; i < PEEL_PK_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", id.pk[i]);
	key = ban(hex);
	assert_true(key.is_key);
	assert_memory_equal(key.mid, id.mid, PEEL_MID_LEN);
	assert_false(peel_bans_has(b, NULL, id.pk));
	assert_int_equal(peel_bans_add(b, &key), 0);
	assert_true(peel_bans_has(b, NULL, id.pk));
	assert_false(peel_bans_has(b, NULL, other.pk));
	assert_false(peel_bans_has(b, NULL, NULL));
	assert_int_equal(n_published, 0); /* workers know no keys */
	peel_bans_count(b, &n);
	assert_int_equal(n.keys, 1);
	assert_int_equal(n.networks, 0);
	assert_int_equal(peel_bans_remove(b, &key), 0);
	assert_false(peel_bans_has(b, NULL, id.pk));
	peel_bans_free(b);
}

static void
test_networks(void **state)
{
	struct peel_bans *b = bans_new();
	struct peel_ban net = ban("192.0.2.0/24"), host = ban("192.0.2.9"),
			six = ban("2001:db8::/32");
	struct peel_addr in = addr("192.0.2.9"), out = addr("192.0.3.1"), in6 = addr("2001:db8::5");

	(void)state;
	assert_false(peel_bans_has(b, &in, NULL));
	assert_int_equal(peel_bans_add(b, &net), 0);
	assert_int_equal(peel_bans_add(b, &host), 0);
	assert_int_equal(peel_bans_add(b, &six), 0);
	assert_int_equal(n_published, 3);
	assert_int_equal(peel_bans_add(b, &six), 0); /* again: nothing new */
	assert_int_equal(n_published, 3);
	assert_true(peel_bans_has(b, &in, NULL));
	assert_true(peel_bans_has(b, &in6, NULL));
	assert_false(peel_bans_has(b, &out, NULL));
	assert_true(peel_addr_set_has(published, &in));
	assert_int_equal(peel_bans_remove(b, &net), 0);
	assert_int_equal(peel_bans_remove(b, &net), -ENOENT);
	assert_true(peel_bans_has(b, &in, NULL)); /* by its own */
	assert_int_equal(peel_bans_remove(b, &host), 0);
	assert_false(peel_bans_has(b, &in, NULL));
	assert_int_equal(peel_bans_remove(b, &six), 0);
	assert_null(published); /* a load, and no look-up */
	peel_bans_free(b);
}

static void
test_ends(void **state)
{
	struct peel_bans *b = bans_new();
	struct peel_ban one = ban("192.0.2.1"), two = ban(MID);
	struct peel_addr in = addr("192.0.2.1");
	struct peel_bans_count n;

	(void)state;
	one.until_ms = now + 5000;
	two.until_ms = now + 9000;
	assert_int_equal(peel_bans_add(b, &one), 0);
	assert_int_equal(peel_bans_add(b, &two), 0);
	assert_int_equal(peel_bans_tick(b), 5000);
	now += 4999;
	assert_int_equal(peel_bans_tick(b), 1);
	assert_true(peel_bans_has(b, &in, NULL));
	now += 1;
	assert_int_equal(peel_bans_tick(b), 4000);
	assert_false(peel_bans_has(b, &in, NULL));
	assert_null(published);
	two.until_ms = PEEL_BAN_FOR_EVER; /* for longer than at first */
	assert_int_equal(peel_bans_add(b, &two), 0);
	now += 1000000;
	assert_int_equal(peel_bans_tick(b), 60000);
	peel_bans_count(b, &n);
	assert_int_equal(n.keys, 1);
	peel_bans_free(b);
}

static void
test_limit(void **state)
{
	struct peel_bans *b = bans_new();
	struct peel_ban host = ban("11.0.0.0"), more = ban("12.0.0.0");
	struct peel_bans_count n;

	(void)state;
	for (uint32_t i = 0; i < PEEL_BANS_MAX; i++) {
		peel_put_be32(host.network.addr.ip, 0x0b000000 + 2 * i);
		assert_int_equal(peel_bans_add(b, &host), 0);
	}
	assert_int_equal(peel_bans_add(b, &more), -ENOSPC);
	assert_int_equal(peel_bans_add(b, &host), 0); /* it is there */
	peel_bans_count(b, &n);
	assert_int_equal(n.networks, PEEL_BANS_MAX);
	assert_false(peel_bans_has(b, &more.network.addr, NULL));
	assert_true(peel_bans_has(b, &host.network.addr, NULL));
	peel_bans_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
