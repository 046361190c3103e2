/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The DHT overlay as far as a relay needs it: answers ping-requests and pings nodes before circuits
 * are extended to them. A state machine without I/O. Source: protocol sections 8.7
 * (3), 21.1, 21.4, 21.9. Thread: control, all of it.
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
	const struct peel_env *env;
	const struct peel_identity *identity;
	struct peel_stats *stats;
	uint8_t community[PEEL_COMMUNITY_LEN];
	void (*send)(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len);
	/* Has somebody at that address answered us? NULL: nobody has. */
	bool (*proved)(void *arg, const struct peel_addr *addr);
	void *arg;
};

int peel_dht_new(const struct peel_dht_conf *conf, struct peel_dht **out) PEEL_MUST_USE;
void peel_dht_free(struct peel_dht *dht);

/** A datagram with the DHT prefix and an id of section 21.1. 0 (also when it was dropped and
 * counted by a limit or as an answer nobody asked for), -ENOENT (another id), -EBADMSG. */
int peel_dht_input(
	struct peel_dht *dht, const struct peel_addr *from, const uint8_t *data, size_t len);
/** @return milliseconds until it wants to be called again. */
uint64_t peel_dht_tick(struct peel_dht *dht);

/** @p answered false: 5 s went by. */
typedef void (*peel_dht_ping_fn)(void *arg, uint64_t token, bool answered);
/** Ping a node; fn runs exactly once, later, from input or tick (never from inside this call),
 * unless the DHT is freed before. It may ping again. 0 or -ENOSPC (256 at a time). */
int peel_dht_ping(struct peel_dht *dht, const struct peel_addr *to, peel_dht_ping_fn fn, void *arg,
	uint64_t token) PEEL_MUST_USE;
