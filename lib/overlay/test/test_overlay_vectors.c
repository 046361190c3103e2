/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Datagrams of the reference against an overlay: what it must answer, what it must drop, bootstrap
 * servers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "peel_pex.h"
#include "peel_vectors.h"

#define SENT_MAX 64

/* An overlay with a key of the vectors, and everything it sends. */
struct node {
	struct peel_env env;
	uint64_t now;
	struct peel_identity identity;
	struct peel_stats stats;
	struct peel_overlay *ov;
	struct {
		struct peel_addr to;
		uint8_t data[512];
		size_t len;
	} sent[SENT_MAX];
	size_t n_sent;
};

static uint64_t
now_ms(void *arg)
{
	return ((struct node *)arg)->now;
}

/* Every identifier is 0x1234, as in the vectors of bootstrap servers. */
static void
not_random(void *arg, void *out, size_t len)
{
	(void)arg;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = i % 2 == 0 ? 0x34 : 0x12;
}

static void
keep(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct node *n = arg;

	assert_true(n->n_sent < SENT_MAX && len <= sizeof(n->sent[0].data));
	n->sent[n->n_sent].to = *to;
	n->sent[n->n_sent].len = len;
	memcpy(n->sent[n->n_sent++].data, data, len);
}

static struct peel_addr
addr(const char *text)
{
	struct peel_addr a;

	assert_int_equal(peel_addr_parse(text, 0, &a), 0);
	return a;
}

static void
community(const char *prefix_hex, uint8_t out[PEEL_COMMUNITY_LEN])
{
	size_t len;
	uint8_t *prefix = peel_unhex(prefix_hex, &len);

	assert_int_equal(len, PEEL_PREFIX_LEN);
	memcpy(out, prefix + 2, PEEL_COMMUNITY_LEN);
	free(prefix);
}

#define TUNNEL "000281ded07332bdc775aa5a46f96de9f8f390bbc9f3"

static struct node *
node_in(const char *tunnel, const char *who, const char *lan, uint16_t flags, const char *bootstrap)
{
	struct node *n = calloc(1, sizeof(*n));
	struct peel_overlay_conf conf = {.flags = flags, .max_peers = 30, .walk_target = 20};
	struct peel_addr server;
	json_t *keys = peel_vectors_load("keys");
	size_t len;
	uint8_t *sk = peel_vec_hex(peel_vectors_find(keys, who), "private_key_bin", &len);

	assert_non_null(n);
	assert_int_equal(peel_identity_parse(sk, len, &n->identity), 0);
	free(sk);
	json_decref(keys);
	n->now = 1000000;
	n->env = (struct peel_env){.now_ms = now_ms, .random = not_random, .arg = n};
	conf.env = &n->env;
	conf.identity = &n->identity;
	conf.stats = &n->stats;
	community(tunnel, conf.community[PEEL_COMMUNITY_TUNNEL]);
	community("00027e313685c1912a141279f8248fc8db5899c5df5a",
		conf.community[PEEL_COMMUNITY_DISCOVERY]);
	community(
		"00028d0be1845d74d175f178197cad001591d04d73cc", conf.community[PEEL_COMMUNITY_DHT]);
	conf.lan = addr(lan);
	conf.send = keep;
	conf.arg = n;
	if (bootstrap != NULL) {
		server = addr(bootstrap);
		conf.bootstrap = &server;
		conf.n_bootstrap = 1;
	}
	assert_int_equal(peel_overlay_new(&conf, &n->ov), 0);
	return n;
}

static struct node *
node_new(const char *who, const char *lan, uint16_t flags, const char *bootstrap)
{
	return node_in(TUNNEL, who, lan, flags, bootstrap);
}

static void
node_free(struct node *n)
{
	peel_overlay_free(n->ov);
	free(n);
}

static int
feed(struct node *n, const char *from, const json_t *v)
{
	struct peel_addr source = addr(from);
	size_t len;
	uint8_t *packet = peel_vec_hex(v, "packet", &len);
	int rc = peel_overlay_input(n->ov, &source, packet, len);

	free(packet);
	return rc;
}

/* Index of the first message with this id sent to this address, or -1. */
static int
find_sent(const struct node *n, const struct peel_addr *to, uint8_t id)
{
	for (size_t i = 0; i < n->n_sent; i++) {
		if (n->sent[i].data[PEEL_PREFIX_LEN] == id && peel_addr_equal(&n->sent[i].to, to))
			return (int)i;
	}
	return -1;
}

