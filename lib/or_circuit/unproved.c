/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "or_internal.h"

/*
 * Places. A circuit is unproved until an authentic cell was opened on it: the sender of its create
 * may have forged the address. Unproved circuits have places of their own, where the oldest gives
 * way to the next, with separate places for addresses that were proved otherwise and for those that
 * were not. Only proved circuits count towards max_joined_circuits.
 */

#define STRANGERS_MAX 2048
#define NEIGHBOURS_MIN 2048
#define NEIGHBOURS_PART 16 /* or this fraction of max_joined_circuits */
#define STRANGER_MAX 128   /* of one source, in the pool of strangers */
/* the excess when circuits that were admitted in parallel all become proved */
#define EXCESS_PART 8
#define EXCESS_MAX 64
/* a source with more than this fraction of all circuits has too many while others wait */
#define SHARE_PART 4
#define LOOKS 16 /* proved circuits examined to find one that makes room */
#define SCAN_MAX 8192

static uint32_t
excess(uint32_t max_joined)
{
	return max_joined / EXCESS_PART < EXCESS_MAX ? max_joined / EXCESS_PART : EXCESS_MAX;
}

uint32_t
peel_or_sessions(const struct peel_or_settings *s)
{
	uint32_t max = s->max_joined_circuits;

	return max == 0 ? 0 : max + excess(max) + STRANGERS_MAX + NEIGHBOURS_MIN;
}

void
unproved_init(struct peel_or_circuits *c)
{
	uint32_t part = c->conf.settings.max_joined_circuits / NEIGHBOURS_PART;
	struct pool *strangers = &c->pool[STRANGER], *neighbours = &c->pool[NEIGHBOUR];

	*strangers = (struct pool){
		.max = STRANGERS_MAX,
		.per_source = STRANGER_MAX,
	};
	peel_queue_init(&strangers->queue, PEEL_LINKS(c->circuit, pool.older),
		PEEL_LINKS(c->circuit, pool.newer));
	*neighbours = *strangers;
	neighbours->max = part > NEIGHBOURS_MIN ? part : NEIGHBOURS_MIN;
	neighbours->per_source = neighbours->max / 2;
}

static struct source_count *
source_of(const struct peel_or_circuits *c, const struct or_circuit *ci)
{
	return source_count(&c->sources, or_addr(c, ci, PREVIOUS));
}

static uint32_t
n_unproved(const struct peel_or_circuits *c)
{
	return c->pool[STRANGER].n + c->pool[NEIGHBOUR].n;
}

/* Counts as the protocol does: an exit or a joined circuit is one, a relayed circuit two. */
static uint64_t
places_taken(const struct peel_or_circuits *c)
{
	return c->n_exits - n_unproved(c) + c->n_rendezvous + 2 * (uint64_t)c->n_relays;
}

/* ---- the pools ------------------------------------------------------------------------------- */

void
unproved_enter(struct peel_or_circuits *c, struct or_circuit *ci, enum standing standing)
{
	struct pool *p = &c->pool[standing];

	ci->standing = standing;
	peel_queue_add(&p->queue, circuit_index(c, ci));
	p->n++;
	source_of(c, ci)->unproved++;
}

static void
leave_pool(struct peel_or_circuits *c, struct or_circuit *ci)
{
	struct pool *p = &c->pool[ci->standing];

	peel_queue_del(&p->queue, circuit_index(c, ci));
	p->n--;
	source_of(c, ci)->unproved--;
}

void
unproved_forget(struct peel_or_circuits *c, struct or_circuit *ci)
{
	if (ci->standing == PROVED)
		source_of(c, ci)->joined--;
	else
		leave_pool(c, ci);
}

bool
or_used(const struct peel_or_circuits *c, const struct or_circuit *ci)
{
	const struct peel_session *s = peel_session_at(c->conf.routes, ci->session);

	/* Workers count a cell once its tag has verified. */
	return ci->standing == PROVED || __atomic_load_n(&s->forward.cells, __ATOMIC_RELAXED) != 0;
}

