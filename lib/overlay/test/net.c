/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "net.h"

static uint64_t
net_now(void *arg)
{
	return ((struct net *)arg)->now;
}

static void
net_random(void *arg, void *out, size_t len)
{
	struct net *net = arg;
	uint8_t *p = out;

	for (size_t i = 0; i < len; i++) {
		net->random ^= net->random << 13;
		net->random ^= net->random >> 7;
		net->random ^= net->random << 17;
		p[i] = (uint8_t)(net->random >> 32);
	}
}

static void
die(const char *what)
{
	fprintf(stderr, "test network: %s\n", what);
	exit(99);
}

struct net *
net_new(void)
{
	struct net *net = calloc(1, sizeof(*net));

	if (net == NULL || peel_keys_init() != 0)
		die("no memory");
	net->env = (struct peel_env){.now_ms = net_now, .random = net_random, .arg = net};
	net->now = 1000000;
	net->random = 0x9e3779b97f4a7c15u;
	net->delay_ms = 20;
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++)
		memset(net->community[c], 0xc0 + (int)c, PEEL_COMMUNITY_LEN);
	return net;
}

void
net_free(struct net *net)
{
	for (size_t i = 0; i < net->n_nodes; i++) {
		peel_pex_free(net->node[i].pex);
		peel_overlay_free(net->node[i].ov);
		free(net->node[i].inbox);
	}
	free(net->queue);
	free(net);
}

