/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dht_net.h"
#include "peel_vectors.h"

#define DELAY_MS 20

static uint64_t
net_now(void *arg)
{
	return ((struct net *)arg)->now;
}

static void
net_random(void *arg, void *out, size_t len)
{
	struct net *net = arg;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)(peel_splitmix(&net->random) >> 32);
}

struct net *
net_new(void)
{
	struct net *net = calloc(1, sizeof(*net));
	json_t *file = peel_vectors_load("dht");
	size_t len;
	uint8_t *prefix = peel_vec_hex(file, "prefix", &len);

	assert_non_null(net);
	net->env = (struct peel_env){.now_ms = net_now, .random = net_random, .arg = net};
	net->now = 1000000;
	net->delay_ms = DELAY_MS;
	memcpy(net->community, prefix + 2, sizeof(net->community));
	memcpy(net->prefix, prefix, sizeof(net->prefix));
	free(prefix);
	json_decref(file);
	return net;
}

void
net_free(struct net *net)
{
	for (size_t i = 0; i < net->n_nodes; i++) {
		peel_dht_free(net->node[i].dht);
		free(net->node[i].inbox);
	}
	free(net->queue);
	free(net);
}

struct peel_addr
net_at(unsigned int subnet, unsigned int host)
{
	return peel_addr_ipv4(203, 0, (uint8_t)subnet, (uint8_t)host, 8090);
}

/* ---- the bus --------------------------------------------------------------------------------- */

/* py-ipv8 fails over a request whose identifier, its first field, has more than 16 bits. */
static void
check_ipv6_identifier(const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct peel_signed s;

	if (to->family != PEEL_FAMILY_IPV6 || peel_signed_parse(data, len, false, false, &s) != 0 ||
		(s.id != PEEL_MSG_DHT_PING_REQUEST && s.id != PEEL_MSG_DHT_STORE_REQUEST &&
			s.id != PEEL_MSG_DHT_FIND_REQUEST &&
			s.id != PEEL_MSG_DHT_STORE_PEER_REQUEST &&
			s.id != PEEL_MSG_DHT_CONNECT_PEER_REQUEST))
		return;
	struct peel_reader reader = peel_reader_init(s.body.p, s.body.len);

	assert_true(peel_read_u32(&reader) <= 0xffff);
}

void
net_post(struct net *net, const struct peel_addr *from, const struct peel_addr *to,
	const uint8_t *data, size_t len)
{
	if (net->loss > 0 && peel_random_below(&net->env, 100) < net->loss)
		return;
	assert_true(len <= PEEL_DATAGRAM_MAX);
	check_ipv6_identifier(to, data, len);
	if (net->first + net->n_queue == net->size) {
		if (net->first > 0)
			memmove(net->queue, net->queue + net->first,
				net->n_queue * sizeof(*net->queue));
		net->first = 0;
		if (net->n_queue * 2 >= net->size) {
			net->size = net->size * 2 + 64;
			net->queue = realloc(net->queue, net->size * sizeof(*net->queue));
			assert_non_null(net->queue);
		}
	}
	struct net_datagram *d = &net->queue[net->first + net->n_queue++];

	d->from = *from;
	d->to = *to;
	d->due_ms = net->now + net->delay_ms;
	d->len = len;
	memcpy(d->data, data, len);
}

static void
node_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct net_node *node = arg;

	node->n_sent++;
	net_post(node->net, &node->addr, to, data, len);
}

static bool
is_proved(void *arg, const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN])
{
	const struct net *net = ((struct net_node *)arg)->net;

	for (size_t i = 0; i < net->n_nodes; i++) {
		const struct net_node *node = &net->node[i];

		if (node->proved && peel_addr_equal(&node->addr, addr) &&
			memcmp(node->identity.pk, pk, PEEL_PK_LEN) == 0)
			return true;
	}
	return false;
}

static struct peel_writer
begin(const struct net_node *puppet, uint8_t id, uint8_t *buffer)
{
	struct peel_writer w = peel_writer_init(buffer, PEEL_DATAGRAM_MAX);

	peel_signed_begin(&w, puppet->net->prefix, id, puppet->identity.pk, false, 0);
	return w;
}

