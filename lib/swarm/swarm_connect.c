/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/* The downloader's half of a connection, sections 19.4 and 19.5: create-e2e to a seeder's
 * introduction point, created-e2e back, a circuit to the rendezvous point, link-e2e. */

#define AT_A_TIME 8	     /* connections being made in a swarm */
#define VERIFIED_MAX 8	     /* created-e2e that are looked at as the answer to one create-e2e */
#define CREATE_AGAIN_MS 5000 /* seeders of py-ipv8 take it for another one: not too soon */
#define LINK_AGAIN_MS 2500
#define LINKS_MAX 3	   /* then it may be the answer that gets lost */
#define COOKIE_MS 15000	   /* for which the cookie is surely remembered */
#define LINK_MS 30000	   /* for the circuit: the seeder's half does not wait longer */
#define LASTED_MS 60000	   /* what lived as long is rebuilt at once */
#define ELSEWHERE_MS 60000 /* before another circuit is tried again for the same reason */

/* ---- create-e2e ------------------------------------------------------------------------------ */

static int
send_create(struct tie *t, struct tie *questions)
{
	const struct peel_msg_create_e2e m = {
		.identifier = t->identifier,
		.info_hash = t->swarm->info_hash,
		.seeder_pk = {t->seeder_pk, PEEL_PK_LEN},
		.x = {t->x, sizeof(t->x)},
	};
	uint8_t msg[256];

	return tie_send_datagram(
		questions, &t->known_addr, msg, peel_create_e2e_build(msg, sizeof(msg), &m));
}

static int
begin(struct swarm *w, struct tie *questions, const struct known *k)
{
	struct tie *t = tie_new(w, TIE_DOWNLOADER, STAGE_ASKED);
	const struct peel_env *env = w->all->env;
	int ret = -ENOMEM;

	if (t == NULL)
		return ret;
	t->via = questions->circuit;
	t->known_addr = k->addr;
	memcpy(t->seeder_pk, k->seeder_pk, PEEL_PK_LEN);
	t->due_ms = t->since_ms + REQUEST_MS;
	t->again_ms = t->since_ms + CREATE_AGAIN_MS;
	t->secret = peel_secret_alloc(sizeof(*t->secret));
	if (t->secret != NULL)
		ret = peel_handshake_start(env, t->secret->x_secret, t->x);
	t->identifier = peel_random_u16(env);
	if (ret == 0)
		ret = send_create(t, questions);
	if (ret != 0)
		tie_free(t);
	else
		swarm_due(w->all, t->again_ms);
	return ret;
}

/* Whether an answer to create-e2e may still come over the circuit for questions. */
static bool
is_waiting(const struct swarm *w)
{
	const struct tie *t;

	LIST_FOREACH (t, &w->ties, of_swarm) {
		if (t->kind == TIE_DOWNLOADER && t->stage == STAGE_ASKED)
			return true;
	}
	return false;
}

void
connect_tick(struct swarm *w)
{
	uint32_t limit = w->all->conf.settings.connection_limit;
	struct tie *questions = questions_of(w);
	uint64_t due_ms = UINT64_MAX, now = swarm_now(w->all);
	uint8_t end[PEEL_PK_LEN];

	if (questions == NULL || questions->stage != STAGE_UP ||
		peel_origin_end_key(w->all->origin, questions->circuit, end) != 0)
		return;
	while (w->n_finding < AT_A_TIME && w->n_finding + w->n_found < limit &&
		room_for_connection(w)) {
		struct known *k = known_next(w, end, &due_ms);

		if (k == NULL)
			break;
		/* It may refuse to send to itself: ask from elsewhere, unless there is no
		 * elsewhere. But others that were asked must be able to answer. */
		if (memcmp(k->pk, end, PEEL_PK_LEN) == 0 && now >= w->elsewhere_ms) {
			if (is_waiting(w))
				break;
			w->elsewhere_ms = now + ELSEWHERE_MS;
			questions_replace(w);
			return;
		}
		if (begin(w, questions, k) != 0) {
			known_failed(w, k);
			break;
		}
	}
	swarm_due(w->all, due_ms);
}

/* ---- created-e2e ----------------------------------------------------------------------------- */

static struct tie *
asked_by(struct tie *questions, uint16_t identifier)
{
	struct tie *t;

	LIST_FOREACH (t, &questions->swarm->ties, of_swarm) {
		if (t->kind == TIE_DOWNLOADER && t->stage == STAGE_ASKED &&
			t->identifier == identifier && t->via == questions->circuit)
			return t;
	}
	return NULL;
}

/* The authenticator alone proves nothing (W9): what was sealed opens only with the seeder's key. */
static int
verify(struct tie *t, const struct peel_msg_created *m)
{
	struct tie_secret *x = t->secret;
	struct peel_rendezvous_info info;
	uint8_t plain[256];

	if (m->candidates_enc.len > sizeof(plain))
		return -EBADMSG;
	int ret = peel_handshake_finish(x->x_secret, t->seeder_pk, m->y.p, m->auth.p, &x->keys);

	if (ret == 0)
		ret = peel_open_one(&x->keys.forward, x->keys.salt_forward, m->candidates_enc.p,
			m->candidates_enc.len, plain);
	if (ret >= 0)
		ret = peel_rendezvous_info_parse(plain, (size_t)ret, &info);
	if (ret == 0) {
		memcpy(x->cookie, info.cookie, sizeof(x->cookie));
		x->rendezvous = (struct peel_target){.addr = info.address};
		memcpy(x->rendezvous.pk, info.pk.p, PEEL_PK_LEN);
	}
	peel_wipe(plain, sizeof(plain));
	return ret;
}

