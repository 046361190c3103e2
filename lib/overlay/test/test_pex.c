/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * PEX overlays: introduction points of one info hash find each other, strangers cannot spoil that.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net.h"
#include "peel_vectors.h"

static const uint8_t info_hash[PEEL_INFO_HASH_LEN] = {1, 2, 3, 4, 5};

/* Node i introduces the seeder of number 100 + i, and has the first node as bootstrap server. */
static struct net_node *
add_point(struct net *net, unsigned int subnet, unsigned int host)
{
	struct peel_addr addr = net_at(subnet, host), first = net_at(0, 1);
	struct peel_overlay_conf conf = net_conf(net, &addr, PEEL_FLAG_RELAY);

	if (!peel_addr_equal(&addr, &first)) {
		conf.bootstrap = &first;
		conf.n_bootstrap = 1;
	}
	struct net_node *node = net_add(net, &addr, &conf);

	net_pex(node, 4);
	net_introduces(node, 100 + (uint32_t)net->n_nodes - 1);
	assert_int_equal(peel_pex_start(node->pex, info_hash), 0);
	return node;
}

static size_t
listed(const struct net_node *node)
{
	struct peel_dht_introduction list[PEEL_PEX_LIST_MAX];

	return peel_pex_list(node->pex, info_hash, list);
}

/* Whether @p at tells of @p of as introduction point of that seeder. */
static bool
tells(const struct net_node *at, const struct net_node *of, uint32_t key)
{
	struct peel_dht_introduction list[PEEL_PEX_LIST_MAX];
	size_t n = peel_pex_list(at->pex, info_hash, list);
	uint8_t pk[PEEL_PK_LEN];

	net_seeder_key(key, pk);
	for (size_t i = 0; i < n; i++) {
		if (peel_addr_equal(&list[i].address, &of->addr) &&
			memcmp(list[i].pk, of->identity.pk, PEEL_PK_LEN) == 0 &&
			memcmp(list[i].seeder_pk, pk, PEEL_PK_LEN) == 0)
			return true;
	}
	return false;
}

static struct peel_pex_count
count(const struct net_node *node)
{
	struct peel_pex_count c;

	peel_pex_count(node->pex, &c);
	return c;
}

/* ---- puppets in the overlay ------------------------------------------------------------------ */

static const uint8_t *
prefix(void)
{
	static uint8_t out[PEEL_PREFIX_LEN];
	uint8_t community[PEEL_COMMUNITY_LEN];

	assert_true(peel_pex_community(info_hash, community));
	peel_prefix_build(out, community);
	return out;
}

/* Extra bytes that name n seeders from this number on. */
static struct peel_span
keys(uint32_t first, size_t n, uint8_t out[1024])
{
	static uint8_t pk[PEEL_PEX_KEYS_MAX][PEEL_PK_LEN];
	struct peel_pex_keys list = {.n = n};

	for (size_t i = 0; i < n; i++) {
		net_seeder_key(first + (uint32_t)i, pk[i]);
		list.key[i] = (struct peel_span){pk[i], PEEL_PK_LEN};
	}
	int len = peel_pex_keys_build(out, 1024, &list);

	assert_true(len > 0);
	return (struct peel_span){out, (size_t)len};
}

static size_t
sign(struct peel_writer *w, const struct net_node *by)
{
	peel_sign(w, &by->identity);
	assert_true(peel_writer_len(w) > 0);
	return (size_t)peel_writer_len(w);
}

/* The puppet asks node 0, naming seeders. @return the length of the question. */
static size_t
say_request(struct net_node *puppet, bool new_style, uint32_t first, size_t n)
{
	struct net *net = puppet->net;
	uint8_t out[NET_DATAGRAM], extra[1024];
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	struct peel_intro_request m = {.dest = net->node[0].addr,
		.src_lan = puppet->addr,
		.src_wan = puppet->addr,
		.identifier = 77,
		.extra = keys(first, n, extra)};

	peel_signed_begin(&w, prefix(),
		new_style ? PEEL_MSG_INTRO_REQUEST_NEW : PEEL_MSG_INTRO_REQUEST,
		puppet->identity.pk, true, 77);
	peel_intro_request_write(&w, new_style, &m);
	size_t len = sign(&w, puppet);

	net_post(net, &puppet->addr, &net->node[0].addr, out, len);
	return len;
}