static void
test_negative_introduction(void **state)
{
	json_t *file = peel_vectors_load("negative_introduction"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct node *n = node_new("bob", "192.168.1.11:8090", 9, NULL);
		struct peel_addr from = addr("192.0.2.10:8090");
		bool good = peel_vec_int(v, "answered");
		int rc = feed(n, "192.0.2.10:8090", v);

		print_message("%s\n", peel_vec_id(v));
		assert_int_equal(rc == 0, good);
		assert_int_equal(find_sent(n, &from, PEEL_MSG_INTRO_RESPONSE) >= 0, good);
		assert_int_equal(n->n_sent, good ? 2 : 0); /* the answer and our own request */
		/* The reference records a peer now, we do when it answered. */
		assert_int_equal(peel_overlay_count(n->ov, PEEL_COMMUNITY_TUNNEL), 0);
		node_free(n);
	}
	json_decref(file);
}

/* Old and new style, both directions: what a node of the reference says to one of ours. */
static void
test_introduction(void **state)
{
	json_t *file = peel_vectors_load("introduction"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct node *n = node_new("dave", "192.168.1.13:8090", 9, NULL);
		const char *id = peel_vec_id(v);
		struct peel_addr from = addr("198.51.100.1:8090");
		struct peel_addr v6 = addr("[2001:db8::10]:8091"), v4 = addr("192.0.2.10:8090");
		int rc = feed(n, "198.51.100.1:8090", v);

		print_message("%s\n", id);
		if (strcmp(id, "request-old-tribler-community") == 0) {
			assert_int_equal(rc, -ENOENT);
			node_free(n);
			continue;
		}
		assert_int_equal(rc, 0);
		switch (peel_vec_int(v, "msg_id")) {
		case PEEL_MSG_INTRO_REQUEST:
			assert_true(find_sent(n, &from,
					    peel_vec_int(v, "fields.supports_new_style")
						    ? PEEL_MSG_INTRO_RESPONSE_NEW
						    : PEEL_MSG_INTRO_RESPONSE) == 0);
			break;
		case PEEL_MSG_INTRO_REQUEST_NEW:
			assert_true(find_sent(n, &from, PEEL_MSG_INTRO_RESPONSE_NEW) == 0);
			assert_true(find_sent(n, &from, PEEL_MSG_INTRO_REQUEST_NEW) == 1);
			break;
		case PEEL_MSG_INTRO_RESPONSE:
		case PEEL_MSG_INTRO_RESPONSE_NEW:
			assert_int_equal(peel_stats_get(&n->stats, PEEL_INTRO_UNSOLICITED), 1);
			assert_int_equal(n->n_sent, 0);
			break;
		case PEEL_MSG_PUNCTURE_REQUEST:
			assert_true(find_sent(n, &v4, PEEL_MSG_PUNCTURE) == 0);
			assert_int_equal(n->sent[0].len, 185);
			break;
		case PEEL_MSG_PUNCTURE_REQUEST_NEW:
			assert_true(find_sent(n, &v6, PEEL_MSG_PUNCTURE_NEW) == 0);
			assert_int_equal(n->sent[0].len, 199);
			break;
		default:
			assert_int_equal(n->n_sent, 0); /* punctures */
		}
		node_free(n);
	}
	json_decref(file);
}

/* Each step of the reference's walk to a fresh overlay with the receiver's key: it says what the
 * reference said, to the same addresses. Introductions differ, as ours names only peers that
 * answered it. */