/* The same seeder was asked elsewhere, too; one answer is enough. */
static void
end_other_questions(const struct tie *answered)
{
	struct tie *t;

	LIST_FOREACH (t, &answered->swarm->ties, of_swarm) {
		if (t != answered && t->kind == TIE_DOWNLOADER && t->stage == STAGE_ASKED &&
			memcmp(t->seeder_pk, answered->seeder_pk, PEEL_PK_LEN) == 0)
			tie_end(t);
	}
}

static int
build(struct tie *t)
{
	const struct peel_target *rendezvous = &t->secret->rendezvous;
	struct peel_origin_spec spec = {.exit = rendezvous};

	t->again_ms = UINT64_MAX;
	return peel_addr_usable(&rendezvous->addr) ? tie_build(t, &spec) : -EINVAL;
}

int
connect_created(struct tie *questions, const uint8_t *body, size_t len)
{
	struct peel_swarms *s = questions->swarm->all;
	struct peel_msg_created m;

	if (peel_created_parse(body, len, &m) != 0)
		return swarm_refuse(s, PEEL_CONTROL_MALFORMED);
	struct tie *t = asked_by(questions, m.identifier);

	/* Who forges one does not end the wait for the true one, but verifying is dear. */
	if (t == NULL || t->n_verified >= VERIFIED_MAX)
		return swarm_refuse(s, PEEL_CONTROL_UNKNOWN);
	t->n_verified++;
	if (verify(t, &m) != 0)
		return swarm_refuse(s, PEEL_SWARM_FORGED);
	peel_wipe(t->secret->x_secret, sizeof(t->secret->x_secret));
	questions->swarm->useless = 0;
	questions->swarm->patience = QUESTIONS_PATIENCE;
	end_other_questions(t);
	t->end_ms = swarm_now(s) + COOKIE_MS;
	t->due_ms = swarm_now(s) + LINK_MS;
	if (build(t) != 0) {
		(void)connect_lost(t);
		tie_end(t);
	}
	swarm_due(s, t->due_ms);
	return 0;
}

/* ---- link-e2e -------------------------------------------------------------------------------- */

static int
send_link(struct tie *t)
{
	const struct peel_msg_cookie m = {.identifier = t->identifier, .cookie = t->secret->cookie};
	uint8_t msg[32];

	t->again_ms = swarm_now(t->swarm->all) + LINK_AGAIN_MS;
	return tie_send(t, msg, peel_cookie_build(msg, sizeof(msg), PEEL_MSG_LINK_E2E, &m));
}

void
connect_ready(struct tie *t)
{
	struct peel_swarms *s = t->swarm->all;

	t->identifier = peel_random_u16(s->env);
	t->n_said = 0;
	tie_set_stage(t, STAGE_WAITING);
	t->due_ms = swarm_now(s) + REQUEST_MS;
	if (send_link(t) != 0)
		t->due_ms = 0;
}

/* The layer on, and the pings with it. */
static int
open_layer(struct tie *t)
{
	int ret = peel_origin_e2e(t->swarm->all->origin, t->circuit, &t->secret->keys);

	peel_secret_free(t->secret, sizeof(*t->secret));
	t->secret = NULL;
	return ret;
}

void
connect_again(struct tie *t)
{
	struct peel_swarms *s = t->swarm->all;
	struct tie *questions;

	if (t->stage == STAGE_ASKED) {
		questions = tie_of_circuit(s, t->via);
		if (questions != NULL)
			(void)send_create(t, questions);
	} else if (t->stage == STAGE_WAITING && t->n_said < LINKS_MAX) {
		(void)send_link(t);
	} else if (t->stage == STAGE_WAITING) {
		/* Perhaps it is only the answer that was lost: then the seeder answers pings. */
		tie_set_stage(t, STAGE_ANSWERED);
		t->due_ms = swarm_now(s) + REQUEST_MS;
		if (open_layer(t) != 0)
			t->due_ms = 0;
	}
}

void
connect_up(struct tie *t)
{
	struct known *k = known_get(t->swarm, &t->known_addr, t->seeder_pk);

	if (k != NULL)
		k->failures = 0;
	tie_up(t);
}

int
connect_linked(struct tie *t, const uint8_t *body, size_t len)
{
	struct peel_swarms *s = t->swarm->all;
	uint16_t identifier;

	if (peel_identifier_parse(body, len, &identifier) != 0)
		return swarm_refuse(s, PEEL_CONTROL_MALFORMED);
	if (identifier != t->identifier)
		return swarm_refuse(s, PEEL_CONTROL_UNKNOWN);
	if (open_layer(t) == 0) {
		connect_up(t);
	} else {
		(void)connect_lost(t);
		tie_end(t);
	}
	return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

bool
connect_lost(struct tie *t)
{
	struct swarm *w = t->swarm;
	struct known *k = known_get(w, &t->known_addr, t->seeder_pk);
	uint64_t now = swarm_now(w->all);
	bool lasted = t->stage == STAGE_UP && now - t->since_ms >= LASTED_MS;

	/* The cookie is still good for another circuit. */
	if (t->stage == STAGE_BUILDING && t->circuit != 0 && now < t->end_ms) {
		tie_close(t);
		if (build(t) == 0)
			return true;
	}
	if (k != NULL && !lasted)
		known_failed(w, k);
	if (k != NULL && lasted)
		k->seen_ms = now; /* it was there until now */
	if (t->stage == STAGE_ASKED)
		questions_useless(w);
	return false;
}

void
connect_cut_off(struct swarm *w)
{
	struct tie *t;

	LIST_FOREACH (t, &w->ties, of_swarm) {
		if (t->kind == TIE_DOWNLOADER && t->stage == STAGE_ASKED)
			tie_end(t);
	}
	for (size_t i = 0; i < PEEL_ARRAY_LEN(w->question); i++)
		w->question[i].used = false;
}