/* Answers the last question of node 0, naming seeders, and saying that node 0 is at @p seen. */
static bool
say_response(struct net_node *puppet, const struct peel_addr *seen, const struct peel_addr *intro,
	uint32_t first, size_t n)
{
	const struct net_datagram *d = net_received(puppet, PEEL_MSG_INTRO_REQUEST);
	uint8_t out[NET_DATAGRAM], extra[1024];
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	struct peel_intro_request request;
	struct peel_signed s;

	if (d == NULL)
		return false;
	assert_int_equal(peel_signed_parse(d->data, d->len, true, false, &s), 0);
	assert_int_equal(peel_intro_request_parse(s.body, false, &request), 0);
	struct peel_intro_response m = {.dest = *seen,
		.src_lan = puppet->addr,
		.src_wan = puppet->addr,
		.identifier = request.identifier,
		.extra = keys(first, n, extra)};

	if (intro != NULL)
		m.wan_intro = *intro;
	peel_signed_begin(&w, d->data, PEEL_MSG_INTRO_RESPONSE, puppet->identity.pk, true, 78);
	peel_intro_response_write(&w, false, &m);
	net_post(puppet->net, &puppet->addr, &d->from, out, sign(&w, puppet));
	return true;
}

/* A peer of node 0 that introduces n seeders from this number on. */
static struct net_node *
confirmed(struct net *net, const struct peel_addr *addr, uint32_t first, size_t n)
{
	struct net_node *puppet = net_add(net, addr, NULL);

	say_request(puppet, false, first, n);
	net_run(net, 100);
	assert_true(say_response(puppet, &net->node[0].addr, NULL, first, n));
	net_run(net, 100);
	return puppet;
}

static size_t
bytes_received(const struct net_node *puppet)
{
	size_t sum = 0;

	for (size_t i = 0; i < puppet->n_inbox; i++)
		sum += puppet->inbox[i].len;
	return sum;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_vectors(void **state)
{
	json_t *file = peel_vectors_load("pex"), *v;
	size_t i, n = 0;

	(void)state;
	json_array_foreach (json_object_get(file, "vectors"), i, v) {
		struct net *net = net_new();
		struct net_node *node = add_point(net, 1, 1);
		struct net_node *server = net_add(net, &(struct peel_addr){0}, NULL);
		size_t len;

		server->addr = net_at(0, 1);
		if (peel_vec_find(v, "info_hash") != NULL) {
			uint8_t *hash = peel_vec_hex(v, "info_hash", &len);
			uint8_t *wanted = peel_vec_hex(v, "prefix", &len);

			assert_int_equal(peel_pex_start(node->pex, hash), 0);
			assert_memory_equal(node->listening, wanted, PEEL_PREFIX_LEN);
			free(hash);
			free(wanted);
		} else {
			json_t *list = peel_vec_get(v, "seeder_pks");
			uint8_t *wanted = peel_vec_hex(v, "extra_bytes", &len);
			struct peel_intro_request request;
			struct peel_signed s;

			node->n_keys = json_array_size(list);
			for (size_t k = 0; k < node->n_keys; k++) {
				size_t pk_len;
				uint8_t *pk = peel_unhex(
					json_string_value(json_array_get(list, k)), &pk_len);

				assert_int_equal(pk_len, PEEL_PK_LEN);
				memcpy(node->key[k], pk, PEEL_PK_LEN);
				free(pk);
			}
			net_run(net, 1000);
			const struct net_datagram *d = NULL;

			for (size_t k = 0; k < server->n_inbox; k++) {
				if (memcmp(server->inbox[k].data, prefix(), PEEL_PREFIX_LEN) == 0)
					d = &server->inbox[k];
			}
			assert_non_null(d);
			assert_int_equal(peel_signed_parse(d->data, d->len, true, false, &s), 0);
			assert_true(peel_signed_verify(&s));
			assert_int_equal(peel_intro_request_parse(s.body, false, &request), 0);
			assert_int_equal(request.extra.len, len);
			assert_memory_equal(request.extra.p, wanted, len);
			free(wanted);
		}
		n++;
		net_free(net);
	}
	assert_true(n >= 4);
	json_decref(file);
}

/* All know all, also those that only others could tell of; who leaves is forgotten. */
static void
test_find_each_other(void **state)
{
	struct net *net = net_new();

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		add_point(net, i, 1);
	net_run(net, 60000);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(count(&net->node[i]).peers, 3);
		assert_int_equal(listed(&net->node[i]), 3);
		for (size_t k = 0; k < 4; k++)
			assert_int_equal(
				tells(&net->node[i], &net->node[k], 100 + (uint32_t)k), i != k);
	}
	/* A seeder that is new at a peer is known with the next word between the two. */
	net_introduces(&net->node[2], 900);
	net_run(net, 40000);
	assert_true(tells(&net->node[0], &net->node[2], 900));

	net->node[3].down = true;
	net_run(net, 75000);
	assert_int_equal(count(&net->node[0]).peers, 2);
	assert_true(tells(&net->node[0], &net->node[3], 103));
	net_run(net, 240000);
	assert_false(tells(&net->node[0], &net->node[3], 103));
	assert_int_equal(listed(&net->node[0]), 3); /* two of the same node */
	net_free(net);
}

