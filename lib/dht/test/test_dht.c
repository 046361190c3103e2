/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_dht.h"
#include "peel_dhtmsg.h"
#include "peel_vectors.h"

#define PINGS_MAX 256

struct node {
	struct peel_env env;
	uint64_t now, random;
	struct peel_identity identity;
	struct peel_stats stats;
	struct peel_dht *dht;
	struct peel_addr sent_to, friend_addr; /* who answered us, as far as the DHT is told */
	uint8_t sent[256];
	size_t sent_len;
	unsigned int n_sent, n_answered, n_silent;
	uint64_t tokens;
	bool ping_again;
};

static uint64_t
now_ms(void *arg)
{
	return ((struct node *)arg)->now;
}

static void
repeatable(void *arg, void *out, size_t len)
{
	struct node *n = arg;

	for (size_t i = 0; i < len; i++) {
		n->random = n->random * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)out)[i] = (uint8_t)(n->random >> 56);
	}
}

static void
keep(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct node *n = arg;

	assert_true(len <= sizeof(n->sent));
	n->sent_to = *to;
	memcpy(n->sent, data, len);
	n->sent_len = len;
	n->n_sent++;
}

static bool
is_friend(void *arg, const struct peel_addr *a, const uint8_t pk[PEEL_PK_LEN])
{
	(void)pk;
	return peel_addr_equal(a, &((struct node *)arg)->friend_addr);
}

static struct node *
node_new(const char *who)
{
	struct node *n = calloc(1, sizeof(*n));
	json_t *keys = peel_vectors_load("keys"), *file = peel_vectors_load("dht");
	struct peel_dht_conf conf = {.send = keep, .proved = is_friend, .arg = n};
	size_t len;
	uint8_t *sk = peel_vec_hex(peel_vectors_find(keys, who), "private_key_bin", &len);
	uint8_t *prefix = peel_vec_hex(file, "prefix", &len);

	assert_non_null(n);
	assert_int_equal(peel_identity_parse(sk, PEEL_SK_LEN, &n->identity), 0);
	memcpy(conf.community, prefix + 2, PEEL_COMMUNITY_LEN);
	n->now = 5000000;
	n->env = (struct peel_env){.now_ms = now_ms, .random = repeatable, .arg = n};
	conf.env = &n->env;
	conf.identity = &n->identity;
	conf.stats = &n->stats;
	assert_int_equal(peel_dht_new(&conf, &n->dht), 0);
	free(sk);
	free(prefix);
	json_decref(keys);
	json_decref(file);
	return n;
}

static void
node_free(struct node *n)
{
	peel_dht_free(n->dht);
	free(n);
}

static struct peel_addr
addr(const char *text)
{
	struct peel_addr a;

	assert_int_equal(peel_addr_parse(text, 0, &a), 0);
	return a;
}

static void
count(void *arg, uint64_t token, bool answered)
{
	struct node *n = arg;
	struct peel_addr to = peel_addr_ipv4(192, 0, 2, 99, 1);

	n->n_answered += answered;
	n->n_silent += !answered;
	n->tokens += token;
	if (n->ping_again) {
		n->ping_again = false;
		assert_int_equal(peel_dht_ping(n->dht, &to, count, n, 1000), 0);
	}
}

/* The datagram of v from its address, in a block of exactly its size. */
static int
feed(struct node *n, const json_t *v, const char *from)
{
	struct peel_addr source = addr(from);
	size_t len;
	uint8_t *packet = peel_vec_hex(v, "packet", &len);
	int rc = peel_dht_input(n->dht, &source, packet, len);

	free(packet);
	return rc;
}

static int
feed_sent(struct node *to, const struct node *by, const struct peel_addr *from)
{
	uint8_t *copy = malloc(by->sent_len);

	assert_non_null(copy);
	memcpy(copy, by->sent, by->sent_len);
	int rc = peel_dht_input(to->dht, from, copy, by->sent_len);

	free(copy);
	return rc;
}

