/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "or_internal.h"

/* Time: grace periods, unanswered creates, and the housekeeping of section 16.4. */

#define SCAN_MAX 65536 /* circuits examined per tick at most */
#define SCAN_SLICE 1024
#define BANNED_MAX 32 /* circuits of banned neighbours ended per tick: two signatures each */
#define SCAN_STEP_MIN_MS 20
#define SCAN_ERROR_S (HOUSEKEEPING_MS / 1000 + 1) /* between two checks of a circuit */

static uint32_t
load32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static uint64_t
load64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static uint64_t
age_ms(const struct peel_or_circuits *c, const struct or_circuit *ci)
{
	return peel_now_ms(c->env) - ci->joined_ms;
}

/*
 * Workers write the time of their own clock. It counts cycles of a frequency known to a few tenths
 * of a percent, which makes seconds of error in an hour. So what counts is that the value changed;
 * its time counts only if it is plausible.
 */
static void
note_activity(const struct peel_or_circuits *c, struct or_circuit *ci, const struct peel_session *s)
{
	const uint32_t *direction[] = {&s->forward.last_seen_s, &s->backward.last_seen_s};
	/* Backward traffic does not keep an exit alive; either direction keeps others alive. */
	unsigned int n = ci->kind == KIND_EXIT ? 1 : 2;
	uint32_t now = now_s(c);

	for (unsigned int i = 0; i < n; i++) {
		uint32_t last = load32(direction[i]);

		if (last == ci->seen_s[i])
			continue;
		ci->seen_s[i] = last;
		if (now - last > SCAN_ERROR_S)
			last = now;
		if ((int32_t)(last - ci->active_s) > 0)
			ci->active_s = last;
	}
}

static bool
idle(const struct peel_or_circuits *c, const struct or_circuit *ci)
{
	return now_s(c) - ci->active_s > c->conf.settings.max_time_inactive;
}

static bool
too_old(const struct peel_or_circuits *c, const struct or_circuit *ci)
{
	const struct peel_or_settings *s = &c->conf.settings;
	uint64_t life = ci->introduction ? s->max_time_ip : s->max_time;

	return ci->kind == KIND_EXIT && age_ms(c, ci) > life * 1000;
}

/* W13, too: a circuit's keys never change, so the number of their uses must not exceed what peers
 * count in 32 bits. */
static bool
too_much(const struct peel_or_circuits *c, const struct peel_session *s)
{
	return load64(&s->forward.bytes) + load64(&s->backward.bytes) >
		       c->conf.settings.max_traffic ||
	       load64(&s->forward.cells) >= UINT32_MAX || load64(&s->backward.cells) >= UINT32_MAX;
}

static void
examine(struct peel_or_circuits *c, struct or_circuit *ci)
{
	if (ci->kind == KIND_FREE || ci->removing)
		return;
	const struct peel_session *s = peel_session_at(c->conf.routes, ci->session);

	if (or_used(c, ci) && !or_prove(c, ci))
		return;
	note_activity(c, ci, s);
	if (too_much(c, s)) {
		or_destroy_all(c, ci, PEEL_DESTROY_UNKNOWN);
	} else if (!idle(c, ci) && !too_old(c, ci)) {
		/* Too late to extend: the candidate list is no longer needed. */
		if (age_ms(c, ci) > (uint64_t)c->conf.settings.unstable_timeout * 1000)
			or_unoffer(c, ci);
		return;
	}
	count(c, PEEL_CIRCUITS_EXPIRED);
	or_remove(c, ci);
}

static bool
side_banned(const struct peel_or_circuits *c, const struct or_circuit *ci, enum side side)
{
	return ci->route[side] != PEEL_NONE && ci->key[side] != PEEL_NONE &&
	       or_neighbour_banned(c, or_addr(c, ci, side), ci->key[side]);
}

/* @return whether it is a banned neighbour's, and ends. */
static bool
end_if_banned(struct peel_or_circuits *c, struct or_circuit *ci)
{
	if (c->ban_checks == 0)
		return false;
	c->ban_checks--;
	if (ci->kind == KIND_FREE || ci->removing ||
		(!side_banned(c, ci, PREVIOUS) && !side_banned(c, ci, NEXT)))
		return false;
	count(c, PEEL_CIRCUITS_BANNED);
	or_close(c, ci);
	return true;
}

