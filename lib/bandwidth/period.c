/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "peel_period.h"

#define DAY_S 86400
#define DAY_OF_MONTH_MAX 28 /* every month has it */
/* 2020. Before that, a machine without a battery has not set its clock yet, and nothing that was
 * used is to be forgotten. */
#define CLOCK_SET_S 1577836800

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

/* ---- what was used --------------------------------------------------------------------------- */

uint64_t
peel_accounting_used(const struct peel_accounting *a, const struct peel_accounting_settings *s)
{
	switch ((enum peel_accounting_count)s->count) {
	case PEEL_ACCOUNTING_SUM:
		return a->received + a->sent;
	case PEEL_ACCOUNTING_IN:
		return a->received;
	case PEEL_ACCOUNTING_OUT:
		return a->sent;
	case PEEL_ACCOUNTING_MAX:
		break;
	}
	return a->received > a->sent ? a->received : a->sent;
}

enum peel_accounting_stage
peel_accounting_stage(const struct peel_accounting *a, const struct peel_accounting_settings *s)
{
	uint64_t used = peel_accounting_used(a, s);

	if (s->limit != 0 && used >= s->limit)
		return PEEL_ACCOUNTING_CLOSED;
	if (s->soft_limit != 0 && used >= s->soft_limit)
		return PEEL_ACCOUNTING_SOFT;
	return PEEL_ACCOUNTING_OPEN;
}

bool
peel_accounting_turn(
	struct peel_accounting *a, const struct peel_accounting_settings *s, int64_t now_s)
{
	int64_t begin, end;

	if (now_s < CLOCK_SET_S)
		return false;
	peel_period_around(&s->start, now_s, &begin, &end);
	a->end_s = end;
	if (a->begin_s == begin)
		return false;
	a->begin_s = begin;
	a->received = a->sent = 0;
	return true;
}

/* ---- records --------------------------------------------------------------------------------- */

static const uint8_t magic[8] = {'P', 'e', 'e', 'l', 'a', 'c', 'c', '1'};

#define CHECKED (PEEL_ACCOUNTING_RECORD - 8)

void
peel_accounting_save(struct peel_accounting *a, uint8_t out[PEEL_ACCOUNTING_RECORD])
{
	a->sequence++;
	memcpy(out, magic, sizeof(magic));
	peel_put_be64(out + 8, a->sequence);
	peel_put_be64(out + 16, (uint64_t)a->begin_s);
	peel_put_be64(out + 24, (uint64_t)a->end_s);
	peel_put_be64(out + 32, a->received);
	peel_put_be64(out + 40, a->sent);
	peel_put_be64(out + CHECKED, peel_hash_bytes(out, CHECKED, 0));
}

int
peel_accounting_load(const uint8_t *data, size_t len, struct peel_accounting *out)
{
	if (len < PEEL_ACCOUNTING_RECORD || memcmp(data, magic, sizeof(magic)) != 0 ||
		peel_get_be64(data + CHECKED) != peel_hash_bytes(data, CHECKED, 0))
		return -EBADMSG;
	*out = (struct peel_accounting){.sequence = peel_get_be64(data + 8),
		.begin_s = (int64_t)peel_get_be64(data + 16),
		.end_s = (int64_t)peel_get_be64(data + 24),
		.received = peel_get_be64(data + 32),
		.sent = peel_get_be64(data + 40)};
	return 0;
}