static void
test_start_and_stop(void **state)
{
	struct net *net = net_new();
	struct net_node *node = add_point(net, 0, 1);
	uint8_t hash[PEEL_INFO_HASH_LEN];

	(void)state;
	assert_int_equal(peel_pex_start(node->pex, info_hash), -EEXIST);
	memset(hash, 0xff, sizeof(hash));
	assert_int_equal(peel_pex_start(node->pex, hash), -EINVAL);
	/* Its community would be our own. */
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++) {
		memcpy(hash, net->community[c], sizeof(hash));
		hash[sizeof(hash) - 1]--;
		assert_int_equal(peel_pex_start(node->pex, hash), -EINVAL);
	}
	memset(hash, 0, sizeof(hash));
	for (uint8_t i = 1; i < 4; i++) {
		hash[0] = i;
		assert_int_equal(peel_pex_start(node->pex, hash), 0);
	}
	hash[0] = 9;
	assert_int_equal(peel_pex_start(node->pex, hash), -ENOSPC);
	assert_int_equal(node->n_listening, 4);
	peel_pex_stop(node->pex, hash); /* none */
	assert_int_equal(count(node).overlays, 4);

	struct peel_addr addr = net_at(1, 1);
	struct net_node *puppet = confirmed(net, &addr, 500, 1);

	assert_int_equal(listed(node), 1);
	peel_pex_stop(node->pex, info_hash);
	assert_memory_equal(node->listening, prefix(), PEEL_PREFIX_LEN);
	assert_int_equal(node->n_listening, 3);
	assert_int_equal(listed(node), 0);
	puppet->n_inbox = 0;
	say_request(puppet, false, 500, 1);
	net_run(net, 1000);
	assert_int_equal(puppet->n_inbox, 0);
	/* Nothing is left of it in the one that comes after. */
	assert_int_equal(peel_pex_start(node->pex, info_hash), 0);
	assert_int_equal(listed(node), 0);
	assert_int_equal(count(node).peers, 0);
	net_free(net);
}

/* Answers in the style of the question, with our keys; what a node says is listed only once it has
 * answered us. */
