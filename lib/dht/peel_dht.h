/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A node of the DHT overlay: it stores values and addresses of peers for others, tells them who is
 * closer to what they look for, and keeps a routing table of nodes that answer. A state machine
 * without I/O: fed datagrams and ticks, sends through a callback. Source: protocol sections 8.7 (3)
 * and 21. Thread: control, all of it, unless a function says otherwise.
 */

#include "peel_dhtmsg.h"
#include "peel_keys.h"
#include "peel_stats.h"

#define PEEL_DHT_NODE_ID_LEN 20

/** Node id, section 21.2: CRC-32 of the masked address (first 3 bytes), then the start of the mid.
 * Thread: any. */
void peel_dht_node_id(const struct peel_addr *addr, const uint8_t mid[PEEL_MID_LEN],
	uint8_t out[PEEL_DHT_NODE_ID_LEN]);

struct peel_dht;

struct peel_dht_conf {
	const struct peel_env *env; /* outlives the DHT, like the next two */
	const struct peel_identity *identity;
	struct peel_stats *stats; /* the control thread's block */
	uint8_t community[PEEL_COMMUNITY_LEN];
	/** Send from the main address; data is borrowed during the call. */
	void (*send)(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len);
	struct peel_addr lan; /* own local address: what NATs of neighbours in our network need */
	/** Has the node with that key answered us at that address? NULL: nobody has. */
	bool (*proved)(void *arg, const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN]);
	void *arg;
};

/** A node of the DHT. */
struct peel_dht_node {
	struct peel_addr addr;
	uint8_t pk[PEEL_PK_LEN];
	uint8_t id[PEEL_DHT_NODE_ID_LEN]; /* follows from both */
};

/** @param conf  copied; what its pointers name is borrowed until the end.
 *  @param out   to be freed with peel_dht_free(). 0 or -ENOMEM. */
int peel_dht_new(const struct peel_dht_conf *conf, struct peel_dht **out) PEEL_MUST_USE;
/** No callback runs any more. NULL is fine. */
void peel_dht_free(struct peel_dht *dht);

/** Others see us at that address now. Until the first call nobody enters the routing table, as our
 * place among the others is not known (section 21.3); after later ones nodes find new places in
 * it. */
void peel_dht_address(struct peel_dht *dht, const struct peel_addr *own);
/** A node of this overlay answered us at that address (peer discovery found it): ping it and let it
 * into the routing table, if there is room. */
void peel_dht_met(
	struct peel_dht *dht, const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN]);

/** A datagram with the DHT prefix and an id of section 21.1. 0 (also when it was dropped and
 * counted: by a limit, for a bad token, or as an answer nobody asked for), -ENOENT (another prefix
 * or id), -EBADMSG (malformed or unauthentic; counted). Sends; callbacks of what it answers run
 * inside. */
int peel_dht_input(
	struct peel_dht *dht, const struct peel_addr *from, const uint8_t *data, size_t len);
/** Serve time-outs and pings, and forget what is too old. @return milliseconds until the next call
 * is due. */
uint64_t peel_dht_tick(struct peel_dht *dht);

/** @p answered false: 5 s went by. */
typedef void (*peel_dht_ping_fn)(void *arg, uint64_t token, bool answered);
/** Ping a node; fn runs exactly once, later, from input or tick (never from inside this call),
 * unless the DHT is freed before. It may ping again. 0 or -ENOSPC (256 at a time). */
int peel_dht_ping(struct peel_dht *dht, const struct peel_addr *to, peel_dht_ping_fn fn, void *arg,
	uint64_t token) PEEL_MUST_USE;

/* ---- look-ups -------------------------------------------------------------------------------- */

/** How a look-up ended. Everything is borrowed during the callback. */
struct peel_dht_result {
	const uint8_t *target; /* PEEL_DHT_KEY_LEN bytes */
	/* the closest nodes that answered: up to 8 of IPv4, then up to 8 of IPv6, the closest of
	 * each first */
	const struct peel_dht_node *node;
	size_t n_nodes;
	unsigned int n_asked; /* nodes in all */
	/* of peel_dht_find: genuine ones, of each signer the newest */
	const struct peel_dht_value *value;
	size_t n_values;
	unsigned int n_stored; /* of peel_dht_store: nodes that said they did */
	/* of peel_dht_connect_peer: where that peer is; each has been asked to let us in */
	const struct peel_dht_node *peer;
	size_t n_peers;
};

typedef void (*peel_dht_done_fn)(void *arg, uint64_t token, const struct peel_dht_result *result);

