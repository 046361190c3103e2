/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "origin_internal.h"

/* The table of origin circuits: finding them, their beginning and end, and input from outside. */

void
peel_origin_settings_init(struct peel_origin_settings *s)
{
	memset(s, 0, sizeof(*s));
#define SET_originator(field, value) s->field = value;
#define SET_both SET_originator
#define VALUE(section, name, owner, field, type, by_default, ...) SET_##owner(field, by_default)
#include "peel_settings.def"
}

static int
check(const struct peel_origin_conf *conf)
{
	if (conf->env == NULL || conf->identity == NULL || conf->stats == NULL ||
		conf->routes == NULL || conf->paths == NULL || conf->send == NULL ||
		conf->candidates == NULL || conf->find_peer == NULL)
		return -EINVAL;
	return conf->settings.next_hop_timeout == 0 ? -EINVAL : 0;
}

int
peel_origin_new(const struct peel_origin_conf *conf, struct peel_origin_circuits **out)
{
	int ret = check(conf);
	uint32_t n = 16;

	if (ret != 0)
		return ret;
	struct peel_origin_circuits *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->conf = *conf;
	t->env = conf->env;
	t->size = peel_paths_size(conf->paths);
	while (n < t->size && n < 1u << 20)
		n *= 2;
	t->mask = n - 1;
	t->by_path = calloc(t->size, sizeof(*t->by_path));
	t->list = calloc(t->size, sizeof(*t->list));
	t->bucket = calloc(n, sizeof(*t->bucket));
	if (t->by_path == NULL || t->list == NULL || t->bucket == NULL) {
		peel_origin_free(t);
		return -ENOMEM;
	}
	peel_bucket_init(&t->verify, VERIFY_PER_SECOND, origin_now(t));
	*out = t;
	return 0;
}

void
peel_origin_free(struct peel_origin_circuits *t)
{
	if (t == NULL)
		return;
	while (t->n > 0)
		origin_remove(t, t->list[t->n - 1]);
	free(t->by_path);
	free(t->list);
	free(t->bucket);
	free(t);
}

/* ---- finding --------------------------------------------------------------------------------- */

struct origin_circuit *
origin_by_id(const struct peel_origin_circuits *t, peel_origin_id id)
{
	uint32_t path = (uint32_t)id;
	struct origin_circuit *tn = path < t->size ? t->by_path[path] : NULL;

	return tn != NULL && tn->id == id ? tn : NULL;
}

/* The ids are our own random numbers: nobody can aim at a bucket. */
static struct bucket *
bucket_of(const struct peel_origin_circuits *t, uint32_t cid)
{
	return &t->bucket[cid & t->mask];
}

struct origin_circuit *
origin_by_cid(const struct peel_origin_circuits *t, uint32_t cid)
{
	struct origin_circuit *tn;

	LIST_FOREACH (tn, bucket_of(t, cid), chain) {
		if (tn->cid == cid)
			return tn;
	}
	return NULL;
}

