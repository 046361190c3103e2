/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/* Looking for introduction points, section 19.3, over a circuit that serves this swarm alone. */

#define DHT_MS 300000	     /* between two useful answers of the DHT */
#define DHT_NOBODY_MS 120000 /* the same while no introduction point is known */
#define PATIENCE_MAX 48	     /* a swarm that is empty is looked for over few circuits */
#define USELESS_AGE_MS 10000 /* ... unless it is as young as this */

struct tie *
questions_of(struct swarm *w)
{
	struct tie *t;

	LIST_FOREACH (t, &w->ties, of_swarm) {
		if (t->kind == TIE_QUESTIONS && t->stage != STAGE_OVER)
			return t;
	}
	return NULL;
}

/* ---- the circuit ----------------------------------------------------------------------------- */

/* Not to an introduction point, if there is a choice: it may refuse to send to itself, and when it
 * is asked, it tells of itself instead of asking the DHT. */
static int
build(struct tie *t)
{
	uint8_t avoid[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN];
	struct peel_origin_spec spec = {
		.avoid = (const uint8_t(*)[PEEL_PK_LEN])avoid,
		.n_avoid = known_keys(t->swarm, avoid),
	};

	spec.n_avoid = points_add(t->swarm, spec.n_avoid, avoid);
	int ret = tie_build(t, &spec);

	if (ret == -EAGAIN) {
		spec.n_avoid = 0;
		ret = tie_build(t, &spec);
	}
	return ret;
}

static struct tie *
keep_circuit(struct swarm *w)
{
	struct tie *t = questions_of(w);

	if (t != NULL)
		return t;
	if (swarm_now(w->all) >= w->ask.retry_ms) {
		t = tie_new(w, TIE_QUESTIONS, STAGE_BUILDING);
		if (t != NULL && build(t) == 0)
			return t;
		if (t != NULL)
			tie_free(t);
		swarm_back_off(w->all, &w->ask);
	}
	swarm_due(w->all, w->ask.retry_ms);
	return NULL;
}

void
questions_replace(struct swarm *w)
{
	struct tie *t = questions_of(w);

	connect_cut_off(w);
	if (t != NULL)
		tie_end(t);
}

