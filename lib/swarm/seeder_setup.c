/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/*
 * The seeder's half of a connection, sections 19.4 and 19.5: create-e2e comes over an introduction
 * point, a rendezvous point is made, created-e2e tells where. Anybody can ask, and each time costs
 * a circuit: so the rate is limited, and those that are not linked yet compete with each other.
 */

#define ASKED_PER_SECOND 2 /* per introduction point, after a burst */
#define ASKED_BURST 10
#define OWN_PER_SECOND 1 /* of a swarm, whatever happens to others ... */
#define OWN_BURST 5
#define ALL_PER_SECOND 10 /* ... and what they share beyond that */
#define ALL_BURST 40
#define FIRST_TRY_MS 4000 /* then another node is asked; the rest of REQUEST_MS is for that */
#define PATIENCE_MS 8000  /* a downloader that is there is linked by then; others may make room */
#define AGAIN_MS 1500	  /* establish-rendezvous */
#define ANSWERS_MAX 3	  /* how often created-e2e is sent again */
#define LINK_MS 30000	  /* the rendezvous point forgets the cookie after 20 s */

/* ---- who may ask ----------------------------------------------------------------------------- */

/* The same create-e2e again, from the network, from who did not get the answer, or from whoever
 * recorded it. */
static bool
is_repeat(const struct swarm *w, uint64_t hash)
{
	for (size_t i = 0; i < RECENT_MAX; i++) {
		if (w->recent[i] == hash)
			return true;
	}
	return false;
}

/* A repeat gets the answer that was given, if that was lately. @return whether it did. */
static bool
answer_again(struct tie *introduction, const uint8_t *x)
{
	struct tie *t;

	LIST_FOREACH (t, &introduction->swarm->ties, of_swarm) {
		if (t->kind == TIE_SEEDER && t->stage == STAGE_ANSWERED &&
			t->n_said < ANSWERS_MAX && t->via == introduction->circuit &&
			memcmp(t->x, x, sizeof(t->x)) == 0) {
			t->n_said++;
			return tie_send_datagram(
				       introduction, &t->from, t->answer, (int)t->answer_len) == 0;
		}
	}
	return false;
}

/* Of those of a swarm that are not linked yet and came over one introduction point (0: any), the
 * one begun first, if before @p before_ms. NULL: none. */
static struct tie *
oldest_waiting(struct swarm *w, peel_origin_id via, uint64_t before_ms)
{
	struct tie *found = NULL, *t;

	LIST_FOREACH (t, &w->ties, of_swarm) {
		if (t->kind == TIE_SEEDER && t->stage < STAGE_UP && (via == 0 || t->via == via) &&
			t->since_ms <= before_ms &&
			(found == NULL || t->since_ms < found->since_ms))
			found = t;
	}
	return found;
}

static unsigned int
n_waiting_via(const struct swarm *w, peel_origin_id via)
{
	unsigned int n = 0;
	const struct tie *t;

	LIST_FOREACH (t, &w->ties, of_swarm)
		n += t->kind == TIE_SEEDER && t->stage < STAGE_UP && t->via == via;
	return n;
}

static bool
make_room(struct swarm *w, peel_origin_id via, uint64_t before_ms)
{
	struct tie *t = oldest_waiting(w, via, before_ms);

	if (t != NULL)
		tie_end(t);
	return t != NULL;
}

/* When all places are taken, the swarm that has most of them gives way, unless that is the one that
 * asks: then only somebody who has had time enough does. */
static bool
make_room_for(struct swarm *w)
{
	uint64_t now = swarm_now(w->all);
	struct swarm *most = w, *other;

	LIST_FOREACH (other, &w->all->swarms, of_all) {
		if (other->n_waiting > most->n_waiting + 1)
			most = other;
	}
	return make_room(most, 0, most != w ? now : now - PATIENCE_MS);
}

/* Of the circuits for peers that found us, few are for those that are not linked. */
static bool
has_room(const struct tie *introduction)
{
	struct swarm *w = introduction->swarm;
	struct peel_swarms *s = w->all;
	uint32_t most = s->size / 4 < WAITING_MAX ? s->size / 4 : WAITING_MAX;

	if (n_waiting_via(w, introduction->circuit) >= WAITING_OF_POINT &&
		!make_room(w, introduction->circuit, swarm_now(s) - PATIENCE_MS))
		return false;
	if (s->n_waiting >= most && !make_room_for(w))
		return false;
	return room_for_visitor(w);
}

