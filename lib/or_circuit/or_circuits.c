/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "or_internal.h"
#include "peel_discovery.h"

#define JOINED_MAX (1u << 26)
#define RECENT_MAX (1u << 20)
#define SOURCES 4096 /* addresses whose creates are counted separately */

void
peel_or_settings_init(struct peel_or_settings *s)
{
	memset(s, 0, sizeof(*s));
#define SET_tunnel(field, value) s->field = value;
#define SET_both SET_tunnel
#define VALUE(section, name, owner, field, type, by_default, ...) SET_##owner(field, by_default)
#define FLAG(name, bit, by_default, about) s->peer_flags |= by_default ? bit : 0;
#include "peel_settings.def"
}

static int
check(const struct peel_or_conf *conf)
{
	const struct peel_or_settings *s = &conf->settings;

	if (conf->env == NULL || conf->identity == NULL || conf->stats == NULL ||
		conf->routes == NULL || conf->send == NULL)
		return -EINVAL;
	if (s->max_joined_circuits > JOINED_MAX || s->next_hop_timeout == 0)
		return -EINVAL;
	return 0;
}

/* How many joins can happen within unstable_timeout: this many must be remembered. */
static uint32_t
recent_size(const struct peel_or_settings *s)
{
	uint32_t delay = s->remove_tunnel_delay > 0 ? s->remove_tunnel_delay : 1;
	uint64_t n = (uint64_t)s->max_joined_circuits * (s->unstable_timeout / delay + 1);
	uint64_t by_rate = (uint64_t)s->create_rate * (s->unstable_timeout + 1);

	if (s->create_rate != 0 && by_rate < n)
		n = by_rate;
	return n < RECENT_MAX ? (uint32_t)n : RECENT_MAX;
}

static int
allocate(struct peel_or_circuits *c)
{
	uint32_t n = peel_or_sessions(&c->conf.settings);
	struct or_circuit *ci = calloc(n > 0 ? n : 1, sizeof(*ci));

	if (ci == NULL)
		return -ENOMEM;
	c->circuit = ci;
	peel_slots_init(&c->slots, n, PEEL_REUSE_SOON, PEEL_LINKS(ci, session));
	peel_list_init(&c->delayed[DELAY_EXIT], PEEL_LINKS(ci, delay[DELAY_EXIT].next));
	peel_list_init(&c->delayed[DELAY_REMOVE], PEEL_LINKS(ci, delay[DELAY_REMOVE].next));
	return 0;
}

/* Strangers get a quarter of the budget, and each of them a tenth of what a neighbour gets. */
static int
init_budget(struct peel_or_circuits *c, const struct peel_or_settings *s, enum standing standing,
	struct pool *p)
{
	uint32_t all = s->create_rate, source = s->create_rate_per_source;
	uint64_t now = peel_now_ms(c->env);

	if (standing == STRANGER) {
		all = (all + 3) / 4;
		source = (source + 9) / 10;
	} else if (all > 1) {
		all -= (all + 3) / 4;
	}
	p->per_second = all;
	peel_bucket_init(&p->create, all, now);
	peel_bucket_init(&p->verify, all, now);
	uint32_t burst = source < UINT32_MAX / 10 ? source * 10 : UINT32_MAX;

	return peel_rate_new(c->env, source, burst > 0 ? burst : 1, SOURCES, &p->rate);
}

static int
init(struct peel_or_circuits *c)
{
	int ret = allocate(c);

	or_offers_init(&c->offers);
	if (ret == 0)
		ret = or_keys_init(&c->keys, c->env);
	if (ret == 0)
		ret = recent_init(&c->recent, c->env, recent_size(&c->conf.settings));
	if (ret == 0)
		ret = pending_init(c);
	if (ret == 0)
		ret = sources_init(&c->sources, c->env);
	if (ret == 0)
		ret = peel_key_pairs_new(&c->key_pairs);
	if (ret == 0)
		ret = waiting_init(c);
	unproved_init(c);
	for (int i = 0; i < N_POOLS && ret == 0; i++)
		ret = init_budget(c, &c->conf.settings, (enum standing)i, &c->pool[i]);
	return ret;
}

int
peel_or_new(const struct peel_or_conf *conf, struct peel_or_circuits **out)
{
	int ret = check(conf);

	if (ret != 0)
		return ret;
	struct peel_or_circuits *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->conf = *conf;
	c->env = conf->env;
	c->scan_ms = peel_now_ms(c->env);
	ret = init(c);
	if (ret != 0) {
		peel_or_free(c);
		return ret;
	}
	*out = c;
	return 0;
}