/* Answers are bit-exact: signatures are deterministic and there is no clock. */
static void
test_exchanges_of_the_reference(void **state)
{
	json_t *file = peel_vectors_load("dht"), *v;
	struct node *n = node_new("bob");
	size_t i;
	unsigned int seen = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const char *id = peel_vec_id(v);

		if (strcmp(id, "x-ping") != 0 && strncmp(id, "x-rate-", 7) != 0)
			continue;
		if (strcmp(id, "x-rate-0") == 0)
			n->now += 5000;
		json_t *sends = peel_vec_get(v, "sends");
		unsigned int before = n->n_sent;

		seen++;
		print_message("%s\n", id);
		assert_int_equal(feed(n, v, peel_vec_str(v, "from")), 0);
		assert_int_equal(n->n_sent - before, json_array_size(sends));
		if (json_array_size(sends) == 0)
			continue;
		size_t len;
		uint8_t *packet = peel_vec_hex(json_array_get(sends, 0), "packet", &len);

		assert_int_equal(n->sent_len, len);
		assert_memory_equal(n->sent, packet, len);
		free(packet);
	}
	assert_true(seen >= 12);
	assert_int_equal(peel_stats_get(&n->stats, PEEL_CONTROL_RATE), 2);
	assert_int_equal(peel_stats_get(&n->stats, PEEL_LIVENESS_PINGS), seen - 2);
	json_decref(file);
	node_free(n);
}

static void
test_ping_messages(void **state)
{
	json_t *file = peel_vectors_load("dht");
	struct node *bob = node_new("bob");

	(void)state;
	assert_int_equal(feed(bob, peel_vectors_find(file, "ping-request"), "192.0.2.10:8090"), 0);
	size_t len;
	uint8_t *response = peel_vec_hex(peel_vectors_find(file, "ping-response"), "packet", &len);

	assert_int_equal(bob->sent_len, len);
	assert_memory_equal(bob->sent, response, len);
	uint8_t response_prefix[PEEL_PREFIX_LEN];

	memcpy(response_prefix, response, sizeof(response_prefix));
	free(response);
	assert_int_equal(
		feed(bob, peel_vectors_find(file, "ping-request-32bit"), "192.0.2.10:8090"), 0);
	assert_int_equal(bob->n_sent, 2);
	/* Signed by bob himself; not asked for; no message of the DHT. */
	assert_int_equal(
		feed(bob, peel_vectors_find(file, "ping-response"), "192.0.2.10:8090"), -EBADMSG);
	struct node *carol = node_new("carol");

	assert_int_equal(
		feed(carol, peel_vectors_find(file, "ping-response"), "192.0.2.10:8090"), 0);
	assert_int_equal(peel_stats_get(&carol->stats, PEEL_INTRO_UNSOLICITED), 1);
	uint8_t other[PEEL_HEADER_LEN + 100] = {0};
	struct peel_addr from = addr("192.0.2.10:8090");

	memcpy(other, response_prefix, PEEL_PREFIX_LEN);
	other[PEEL_PREFIX_LEN] = 11;
	assert_int_equal(peel_dht_input(carol->dht, &from, other, sizeof(other)), -ENOENT);
	assert_int_equal(carol->n_sent, 0);
	json_decref(file);
	node_free(bob);
	node_free(carol);
}

static void
test_node_ids(void **state)
{
	json_t *file = peel_vectors_load("dht"), *v;
	size_t i;
	unsigned int seen = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const json_t *kind = peel_vec_find(v, "kind");
		uint8_t mid[PEEL_MID_LEN], expected[PEEL_DHT_NODE_ID_LEN], id[sizeof(expected)];

		if (kind == NULL || strcmp(json_string_value(kind), "node-id") != 0)
			continue;
		struct peel_addr a = addr(peel_vec_str(v, "ip"));

		peel_vec_bytes(v, "mid", mid, sizeof(mid));
		peel_vec_bytes(v, "node_id", expected, sizeof(expected));
		peel_dht_node_id(&a, mid, id);
		assert_memory_equal(id, expected, sizeof(id));
		seen++;
	}
	assert_true(seen >= 5);
	json_decref(file);
}

static void
test_damaged_requests_are_dropped(void **state)
{
	json_t *file = peel_vectors_load("dht");
	struct node *n = node_new("bob");
	struct peel_addr from = addr("192.0.2.10:8090"), no_port = addr("192.0.2.10:0");
	size_t len;
	uint8_t *good = peel_vec_hex(peel_vectors_find(file, "ping-request"), "packet", &len);

	(void)state;
	n->friend_addr = from; /* many checks */
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = malloc(cut > 0 ? cut : 1);

		assert_non_null(copy);
		memcpy(copy, good, cut);
		assert_int_equal(peel_dht_input(n->dht, &from, copy, cut),
			cut < PEEL_HEADER_LEN ? -ENOENT : -EBADMSG);
		free(copy);
	}
	for (size_t i = 0; i < len; i++) {
		/* Within one window of the limit per source. */
		n->now += 100;
		good[i] ^= 0x10;
		assert_true(peel_dht_input(n->dht, &from, good, len) < 0);
		good[i] ^= 0x10;
	}
	assert_int_equal(peel_dht_input(n->dht, &no_port, good, len), -EBADMSG);
	assert_int_equal(n->n_sent, 0);
	assert_true(peel_stats_get(&n->stats, PEEL_BAD_SIGNATURE) > 60);
	assert_int_equal(peel_dht_input(n->dht, &from, good, len), 0);
	assert_int_equal(n->n_sent, 1);
	free(good);
	json_decref(file);
	node_free(n);
}

