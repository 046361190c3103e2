/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Nodes on a message bus, for the tests of lib/or_circuit: fake clock, randomness that can be
 * dictated, and a worker of a few lines that does what lib/datapath does with one cell. Failures
 * end the test through cmocka.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "peel_handshake_queue.h"
#include "peel_or_circuit.h"
#include "peel_discovery.h"

#define MAX_SENT 64
#define MAX_TARGETS 16
#define MAX_HELPERS 4

struct packet {
	struct peel_addr to;
	size_t len;
	uint8_t data[PEEL_DATAGRAM_MAX];
};

struct gone {
	uint32_t session, endpoint;
};

struct node {
	struct peel_env env;
	uint64_t random_state;
	uint8_t script[256]; /* handed out first, by peel_random */
	size_t script_len, script_at;
	struct peel_addr addr;
	struct peel_identity id;
	struct peel_stats stats;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_or_circuits *circuits;
	struct peel_handshake_queue *handshake_queue; /* NULL: no helpers */
	pthread_t helper[MAX_HELPERS];
	unsigned int n_helpers; /* that run */

	struct packet sent[MAX_SENT]; /* not yet looked at */
	size_t n_sent;
	uint64_t sent_total;
	uint32_t limited_session; /* whose cell was sent last that may be held back, or PEEL_NONE */
	struct peel_target relays[MAX_TARGETS], exits[MAX_TARGETS], peers[MAX_TARGETS];
	size_t n_relays, n_exits, n_peers;
	bool strangers;			     /* nobody has answered the overlay */
	bool scarce;			     /* little may be sent */
	const struct peel_addr *banned_addr; /* NULL: none */
	const uint8_t *banned_pk;
	bool joins_wait; /* creates are not joined at once */
	int reach_result;
	bool reach_at_once; /* answer within the call */
	uint64_t reach_token;
	struct peel_addr reach_addr;
	unsigned int n_reach;
	struct gone gone[64];
	size_t n_gone;

	/* what the worker opened last at an exit */
	uint8_t message[PEEL_DATAGRAM_MAX];
	size_t message_len;
	int message_result;
	uint32_t session;
};

extern uint64_t world_now; /* ms */
uint64_t world_time(void *arg);
void world_prng(uint64_t *state, uint8_t *out, size_t len);
extern const uint8_t world_prefix[PEEL_PREFIX_LEN];

/* How many threads compute handshakes for each node: helpers_none.c, helpers_one.c, or the test
 * itself says it. */
extern const struct world_helpers {
	unsigned int n;
	bool late; /* they do not start before the test says so */
} world_helpers;
void node_start_helpers(struct node *n);
void node_stop_helpers(struct node *n);
/* Join all that wait. @return how many were joined. */
unsigned int node_join(struct node *n);

/* settings NULL: the defaults. sk NULL: a random identity. */
struct node *node_new(struct peel_addr addr, const uint8_t *sk,
	const struct peel_or_settings *settings, uint32_t max_sessions);
void node_free(struct node *n);
/* The next bytes that peel_random hands out. */
void node_script(struct node *n, const void *bytes, size_t len);
struct peel_target node_target(const struct node *n);
/* A datagram arrives at the worker or the control thread. Result of the control call, or 0. */
int node_input(struct node *n, const struct peel_addr *from, const uint8_t *data, size_t len);
/* The oldest datagram sent, removed; false when there is none. */
bool node_pop(struct node *n, struct packet *out);
uint64_t node_stat(const struct node *n, enum peel_counter c);
uint32_t node_route(const struct node *n, const struct peel_addr *from, uint32_t cid);
/* Let time pass with a tick every step. */
void node_run(struct node *n, uint64_t ms, uint64_t step);

/* ---- an originator made of lib/keys and lib/wire alone --------------------------------------- */

#define MAX_HOPS 4

struct originator {
	struct peel_env env;
	uint64_t random_state;
	struct peel_identity id;
	struct peel_addr addr, first;
	uint32_t cid;
	uint16_t identifier;
	uint8_t x_secret[32];
	uint8_t next_pk[PEEL_PK_LEN]; /* of the hop being added */
	struct peel_session_keys hop[MAX_HOPS];
	uint64_t counter[MAX_HOPS];
	unsigned int n_hops;
	struct peel_candidates candidates;
	uint8_t list[1024];
};

void originator_init(struct originator *o, struct peel_addr addr, uint64_t seed);
/* create for the first hop. @return length in out. */
size_t originator_create(
	struct originator *o, const struct node *first, uint32_t cid, uint8_t *out);
/* extend to pk by the last hop; address may be none. */
size_t originator_extend(
	struct originator *o, const uint8_t *pk, const struct peel_addr *address, uint8_t *out);
/* A message to the last hop. */
size_t originator_seal(
	struct originator *o, const uint8_t *msg, size_t len, bool early, uint8_t *out);
/* Message inside a sealed cell from the first hop; its length, or -EBADMSG. */
int originator_open(struct originator *o, const uint8_t *data, size_t len, uint8_t *msg);
/* created or extended: checks it and adds the hop. 0 or -errno. */
int originator_hop(struct originator *o, const uint8_t *msg, size_t len);
/* o's circuit of one hop: this node. A cell came over it. */
void exit_make(struct node *n, struct originator *o, uint32_t cid);
/* A cell that the worker has opened. */
void exit_use(struct node *n, const struct originator *o);
/* Have it extended to a node that does not exist: created is made up. @return the id towards
 * it. */
uint32_t relay_make(
	struct node *n, struct originator *o, const uint8_t *next_pk, struct peel_addr next);
/* A created with made-up content. */
size_t created_build(uint32_t cid, uint16_t identifier, uint8_t *out);
size_t destroy_build(const struct peel_identity *id, uint32_t cid, uint16_t reason, uint8_t *out);
size_t ping_build(uint16_t identifier, uint8_t *out);
