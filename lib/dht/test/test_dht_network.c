/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Many nodes at once: what one stores the others find, whatever is lost or leaves; and what liars
 * among them can do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dht_net.h"
#include "lookups.h"

#define NODES 50

/* What the last look-up told. */
struct end {
	unsigned int n;
	uint64_t token;
	size_t n_nodes, n_values, n_peers;
	unsigned int n_stored, n_asked;
	uint8_t first_id[PEEL_DHT_KEY_LEN];
	char data[2][64];
	struct peel_addr peer;
};

static void
ended(void *arg, uint64_t token, const struct peel_dht_result *r)
{
	struct end *e = arg;

	*e = (struct end){
		.n = e->n + 1,
		.token = token,
		.n_nodes = r->n_nodes,
		.n_values = r->n_values,
		.n_peers = r->n_peers,
		.n_stored = r->n_stored,
		.n_asked = r->n_asked,
	};
	if (r->n_nodes > 0)
		memcpy(e->first_id, r->node[0].id, sizeof(e->first_id));
	for (size_t i = 0; i < r->n_values && i < 2; i++)
		memcpy(e->data[i], r->value[i].data.p, r->value[i].data.len);
	if (r->n_peers > 0)
		e->peer = r->peer[0].addr;
}

static struct peel_span
text(const char *t)
{
	return (struct peel_span){(const uint8_t *)t, strlen(t)};
}

/* Each node knows three others at first, as peer discovery would tell it. */
static struct net *
network(unsigned int n)
{
	struct net *net = net_new();

	for (unsigned int i = 0; i < n; i++) {
		struct net_node *node = net_add(net, net_at(i, 1));

		for (unsigned int k = 0; k < 3 && i > 0; k++)
			net_introduce(net, node, &net->node[peel_random_below(&net->env, i)]);
	}
	net_run(net, 60 * 1000);
	return net;
}

static void
wait_for(struct net *net, const struct end *end, unsigned int n)
{
	for (unsigned int i = 0; i < 80 && end->n < n; i++)
		net_run(net, 1000);
	assert_int_equal(end->n, n);
}

static void
store(struct net_node *node, const uint8_t key[PEEL_DHT_KEY_LEN], const char *data,
	uint32_t version, struct end *end)
{
	assert_int_equal(peel_dht_store(node->dht, key, text(data), version, ended, end, 77), 0);
	assert_int_equal(end->n, 0);
	wait_for(node->net, end, 1);
	assert_int_equal(end->token, 77);
}

static struct end
find(struct net_node *node, const uint8_t key[PEEL_DHT_KEY_LEN])
{
	struct end end = {0};

	assert_int_equal(peel_dht_find(node->dht, key, 0, ended, &end, 0), 0);
	wait_for(node->net, &end, 1);
	return end;
}

static void
random_key(struct net *net, uint8_t key[PEEL_DHT_KEY_LEN])
{
	peel_random(&net->env, key, PEEL_DHT_KEY_LEN);
}

static void
test_closest_nodes_are_found(void **state)
{
	struct net *net = network(NODES);
	uint8_t target[PEEL_DHT_KEY_LEN];
	unsigned int right = 0;

	(void)state;
	for (unsigned int turn = 0; turn < 20; turn++) {
		struct end end = {0};
		struct net_node *asker = &net->node[turn];
		const uint8_t *best = NULL;

		random_key(net, target);
		assert_int_equal(peel_dht_find_nodes(asker->dht, target, ended, &end, turn), 0);
		wait_for(net, &end, 1);
		assert_int_equal(end.n_nodes, 8);
		assert_in_range(end.n_asked, 8, 24);
		for (unsigned int i = 0; i < NODES; i++) {
			const uint8_t *id = net->node[i].dht->routing[DHT_V4].own_id;

			if (i != turn && (best == NULL || dht_closer(id, best, target)))
				best = id;
		}
		right += memcmp(end.first_id, best, PEEL_DHT_KEY_LEN) == 0;
	}
	assert_in_range(right, 18, 20);
	net_free(net);
}

