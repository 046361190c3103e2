/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/* The table of swarms: joining and leaving, what comes in, and time. */

#define TICK_MS 1000
#define HEARD_MS 50    /* how soon a seeder notices that its peer is there */
#define ASKED_BURST 40 /* create-e2e: each limit has its own, no larger one */

void
peel_swarm_settings_init(struct peel_swarm_settings *s)
{
	memset(s, 0, sizeof(*s));
#define SET_swarm(field, value) s->field = value;
#define VALUE(section, name, owner, field, type, by_default, ...) SET_##owner(field, by_default)
#include "peel_settings.def"
}

int
peel_swarms_new(const struct peel_swarms_conf *conf, struct peel_swarms **out)
{
	struct peel_swarms *s;

	if (conf->env == NULL || conf->stats == NULL || conf->origin_circuits == NULL ||
		conf->identity == NULL || conf->peer == NULL ||
		conf->settings.lookup_interval == 0 || conf->settings.connection_limit == 0)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->conf = *conf;
	s->env = conf->env;
	s->origin = conf->origin_circuits;
	s->size = peel_origin_size(s->origin);
	s->by_path = calloc(s->size, sizeof(struct tie *));
	if (s->by_path == NULL) {
		free(s);
		return -ENOMEM;
	}
	LIST_INIT(&s->swarms);
	s->next_number = 1;
	s->seed = peel_random_u64(s->env);
	peel_bucket_init(&s->asked, ASKED_BURST, swarm_now(s));
	*out = s;
	return 0;
}

static void
swarm_free(struct swarm *w)
{
	struct tie *t;

	while ((t = LIST_FIRST(&w->ties)) != NULL)
		tie_free(t);
	LIST_REMOVE(w, of_all);
	w->all->n--;
	w->all->n_seed -= w->seed;
	w->all->n_find -= w->find;
	peel_secret_free(w->key, sizeof(*w->key));
	peel_wipe(w, sizeof(*w)); /* which service it was */
	free(w);
}

void
peel_swarms_free(struct peel_swarms *s)
{
	struct swarm *w;

	if (s == NULL)
		return;
	while ((w = LIST_FIRST(&s->swarms)) != NULL)
		swarm_free(w);
	free(s->by_path);
	free(s);
}

/* ---- joining and leaving --------------------------------------------------------------------- */

static struct swarm *
by_number(const struct peel_swarms *s, uint32_t number)
{
	struct swarm *w;

	LIST_FOREACH (w, &s->swarms, of_all) {
		if (w->number == number)
			return w;
	}
	return NULL;
}

static struct swarm *
by_hash(const struct peel_swarms *s, const uint8_t *info_hash)
{
	struct swarm *w;

	LIST_FOREACH (w, &s->swarms, of_all) {
		if (memcmp(w->info_hash, info_hash, sizeof(w->info_hash)) == 0)
			return w;
	}
	return NULL;
}

static int
take_key(struct swarm *w, const struct peel_identity *key)
{
	w->key = peel_secret_alloc(sizeof(*w->key));
	if (w->key == NULL)
		return -ENOMEM;
	if (key == NULL)
		return peel_identity_generate(w->all->env, w->key);
	*w->key = *key;
	return 0;
}

int
peel_swarm_join(struct peel_swarms *s, const struct peel_swarm_spec *spec, uint32_t *swarm)
{
	struct swarm *w;
	int ret = 0;

	if (spec->hops < 1 || spec->hops >= peel_origin_hops_max(s->origin) ||
		(!spec->seed && !spec->find))
		return -EINVAL;
	if (by_hash(s, spec->info_hash) != NULL)
		return -EEXIST;
	if (s->n >= PEEL_SWARMS_MAX || !room_for_swarm(s, spec->seed, spec->find))
		return -ENOSPC;
	if (spec->seed && spec->key != NULL &&
		(memcmp(spec->key->pk, s->conf.identity->pk, PEEL_PK_LEN) == 0 ||
			known_is_ours(s, spec->key->pk)))
		return -EKEYREJECTED;
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->all = s;
	memcpy(w->info_hash, spec->info_hash, sizeof(w->info_hash));
	w->hops = spec->hops;
	w->seed = spec->seed;
	w->find = spec->find;
	w->number = s->next_number++;
	w->patience = QUESTIONS_PATIENCE;
	peel_bucket_init(&w->asked, ASKED_BURST, swarm_now(s));
	LIST_INIT(&w->ties);
	LIST_INSERT_HEAD(&s->swarms, w, of_all);
	s->n++;
	s->n_seed += w->seed;
	s->n_find += w->find;
	if (w->seed)
		ret = take_key(w, spec->key);
	if (ret != 0) {
		swarm_free(w);
		return ret;
	}
	s->noted = true;
	*swarm = w->number;
	return 0;
}

