/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What a DHT must offer in which services are looked up and announced: the interface of
 * drivers/dht, and of what a program brings along (lib/peel). Source: protocol sections 19.2, 19.3,
 * 21.8 and 21.9. Thread: control, unless something else is said.
 */

#include "peel_dhtmsg.h"
#include "peel_hidden_msg.h"

struct peel_dht;

/** What a provider gets. It copies the structure; what it points to outlives the provider. */
struct peel_provider_conf {
	const struct peel_env *env;
	struct peel_dht *dht; /* this node's part in IPv8's DHT */
	/* settings of the mainline driver; empty lists are possible */
	const char *listen, *bootstrap;
	const void *program; /* a struct peel_dht_provider of the program, or NULL */

	/** Call tick() soon. Thread: any. */
	void (*wake)(void *arg);
	/*
	 * What a look-up has found, in any number of pieces, none of them from inside look_up().
	 * Pieces for other info hashes than those looked up are ignored.
	 */
	/** Introduction points. */
	void (*found)(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
		const struct peel_dht_introduction *point, size_t n);
	/** Addresses at which introduction points can be asked for. */
	void (*addresses)(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
		const struct peel_addr *addr, size_t n);
	/** That was all. */
	void (*ended)(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);
	/** Where the peer with a member id is; NULL: not found. Not from inside find_peer(). */
	void (*peer)(void *arg, const uint8_t mid[PEEL_MID_LEN], const struct peel_addr *addr);
	void *arg; /* of all these */
};

struct peel_provider_count {
	size_t nodes;	  /* of the DHT that we know */
	size_t lookups;	  /* under way */
	size_t announced; /* services that we have told it of */
};

struct peel_provider_ops {
	const char *name;
	/** Milliseconds after which an announcement is repeated; 0: the provider sees to that
	 * itself, and has withdraw(). */
	uint32_t repeat_ms;
	/** 0, or -errno, perhaps with advice in @p why. */
	int (*open)(const struct peel_provider_conf *conf, void **self, char *why, size_t why_size);
	/** None of the callbacks runs any more. */
	void (*close)(void *self);
	/** Do what is due. @return milliseconds until the next call is due. May be NULL. */
	uint64_t (*tick)(void *self);
	/** Find introduction points, or addresses. 0: ended() follows, unless it is cancelled;
	 * negative errno: it does not. */
	int (*look_up)(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);
	/** Nobody waits for it any more. */
	void (*cancel)(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);
	/** Tell the DHT of an introduction point; last_seen is for the provider to fill in. 0 or
	 * negative errno. @p id is for withdraw(). */
	int (*announce)(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
		const struct peel_dht_introduction *point, uint32_t *id);
	void (*withdraw)(void *self, uint32_t id);
	/** Find a peer by its member id. 0: peer() follows; negative errno: it does not. May be
	 * NULL. */
	int (*find_peer)(void *self, const uint8_t mid[PEEL_MID_LEN]);
	/** For the status. May be NULL. */
	void (*count)(void *self, struct peel_provider_count *out);
};
