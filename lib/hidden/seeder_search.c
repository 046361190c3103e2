/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "hidden_internal.h"

/*
 * Looking up in the DHT where a seeder can be asked for, sections 19.3 and 21.8. An info hash is
 * looked up once for all who ask meanwhile, and the answer kept for those who come soon after.
 * Anybody can invent hashes: those under which nothing was ever found leave room for the others.
 */

/* Of those under way: */
#define UNDER_WAY_UNKNOWN 9 /* for hashes under which nothing was found yet */
#define UNDER_WAY_NEIGHBOUR 3
#define UNDER_WAY_CIRCUIT 2
#define KEEP_FOUND_MS 30000
#define KEEP_NOTHING_MS 3000
/* Who asks waits for ten seconds. Once something is found, the slower DHTs have a little time. */
#define SEARCH_MAX_MS 9000
#define LINGER_MS 1500

static struct search *
by_hash(struct peel_hidden *h, const uint8_t *info_hash)
{
	for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
		struct search *s = &h->search[i];

		if (s->used && memcmp(s->info_hash, info_hash, sizeof(s->info_hash)) == 0)
			return s;
	}
	return NULL;
}

/* What can be forgotten best: nothing, or where nothing was found, or else the oldest. */
static struct search *
least(struct peel_hidden *h)
{
	struct search *worst = NULL;

	for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
		struct search *s = &h->search[i];

		if (!s->used)
			return s;
		if (s->under_way)
			continue;
		if (worst == NULL || (s->n_found > 0) < (worst->n_found > 0) ||
			((s->n_found > 0) == (worst->n_found > 0) && s->since_ms < worst->since_ms))
			worst = s;
	}
	return worst; /* there is one, as fewer are under way */
}

static bool
is_fresh(const struct peel_hidden *h, const struct search *s)
{
	return peel_now_ms(h->conf.env) - s->since_ms <
	       (s->n_found > 0 ? KEEP_FOUND_MS : KEEP_NOTHING_MS);
}

static void
wait_for(struct peel_hidden *h, struct search *s, const struct search_asker *asker)
{
	uint32_t i = 0;

	/* Who asks again has given up on its first question. */
	while (i < s->n_askers && s->asker[i].session != asker->session)
		i++;
	if (i == SEARCH_ASKERS) {
		peel_stats_add(h->conf.stats, PEEL_CONTROL_RATE, 1);
		return;
	}
	s->asker[i] = *asker;
	if (i == s->n_askers)
		s->n_askers++;
}

/* ---- places ---------------------------------------------------------------------------------- */

static uint32_t
of_neighbour(const struct peel_hidden *h, const struct peel_addr *source)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
		const struct search *s = &h->search[i];

		n += s->used && s->under_way && peel_addr_equal(&s->source, source);
	}
	return n;
}

/* May that circuit and its neighbour begin one more? */
static bool
may_begin(const struct peel_hidden *h, uint32_t session, const struct peel_addr *source)
{
	uint32_t of_circuit = 0;

	for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
		const struct search *s = &h->search[i];

		of_circuit += s->used && s->under_way && s->session == session;
	}
	return of_circuit < UNDER_WAY_CIRCUIT && of_neighbour(h, source) < UNDER_WAY_NEIGHBOUR;
}

static bool
has_place(const struct peel_hidden *h, bool known)
{
	uint32_t all = 0, unknown = 0;

	for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
		const struct search *s = &h->search[i];

		if (!s->used || !s->under_way)
			continue;
		all++;
		unknown += s->n_found == 0;
	}
	return all < SEARCHES_UNDER_WAY && (known || unknown < UNDER_WAY_UNKNOWN);
}

/* Nothing that comes from now on counts. */
static void
stop(struct peel_hidden *h, struct search *s)
{
	if (!s->told_all)
		h->conf.cancel(h->conf.arg, s->info_hash);
	s->under_way = false;
	point_asks_forget(h, s);
}

static void
abandon(struct peel_hidden *h, struct search *s)
{
	stop(h, s);
	s->n_askers = 0;
	/* What is known from earlier is old, but still shows that there is something. */
	s->used = s->n_found > 0;
	s->since_ms = 0;
}

/* All places are taken: who has none gets one of a neighbour that has several, of whose look-ups
 * the one that takes longest ends. So a few neighbours never keep out the others. */
static bool
make_place(struct peel_hidden *h, bool known, const struct peel_addr *source)
{
	struct search *longest = NULL;

	if (of_neighbour(h, source) > 0)
		return false;
	for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
		struct search *s = &h->search[i];

		if (s->used && s->under_way && (known || s->n_found == 0) &&
			(longest == NULL || s->since_ms < longest->since_ms) &&
			of_neighbour(h, &s->source) > 1)
			longest = s;
	}
	if (longest != NULL)
		abandon(h, longest);
	return longest != NULL;
}