int
peel_swarm_leave(struct peel_swarms *s, uint32_t swarm)
{
	struct swarm *w = by_number(s, swarm);
	struct tie *t;

	if (w == NULL)
		return -ENOENT;
	LIST_FOREACH (t, &w->ties, of_swarm)
		tie_end(t);
	swarm_free(w);
	return 0;
}

/* ---- input ----------------------------------------------------------------------------------- */

int
swarm_refuse(struct peel_swarms *s, enum peel_counter why)
{
	peel_stats_add(s->conf.stats, why, 1);
	return -EBADMSG;
}

int
peel_swarms_message(struct peel_swarms *s, peel_origin_id id, const uint8_t *msg, size_t len)
{
	static const struct {
		uint8_t id;
		enum tie_kind kind;
		int (*act)(struct tie *t, const uint8_t *body, size_t len);
	} answers[] = {
		{PEEL_MSG_INTRO_ESTABLISHED, TIE_INTRODUCTION, introduction_established},
		{PEEL_MSG_RENDEZVOUS_ESTABLISHED, TIE_SEEDER, setup_established},
		{PEEL_MSG_LINKED_E2E, TIE_DOWNLOADER, connect_linked},
	};
	struct tie *t = tie_of_circuit(s, id);

	if (t == NULL || len == 0)
		return -ENOENT;
	if (msg[0] == PEEL_MSG_PEERS_RESPONSE)
		return t->kind == TIE_QUESTIONS ? lookup_answered(t, msg + 1, len - 1, false)
						: swarm_refuse(s, PEEL_CONTROL_UNKNOWN);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(answers); i++) {
		if (msg[0] != answers[i].id)
			continue;
		if (t->kind != answers[i].kind || t->stage != STAGE_WAITING)
			return swarm_refuse(s, PEEL_CONTROL_UNKNOWN);
		return answers[i].act(t, msg + 1, len - 1);
	}
	return -ENOENT;
}

int
peel_swarms_datagram(struct peel_swarms *s, peel_origin_id id, const struct peel_host *origin,
	const uint8_t *data, size_t len)
{
	struct tie *t = tie_of_circuit(s, id);

	if (t == NULL || len < PEEL_HEADER_LEN ||
		memcmp(data, s->conf.prefix, PEEL_PREFIX_LEN) != 0)
		return -ENOENT;
	const uint8_t *body = data + PEEL_HEADER_LEN;

	len -= PEEL_HEADER_LEN;
	switch (data[PEEL_PREFIX_LEN]) {
	case PEEL_MSG_CREATE_E2E:
		if (t->kind == TIE_INTRODUCTION && t->stage == STAGE_UP)
			return setup_asked(t, origin, body, len);
		break;
	case PEEL_MSG_CREATED_E2E:
		if (t->kind == TIE_QUESTIONS)
			return connect_created(t, body, len);
		break;
	case PEEL_MSG_PEERS_RESPONSE:
		if (t->kind == TIE_QUESTIONS)
			return lookup_answered(t, body, len, true);
		break;
	default:
		return -ENOENT;
	}
	return swarm_refuse(s, PEEL_CONTROL_UNKNOWN);
}

void
peel_swarms_circuit_ready(struct peel_swarms *s, peel_origin_id id)
{
	struct tie *t = tie_of_circuit(s, id);

	if (t == NULL)
		return;
	t->ready = true;
	s->noted = true;
}

void
peel_swarms_circuit_ended(struct peel_swarms *s, peel_origin_id id)
{
	struct tie *t = tie_of_circuit(s, id);

	if (t == NULL)
		return;
	t->ended = true;
	s->noted = true;
}