void
questions_useless(struct swarm *w)
{
	struct tie *t = questions_of(w);

	if (t == NULL || t->stage != STAGE_UP || ++w->useless < w->patience ||
		swarm_now(w->all) - t->since_ms < USELESS_AGE_MS)
		return;
	if (w->patience < PATIENCE_MAX)
		w->patience *= 2;
	/* Its end may have lied: another one is asked at once. If it said that there is nobody,
	 * another one is asked when it is time. */
	if (w->n_found == 0 && known_count(w) > 0) {
		w->dht_ms = 0;
		w->look_ms = 0;
	}
	questions_replace(w);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static struct question *
free_question(struct swarm *w)
{
	for (size_t i = 0; i < PEEL_ARRAY_LEN(w->question); i++) {
		if (!w->question[i].used)
			return &w->question[i];
	}
	return NULL;
}

/* @p k NULL: the end of the circuit, which asks the DHT. */
static void
ask(struct swarm *w, struct tie *t, const struct known *k)
{
	struct peel_swarms *s = w->all;
	struct question *q = free_question(w);
	struct peel_msg_peers_request m = {.info_hash = w->info_hash};
	uint8_t end[PEEL_PK_LEN], msg[64];
	int ret;

	if (q == NULL || peel_origin_end_key(s->origin, t->circuit, end) != 0)
		return;
	*q = (struct question){
		.used = true,
		.dht = k == NULL,
		.cell = k == NULL || memcmp(k->pk, end, PEEL_PK_LEN) == 0,
		.identifier = peel_random_u16(s->env),
		.due_ms = swarm_now(s) + REQUEST_MS,
	};
	m.identifier = q->identifier;
	m.cid = peel_random_u32(s->env); /* nobody needs it, so it tells nobody anything */
	int len = peel_peers_request_build(msg, sizeof(msg), !q->cell, &m);

	if (k != NULL)
		q->addr = k->addr;
	if (q->cell)
		ret = tie_send(t, msg, len);
	else
		ret = tie_send_datagram(t, &k->addr, msg, len);
	if (ret != 0)
		q->used = false;
}

static bool
is_asked(const struct swarm *w, const struct peel_addr *addr)
{
	for (size_t i = 0; i < PEEL_ARRAY_LEN(w->question); i++) {
		const struct question *q = &w->question[i];

		if (q->used && !q->dht && peel_addr_equal(&q->addr, addr))
			return true;
	}
	return false;
}

/* Each address once, some of them at random when they are many. */
static void
ask_points(struct swarm *w, struct tie *t)
{
	uint32_t start = peel_random_below(w->all->env, KNOWN_MAX);
	unsigned int n = 0;

	for (uint32_t i = 0; i < KNOWN_MAX && n < ASKED_MAX; i++) {
		const struct known *k = &w->known[(start + i) % KNOWN_MAX];

		if (!k->used || is_asked(w, &k->addr))
			continue;
		ask(w, t, k);
		n++;
	}
}

/* Until the next look-up. A swarm was just joined and nobody is known: perhaps the others have
 * joined just now, too. Exits remember for some seconds that they found nothing. */
static uint64_t
interval_ms(const struct swarm *w, bool nobody)
{
	static const uint64_t early[] = {4000, 8000};
	uint64_t interval = 1000ull * w->all->conf.settings.lookup_interval;

	if (nobody && w->n_looked < PEEL_ARRAY_LEN(early) && early[w->n_looked] < interval)
		return early[w->n_looked];
	return interval;
}

static void
look_up(struct swarm *w, struct tie *t, uint64_t now)
{
	uint64_t since = w->dht_ms == 0 ? UINT64_MAX : now - w->dht_ms;
	bool nobody = known_count(w) == 0;
	uint64_t interval = interval_ms(w, nobody);

	w->looked_ms = now;
	w->n_looked++;
	/* Not the rhythm of other swarms: a bit later, never earlier. */
	w->look_ms = now + interval + peel_random_below(w->all->env, (uint32_t)(interval / 10) + 1);
	peel_stats_add(w->all->conf.stats, PEEL_SWARM_LOOKUPS, 1);
	if (since > DHT_MS || (nobody && since > DHT_NOBODY_MS))
		ask(w, t, NULL);
	else
		ask_points(w, t);
}

static void
unanswered(struct swarm *w, struct question *q)
{
	q->used = false;
	for (size_t i = 0; i < KNOWN_MAX && !q->dht; i++) {
		struct known *k = &w->known[i];

		if (k->used && peel_addr_equal(&k->addr, &q->addr))
			known_failed(w, k);
	}
	questions_useless(w);
}

void
lookup_tick(struct swarm *w)
{
	uint64_t now = swarm_now(w->all);

	for (size_t i = 0; i < PEEL_ARRAY_LEN(w->question); i++) {
		struct question *q = &w->question[i];

		if (q->used && q->due_ms <= now)
			unanswered(w, q);
		else if (q->used)
			swarm_due(w->all, q->due_ms);
	}
	known_expire(w);
	struct tie *t = keep_circuit(w);

	if (t == NULL || t->stage != STAGE_UP ||
		w->n_found >= w->all->conf.settings.connection_limit)
		return;
	if (now >= w->look_ms)
		look_up(w, t, now);
	swarm_due(w->all, w->look_ms);
}

/* ---- answers --------------------------------------------------------------------------------- */

static struct question *
find_question(struct swarm *w, uint16_t identifier, bool datagram)
{
	for (size_t i = 0; i < PEEL_ARRAY_LEN(w->question); i++) {
		struct question *q = &w->question[i];

		if (q->used && q->identifier == identifier && q->cell == !datagram)
			return q;
	}
	return NULL;
}

/* The end of the circuit may be an introduction point itself. py-ipv8's do not know their own
 * address here, or tell a local one; we know where it is. */
static void
correct_address(const struct tie *t, struct peel_introduction *p)
{
	struct peel_origin_info info;

	if (!peel_pk_valid(p->pk) ||
		peel_origin_info(t->swarm->all->origin, t->circuit, &info) != 0 || info.hops == 0)
		return;
	const struct peel_origin_hop *end = &info.hop[info.hops - 1];

	if (memcmp(end->pk, p->pk.p, PEEL_PK_LEN) == 0 && peel_addr_usable(&end->addr))
		p->address = end->addr;
}

int
lookup_answered(struct tie *t, const uint8_t *body, size_t len, bool datagram)
{
	struct swarm *w = t->swarm;
	struct peel_msg_peers_response m;
	bool useful = false, from_dht = false;

	if (peel_peers_response_parse(body, len, datagram, &m) != 0)
		return swarm_refuse(w->all, PEEL_CONTROL_MALFORMED);
	struct question *q = find_question(w, m.identifier, datagram);

	if (q == NULL || memcmp(m.info_hash, w->info_hash, sizeof(w->info_hash)) != 0)
		return swarm_refuse(w->all, PEEL_CONTROL_UNKNOWN);
	q->used = false;
	for (size_t i = 0; i < m.n; i++) {
		if (q->dht)
			correct_address(t, &m.peer[i]);
		useful |= known_add(w, &m.peer[i]);
		from_dht |= m.peer[i].source == PEEL_SOURCE_DHT;
	}
	/* Only the circuit's end speaks for the DHT. */
	if (q->dht && from_dht)
		w->dht_ms = swarm_now(w->all);
	/* If that is an introduction point itself, it knows of nobody else. */
	if (q->dht && !from_dht && !useful)
		questions_useless(w);
	w->all->noted = true;
	return 0;
}