void
search_exit_gone(struct peel_hidden *h, uint32_t session)
{
	for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
		struct search *s = &h->search[i];

		if (!s->used || !s->under_way)
			continue;
		for (uint32_t k = s->n_askers; k-- > 0;) {
			if (s->asker[k].session == session)
				s->asker[k] = s->asker[--s->n_askers];
		}
		if (s->n_askers == 0)
			abandon(h, s);
	}
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void
begin(struct peel_hidden *h, struct search *s, const struct search_asker *asker,
	const struct peel_addr *source)
{
	s->source = *source;
	s->session = asker->session;
	s->n_askers = 1;
	s->asker[0] = *asker;
	s->told_all = false;
	s->first_ms = 0;
	s->n_seen = s->n_new = s->n_asks = s->n_asked = 0;
	s->under_way = h->conf.look_up(h->conf.arg, s->info_hash) == 0;
	/* A failure is no answer: nothing is told, and the next one tries again. */
	if (s->under_way)
		s->since_ms = peel_now_ms(h->conf.env);
	else if (s->n_found == 0)
		s->used = false;
}

void
search_ask(struct peel_hidden *h, const uint8_t *info_hash, const struct search_asker *asker,
	const struct peel_addr *from)
{
	struct peel_addr source = peel_addr_source(from);
	struct search *s = by_hash(h, info_hash);

	if (h->conf.look_up == NULL)
		return;
	if (s != NULL && s->under_way) {
		wait_for(h, s, asker);
		return;
	}
	if (s != NULL && is_fresh(h, s)) {
		peers_found(h, s, asker);
		return;
	}
	bool is_known = s != NULL && s->n_found > 0;

	if (!may_begin(h, asker->session, &source) || !peel_rate_take(h->dht, from, 1) ||
		!(has_place(h, is_known) || make_place(h, is_known, &source))) {
		peel_stats_add(h->conf.stats, PEEL_CONTROL_RATE, 1);
		return;
	}
	if (s == NULL) {
		s = least(h);
		memset(s, 0, sizeof(*s));
		s->used = true;
		memcpy(s->info_hash, info_hash, sizeof(s->info_hash));
	}
	begin(h, s, asker, &source);
}

/* ---- what is found --------------------------------------------------------------------------- */

static struct search *
under_way(struct peel_hidden *h, const uint8_t *info_hash)
{
	struct search *s = by_hash(h, info_hash);

	return s != NULL && s->under_way ? s : NULL;
}

static void
finish(struct peel_hidden *h, struct search *s)
{
	stop(h, s);
	s->n_found = s->n_new;
	memcpy(s->found, s->new, sizeof(s->found));
	s->since_ms = peel_now_ms(h->conf.env);
	for (uint32_t i = 0; i < s->n_askers; i++)
		peers_found(h, s, &s->asker[i]);
	s->n_askers = 0;
}

void
search_advance(struct peel_hidden *h, struct search *s)
{
	uint64_t now = peel_now_ms(h->conf.env);

	if ((s->told_all && s->n_asks == 0) || now - s->since_ms >= SEARCH_MAX_MS ||
		(s->first_ms != 0 && now - s->first_ms >= LINGER_MS))
		finish(h, s);
}

void
search_tick(struct peel_hidden *h)
{
	for (uint32_t i = 0; i < SEARCHES_MAX; i++) {
		if (h->search[i].used && h->search[i].under_way)
			search_advance(h, &h->search[i]);
	}
}

void
search_take(struct peel_hidden *h, struct search *s, const struct peel_dht_introduction *point)
{
	if (!peel_addr_usable(&point->address))
		return;
	/* Several may tell of the same one. */
	for (uint32_t i = 0; i < s->n_new; i++) {
		if (peel_addr_equal(&s->new[i].address, &point->address) &&
			memcmp(s->new[i].seeder_pk, point->seeder_pk, PEEL_PK_LEN) == 0)
			return;
	}
	s->n_seen++;
	uint32_t at =
		s->n_new < PEEL_PEERS_MAX ? s->n_new++ : peel_random_below(h->conf.env, s->n_seen);

	if (at < PEEL_PEERS_MAX)
		s->new[at] = *point;
	if (s->first_ms == 0)
		s->first_ms = peel_now_ms(h->conf.env);
}

void
peel_hidden_found(struct peel_hidden *h, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *point, size_t n)
{
	struct search *s = under_way(h, info_hash);

	for (size_t i = 0; s != NULL && i < n; i++)
		search_take(h, s, &point[i]);
}

void
peel_hidden_addresses(struct peel_hidden *h, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_addr *addr, size_t n)
{
	struct search *s = under_way(h, info_hash);

	for (size_t i = 0; s != NULL && i < n; i++)
		point_ask(h, s, &addr[i]);
}

void
peel_hidden_searched(struct peel_hidden *h, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct search *s = under_way(h, info_hash);

	if (s == NULL)
		return;
	s->told_all = true;
	search_advance(h, s);
}

uint32_t
search_count(const struct peel_hidden *h)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < SEARCHES_MAX; i++)
		n += h->search[i].used && h->search[i].under_way;
	return n;
}