/*
 * All of these ask step by step the nodes closest to the target (section 21.6), at most 24 of them,
 * 4 at a time, which takes from a few round trips to a minute. fn runs exactly once, later, from
 * input or tick (never from inside the call), unless the DHT is freed before; it may call anything
 * but peel_dht_free. Sixteen at a time. 0, -ENOSPC (too many), -EHOSTUNREACH (no node is known), or
 * what else is said.
 */

/** The closest nodes to a target. */
int peel_dht_find_nodes(struct peel_dht *dht, const uint8_t target[PEEL_DHT_KEY_LEN],
	peel_dht_done_fn fn, void *arg, uint64_t token) PEEL_MUST_USE;
/** The values under a key, of each node those after the first @p offset ones; what is stored here
 * counts. The closest node that did not have them gets them (21.6). After 9 s it ends with what it
 * has found by then, as who asks through a circuit waits for 10 (19). */
int peel_dht_find(struct peel_dht *dht, const uint8_t key[PEEL_DHT_KEY_LEN], uint32_t offset,
	peel_dht_done_fn fn, void *arg, uint64_t token) PEEL_MUST_USE;
/** Store once; others forget it after an hour. @p version 0: unsigned; else signed with our key,
 * where a higher one (time in seconds) replaces lower ones. -EMSGSIZE: the blob of section 21.7
 * would be longer than 170 bytes, which leaves 169 for data, 23 when signed. */
int peel_dht_store(struct peel_dht *dht, const uint8_t key[PEEL_DHT_KEY_LEN], struct peel_span data,
	uint32_t version, peel_dht_done_fn fn, void *arg, uint64_t token) PEEL_MUST_USE;
/** Where the peer with a member id is, and make it reachable for us (21.9). */
int peel_dht_connect_peer(struct peel_dht *dht, const uint8_t mid[PEEL_MID_LEN],
	peel_dht_done_fn fn, void *arg, uint64_t token) PEEL_MUST_USE;
/** Nobody waits any more for look-ups of that target that were begun with these: they end without a
 * word, and leave their places to others. May be called from a callback. */
void peel_dht_cancel(struct peel_dht *dht, const uint8_t target[PEEL_DHT_KEY_LEN],
	peel_dht_done_fn fn, const void *arg);

/* ---- what is kept up ------------------------------------------------------------------------- */

/** Store from the next tick on, and again every 30 minutes, until withdrawn; after a failure, a
 * minute later. @p id is for peel_dht_withdraw(). 0, -EMSGSIZE, -ENOSPC (1,024 at a time). */
int peel_dht_publish(struct peel_dht *dht, const uint8_t key[PEEL_DHT_KEY_LEN],
	struct peel_span data, uint32_t version, uint32_t *id) PEEL_MUST_USE;
/** Others keep it for up to an hour. Unknown ids are ignored. */
void peel_dht_withdraw(struct peel_dht *dht, uint32_t id);
/** From now on at least four nodes tell others where we are, so that peel_dht_connect_peer() of
 * anybody finds us; or, when off, nobody is asked to any more. */
void peel_dht_store_peer(struct peel_dht *dht, bool on);

/* ---- over a restart -------------------------------------------------------------------------- */

#define PEEL_DHT_STATE_NODES 512 /* as many as the routing tables hold */
#define PEEL_DHT_STATE_MAX 49152 /* bytes */

/** The nodes of the routing tables as bytes; @p sequence tells an older state from a newer one.
 * @return the length. */
size_t peel_dht_save(
	const struct peel_dht *dht, uint64_t sequence, uint8_t out[PEEL_DHT_STATE_MAX]);
/** Whether these bytes begin with a whole state, and its sequence. 0 or -EBADMSG. */
int peel_dht_state_sequence(const uint8_t *data, size_t len, uint64_t *sequence) PEEL_MUST_USE;
/** Ask the nodes of a state, as if they had come by themselves: those that answer enter the routing
 * tables. What is behind the state is ignored. 0, -ENOMEM; -EBADMSG: not a whole state, and nothing
 * is taken of it. */
int peel_dht_load(struct peel_dht *dht, const uint8_t *data, size_t len) PEEL_MUST_USE;

/* ---- status ---------------------------------------------------------------------------------- */

struct peel_dht_count {
	size_t nodes_ipv4, nodes_ipv6; /* in the routing tables */
	size_t values;		       /* stored for others */
	size_t peers;		       /* whose address we tell to others */
	size_t storers;		       /* that tell others ours */
	size_t published;	       /* values of our own */
	size_t lookups;		       /* under way */
	size_t remembered;	       /* nodes of an earlier state, not asked yet */
};
void peel_dht_count(const struct peel_dht *dht, struct peel_dht_count *out);