static void
test_requests_and_answers(void **state)
{
	(void)state;
	for (int new_style = 0; new_style < 2; new_style++) {
		struct net *net = net_new();
		struct net_node *node = add_point(net, 0, 1);
		struct peel_addr addr = net_at(1, 1), there = net_at(2, 1), foreign = net_at(9, 9);
		struct net_node *puppet = net_add(net, &addr, NULL), *other;
		struct peel_intro_response response;
		struct peel_pex_keys list;
		struct peel_signed s;

		say_request(puppet, new_style != 0, 500, 1);
		net_run(net, 100);
		assert_int_equal(listed(node), 0);
		const struct net_datagram *d = net_received(puppet,
			new_style != 0 ? PEEL_MSG_INTRO_RESPONSE_NEW : PEEL_MSG_INTRO_RESPONSE);

		assert_non_null(d);
		assert_int_equal(peel_signed_parse(d->data, d->len, true, false, &s), 0);
		assert_true(peel_signed_verify(&s));
		assert_int_equal(peel_intro_response_parse(s.body, new_style != 0, &response), 0);
		assert_int_equal(response.identifier, 77);
		assert_int_equal(
			peel_pex_keys_parse(response.extra.p, response.extra.len, &list), 0);
		assert_int_equal(list.n, 1);
		assert_memory_equal(list.key[0].p, node->key[0], PEEL_PK_LEN);
		if (new_style != 0) {
			assert_non_null(net_received(puppet, PEEL_MSG_INTRO_REQUEST_NEW));
			net_free(net);
			continue;
		}
		/* An answer that was meant for another node, then a good one, then the same. */
		assert_true(say_response(puppet, &foreign, NULL, 500, 1));
		net_run(net, 100);
		assert_int_equal(listed(node), 0);
		net_run(net, 5000);
		say_request(puppet, false, 500, 1);
		net_run(net, 100);
		assert_true(say_response(puppet, &node->addr, NULL, 500, 1));
		net_run(net, 100);
		assert_true(tells(node, puppet, 500));
		assert_true(say_response(puppet, &node->addr, NULL, 501, 1));
		net_run(net, 100);
		assert_false(tells(node, puppet, 501));
		assert_true(net_counter(net, PEEL_INTRO_UNSOLICITED) > 0);

		/* Another one is introduced to it, and told to puncture. */
		other = confirmed(net, &there, 600, 2);
		assert_int_equal(listed(node), 3);
		assert_non_null(net_received(puppet, PEEL_MSG_PUNCTURE_REQUEST));
		d = net_received(other, PEEL_MSG_INTRO_RESPONSE);
		assert_int_equal(peel_signed_parse(d->data, d->len, true, false, &s), 0);
		assert_int_equal(peel_intro_response_parse(s.body, false, &response), 0);
		assert_true(peel_addr_equal(&response.wan_intro, &puppet->addr));
		net_free(net);
	}
}

/* Whom a peer introduces is asked. */
static void
test_walk(void **state)
{
	struct net *net = net_new();
	struct net_node *node = add_point(net, 0, 1);
	struct peel_addr a = net_at(1, 1), b = net_at(2, 1);
	struct net_node *puppet = net_add(net, &a, NULL), *introduced = net_add(net, &b, NULL);

	(void)state;
	say_request(puppet, false, 500, 1);
	net_run(net, 100);
	assert_true(say_response(puppet, &node->addr, &b, 500, 1));
	net_run(net, 30000);
	assert_non_null(net_received(introduced, PEEL_MSG_INTRO_REQUEST));
	net_free(net);
}

/* A peer may ask for punctures, others may not. */
static void
test_punctures(void **state)
{
	struct net *net = net_new();
	struct peel_addr a = net_at(1, 1), b = net_at(2, 1), walker = net_at(3, 1);
	struct net_node *node = add_point(net, 0, 1), *target = net_add(net, &walker, NULL);
	struct net_node *peer = confirmed(net, &a, 500, 1), *stranger = net_add(net, &b, NULL);
	const struct peel_puncture_request m = {
		.lan_walker = walker, .wan_walker = walker, .identifier = 5};
	uint8_t out[128];
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	(void)state;
	peel_unsigned_begin(&w, prefix(), PEEL_MSG_PUNCTURE_REQUEST, 9);
	peel_puncture_request_write(&w, false, &m);
	for (int i = 0; i < 50; i++)
		net_post(net, &peer->addr, &node->addr, out, (size_t)peel_writer_len(&w));
	net_run(net, 1000);
	size_t n = net_n_received(target, PEEL_MSG_PUNCTURE);

	assert_in_range(n, 1, 2);
	assert_memory_equal(target->inbox[0].data, prefix(), PEEL_PREFIX_LEN);
	net_run(net, 60000);
	n = net_n_received(target, PEEL_MSG_PUNCTURE);
	for (int i = 0; i < 50; i++)
		net_post(net, &stranger->addr, &node->addr, out, (size_t)peel_writer_len(&w));
	net_run(net, 1000);
	assert_in_range(net_n_received(target, PEEL_MSG_PUNCTURE), n, n + 1);
	net_free(net);
}