uint32_t
origin_fresh_cid(struct peel_origin_circuits *t)
{
	uint32_t cid;

	do
		cid = peel_route_new_cid(t->conf.routes);
	while (origin_by_cid(t, cid) != NULL);
	return cid;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

int
origin_add(struct peel_origin_circuits *t, struct origin_circuit *tn, const struct peel_addr *first)
{
	uint32_t early = t->conf.settings.max_relay_early;

	tn->cid = origin_fresh_cid(t);
	int ret = peel_path_add(t->conf.paths, first, tn->cid,
		(uint8_t)(early < UINT8_MAX ? early : UINT8_MAX), &tn->path);

	if (ret != 0)
		return ret;
	tn->id = peel_origin_make_id(tn->path, peel_path_generation(t->conf.paths, tn->path));
	tn->route = PEEL_NONE;
	tn->begun_ms = tn->active_ms = origin_now(t);
	tn->index = t->n;
	t->list[t->n++] = tn;
	t->by_path[tn->path] = tn;
	LIST_INSERT_HEAD(bucket_of(t, tn->cid), tn, chain);
	return 0;
}

void
origin_change_cid(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	LIST_REMOVE(tn, chain);
	tn->cid = origin_fresh_cid(t);
	LIST_INSERT_HEAD(bucket_of(t, tn->cid), tn, chain);
	peel_path_set_cid(t->conf.paths, tn->path, tn->cid);
}

void
origin_build_free(struct origin_circuit *tn)
{
	peel_secret_free(tn->build, sizeof(*tn->build));
	tn->build = NULL;
}

static enum peel_counter
counter_of(enum peel_origin_end why)
{
	switch (why) {
	case PEEL_ORIGIN_END_FAILED:
		return PEEL_OWN_FAILED;
	case PEEL_ORIGIN_END_DESTROYED:
		return PEEL_OWN_DESTROYED;
	case PEEL_ORIGIN_END_CLOSED:
		return PEEL_OWN_CLOSED;
	default:
		return PEEL_OWN_EXPIRED;
	}
}

void
origin_close(struct peel_origin_circuits *t, struct origin_circuit *tn, enum peel_origin_end why,
	uint16_t reason)
{
	uint64_t grace_ms = (uint64_t)t->conf.settings.remove_tunnel_delay * 1000;

	if (tn->state == PEEL_ORIGIN_CLOSING)
		return;
	if (reason != 0 && tn->n_hops > 0)
		origin_destroy_send(t, tn, reason);
	/* Nothing useful can still arrive on a circuit that was never complete. */
	tn->close_ms = origin_now(t) + (tn->state == PEEL_ORIGIN_READY ? grace_ms : 0);
	tn->state = PEEL_ORIGIN_CLOSING;
	peel_path_set_flags(t->conf.paths, tn->path,
		peel_path_flags(path_of(t, tn)) & (uint8_t)~PEEL_PATH_READY);
	origin_build_free(tn);
	count(t, counter_of(why));
	if (tn->pooled)
		origin_pool_ended(t, tn, why);
	if (t->conf.ended != NULL)
		t->conf.ended(t->conf.arg, tn->id, why);
}

void
origin_remove(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	const struct peel_path *path = path_of(t, tn);
	uint32_t session[PEEL_PATH_LAYERS_MAX];
	unsigned int n = peel_path_n_layers(path);

	memcpy(session, path->session, sizeof(session));
	if (tn->route != PEEL_NONE)
		peel_route_retire(t->conf.routes, tn->route);
	peel_path_retire(t->conf.paths, tn->path);
	for (unsigned int i = 0; i < n; i++) /* including an end-to-end one */
		peel_session_retire(t->conf.routes, session[i]);
	LIST_REMOVE(tn, chain);
	t->by_path[tn->path] = NULL;
	t->list[tn->index] = t->list[--t->n];
	t->list[tn->index]->index = tn->index;
	origin_build_free(tn);
	free(tn);
}

/* ---- input ----------------------------------------------------------------------------------- */

int
peel_origin_datagram(struct peel_origin_circuits *t, const struct peel_addr *from,
	const uint8_t *data, size_t len)
{
	struct peel_cell cell;

	if (len < PEEL_HEADER_LEN)
		return -ENOENT;
	if (data[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY)
		return origin_destroy(t, from, data, len);
	/* Workers handle sealed cells, and plaintext ones carry only create and created. */
	if (peel_cell_parse(data, len, &cell) != 0 || !cell.plain ||
		cell.message.p[0] != PEEL_MSG_CREATED)
		return -ENOENT;
	return origin_created(t, from, &cell);
}

int
peel_origin_message(
	struct peel_origin_circuits *t, peel_origin_id id, const uint8_t *msg, size_t len)
{
	struct origin_circuit *tn = origin_by_id(t, id);

	if (tn == NULL || tn->n_hops == 0 || len == 0)
		return -ENOENT;
	switch (msg[0]) {
	case PEEL_MSG_EXTENDED:
		return origin_extended(t, tn, msg + 1, len - 1);
	case PEEL_MSG_PING:
		return origin_ping_received(t, tn, msg + 1, len - 1);
	case PEEL_MSG_PONG:
		return origin_pong_received(t, tn, msg + 1, len - 1);
	}
	return -ENOENT;
}

void
peel_origin_change(struct peel_origin_circuits *t, const struct peel_origin_settings *s)
{
	struct peel_origin_settings *mine = &t->conf.settings;

	mine->max_time = s->max_time;
	mine->max_time_ip = s->max_time_ip;
	mine->max_time_inactive = s->max_time_inactive;
	mine->max_traffic = s->max_traffic;
}
