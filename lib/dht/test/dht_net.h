/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A network in memory: nodes of the DHT joined by a message bus with a clock of its own, repeatable
 * randomness, delay and loss. A puppet has an address and a key, and the test speaks for it.
 */

#include "dht_internal.h"

#define NET_NODES 128
#define NET_INBOX 256

struct net_datagram {
	struct peel_addr from, to;
	uint64_t due_ms;
	size_t len;
	uint8_t data[PEEL_DATAGRAM_MAX];
};

struct net;

struct net_node {
	struct net *net;
	struct peel_identity identity;
	struct peel_addr addr;
	struct peel_dht *dht; /* NULL: a puppet */
	struct peel_stats stats;
	unsigned int n_sent;
	bool down;		    /* receives nothing and does not run */
	bool proved;		    /* every node is told that this one answered it */
	struct net_datagram *inbox; /* of a puppet */
	size_t n_inbox;
};

struct net {
	struct peel_env env;
	uint64_t now, random;
	struct net_node node[NET_NODES];
	size_t n_nodes;
	struct net_datagram *queue; /* in order of sending, which is the order of arrival */
	size_t first, n_queue, size;
	unsigned int loss; /* percent */
	unsigned int delay_ms;
	uint8_t community[PEEL_COMMUNITY_LEN];
	uint8_t prefix[PEEL_PREFIX_LEN];
};

/** Delay 20 ms, no loss, the community of the vectors. */
struct net *net_new(void);
void net_free(struct net *net);
/** 203.0.SUBNET.HOST:8090. */
struct peel_addr net_at(unsigned int subnet, unsigned int host);
/** A node that knows its own address. */
struct net_node *net_add(struct net *net, struct peel_addr addr);
struct net_node *net_puppet(struct net *net, struct peel_addr addr);
/** With a key of keys.json. */
struct net_node *net_named(struct net *net, const char *who, struct peel_addr addr, bool puppet);
/** Deliver, tick every 250 ms. */
void net_run(struct net *net, uint64_t ms);
/** Deliver at once what is under way, and what it leads to. */
void net_settle(struct net *net);
void net_post(struct net *net, const struct peel_addr *from, const struct peel_addr *to,
	const uint8_t *data, size_t len);
/** They become entries of each other's routing tables. */
void net_introduce(struct net *net, struct net_node *a, struct net_node *b);
/** The latest datagram with this id in a puppet's inbox, or NULL. */
const struct net_datagram *net_received(const struct net_node *puppet, uint8_t id);
uint64_t net_counter(const struct net_node *node, enum peel_counter c);

/* What a puppet says; each is signed with its key and sent from its address at once. The answer, if
 * there is one, is in its inbox afterwards; pings that came are answered. */
void net_ping(struct net_node *puppet, struct net_node *to, uint32_t identifier);
void net_find(struct net_node *puppet, struct net_node *to, const uint8_t target[PEEL_DHT_KEY_LEN],
	bool force_nodes);
void net_store(struct net_node *puppet, struct net_node *to, const uint8_t *token,
	const uint8_t target[PEEL_DHT_KEY_LEN], const struct peel_dht_values *values);
void net_store_peer(struct net_node *puppet, struct net_node *to, const uint8_t *token,
	const uint8_t target[PEEL_DHT_KEY_LEN]);
void net_connect_peer(
	struct net_node *puppet, struct net_node *to, const uint8_t target[PEEL_DHT_KEY_LEN]);
/** The answer to the puppet's last find; it is taken out of the inbox. False: there was none. */
bool net_found(struct net_node *puppet, struct peel_dht_find_response *out);
/** Find nodes, and take the token out of the answer. */
void net_token(struct net_node *puppet, struct net_node *to, uint8_t out[PEEL_DHT_TOKEN_LEN]);