static bool
may_ask(struct tie *introduction)
{
	struct peel_swarms *s = introduction->swarm->all;
	uint64_t now = swarm_now(s);

	return peel_bucket_take(&introduction->asked, ASKED_PER_SECOND, ASKED_BURST, 1, now) &&
	       (peel_bucket_take(&introduction->swarm->asked, OWN_PER_SECOND, OWN_BURST, 1, now) ||
		       peel_bucket_take(&s->asked, ALL_PER_SECOND, ALL_BURST, 1, now)) &&
	       has_room(introduction);
}

static int
refuse(struct swarm *w)
{
	w->n_refused++;
	return swarm_refuse(w->all, PEEL_SWARM_REFUSED);
}

/* ---- step by step ---------------------------------------------------------------------------- */

static int
build(struct tie *t)
{
	uint8_t avoid[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN];
	struct peel_origin_spec spec = {.avoid = (const uint8_t(*)[PEEL_PK_LEN])avoid};

	spec.n_avoid = points_to_avoid(t->swarm, true, avoid);
	int ret = tie_build(t, &spec);

	if (ret == -EAGAIN) {
		spec.n_avoid = 0;
		ret = tie_build(t, &spec);
	}
	return ret;
}

static int
begin(struct tie *introduction, const struct peel_addr *from, const struct peel_msg_create_e2e *m)
{
	struct swarm *w = introduction->swarm;
	struct tie *t = tie_new(w, TIE_SEEDER, STAGE_BUILDING);

	if (t == NULL)
		return -ENOMEM;
	t->via = introduction->circuit;
	t->from = *from;
	t->end_ms = t->since_ms + REQUEST_MS;
	t->due_ms = t->since_ms + FIRST_TRY_MS;
	t->identifier = m->identifier;
	memcpy(t->x, m->x.p, sizeof(t->x));
	int ret = build(t);

	if (ret != 0)
		tie_free(t);
	else
		swarm_due(w->all, t->due_ms);
	return ret;
}

int
setup_asked(struct tie *introduction, const struct peel_host *from, const uint8_t *body, size_t len)
{
	struct swarm *w = introduction->swarm;
	struct peel_msg_create_e2e m;

	if (peel_create_e2e_parse(body, len, &m) != 0)
		return swarm_refuse(w->all, PEEL_CONTROL_MALFORMED);
	if (memcmp(m.info_hash, w->info_hash, sizeof(w->info_hash)) != 0 ||
		memcmp(m.seeder_pk.p, w->key->pk, PEEL_PK_LEN) != 0 ||
		from->type == PEEL_HOST_NAME || !peel_addr_usable(&from->addr))
		return swarm_refuse(w->all, PEEL_CONTROL_UNKNOWN);
	uint64_t hash = peel_hash_bytes(m.x.p, PEEL_X_LEN, w->all->seed);

	if (is_repeat(w, hash))
		return answer_again(introduction, m.x.p) ? 0 : refuse(w);
	if (!may_ask(introduction) || begin(introduction, &from->addr, &m) != 0)
		return refuse(w);
	w->recent[w->recent_at++ % RECENT_MAX] = hash;
	return 0;
}

static int
establish(struct tie *t)
{
	const struct peel_msg_cookie m = {.identifier = t->cookie_identifier, .cookie = t->cookie};
	uint8_t msg[32];

	t->again_ms = swarm_now(t->swarm->all) + AGAIN_MS;
	return tie_send(
		t, msg, peel_cookie_build(msg, sizeof(msg), PEEL_MSG_ESTABLISH_RENDEZVOUS, &m));
}

void
setup_ready(struct tie *t)
{
	struct peel_swarms *s = t->swarm->all;

	peel_random(s->env, t->cookie, sizeof(t->cookie));
	t->cookie_identifier = peel_random_u16(s->env);
	tie_set_stage(t, STAGE_WAITING);
	if (peel_origin_end_key(s->origin, t->circuit, t->point_pk) != 0 || establish(t) != 0)
		t->due_ms = 0;
}

