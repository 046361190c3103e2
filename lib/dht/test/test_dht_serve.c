/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* What a node of the DHT does for others: the exchanges of the reference, tokens, values, peers,
 * and what strangers cannot make it do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dht_net.h"
#include "peel_vectors.h"

static const uint8_t key[PEEL_DHT_KEY_LEN] = {0x18, 0x8d};

static struct peel_dht_values
one_value(const uint8_t *p, size_t len)
{
	return (struct peel_dht_values){.n = 1, .value = {{p, len}}};
}

static struct peel_dht_values
text_value(const char *blob_after_type, uint8_t out[64])
{
	size_t len = strlen(blob_after_type);

	out[0] = 0;
	memcpy(out + 1, blob_after_type, len);
	return one_value(out, len + 1);
}

static size_t
signed_value(const struct peel_identity *id, const char *data, uint32_t version, uint8_t out[256])
{
	struct peel_writer w = peel_writer_init(out, 256);

	peel_dht_value_begin_signed(
		&w, (struct peel_span){(const uint8_t *)data, strlen(data)}, version, id->pk);
	peel_sign(&w, id);
	return (size_t)peel_writer_len(&w);
}

/* Token and store in one. True: it was answered. */
static bool
stores(struct net_node *puppet, struct net_node *at, const uint8_t target[PEEL_DHT_KEY_LEN],
	const struct peel_dht_values *values)
{
	uint8_t token[PEEL_DHT_TOKEN_LEN];

	net_token(puppet, at, token);
	net_store(puppet, at, token, target, values);
	bool answered = net_received(puppet, PEEL_MSG_DHT_STORE_RESPONSE) != NULL;

	puppet->n_inbox = 0;
	return answered;
}

/* ---- the reference --------------------------------------------------------------------------- */

/* The request of a vector with our token instead of the reference's. */
static void
deliver_vector(struct net_node *to, const struct net_node *by, const json_t *v,
	const uint8_t *theirs, const uint8_t *ours)
{
	size_t len;
	uint8_t *packet = peel_vec_hex(v, "packet", &len);
	struct peel_writer w = {
		.start = packet, .p = packet + len - PEEL_SIGNATURE_LEN, .end = packet + len};
	uint8_t *token = memmem(packet, len, theirs, PEEL_DHT_TOKEN_LEN);

	if (token != NULL) {
		memcpy(token, ours, PEEL_DHT_TOKEN_LEN);
		peel_sign(&w, &by->identity);
	}
	(void)peel_dht_input(to->dht, &by->addr, packet, len);
	free(packet);
}

static void
expect_datagram(const struct net_datagram *got, const json_t *want)
{
	size_t len;
	uint8_t *packet = peel_vec_hex(want, "packet", &len);
	char text[PEEL_ADDR_TEXT_MAX];

	assert_string_equal(peel_addr_text(&got->to, text), peel_vec_str(want, "to"));
	assert_int_equal(got->len, len);
	switch (packet[PEEL_PREFIX_LEN]) {
	case PEEL_MSG_DHT_FIND_RESPONSE: /* all but the token and the signature */
		assert_memory_equal(got->data, packet, 103);
		assert_memory_equal(got->data + 123, packet + 123, len - 123 - 64);
		break;
	case 250: /* all but the clock */
		assert_memory_equal(got->data, packet, 23);
		assert_memory_equal(got->data + 31, packet + 31, len - 31);
		break;
	default:
		assert_memory_equal(got->data, packet, len);
	}
	free(packet);
}

