/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/* Ties: what a swarm keeps up, each with at most one circuit, from the first message to the end. */

struct tie *
tie_of_circuit(const struct peel_swarms *s, peel_origin_id id)
{
	uint32_t path = (uint32_t)id;
	struct tie *t = path < s->size ? s->by_path[path] : NULL;

	return t != NULL && t->circuit == id ? t : NULL;
}

static void
count(struct tie *t, int by)
{
	struct swarm *w = t->swarm;
	bool up = t->stage == STAGE_UP;

	if (t->stage == STAGE_OVER)
		return;
	if (t->kind == TIE_DOWNLOADER) {
		*(up ? &w->n_found : &w->n_finding) += (uint32_t)by;
	} else if (t->kind == TIE_SEEDER) {
		*(up ? &w->n_seeder_up : &w->n_waiting) += (uint32_t)by;
		*(up ? &w->all->n_seeder_up : &w->all->n_waiting) += (uint32_t)by;
	}
}

void
tie_set_stage(struct tie *t, enum tie_stage stage)
{
	count(t, -1);
	t->stage = stage;
	count(t, 1);
}

struct tie *
tie_new(struct swarm *w, enum tie_kind kind, enum tie_stage stage)
{
	struct tie *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->swarm = w;
	t->kind = kind;
	t->stage = stage;
	t->since_ms = swarm_now(w->all);
	t->due_ms = t->again_ms = UINT64_MAX;
	count(t, 1);
	LIST_INSERT_HEAD(&w->ties, t, of_swarm);
	return t;
}

int
tie_build(struct tie *t, struct peel_origin_spec *spec)
{
	static const enum peel_origin_type types[] = {
		[TIE_QUESTIONS] = PEEL_ORIGIN_DATA,
		[TIE_INTRODUCTION] = PEEL_ORIGIN_IP_SEEDER,
		[TIE_SEEDER] = PEEL_ORIGIN_RP_SEEDER,
		[TIE_DOWNLOADER] = PEEL_ORIGIN_RP_DOWNLOADER,
	};
	struct peel_swarms *s = t->swarm->all;
	/* Those that lead to a node that others know have a hop more (section 15.1). */
	bool longer = t->kind == TIE_INTRODUCTION || t->kind == TIE_DOWNLOADER;

	if (!room_for_circuit(t->swarm, t->kind))
		return -ENOSPC;
	spec->type = types[t->kind];
	spec->hops = t->swarm->hops + longer;
	spec->isolated = true;
	int ret = peel_origin_create(s->origin, spec, &t->circuit);

	if (ret != 0) {
		t->circuit = 0;
		return ret;
	}
	s->by_path[(uint32_t)t->circuit] = t;
	s->n_circuits++;
	s->n_upkeep += !tie_is_peers(t);
	tie_set_stage(t, STAGE_BUILDING);
	return 0;
}

static void
tell(struct tie *t, bool connected)
{
	const struct peel_swarms_conf *conf = &t->swarm->all->conf;

	conf->peer(conf->arg, t->swarm->number, t->circuit, connected);
}

void
tie_up(struct tie *t)
{
	tie_set_stage(t, STAGE_UP);
	t->due_ms = t->again_ms = UINT64_MAX;
	if (!tie_is_peers(t))
		return;
	t->since_ms = swarm_now(t->swarm->all);
	t->swarm->n_connected++;
	peel_stats_add(t->swarm->all->conf.stats, PEEL_SWARM_PEERS, 1);
	tell(t, true);
}

void
tie_close(struct tie *t)
{
	struct peel_swarms *s = t->swarm->all;

	if (t->circuit == 0)
		return;
	if (s->by_path[(uint32_t)t->circuit] == t)
		s->by_path[(uint32_t)t->circuit] = NULL;
	if (!t->ended)
		(void)peel_origin_close(s->origin, t->circuit);
	s->n_circuits--;
	s->n_upkeep -= !tie_is_peers(t);
	t->circuit = 0;
	t->ready = t->ended = false;
}

void
tie_end(struct tie *t)
{
	struct peel_swarms *s = t->swarm->all;
	bool peer = t->stage == STAGE_UP && tie_is_peers(t);

	if (t->stage == STAGE_OVER)
		return;
	tie_set_stage(t, STAGE_OVER);
	peel_secret_free(t->secret, sizeof(*t->secret));
	t->secret = NULL;
	peel_wipe(t->cookie, sizeof(t->cookie));
	s->noted = true;
	if (peer)
		tell(t, false);
	tie_close(t);
}

void
tie_free(struct tie *t)
{
	tie_set_stage(t, STAGE_OVER);
	peel_secret_free(t->secret, sizeof(*t->secret));
	LIST_REMOVE(t, of_swarm);
	free(t);
}

int
tie_send(struct tie *t, const uint8_t *msg, int len)
{
	if (len < 0)
		return len;
	return peel_origin_send(t->swarm->all->origin, t->circuit, msg, (size_t)len);
}

int
tie_send_datagram(struct tie *t, const struct peel_addr *to, const uint8_t *msg, int len)
{
	uint8_t out[PEEL_DATAGRAM_MAX], datagram[PEEL_DATAGRAM_MAX];
	struct peel_swarms *s = t->swarm->all;
	const struct peel_msg_data m = {
		.destination = {.type = to->family == PEEL_FAMILY_IPV6 ? PEEL_HOST_IPV6
								       : PEEL_HOST_IPV4,
			.addr = *to},
		.origin = {.type = PEEL_HOST_IPV4, .addr.family = PEEL_FAMILY_IPV4},
		.payload = {datagram, PEEL_PREFIX_LEN + (size_t)len},
	};

	if (len < 0)
		return len;
	memcpy(datagram, s->conf.prefix, PEEL_PREFIX_LEN);
	memcpy(datagram + PEEL_PREFIX_LEN, msg, (size_t)len);
	return tie_send(t, out, peel_data_build(out, sizeof(out), &m));
}