static void
puppet_got(struct net_node *puppet, const struct net_datagram *d)
{
	struct peel_signed s;
	uint32_t identifier;

	if (peel_signed_parse(d->data, d->len, false, false, &s) == 0 &&
		s.id == PEEL_MSG_DHT_PING_REQUEST &&
		peel_dht_plain_parse(s.body, &identifier) == 0 && !puppet->down) {
		uint8_t buffer[PEEL_DATAGRAM_MAX];
		struct peel_writer w = begin(puppet, PEEL_MSG_DHT_PING_RESPONSE, buffer);

		peel_dht_plain_write(&w, identifier);
		peel_sign(&w, &puppet->identity);
		net_post(puppet->net, &puppet->addr, &d->from, buffer, (size_t)peel_writer_len(&w));
	}
	if (puppet->n_inbox == NET_INBOX) {
		memmove(puppet->inbox, puppet->inbox + 1, (NET_INBOX - 1) * sizeof(*puppet->inbox));
		puppet->n_inbox--;
	}
	puppet->inbox[puppet->n_inbox++] = *d;
}

static void
deliver(struct net *net)
{
	struct net_datagram d = net->queue[net->first++];

	net->n_queue--;
	for (size_t i = 0; i < net->n_nodes; i++) {
		struct net_node *node = &net->node[i];

		if (!peel_addr_equal(&node->addr, &d.to))
			continue;
		if (node->dht == NULL) {
			puppet_got(node, &d);
		} else if (!node->down) {
			/* Punctures and the like are not ours. */
			(void)peel_dht_input(node->dht, &d.from, d.data, d.len);
		}
		return;
	}
}

void
net_run(struct net *net, uint64_t ms)
{
	uint64_t end = net->now + ms;

	while (net->now < end) {
		uint64_t tick = net->now - net->now % DHT_TICK_MS + DHT_TICK_MS;
		uint64_t until = tick < end ? tick : end;

		while (net->n_queue > 0 && net->queue[net->first].due_ms <= until) {
			if (net->queue[net->first].due_ms > net->now)
				net->now = net->queue[net->first].due_ms;
			deliver(net);
		}
		net->now = until;
		for (size_t i = 0; i < net->n_nodes && until == tick; i++) {
			if (net->node[i].dht != NULL && !net->node[i].down)
				peel_dht_tick(net->node[i].dht);
		}
	}
}