static void
test_exchanges_of_the_reference(void **state)
{
	struct net *net = net_new();
	struct net_node *bob = net_named(net, "bob", peel_addr_ipv4(192, 0, 2, 11, 8090), false);
	struct net_node *alice = net_named(net, "alice", peel_addr_ipv4(192, 0, 2, 10, 8090), true);
	struct net_node *carol = net_named(net, "carol", peel_addr_ipv4(192, 0, 2, 12, 8090), true);
	uint8_t theirs[2][PEEL_DHT_TOKEN_LEN] = {{0}}, ours[2][PEEL_DHT_TOKEN_LEN] = {{0}};
	json_t *file = peel_vectors_load("dht"), *v, *want;
	unsigned int seen = 0;
	size_t i, k;

	(void)state;
	memset(theirs, 0xff, sizeof(theirs));
	net_introduce(net, bob, alice);
	net_introduce(net, bob, carol);
	peel_vectors_foreach (file, i, v) {
		const json_t *kind = peel_vec_find(v, "kind");

		if (kind == NULL || strcmp(json_string_value(kind), "exchange") != 0)
			continue;
		print_message("%s\n", peel_vec_id(v));
		if (strcmp(peel_vec_id(v), "x-rate-0") == 0)
			net->now += 5000;
		int who = strcmp(peel_vec_str(v, "from"), "192.0.2.12:8090") == 0;

		seen++;
		deliver_vector(bob, who ? carol : alice, v, theirs[who], ours[who]);
		assert_int_equal(net->n_queue, json_array_size(peel_vec_get(v, "sends")));
		json_array_foreach (peel_vec_get(v, "sends"), k, want) {
			const struct net_datagram *got = &net->queue[net->first + k];

			expect_datagram(got, want);
			if (got->data[PEEL_PREFIX_LEN] != PEEL_MSG_DHT_FIND_RESPONSE)
				continue;
			size_t len;
			uint8_t *packet = peel_vec_hex(want, "packet", &len);

			memcpy(theirs[who], packet + 103, PEEL_DHT_TOKEN_LEN);
			memcpy(ours[who], got->data + 103, PEEL_DHT_TOKEN_LEN);
			free(packet);
		}
		net_settle(net);
	}
	assert_int_equal(seen, 25);
	assert_int_equal(net_counter(bob, PEEL_CONTROL_RATE), 2);
	json_decref(file);
	net_free(net);
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void
test_a_token_is_for_one_address_and_key(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *a = net_puppet(net, net_at(1, 1)),
			*b = net_puppet(net, net_at(2, 1));
	uint8_t token[PEEL_DHT_TOKEN_LEN], buffer[64];
	struct peel_dht_values values = text_value("hello", buffer);

	(void)state;
	net_token(a, node, token);
	net_store(b, node, token, key, &values);
	assert_null(net_received(b, PEEL_MSG_DHT_STORE_RESPONSE));
	net_store(a, node, token, key, &values);
	assert_non_null(net_received(a, PEEL_MSG_DHT_STORE_RESPONSE));
	/* The same key at another port. */
	a->addr.port++;
	net_store(a, node, token, key, &values);
	assert_int_equal(net_counter(node, PEEL_DHT_REFUSED), 2);
	assert_int_equal(net_counter(node, PEEL_DHT_STORED), 1);
	net_free(net);
}

static void
test_tokens_live_for_five_to_ten_minutes(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *a = net_puppet(net, net_at(1, 1));
	uint8_t token[PEEL_DHT_TOKEN_LEN], buffer[64];
	struct peel_dht_values values = text_value("hello", buffer);

	(void)state;
	net_token(a, node, token);
	net_run(net, 301 * 1000);
	net_store(a, node, token, key, &values);
	assert_int_equal(net_counter(node, PEEL_DHT_STORED), 1);
	net_run(net, 300 * 1000);
	net_store(a, node, token, key, &values);
	assert_int_equal(net_counter(node, PEEL_DHT_STORED), 1);
	assert_int_equal(net_counter(node, PEEL_DHT_REFUSED), 1);
	net_free(net);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void
expect_found(struct net_node *puppet, struct net_node *at, const uint8_t target[PEEL_DHT_KEY_LEN],
	const struct peel_span *want, uint8_t n)
{
	struct peel_dht_find_response m;

	net_find(puppet, at, target, false);
	assert_true(net_found(puppet, &m));
	assert_int_equal(m.values.n, n);
	for (uint8_t i = 0; i < n; i++) {
		assert_int_equal(m.values.value[i].len, want[i].len);
		assert_memory_equal(m.values.value[i].p, want[i].p, want[i].len);
	}
}

static void
test_versions_of_signed_values(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *a = net_puppet(net, net_at(1, 1)),
			*thief = net_puppet(net, net_at(2, 1));
	uint8_t first[256], second[256], forged[256];
	struct peel_dht_values values =
		one_value(first, signed_value(&a->identity, "old", 5, first));
	struct peel_dht_values newer =
		one_value(second, signed_value(&a->identity, "new", 6, second));
	struct peel_dht_values bad = one_value(forged, newer.value[0].len);

	(void)state;
	a->proved = thief->proved = true;
	assert_true(stores(a, node, key, &values));
	expect_found(thief, node, key, values.value, 1);
	/* Anybody may store it again, nobody may change it. */
	memcpy(forged, second, sizeof(forged));
	forged[4] ^= 1;
	assert_true(stores(thief, node, key, &bad));
	expect_found(a, node, key, values.value, 1);
	assert_true(stores(a, node, key, &newer));
	assert_true(stores(thief, node, key, &values)); /* a replay */
	expect_found(thief, node, key, newer.value, 1);
	net->now += 5000;
	/* Of a type nobody knows; it is passed over, as the reference does. */
	forged[0] = 2;
	assert_true(stores(thief, node, key, &bad));
	expect_found(a, node, key, newer.value, 1);
	assert_int_equal(net_counter(node, PEEL_BAD_SIGNATURE), 1);
	net_free(net);
}

static void
test_order_and_age_of_values(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *a = net_puppet(net, net_at(1, 1));
	uint8_t own[256], buffer[2][64];
	struct peel_span want[3];
	/* Under its own member id a signer comes last. */
	struct peel_dht_values values = one_value(own, signed_value(&a->identity, "own", 5, own));

	(void)state;
	a->proved = true;
	want[1] = text_value("first", buffer[0]).value[0];
	want[0] = text_value("second", buffer[1]).value[0];
	want[2] = values.value[0];
	values.n = 1;
	values.value[0] = want[1];
	assert_true(stores(a, node, a->identity.mid, &values));
	values.value[0] = want[2];
	assert_true(stores(a, node, a->identity.mid, &values));
	net_run(net, 1800 * 1000);
	values.value[0] = want[0];
	assert_true(stores(a, node, a->identity.mid, &values));
	expect_found(a, node, a->identity.mid, want, 3);
	net_run(net, 1790 * 1000);
	expect_found(a, node, a->identity.mid, want, 3);
	net_run(net, 11 * 1000);
	expect_found(a, node, a->identity.mid, want, 1);
	struct peel_dht_count count;

	net_run(net, 100 * 1000);
	peel_dht_count(node->dht, &count);
	assert_int_equal(count.values, 1);
	net_free(net);
}

static void
test_no_long_values(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *a = net_puppet(net, net_at(1, 1));
	uint8_t bytes[171] = {0};
	struct peel_dht_values values = {.n = 2, .value = {{bytes, 170}, {bytes, 171}}};

	(void)state;
	assert_false(stores(a, node, key, &values));
	values.n = 1;
	assert_true(stores(a, node, key, &values));
	values.value[0].len = 0; /* not even a type */
	assert_true(stores(a, node, key, &values));
	assert_int_equal(net_counter(node, PEEL_DHT_STORED), 1);
	net_free(net);
}

/* Who has many nodes between itself and a key keeps its values for a short time. */
static void
test_far_values_live_shorter(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *a = net_puppet(net, net_at(1, 1));
	uint8_t target[PEEL_DHT_KEY_LEN], buffer[64];
	struct peel_dht_values values = text_value("far", buffer);
	unsigned int closer = 0;

	(void)state;
	a->proved = true;
	memcpy(target, node->dht->routing[DHT_V4].own_id, sizeof(target));
	target[0] ^= 0x80; /* all of the largest bucket are closer to it */
	for (unsigned int i = 0; closer < 8 && i < 100; i++) {
		struct net_node *p = net_puppet(net, net_at(3 + i, 1));
		struct peel_dht_node is = dht_node_make(&p->addr, p->identity.pk);

		p->down = ((is.id[0] ^ target[0]) & 0x80) != 0;
		net_introduce(net, node, p);
		closer += !p->down;
	}
	assert_int_equal(closer, 8);
	assert_true(stores(a, node, target, &values));
	net->now += 1799 * 1000;
	expect_found(a, node, target, values.value, 1);
	net->now += 2 * 1000;
	expect_found(a, node, target, NULL, 0);
	net_free(net);
}

/* ---- floods ---------------------------------------------------------------------------------- */

static struct dht_item
item_of(uint32_t n, const struct net_node *by, uint8_t at[PEEL_DHT_KEY_LEN])
{
	memset(at, 0x55, PEEL_DHT_KEY_LEN);
	peel_put_be32(at, n);
	return (struct dht_item){
		.key = at,
		.identity = at,
		.blob = {at, 20},
		.source = dht_source(by->net->node[0].dht, &by->addr),
		.expires_ms = UINT64_MAX,
	};
}

/* Whoever stores all it can costs others nothing as long as there is room, and then no more than
 * those have that store as much. */
static void
test_store_flood(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *friend = net_puppet(net, net_at(1, 1));
	struct dht_storage *s = &node->dht->storage;
	uint8_t at[PEEL_DHT_KEY_LEN];

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		struct dht_item item = item_of(i, friend, at);

		assert_int_equal(dht_storage_put(s, &net->env, &item), 0);
	}
	for (uint32_t f = 0; f < 50; f++) {
		struct net_node *flooder = net_puppet(net, net_at(2, f));
		unsigned int stored = 0;

		for (uint32_t i = 0; i < 3000; i++) {
			struct dht_item item = item_of(1000 + 3000 * f + i, flooder, at);

			stored += dht_storage_put(s, &net->env, &item) == 0;
		}
		assert_true(stored <= 3000);
		if (f == 0)
			assert_int_equal(stored, DHT_STORED_PER_SOURCE);
	}
	assert_int_equal(s->slots.n, DHT_STORED_MAX);
	uint32_t left = 0;

	for (uint32_t i = 0; i < 100; i++) {
		struct dht_item item = item_of(i, friend, at);

		left += dht_storage_has(s, at, item.blob);
	}
	/* 4096 places for 51 sources: 80 each. */
	assert_in_range(left, 60, 100);
	net_free(net);
}

/* Who stores again what others stored does not get it into a share that is about to shrink. */
static void
test_values_are_not_taken_over(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *friend = net_puppet(net, net_at(1, 1)),
			*flooder = net_puppet(net, net_at(2, 1));
	struct dht_storage *s = &node->dht->storage;
	uint8_t at[PEEL_DHT_KEY_LEN];
	struct dht_item item = item_of(1, friend, at);

	(void)state;
	item.expires_ms = net->now + 2000;
	assert_int_equal(dht_storage_put(s, &net->env, &item), 0);
	item.source = item_of(1, flooder, at).source;
	item.expires_ms = net->now + 1000; /* nor does it end earlier */
	assert_int_equal(dht_storage_put(s, &net->env, &item), 0);
	assert_int_equal(s->slots.n, 1);
	assert_int_equal(*dht_share(&s->shares, item.source), 0);
	assert_int_equal(s->entry[0].expires_ms, net->now + 2000);
	net_free(net);
}

static void
test_flood_of_one_key(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1));
	struct net_node *few = net_puppet(net, net_at(1, 1)),
			*flooder = net_puppet(net, net_at(2, 1));
	struct dht_storage *s = &node->dht->storage;
	uint8_t at[PEEL_DHT_KEY_LEN], late[PEEL_DHT_KEY_LEN];
	struct dht_item item;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		item = item_of(i, few, at);
		item.key = key;
		assert_int_equal(dht_storage_put(s, &net->env, &item), 0);
	}
	for (uint32_t i = 10; i < 1000; i++) {
		item = item_of(i, flooder, at);
		item.key = key;
		(void)dht_storage_put(s, &net->env, &item);
	}
	for (uint32_t i = 0; i < 4; i++) {
		item = item_of(i, few, at);
		assert_true(dht_storage_has(s, key, item.blob));
	}
	item = item_of(5, few, late);
	item.key = key;
	assert_int_equal(dht_storage_put(s, &net->env, &item), 0);
	assert_int_equal(s->slots.n, DHT_STORED_PER_KEY);
	net_free(net);
}

