/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "peel_period.h"

#define DAY_S 86400
#define DAY_OF_MONTH_MAX 28 /* every month has it */

int
peel_period_parse(const char *text, struct peel_period *out)
{
	static const struct {
		const char *format;
		uint8_t kind, day_max;
	} forms[] = {
		{"week %1u %2u:%2u%c", PEEL_PERIOD_WEEK, 7},
		{"month %2u %2u:%2u%c", PEEL_PERIOD_MONTH, DAY_OF_MONTH_MAX},
	};
	unsigned int day = 0, hour, minute;
	size_t form = 0;
	char rest;

	if (strpbrk(text, "+-") != NULL) /* sscanf takes them for parts of numbers */
		return -EINVAL;
	if (sscanf(text, "day %2u:%2u%c", &hour, &minute, &rest) == 2) {
		form = PEEL_ARRAY_LEN(forms);
	} else {
		while (form < PEEL_ARRAY_LEN(forms) &&
			sscanf(text, forms[form].format, &day, &hour, &minute, &rest) != 3)
			form++;
		if (form == PEEL_ARRAY_LEN(forms) || day < 1 || day > forms[form].day_max)
			return -EINVAL;
	}
	if (hour > 23 || minute > 59)
		return -EINVAL;
	*out = (struct peel_period){
		.kind = form < PEEL_ARRAY_LEN(forms) ? forms[form].kind : PEEL_PERIOD_DAY,
		.day = (uint8_t)day,
		.minute = (uint16_t)(hour * 60 + minute)};
	return 0;
}

/* The @p nth month from that of a time on begins when? */
static int64_t
month_begin(const struct peel_period *p, int64_t now_s, int nth)
{
	time_t now = (time_t)now_s;
	struct tm tm;

	gmtime_r(&now, &tm);
	tm = (struct tm){.tm_year = tm.tm_year,
		.tm_mon = tm.tm_mon + nth, /* timegm knows months before January */
		.tm_mday = p->day,
		.tm_min = p->minute};
	return (int64_t)timegm(&tm);
}

void
peel_period_around(const struct peel_period *p, int64_t now_s, int64_t *begin_s, int64_t *end_s)
{
	int64_t length = p->kind == PEEL_PERIOD_WEEK ? 7 * DAY_S : DAY_S;
	/* 1970 began on a Thursday; the Monday before is as good as any. */
	int64_t first = 60 * (int64_t)p->minute - 7 * DAY_S +
			(p->kind == PEEL_PERIOD_WEEK ? DAY_S * (int64_t)(p->day + 3) : 0);
	int nth = 0;

	if (p->kind == PEEL_PERIOD_MONTH) {
		if (month_begin(p, now_s, 0) > now_s)
			nth = -1;
		*begin_s = month_begin(p, now_s, nth);
		*end_s = month_begin(p, now_s, nth + 1);
		return;
	}
	*begin_s = now_s - (now_s - first) % length;
	*end_s = *begin_s + length;
}