/* However much one source says, others have their places; and who came first stays. */
static void
test_list_is_shared(void **state)
{
	struct net *net = net_new();
	struct net_node *node = add_point(net, 0, 1), *loud[4], *early, *late;
	struct peel_addr addr = net_at(1, 1);

	(void)state;
	early = confirmed(net, &addr, 500, 1);
	for (unsigned int i = 0; i < 4; i++) {
		addr = net_at(2, 1 + i);
		loud[i] = confirmed(net, &addr, 1000 + 100 * i, 10);
	}
	assert_int_equal(listed(node), PEEL_PEX_LIST_MAX);
	assert_true(tells(node, early, 500));
	/* They go on, with other seeders each time they are asked. */
	for (uint32_t round = 1; round < 10; round++) {
		net_run(net, 27500);
		for (size_t i = 0; i < 4; i++)
			(void)say_response(loud[i], &node->addr, NULL, round * 10000, 10);
		(void)say_response(early, &node->addr, NULL, 500, 1);
		net_run(net, 500);
		assert_true(tells(node, early, 500));
	}
	addr = net_at(3, 1);
	late = confirmed(net, &addr, 600, 2);
	assert_true(tells(node, late, 600) && tells(node, late, 601));
	assert_true(tells(node, early, 500));
	assert_int_equal(listed(node), PEEL_PEX_LIST_MAX);
	/* One address has no more than its share of the places for peers. */
	for (unsigned int i = 0; i < 12; i++) {
		addr = net_at(4, 1);
		addr.port = (uint16_t)(1000 + i);
		loud[0] = net_add(net, &addr, NULL);
		say_request(loud[0], false, 700 + i, 1);
		net_run(net, 1000);
		(void)say_response(loud[0], &node->addr, NULL, 700 + i, 1);
		net_run(net, 1000);
	}
	assert_int_equal(count(node).peers, 6 + 4);
	net_free(net);
}

/* A few addresses do not take all places of peers; who comes from elsewhere has one, and keeps it.
 */
static void
test_peers_are_shared(void **state)
{
	struct net *net = net_new();
	struct net_node *node = add_point(net, 0, 1), *puppet, *late;
	struct peel_addr addr;
	int patience = 100;

	(void)state;
	for (unsigned int i = 0; i < 32; i++) {
		addr = net_at(1 + i % 8, 1);
		addr.port = (uint16_t)(1000 + i);
		puppet = net_add(net, &addr, NULL);
		do { /* of one address, not every question is asked back */
			say_request(puppet, false, 500 + i, 1);
			net_run(net, 500);
		} while (!say_response(puppet, &node->addr, NULL, 500 + i, 1) && --patience > 0);
		net_run(net, 50);
	}
	assert_int_equal(count(node).peers, 32);
	addr = net_at(20, 1);
	late = confirmed(net, &addr, 900, 1);
	assert_int_equal(count(node).peers, 32);
	assert_true(tells(node, late, 900));
	for (unsigned int i = 0; i < 4; i++) {
		addr = net_at(1, 1);
		addr.port = (uint16_t)(2000 + i);
		puppet = net_add(net, &addr, NULL);
		say_request(puppet, false, 600 + i, 1);
		net_run(net, 500);
		(void)say_response(puppet, &node->addr, NULL, 600 + i, 1);
		net_run(net, 50);
	}
	assert_int_equal(count(node).peers, 32);
	assert_true(tells(node, late, 900));
	net_free(net);
}

/* A stranger is sent about twice its first datagram, and as much as its later ones; never all our
 * keys for a question without any. */
static void
test_no_amplification(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 10; n += 5) {
		struct net *net = net_new();
		struct net_node *node = add_point(net, 0, 1);
		struct peel_addr addr = net_at(1, 1);
		struct net_node *puppet = net_add(net, &addr, NULL);
		size_t sent = say_request(puppet, false, 500, n);

		for (uint32_t i = 1; i < 10; i++)
			net_introduces(node, i);
		net_run(net, 500);
		assert_in_range(bytes_received(puppet), sent / 2, sent * 21 / 10);
		puppet->n_inbox = 0;
		sent = 0;
		for (int i = 0; i < 60; i++) {
			sent += say_request(puppet, false, 500, n);
			net_run(net, 500);
		}
		assert_in_range(bytes_received(puppet), 1, sent * 11 / 10);
		assert_int_equal(count(node).peers, 0);
		net_free(net);
	}
}

