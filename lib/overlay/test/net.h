/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A network in memory: overlays joined by a message bus with a clock of its own, repeatable
 * randomness, delay and loss. A puppet is a node without an overlay: the test speaks for it and
 * reads what it received.
 */

#include "peel_pex.h"

#define NET_NODES 40
#define NET_INBOX 4096
#define NET_DATAGRAM 1280
#define NET_KEYS 12

struct net_datagram {
	struct peel_addr from, to;
	uint64_t due_ms;
	size_t len;
	uint8_t data[NET_DATAGRAM];
};

struct net;

struct net_node {
	struct net *net;
	struct peel_identity identity;
	struct peel_addr addr;
	struct peel_overlay *ov; /* NULL: a puppet */
	struct peel_pex *pex;	 /* NULL: none */
	/* seeder keys that it is introduction point for, under whatever info hash */
	uint8_t key[NET_KEYS][PEEL_PK_LEN];
	size_t n_keys;
	uint8_t listening[PEEL_PREFIX_LEN]; /* the last prefix wanted */
	size_t n_listening;
	struct peel_stats stats;
	struct peel_addr public_address; /* as told by the callback */
	uint64_t tick_at;
	unsigned int n_sent; /* datagrams sent by it */
	bool down;	     /* receives nothing and does not run */
	/* puppets only */
	struct net_datagram *inbox;
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
	uint8_t community[PEEL_N_COMMUNITIES][PEEL_COMMUNITY_LEN];
};

struct net *net_new(void);
void net_free(struct net *net);
/** Settings of a node at this address; change what the test needs before net_add(). */
struct peel_overlay_conf net_conf(struct net *net, const struct peel_addr *addr, uint16_t flags);
struct net_node *net_add(struct net *net, const struct peel_addr *addr,
	const struct peel_overlay_conf *conf /* NULL: a puppet */);
/** A puppet with a known key. */
struct net_node *net_puppet_with_key(
	struct net *net, const struct peel_addr *addr, const struct peel_identity *id);
/** Give a node PEX overlays. */
void net_pex(struct net_node *node, uint32_t max);
/** Make a node introduction point for a seeder with a key of this number. */
void net_introduces(struct net_node *node, uint32_t key);
/** The seeder key of this number. */
void net_seeder_key(uint32_t key, uint8_t out[PEEL_PK_LEN]);
void net_run(struct net *net, uint64_t ms);
void net_post(struct net *net, const struct peel_addr *from, const struct peel_addr *to,
	const uint8_t *data, size_t len);

/* Messages of puppets; each returns its length in @p out (NET_DATAGRAM bytes). */
size_t net_request(struct net *net, const struct peel_identity *id, enum peel_community c,
	bool new_style, const struct peel_intro_request *m, uint8_t *out);
size_t net_response(struct net *net, const struct peel_identity *id, enum peel_community c,
	bool new_style, const struct peel_intro_response *m, uint8_t *out);
/** Send from the puppet's own address a plain request (old style, over IPv6 new) with these
 * flags. */
void net_ask(struct net_node *puppet, const struct net_node *to, uint16_t flags);
/** The latest datagram with this id in the puppet's inbox, or NULL. */
const struct net_datagram *net_received(const struct net_node *puppet, uint8_t id);
size_t net_n_received(const struct net_node *puppet, uint8_t id);
/** Answer the latest introduction-request (either style) the puppet received, from address @p from,
 * saying that the asker is at @p seen (NULL: where it is). @return false when there was none. */
bool net_answer(struct net_node *puppet, const struct peel_addr *from, uint16_t flags,
	const struct peel_addr *seen);
bool net_is_candidate(const struct net_node *at, const struct net_node *of, uint16_t flags);

/* The usual situations: node 0 is the real one, at net_at(0, 1). */

/** 203.0.SUBNET.HOST:8090. */
struct peel_addr net_at(unsigned int subnet, unsigned int host);
struct net *net_with_one_node(uint16_t flags);
/** A puppet that asked node 0, was asked by it and answered. */
struct net_node *net_confirmed(struct net *net, const struct peel_addr *addr, uint16_t flags);
/** A counter of node 0. */
uint64_t net_counter(const struct net *net, enum peel_counter c);