static void
test_values_are_found_by_all(void **state)
{
	struct net *net = network(NODES);
	uint8_t key[PEEL_DHT_KEY_LEN];
	struct end end = {0};

	(void)state;
	random_key(net, key);
	store(&net->node[0], key, "hello", 0, &end);
	assert_int_equal(end.n_stored, 8);
	for (unsigned int i = 0; i < NODES; i++) {
		end = find(&net->node[i], key);
		assert_int_equal(end.n_values, 1);
		assert_string_equal(end.data[0], "hello");
	}
	/* Nothing there is an answer as well. */
	random_key(net, key);
	end = find(&net->node[3], key);
	assert_int_equal(end.n_values, 0);
	net_free(net);
}

static void
test_signed_values_of_two(void **state)
{
	struct net *net = network(20);
	uint8_t key[PEEL_DHT_KEY_LEN];
	struct end end[3] = {{0}}, found;

	(void)state;
	random_key(net, key);
	store(&net->node[0], key, "old", 5, &end[0]);
	store(&net->node[0], key, "new", 6, &end[1]);
	store(&net->node[1], key, "other", 1, &end[2]);
	found = find(&net->node[7], key);
	assert_int_equal(found.n_values, 2);
	assert_true((strcmp(found.data[0], "new") == 0 && strcmp(found.data[1], "other") == 0) ||
		    (strcmp(found.data[1], "new") == 0 && strcmp(found.data[0], "other") == 0));
	assert_int_equal(peel_dht_store(net->node[0].dht, key, text("this is longer than 23 bytes"),
				 7, ended, &end[0], 0),
		-EMSGSIZE);
	net_free(net);
}

/* One datagram of ten is lost, and a third of the nodes leaves without a word. */
static void
test_loss_and_churn(void **state)
{
	struct net *net = network(NODES);
	uint8_t key[10][PEEL_DHT_KEY_LEN];
	unsigned int found = 0;

	(void)state;
	net->loss = 10;
	for (unsigned int k = 0; k < 10; k++) {
		struct end end = {0};

		random_key(net, key[k]);
		store(&net->node[k], key[k], "stays", 0, &end);
		assert_in_range(end.n_stored, 4, 8);
	}
	for (unsigned int i = 20; i < 37; i++)
		net->node[i].down = true;
	for (unsigned int k = 0; k < 10; k++) {
		for (unsigned int i = 40; i < 45; i++)
			found += find(&net->node[i], key[k]).n_values == 1;
	}
	print_message("%u of 50 found right after a third left\n", found);
	assert_in_range(found, 48, 50);
	net_free(net);
}

/* For hours, while half of the nodes is replaced. */
static void
test_published_values_stay(void **state)
{
	struct net *net = network(12);
	uint8_t key[PEEL_DHT_KEY_LEN];
	struct peel_dht_count count;
	uint32_t id;

	(void)state;
	net->loss = 2;
	random_key(net, key);
	assert_int_equal(peel_dht_publish(net->node[0].dht, key, text("here"), 0, &id), 0);
	for (unsigned int hour = 0; hour < 2; hour++) {
		for (unsigned int i = 0; i < 3; i++) {
			struct net_node *old = &net->node[1 + 3 * hour + i], *fresh;

			old->down = true;
			fresh = net_add(net, net_at(100 + 3 * hour + i, 1));
			net_introduce(net, fresh, &net->node[0]);
			net_introduce(net, fresh, &net->node[11]);
			net_run(net, 1200 * 1000);
		}
		assert_int_equal(find(&net->node[net->n_nodes - 1], key).n_values, 1);
		assert_int_equal(find(&net->node[11], key).n_values, 1);
	}
	peel_dht_withdraw(net->node[0].dht, id);
	peel_dht_withdraw(net->node[0].dht, id);
	net_run(net, 3700 * 1000);
	assert_int_equal(find(&net->node[11], key).n_values, 0);
	peel_dht_count(net->node[0].dht, &count);
	assert_int_equal(count.published, 0);
	assert_true(count.nodes_ipv4 >= 8);
	net_free(net);
}