void
setup_again(struct tie *t)
{
	(void)establish(t);
}

/* Where the rendezvous is, for nobody but the downloader. The session that gets the key counts its
 * salts below 2^62: the top bit keeps this one apart (W1). */
static int
seal_info(struct tie *t, const struct peel_addr *here, const struct peel_session_keys *keys,
	uint8_t *out, size_t size)
{
	const struct peel_rendezvous_info info = {
		.address = *here, .pk = {t->point_pk, PEEL_PK_LEN}, .cookie = t->cookie};
	uint8_t plain[128];
	int len = peel_rendezvous_info_build(plain, sizeof(plain), &info);

	if (len < 0 || (size_t)len + PEEL_SEAL_OVERHEAD > size)
		return -ENOSPC;
	peel_seal_one(&keys->forward, keys->salt_forward,
		peel_random_u64(t->swarm->all->env) | UINT64_C(1) << 63, plain, (size_t)len, out);
	peel_wipe(plain, sizeof(plain));
	return len + PEEL_SEAL_OVERHEAD;
}

static int
answer(struct tie *t, struct tie *introduction, const struct peel_addr *here,
	struct peel_session_keys *keys)
{
	struct peel_swarms *s = t->swarm->all;
	uint8_t y[PEEL_X_LEN], auth[PEEL_AUTH_LEN], info[PEEL_SEAL_OVERHEAD + 128];
	int ret = peel_handshake_respond(s->env, t->swarm->key, t->x, y, auth, keys);

	if (ret != 0)
		return ret;
	int len = seal_info(t, here, keys, info, sizeof(info));

	if (len < 0)
		return len;
	const struct peel_msg_created m = {
		.identifier = t->identifier,
		.y = {y, sizeof(y)},
		.auth = {auth, sizeof(auth)},
		.candidates_enc = {info, (size_t)len},
	};

	/* First the layer: the downloader may be quick. */
	ret = peel_origin_e2e(s->origin, t->circuit, keys);
	if (ret != 0)
		return ret;
	len = peel_created_build(t->answer, sizeof(t->answer), PEEL_MSG_CREATED_E2E, &m);
	if (len < 0)
		return len;
	t->answer_len = (size_t)len;
	return tie_send_datagram(introduction, &t->from, t->answer, len);
}

int
setup_established(struct tie *t, const uint8_t *body, size_t len)
{
	struct peel_swarms *s = t->swarm->all;
	struct tie *introduction = tie_of_circuit(s, t->via);
	struct peel_msg_rendezvous_established m;
	struct peel_session_keys keys;

	if (peel_rendezvous_established_parse(body, len, &m) != 0)
		return swarm_refuse(s, PEEL_CONTROL_MALFORMED);
	if (m.identifier != t->cookie_identifier)
		return swarm_refuse(s, PEEL_CONTROL_UNKNOWN);
	if (introduction == NULL || introduction->stage != STAGE_UP) {
		tie_end(t);
		return 0;
	}
	if (!peel_addr_usable(&m.address)) {
		point_failed(s, t->point_pk);
		tie_end(t);
		return swarm_refuse(s, PEEL_CONTROL_MALFORMED);
	}
	int ret = answer(t, introduction, &m.address, &keys);

	peel_wipe(&keys, sizeof(keys));
	peel_wipe(t->cookie, sizeof(t->cookie));
	if (ret != 0) {
		tie_end(t);
		return 0;
	}
	tie_set_stage(t, STAGE_ANSWERED);
	t->again_ms = UINT64_MAX;
	t->n_said = 0;
	t->due_ms = swarm_now(s) + LINK_MS;
	s->noted = true; /* it may be heard of soon */
	return 0;
}

bool
setup_lost(struct tie *t)
{
	struct peel_swarms *s = t->swarm->all;
	bool again = t->stage < STAGE_ANSWERED && t->due_ms < t->end_ms &&
		     swarm_now(s) < t->end_ms && tie_of_circuit(s, t->via) != NULL;

	if (t->stage == STAGE_WAITING)
		point_failed(s, t->point_pk);
	if (!again)
		return false;
	t->due_ms = t->end_ms;
	t->again_ms = UINT64_MAX;
	tie_close(t);
	return build(t) == 0;
}
