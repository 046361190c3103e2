/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Accounting: what was sent and received in a period, what follows from it, and its record in a
 * file. No I/O, no clock. Thread: control.
 */

#include "peel_period.h"

/** What counts; order of the words of `count` in [accounting]. */
enum peel_accounting_count {
	PEEL_ACCOUNTING_MAX, /* the larger of both directions */
	PEEL_ACCOUNTING_SUM,
	PEEL_ACCOUNTING_IN,
	PEEL_ACCOUNTING_OUT,
};

struct peel_accounting_settings {
	uint64_t limit, soft_limit; /* bytes in a period, 0: none */
	struct peel_period start;
	uint8_t count; /* enum peel_accounting_count */
};

struct peel_accounting {
	int64_t begin_s, end_s;	 /* of the period */
	uint64_t received, sent; /* bytes in it */
	uint64_t sequence;	 /* of the last record */
};

/** What a node may still do. */
enum peel_accounting_stage {
	PEEL_ACCOUNTING_OPEN,
	PEEL_ACCOUNTING_SOFT,	/* the soft limit is reached: no new circuits */
	PEEL_ACCOUNTING_CLOSED, /* the limit is reached: nothing passes */
};

/** Bytes that count. */
uint64_t peel_accounting_used(
	const struct peel_accounting *a, const struct peel_accounting_settings *s);
enum peel_accounting_stage peel_accounting_stage(
	const struct peel_accounting *a, const struct peel_accounting_settings *s);
/** Begin another period if the time is not in the present one (at the start there is none).
 * @return whether it did. */
bool peel_accounting_turn(
	struct peel_accounting *a, const struct peel_accounting_settings *s, int64_t now_s);

#define PEEL_ACCOUNTING_RECORD 56

/** Write the next record; its sequence number says which of two places it is for. */
void peel_accounting_save(struct peel_accounting *a, uint8_t out[PEEL_ACCOUNTING_RECORD]);
/** Read a record. 0, or -EBADMSG: it is none, or not whole. */
int peel_accounting_load(
	const uint8_t *data, size_t len, struct peel_accounting *out) PEEL_MUST_USE;
