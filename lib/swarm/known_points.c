/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/*
 * Where others say that seeders can be asked for, section 19.3. Anybody can say anything: so each
 * address and each network has a few places, what is tried is drawn by address, and what was of no
 * use comes last and makes room first.
 */

#define OF_SENDER_MAX 4
#define OF_NETWORK_MAX 16
#define RETRY_MS 1000	    /* after a failure, doubled ... */
#define RETRY_MAX_MS 120000 /* ... up to this */
#define ELSEWHERE_MS 3000   /* without an answer, another introduction point is asked, too */
#define ANY_ORDER 4	    /* one in so many choices does not look at failures */

struct known *
known_get(struct swarm *w, const struct peel_addr *addr, const uint8_t *seeder_pk)
{
	for (size_t i = 0; i < KNOWN_MAX; i++) {
		struct known *k = &w->known[i];

		if (k->used && peel_addr_equal(&k->addr, addr) &&
			memcmp(k->seeder_pk, seeder_pk, PEEL_PK_LEN) == 0)
			return k;
	}
	return NULL;
}

bool
known_is_connected(const struct swarm *w, const uint8_t *seeder_pk)
{
	const struct tie *t;

	LIST_FOREACH (t, &w->ties, of_swarm) {
		if (t->kind == TIE_DOWNLOADER && t->stage != STAGE_OVER &&
			memcmp(t->seeder_pk, seeder_pk, PEEL_PK_LEN) == 0)
			return true;
	}
	return false;
}

/* ---- room ------------------------------------------------------------------------------------ */

static bool
same_sender(const struct peel_addr *a, const struct peel_addr *b)
{
	struct peel_addr x = peel_addr_sender(a), y = peel_addr_sender(b);

	return peel_addr_equal(&x, &y);
}

/* A /16 of IPv4, a /32 of IPv6; local addresses say nothing. */
static bool
same_network(const struct peel_addr *a, const struct peel_addr *b)
{
	if (peel_addr_is_local(a) || peel_addr_is_local(b))
		return same_sender(a, b);
	return a->family == b->family &&
	       memcmp(a->ip, b->ip, a->family == PEEL_FAMILY_IPV4 ? 2 : 4) == 0;
}

static unsigned int
n_alike(const struct swarm *w, const struct peel_addr *addr,
	bool (*alike)(const struct peel_addr *, const struct peel_addr *))
{
	unsigned int n = 0;

	for (size_t i = 0; i < KNOWN_MAX; i++)
		n += w->known[i].used && alike(&w->known[i].addr, addr);
	return n;
}

/* How much it is in the way. */
static unsigned int
burden(const struct swarm *w, const struct known *k)
{
	return n_alike(w, &k->addr, same_network) + (k->failures > 0 ? KNOWN_MAX : 0);
}

static struct known *
find_room(struct swarm *w, const struct peel_addr *addr)
{
	unsigned int most = n_alike(w, addr, same_network) + 1;
	struct known *found = NULL;
	uint32_t equals = 0;

	for (size_t i = 0; i < KNOWN_MAX; i++) {
		struct known *k = &w->known[i];

		if (!k->used)
			return k;
		unsigned int much = known_is_connected(w, k->seeder_pk) ? 0 : burden(w, k);

		if (much > most) {
			most = much;
			equals = 0;
		}
		if (much == most && peel_random_below(w->all->env, ++equals) == 0)
			found = k;
	}
	return found;
}

bool
known_is_ours(const struct peel_swarms *s, const uint8_t *seeder_pk)
{
	const struct swarm *w;

	LIST_FOREACH (w, &s->swarms, of_all) {
		if (w->seed && memcmp(w->key->pk, seeder_pk, PEEL_PK_LEN) == 0)
			return true;
	}
	return false;
}

bool
known_add(struct swarm *w, const struct peel_introduction *p)
{
	if (!peel_addr_usable(&p->address) || !peel_pk_valid(p->pk) ||
		!peel_pk_valid(p->seeder_pk) || known_is_ours(w->all, p->seeder_pk.p))
		return false;
	struct known *k = known_get(w, &p->address, p->seeder_pk.p);

	bool is_new = k == NULL;

	if (is_new) {
		if (n_alike(w, &p->address, same_sender) >= OF_SENDER_MAX ||
			n_alike(w, &p->address, same_network) >= OF_NETWORK_MAX)
			return false;
		k = find_room(w, &p->address);
		if (k == NULL)
			return false;
		*k = (struct known){.used = true, .addr = p->address};
		memcpy(k->seeder_pk, p->seeder_pk.p, PEEL_PK_LEN);
	}
	memcpy(k->pk, p->pk.p, PEEL_PK_LEN);
	k->source = p->source;
	k->seen_ms = swarm_now(w->all);
	return is_new;
}

