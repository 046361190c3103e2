/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "hidden_internal.h"

/* Introduction points, sections 19.2 and 19.4: a seeder leaves its key at the end of a circuit, and
 * whoever asks for that key is heard at the other end. */

/* A seeder makes a rendezvous point for each: a circuit and two handshakes. */
#define ASKED_PER_SECOND 5
#define ASKED_BURST 20
#define ANNOUNCE_MS 1000
/* prefix, id, identifier, info hash, key, X: what lies behind is nobody's */
#define CREATE_E2E_LEN (PEEL_HEADER_LEN + 2 + PEEL_INFO_HASH_LEN + 2 + PEEL_PK_LEN + 2 + PEEL_X_LEN)

/* ---- the DHT --------------------------------------------------------------------------------- */

/* Not more of one neighbour than others need to be heard, too; the rest later. */
static void
announce(struct peel_hidden *h, struct promise *p, const struct peel_addr *here,
	const struct peel_addr *from)
{
	struct peel_dht_introduction introduction = {.address = *here};

	if (h->conf.announce == NULL || !peel_rate_take(h->dht, from, 1))
		return;
	h->announced_here = *here;
	memcpy(introduction.pk, h->conf.identity->pk, PEEL_PK_LEN);
	memcpy(introduction.seeder_pk, p->key, PEEL_PK_LEN);
	p->announced =
		h->conf.announce(h->conf.arg, p->info_hash, &introduction, &p->published) == 0;
	h->n_announced += p->announced;
}

static void
withdraw(struct peel_hidden *h, struct promise *p)
{
	if (!p->announced)
		return;
	p->announced = false;
	h->n_announced--;
	h->conf.withdraw(h->conf.arg, p->published);
}

void
introduction_ended(void *arg, struct promise *one)
{
	struct peel_hidden *h = arg;

	/* It is still in the table, but not under its info hash any more. */
	if (h->conf.pex_stop != NULL &&
		promise_first_of_hash(&h->introductions, one->info_hash) == PEEL_NONE)
		h->conf.pex_stop(h->conf.arg, one->info_hash);
	withdraw(h, one);
	/* One that had to make room does not keep its circuit alive: its seeder finds another. */
	if (promise_of_session(&h->introductions, one->session) == NULL &&
		peel_or_exit_introduction(
			h->conf.or_circuits, one->session, one->generation, false) != 0)
		return; /* it has ended */
}

/* Values with an address that is not ours any more are withdrawn, and published anew in turn. */
static void
follow_address(struct peel_hidden *h, const struct peel_addr *here)
{
	if (h->n_announced == 0 || peel_addr_equal(here, &h->announced_here))
		return;
	for (uint32_t i = 0; i < h->introductions.slots.n_high; i++) {
		struct promise *p = &h->introductions.promise[i];

		if (p->used)
			withdraw(h, p);
	}
}

void
introduction_tick(struct peel_hidden *h)
{
	uint64_t now = peel_now_ms(h->conf.env);
	struct peel_exit_info exit;
	struct peel_addr here;

	if (now < h->announce_ms || h->introductions.slots.n == 0 ||
		!h->conf.public_address(h->conf.arg, &here))
		return;
	follow_address(h, &here);
	if (h->n_announced == h->introductions.slots.n)
		return;
	h->announce_ms = now + ANNOUNCE_MS;
	for (uint32_t i = 0; i < h->introductions.slots.n_high; i++) {
		struct promise *p = &h->introductions.promise[i];

		if (p->used && !p->announced &&
			peel_or_exit(h->conf.or_circuits, p->session, p->generation, &exit) == 0)
			announce(h, p, &here, &exit.previous);
	}
}

/* ---- promises -------------------------------------------------------------------------------- */

static int
register_key(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const struct peel_msg_establish_intro *m, const struct peel_addr *here,
	const struct peel_addr *from)
{
	struct promise *p = promise_add(
		&h->introductions, m->seeder_pk.p, m->seeder_pk.len, session, generation, from);

	if (p == NULL)
		return -ENOSPC;
	bool first = promise_first_of_hash(&h->introductions, m->info_hash) == PEEL_NONE;
	int ret = first && h->conf.pex_start != NULL ? h->conf.pex_start(h->conf.arg, m->info_hash)
						     : 0;

	/* A hash that is all ones, or whose overlay would be one of our own. */
	if (ret == -EINVAL) {
		promise_end(&h->introductions, p);
		return ret;
	}
	memcpy(p->info_hash, m->info_hash, sizeof(p->info_hash));
	promise_index_hash(&h->introductions, p);
	peel_bucket_init(&p->asked, ASKED_BURST, peel_now_ms(h->conf.env));
	ret = peel_or_exit_introduction(h->conf.or_circuits, session, generation, true);

	follow_address(h, here);
	if (ret == 0)
		announce(h, p, here, from);
	return ret;
}