static void
check_step(struct node *n, const json_t *step)
{
	json_t *expected, *sends = peel_vec_get(step, "sends");
	size_t i;

	json_array_foreach (sends, i, expected) {
		struct peel_addr to = addr(peel_vec_str(expected, "to"));
		size_t len;
		uint8_t *packet = peel_vec_hex(expected, "packet", &len);
		uint8_t id = packet[PEEL_PREFIX_LEN];
		int k = find_sent(n, &to, id);

		if (id == PEEL_MSG_PUNCTURE_REQUEST || id == PEEL_MSG_PUNCTURE_REQUEST_NEW) {
			assert_int_equal(k, -1);
		} else if (id == PEEL_MSG_PUNCTURE || id == PEEL_MSG_PUNCTURE_NEW) {
			assert_true(k >= 0);
			assert_int_equal(n->sent[k].len, len);
			/* all but the clock and the signature over it */
			assert_memory_equal(n->sent[k].data, packet, 99);
			assert_memory_equal(n->sent[k].data + 107, packet + 107, len - 107 - 64);
		} else {
			bool new_style = id == PEEL_MSG_INTRO_RESPONSE_NEW;
			struct peel_intro_response a, b;
			struct peel_signed s;

			assert_true(k >= 0);
			assert_int_equal(n->sent[k].len, len);
			assert_int_equal(
				peel_signed_parse(n->sent[k].data, len, true, false, &s), 0);
			assert_true(peel_signed_verify(&s));
			assert_int_equal(peel_intro_response_parse(s.body, new_style, &a), 0);
			assert_int_equal(peel_signed_parse(packet, len, true, false, &s), 0);
			assert_int_equal(peel_intro_response_parse(s.body, new_style, &b), 0);
			assert_true(peel_addr_equal(&a.dest, &b.dest));
			assert_true(peel_addr_equal(&a.src_lan, &b.src_lan));
			assert_int_equal(a.identifier, b.identifier);
			assert_int_equal(a.extra.len, b.extra.len);
			assert_memory_equal(a.extra.p, b.extra.p, b.extra.len);
		}
		free(packet);
	}
}

static void
test_flow_introduction(void **state)
{
	json_t *file = peel_vectors_load("flow_introduction"), *v, *who, *flag;
	size_t i, k, f;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const char *name = peel_vec_str(v, "node");

		json_array_foreach (peel_vec_get(file, "nodes"), k, who) {
			uint16_t flags = 0;

			if (strcmp(peel_vec_str(who, "name"), name) != 0)
				continue;
			json_array_foreach (peel_vec_get(who, "flags"), f, flag)
				flags |= (uint16_t)json_integer_value(flag);
			struct node *n = node_new(name, peel_vec_str(who, "lan"), flags, NULL);

			assert_int_equal(feed(n, peel_vec_str(v, "from"), v), 0);
			/* Step 14 is answered in new style because of an earlier answer. */
			if (peel_vec_int(v, "n") != 14)
				check_step(n, v);
			node_free(n);
		}
	}
	json_decref(file);
}

static void
test_discovery(void **state)
{
	json_t *file = peel_vectors_load("discovery"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct node *n = node_new("bob", "192.168.1.11:8090", 9, NULL);
		struct peel_addr from = addr("192.0.2.10:8090");
		const char *id = peel_vec_id(v);

		print_message("%s\n", id);
		assert_int_equal(feed(n, "192.0.2.10:8090", v), 0);
		if (strcmp(id, "ping") == 0) {
			size_t len;
			uint8_t *packet = peel_vec_hex(v, "packet", &len);

			assert_int_equal(find_sent(n, &from, PEEL_MSG_DISCOVERY_PONG), 0);
			assert_int_equal(n->sent[0].len, len);
			assert_memory_equal(n->sent[0].data, packet, PEEL_PREFIX_LEN);
			assert_memory_equal(n->sent[0].data + 31, packet + 31, 2);
			free(packet);
		} else if (strcmp(id, "similarity-request") == 0) {
			assert_int_equal(find_sent(n, &from, PEEL_MSG_SIMILARITY_RESPONSE), 0);
			assert_int_equal(n->sent[0].len, 235);
		} else {
			assert_int_equal(n->n_sent, 0);
		}
		node_free(n);
	}
	json_decref(file);
}

/* ---- bootstrap servers ----------------------------------------------------------------------- */

#define SERVER "192.0.2.50:6421"

