/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * How much resolving a circuit gets. A circuit may have some look-ups under way, one more with each
 * that is answered, half as many with each that is not: whoever asks for names that nobody answers
 * ends with few, and his alone wait. Each circuit has a modest rate from a budget that the
 * insatiable cannot use up. Thread: control.
 */

#include "peel_rate.h"

#define NAMES_PLACES_FIRST 8
#define NAMES_PLACES_MIN 2
#define NAMES_PLACES_MAX 16
/* look-ups a second of a circuit, in bursts of three times as many; one costs us 50 us ... */
#define NAMES_RATE 20
#define NAMES_RATE_ALL 1000 /* ... and the resolver more */
#define NAMES_MODEST_RATE 1 /* a second, that are taken from a budget of their own */
#define NAMES_MODEST_BURST 8
#define NAMES_MODEST_FIRST 2 /* that a new circuit has of these: circuits are cheap */
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
/** One more look-up, if it may have one. */
bool names_share_take(struct names_share *share, struct names_budget *budget, uint64_t now_ms);
/** One has ended; @p answered: also by "there is no such name". */
void names_share_done(struct names_share *share, bool answered);
