/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdlib.h>

#include "or_internal.h"

/*
 * Creates that wait for their handshakes. Sources take turns, so that one which sends many delays
 * its own; neighbours get three of four turns while both they and strangers wait, as they get three
 * quarters of the budget. When there is no room, the source with most creates loses its oldest. A
 * create that has waited too long is not worth a handshake: whoever sent it will have given up
 * before the answer comes.
 */

#define WAITING_MAX 256 /* of each standing */
#define UNDER_WAY_MAX (PEEL_HANDSHAKE_THREADS_MAX * PEEL_HANDSHAKE_BATCHES * PEEL_HANDSHAKES)
#define ENTRIES (N_POOLS * WAITING_MAX + UNDER_WAY_MAX)
#define TURNS 4 /* of which strangers get one */

int
waiting_init(struct peel_or_circuits *c)
{
	struct waiting *w = &c->waiting;

	w->seed = peel_random_u64(c->env);
	w->entry = calloc(ENTRIES, sizeof(*w->entry));
	if (w->entry == NULL)
		return -ENOMEM;
	peel_slots_init(&w->slots, ENTRIES, PEEL_REUSE_SOON, PEEL_LINKS(w->entry, next));
	for (int i = 0; i < N_POOLS; i++) {
		struct line *line = &w->line[i];

		for (uint32_t s = 0; s < SOURCES_IN_LINE; s++)
			peel_list_init(&line->source[s].creates, PEEL_LINKS(w->entry, next));
		peel_list_init(&line->turns, PEEL_LINKS(line->source, next));
	}
	return peel_chains_init(&w->pairs, ENTRIES, PEEL_LINKS(w->entry, chain));
}

void
waiting_fini(struct peel_or_circuits *c)
{
	free(c->waiting.entry);
	peel_chains_fini(&c->waiting.pairs);
}

static uint64_t
pair_of(const struct waiting *w, const struct peel_addr *from, uint32_t cid)
{
	return peel_addr_hash(from, cid, w->seed);
}

static struct turn *
source_in(const struct waiting *w, struct line *line, const struct peel_addr *from)
{
	struct peel_addr source = peel_addr_source(from);

	return &line->source[peel_addr_hash(&source, 0, w->seed) % SOURCES_IN_LINE];
}

struct joining *
waiting_find(const struct peel_or_circuits *c, const struct peel_addr *from, uint32_t cid)
{
	const struct waiting *w = &c->waiting;
	uint32_t i;

	PEEL_CHAIN_FOREACH (i, &w->pairs, pair_of(w, from, cid)) {
		if (w->entry[i].cid == cid && peel_addr_equal(&w->entry[i].from, from))
			return &w->entry[i];
	}
	return NULL;
}

/* The oldest create of a source. The caller has made sure that the source's turn is right. */
static struct joining *
take_oldest(struct waiting *w, struct line *line, struct turn *source)
{
	uint32_t slot = peel_list_take(&source->creates);

	source->n--;
	line->n--;
	w->n--;
	return &w->entry[slot];
}

/* It keeps its turn, even if it has nothing left: next_in() skips it then. */
static void
make_room(struct peel_or_circuits *c, struct line *line)
{
	struct turn *most = &line->source[0];

	for (uint32_t i = 1; i < SOURCES_IN_LINE; i++) {
		if (line->source[i].n > most->n)
			most = &line->source[i];
	}
	waiting_end(c, take_oldest(&c->waiting, line, most));
	count(c, PEEL_CREATE_REFUSED_QUEUE);
}

struct joining *
waiting_add(struct peel_or_circuits *c, const struct peel_addr *from, uint32_t cid,
	enum standing standing)
{
	struct waiting *w = &c->waiting;
	struct line *line = &w->line[standing];
	struct turn *source = source_in(w, line, from);

	if (line->n == WAITING_MAX)
		make_room(c, line);
	uint32_t slot = peel_slots_take(&w->slots); /* there are enough for all */
	struct joining *j = &w->entry[slot];

	*j = (struct joining){
		.from = *from,
		.cid = cid,
		.standing = standing,
		.came_ms = peel_now_ms(c->env),
	};
	peel_chains_add(&w->pairs, pair_of(w, from, cid), slot);
	peel_list_add_last(&source->creates, slot);
	source->n++;
	line->n++;
	w->n++;
	if (!source->has_turn) {
		source->has_turn = true;
		peel_list_add_last(&line->turns, (uint32_t)(source - line->source));
	}
	return j;
}

void
waiting_end(struct peel_or_circuits *c, struct joining *j)
{
	struct waiting *w = &c->waiting;
	uint32_t slot = waiting_index(c, j);

	peel_chains_del(&w->pairs, pair_of(w, &j->from, j->cid), slot);
	peel_slots_give(&w->slots, slot);
}

/* The create whose turn it is in a line that has some. */
static struct joining *
next_in(struct waiting *w, struct line *line)
{
	for (;;) {
		uint32_t i = peel_list_take(&line->turns);
		struct turn *source = &line->source[i];

		if (source->n == 0) {
			source->has_turn = false;
			continue;
		}
		struct joining *j = take_oldest(w, line, source);

		source->has_turn = source->n > 0;
		if (source->has_turn)
			peel_list_add_last(&line->turns, i);
		return j;
	}
}

/* Others wait for created as long as we do. Half of that time is left for the ways. */
static bool
too_old(const struct peel_or_circuits *c, const struct joining *j)
{
	return peel_now_ms(c->env) - j->came_ms > c->conf.settings.next_hop_timeout * 1000ull / 2;
}

struct joining *
waiting_take(struct peel_or_circuits *c)
{
	struct waiting *w = &c->waiting;

	while (w->n > 0) {
		enum standing turn = w->turn++ % TURNS == 0 ? STRANGER : NEIGHBOUR;

		if (w->line[turn].n == 0)
			turn = turn == STRANGER ? NEIGHBOUR : STRANGER;
		struct joining *j = next_in(w, &w->line[turn]);

		if (!j->gone && !too_old(c, j))
			return j;
		if (!j->gone)
			count(c, PEEL_CREATE_REFUSED_AGE);
		waiting_end(c, j);
	}
	return NULL;
}

void
waiting_forget(struct peel_or_circuits *c)
{
	struct waiting *w = &c->waiting;

	for (uint32_t i = 0; i < w->slots.n_high; i++)
		w->entry[i].gone = true;
	(void)waiting_take(c); /* empties the lines */
}