static void
test_ping_is_answered_once(void **state)
{
	struct node *a = node_new("alice"), *b = node_new("bob");
	struct peel_addr a_addr = addr("192.0.2.10:8090"), b_addr = addr("192.0.2.11:8090");

	(void)state;
	assert_int_equal(peel_dht_ping(a->dht, &b_addr, count, a, 7), 0);
	assert_int_equal(a->n_answered + a->n_silent, 0);
	assert_true(peel_addr_equal(&a->sent_to, &b_addr));
	assert_int_equal(a->sent_len, 167);
	assert_int_equal(feed_sent(b, a, &a_addr), 0);
	assert_true(peel_addr_equal(&b->sent_to, &a_addr));
	/* From elsewhere or damaged it is no answer, and does not use up the ping. */
	assert_int_equal(feed_sent(a, b, &a_addr), 0);
	b->sent[b->sent_len - 1] ^= 1;
	assert_int_equal(feed_sent(a, b, &b_addr), -EBADMSG);
	b->sent[b->sent_len - 1] ^= 1;
	assert_int_equal(a->n_answered, 0);
	assert_int_equal(feed_sent(a, b, &b_addr), 0);
	assert_int_equal(a->n_answered, 1);
	assert_int_equal(a->tokens, 7);
	assert_int_equal(feed_sent(a, b, &b_addr), 0);
	a->now += 10000;
	peel_dht_tick(a->dht);
	assert_int_equal(a->n_answered, 1);
	assert_int_equal(a->n_silent, 0);
	node_free(a);
	node_free(b);
}

static void
test_silence_ends_after_five_seconds(void **state)
{
	struct node *a = node_new("alice"), *b = node_new("bob");
	struct peel_addr a_addr = addr("192.0.2.10:8090"), b_addr = addr("192.0.2.11:8090");

	(void)state;
	assert_int_equal(peel_dht_ping(a->dht, &b_addr, count, a, 7), 0);
	assert_int_equal(feed_sent(b, a, &a_addr), 0);
	a->now += 4999;
	assert_in_range(peel_dht_tick(a->dht), 1, 1000);
	assert_int_equal(a->n_silent, 0);
	a->now += 1;
	a->ping_again = true; /* the callback may ping */
	peel_dht_tick(a->dht);
	assert_int_equal(a->n_silent, 1);
	assert_int_equal(a->n_sent, 2);
	assert_int_equal(feed_sent(a, b, &b_addr), 0); /* too late */
	assert_int_equal(a->n_answered, 0);
	a->now += 5000;
	peel_dht_tick(a->dht);
	assert_int_equal(a->n_silent, 2);
	assert_int_equal(a->tokens, 1007);
	node_free(a);
	node_free(b);
}

static void
test_table_of_pings_is_bounded(void **state)
{
	struct node *a = node_new("alice");
	struct peel_addr to = addr("192.0.2.11:8090");

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < PINGS_MAX; i++)
			assert_int_equal(peel_dht_ping(a->dht, &to, count, a, 1), 0);
		assert_int_equal(peel_dht_ping(a->dht, &to, count, a, 1), -ENOSPC);
		a->now += 5000;
		peel_dht_tick(a->dht);
	}
	assert_int_equal(a->n_silent, 3 * PINGS_MAX);
	assert_int_equal(a->tokens, 3 * PINGS_MAX);
	/* Forgotten, not called: */
	assert_int_equal(peel_dht_ping(a->dht, &to, count, a, 1), 0);
	node_free(a);
	peel_dht_free(NULL);
}