void
net_settle(struct net *net)
{
	while (net->n_queue > 0)
		deliver(net);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static struct net_node *
add(struct net *net, const struct peel_identity *identity, struct peel_addr addr, bool puppet)
{
	assert_true(net->n_nodes < NET_NODES);
	struct net_node *node = &net->node[net->n_nodes++];
	struct peel_dht_conf conf = {
		.env = &net->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.send = node_send,
		.proved = is_proved,
		.arg = node,
	};

	node->net = net;
	node->addr = addr;
	if (identity != NULL)
		node->identity = *identity;
	else
		assert_int_equal(peel_identity_generate(&net->env, &node->identity), 0);
	memcpy(conf.community, net->community, sizeof(conf.community));
	if (puppet) {
		node->inbox = calloc(NET_INBOX, sizeof(*node->inbox));
		assert_non_null(node->inbox);
		return node;
	}
	assert_int_equal(peel_dht_new(&conf, &node->dht), 0);
	peel_dht_address(node->dht, &addr);
	return node;
}

struct net_node *
net_add(struct net *net, struct peel_addr addr)
{
	return add(net, NULL, addr, false);
}

struct net_node *
net_puppet(struct net *net, struct peel_addr addr)
{
	return add(net, NULL, addr, true);
}

struct net_node *
net_named(struct net *net, const char *who, struct peel_addr addr, bool puppet)
{
	json_t *keys = peel_vectors_load("keys");
	struct peel_identity identity;
	size_t len;
	uint8_t *sk = peel_vec_hex(peel_vectors_find(keys, who), "private_key_bin", &len);

	assert_int_equal(peel_identity_parse(sk, len, &identity), 0);
	free(sk);
	json_decref(keys);
	return add(net, &identity, addr, puppet);
}

void
net_introduce(struct net *net, struct net_node *a, struct net_node *b)
{
	if (a->dht != NULL)
		peel_dht_met(a->dht, &b->addr, b->identity.pk);
	if (b->dht != NULL)
		peel_dht_met(b->dht, &a->addr, a->identity.pk);
	net_settle(net);
}

const struct net_datagram *
net_received(const struct net_node *puppet, uint8_t id)
{
	for (size_t i = puppet->n_inbox; i-- > 0;) {
		if (puppet->inbox[i].data[PEEL_PREFIX_LEN] == id)
			return &puppet->inbox[i];
	}
	return NULL;
}

uint64_t
net_counter(const struct net_node *node, enum peel_counter c)
{
	return peel_stats_get(&node->stats, c);
}

/* ---- what puppets say ------------------------------------------------------------------------ */

static void
say(struct net_node *puppet, struct net_node *to, struct peel_writer *w)
{
	peel_sign(w, &puppet->identity);
	assert_true(peel_writer_len(w) > 0);
	net_post(puppet->net, &puppet->addr, &to->addr, w->start, (size_t)peel_writer_len(w));
	net_settle(puppet->net);
}

void
net_ping(struct net_node *puppet, struct net_node *to, uint32_t identifier)
{
	uint8_t buffer[PEEL_DATAGRAM_MAX];
	struct peel_writer w = begin(puppet, PEEL_MSG_DHT_PING_REQUEST, buffer);

	peel_dht_plain_write(&w, identifier);
	say(puppet, to, &w);
}

void
net_find(struct net_node *puppet, struct net_node *to, const uint8_t target[PEEL_DHT_KEY_LEN],
	bool force_nodes)
{
	uint8_t buffer[PEEL_DATAGRAM_MAX];
	struct peel_writer w = begin(puppet, PEEL_MSG_DHT_FIND_REQUEST, buffer);

	peel_dht_find_request_write(&w, &(struct peel_dht_find_request){
						.identifier = 7,
						.lan = puppet->addr,
						.target = target,
						.force_nodes = force_nodes,
					});
	say(puppet, to, &w);
}

void
net_store(struct net_node *puppet, struct net_node *to, const uint8_t *token,
	const uint8_t target[PEEL_DHT_KEY_LEN], const struct peel_dht_values *values)
{
	uint8_t buffer[PEEL_DATAGRAM_MAX];
	struct peel_writer w = begin(puppet, PEEL_MSG_DHT_STORE_REQUEST, buffer);

	peel_dht_store_request_write(&w, &(struct peel_dht_store_request){
						 .identifier = 8,
						 .token = token,
						 .target = target,
						 .values = *values,
					 });
	say(puppet, to, &w);
}

void
net_store_peer(struct net_node *puppet, struct net_node *to, const uint8_t *token,
	const uint8_t target[PEEL_DHT_KEY_LEN])
{
	uint8_t buffer[PEEL_DATAGRAM_MAX];
	struct peel_writer w = begin(puppet, PEEL_MSG_DHT_STORE_PEER_REQUEST, buffer);

	peel_dht_store_peer_request_write(
		&w, &(struct peel_dht_store_peer_request){
			    .identifier = 9, .token = token, .target = target});
	say(puppet, to, &w);
}

void
net_connect_peer(
	struct net_node *puppet, struct net_node *to, const uint8_t target[PEEL_DHT_KEY_LEN])
{
	uint8_t buffer[PEEL_DATAGRAM_MAX];
	struct peel_writer w = begin(puppet, PEEL_MSG_DHT_CONNECT_PEER_REQUEST, buffer);

	peel_dht_connect_peer_request_write(
		&w, &(struct peel_dht_connect_peer_request){
			    .identifier = 10, .lan = puppet->addr, .target = target});
	say(puppet, to, &w);
}

bool
net_found(struct net_node *puppet, struct peel_dht_find_response *out)
{
	const struct net_datagram *d = net_received(puppet, PEEL_MSG_DHT_FIND_RESPONSE);
	struct peel_signed s;

	if (d == NULL)
		return false;
	assert_int_equal(peel_signed_parse(d->data, d->len, false, false, &s), 0);
	assert_true(peel_signed_verify(&s));
	assert_int_equal(peel_dht_find_response_parse(s.body, out), 0);
	/* Its bytes stay where they are until the next datagram comes. */
	puppet->n_inbox = 0;
	return true;
}

void
net_token(struct net_node *puppet, struct net_node *to, uint8_t out[PEEL_DHT_TOKEN_LEN])
{
	struct peel_dht_find_response m;

	net_find(puppet, to, puppet->identity.mid, true);
	assert_true(net_found(puppet, &m));
	memcpy(out, m.token, PEEL_DHT_TOKEN_LEN);
}
