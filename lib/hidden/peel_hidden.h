/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What this node does for hidden services of others: it is their introduction point and their
 * rendezvous point, and says where a service has introduction points. A state machine without I/O
 * on top of lib/or_circuit: fed opened messages and datagrams, it answers over circuits and through
 * callbacks. Source: protocol sections 14.8, 14.9, 19, 20; weaknesses W7, W12 of 27. Thread:
 * control, all of it.
 */

#include "peel_dhtmsg.h"
#include "peel_hidden_msg.h"
#include "peel_or_circuit.h"

/** Seeder keys registered at a time, at most: as many as lib/dht publishes. */
#define PEEL_HIDDEN_INTRODUCTIONS_MAX 1024

struct peel_hidden_conf {
	const struct peel_env *env;
	const struct peel_identity *identity;
	struct peel_stats *stats;
	struct peel_or_circuits *or_circuits;
	uint32_t max_joined_circuits;	 /* bounds what can be promised to circuits */
	uint8_t prefix[PEEL_PREFIX_LEN]; /* of the tunnel overlay */

	/** Send from the main address. */
	void (*send)(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len);
	/** Where others reach this node. false: not known, and then nothing is offered. */
	bool (*public_address)(void *arg, struct peel_addr *out);
	/*
	 * The DHT. All may be NULL; withdraw only together with announce, and cancel with look_up.
	 */
	/** Somebody is reachable here: tell others, until withdrawn. last_seen is for the caller to
	 * fill in. 0, or negative errno: tried again later. */
	int (*announce)(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
		const struct peel_dht_introduction *here, uint32_t *id);
	void (*withdraw)(void *arg, uint32_t id);
	/** Find introduction points. 0: peel_hidden_found() and peel_hidden_addresses() may be
	 * called later, any number of times, then peel_hidden_searched(); or negative errno. */
	int (*look_up)(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);
	/** Nobody waits for that look-up any more: nothing more is to be told. */
	void (*cancel)(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);
	/** May a node at that address, which somebody in a DHT has named, be sent a question? NULL:
	 * none may. */
	bool (*may_ask)(void *arg, const struct peel_addr *addr);
	/*
	 * PEX overlays, section 20. All three may be NULL.
	 */
	/** This node is introduction point for an info hash: take part in its overlay, until
	 * pex_stop. -EINVAL: it can have none; other errors do not matter. */
	int (*pex_start)(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);
	void (*pex_stop)(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);
	/** What others in that overlay introduce. @return how many. */
	size_t (*pex_list)(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
		struct peel_dht_introduction out[PEEL_PEX_LIST_MAX]);
	void *arg;
};

struct peel_hidden;

int peel_hidden_new(const struct peel_hidden_conf *conf, struct peel_hidden **out) PEEL_MUST_USE;
/** NULL is fine. */
void peel_hidden_free(struct peel_hidden *h);

/**
 * A message (id and body) that a worker opened at an exit's end of session. 0: done; -ENOENT: an id
 * that is not handled here; -EBADMSG: refused, and counted.
 */
int peel_hidden_message(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *msg, size_t len);

/** A datagram to the main port with the tunnel overlay's prefix. Results as above. */
int peel_hidden_datagram(
	struct peel_hidden *h, const struct peel_addr *from, const uint8_t *data, size_t len);

/**
 * A data message (id and body) of an exit to one of this machine's addresses, with a datagram of
 * the tunnel overlay that passes the policy: it goes to a service introduced here, or back to who
 * asked for it. -ENOENT: neither is at that address; other results as above.
 */
int peel_hidden_inside(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *msg, size_t len);

/*
 * What a look-up tells, in any number of pieces. What nobody looks up, or waits for any more, is
 * ignored.
 */
/** Introduction points. Of more than PEEL_PEERS_MAX, those to tell are drawn. */
void peel_hidden_found(struct peel_hidden *h, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *point, size_t n);
/** Addresses at which there may be introduction points: they are asked for their keys (14.9), as
 * far as the limits allow. */
void peel_hidden_addresses(struct peel_hidden *h, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_addr *addr, size_t n);
/** There is nothing more to come. */
void peel_hidden_searched(struct peel_hidden *h, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);

/** Become introduction point of no more services, or (false) of all that ask again. Those that are
 * introduced here stay so. */
void peel_hidden_drain(struct peel_hidden *h, bool drain);

/** The end of a circuit is none any more (exit_gone of lib/or_circuit). */
void peel_hidden_exit_gone(struct peel_hidden *h, uint32_t session);

/** The seeder keys registered here under an info hash, any PEEL_PEX_KEYS_MAX of them. They are
 * borrowed until the next call that changes something. */
void peel_hidden_keys(const struct peel_hidden *h, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	struct peel_pex_keys *out);

/** Forget what is due. @return milliseconds until it wants to be called again. */
uint64_t peel_hidden_tick(struct peel_hidden *h);

struct peel_hidden_count {
	bool offered;		/* false: the own public address is not known */
	uint32_t introductions; /* seeder keys registered here */
	uint32_t announced;	/* of these, in the DHT */
	uint32_t rendezvous;	/* cookies that wait for their link */
	uint32_t searches;	/* info hashes being looked up in the DHT */
	uint32_t asked;		/* addresses from the DHT that have not answered yet */
};
/** Whether the circuit with that session waits here as a rendezvous that is not joined yet. */
bool peel_hidden_waits(const struct peel_hidden *h, uint32_t session);
void peel_hidden_count(const struct peel_hidden *h, struct peel_hidden_count *out);