/* Values that come and go all the time do not keep another one from being stored. */
static void
test_published_values_take_turns(void **state)
{
	struct net *net = network(12);
	struct peel_dht *dht = net->node[0].dht;
	uint8_t key[PEEL_DHT_KEY_LEN], restless[8][PEEL_DHT_KEY_LEN];
	uint32_t id[8], steady;

	(void)state;
	random_key(net, key);
	for (unsigned int i = 0; i < 8; i++) {
		random_key(net, restless[i]);
		assert_int_equal(peel_dht_publish(dht, restless[i], text("gone"), 0, &id[i]), 0);
	}
	assert_int_equal(peel_dht_publish(dht, key, text("here"), 0, &steady), 0);
	for (unsigned int round = 0; round < 100; round++) {
		for (unsigned int i = 0; i < 8; i++) {
			peel_dht_withdraw(dht, id[i]);
			assert_int_equal(
				peel_dht_publish(dht, restless[i], text("gone"), 0, &id[i]), 0);
		}
		net_run(net, 250);
	}
	assert_int_equal(find(&net->node[11], key).n_values, 1);
	net_free(net);
}

/* Look-ups of values that were withdrawn meanwhile leave those of the upkeep their places. */
static void
test_withdrawn_values_take_no_places(void **state)
{
	struct net *net = network(12);
	struct peel_dht *dht = net->node[0].dht;
	uint8_t key[PEEL_DHT_KEY_LEN];
	struct peel_dht_count count;
	uint32_t id[8];

	(void)state;
	net->delay_ms = 800;
	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < 8; i++) {
			random_key(net, key);
			assert_int_equal(peel_dht_publish(dht, key, text("gone"), 0, &id[i]), 0);
		}
		net_run(net, 250);
		peel_dht_count(dht, &count);
		assert_int_equal(count.lookups, 6);
		for (unsigned int i = 0; i < 8; i++)
			peel_dht_withdraw(dht, id[i]);
	}
	net_run(net, 120 * 1000);
	peel_dht_count(dht, &count);
	assert_int_equal(count.lookups, 0);
	/* All places are free again. */
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(peel_dht_publish(dht, key, text("here"), i, &id[i]), 0);
	net_run(net, 250);
	peel_dht_count(dht, &count);
	assert_int_equal(count.lookups, 6);
	net_free(net);
}

static void
test_peers_are_found_by_member_id(void **state)
{
	struct net *net = network(24);
	struct net_node *hidden = &net->node[5];
	struct end end = {0};
	struct peel_dht_count count;

	(void)state;
	peel_dht_store_peer(hidden->dht, true);
	net_run(net, 40 * 1000);
	peel_dht_count(hidden->dht, &count);
	assert_in_range(count.storers, 4, 8);
	net_run(net, 130 * 1000);
	assert_int_equal(
		peel_dht_connect_peer(net->node[20].dht, hidden->identity.mid, ended, &end, 1), 0);
	wait_for(net, &end, 1);
	assert_int_equal(end.n_peers, 1);
	assert_true(peel_addr_equal(&end.peer, &hidden->addr));
	/* Storers that leave are replaced. */
	for (unsigned int i = 0; i < net->n_nodes; i++)
		net->node[i].down |= net->node[i].dht->peers.n > 0 && &net->node[i] != hidden;
	net_run(net, 180 * 1000);
	end = (struct end){0};
	for (unsigned int i = 0; i < net->n_nodes; i++) {
		if (net->node[i].down || &net->node[i] == hidden)
			continue;
		assert_int_equal(peel_dht_connect_peer(
					 net->node[i].dht, hidden->identity.mid, ended, &end, 1),
			0);
		break;
	}
	wait_for(net, &end, 1);
	assert_int_equal(end.n_peers, 1);
	peel_dht_store_peer(hidden->dht, false);
	peel_dht_count(hidden->dht, &count);
	assert_int_equal(count.storers, 0);
	net_free(net);
}

static void
test_lookups_are_bounded(void **state)
{
	struct net *net = network(10);
	struct net_node *lonely = net_add(net, net_at(200, 1));
	uint8_t key[PEEL_DHT_KEY_LEN] = {1};
	struct end end = {0};

	(void)state;
	assert_int_equal(peel_dht_find(lonely->dht, key, 0, ended, &end, 0), -EHOSTUNREACH);
	for (unsigned int i = 0; i < DHT_LOOKUPS_OF_USERS; i++)
		assert_int_equal(peel_dht_find(net->node[0].dht, key, 0, ended, &end, 0), 0);
	assert_int_equal(peel_dht_find(net->node[0].dht, key, 0, ended, &end, 0), -ENOSPC);
	/* Our own upkeep has places of its own, and no node is asked more than it answers. */
	net_run(net, 70 * 1000);
	assert_int_equal(end.n, DHT_LOOKUPS_OF_USERS);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(net_counter(&net->node[i], PEEL_CONTROL_RATE), 0);
	net_free(net);
}