/* ---- strangers ------------------------------------------------------------------------------- */

/* Nobody gets much more than it sent as long as its address may be forged. */
static void
test_answers_to_strangers_are_short(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *a = net_puppet(net, net_at(1, 1)),
			*stranger = net_puppet(net, net_at(2, 1));
	uint8_t bytes[8][170] = {{0}};
	struct peel_dht_values values = {.n = 8};
	struct peel_dht_find_response m;
	size_t got = 0;

	(void)state;
	stranger->down = true;
	for (unsigned int i = 0; i < 20; i++)
		net_introduce(net, node, net_puppet(net, net_at(10 + i, 1)));
	for (uint8_t i = 0; i < 8; i++) {
		bytes[i][1] = i;
		values.value[i] = (struct peel_span){bytes[i], 170};
	}
	a->proved = true;
	assert_true(stores(a, node, key, &values));
	net_find(a, node, key, false);
	assert_true(net_found(a, &m));
	assert_int_equal(m.values.n, 8);
	net_find(a, node, key, true);
	assert_true(net_found(a, &m));
	assert_int_equal(m.nodes.n, 8);

	for (int force = 0; force < 2; force++) {
		net_find(stranger, node, key, force == 1);
		for (size_t i = 0; i < stranger->n_inbox; i++)
			got += stranger->inbox[i].len;
		assert_in_range(got, 200, 199 * 21 / 10);
		got = 0;
		assert_true(net_found(stranger, &m));
		assert_int_equal(m.values.n, 1 - force);
		assert_int_equal(m.nodes.n, 2 * force);
	}
	net_ping(stranger, node, 1); /* the answer, and a ping of our own */
	assert_int_equal(stranger->n_inbox, 2);
	assert_true(stranger->inbox[0].len + stranger->inbox[1].len <= 167 * 21 / 10);

	/* Nor does a known node, in whose name a stranger asks. */
	net->now += 5000;
	stranger->addr = a->addr;
	a->n_inbox = 0;
	net_find(stranger, node, key, false);
	assert_int_equal(a->n_inbox, 1);
	assert_true(a->inbox[0].len <= 199 * 21 / 10);
	net_free(net);
}

