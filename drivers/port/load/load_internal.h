/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Inside of the load port: circuits follow from their numbers, cells from circuit and sequence
 * number. */

#include "peel_cell.h"
#include "peel_port_load.h"

#define DATA_HEADER_LEN 15 /* message id and two IPv4 addresses */

struct load_queue {
	struct rte_mbuf **in; /* [cap] in order of arrival */
	uint32_t n_in, next;
	struct rte_mbuf **out; /* [cap] */
	uint32_t n_out;
	struct peel_load_record *record; /* [cap]; an mbuf's hash.usr is its index */
	uint32_t n_records;
	uint32_t cap;

	/* paced */
	bool paced;
	double cycles, next_arrival;
	uint32_t ring;
	uint32_t admitted; /* of `in`, in the ring or handed out */

	struct peel_aead *aead;
	uint64_t random;
	uint64_t seq;
	uint32_t since_check;
	struct peel_load_count count;
} __attribute__((aligned(128)));

struct peel_port {
	struct peel_load_conf conf;
	uint8_t prefix[PEEL_PREFIX_LEN];
	uint8_t noise[2048]; /* most of each payload */
	struct load_queue *queue;
	uint32_t *session; /* [n_circuits] */
	uint32_t *slot;	   /* [n_circuits] of the route that cells arrive on */
};

/* One direction of a circuit. */
struct load_direction {
	struct peel_key key;
	uint8_t salt[4];
};

/* A number that depends on @p z alone. */
static inline uint64_t
load_mix(uint64_t z)
{
	return peel_splitmix(&z);
}

static inline uint32_t
load_below(struct load_queue *q, uint32_t n)
{
	return (uint32_t)((peel_splitmix(&q->random) >> 32) * n >> 32);
}

/* load_circuits.c */
struct load_direction load_direction(const struct peel_port *p, uint32_t circuit, bool forward);
struct peel_addr load_previous(const struct peel_port *p, uint32_t circuit);
struct peel_addr load_next(const struct peel_port *p, uint32_t circuit);
struct peel_addr load_outside(const struct peel_port *p, uint32_t circuit);
uint32_t load_cid(const struct peel_port *p, uint32_t circuit);
uint32_t load_next_cid(const struct peel_port *p, uint32_t circuit);
uint32_t load_endpoint(const struct peel_port *p, uint32_t circuit);
uint32_t load_joined(const struct peel_port *p, uint32_t circuit);
uint32_t load_choose(const struct peel_port *p, struct load_queue *q, uint16_t queue);

/* load_cells.c */
void load_payload(const struct peel_port *p, const struct peel_load_record *r, uint8_t *out);
/** The plaintext that a record's cell carries: its length, and the bytes. */
uint32_t load_message(const struct peel_port *p, const struct peel_load_record *r, uint8_t *out);
void load_nonce(
	struct peel_aead_op *op, const struct load_direction *h, const uint8_t explicit_salt[8]);

/* check.c */
void load_check(struct peel_port *p, struct load_queue *q, struct rte_mbuf *m);
