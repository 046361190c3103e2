/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * How much a node sends: token buckets that all workers share, and an account for each circuit, so
 * that a limit which is reached leaves every circuit its fair share. No locks, no floating point;
 * the shared lines are touched once a round. The time is a count of cycles that the caller passes
 * in.
 */

#include "peel_base.h"

/** What is limited. ALL counts everything that circuits send, and what the control thread does;
 * CIRCUIT is a limit of each circuit, both directions together. */
enum peel_bandwidth_kind {
	PEEL_BANDWIDTH_ALL,
	PEEL_BANDWIDTH_RELAY, /* cells of others that are passed on */
	PEEL_BANDWIDTH_EXIT,  /* data that leaves at an exit, and what comes back from outside */
	PEEL_BANDWIDTH_CIRCUIT,
	PEEL_N_BANDWIDTHS
};
extern const char *const peel_bandwidth_name[PEEL_N_BANDWIDTHS];

struct peel_bandwidth_limit {
	uint64_t rate;	/* bytes per second, 0: no limit */
	uint64_t burst; /* bytes at once, 0: as many as the rate gives in a second */
};

struct peel_bandwidth_settings {
	struct peel_bandwidth_limit limit[PEEL_N_BANDWIDTHS];
};

#define PEEL_BANDWIDTH_BURST_MIN 65536

struct peel_bandwidth;

/** Whether anything is limited; otherwise workers do without. */
bool peel_bandwidth_any(const struct peel_bandwidth_settings *s);
/** The bytes at once that a limit means: those set, those of a second, and in any case enough for a
 * burst of datagrams. */
uint64_t peel_bandwidth_burst(const struct peel_bandwidth_limit *limit);
/** Make the limits, with full buckets, for sessions 0..n_sessions-1. Workers pass a clock of @p hz
 * cycles per second to peel_bandwidth_begin(), and it shows @p now. 0 or -ENOMEM. Thread: control.
 */
int peel_bandwidth_new(const struct peel_bandwidth_settings *s, uint32_t n_sessions, uint64_t hz,
	uint64_t now, struct peel_bandwidth **out) PEEL_MUST_USE;
/** Free them once no worker has them (lib/rcu). NULL is fine. Thread: control. */
void peel_bandwidth_free(struct peel_bandwidth *b);
/** Bytes that may be sent at once now; below 0 while what was overdrawn is made up for. Thread:
 * any. */
int64_t peel_bandwidth_level(
	const struct peel_bandwidth *b, enum peel_bandwidth_kind kind, uint64_t now);

/** Whether so little of ALL is left that nothing new should begin: about a quarter of what it
 * holds, or less. Thread: any. */
bool peel_bandwidth_scarce(const struct peel_bandwidth *b, uint64_t now);
/** Another circuit has this session from now on. Before workers know it. Thread: control. */
void peel_bandwidth_forget(struct peel_bandwidth *b, uint32_t session);

/* ---- workers --------------------------------------------------------------------------------- */

/** A worker's round: what the buckets held when it began, and what has been spent since. */
struct peel_bandwidth_round {
	struct peel_bandwidth *limits; /* NULL: there are none */
	int64_t level[PEEL_BANDWIDTH_CIRCUIT];
	uint64_t spent[PEEL_BANDWIDTH_CIRCUIT];
	uint64_t circuit_granted; /* bytes that a circuit's rate has given since the start */
	uint32_t tick;
	bool accounts; /* what circuits send may have to be counted */
};

/** Begin a round, with limits or NULL. Workers that are at work at the same time may overdraw a
 * bucket by a round each; it is made up for before anything else is sent. */
void peel_bandwidth_begin(
	struct peel_bandwidth_round *r, struct peel_bandwidth *limits, uint64_t now);
/** Take what was spent out of the buckets. */
void peel_bandwidth_end(struct peel_bandwidth_round *r);
/** Have a circuit's account on its way into the cache. */
void peel_bandwidth_prefetch(const struct peel_bandwidth_round *r, uint32_t session);
/**
 * May this circuit send so many bytes of that kind, not CIRCUIT? Then they are spent. Only with
 * limits.
 * @return PEEL_N_BANDWIDTHS: yes; otherwise the limit that is reached.
 */
enum peel_bandwidth_kind peel_bandwidth_take(struct peel_bandwidth_round *r, uint32_t session,
	enum peel_bandwidth_kind kind, uint32_t bytes);
/** Spend bytes that must leave in any case (of the control thread), out of ALL. Only with limits.
 */
void peel_bandwidth_spend(struct peel_bandwidth_round *r, uint32_t bytes);