/* A look-up that nobody waits for any more leaves its place, and says nothing. */
static void
test_cancelled_lookups(void **state)
{
	struct net *net = network(10);
	struct peel_dht *dht = net->node[0].dht;
	uint8_t key[2][PEEL_DHT_KEY_LEN] = {{1}, {2}};
	struct end end = {0}, other = {0};
	struct peel_dht_count count;

	(void)state;
	for (unsigned int i = 0; i < DHT_LOOKUPS_OF_USERS - 2; i++)
		assert_int_equal(peel_dht_find(dht, key[0], 0, ended, &end, i), 0);
	assert_int_equal(peel_dht_find(dht, key[1], 0, ended, &end, 0), 0);
	assert_int_equal(peel_dht_find(dht, key[0], 0, ended, &other, 0), 0);
	peel_dht_cancel(dht, key[0], ended, &end);
	peel_dht_count(dht, &count);
	assert_int_equal(count.lookups, 2);
	for (unsigned int i = 0; i < DHT_LOOKUPS_OF_USERS - 2; i++)
		assert_int_equal(peel_dht_find(dht, key[1], 0, ended, &other, 0), 0);
	assert_int_equal(peel_dht_find(dht, key[1], 0, ended, &other, 0), -ENOSPC);
	net_run(net, 70 * 1000);
	assert_int_equal(end.n, 1);
	assert_int_equal(other.n, DHT_LOOKUPS_OF_USERS - 1);
	net_free(net);
}

/* Who asks for values gets what was found in nine seconds, however many nodes are silent. */
static void
test_finds_end_in_time(void **state)
{
	struct net *net = network(30);
	uint8_t key[PEEL_DHT_KEY_LEN] = {3};
	struct end end = {0};

	(void)state;
	for (unsigned int i = 1; i < 30; i++)
		net->node[i].down = true;
	assert_int_equal(peel_dht_find(net->node[0].dht, key, 0, ended, &end, 0), 0);
	net_run(net, 9500);
	assert_int_equal(end.n, 1);
	net_free(net);
}

/* ---- liars ----------------------------------------------------------------------------------- */

/* Answers every find-request that came with these lists. */
static void
lie(struct net_node *liar, const struct peel_dht_values *values,
	const struct peel_dht_contacts *nodes)
{
	static const uint8_t token[PEEL_DHT_TOKEN_LEN];

	for (size_t i = 0; i < liar->n_inbox; i++) {
		const struct net_datagram *d = &liar->inbox[i];
		uint8_t buffer[PEEL_DATAGRAM_MAX];
		struct peel_writer w = peel_writer_init(buffer, sizeof(buffer));
		struct peel_dht_find_request q;
		struct peel_signed s;

		if (peel_signed_parse(d->data, d->len, false, false, &s) != 0 ||
			s.id != PEEL_MSG_DHT_FIND_REQUEST ||
			peel_dht_find_request_parse(s.body, &q) != 0)
			continue;
		peel_signed_begin(&w, liar->net->prefix, PEEL_MSG_DHT_FIND_RESPONSE,
			liar->identity.pk, false, 0);
		peel_dht_find_response_write(&w, &(struct peel_dht_find_response){
							 .identifier = q.identifier,
							 .token = token,
							 .values = *values,
							 .nodes = *nodes,
						 });
		peel_sign(&w, &liar->identity);
		net_post(liar->net, &liar->addr, &d->from, buffer, (size_t)peel_writer_len(&w));
	}
	liar->n_inbox = 0;
}

static void
run_with_liar(struct net *net, struct net_node *liar, const struct peel_dht_values *values,
	const struct peel_dht_contacts *nodes, const struct end *end)
{
	for (unsigned int i = 0; i < 800 && end->n == 0; i++) {
		net_run(net, 100);
		lie(liar, values, nodes);
	}
	assert_int_equal(end->n, 1);
}