void
or_settle(struct peel_or_circuits *c, struct or_circuit *ci)
{
	const struct peel_addr *from = or_addr(c, ci, PREVIOUS);
	uint32_t until_s = (uint32_t)(ci->joined_ms / 1000) + c->conf.settings.unstable_timeout;

	if (ci->standing == PROVED)
		return;
	if (ci->standing == STRANGER)
		recent_add(&c->recent, from, ci->cid[PREVIOUS], until_s);
	leave_pool(c, ci);
	ci->standing = PROVED;
	source_of(c, ci)->joined++;
	source_prove(&c->sources, from, now_s(c));
}

/* ---- who makes room -------------------------------------------------------------------------- */

/*
 * A circuit of a source that has more than its share, and more than twice as many as the source
 * that wants a place: the one that has been silent longest among a few. NULL if there is none.
 */
static struct or_circuit *
find_rich(struct peel_or_circuits *c, const struct source_count *asking)
{
	uint32_t n_proved = c->n_exits + c->n_relays + c->n_rendezvous - n_unproved(c), most = 0;
	uint32_t scan = c->slots.n_high < SCAN_MAX ? c->slots.n_high : SCAN_MAX;
	struct or_circuit *found = NULL;

	for (uint32_t looks = 0; scan > 0 && looks < LOOKS; scan--) {
		if (c->rich_cursor >= c->slots.n_high)
			c->rich_cursor = 0;
		struct or_circuit *ci = circuit_at(c, c->rich_cursor++);

		if (ci->kind == KIND_FREE || ci->removing || ci->standing != PROVED)
			continue;
		uint32_t joined = source_of(c, ci)->joined;

		looks++;
		if (joined <= n_proved / SHARE_PART || joined / 2 <= asking->joined ||
			joined < most)
			continue;
		if (found == NULL || joined > most || (int32_t)(ci->active_s - found->active_s) < 0)
			found = ci;
		most = joined;
	}
	return found;
}

static void
displace(struct peel_or_circuits *c, struct or_circuit *ci)
{
	or_destroy_all(c, ci, PEEL_DESTROY_UNKNOWN);
	count(c, PEEL_CIRCUITS_DISPLACED);
	/* It was an exit a moment ago and is queued as a former exit: it leaves like others. */
	if (ci->kind != KIND_EXIT && ci->exit_open)
		or_remove(c, ci);
	else
		or_end(c, ci);
}

bool
or_prove(struct peel_or_circuits *c, struct or_circuit *ci)
{
	uint32_t max = c->conf.settings.max_joined_circuits;

	if (ci->standing == PROVED)
		return true;
	or_settle(c, ci);
	if (places_taken(c) <= (uint64_t)max + excess(max))
		return true;
	struct or_circuit *rich = find_rich(c, source_of(c, ci));

	displace(c, rich != NULL ? rich : ci);
	return rich != NULL;
}

/* Send no destroy: the node at that address may know nothing of the circuit. */
static void
oldest_gives_way(struct peel_or_circuits *c, struct pool *p)
{
	struct or_circuit *ci = circuit_at(c, p->queue.oldest);

	if (or_used(c, ci)) {
		or_prove(c, ci);
		return;
	}
	count(c, PEEL_CIRCUITS_DISPLACED);
	or_end(c, ci);
}

void
unproved_make_room(struct peel_or_circuits *c, enum standing standing)
{
	struct pool *p = &c->pool[standing];

	while (p->n >= p->max)
		oldest_gives_way(c, p);
	while (c->slots.n == c->slots.size && n_unproved(c) > 0)
		oldest_gives_way(c, &c->pool[c->pool[STRANGER].n > 0 ? STRANGER : NEIGHBOUR]);
}

bool
unproved_room(struct peel_or_circuits *c, const struct peel_addr *from, enum standing standing)
{
	const struct source_count *source = source_count(&c->sources, from);
	uint32_t max = c->conf.settings.max_joined_circuits;

	if (max == 0 || source->unproved >= c->pool[standing].per_source)
		return false;
	/* A source's own unproved circuits count: asking for many at once gains no more than there
	 * are places. A forged create ends nothing yet: a source with too much makes room only when
	 * the new circuit is proved. */
	return places_taken(c) + source->unproved < max || find_rich(c, source) != NULL;
}