/* Each answer with nodes makes one of them send a puncture to the asker: for a stranger one in
 * 10 s. */
static void
test_punctures_for_strangers_are_few(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *peer = net_puppet(net, net_at(1, 1)),
			*stranger = net_puppet(net, net_at(2, 1));

	(void)state;
	stranger->down = true;
	net_introduce(net, node, peer);
	peer->n_inbox = 0;
	for (int i = 0; i < 40; i++) {
		net->now += 500;
		net_find(stranger, node, key, true);
	}
	assert_int_equal(peer->n_inbox, 2);
	peer->n_inbox = 0;
	net->now += 5000;
	stranger->proved = true;
	net_find(stranger, node, key, true);
	assert_int_equal(peer->n_inbox, 1);
	net_free(net);
}

static void
test_only_who_answers_enters_the_table(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *deaf = net_puppet(net, net_at(1, 1)),
			*lively = net_puppet(net, net_at(2, 1));
	struct peel_dht_count count;

	(void)state;
	deaf->down = true;
	for (int i = 0; i < 8; i++)
		net_ping(deaf, node, 1);
	peel_dht_count(node->dht, &count);
	assert_int_equal(count.nodes_ipv4, 0);
	/* One ping of ours at a time. */
	unsigned int pings = 0;

	for (size_t i = 0; i < deaf->n_inbox; i++)
		pings += deaf->inbox[i].data[PEEL_PREFIX_LEN] == PEEL_MSG_DHT_PING_REQUEST;
	assert_int_equal(pings, 1);
	net_ping(lively, node, 1);
	peel_dht_count(node->dht, &count);
	assert_int_equal(count.nodes_ipv4, 1);
	/* It is pinged now and then, and leaves when it stays silent twice. */
	net_run(net, 60 * 1000);
	peel_dht_count(node->dht, &count);
	assert_int_equal(count.nodes_ipv4, 1);
	lively->down = true;
	net_run(net, 70 * 1000);
	peel_dht_count(node->dht, &count);
	assert_int_equal(count.nodes_ipv4, 0);
	net_free(net);
}

