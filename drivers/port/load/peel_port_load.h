/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A port without a network, for benchmarks and tests: it hands out valid sealed cells of many
 * circuits and looks at what the relay makes of them. Cells are built and sealed in batches,
 * straight into mbufs, before the clock runs; then receiving and sending only move pointers, a few
 * cycles a cell, which can be measured with the same batches and no worker. See README.md.
 *
 * Per queue, always in this order: peel_load_prepare(), rounds of the worker, peel_load_collect().
 */

#include "peel_aead.h"
#include "peel_port.h"
#include "peel_route.h"
#include "peel_wire.h"

#define PEEL_LOAD_SIZES_MAX 8
#define PEEL_LOAD_PAYLOAD_MIN 32 /* room for what makes each payload different */
#define PEEL_LOAD_PAYLOAD_MAX 1500

/** What the relay does with the cells. */
enum peel_load_work {
	PEEL_LOAD_FORWARD,    /* open, to the next hop */
	PEEL_LOAD_BACKWARD,   /* seal, to the previous hop */
	PEEL_LOAD_RENDEZVOUS, /* open, seal for the circuit joined with it */
	PEEL_LOAD_EXIT,	      /* open a data message, send its payload from an endpoint */
	PEEL_LOAD_RETURN,     /* seal what arrives at an endpoint */
	PEEL_LOAD_N_WORKS
};

struct peel_load_conf {
	enum peel_load_work work;
	uint32_t n_circuits; /* at least n_queues */
	bool apart; /* RENDEZVOUS joins circuits of two queues, else of one; even n_queues */
	uint16_t n_queues;
	/* on either side, at least n_queues; a neighbour belongs to one queue */
	uint16_t n_neighbours;
	uint32_t batch;			    /* most cells prepared at a time, of each queue */
	uint16_t burst;			    /* most cells of one rx, 0: PEEL_PORT_BURST */
	uint16_t size[PEEL_LOAD_SIZES_MAX]; /* payload bytes, each as often as the others */
	unsigned int n_sizes;
	double zipf; /* exponent over the circuits of a queue, 0: uniform */
	/* One in so many thousand of the cells, 0..1000. */
	uint16_t loss;	    /* never arrive: gaps in the salts */
	uint16_t duplicate; /* arrive twice, the second time later in the batch */
	uint16_t reorder;   /* change places with another one up to 64 places away */
	uint16_t forge;	 /* altered, BACKWARD: from a stranger, RETURN: of a circuit that is gone */
	uint16_t ping;	 /* are circuit pings instead (EXIT only) */
	uint16_t create; /* are plain create cells instead, bound for the control thread */
	uint32_t check_every; /* look into every so many-th of what came out, 0: never */
	const uint8_t *prefix;
	const struct peel_aead_engine *engine;
	struct rte_mempool *pool;	 /* batch * n_queues mbufs and a few */
	struct peel_route_table *routes; /* room for n_circuits */
	uint64_t seed;			 /* same seed, same cells */
};

struct peel_load_count {
	uint64_t offered;    /* datagrams handed to the worker */
	uint64_t expected;   /* of these: cells that had to come out */
	uint64_t duplicates; /* of these: second copies */
	uint64_t forged;
	uint64_t pings;
	uint64_t creates;
	uint64_t came;	       /* datagrams that came out */
	uint64_t came_pings;   /* of these: answers to pings */
	uint64_t came_twice;   /* second copies that came out as well */
	uint64_t checked;      /* looked into */
	uint64_t wrong;	       /* of these: not what had to come out, or forged */
	uint64_t out_of_order; /* of a flow, behind one that arrived later */
	uint64_t overflow;     /* paced: arrived while the ring was full */
};

/** What there is to know about one datagram of a batch. */
struct peel_load_record {
	uint64_t seq; /* also the explicit salt */
	uint32_t circuit;
	uint16_t payload; /* bytes */
	uint8_t kind;	  /* enum peel_load_kind */
	uint8_t flags;	  /* PEEL_LOAD_FORGED, PEEL_LOAD_COPY */
	uint64_t arrival; /* TSC, paced only */
	uint64_t departure;
};

enum peel_load_kind {
	PEEL_LOAD_CELL,
	PEEL_LOAD_PING,
	PEEL_LOAD_CREATE
};
#define PEEL_LOAD_FORGED 1
#define PEEL_LOAD_COPY 2 /* the second of a pair */
#define PEEL_LOAD_CAME 4

/** Arrivals at a steady rate, into a ring that overflows like a NIC's. */
struct peel_load_pace {
	double cycles; /* between two arrivals */
	uint32_t ring; /* places; more than that waiting: lost */
};

/** What a worker calls, and close(). A load port is made by peel_load_new(). */
extern const struct peel_port_ops peel_port_load;

/** 0, -EINVAL, -ENOMEM or the engine's error. Thread: control. */
int peel_load_new(const struct peel_load_conf *conf, struct peel_port **out) PEEL_MUST_USE;
/** Sessions and routes of all circuits into the table. 0 or the table's error. Thread:
 * control. */
int peel_load_publish(struct peel_port *port, uint32_t now_s) PEEL_MUST_USE;

/** Seal up to @p n cells. @return datagrams waiting for rx, fewer when mbufs ran out. Thread: the
 * queue's. */
uint32_t peel_load_prepare(struct peel_port *port, uint16_t queue, uint32_t n);
/** From now on cells arrive at that rate; the paced records carry times. Thread: the queue's. */
void peel_load_pace_start(
	struct peel_port *port, uint16_t queue, const struct peel_load_pace *pace, uint64_t tsc);
/** Datagrams that rx has not handed out yet. Thread: the queue's. */
uint32_t peel_load_left(const struct peel_port *port, uint16_t queue);
/** Check a sample of what came out and give all mbufs back. Thread: the queue's. */
void peel_load_collect(struct peel_port *port, uint16_t queue);
/** Give all mbufs back unseen: for batches that no relay has handled. Thread: the queue's. */
void peel_load_discard(struct peel_port *port, uint16_t queue);
/** From the next batch on. Thread: control, while nobody prepares. -EINVAL. */
int peel_load_set_sizes(struct peel_port *port, const uint16_t *size, unsigned int n) PEEL_MUST_USE;
/** The records of the last batch in order of arrival, up to the next prepare. Thread: the
 * queue's. */
const struct peel_load_record *peel_load_records(
	const struct peel_port *port, uint16_t queue, uint32_t *n);
/** The datagram sent last, still in the port (NULL: none), for tests. Thread: the queue's. */
struct rte_mbuf *peel_load_last(const struct peel_port *port, uint16_t queue);
const struct peel_load_count *peel_load_count(const struct peel_port *port, uint16_t queue);

/** The crypto alone that the relay must do for a prepared batch, in place, in the same mbufs, keys
 * beside each other. */
struct peel_load_crypto {
	struct peel_aead_op *open, *seal; /* [batch] */
	uint32_t n_open, n_seal;
	struct peel_key *key; /* [2 * batch] */
};
int peel_load_crypto_new(const struct peel_port *port, struct peel_load_crypto **out) PEEL_MUST_USE;
void peel_load_crypto_free(struct peel_load_crypto *c);
void peel_load_crypto_fill(
	const struct peel_port *port, uint16_t queue, struct peel_load_crypto *c);
