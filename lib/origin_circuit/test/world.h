/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A client with lib/origin_circuit among relays of lib/or_circuit, on a network in memory that
 * delays, loses, repeats and reorders, under a simulated clock. Workers are a few lines that do
 * what lib/datapath does with one cell; relays count relay_early as strictly as the protocol
 * allows. Failures end the test through cmocka.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "peel_or_circuit.h"
#include "peel_discovery.h"
#include "peel_origin_circuit.h"

#define MAX_RELAYS 48
#define MAX_FLYING 512
#define MAX_EVENTS 4096
#define FOREVER UINT64_MAX
#define RELAY PEEL_FLAG_RELAY
#define EXIT (PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT)

enum misdeed {
	HONEST,
	DEAD,	   /* hears nothing, says nothing */
	BAD_AUTH,  /* its created has a wrong authenticator */
	BAD_LIST,  /* ... a candidate list that does not open */
	LOW_ORDER, /* ... Y of low order */
	MUTE,	   /* joins and extends, but passes nothing backward any more */
};

struct node { /* what relays and the client have in common */
	struct peel_env env;
	uint64_t random_state;
	struct peel_addr addr;
	struct peel_identity id;
	struct peel_stats stats;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	uint16_t flags;
	bool known; /* to the client: find_peer and candidates */
};

struct relay {
	struct node node;
	struct peel_or_circuits *circuits;
	enum misdeed misdeed;
	/* What it offers; n_list 0: what everybody is. */
	struct peel_target list[16];
	size_t n_list;
	unsigned int n_created, n_extends, n_destroys; /* it got */
	uint16_t destroy_reason;
	/* what arrived last at its end of a circuit, except extend and ping */
	uint8_t message[PEEL_DATAGRAM_MAX];
	size_t message_len;
	bool message_early;
	uint32_t session;
};

struct event {
	peel_origin_id id;
	int end; /* enum peel_origin_end, -1: ready */
	uint64_t at_ms;
};

struct client {
	struct node node;
	struct peel_paths *paths;
	struct peel_origin_circuits *origin_circuits;
	struct event event[MAX_EVENTS];
	size_t n_events;
	/* what its worker opened last that lib/origin_circuit did not want */
	uint8_t message[PEEL_DATAGRAM_MAX];
	size_t message_len;
	int result;		       /* of the last datagram or message */
	unsigned int n_early, n_cells; /* it sent, plaintext ones too */
	unsigned int n_creates;
	const struct peel_addr *banned_addr; /* NULL: none */
	const uint8_t *banned_pk;
};

struct packet {
	struct peel_addr from, to;
	uint64_t due_ms;
	uint64_t order;
	size_t len;
	uint8_t data[PEEL_DATAGRAM_MAX];
};

struct world {
	uint64_t now_ms, next_tick_ms, relays_tick_ms;
	uint64_t reading_ms, ahead_ms; /* how long looking at the clock takes; the sum of it */
	uint64_t random_state;
	struct client client;
	struct relay *relay[MAX_RELAYS];
	unsigned int n_relays;
	struct packet flying[MAX_FLYING];
	unsigned int n_flying;
	uint64_t order;
	/* network */
	unsigned int loss_percent, repeat_percent;
	uint64_t delay_min_ms, delay_max_ms;
	bool (*tap)(struct packet *p); /* false: lost */
};

extern struct world *world;
extern const uint8_t world_prefix[PEEL_PREFIX_LEN];

void world_new(const struct peel_origin_settings *settings, uint32_t n_paths);
/* With six relays and three exits. */
void world_usual(const struct peel_origin_settings *settings);
void world_free(void);
struct peel_origin_settings world_defaults(void);
struct peel_origin_circuits *world_origin(void); /* the client's */
size_t world_active(unsigned int hops);		 /* how many of them are so long, and ready */
/* n more of them, known to the client. Addresses of different public networks. @return the first's
 * index */
unsigned int world_relays(unsigned int n, uint16_t flags);
struct relay *world_relay_at(struct peel_addr addr, uint16_t flags);
struct peel_target world_target(const struct relay *r);
/* The relay with this key. */
struct relay *world_find(const uint8_t *pk);
/* Let time pass: packets and ticks at their times. */
void world_run(uint64_t ms);
/* A datagram arrives at the client from somewhere. */
int world_inject(const struct peel_addr *from, const uint8_t *data, size_t len);
void world_send(
	const struct peel_addr *from, const struct peel_addr *to, const uint8_t *data, size_t len);
/* A node's send callback. */
void world_node_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len);
uint64_t world_stat(enum peel_counter c);
size_t world_ends(int end); /* how many circuits ended so; -1: became ready */
struct peel_origin_info world_info(peel_origin_id id);
struct peel_origin_count world_count(void);
/* A message from the end of a circuit to the client. */
int world_answer(struct relay *r, const uint8_t *msg, size_t len);
/* One circuit beside the pools, which becomes READY within 2 s. */
peel_origin_id world_circuit(enum peel_origin_type type, unsigned int hops);
size_t world_destroy_build(
	const struct peel_identity *id, uint32_t cid, uint16_t reason, uint8_t *out);
/* Paths, routes and sessions of the client agree with what it says it has. */
void world_check(void);
