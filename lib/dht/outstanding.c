/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What we asked, until it is answered or the time is over. The low bits of an identifier are its
 * place in the table, the others are random: a look-up without search, and a guess has to hit the
 * source address as well.
 */
#include <errno.h>
#include <stdlib.h>

#include "dht_internal.h"

#define PLACES (DHT_N_POOLS * DHT_POOL_SIZE)
#define ANSWERS_PER_WINDOW 5000
/* Who was asked may send any number of answers with a wrong signature. More than these are not
 * checked, so that nobody uses up the window for the answers of all. */
#define FALSE_ANSWERS_MAX 2
#define WINDOW_MS 5000
#define PING_TIMEOUT_MS 5000
/* py-ipv8 asks others to let an IPv6 asker through by a message whose identifier has 16 bits, and
 * fails, without an answer, when the asker's own is larger. */
#define IPV6_IDENTIFIER_MAX 0xffffu

_Static_assert((PLACES & (PLACES - 1)) == 0, "the low bits of an identifier are the place");
_Static_assert(PLACES <= IPV6_IDENTIFIER_MAX, "and there is something random about the others");

int
dht_requests_init(struct dht_requests *t)
{
	t->request = calloc(PLACES, sizeof(*t->request));
	if (t->request == NULL)
		return -ENOMEM;
	for (unsigned int pool = 0; pool < DHT_N_POOLS; pool++)
		peel_slots_init(&t->slots[pool], DHT_POOL_SIZE, PEEL_REUSE_LATE,
			PEEL_LINKS(t->request + pool * DHT_POOL_SIZE, next));
	return 0;
}

void
dht_requests_fini(struct dht_requests *t)
{
	free(t->request);
}

struct dht_request *
dht_request_new(struct peel_dht *dht, enum dht_pool pool, uint8_t request_id, uint32_t timeout_ms,
	const struct dht_request *like)
{
	struct dht_requests *t = &dht->requests;
	uint64_t now = dht_now(dht);

	uint32_t place = peel_slots_take(&t->slots[pool]);

	if (place == PEEL_NONE)
		return NULL;
	uint32_t slot = pool * DHT_POOL_SIZE + place;
	struct dht_request *r = &t->request[slot];

	*r = *like;
	r->live = true;
	r->expects = request_id + 1; /* each answer has the id behind that of its request */
	uint32_t limit =
		like->to.addr.family == PEEL_FAMILY_IPV6 ? IPV6_IDENTIFIER_MAX : UINT32_MAX;

	r->identifier = (peel_random_u32(dht->conf.env) & limit & ~(PLACES - 1u)) | slot;
	r->sent_ms = now;
	r->until_ms = now + timeout_ms;
	return r;
}

/* The place is free before the callback runs, which may ask again. */
static void
finish(struct peel_dht *dht, struct dht_request *r, const struct peel_span *body)
{
	struct dht_requests *t = &dht->requests;
	struct dht_request done = *r;
	unsigned int slot = (unsigned int)(r - t->request), pool = slot / DHT_POOL_SIZE;

	r->live = false;
	peel_slots_give(&t->slots[pool], slot % DHT_POOL_SIZE);
	if (body == NULL && !done.any_key)
		dht_silent(dht, &done.to);
	if (done.done != NULL)
		done.done(dht, &done, body);
}

void
dht_requests_tick(struct peel_dht *dht, uint64_t now)
{
	struct dht_requests *t = &dht->requests;

	for (unsigned int pool = 0; pool < DHT_N_POOLS; pool++) {
		struct dht_request *r = &t->request[pool * DHT_POOL_SIZE];

		for (uint32_t i = 0; i < DHT_POOL_SIZE && t->slots[pool].n > 0; i++) {
			if (r[i].live && now >= r[i].until_ms)
				finish(dht, &r[i], NULL);
		}
	}
}

int
dht_on_response(struct peel_dht *dht, const struct peel_addr *from, const struct peel_signed *s)
{
	struct peel_reader reader = peel_reader_init(s->body.p, s->body.len);
	uint32_t identifier = peel_read_u32(&reader);
	struct dht_request *r = &dht->requests.request[identifier & (PLACES - 1)];
	uint64_t now = dht_now(dht);

	if (!r->live || r->identifier != identifier || r->expects != s->id ||
		!peel_addr_equal(&r->to.addr, from) ||
		(!r->any_key && memcmp(r->to.pk, s->pk.p, PEEL_PK_LEN) != 0)) {
		peel_stats_add(dht->conf.stats, PEEL_INTRO_UNSOLICITED, 1);
		return 0;
	}
	if (r->n_false >= FALSE_ANSWERS_MAX ||
		!dht_window_take(&dht->verify_answers, ANSWERS_PER_WINDOW, WINDOW_MS, now))
		return dht_over_limit(dht);
	if (!peel_signed_verify(s)) {
		r->n_false++;
		peel_stats_add(dht->conf.stats, PEEL_BAD_SIGNATURE, 1);
		return -EBADMSG;
	}
	struct peel_dht_node node = dht_node_make(from, s->pk.p);

	dht_answered(dht, &node, (uint32_t)(now - r->sent_ms), now);
	finish(dht, r, &s->body);
	return 0;
}

/* ---- pings ----------------------------------------------------------------------------------- */

bool
dht_ping_node(struct peel_dht *dht, enum dht_pool pool, const struct peel_dht_node *node,
	dht_done_fn done, uint64_t token)
{
	struct dht_request like = {.to = *node, .done = done, .token = token}, *r;
	uint64_t key = dht_hash(dht, &node->addr, 0);

	if (!dht_limit_take(&dht->to_node, key, dht_now(dht)) ||
		(r = dht_request_new(
			 dht, pool, PEEL_MSG_DHT_PING_REQUEST, PING_TIMEOUT_MS, &like)) == NULL)
		return false;
	dht_send_plain(dht, &node->addr, PEEL_MSG_DHT_PING_REQUEST, r->identifier);
	return true;
}

static void
tell(struct peel_dht *dht, const struct dht_request *r, const struct peel_span *body)
{
	(void)dht;
	r->ping_fn(r->arg, r->token, body != NULL);
}

int
peel_dht_ping(struct peel_dht *dht, const struct peel_addr *to, peel_dht_ping_fn fn, void *arg,
	uint64_t token)
{
	struct dht_request like = {
		.to.addr = *to,
		.any_key = true,
		.done = tell,
		.ping_fn = fn,
		.arg = arg,
		.token = token,
	};
	struct dht_request *r = dht_request_new(
		dht, DHT_POOL_ABOVE, PEEL_MSG_DHT_PING_REQUEST, PING_TIMEOUT_MS, &like);

	if (r == NULL)
		return -ENOSPC;
	dht_send_plain(dht, to, PEEL_MSG_DHT_PING_REQUEST, r->identifier);
	return 0;
}
