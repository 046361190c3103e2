/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/* The downloader's half of a connection, sections 19.4 and 19.5: create-e2e to a seeder's
 * introduction point, created-e2e back, a circuit to the rendezvous point, link-e2e. */

#define AT_A_TIME 8	/* connections being made in a swarm */
#define VERIFIED_MAX 8	/* created-e2e that are looked at as the answer to one create-e2e */
#define LINK_MS 30000	/* for the circuit: the seeder's half does not wait longer */
#define LASTED_MS 60000 /* what lived as long is rebuilt at once */

/* ---- create-e2e ------------------------------------------------------------------------------ */

static int
send_create(struct tie *t, struct tie *questions, const struct known *k)
{
	struct peel_swarms *s = t->swarm->all;
	uint8_t x[PEEL_X_LEN], msg[256];
	struct peel_msg_create_e2e m = {
		.info_hash = t->swarm->info_hash,
		.seeder_pk = {t->seeder_pk, PEEL_PK_LEN},
		.x = {x, sizeof(x)},
	};
	int ret = peel_handshake_start(s->env, t->secret->x_secret, x);

	if (ret != 0)
		return ret;
	m.identifier = t->identifier = peel_random_u16(s->env);
	return tie_send_datagram(
		questions, &k->addr, msg, peel_create_e2e_build(msg, sizeof(msg), &m));
}

static int
begin(struct swarm *w, struct tie *questions, const struct known *k)
{
	struct tie *t = tie_new(w, TIE_DOWNLOADER, STAGE_ASKED);
	int ret = -ENOMEM;

	if (t == NULL)
		return ret;
	t->via = questions->circuit;
	t->known_addr = k->addr;
	memcpy(t->seeder_pk, k->seeder_pk, PEEL_PK_LEN);
	t->due_ms = swarm_now(w->all) + REQUEST_MS;
	t->secret = peel_secret_alloc(sizeof(*t->secret));
	if (t->secret != NULL)
		ret = send_create(t, questions, k);
	if (ret != 0)
		tie_free(t);
	else
		swarm_due(w->all, t->due_ms);
	return ret;
}

void
connect_tick(struct swarm *w)
{
	uint32_t limit = w->all->conf.settings.connection_limit;
	struct tie *questions = questions_of(w);
	uint64_t due_ms = UINT64_MAX;
	uint8_t end[PEEL_PK_LEN];

	if (questions == NULL || questions->stage != STAGE_UP ||
		peel_origin_end_key(w->all->origin, questions->circuit, end) != 0)
		return;
	while (w->n_finding < AT_A_TIME && w->n_finding + w->n_found < limit) {
		struct known *k = known_next(w, end, &due_ms);

		if (k == NULL)
			break;
		if (memcmp(k->pk, end, PEEL_PK_LEN) != 0) {
			w->cornered = false;
		} else if (!w->cornered) {
			/* Ask from elsewhere, unless there is no elsewhere. */
			w->cornered = true;
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
verify(struct tie *t, const struct peel_msg_created *m, struct peel_target *rendezvous)
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
		*rendezvous = (struct peel_target){.addr = info.address};
		memcpy(rendezvous->pk, info.pk.p, PEEL_PK_LEN);
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

int
connect_created(struct tie *questions, const uint8_t *body, size_t len)
{
	struct peel_swarms *s = questions->swarm->all;
	struct peel_origin_spec spec = {0};
	struct peel_target rendezvous;
	struct peel_msg_created m;

	if (peel_created_parse(body, len, &m) != 0)
		return swarm_refuse(s, PEEL_CONTROL_MALFORMED);
	struct tie *t = asked_by(questions, m.identifier);

	/* Who forges one does not end the wait for the true one, but verifying is dear. */
	if (t == NULL || t->n_verified >= VERIFIED_MAX)
		return swarm_refuse(s, PEEL_CONTROL_UNKNOWN);
	t->n_verified++;
	if (verify(t, &m, &rendezvous) != 0)
		return swarm_refuse(s, PEEL_SWARM_FORGED);
	peel_wipe(t->secret->x_secret, sizeof(t->secret->x_secret));
	questions->swarm->useless = 0;
	questions->swarm->patience = QUESTIONS_PATIENCE;
	end_other_questions(t);
	spec.exit = &rendezvous;
	t->due_ms = swarm_now(s) + LINK_MS;
	if (!peel_addr_usable(&rendezvous.addr) || tie_build(t, &spec) != 0) {
		connect_lost(t);
		tie_end(t);
	}
	swarm_due(s, t->due_ms);
	return 0;
}

/* ---- link-e2e -------------------------------------------------------------------------------- */

void
connect_ready(struct tie *t)
{
	struct peel_swarms *s = t->swarm->all;
	struct peel_msg_cookie m = {.cookie = t->secret->cookie};
	uint8_t msg[32];

	m.identifier = t->identifier = peel_random_u16(s->env);
	tie_set_stage(t, STAGE_WAITING);
	t->due_ms = swarm_now(s) + REQUEST_MS;
	if (tie_send(t, msg, peel_cookie_build(msg, sizeof(msg), PEEL_MSG_LINK_E2E, &m)) != 0)
		t->due_ms = 0;
}

int
connect_linked(struct tie *t, const uint8_t *body, size_t len)
{
	struct peel_swarms *s = t->swarm->all;
	struct known *k = known_get(t->swarm, &t->known_addr, t->seeder_pk);
	uint16_t identifier;

	if (peel_identifier_parse(body, len, &identifier) != 0)
		return swarm_refuse(s, PEEL_CONTROL_MALFORMED);
	if (identifier != t->identifier)
		return swarm_refuse(s, PEEL_CONTROL_UNKNOWN);
	int ret = peel_origin_e2e(s->origin, t->circuit, &t->secret->keys);

	peel_secret_free(t->secret, sizeof(*t->secret));
	t->secret = NULL;
	if (ret != 0) {
		connect_lost(t);
		tie_end(t);
		return 0;
	}
	if (k != NULL)
		k->failures = 0;
	tie_up(t);
	return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

void
connect_lost(struct tie *t)
{
	struct swarm *w = t->swarm;
	struct known *k = known_get(w, &t->known_addr, t->seeder_pk);
	bool lasted = t->stage == STAGE_UP && swarm_now(w->all) - t->since_ms >= LASTED_MS;

	if (k != NULL && !lasted)
		known_failed(w, k);
	if (k != NULL && lasted)
		k->seen_ms = swarm_now(w->all); /* it was there until now */
	if (t->stage == STAGE_ASKED)
		questions_useless(w);
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
