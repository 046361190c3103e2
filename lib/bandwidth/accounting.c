/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_accounting.h"

/* 2020. Before that, a machine without a battery has not set its clock yet, and nothing that was
 * used is to be forgotten. */
#define CLOCK_SET_S 1577836800

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
