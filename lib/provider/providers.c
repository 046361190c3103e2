/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Look-ups in several DHTs at once.
 */
#include <errno.h>
#include <stdlib.h>

#include "provider_internal.h"

#define IDLE_MS 500

/* ---- what they tell -------------------------------------------------------------------------- */

static struct provider_lookup *
by_hash(struct peel_providers *p, const uint8_t *info_hash)
{
	for (size_t i = 0; i < LOOKUPS_MAX; i++) {
		struct provider_lookup *l = &p->lookup[i];

		if (l->under_way != 0 && memcmp(l->info_hash, info_hash, sizeof(l->info_hash)) == 0)
			return l;
	}
	return NULL;
}

static bool
is_asked(const struct provider *from, const uint8_t *info_hash)
{
	const struct provider_lookup *l = by_hash(from->all, info_hash);

	return l != NULL && (l->under_way & from->bit) != 0;
}

static void
cb_found(void *arg, const uint8_t *info_hash, const struct peel_dht_introduction *point, size_t n)
{
	const struct provider *from = arg;
	const struct peel_provider_conf *to = &from->all->conf.each;

	if (is_asked(from, info_hash))
		to->found(to->arg, info_hash, point, n);
}

static void
cb_addresses(void *arg, const uint8_t *info_hash, const struct peel_addr *addr, size_t n)
{
	const struct provider *from = arg;
	const struct peel_provider_conf *to = &from->all->conf.each;

	if (is_asked(from, info_hash))
		to->addresses(to->arg, info_hash, addr, n);
}

static void
cb_ended(void *arg, const uint8_t *info_hash)
{
	const struct provider *from = arg;
	const struct peel_provider_conf *to = &from->all->conf.each;
	struct provider_lookup *l = by_hash(from->all, info_hash);
	uint8_t hash[PEEL_INFO_HASH_LEN];

	if (l == NULL || (l->under_way & from->bit) == 0)
		return;
	l->under_way &= (uint8_t)~from->bit;
	if (l->under_way != 0)
		return;
	memcpy(hash, l->info_hash, sizeof(hash)); /* its place may be taken inside */
	to->ended(to->arg, hash);
}

static void
cb_peer(void *arg, const uint8_t *mid, const struct peel_addr *addr)
{
	const struct provider *from = arg;
	const struct peel_provider_conf *to = &from->all->conf.each;

	to->peer(to->arg, mid, addr);
}

static void
cb_wake(void *arg)
{
	const struct provider *from = arg;
	const struct peel_provider_conf *to = &from->all->conf.each;

	to->wake(to->arg);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
open_one(struct peel_providers *p, size_t at, char *why, size_t why_size)
{
	struct provider *one = &p->provider[at];
	struct peel_provider_conf conf = p->conf.each;

	*one = (struct provider){.all = p, .ops = p->conf.ops[at], .bit = (uint8_t)(1u << at)};
	conf.wake = cb_wake;
	conf.found = cb_found;
	conf.addresses = cb_addresses;
	conf.ended = cb_ended;
	conf.peer = cb_peer;
	conf.arg = one;
	return one->ops->open(&conf, &one->self, why, why_size);
}

int
peel_providers_new(const struct peel_providers_conf *conf, struct peel_providers **out, char *why,
	size_t why_size)
{
	struct peel_providers *p;
	int rc = 0;

	*out = NULL;
	if (conf->n > PEEL_PROVIDERS_MAX)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->conf = *conf;
	p->announced = calloc(ANNOUNCED_MAX, sizeof(*p->announced));
	if (p->announced == NULL)
		rc = -ENOMEM;
	for (size_t i = 0; i < conf->n && rc == 0; i++)
		rc = open_one(p, i, why, why_size);
	if (rc != 0) {
		peel_providers_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void
peel_providers_free(struct peel_providers *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->conf.n; i++) {
		if (p->provider[i].self != NULL)
			p->provider[i].ops->close(p->provider[i].self);
	}
	free(p->announced);
	free(p);
}

uint64_t
peel_providers_tick(struct peel_providers *p)
{
	uint64_t next = announcements_tick(p);

	for (size_t i = 0; i < p->conf.n; i++) {
		const struct provider *one = &p->provider[i];
		uint64_t ms = one->ops->tick == NULL ? IDLE_MS : one->ops->tick(one->self);

		if (ms < next)
			next = ms;
	}
	return next;
}

/* ---- questions ------------------------------------------------------------------------------- */

int
peel_providers_look_up(struct peel_providers *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct provider_lookup *l = p->lookup;

	if (by_hash(p, info_hash) != NULL)
		return -EEXIST;
	while (l < p->lookup + LOOKUPS_MAX && l->under_way != 0)
		l++;
	if (l == p->lookup + LOOKUPS_MAX)
		return -ENOSPC;
	memcpy(l->info_hash, info_hash, sizeof(l->info_hash));
	for (size_t i = 0; i < p->conf.n; i++) {
		if (p->provider[i].ops->look_up(p->provider[i].self, info_hash) == 0)
			l->under_way |= p->provider[i].bit;
	}
	return l->under_way != 0 ? 0 : -EHOSTUNREACH;
}

void
peel_providers_cancel(struct peel_providers *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct provider_lookup *l = by_hash(p, info_hash);

	if (l == NULL)
		return;
	for (size_t i = 0; i < p->conf.n; i++) {
		if ((l->under_way & p->provider[i].bit) != 0)
			p->provider[i].ops->cancel(p->provider[i].self, info_hash);
	}
	l->under_way = 0;
}

size_t
peel_providers_find_peer(struct peel_providers *p, const uint8_t mid[PEEL_MID_LEN])
{
	size_t n = 0;

	for (size_t i = 0; i < p->conf.n; i++) {
		const struct provider *one = &p->provider[i];

		n += one->ops->find_peer != NULL && one->ops->find_peer(one->self, mid) == 0;
	}
	return n;
}

bool
peel_providers_count(const struct peel_providers *p, size_t at, const char **name,
	struct peel_provider_count *out)
{
	if (at >= p->conf.n)
		return false;
	*out = (struct peel_provider_count){0};
	*name = p->provider[at].ops->name;
	if (p->provider[at].ops->count != NULL)
		p->provider[at].ops->count(p->provider[at].self, out);
	return true;
}