void
known_expire(struct swarm *w)
{
	uint64_t now = swarm_now(w->all);

	for (size_t i = 0; i < KNOWN_MAX; i++) {
		struct known *k = &w->known[i];

		if (k->used && now - k->seen_ms > KNOWN_AGE_MS &&
			!known_is_connected(w, k->seeder_pk))
			k->used = false;
	}
}

void
known_failed(struct swarm *w, struct known *k)
{
	uint64_t ms = RETRY_MAX_MS;

	if (k->failures < 7)
		ms = RETRY_MS << k->failures;
	k->failures++;
	k->retry_ms = swarm_now(w->all) + ms;
}

/* Whether its seeder is connected or about to be: asked lately, or asked there. */
static bool
is_taken(const struct swarm *w, const struct known *k, uint64_t *due_ms)
{
	uint64_t now = swarm_now(w->all);
	const struct tie *t;

	LIST_FOREACH (t, &w->ties, of_swarm) {
		if (t->kind != TIE_DOWNLOADER || t->stage == STAGE_OVER ||
			memcmp(t->seeder_pk, k->seeder_pk, PEEL_PK_LEN) != 0)
			continue;
		if (t->stage != STAGE_ASKED || peel_addr_equal(&t->known_addr, &k->addr))
			return true;
		if (now - t->since_ms < ELSEWHERE_MS) {
			if (t->since_ms + ELSEWHERE_MS < *due_ms)
				*due_ms = t->since_ms + ELSEWHERE_MS;
			return true;
		}
	}
	return false;
}

/* ---- choice ---------------------------------------------------------------------------------- */

/* Whether this is the first one of its address in the list. */
static bool
is_first(const struct known *const *list, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (same_sender(&list[k]->addr, &list[i]->addr))
			return false;
	}
	return true;
}

/* Each address has the same chance, however many seeders it claims to have. */
static struct known *
draw(struct swarm *w, struct known **list, size_t n)
{
	const struct known *of = NULL;
	struct known *found = NULL;
	uint32_t senders = 0, equals = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_first((const struct known *const *)list, i) &&
			peel_random_below(w->all->env, ++senders) == 0)
			of = list[i];
	}
	for (size_t i = 0; i < n; i++) {
		if (same_sender(&list[i]->addr, &of->addr) &&
			peel_random_below(w->all->env, ++equals) == 0)
			found = list[i];
	}
	return found;
}

/* Those that may be tried now, without @p end unless that is NULL, and of them the ones that failed
 * least or just any. @return how many */
static size_t
eligible(struct swarm *w, const uint8_t *end, bool any, uint64_t *due_ms, struct known **list)
{
	uint64_t now = swarm_now(w->all);
	uint32_t least = UINT32_MAX;
	size_t n = 0;

	for (size_t i = 0; i < KNOWN_MAX; i++) {
		struct known *k = &w->known[i];

		if (!k->used || is_taken(w, k, due_ms) ||
			(end != NULL && memcmp(k->pk, end, PEEL_PK_LEN) == 0))
			continue;
		if (k->retry_ms > now) {
			if (k->retry_ms < *due_ms)
				*due_ms = k->retry_ms;
			continue;
		}
		if (!any && k->failures < least) {
			least = k->failures;
			n = 0;
		}
		if (any || k->failures == least)
			list[n++] = k;
	}
	return n;
}

struct known *
known_next(struct swarm *w, const uint8_t end[PEEL_PK_LEN], uint64_t *due_ms)
{
	bool any = peel_random_below(w->all->env, ANY_ORDER) == 0;
	struct known *list[KNOWN_MAX];
	size_t n = eligible(w, end, any, due_ms, list);

	if (n == 0)
		n = eligible(w, NULL, any, due_ms, list);
	return n > 0 ? draw(w, list, n) : NULL;
}

/* ---- counting -------------------------------------------------------------------------------- */

size_t
known_keys(const struct swarm *w, uint8_t out[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN])
{
	size_t n = 0, k;

	for (size_t i = 0; i < KNOWN_MAX && n < PEEL_ORIGIN_AVOID_MAX; i++) {
		for (k = 0; k < n && memcmp(out[k], w->known[i].pk, PEEL_PK_LEN) != 0; k++)
			;
		if (w->known[i].used && k == n)
			memcpy(out[n++], w->known[i].pk, PEEL_PK_LEN);
	}
	return n;
}

uint32_t
known_count(const struct swarm *w)
{
	uint32_t n = 0;

	for (size_t i = 0; i < KNOWN_MAX; i++)
		n += w->known[i].used;
	return n;
}

uint32_t
known_seeders(const struct swarm *w)
{
	uint32_t n = 0;

	/* Whoever is connected is known: it stays in the list meanwhile. */
	for (size_t i = 0; i < KNOWN_MAX; i++) {
		bool first = w->known[i].used;

		for (size_t k = 0; k < i && first; k++)
			first = !w->known[k].used ||
				memcmp(w->known[k].seeder_pk, w->known[i].seeder_pk, PEEL_PK_LEN) !=
					0;
		n += first;
	}
	return n;
}
