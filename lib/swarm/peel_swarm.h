/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The hidden services that this node itself uses: as seeder, which offers a service, and as
 * downloader, which connects to one. A *swarm* is whoever seeds and downloads under one info hash.
 * A state machine without I/O on top of lib/origin_circuit: fed messages, datagrams and ticks, it
 * builds circuits, and says which of them lead to a peer. Source: protocol sections 14.8, 14.9, 15,
 * 19.2 to 19.6; weaknesses W2, W5, W12, W13 of 27. Thread: control, all of it.
 */

#include "peel_hidden_msg.h"
#include "peel_origin_circuit.h"

#define PEEL_SWARMS_MAX 256

/** The protocol's settings under their own names (section 23). */
struct peel_swarm_settings {
	uint32_t lookup_interval;  /* seconds between two look-ups of a swarm */
	uint32_t connection_limit; /* end-to-end circuits that a downloader has in a swarm */
};
/** The protocol's defaults. */
void peel_swarm_settings_init(struct peel_swarm_settings *s);

struct peel_swarms_conf {
	const struct peel_env *env;
	struct peel_stats *stats;
	struct peel_origin_circuits *origin_circuits;
	uint8_t prefix[PEEL_PREFIX_LEN]; /* of the tunnel overlay */
	struct peel_swarm_settings settings;
	const struct peel_identity *identity; /* the node's own, which is no seeder key */

	/**
	 * A peer can be talked to through this end-to-end circuit from now on, or no more. Exactly
	 * one false follows each true, also when the swarm is left; none when all are freed. It
	 * must not call back into the library.
	 */
	void (*peer)(void *arg, uint32_t swarm, peel_origin_id circuit, bool connected);
	void *arg;
};

struct peel_swarms;

/** 0, -EINVAL or -ENOMEM. */
int peel_swarms_new(const struct peel_swarms_conf *conf, struct peel_swarms **out) PEEL_MUST_USE;
/** Forget all swarms; their circuits are left to lib/origin_circuit, which must outlive this. NULL
 * is fine. */
void peel_swarms_free(struct peel_swarms *s);

struct peel_swarm_spec {
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	unsigned int
		hops; /* of a DATA circuit; introduction and rendezvous circuits derive from it */
	bool seed, find; /* offer the service, look for others who do; at least one */
	const struct peel_identity *key; /* the seeder key, copied; NULL: a fresh one */
};
/**
 * Join a swarm. With both seed and find, two nodes that do the same find each other; a node never
 * connects to its own seeder key. 0; -EINVAL: hops is 0 or more than circuits of one hop more
 * allow, or neither seed nor find; -EEXIST: the info hash is joined already; -ENOSPC: too many
 * swarms, or too few circuits for one more, which needs one to be found and one to find;
 * -EKEYREJECTED: the key is the node's own or another swarm's, so that everybody could see that
 * they belong together; -ENOMEM. @p swarm then names the swarm; it is never 0 and not used again.
 */
int peel_swarm_join(
	struct peel_swarms *s, const struct peel_swarm_spec *spec, uint32_t *swarm) PEEL_MUST_USE;
/** Leave a swarm: its circuits are closed with destroys, its keys wiped, and peers are gone. 0 or
 * -ENOENT. */
int peel_swarm_leave(struct peel_swarms *s, uint32_t swarm);

/**
 * Take a message (id and body) that came out of an origin circuit and that peel_origin_message()
 * does not know: intro-established, rendezvous-established, linked-e2e, peers-response. 0; -ENOENT:
 * another message, or no circuit of a swarm; -EBADMSG: refused (counted by reason).
 */
int peel_swarms_message(struct peel_swarms *s, peel_origin_id id, const uint8_t *msg, size_t len);
/** Take a datagram of the tunnel overlay that came as data out of an origin circuit: created-e2e,
 * peers-response, create-e2e. @p origin: who sent it, as the circuit's end says. Results as
 * above. */
int peel_swarms_datagram(struct peel_swarms *s, peel_origin_id id, const struct peel_host *origin,
	const uint8_t *data, size_t len);
/** What lib/origin_circuit says of a circuit, whosever it is. Only noted: may be called from its
 * callbacks. */
void peel_swarms_circuit_ready(struct peel_swarms *s, peel_origin_id id);
void peel_swarms_circuit_ended(struct peel_swarms *s, peel_origin_id id);
/**
 * Something came through the end-to-end layer of this circuit. A seeder is not told of the link
 * (section 19.5), so the first thing that comes tells it that the peer is there; ticks notice it,
 * too, within 50 ms. Call it for data of an end-to-end circuit of which `peer` has not been called.
 * @return whether it is a peer's circuit, of which `peer` has now been called.
 */
bool peel_swarms_heard(struct peel_swarms *s, peel_origin_id id);

/** Do what is due, and what was noted since. Cheap if that is nothing: call it after each round in
 * which something came for origin circuits. @return milliseconds until the next call, at most
 * 1000. */
uint64_t peel_swarms_tick(struct peel_swarms *s);

struct peel_swarm_info {
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	unsigned int hops;
	bool seed, find;
	uint8_t seeder_pk[PEEL_PK_LEN]; /* zeroes without seed */
	uint32_t introductions;		/* established, of our own */
	uint32_t known;			/* introduction points of others */
	uint32_t seeders;      /* different ones among those known or connected: an estimate */
	uint32_t connections;  /* peers, both those we found and those that found us */
	uint32_t pending;      /* connections being made */
	uint64_t looked_up_ms; /* since the last look-up was begun; UINT64_MAX: none yet */
	uint64_t connected, refused; /* so far: peers; create-e2e refused by a limit */
};
/** Describe a swarm. 0 or -ENOENT. */
int peel_swarm_info(
	const struct peel_swarms *s, uint32_t swarm, struct peel_swarm_info *out) PEEL_MUST_USE;
/** Call fn for every swarm, for the status. */
void peel_swarm_dump(const struct peel_swarms *s,
	void (*fn)(void *arg, uint32_t swarm, const struct peel_swarm_info *info), void *arg);
/** Which swarm the circuit belongs to, whether it leads to a peer. @return 0: to none. */
uint32_t peel_swarm_of_circuit(const struct peel_swarms *s, peel_origin_id id, bool *peer);