static void
test_bootstrap_answers(void **state)
{
	json_t *file = peel_vectors_load("tracker"), *v;
	struct peel_addr introduced = addr("192.0.2.12:8092"), own;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct node *n = node_new("alice", "192.168.1.10:8090", 9, SERVER);
		struct peel_addr server = addr(SERVER), from = addr("192.0.2.51:6421");
		size_t len;
		uint8_t *packet = peel_vec_hex(v, "packet", &len);

		print_message("%s\n", peel_vec_id(v));
		/* Nobody asked yet. */
		assert_int_equal(peel_overlay_input(n->ov, &server, packet, len), 0);
		assert_int_equal(peel_stats_get(&n->stats, PEEL_INTRO_UNSOLICITED), 1);
		peel_overlay_tick(n->ov);
		assert_int_equal(n->n_sent, PEEL_N_COMMUNITIES);
		assert_int_equal(find_sent(n, &server, PEEL_MSG_INTRO_REQUEST), 0);
		/* Legacy keys elsewhere are no keys. */
		assert_int_equal(peel_overlay_input(n->ov, &from, packet, len), -EBADMSG);
		packet[len - 1] ^= 1;
		assert_int_equal(peel_overlay_input(n->ov, &server, packet, len), -EBADMSG);
		assert_int_equal(peel_stats_get(&n->stats, PEEL_BAD_SIGNATURE), 1);
		packet[len - 1] ^= 1;
		assert_int_equal(peel_overlay_input(n->ov, &server, packet, len), 0);
		assert_int_equal(peel_stats_get(&n->stats, PEEL_INTRO_RESPONSES), 1);
		/* The server is no peer, whom it introduces is asked, and it told us our
		 * address. */
		assert_int_equal(peel_overlay_count(n->ov, PEEL_COMMUNITY_TUNNEL), 0);
		assert_true(peel_overlay_public(n->ov, &own));
		assert_true(peel_addr_equal(&own,
			&(struct peel_addr){
				.ip = {192, 0, 2, 10}, .port = 8090, .family = PEEL_FAMILY_IPV4}));
		for (int k = 0; k < 4; k++) {
			n->now += 500;
			peel_overlay_tick(n->ov);
		}
		assert_true(find_sent(n, &introduced, PEEL_MSG_INTRO_REQUEST) > 0);
		free(packet);
		node_free(n);
	}
	json_decref(file);
}

/* Servers check with a request of their own, signed with a sect163k1 key, that we are still
 * there. */
static size_t
keep_alive(const struct node *n, uint8_t out[512])
{
	EVP_PKEY *key = EVP_EC_gen("sect163k1");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *spki = NULL, der[128], prefix[PEEL_PREFIX_LEN] = {0};
	int spki_len = i2d_PUBKEY(key, &spki);
	size_t der_len = sizeof(der);
	struct peel_writer w = peel_writer_init(out, 512);
	struct peel_intro_request m = {.dest = addr("192.0.2.10:8090"), .identifier = 0x77};

	assert_int_equal(spki_len, 66);
	memcpy(prefix, n->sent[0].data, PEEL_PREFIX_LEN);
	peel_write_bytes(&w, prefix, sizeof(prefix));
	peel_write_u8(&w, PEEL_MSG_INTRO_REQUEST);
	peel_write_varlen(&w, spki, (size_t)spki_len);
	peel_write_u64(&w, 1);
	peel_intro_request_write(&w, false, &m);
	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha1(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &der_len, out, (size_t)peel_writer_len(&w)), 1);
	const uint8_t *p = der;
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der_len);
	uint8_t rs[42];

	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs, 21), 21);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs + 21, 21), 21);
	peel_write_bytes(&w, rs, sizeof(rs));
	ECDSA_SIG_free(sig);
	OPENSSL_free(spki);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return (size_t)peel_writer_len(&w);
}

static void
test_bootstrap_keep_alive_is_answered(void **state)
{
	struct node *n = node_new("alice", "192.168.1.10:8090", 9, SERVER);
	struct peel_addr server = addr(SERVER), elsewhere = addr("192.0.2.51:6421");
	struct peel_intro_response m;
	struct peel_signed s;
	uint8_t out[512];

	(void)state;
	peel_overlay_tick(n->ov);
	size_t len = keep_alive(n, out);

	n->n_sent = 0;
	assert_int_equal(peel_overlay_input(n->ov, &elsewhere, out, len), -EBADMSG);
	assert_int_equal(n->n_sent, 0);
	assert_int_equal(peel_overlay_input(n->ov, &server, out, len), 0);
	assert_int_equal(n->n_sent, 1);
	assert_int_equal(find_sent(n, &server, PEEL_MSG_INTRO_RESPONSE), 0);
	assert_int_equal(peel_signed_parse(n->sent[0].data, n->sent[0].len, true, false, &s), 0);
	assert_int_equal(peel_intro_response_parse(s.body, false, &m), 0);
	assert_int_equal(m.bits & PEEL_BITS_RESPONSE_LIMIT, 0);
	assert_int_equal(m.identifier, 0x77);
	assert_int_equal(peel_overlay_count(n->ov, PEEL_COMMUNITY_TUNNEL), 0);
	out[60] ^= 1;
	assert_int_equal(peel_overlay_input(n->ov, &server, out, len), -EBADMSG);
	assert_int_equal(n->n_sent, 1);
	/* Curve arithmetic is dear: someone who knows the server's address gets little of it. */
	for (int i = 0; i < 200; i++)
		(void)peel_overlay_input(n->ov, &server, out, len);
	assert_in_range(peel_stats_get(&n->stats, PEEL_CONTROL_RATE), 100, 160);
	node_free(n);
}