void
peel_or_banned(struct peel_or_circuits *c)
{
	c->ban_checks = c->slots.n_high; /* newer ones are checked when they come */
}

/* Examine as much of the table as is due for the time that has passed: all of it every 5 s. */
static void
scan(struct peel_or_circuits *c, uint64_t now)
{
	uint64_t elapsed = now - c->scan_ms;
	unsigned int banned = 0;

	c->scan_ms = now;
	c->scan_credit += (elapsed < HOUSEKEEPING_MS ? elapsed : HOUSEKEEPING_MS) * c->slots.n_high;
	uint64_t n = c->scan_credit / HOUSEKEEPING_MS;

	if (n > c->slots.n_high) { /* far behind: once around is enough */
		n = c->slots.n_high;
		c->scan_credit = n * HOUSEKEEPING_MS;
	}
	if (n > SCAN_MAX)
		n = SCAN_MAX;
	c->scan_credit -= n * HOUSEKEEPING_MS;
	while (n-- > 0 && banned < BANNED_MAX) {
		if (c->cursor >= c->slots.n_high)
			c->cursor = 0;
		struct or_circuit *ci = circuit_at(c, c->cursor++);

		if (end_if_banned(c, ci))
			banned++;
		else
			examine(c, ci);
	}
}

/* Milliseconds until an entry of a queue is due; negative if overdue. */
static int32_t
due_in_ms(const struct or_circuit *ci, enum delayed what, uint64_t now)
{
	return (int32_t)(ci->delay[what].due_ms - (uint32_t)now);
}

static struct or_circuit *
pop_due(struct peel_or_circuits *c, enum delayed what, uint64_t now)
{
	uint32_t first = c->delayed[what].first;

	if (first == PEEL_NONE || due_in_ms(circuit_at(c, first), what, now) > 0)
		return NULL;
	return circuit_at(c, peel_list_take(&c->delayed[what]));
}

static void
close_exit(struct peel_or_circuits *c, struct or_circuit *ci)
{
	uint32_t endpoint = ci->endpoint;

	ci->exit_open = false;
	ci->endpoint = 0;
	if (c->conf.exit_gone != NULL)
		c->conf.exit_gone(c->conf.arg, ci->session, endpoint);
}

static uint64_t
next_due(const struct peel_or_circuits *c, uint64_t now)
{
	uint64_t due = now + HOUSEKEEPING_MS, step;

	if (c->n_exits + c->n_relays + c->n_rendezvous > 0) {
		step = (uint64_t)HOUSEKEEPING_MS * SCAN_SLICE / c->slots.n_high;
		if (step > 1000)
			step = 1000;
		due = now + (step > SCAN_STEP_MIN_MS ? step : SCAN_STEP_MIN_MS);
	}
	for (int i = 0; i < N_DELAYS; i++) {
		uint32_t first = c->delayed[i].first;

		if (first == PEEL_NONE)
			continue;
		int32_t left = due_in_ms(circuit_at(c, first), (enum delayed)i, now);

		if (left <= 0 || now + (uint32_t)left < due)
			due = left > 0 ? now + (uint32_t)left : now;
	}
	const struct pending *oldest = pending_oldest(c);

	if (oldest != NULL && oldest->due_ms < due)
		due = oldest->due_ms;
	return due > now ? due - now : 1;
}

uint64_t
peel_or_tick(struct peel_or_circuits *c)
{
	uint64_t now = peel_now_ms(c->env);
	struct or_circuit *ci;
	struct pending *p;

	peel_or_join(c);
	/* Former exits first: a circuit may end in the same tick as its exit. */
	while ((ci = pop_due(c, DELAY_EXIT, now)) != NULL)
		close_exit(c, ci);
	while ((ci = pop_due(c, DELAY_REMOVE, now)) != NULL)
		or_end(c, ci);
	while ((p = pending_oldest(c)) != NULL && p->due_ms <= now) {
		if (p->sent)
			count(c, PEEL_EXTEND_TIMEOUT);
		pending_end(c, p);
	}
	recent_expire(&c->recent, (uint32_t)(now / 1000));
	scan(c, now);
	return next_due(c, now);
}