/* One address may have any number of keys, but not a bucket of them. */
static void
test_one_source_fills_no_bucket(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1));
	struct peel_dht_count count;

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		struct peel_addr addr = net_at(1, 1);

		addr.port = (uint16_t)(1000 + i);
		net_introduce(net, node, net_puppet(net, addr));
	}
	peel_dht_count(node->dht, &count);
	assert_int_equal(count.nodes_ipv4, DHT_SAME_SOURCE_MAX);
	net_free(net);
}

/* ---- peers ----------------------------------------------------------------------------------- */

static void
test_stored_peers(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *peer = net_puppet(net, net_at(1, 1)),
			*asker = net_puppet(net, net_at(2, 1));
	uint8_t token[PEEL_DHT_TOKEN_LEN];
	struct peel_dht_connect_peer_response m;
	const struct net_datagram *d;
	struct peel_signed s;

	(void)state;
	asker->proved = true;
	net_token(peer, node, token);
	net_store_peer(peer, node, token, asker->identity.mid); /* of somebody else */
	assert_null(net_received(peer, PEEL_MSG_DHT_STORE_PEER_RESPONSE));
	net_store_peer(peer, node, token, peer->identity.mid);
	assert_non_null(net_received(peer, PEEL_MSG_DHT_STORE_PEER_RESPONSE));
	/* It keeps in touch for five minutes, then no more. */
	for (int i = 0; i < 12; i++) {
		net_run(net, 25 * 1000);
		net_ping(peer, node, 5);
	}
	for (int turn = 0; turn < 2; turn++) {
		peer->n_inbox = 0;
		net_connect_peer(asker, node, peer->identity.mid);
		d = net_received(asker, PEEL_MSG_DHT_CONNECT_PEER_RESPONSE);
		assert_non_null(d);
		assert_int_equal(peel_signed_parse(d->data, d->len, false, false, &s), 0);
		assert_int_equal(peel_dht_connect_peer_response_parse(s.body, &m), 0);
		assert_int_equal(m.nodes.n, turn == 0);
		assert_int_equal(net_received(peer, 250) != NULL, turn == 0);
		if (turn == 0)
			assert_true(peel_addr_equal(&m.nodes.contact[0].addr, &peer->addr));
		peer->down = true; /* our own pings are not its queries */
		net_run(net, 61 * 1000);
	}
	assert_int_equal(net_counter(node, PEEL_DHT_REFUSED), 1);
	net_free(net);
}