static void
test_limits(void **state)
{
	struct node *b = node_new("bob"), *askers[2] = {node_new("alice"), node_new("carol")};
	struct peel_addr to = addr("192.0.2.11:8090"), from = addr("192.0.2.10:8090");
	struct peel_addr flooded = addr("198.51.100.1:1");

	(void)state;
	/* Ten per node: one node's share is not another's, even behind the same address. */
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < 15; i++) {
			assert_int_equal(
				peel_dht_ping(askers[k]->dht, &to, count, askers[k], 0), 0);
			assert_int_equal(feed_sent(b, askers[k], &from), 0);
		}
		assert_int_equal(b->n_sent, 10 * (k + 1));
	}
	b->now += 5000;
	assert_int_equal(feed_sent(b, askers[0], &from), 0);
	assert_int_equal(b->n_sent, 21);
	/* Checks of signatures per source: */
	uint64_t before = peel_stats_get(&b->stats, PEEL_CONTROL_RATE);

	askers[0]->sent[120] ^= 1;
	for (int i = 0; i < 300; i++)
		(void)feed_sent(b, askers[0], &flooded);
	assert_int_equal(peel_stats_get(&b->stats, PEEL_BAD_SIGNATURE), 40);
	assert_int_equal(peel_stats_get(&b->stats, PEEL_CONTROL_RATE) - before, 260);
	for (int k = 0; k < 2; k++)
		node_free(askers[k]);
	node_free(b);
}

/* One request, sent again from addresses that are forged, costs strangers their share and nobody
 * else's. */
static void
test_replayed_requests_spare_friends(void **state)
{
	struct node *b = node_new("bob"), *stranger = node_new("alice"),
		    *friend = node_new("carol");
	struct peel_addr to = addr("192.0.2.11:8090"), home = addr("198.51.100.7:8090");
	unsigned int answered = 0;

	(void)state;
	b->friend_addr = home;
	assert_int_equal(peel_dht_ping(stranger->dht, &to, count, stranger, 0), 0);
	for (unsigned int ms = 0; ms < 20000; ms += 100, b->now += 100) {
		for (unsigned int i = 0; i < 1000; i++) {
			struct peel_addr forged = peel_addr_ipv4(
				10, (uint8_t)(ms / 100), (uint8_t)(i >> 8), (uint8_t)i, 8090);

			assert_int_equal(feed_sent(b, stranger, &forged), 0);
		}
		if (ms % 1000 != 0)
			continue;
		unsigned int before = b->n_sent;

		assert_int_equal(peel_dht_ping(friend->dht, &to, count, friend, 0), 0);
		assert_int_equal(feed_sent(b, friend, &home), 0);
		answered += b->n_sent - before;
	}
	assert_int_equal(answered, 20);
	/* 500 a second, whatever comes. */
	assert_in_range(b->n_sent, 20, 20 + 4 * 2500 + 2500);
	node_free(stranger);
	node_free(friend);
	node_free(b);
}

/* Who was asked answers with wrong signatures: that costs its own request, and nobody else's. */
static void
test_false_answers_spare_others(void **state)
{
	struct node *a = node_new("alice"), *liar = node_new("bob"), *other = node_new("carol");
	struct peel_addr a_addr = addr("192.0.2.10:8090"), liar_addr = addr("192.0.2.11:8090"),
			 other_addr = addr("192.0.2.12:8090");

	(void)state;
	assert_int_equal(peel_dht_ping(a->dht, &liar_addr, count, a, 1), 0);
	assert_int_equal(feed_sent(liar, a, &a_addr), 0);
	assert_int_equal(peel_dht_ping(a->dht, &other_addr, count, a, 2), 0);
	assert_int_equal(feed_sent(other, a, &a_addr), 0);
	liar->sent[liar->sent_len - 1] ^= 1;
	for (int i = 0; i < 6000; i++)
		(void)feed_sent(a, liar, &liar_addr);
	assert_in_range(peel_stats_get(&a->stats, PEEL_BAD_SIGNATURE), 1, 10);
	assert_int_equal(feed_sent(a, other, &other_addr), 0);
	assert_int_equal(a->n_answered, 1);
	assert_int_equal(a->tokens, 2);
	a->now += 5000;
	peel_dht_tick(a->dht);
	assert_int_equal(a->n_silent, 1);
	node_free(a);
	node_free(liar);
	node_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchanges_of_the_reference),
		cmocka_unit_test(test_ping_messages),
		cmocka_unit_test(test_node_ids),
		cmocka_unit_test(test_damaged_requests_are_dropped),
		cmocka_unit_test(test_ping_is_answered_once),
		cmocka_unit_test(test_silence_ends_after_five_seconds),
		cmocka_unit_test(test_table_of_pings_is_bounded),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_replayed_requests_spare_friends),
		cmocka_unit_test(test_false_answers_spare_others),
	};

	if (peel_keys_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