bool
peel_swarms_heard(struct peel_swarms *s, peel_origin_id id)
{
	struct tie *t = tie_of_circuit(s, id);

	if (t == NULL || !tie_is_peers(t) || t->ended)
		return false;
	if (t->stage == STAGE_ANSWERED && peel_origin_e2e_heard(s->origin, id)) {
		if (t->kind == TIE_DOWNLOADER)
			connect_up(t);
		else
			tie_up(t);
	}
	return t->stage == STAGE_UP;
}

/* ---- time ------------------------------------------------------------------------------------ */

void
swarm_back_off(struct peel_swarms *s, struct backoff *b)
{
	if (swarm_now(s) < b->retry_ms)
		return; /* one of several that failed together */
	b->ms = b->ms == 0 ? BACKOFF_MS : b->ms * 2;
	if (b->ms > BACKOFF_MAX_MS)
		b->ms = BACKOFF_MAX_MS;
	b->retry_ms = swarm_now(s) + b->ms;
}

static void
became_ready(struct tie *t)
{
	t->ready = false;
	if (t->stage != STAGE_BUILDING)
		return;
	switch (t->kind) {
	case TIE_QUESTIONS:
		t->swarm->ask = (struct backoff){0};
		t->swarm->useless = 0;
		tie_up(t);
		break;
	case TIE_INTRODUCTION:
		introduction_ready(t);
		break;
	case TIE_SEEDER:
		setup_ready(t);
		break;
	case TIE_DOWNLOADER:
		connect_ready(t);
		break;
	}
}

/* It has ended, or what it waits for did not come in time. */
static void
lost(struct tie *t)
{
	switch (t->kind) {
	case TIE_QUESTIONS:
		swarm_back_off(t->swarm->all, &t->swarm->ask);
		connect_cut_off(t->swarm);
		break;
	case TIE_INTRODUCTION:
		introduction_lost(t);
		break;
	case TIE_SEEDER:
		if (setup_lost(t))
			return;
		break;
	case TIE_DOWNLOADER:
		if (connect_lost(t))
			return;
		break;
	}
	tie_end(t);
}

static void
say_again(struct tie *t)
{
	t->again_ms = UINT64_MAX;
	t->n_said++;
	switch (t->kind) {
	case TIE_INTRODUCTION:
		introduction_again(t);
		break;
	case TIE_SEEDER:
		setup_again(t);
		break;
	case TIE_DOWNLOADER:
		connect_again(t);
		break;
	default:
		break;
	}
}

static void
examine(struct tie *t, uint64_t now)
{
	struct peel_swarms *s = t->swarm->all;

	if (t->stage == STAGE_OVER)
		return;
	if (t->ready)
		became_ready(t);
	if (t->stage == STAGE_ANSWERED && !t->ended)
		(void)peel_swarms_heard(s, t->circuit);
	if (t->again_ms <= now && !t->ended)
		say_again(t);
	if (t->stage != STAGE_OVER && (t->ended || t->due_ms <= now))
		lost(t);
	if (t->stage == STAGE_ANSWERED)
		swarm_due(s, now + HEARD_MS);
	if (t->stage != STAGE_OVER)
		swarm_due(s, t->due_ms < t->again_ms ? t->due_ms : t->again_ms);
}

static void
tick_swarm(struct swarm *w, uint64_t now)
{
	struct tie *t, *next;

	LIST_FOREACH (t, &w->ties, of_swarm)
		examine(t, now);
	for (t = LIST_FIRST(&w->ties); t != NULL; t = next) {
		next = LIST_NEXT(t, of_swarm);
		if (t->stage == STAGE_OVER)
			tie_free(t);
	}
	if (w->seed)
		introductions_keep(w);
	if (w->find) {
		lookup_tick(w);
		connect_tick(w);
	}
}

uint64_t
peel_swarms_tick(struct peel_swarms *s)
{
	uint64_t now = swarm_now(s);
	struct swarm *w;

	if (s->noted || s->due_ms <= now) {
		s->noted = false;
		s->due_ms = now + TICK_MS;
		LIST_FOREACH (w, &s->swarms, of_all)
			tick_swarm(w, now);
	}
	if (s->noted)
		return 1;
	return s->due_ms > now ? s->due_ms - now : 1;
}