void
net_post(struct net *net, const struct peel_addr *from, const struct peel_addr *to,
	const uint8_t *data, size_t len)
{
	if (net->loss > 0 && peel_random_below(&net->env, 100) < net->loss)
		return;
	if (len > NET_DATAGRAM)
		die("long datagram");
	if (net->first + net->n_queue == net->size) {
		if (net->first > 0)
			memmove(net->queue, net->queue + net->first,
				net->n_queue * sizeof(*net->queue));
		net->first = 0;
		if (net->n_queue * 2 >= net->size) {
			net->size = net->size * 2 + 64;
			net->queue = realloc(net->queue, net->size * sizeof(*net->queue));
			if (net->queue == NULL)
				die("no memory");
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

static void
node_public_changed(void *arg, const struct peel_addr *address)
{
	((struct net_node *)arg)->public_address = *address;
}

struct peel_overlay_conf
net_conf(struct net *net, const struct peel_addr *addr, uint16_t flags)
{
	struct peel_overlay_conf conf = {
		.env = &net->env,
		.flags = flags,
		.max_peers = -1,
		.walk_target = 5,
		.lan = *addr,
		.send = node_send,
		.public_changed = node_public_changed,
	};

	memcpy(conf.community, net->community, sizeof(conf.community));
	return conf;
}

struct net_node *
net_add(struct net *net, const struct peel_addr *addr, const struct peel_overlay_conf *conf)
{
	if (net->n_nodes == NET_NODES)
		die("too many nodes");
	struct net_node *node = &net->node[net->n_nodes++];

	node->net = net;
	node->addr = *addr;
	if (peel_identity_generate(&net->env, &node->identity) != 0)
		die("no identity");
	if (conf == NULL) {
		node->inbox = calloc(NET_INBOX, sizeof(*node->inbox));
		if (node->inbox == NULL)
			die("no memory");
		return node;
	}
	struct peel_overlay_conf own = *conf;

	own.identity = &node->identity;
	own.stats = &node->stats;
	own.arg = node;
	if (peel_overlay_new(&own, &node->ov) != 0)
		die("no overlay");
	return node;
}

struct net_node *
net_puppet_with_key(struct net *net, const struct peel_addr *addr, const struct peel_identity *id)
{
	struct net_node *node = net_add(net, addr, NULL);

	node->identity = *id;
	return node;
}

/* ---- PEX overlays ---------------------------------------------------------------------------- */

static void
node_keys(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN], struct peel_pex_keys *out)
{
	const struct net_node *node = arg;

	(void)info_hash;
	out->n = 0;
	for (size_t i = 0; i < node->n_keys && i < PEEL_PEX_KEYS_MAX; i++)
		out->key[out->n++] = (struct peel_span){node->key[i], PEEL_PK_LEN};
}

static void
node_listen(void *arg, const uint8_t prefix[PEEL_PREFIX_LEN], bool on)
{
	struct net_node *node = arg;

	memcpy(node->listening, prefix, PEEL_PREFIX_LEN);
	node->n_listening += on ? 1 : (size_t)-1;
}

void
net_pex(struct net_node *node, uint32_t max)
{
	const struct peel_pex_conf conf = {.overlay = node->ov,
		.max = max,
		.keys = node_keys,
		.listen = node_listen,
		.arg = node};

	if (peel_pex_new(&conf, &node->pex) != 0)
		die("no PEX overlays");
}

void
net_seeder_key(uint32_t key, uint8_t out[PEEL_PK_LEN])
{
	memset(out, 0x5e, PEEL_PK_LEN);
	memcpy(out, "LibNaCLPK:", 10);
	peel_put_be32(out + 10, key);
}

void
net_introduces(struct net_node *node, uint32_t key)
{
	net_seeder_key(key, node->key[node->n_keys++]);
}

/* ---- the bus --------------------------------------------------------------------------------- */

static void
deliver(struct net *net, const struct net_datagram *d)
{
	for (size_t i = 0; i < net->n_nodes; i++) {
		struct net_node *node = &net->node[i];

		if (!peel_addr_equal(&node->addr, &d->to) || node->down)
			continue;
		if (node->ov == NULL) {
			if (node->n_inbox < NET_INBOX)
				node->inbox[node->n_inbox++] = *d;
			continue;
		}
		/* Exact-size block: a sanitizer sees one byte too far. */
		uint8_t *copy = malloc(d->len > 0 ? d->len : 1);

		if (copy == NULL)
			die("no memory");
		memcpy(copy, d->data, d->len);
		if (peel_overlay_input(node->ov, &d->from, copy, d->len) == -ENOENT &&
			node->pex != NULL)
			(void)peel_pex_input(node->pex, &d->from, copy, d->len);
		free(copy);
	}
}

void
net_run(struct net *net, uint64_t ms)
{
	uint64_t end = net->now + ms;

	for (; net->now < end; net->now += 10) {
		while (net->n_queue > 0 && net->queue[net->first].due_ms <= net->now) {
			struct net_datagram d = net->queue[net->first++];

			net->n_queue--;
			deliver(net, &d);
		}
		for (size_t i = 0; i < net->n_nodes; i++) {
			struct net_node *node = &net->node[i];

			if (node->ov == NULL || node->down || net->now < node->tick_at)
				continue;
			node->tick_at = net->now + peel_overlay_tick(node->ov);
			if (node->pex != NULL)
				(void)peel_pex_tick(node->pex);
		}
	}
}

/* ---- puppets --------------------------------------------------------------------------------- */

static struct peel_writer
begin(struct net *net, const struct peel_identity *id, enum peel_community c, uint8_t msg,
	uint8_t *out)
{
	struct peel_writer w = peel_writer_init(out, NET_DATAGRAM);
	uint8_t prefix[PEEL_PREFIX_LEN];

	peel_prefix_build(prefix, net->community[c]);
	peel_signed_begin(&w, prefix, msg, id->pk, true, 7);
	return w;
}

static size_t
finish(struct peel_writer *w, const struct peel_identity *id)
{
	peel_sign(w, id);
	int len = peel_writer_len(w);

	if (len < 0)
		die("message too long");
	return (size_t)len;
}

size_t
net_request(struct net *net, const struct peel_identity *id, enum peel_community c, bool new_style,
	const struct peel_intro_request *m, uint8_t *out)
{
	struct peel_writer w = begin(
		net, id, c, new_style ? PEEL_MSG_INTRO_REQUEST_NEW : PEEL_MSG_INTRO_REQUEST, out);

	peel_intro_request_write(&w, new_style, m);
	return finish(&w, id);
}

size_t
net_response(struct net *net, const struct peel_identity *id, enum peel_community c, bool new_style,
	const struct peel_intro_response *m, uint8_t *out)
{
	struct peel_writer w = begin(
		net, id, c, new_style ? PEEL_MSG_INTRO_RESPONSE_NEW : PEEL_MSG_INTRO_RESPONSE, out);

	peel_intro_response_write(&w, new_style, m);
	return finish(&w, id);
}

void
net_ask(struct net_node *puppet, const struct net_node *to, uint16_t flags)
{
	uint8_t extra[2], out[NET_DATAGRAM];
	struct peel_intro_request m = {
		.dest = to->addr,
		.src_lan = puppet->addr,
		.src_wan = puppet->addr,
		.identifier = peel_random_u16(&puppet->net->env),
		.bits = PEEL_BITS_ADVICE,
		.extra = {extra, 2},
	};

	peel_put_be16(extra, flags);
	net_post(puppet->net, &puppet->addr, &to->addr, out,
		net_request(puppet->net, &puppet->identity, PEEL_COMMUNITY_TUNNEL,
			to->addr.family == PEEL_FAMILY_IPV6, &m, out));
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

size_t
net_n_received(const struct net_node *puppet, uint8_t id)
{
	size_t n = 0;

	for (size_t i = 0; i < puppet->n_inbox; i++)
		n += puppet->inbox[i].data[PEEL_PREFIX_LEN] == id;
	return n;
}

bool
net_answer(struct net_node *puppet, const struct peel_addr *from, uint16_t flags,
	const struct peel_addr *seen)
{
	const struct net_datagram *d = net_received(puppet, PEEL_MSG_INTRO_REQUEST);
	struct peel_intro_request request;
	uint8_t extra[2], out[NET_DATAGRAM];
	struct peel_signed s;
	bool new_style = false;

	if (d == NULL) {
		d = net_received(puppet, PEEL_MSG_INTRO_REQUEST_NEW);
		new_style = true;
	}
	if (d == NULL || peel_signed_parse(d->data, d->len, true, false, &s) != 0 ||
		peel_intro_request_parse(s.body, new_style, &request) != 0)
		return false;
	struct peel_intro_response m = {
		.dest = seen != NULL ? *seen : d->from,
		.src_lan = puppet->addr,
		.src_wan = puppet->addr,
		.identifier = request.identifier,
		.extra = {extra, 2},
	};
	enum peel_community c = PEEL_COMMUNITY_TUNNEL;

	while (memcmp(d->data + 2, puppet->net->community[c], PEEL_COMMUNITY_LEN) != 0)
		c++;
	if (c != PEEL_COMMUNITY_TUNNEL)
		m.extra.len = 0;
	peel_put_be16(extra, flags);
	net_post(puppet->net, from, &d->from, out,
		net_response(puppet->net, &puppet->identity, c, new_style, &m, out));
	return true;
}

bool
net_is_candidate(const struct net_node *at, const struct net_node *of, uint16_t flags)
{
	struct peel_peer peers[NET_NODES];
	size_t n = peel_overlay_candidates(at->ov, flags, 0, peers, NET_NODES);

	for (size_t i = 0; i < n; i++) {
		if (memcmp(peers[i].pk, of->identity.pk, PEEL_PK_LEN) == 0)
			return true;
	}
	return false;
}

/* ---- the usual situations -------------------------------------------------------------------- */

struct peel_addr
net_at(unsigned int subnet, unsigned int host)
{
	return peel_addr_ipv4(203, 0, (uint8_t)subnet, (uint8_t)host, 8090);
}

struct net *
net_with_one_node(uint16_t flags)
{
	struct net *net = net_new();
	struct peel_addr addr = net_at(0, 1);
	struct peel_overlay_conf conf = net_conf(net, &addr, flags);

	net_add(net, &addr, &conf);
	return net;
}

struct net_node *
net_confirmed(struct net *net, const struct peel_addr *addr, uint16_t flags)
{
	struct net_node *p = net_add(net, addr, NULL);

	net_ask(p, &net->node[0], flags);
	net_run(net, 100);
	if (!net_answer(p, addr, flags, NULL))
		die("a puppet was not asked");
	net_run(net, 100);
	if (!net_is_candidate(&net->node[0], p, flags))
		die("a puppet that answered is no candidate");
	return p;
}

uint64_t
net_counter(const struct net *net, enum peel_counter c)
{
	return peel_stats_get(&net->node[0].stats, c);
}