/* Datagrams from 100 addresses: no peers, no answers, and few signatures are looked at. */
static void
test_random_datagrams(void **state)
{
	struct net *net = net_new();
	struct net_node *node = add_point(net, 0, 1);
	static const uint8_t ids[] = {231, 232, 233, 234, 245, 246, 249, 250, 1};
	struct peel_addr addr = net_at(1, 1);
	struct net_node *peer = confirmed(net, &addr, 500, 1);
	unsigned int sent = node->n_sent;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		uint8_t out[400];
		size_t len = 23 + i % 370;

		net->env.random(net->env.arg, out, len);
		memcpy(out, prefix(), PEEL_PREFIX_LEN);
		out[22] = ids[i % sizeof(ids)];
		if (i % 2 == 0 && len > 99) { /* as far as a key of the right form */
			peel_put_be16(out + 23, PEEL_PK_LEN);
			net_seeder_key(i, out + 25);
		}
		addr = net_at(1 + i % 200, 7);
		(void)peel_pex_input(node->pex, &addr, out, len);
		net->now += i % 10 == 0; /* 10,000 a second */
	}
	assert_in_range(net_counter(net, PEEL_BAD_SIGNATURE), 1, 12000);
	assert_int_equal(count(node).peers, 1);
	assert_int_equal(listed(node), 1);
	assert_in_range(node->n_sent - sent, 0, 300); /* punctures */
	assert_true(tells(node, peer, 500));
	net_free(net);
}

/* A thousand overlays ask no more than the budget, and every one has its turn. */
static void
test_budget_of_questions(void **state)
{
	struct net *net = net_new();
	struct peel_addr addr = net_at(0, 1), server[8];
	struct peel_overlay_conf conf = net_conf(net, &addr, PEEL_FLAG_RELAY);
	uint8_t hash[PEEL_INFO_HASH_LEN] = {0};
	static bool heard[1000];
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < 8; i++)
		server[i] = net_at(10 + i, 1);
	conf.bootstrap = server;
	conf.n_bootstrap = 8;
	struct net_node *node = net_add(net, &addr, &conf);

	net_pex(node, 1000);
	for (uint32_t i = 0; i < 1000; i++) {
		peel_put_be32(hash, i);
		hash[19] = 7;
		assert_int_equal(peel_pex_start(node->pex, hash), 0);
	}
	for (unsigned int i = 0; i < 8; i++)
		net_add(net, &server[i], NULL);
	unsigned int before = node->n_sent;

	net_run(net, 20000);
	/* 150 a second, and what was saved up; the overlay itself asks its servers, too */
	assert_in_range(node->n_sent - before, 3000, 150 * 20 + 300 + 300);
	for (size_t i = 1; i < net->n_nodes; i++) {
		for (size_t k = 0; k < net->node[i].n_inbox; k++) {
			const uint8_t *d = net->node[i].inbox[k].data;

			if (d[21] == 8 && peel_get_be32(d + 2) < 1000)
				heard[peel_get_be32(d + 2)] = true;
		}
	}
	for (size_t i = 0; i < 1000; i++)
		n += heard[i];
	assert_in_range(n, 350, 1000); /* eight questions each */
	net_run(net, 60000);
	for (size_t i = 1; i < net->n_nodes; i++) {
		for (size_t k = 0; k < net->node[i].n_inbox; k++) {
			const uint8_t *d = net->node[i].inbox[k].data;

			if (d[21] == 8 && peel_get_be32(d + 2) < 1000)
				heard[peel_get_be32(d + 2)] = true;
		}
	}
	n = 0;
	for (size_t i = 0; i < 1000; i++)
		n += heard[i];
	assert_int_equal(n, 1000);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_find_each_other),
		cmocka_unit_test(test_start_and_stop),
		cmocka_unit_test(test_requests_and_answers),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_punctures),
		cmocka_unit_test(test_list_is_shared),
		cmocka_unit_test(test_peers_are_shared),
		cmocka_unit_test(test_no_amplification),
		cmocka_unit_test(test_random_datagrams),
		cmocka_unit_test(test_budget_of_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
