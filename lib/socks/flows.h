/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What flows.c (users and circuits), flow_out.c (which circuit) and flow_in.c (whose is it) share.
 * Times are seconds of the clock and some more, so that 0 was long ago.
 */

#include "peel_flows.h"

#define FLOW_WAYS 8
#define FLOW_SETS 4096 /* a power of two */
#define PORTS 4096     /* a power of two */

/* For so long after a datagram, either way, a host on a circuit belongs to one user. */
#define CLAIM_SECONDS 30
/* A user who has been silent on a circuit for so long no longer uses it. */
#define SILENT_SECONDS 300

enum kind {
	KIND_IPV4,
	KIND_IPV6,
	KIND_NAME,
	N_KINDS,
};

#define FLOW_LEFT 4

/* A user and a host, whatever the port. It may still be answered through the circuits that it
 * `left` recently. Since it was heard last, it was moved `moves` times, away from the circuits
 * whose bits are in `tried`. */
struct flow {
	uint64_t key; /* 0: empty */
	uint64_t circuit, tried;
	uint32_t used, heard;	/* either way; from the host */
	uint32_t asked;		/* the first datagram that was not answered */
	bool waiting, answered; /* for an answer to it; through this circuit, ever */
	uint8_t moves;
	struct {
		uint64_t circuit;
		uint32_t used;
	} left[FLOW_LEFT];
};

/* Who sent to a port over a circuit. Ports that differ only in their highest bits share an entry.
 * The `named` fields belong to the last datagram to a name, whose address only the exit knows. */
struct port {
	uint64_t named_key;  /* of its flow */
	uint32_t serial, at; /* the last user, and when */
	uint32_t others_at;  /* when another one did */
	uint32_t named_serial, named_at;
	uint16_t named_port;
	uint8_t named_user;
};

/* Whether the exit of a circuit can reach a kind of destination: how many flows left it for lack of
 * answers, and when the last one did, while nothing of that kind was heard. */
struct ability {
	uint32_t heard_at; /* 0: never */
	uint32_t failed_at;
	uint8_t failed;
};

struct or_circuit {
	uint64_t id;
	uint64_t bit;	/* no other circuit has it, but one that is gone may have had */
	uint64_t users; /* bit per slot that used it, also of those who left */
	uint32_t active[PEEL_FLOWS_USERS], named[PEEL_FLOWS_USERS]; /* by slot: last; to a name */
	uint64_t turn; /* when it last got a new host */
	int owner;     /* slot, -1: none */
	struct ability ability[N_KINDS];
	struct port *port; /* [PORTS] */
};

struct user {
	uint32_t serial; /* part of the flows' keys, so that nobody inherits flows; 0: never used */
	uint32_t left;	 /* order in which slots were left; 0: never */
	bool alive;	 /* one who left keeps what is still to come for him from others */
	unsigned int owned;
};

struct peel_flows {
	const struct peel_env *env;
	struct peel_stats *stats;
	uint64_t seed, turn;
	uint32_t now;
	uint64_t bits; /* of the circuits */
	unsigned int next_bit;
	uint32_t serial, left;
	bool isolate;
	unsigned int n_circuits, n_users;
	struct or_circuit circuit[PEEL_FLOWS_CIRCUITS];
	struct user user[PEEL_FLOWS_USERS];
	struct flow flow[FLOW_SETS][FLOW_WAYS];
};

/* The clock is read once for each datagram. */
static inline uint32_t
flow_clock(const struct peel_flows *f)
{
	return (uint32_t)(peel_now_ms(f->env) / 1000) + SILENT_SECONDS + 1;
}

static inline bool
flow_is_fresh(uint32_t now, uint32_t at)
{
	return now - at <= CLAIM_SECONDS;
}

static inline enum kind
flow_kind(const struct peel_socks_target *t)
{
	return t->name[0] != '\0'		    ? KIND_NAME
	       : t->addr.family == PEEL_FAMILY_IPV6 ? KIND_IPV6
						    : KIND_IPV4;
}

static inline struct port *
flow_port(const struct or_circuit *c, uint16_t port)
{
	return &c->port[port & (PORTS - 1)];
}

/* Answers to it may come through that circuit, @p last was the last datagram there. */
static inline bool
flow_is_through(const struct flow *flow, uint64_t circuit, uint32_t now, uint32_t *last)
{
	for (int i = 0; i < FLOW_LEFT && flow->circuit != circuit; i++) {
		*last = flow->left[i].used;
		if (flow->left[i].circuit == circuit && flow_is_fresh(now, *last))
			return true;
	}
	*last = flow->used;
	return flow->circuit == circuit;
}

/* flows.c */
struct or_circuit *flow_find_circuit(struct peel_flows *f, uint64_t id);

/* flow_out.c */
uint64_t flow_key(const struct peel_flows *f, unsigned int user, const struct peel_socks_target *t);
struct flow *flow_find(struct peel_flows *f, uint64_t key);
/** In the place of an empty one, else of the one used longest ago. */
struct flow *flow_new(struct peel_flows *f, uint64_t key, uint64_t circuit);

/** From its circuit to another one. False: it left too many lately to keep what still comes through
 * them. */
bool flow_go(struct flow *flow, uint64_t circuit, uint32_t now) PEEL_MUST_USE;
/** A flow left the circuit for want of answers. @p proved: it has them elsewhere. */
void flow_failed(struct or_circuit *c, enum kind kind, bool proved, uint32_t now);

/* flow_in.c */
enum claim {
	CLAIM_TAKEN, /* another user would get the answers, or this one another's */
	CLAIM_LEFT,  /* only one who left in the meantime could still be answered */
	CLAIM_FREE,
};
/** May a user send there through a circuit? */
enum claim flow_claim(struct peel_flows *f, const struct or_circuit *c, unsigned int user,
	const struct peel_socks_target *to);
/** A user does. */
void flow_note_sent(struct peel_flows *f, struct or_circuit *c, unsigned int user,
	const struct peel_socks_target *to, uint64_t key);
