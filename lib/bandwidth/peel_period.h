/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Days, weeks and months that begin when a provider's do, in UTC. No clock. Thread: any.
 */

#include "peel_base.h"

enum peel_period_kind {
	PEEL_PERIOD_DAY,
	PEEL_PERIOD_WEEK,
	PEEL_PERIOD_MONTH,
};

/** When a period begins: "day 00:00", "week 1 00:00" (1 is Monday), "month 1 00:00" (1 to 28). */
struct peel_period {
	uint8_t kind;	 /* enum peel_period_kind */
	uint8_t day;	 /* of the week or month, from 1; of a day 0 */
	uint16_t minute; /* of the day */
};

/** Read such a text. 0 or -EINVAL. */
int peel_period_parse(const char *text, struct peel_period *out) PEEL_MUST_USE;
/** The period around a time in seconds since 1970: its first second, and that of the next one. */
void peel_period_around(
	const struct peel_period *p, int64_t now_s, int64_t *begin_s, int64_t *end_s);
