/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "pex_internal.h"

#define TARGET 10 /* peers, section 20 */
#define WALK_MS 5000
#define WALKABLE_CHANCE 206 /* of 256, as elsewhere, section 8.4 */
#define BOOTSTRAP_CHANCE 13
#define BOOTSTRAP_FIRST_MS 5000
#define BOOTSTRAP_INTERVAL_MS 30000
#define REQUESTS 2048 /* a power of two: more than are asked while an answer is waited for */
/* A question costs us a signature, and its answer a check. */
#define ASK_PER_SECOND 150
#define ASK_BURST 300
#define OVERLAYS_MAX 65000 /* their numbers are kinds of requests */

int
peel_pex_new(const struct peel_pex_conf *conf, struct peel_pex **out)
{
	struct peel_pex *p;
	int rc;

	*out = NULL;
	if (conf->overlay == NULL || conf->keys == NULL || conf->max == 0 ||
		conf->max > OVERLAYS_MAX)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->conf = *conf;
	p->ov = conf->overlay;
	p->seed = peel_random_u64(p->ov->conf.env);
	p->overlay = calloc(conf->max, sizeof(*p->overlay));
	peel_slots_init(&p->slots, conf->max, PEEL_REUSE_SOON, PEEL_LINKS(p->overlay, by_prefix));
	peel_bucket_init(&p->asking, ASK_BURST, overlay_now(p->ov));
	rc = p->overlay == NULL ? -ENOMEM
				: peel_chains_init(&p->by_prefix, conf->max,
					  PEEL_LINKS(p->overlay, by_prefix));
	if (rc == 0)
		rc = overlay_requests_init(&p->requests, REQUESTS, false, p->seed);
	if (rc != 0) {
		peel_pex_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void
peel_pex_free(struct peel_pex *p)
{
	if (p == NULL)
		return;
	for (uint32_t i = 0; i < p->slots.n_high; i++)
		free(p->overlay[i].known);
	peel_chains_fini(&p->by_prefix);
	overlay_requests_fini(&p->requests);
	free(p->overlay);
	free(p);
}

static uint64_t
hash(const struct peel_pex *p, const uint8_t prefix[PEEL_PREFIX_LEN])
{
	return peel_hash_bytes(prefix, PEEL_PREFIX_LEN, p->seed);
}

static struct pex_overlay *
by_prefix(const struct peel_pex *p, const uint8_t prefix[PEEL_PREFIX_LEN])
{
	uint32_t slot;

	PEEL_CHAIN_FOREACH (slot, &p->by_prefix, hash(p, prefix)) {
		if (memcmp(p->overlay[slot].prefix, prefix, PEEL_PREFIX_LEN) == 0)
			return &p->overlay[slot];
	}
	return NULL;
}

static struct pex_overlay *
by_info_hash(const struct peel_pex *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	uint8_t community[PEEL_COMMUNITY_LEN], prefix[PEEL_PREFIX_LEN];

	if (!peel_pex_community(info_hash, community))
		return NULL;
	peel_prefix_build(prefix, community);
	return by_prefix(p, prefix);
}

int
peel_pex_start(struct peel_pex *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	uint8_t community[PEEL_COMMUNITY_LEN], prefix[PEEL_PREFIX_LEN];

	if (!peel_pex_community(info_hash, community))
		return -EINVAL;
	peel_prefix_build(prefix, community);
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++) {
		if (memcmp(prefix, p->ov->prefix[c], PEEL_PREFIX_LEN) == 0)
			return -EINVAL;
	}
	if (by_prefix(p, prefix) != NULL)
		return -EEXIST;
	uint32_t slot = peel_slots_take(&p->slots);

	if (slot == PEEL_NONE)
		return -ENOSPC;
	struct pex_overlay *o = &p->overlay[slot];

	*o = (struct pex_overlay){.used = true, .bootstrap_wait_ms = BOOTSTRAP_FIRST_MS};
	memcpy(o->info_hash, info_hash, PEEL_INFO_HASH_LEN);
	memcpy(o->prefix, prefix, PEEL_PREFIX_LEN);
	peel_chains_add(&p->by_prefix, hash(p, prefix), slot);
	if (p->conf.listen != NULL)
		p->conf.listen(p->conf.arg, prefix, true);
	return 0;
}

void
peel_pex_stop(struct peel_pex *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct pex_overlay *o = by_info_hash(p, info_hash);

	if (o == NULL)
		return;
	uint32_t slot = (uint32_t)(o - p->overlay);

	if (p->conf.listen != NULL)
		p->conf.listen(p->conf.arg, o->prefix, false);
	peel_chains_del(&p->by_prefix, hash(p, o->prefix), slot);
	free(o->known);
	o->known = NULL;
	o->used = false;
	peel_slots_give(&p->slots, slot);
}

int
peel_pex_input(struct peel_pex *p, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	struct pex_overlay *o = len < PEEL_HEADER_LEN ? NULL : by_prefix(p, data);

	if (o == NULL)
		return -ENOENT;
	if (!peel_addr_usable(from))
		return overlay_malformed(p->ov);
	switch (data[PEEL_PREFIX_LEN]) {
	case PEEL_MSG_INTRO_REQUEST:
	case PEEL_MSG_INTRO_REQUEST_NEW:
		return pex_signed(p, o, from, data, len, false);
	case PEEL_MSG_INTRO_RESPONSE:
	case PEEL_MSG_INTRO_RESPONSE_NEW:
		return pex_signed(p, o, from, data, len, true);
	case PEEL_MSG_PUNCTURE_REQUEST:
	case PEEL_MSG_PUNCTURE_REQUEST_NEW:
		return overlay_puncture_request(p->ov,
			pex_peer_at(o, from) != NULL || overlay_is_bootstrap(p->ov, from), from,
			data, len);
	case PEEL_MSG_PUNCTURE:
	case PEEL_MSG_PUNCTURE_NEW:
		return 0; /* its arrival was all, as in the overlay */
	default:
		return -ENOENT;
	}
}

/* ---- the overlays' turns --------------------------------------------------------------------- */

bool
pex_may_ask(struct peel_pex *p)
{
	return peel_bucket_take(&p->asking, ASK_PER_SECOND, ASK_BURST, 1, overlay_now(p->ov));
}

/* @return false: enough for all overlays together. */
static bool
ask(struct peel_pex *p, struct pex_overlay *o, const struct peel_addr *to, bool new_style,
	enum ov_asking why)
{
	if (!pex_may_ask(p))
		return false;
	(void)pex_ask(p, o, to, new_style, why, SIZE_MAX);
	return true;
}

static bool
ask_bootstrap(struct peel_pex *p, struct pex_overlay *o, size_t i)
{
	const struct peel_addr *to = &p->ov->bootstrap[i];

	return overlay_is_self(p->ov, to) ||
	       ask(p, o, to, to->family == PEEL_FAMILY_IPV6, PEEL_ASK_PEER);
}

/* All of them, beginning anywhere, as the budget may not suffice. */
static bool
bootstrap(struct peel_pex *p, struct pex_overlay *o, uint64_t now)
{
	size_t n = p->ov->n_bootstrap;

	if (now < o->bootstrap_ms || n == 0)
		return true;
	o->bootstrap_ms = now + o->bootstrap_wait_ms;
	o->bootstrap_wait_ms *= 2;
	if (o->bootstrap_wait_ms > BOOTSTRAP_INTERVAL_MS)
		o->bootstrap_wait_ms = BOOTSTRAP_INTERVAL_MS;
	size_t first = peel_random_below(p->ov->conf.env, (uint32_t)n);

	for (size_t i = 0; i < n; i++) {
		if (!ask_bootstrap(p, o, (first + i) % n))
			return false;
	}
	return true;
}

static bool
walk(struct peel_pex *p, struct pex_overlay *o, uint64_t now)
{
	const struct peel_env *env = p->ov->conf.env;
	uint32_t n_peers = o->known != NULL ? o->known->n_peers : 0;
	struct ov_walkable next;

	if (n_peers == 0 && !bootstrap(p, o, now))
		return false;
	if (n_peers >= TARGET || now < o->walk_ms)
		return true;
	o->walk_ms = now + WALK_MS;
	if ((n_peers == 0 || peel_random_below(env, 256) < WALKABLE_CHANCE) &&
		pex_walkable_take(o, &next, env))
		return ask(p, o, &next.addr, next.new_style, PEEL_ASK_WALK);
	if (n_peers == 0)
		return true;
	if (p->ov->n_bootstrap > 0 && peel_random_below(env, 256) < BOOTSTRAP_CHANCE)
		return ask_bootstrap(p, o, peel_random_below(env, (uint32_t)p->ov->n_bootstrap));
	const struct pex_peer *peer = &o->known->peer[peel_random_below(env, n_peers)];

	return ask(p, o, &peer->addr, peer->new_style, PEEL_ASK_WALK);
}

/* Ask peers that have been silent, section 8.5. */
static bool
keep_alive(struct peel_pex *p, struct pex_overlay *o, uint64_t now)
{
	for (uint32_t i = 0; o->known != NULL && i < o->known->n_peers; i++) {
		struct pex_peer *peer = &o->known->peer[i];

		if (now - peer->answered_ms < PEEL_OVERLAY_IDLE_MS ||
			now - peer->asked_ms < PEEL_OVERLAY_PING_INTERVAL_MS)
			continue;
		if (!ask(p, o, &peer->addr, peer->new_style, PEEL_ASK_PEER))
			return false;
		peer->asked_ms = now;
	}
	return true;
}

uint64_t
peel_pex_tick(struct peel_pex *p)
{
	uint64_t now = overlay_now(p->ov);

	if (now < p->tick_ms)
		return p->tick_ms - now;
	p->tick_ms = now + PEEL_OVERLAY_TICK_MS;
	overlay_requests_expire(&p->requests, now);
	for (uint32_t i = 0; i < p->slots.n_high; i++) {
		if (p->cursor >= p->slots.n_high)
			p->cursor = 0;
		struct pex_overlay *o = &p->overlay[p->cursor];

		if (o->used) {
			pex_known_expire(o, now);
			/* When all have asked enough, it is this one's turn again. */
			if (!keep_alive(p, o, now) || !walk(p, o, now))
				break;
		}
		p->cursor++;
	}
	return PEEL_OVERLAY_TICK_MS;
}

/* ---- questions from above -------------------------------------------------------------------- */

size_t
peel_pex_list(const struct peel_pex *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	struct peel_dht_introduction out[PEEL_PEX_LIST_MAX])
{
	const struct pex_overlay *o = by_info_hash(p, info_hash);
	uint64_t now = overlay_now(p->ov);
	size_t n = 0;

	for (uint32_t i = 0; o != NULL && o->known != NULL && i < o->known->n_entries; i++) {
		const struct pex_entry *e = &o->known->entry[i];

		if (!pex_entry_fresh(e, now))
			continue;
		out[n] = (struct peel_dht_introduction){.address = e->addr};
		memcpy(out[n].pk, e->pk, PEEL_PK_LEN);
		memcpy(out[n++].seeder_pk, e->seeder_pk, PEEL_PK_LEN);
	}
	return n;
}

void
peel_pex_count(const struct peel_pex *p, struct peel_pex_count *out)
{
	*out = (struct peel_pex_count){.overlays = p->slots.n};
	for (uint32_t i = 0; i < p->slots.n_high; i++) {
		const struct pex_overlay *o = &p->overlay[i];

		if (!o->used || o->known == NULL)
			continue;
		out->peers += o->known->n_peers;
		out->listed += o->known->n_entries;
	}
}