/* ---- noise ----------------------------------------------------------------------------------- */

static void
test_random_datagrams(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, net_at(0, 1)), *a = net_puppet(net, net_at(1, 1));
	struct peel_dht_count count;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		uint8_t data[400];
		size_t len = peel_random_below(&net->env, sizeof(data));

		peel_random(&net->env, data, len);
		if (len > PEEL_HEADER_LEN) {
			memcpy(data, net->prefix, PEEL_PREFIX_LEN);
			data[PEEL_PREFIX_LEN] %= 11;
		}
		if (len > 105 && i % 2 == 0) {
			peel_put_be16(data + 23, PEEL_PK_LEN);
			memcpy(data + 25, a->identity.pk, PEEL_PK_LEN);
		}
		net->now++;
		(void)peel_dht_input(node->dht, &a->addr, data, len);
	}
	peel_dht_tick(node->dht);
	peel_dht_count(node->dht, &count);
	assert_int_equal(count.nodes_ipv4 + count.values + count.peers, 0);
	assert_int_equal(node->n_sent, 0);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchanges_of_the_reference),
		cmocka_unit_test(test_a_token_is_for_one_address_and_key),
		cmocka_unit_test(test_tokens_live_for_five_to_ten_minutes),
		cmocka_unit_test(test_versions_of_signed_values),
		cmocka_unit_test(test_order_and_age_of_values),
		cmocka_unit_test(test_no_long_values),
		cmocka_unit_test(test_far_values_live_shorter),
		cmocka_unit_test(test_store_flood),
		cmocka_unit_test(test_values_are_not_taken_over),
		cmocka_unit_test(test_flood_of_one_key),
		cmocka_unit_test(test_answers_to_strangers_are_short),
		cmocka_unit_test(test_punctures_for_strangers_are_few),
		cmocka_unit_test(test_only_who_answers_enters_the_table),
		cmocka_unit_test(test_one_source_fills_no_bucket),
		cmocka_unit_test(test_stored_peers),
		cmocka_unit_test(test_random_datagrams),
	};

	if (peel_keys_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