void
peel_or_settings(const struct peel_or_circuits *c, struct peel_or_settings *out)
{
	*out = c->conf.settings;
}

/* What sources have used of their rates is forgotten. */
static int
change_budgets(struct peel_or_circuits *c, const struct peel_or_settings *s)
{
	struct pool pool[N_POOLS] = {0};
	int ret = 0;

	for (int i = 0; i < N_POOLS && ret == 0; i++)
		ret = init_budget(c, s, (enum standing)i, &pool[i]);
	for (int i = 0; i < N_POOLS; i++) {
		struct pool *p = &c->pool[i];

		peel_rate_free(ret == 0 ? p->rate : pool[i].rate);
		if (ret != 0)
			continue;
		p->rate = pool[i].rate;
		p->create = pool[i].create;
		p->verify = pool[i].verify;
		p->per_second = pool[i].per_second;
	}
	return ret;
}

int
peel_or_change(struct peel_or_circuits *c, const struct peel_or_settings *s)
{
	struct peel_or_settings *mine = &c->conf.settings;

	if (peel_or_sessions(s) > c->slots.size)
		return -ENOSPC;
	if (s->create_rate != mine->create_rate ||
		s->create_rate_per_source != mine->create_rate_per_source) {
		int ret = change_budgets(c, s);

		if (ret != 0)
			return ret;
	}
	mine->peer_flags = s->peer_flags;
	mine->max_joined_circuits = s->max_joined_circuits;
	mine->max_time = s->max_time;
	mine->max_time_ip = s->max_time_ip;
	mine->max_time_inactive = s->max_time_inactive;
	mine->max_traffic = s->max_traffic;
	mine->create_rate = s->create_rate;
	mine->create_rate_per_source = s->create_rate_per_source;
	return 0;
}

void
peel_or_free(struct peel_or_circuits *c)
{
	if (c == NULL)
		return;
	c->conf.exit_gone = NULL; /* whoever frees us closes all endpoints anyway */
	for (uint32_t i = 0; i < c->slots.n_high; i++) {
		if (c->circuit[i].kind != KIND_FREE)
			or_end(c, &c->circuit[i]);
	}
	for (int i = 0; i < N_POOLS; i++)
		peel_rate_free(c->pool[i].rate);
	sources_fini(&c->sources);
	peel_key_pairs_free(c->key_pairs);
	waiting_fini(c);
	pending_fini(c);
	recent_fini(&c->recent);
	or_offers_fini(&c->offers);
	or_keys_fini(&c->keys);
	free(c->by_session);
	free(c->circuit);
	free(c);
}

/* ---- entries --------------------------------------------------------------------------------- */

struct or_circuit *
or_new(struct peel_or_circuits *c)
{
	uint32_t index = peel_slots_take(&c->slots);

	if (index == PEEL_NONE)
		return NULL;
	struct or_circuit *ci = &c->circuit[index];
	uint32_t serial = ci->serial + 1;

	memset(ci, 0, sizeof(*ci));
	ci->serial = serial;
	ci->session = ci->offer = PEEL_NONE;
	for (int s = 0; s < N_SIDES; s++)
		ci->route[s] = ci->key[s] = PEEL_NONE;
	return ci;
}

void
or_drop(struct peel_or_circuits *c, struct or_circuit *ci)
{
	for (int s = 0; s < N_SIDES; s++)
		or_keys_put(&c->keys, ci->key[s]);
	or_unoffer(c, ci);
	ci->kind = KIND_FREE;
	peel_slots_give(&c->slots, circuit_index(c, ci));
}

void
or_unoffer(struct peel_or_circuits *c, struct or_circuit *ci)
{
	if (ci->kind == KIND_RENDEZVOUS || ci->offer == PEEL_NONE)
		return;
	const struct offer *o = &c->offers.offer[ci->offer];

	for (uint32_t i = 0; i < o->n; i++)
		or_keys_put(&c->keys, o->key[i]);
	or_offer_end(&c->offers, ci->offer);
	ci->offer = PEEL_NONE;
}

int
or_map_session(struct peel_or_circuits *c, struct or_circuit *ci)
{
	if (ci->session >= c->n_by_session) {
		/* An eighth more than needed: doubling would cost as much as all other indexes. */
		uint32_t n = ci->session + ci->session / 8 + 64;

		uint32_t *map = realloc(c->by_session, (size_t)n * sizeof(*map));

		if (map == NULL)
			return -ENOMEM;
		memset(map + c->n_by_session, 0xff, (size_t)(n - c->n_by_session) * sizeof(*map));
		c->by_session = map;
		c->n_by_session = n;
	}
	c->by_session[ci->session] = circuit_index(c, ci);
	return 0;
}