void
peel_hidden_keys(const struct peel_hidden *h, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	struct peel_pex_keys *out)
{
	const struct promises *p = &h->introductions;
	uint32_t slot = promise_first_of_hash(p, info_hash);

	out->n = 0;
	for (uint32_t seen = 1; slot != PEEL_NONE; seen++) {
		size_t at = out->n < PEEL_PEX_KEYS_MAX ? out->n++
						       : peel_random_below(h->conf.env, seen);

		if (at < PEEL_PEX_KEYS_MAX)
			out->key[at] = (struct peel_span){p->promise[slot].key, PEEL_PK_LEN};
		slot = promise_next_of_hash(p, slot, info_hash);
	}
}

int
introduction_establish(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *body, size_t len)
{
	struct peel_msg_establish_intro m;
	struct peel_exit_info exit;
	struct peel_addr here;
	uint8_t answer[3];

	if (peel_establish_intro_parse(body, len, &m) != 0 ||
		!h->conf.public_address(h->conf.arg, &here) ||
		peel_or_exit(h->conf.or_circuits, session, generation, &exit) != 0)
		return hidden_refuse(h);
	const struct promise *there =
		promise_get(&h->introductions, m.seeder_pk.p, m.seeder_pk.len);

	/* Who was first keeps it (W12). The same circuit may have lost our answer. */
	if (there != NULL) {
		if (there->session != session || there->generation != generation)
			return hidden_refuse(h);
	} else {
		if (h->draining ||
			register_key(h, session, generation, &m, &here, &exit.previous) != 0)
			return hidden_refuse(h);
		peel_stats_add(h->conf.stats, PEEL_HIDDEN_INTRODUCTIONS, 1);
	}
	int n = peel_identifier_build(
		answer, sizeof(answer), PEEL_MSG_INTRO_ESTABLISHED, m.identifier);

	return peel_or_answer(h->conf.or_circuits, session, answer, (size_t)n);
}

struct promise *
introduction_asked(struct peel_hidden *h, const uint8_t *data, size_t len)
{
	struct peel_msg_create_e2e m;

	if (peel_create_e2e_parse(data + PEEL_HEADER_LEN, len - PEEL_HEADER_LEN, &m) != 0)
		return NULL;
	struct promise *p = promise_get(&h->introductions, m.seeder_pk.p, m.seeder_pk.len);

	return p != NULL && memcmp(p->info_hash, m.info_hash, sizeof(p->info_hash)) == 0 ? p : NULL;
}

bool
introduction_may_ask(struct peel_hidden *h, struct promise *p, const struct asked_limits *limits,
	const struct peel_addr *source)
{
	struct peel_addr about = *source;

	/* Nobody alone may ask as much as the seeder hears: others would not be heard. */
	about.port = (uint16_t)(p - h->introductions.promise);
	if (peel_rate_take_port(limits->of_seeder, &about, 1) &&
		peel_rate_take(limits->all, source, 1) &&
		peel_bucket_take(
			&p->asked, ASKED_PER_SECOND, ASKED_BURST, 1, peel_now_ms(h->conf.env)))
		return true;
	peel_stats_add(h->conf.stats, PEEL_CONTROL_RATE, 1);
	return false;
}

int
introduction_hand_on(struct peel_hidden *h, const struct promise *to,
	const struct peel_addr *origin, const uint8_t *data)
{
	uint8_t out[CREATE_E2E_LEN + 64];
	int n = hidden_data(out, sizeof(out), origin, data, CREATE_E2E_LEN);

	if (n < 0 || peel_or_answer(h->conf.or_circuits, to->session, out, (size_t)n) != 0)
		return hidden_refuse(h);
	peel_stats_add(h->conf.stats, PEEL_HIDDEN_CREATE_E2E, 1);
	return 0;
}

int
introduction_create_e2e(
	struct peel_hidden *h, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	struct promise *p = introduction_asked(h, data, len);

	if (p == NULL)
		return hidden_refuse(h);
	return introduction_may_ask(h, p, &h->datagrams, from)
		       ? introduction_hand_on(h, p, from, data)
		       : 0;
}
