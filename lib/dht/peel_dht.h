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
	/** Has somebody at that address answered us? NULL: nobody has. */
	bool (*proved)(void *arg, const struct peel_addr *addr);
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

struct peel_dht_count {
	size_t nodes_ipv4, nodes_ipv6; /* in the routing tables */
	size_t values;		       /* stored for others */
	size_t peers;		       /* whose address we tell to others */
};
void peel_dht_count(const struct peel_dht *dht, struct peel_dht_count *out);