static void
test_forged_values_are_not_told(void **state)
{
	struct net *net = network(10);
	struct net_node *node = &net->node[0], *liar = net_puppet(net, net_at(99, 1));
	uint8_t key[PEEL_DHT_KEY_LEN] = {1}, forged[256];
	struct peel_writer w = peel_writer_init(forged, sizeof(forged));
	struct end end = {0}, stored = {0};

	(void)state;
	net_introduce(net, node, liar);
	store(&net->node[1], key, "genuine", 9, &stored);
	/* A higher version with the signature of a lower one, a known one that is old, and noise.
	 */
	peel_dht_value_begin_signed(&w, text("forged"), 10, net->node[1].identity.pk);
	peel_write_bytes(&w, net->node[1].identity.pk, PEEL_SIGNATURE_LEN);
	uint8_t old[256], noise[PEEL_DHT_VALUE_MAX] = {7};
	struct peel_writer v = peel_writer_init(old, sizeof(old));

	peel_dht_value_begin_signed(&v, text("old"), 8, net->node[1].identity.pk);
	peel_sign(&v, &net->node[1].identity);
	struct peel_dht_values values = {.n = 3,
		.value = {{forged, (size_t)peel_writer_len(&w)}, {noise, sizeof(noise)},
			{old, (size_t)peel_writer_len(&v)}}};

	liar->n_inbox = 0;
	assert_int_equal(peel_dht_find(node->dht, key, 0, ended, &end, 0), 0);
	run_with_liar(net, liar, &values, &(struct peel_dht_contacts){0}, &end);
	assert_int_equal(end.n_values, 1);
	assert_string_equal(end.data[0], "genuine");
	net_free(net);
}

/* Who tells of nodes that are not there costs a look-up time, and sends nobody anywhere it has no
 * business: neither into local networks nor many times to one address. */
static void
test_invented_nodes(void **state)
{
	struct net *net = network(20);
	struct net_node *node = &net->node[0], *liar = net_puppet(net, net_at(99, 1));
	struct net_node *local = net_puppet(net, peel_addr_ipv4(192, 168, 0, 1, 53)),
			*victim = net_puppet(net, net_at(98, 1));
	struct peel_dht_contacts nodes = {.n = 8};
	struct peel_identity made_up[8];
	uint8_t key[PEEL_DHT_KEY_LEN];
	struct end end = {0}, stored = {0};

	(void)state;
	random_key(net, key);
	store(&net->node[1], key, "genuine", 0, &stored);
	net_introduce(net, node, liar);
	for (uint8_t i = 0; i < 8; i++) {
		assert_int_equal(peel_identity_generate(&net->env, &made_up[i]), 0);
		nodes.contact[i] = (struct peel_dht_contact){
			.addr = i == 0 ? local->addr : victim->addr,
			.pk = {made_up[i].pk, PEEL_PK_LEN},
		};
		if (i > 0)
			nodes.contact[i].addr.port += i % 2;
	}
	liar->n_inbox = 0;
	victim->down = true;
	assert_int_equal(peel_dht_find(node->dht, key, 0, ended, &end, 0), 0);
	run_with_liar(net, liar, &(struct peel_dht_values){0}, &nodes, &end);
	assert_int_equal(end.n_values, 1);
	assert_int_equal(local->n_inbox, 0);
	assert_true(victim->n_inbox <= 2);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closest_nodes_are_found),
		cmocka_unit_test(test_values_are_found_by_all),
		cmocka_unit_test(test_signed_values_of_two),
		cmocka_unit_test(test_loss_and_churn),
		cmocka_unit_test(test_published_values_stay),
		cmocka_unit_test(test_published_values_take_turns),
		cmocka_unit_test(test_withdrawn_values_take_no_places),
		cmocka_unit_test(test_peers_are_found_by_member_id),
		cmocka_unit_test(test_lookups_are_bounded),
		cmocka_unit_test(test_cancelled_lookups),
		cmocka_unit_test(test_finds_end_in_time),
		cmocka_unit_test(test_forged_values_are_not_told),
		cmocka_unit_test(test_invented_nodes),
	};

	if (peel_keys_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
