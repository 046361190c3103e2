/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A control thread's node for the suite `setup`: lib/or_circuit with surroundings that cost
 * nothing, and the messages of its neighbours.
 */

#include <pthread.h>
#include <semaphore.h>

#include "peel_discovery.h"
#include "peel_handshake_queue.h"
#include "peel_or_circuit.h"

#define CHUNK 16      /* circuits in one timed burst */
#define CHUNK_MAX 256 /* with helpers, so that beginning and end of a burst count little */
#define HELPERS_MAX 2
#define ORIGINATORS 64 /* keys and points that creates are made of */
#define TARGETS 4
#define CIRCUITS 8192 /* joined before the node starts afresh */
#define CREATE_LEN (PEEL_CELL_HEADER_LEN + 113)
#define DESTROY_LEN 169

extern struct peel_identity setup_originators[ORIGINATORS];
extern uint8_t setup_points[ORIGINATORS][PEEL_X_LEN];
extern struct peel_target setup_targets[TARGETS];

struct neighbour {
	struct peel_addr addr;
	uint32_t cid, session, generation;
	const struct peel_identity *id;
	uint8_t create[CREATE_LEN];
	uint8_t destroy[DESTROY_LEN];
};

/* One control thread's node. */
struct node {
	struct peel_env env;
	struct peel_identity id;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_or_circuits *circuits;
	struct peel_stats stats;
	struct peel_handshake_queue *handshake_queue; /* NULL: no helpers */
	pthread_t helper[HELPERS_MAX];
	unsigned int n_helpers;
	sem_t handshakes_done;
	unsigned int chunk; /* circuits in one timed burst */
	uint32_t joined;    /* by this incarnation */
	uint32_t serial;    /* of the next neighbour */
	struct neighbour neighbour[CHUNK_MAX];
	uint8_t extend[256], created[256];
	size_t extend_len, created_len;
	uint64_t failed;
};

/** Keys, points and targets, before anything else. */
void setup_world(void);
/** A node that lasts, and its circuits, which start afresh between these two. Failures end the
 * program. */
void setup_node_new(struct node *n);
void setup_node_free(struct node *n);
void setup_start(struct node *n);
void setup_stop(struct node *n);
/** Have so many helper threads compute the node's handshakes, on any CPU; the circuits start
 * afresh. 0: none. */
void setup_helpers(struct node *n, unsigned int helpers);
/** The messages of a neighbour whose cid and id are set. */
void setup_create(struct neighbour *nb, uint32_t serial);
void setup_destroy(struct neighbour *nb);
