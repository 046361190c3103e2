/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "hidden_internal.h"

/*
 * Some DHTs know addresses only. The nodes there are asked for their introduction points with the
 * datagram that downloaders use, sections 14.9 and 19.3. Anybody can put any address into such a
 * DHT, and make us look it up: so few are asked, each seldom, and what they say is a part of the
 * answer only.
 */

#define TIMEOUT_MS 3000
#define OF_ANSWER_MAX 4 /* points that one of them may tell of */
/* 49 bytes each. Who lists many addresses, behind which nobody answers, leaves those who look up
 * something else their first ones. */
#define FIRST_OF_SEARCH 4
#define PER_SECOND 25
#define BURST 50
#define TO_ONE_PER_SECOND 1 /* whatever the info hash */
#define TO_ONE_BURST 4
#define SOURCES 1024

int
point_asks_init(struct peel_hidden *h)
{
	peel_bucket_init(&h->first_asks, BURST, peel_now_ms(h->conf.env));
	peel_bucket_init(&h->more_asks, BURST, peel_now_ms(h->conf.env));
	return peel_rate_new(h->conf.env, TO_ONE_PER_SECOND, TO_ONE_BURST, SOURCES, &h->asks_of);
}

void
point_asks_fini(struct peel_hidden *h)
{
	peel_rate_free(h->asks_of);
}

static bool
is_asked(const struct peel_hidden *h, const struct search *s, const struct peel_addr *to)
{
	struct peel_addr source = peel_addr_sender(to);

	for (uint32_t i = 0; i < ASKS_MAX; i++) {
		const struct point_ask *a = &h->ask[i];
		struct peel_addr other = peel_addr_sender(&a->to);

		if (a->used && &h->search[a->search] == s && peel_addr_equal(&source, &other))
			return true;
	}
	return false;
}

static struct point_ask *
free_place(struct peel_hidden *h)
{
	for (uint32_t i = 0; i < ASKS_MAX; i++) {
		if (!h->ask[i].used)
			return &h->ask[i];
	}
	return NULL;
}

static bool
may_ask(struct peel_hidden *h, const struct search *s, const struct peel_addr *to)
{
	struct peel_addr here;

	if (h->conf.may_ask == NULL || !peel_addr_usable(to) || !h->conf.may_ask(h->conf.arg, to))
		return false;
	/* We have said what we know ourselves. */
	if (h->conf.public_address(h->conf.arg, &here) && peel_addr_equal(&here, to))
		return false;
	return !is_asked(h, s, to);
}

void
point_ask(struct peel_hidden *h, struct search *s, const struct peel_addr *to)
{
	uint8_t out[PEEL_PREFIX_LEN + 64];
	struct peel_msg_peers_request m = {.info_hash = s->info_hash};
	struct peel_bucket *asks = s->n_asked < FIRST_OF_SEARCH ? &h->first_asks : &h->more_asks;
	struct point_ask *a;

	if (s->n_asked >= ASKS_OF_SEARCH || !may_ask(h, s, to))
		return;
	a = free_place(h);
	if (a == NULL || !peel_rate_take(h->asks_of, to, 1) ||
		!peel_bucket_take(asks, PER_SECOND, BURST, 1, peel_now_ms(h->conf.env))) {
		peel_stats_add(h->conf.stats, PEEL_CONTROL_RATE, 1);
		return;
	}
	*a = (struct point_ask){.used = true,
		.search = (uint32_t)(s - h->search),
		.to = *to,
		.cid = (uint32_t)peel_random_u64(h->conf.env),
		.identifier = (uint16_t)peel_random_u64(h->conf.env),
		.until_ms = peel_now_ms(h->conf.env) + TIMEOUT_MS};
	m.cid = a->cid;
	m.identifier = a->identifier;
	s->n_asks++;
	s->n_asked++;
	memcpy(out, h->conf.prefix, PEEL_PREFIX_LEN);
	int n = peel_peers_request_build(
		out + PEEL_PREFIX_LEN, sizeof(out) - PEEL_PREFIX_LEN, true, &m);

	h->conf.send(h->conf.arg, to, out, PEEL_PREFIX_LEN + (size_t)n);
	peel_stats_add(h->conf.stats, PEEL_HIDDEN_ASKED, 1);
}

static void
take(struct peel_hidden *h, struct search *s, const struct peel_addr *from,
	const struct peel_msg_peers_response *m)
{
	struct peel_dht_introduction point = {.last_seen = 0};
	unsigned int n = 0;

	for (size_t i = 0; i < m->n && n < OF_ANSWER_MAX; i++) {
		const struct peel_introduction *one = &m->peer[i];

		if (!peel_pk_valid(one->pk) || !peel_pk_valid(one->seeder_pk))
			continue;
		/* A stock node that has met nobody in its PEX overlay does not know where others
		 * see it. But we do. */
		point.address = peel_addr_usable(&one->address) &&
						h->conf.may_ask(h->conf.arg, &one->address)
					? one->address
					: *from;
		memcpy(point.pk, one->pk.p, PEEL_PK_LEN);
		memcpy(point.seeder_pk, one->seeder_pk.p, PEEL_PK_LEN);
		search_take(h, s, &point);
		n++;
	}
}

int
point_asks_answer(
	struct peel_hidden *h, const struct peel_addr *from, const uint8_t *body, size_t len)
{
	struct peel_msg_peers_response m;
	struct point_ask *a = h->ask;

	if (peel_peers_response_parse(body, len, true, &m) != 0)
		return hidden_refuse(h);
	while (a < h->ask + ASKS_MAX &&
		!(a->used && a->cid == m.cid && a->identifier == m.identifier &&
			peel_addr_equal(&a->to, from)))
		a++;
	if (a == h->ask + ASKS_MAX)
		return hidden_refuse(h);
	struct search *s = &h->search[a->search];

	if (memcmp(s->info_hash, m.info_hash, sizeof(s->info_hash)) != 0)
		return hidden_refuse(h);
	a->used = false;
	s->n_asks--;
	take(h, s, from, &m);
	search_advance(h, s);
	return 0;
}

void
point_asks_forget(struct peel_hidden *h, struct search *s)
{
	for (uint32_t i = 0; i < ASKS_MAX; i++) {
		if (&h->search[h->ask[i].search] == s)
			h->ask[i].used = false;
	}
	s->n_asks = 0;
}

void
point_asks_tick(struct peel_hidden *h)
{
	uint64_t now = peel_now_ms(h->conf.env);

	for (uint32_t i = 0; i < ASKS_MAX; i++) {
		struct point_ask *a = &h->ask[i];

		if (!a->used || now < a->until_ms)
			continue;
		a->used = false;
		h->search[a->search].n_asks--;
	}
}

uint32_t
point_asks_count(const struct peel_hidden *h)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ASKS_MAX; i++)
		n += h->ask[i].used;
	return n;
}
