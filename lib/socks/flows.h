/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Shared by flows.c (users and circuits), flow_out.c (which circuit) and flow_in.c (whose is it).
 * Times are in seconds of the clock plus an offset, so that 0 is long ago.
 */

#include "peel_flows.h"

#define FLOW_WAYS 8
#define FLOW_SETS 4096 /* a power of two */
#define PORTS 4096     /* a power of two */

/* After each datagram, either way, a host on a circuit belongs to one user for this long. */
#define CLAIM_SECONDS 30
/* A user who has been silent on a circuit for this long no longer uses it. */
#define SILENT_SECONDS 300

enum kind {
	KIND_IPV4,
	KIND_IPV6,
	KIND_NAME,
	N_KINDS,
};

#define FLOW_LEFT 4

/* One user's traffic with a host, whatever the port. Answers may still come through the circuits
 * that it `left` recently. Since it last heard from the host, it was moved `moves` times, away from
 * the circuits whose bits are in `tried`. */
struct flow {
	uint64_t key; /* 0: empty */
	uint64_t circuit, tried;
	uint32_t used, heard;	/* last datagram in either direction; last from the host */
	uint32_t asked;		/* time of the first unanswered datagram */
	bool waiting, answered; /* for an answer to it; ever, through this circuit */
	uint8_t moves;
	struct {
		uint64_t circuit;
		uint32_t used;
	} left[FLOW_LEFT];
};

/* Which users sent to a port over a circuit. Ports that differ only in their highest bits share an
 * entry. The `named` fields belong to the last datagram to a name, whose address only the exit
 * knows. */
struct port {
	uint64_t named_key;  /* key of its flow */
	uint32_t serial, at; /* the last user to send, and when */
	uint32_t others_at;  /* when a different user last did */
	uint32_t named_serial, named_at;
	uint16_t named_port;
	uint8_t named_user;
};

/* Whether the exit of a circuit can reach a kind of destination: how many flows left it for lack of
 * answers since it was last heard, and when the last one did. */
struct ability {
	uint32_t heard_at; /* 0: never */
	uint32_t failed_at;
	uint8_t failed;
};

struct flow_circuit {
	uint64_t id;
	uint64_t bit;	/* unique among present circuits; one that is gone may have had it */
	uint64_t users; /* bit per slot that used it, including users who left */
	uint32_t active[PEEL_FLOWS_USERS], named[PEEL_FLOWS_USERS]; /* by slot: last; to a name */
	uint64_t turn; /* when it last got a new host */
	int owner;     /* slot, -1: none */
	struct ability ability[N_KINDS];
	struct port *port; /* [PORTS] */
};

struct user {
	uint32_t serial; /* part of flow keys, so that nobody inherits flows; 0: never used */
	uint32_t left;	 /* order in which slots were left; 0: never */
	bool alive;	 /* false: left, and only keeps late answers away from others */
	unsigned int owned;
};

struct peel_flows {
	const struct peel_env *env;
	struct peel_stats *stats;
	uint64_t seed, turn;
	uint32_t now;
	uint64_t bits; /* bits of all circuits */
	unsigned int next_bit;
	uint32_t serial, left;
	bool isolate;
	unsigned int n_circuits, n_users;
	struct flow_circuit circuit[PEEL_FLOWS_CIRCUITS];
	struct user user[PEEL_FLOWS_USERS];
	struct flow flow[FLOW_SETS][FLOW_WAYS];
};

/* Read the clock: once per datagram. */
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
flow_port(const struct flow_circuit *c, uint16_t port)
{
	return &c->port[port & (PORTS - 1)];
}

/* Whether answers to the flow may come through that circuit; @p last is the time of its last
 * datagram there. */
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
struct flow_circuit *flow_find_circuit(struct peel_flows *f, uint64_t id);

/* flow_out.c */
uint64_t flow_key(const struct peel_flows *f, unsigned int user, const struct peel_socks_target *t);
struct flow *flow_find(struct peel_flows *f, uint64_t key);
/** Make a flow in an empty entry, or else in the least recently used one. */
struct flow *flow_new(struct peel_flows *f, uint64_t key, uint64_t circuit);

/** Move a flow to another circuit. @return false: too many circuits that it left lately may still
 * bring answers. */
bool flow_go(struct flow *flow, uint64_t circuit, uint32_t now) PEEL_MUST_USE;
/** A flow left the circuit for lack of answers. @p proved: another circuit brought them. */
void flow_failed(struct flow_circuit *c, enum kind kind, bool proved, uint32_t now);

/* flow_in.c */
enum claim {
	CLAIM_TAKEN, /* this user and another one would get each other's answers */
	CLAIM_LEFT,  /* only a user who has since left could get answers there */
	CLAIM_FREE,
};
/** Whether a user may send to that destination through a circuit. */
enum claim flow_claim(struct peel_flows *f, const struct flow_circuit *c, unsigned int user,
	const struct peel_socks_target *to);
/** Note that a user does so. */
void flow_note_sent(struct peel_flows *f, struct flow_circuit *c, unsigned int user,
	const struct peel_socks_target *to, uint64_t key);
