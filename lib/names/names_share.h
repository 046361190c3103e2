/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * How many look-ups a circuit gets. It may have a few under way; each answer allows one more, each
 * failure halves the number. A circuit that asks for names that nobody answers ends up with few,
 * and only its own datagrams wait. Each circuit also has a modest rate from a separate budget,
 * which greedy circuits cannot use up. Thread: control.
 */

#include "peel_rate.h"

#define NAMES_PLACES_FIRST 8
#define NAMES_PLACES_MIN 2
#define NAMES_PLACES_MAX 16
/* look-ups per second and circuit, in bursts of three times as many; one costs us 50 us */
#define NAMES_RATE 20
#define NAMES_RATE_ALL 1000 /* of all circuits: the resolver's work costs more */
#define NAMES_MODEST_RATE 1 /* per second and circuit, from the separate budget */
#define NAMES_MODEST_BURST 8
#define NAMES_MODEST_FIRST 2 /* that a new circuit starts with: few, as circuits are cheap */
#define NAMES_MODEST_ALL 1000
#define NAMES_MODEST_ALL_BURST 2000

struct names_share {
	uint32_t generation;
	uint16_t waiting; /* datagrams */
	uint8_t places;
	uint8_t asking; /* look-ups under way */
	struct peel_bucket lookups, modest;
};

struct names_budget {
	struct peel_bucket modest, others;
};

void names_budget_init(struct names_budget *budget, uint64_t now_ms);
void names_share_init(struct names_share *share, uint32_t generation, uint64_t now_ms);
/** Start one more look-up, if allowed. */
bool names_share_take(struct names_share *share, struct names_budget *budget, uint64_t now_ms);
/** A look-up has ended. "No such name" counts as @p answered. */
void names_share_done(struct names_share *share, bool answered);