static void
no_keys(void *arg, const uint8_t *info_hash, struct peel_pex_keys *out)
{
	(void)arg;
	(void)info_hash;
	out->n = 0;
}

/* A PEX overlay whose prefix is that of the recorded answers. */
static struct peel_pex *
pex_new(const struct node *n)
{
	const struct peel_pex_conf conf = {.overlay = n->ov, .max = 1, .keys = no_keys};
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	struct peel_pex *pex;

	community(TUNNEL, info_hash);
	info_hash[PEEL_INFO_HASH_LEN - 1]--;
	assert_int_equal(peel_pex_new(&conf, &pex), 0);
	assert_int_equal(peel_pex_start(pex, info_hash), 0);
	return pex;
}

/* Servers know every prefix: whom they introduce in a PEX overlay is asked there, they themselves
 * are no peers, and their keep-alive is answered. */
static void
test_bootstrap_of_pex(void **state)
{
	json_t *file = peel_vectors_load("tracker"), *v;
	struct peel_addr introduced = addr("192.0.2.12:8092"), own, server = addr(SERVER);
	struct peel_pex_count count;
	uint8_t out[512];
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct node *n = node_in("000200000000000000000000000000000000000000ff", "alice",
			"192.168.1.10:8090", 9, SERVER);
		struct peel_pex *pex = pex_new(n);
		size_t len;
		uint8_t *packet = peel_vec_hex(v, "packet", &len);

		assert_int_equal(peel_pex_input(pex, &server, packet, len), 0);
		assert_int_equal(peel_stats_get(&n->stats, PEEL_INTRO_UNSOLICITED), 1);
		peel_pex_tick(pex);
		assert_int_equal(n->n_sent, 1);
		assert_int_equal(find_sent(n, &server, PEEL_MSG_INTRO_REQUEST), 0);
		packet[len - 1] ^= 1;
		assert_int_equal(peel_pex_input(pex, &server, packet, len), -EBADMSG);
		packet[len - 1] ^= 1;
		assert_int_equal(peel_pex_input(pex, &server, packet, len), 0);
		assert_int_equal(peel_stats_get(&n->stats, PEEL_INTRO_RESPONSES), 1);
		/* It is nobody's voice about our address. */
		assert_false(peel_overlay_public(n->ov, &own));
		n->now += 5000;
		peel_pex_tick(pex);
		assert_true(find_sent(n, &introduced, PEEL_MSG_INTRO_REQUEST) > 0);
		peel_pex_count(pex, &count);
		assert_int_equal(count.peers, 0);
		len = keep_alive(n, out);
		n->n_sent = 0;
		assert_int_equal(peel_pex_input(pex, &server, out, len), 0);
		assert_int_equal(find_sent(n, &server, PEEL_MSG_INTRO_RESPONSE), 0);
		free(packet);
		peel_pex_free(pex);
		node_free(n);
	}
	json_decref(file);
}

static void
test_bootstrap_is_asked_at_growing_intervals(void **state)
{
	struct node *n = node_new("alice", "192.168.1.10:8090", 9, SERVER);
	unsigned int rounds = 0;

	(void)state;
	for (int i = 0; i < 300 * 2; i++) {
		n->n_sent = 0;
		peel_overlay_tick(n->ov);
		rounds += n->n_sent > 0;
		n->now += 500;
	}
	assert_in_range(rounds, 11, 14); /* after 0, 5, 15, 35 s, then every 30 s */
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_negative_introduction),
		cmocka_unit_test(test_introduction),
		cmocka_unit_test(test_flow_introduction),
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_bootstrap_answers),
		cmocka_unit_test(test_bootstrap_keep_alive_is_answered),
		cmocka_unit_test(test_bootstrap_of_pex),
		cmocka_unit_test(test_bootstrap_is_asked_at_growing_intervals),
	};

	if (peel_keys_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