struct or_circuit *
or_by_session(const struct peel_or_circuits *c, uint32_t session, uint32_t generation)
{
	if (session >= c->n_by_session || c->by_session[session] == PEEL_NONE)
		return NULL;
	if (peel_session_generation(c->conf.routes, session) != generation)
		return NULL;
	return circuit_at(c, c->by_session[session]);
}

struct or_circuit *
or_by_route(const struct peel_or_circuits *c, uint32_t slot, enum side *side)
{
	const struct peel_route *r = peel_route_at(c->conf.routes, slot);

	if (r->session >= c->n_by_session || c->by_session[r->session] == PEEL_NONE)
		return NULL;
	*side = r->kind == PEEL_ROUTE_BACKWARD ? NEXT : PREVIOUS;
	return circuit_at(c, c->by_session[r->session]);
}

const struct peel_addr *
or_addr(const struct peel_or_circuits *c, const struct or_circuit *ci, enum side side)
{
	return &peel_route_at(c->conf.routes, ci->route[side])->in;
}

bool
or_in_use(struct peel_or_circuits *c, const struct peel_addr *from, uint32_t cid)
{
	uint32_t others[PEEL_ROUTE_SAME_CID_MAX];
	const struct pending *p = pending_get(c, cid); /* at most one has this id */

	/* Honest ids are random: this many circuits with one id mean an attempt to hide. */
	if (peel_routes_of_cid(c->conf.routes, cid, others) == PEEL_ROUTE_SAME_CID_MAX)
		return true;
	if (p != NULL && peel_addr_equal(&p->addr, from))
		return true;
	return peel_route_lookup(c->conf.routes, from, cid) != PEEL_NONE;
}

/* ---- the end --------------------------------------------------------------------------------- */

void
or_delay(struct peel_or_circuits *c, struct or_circuit *ci, enum delayed what)
{
	ci->delay[what].due_ms = (uint32_t)(peel_now_ms(c->env) +
					    (uint64_t)c->conf.settings.remove_tunnel_delay * 1000);
	peel_list_add_last(&c->delayed[what], circuit_index(c, ci));
}

void
or_remove(struct peel_or_circuits *c, struct or_circuit *ci)
{
	if (ci->removing)
		return;
	if (!or_used(c, ci)) {
		or_end(c, ci);
		return;
	}
	struct or_circuit *partner = or_partner(c, ci);

	or_settle(c, ci);
	ci->removing = true;
	c->n_removing++;
	if (partner != NULL) { /* ends with its partner, and so waits in no queue */
		partner->removing = true;
		c->n_removing++;
	}
	or_delay(c, ci, DELAY_REMOVE);
}

/* From now on, workers do not find it. */
static void
unpublish(struct peel_or_circuits *c, struct or_circuit *ci)
{
	unproved_forget(c, ci);
	for (int s = 0; s < N_SIDES; s++) {
		if (ci->route[s] != PEEL_NONE)
			peel_route_retire(c->conf.routes, ci->route[s]);
	}
}

static void
forget(struct peel_or_circuits *c, struct or_circuit *ci)
{
	peel_session_retire(c->conf.routes, ci->session);
	c->by_session[ci->session] = PEEL_NONE;
	if (ci->kind == KIND_EXIT)
		c->n_exits--;
	else if (ci->kind == KIND_RELAY)
		c->n_relays--;
	else
		c->n_rendezvous--;
	if (ci->removing)
		c->n_removing--;
	or_drop(c, ci);
}

void
or_end(struct peel_or_circuits *c, struct or_circuit *ci)
{
	struct or_circuit *both[] = {ci, or_partner(c, ci)};
	struct or_circuit before[2];

	/* Neither session may be freed while the other one's route leads to it. */
	for (int i = 0; i < 2 && both[i] != NULL; i++)
		unpublish(c, both[i]);
	for (int i = 0; i < 2 && both[i] != NULL; i++) {
		before[i] = *both[i];
		forget(c, both[i]);
	}
	/* Last, as the callback may query us. */
	for (int i = 0; i < 2 && both[i] != NULL; i++) {
		if (before[i].exit_open && c->conf.exit_gone != NULL)
			c->conf.exit_gone(c->conf.arg, before[i].session, before[i].endpoint);
	}
}
