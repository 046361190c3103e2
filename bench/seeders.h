/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Seeders of hidden services, each with a circuit of one hop to the node that is measured, and
 * others who look for them: their messages, made before they are sent, and a check of the answers.
 */

#include "mixed_port.h"
#include "peel_hidden_msg.h"
#include "peel_keys.h"

#define SEEDERS 1000
#define SEEDER_MESSAGE_MAX 256

/** What is asked of the node. */
enum seeder_ask {
	SEEDER_CREATE,	   /* a circuit */
	SEEDER_ESTABLISH,  /* be an introduction point */
	SEEDER_LOOK_UP,	   /* who introduces this service? By a cell */
	SEEDER_CREATE_E2E, /* hand this on to the seeder */
	SEEDER_N_ASKS,
	SEEDER_DESTROY = SEEDER_N_ASKS /* no answer */
};
extern const char *const seeder_ask_name[SEEDER_N_ASKS];

struct seeder {
	uint32_t neighbour, cid, serial;
	struct peel_session_keys keys;
	uint64_t counter;
	/* of the answers; 0: none yet */
	const struct mixed_message *asked[SEEDER_N_ASKS];
	uint64_t answered[SEEDER_N_ASKS]; /* TSC */
};

/** What all have in common. Before everything else. */
void seeders_init(const uint8_t prefix[PEEL_PREFIX_LEN], const uint8_t node_pk[PEEL_PK_LEN]);
/** A new seeder in this place. */
void seeder_new(struct seeder *s, uint32_t neighbour);
/** Write the datagram; `of` is whom LOOK_UP and CREATE_E2E are about. */
void seeder_ask(struct seeder *s, enum seeder_ask ask, const struct seeder *of,
	struct mixed_message *message, uint8_t buffer[SEEDER_MESSAGE_MAX]);
/** Take an answer of the node to the seeder; a wrong one ends the program. */
void seeder_answer(struct seeder *s, const struct mixed_answer *answer);
