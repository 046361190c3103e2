/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "peel_ban.h"

#define LOOK_MS 60000 /* with nothing to do */
#define AGAIN_MS 1000 /* without memory */

struct peel_bans {
	struct peel_bans_conf conf;
	struct peel_ban ban[PEEL_BANS_MAX];
	uint32_t n, n_keys;
	uint8_t mid[PEEL_BANS_MAX][PEEL_MID_LEN]; /* of the keys, in order */
	uint64_t next_ms;			  /* when one may end; 0: look */
	struct peel_addr_set *set;		  /* of the networks, as published; NULL: none */
};

int
peel_bans_new(const struct peel_bans_conf *conf, struct peel_bans **out)
{
	struct peel_bans *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	b->conf = *conf;
	*out = b;
	return 0;
}

void
peel_bans_free(struct peel_bans *b)
{
	if (b != NULL)
		peel_addr_set_free(b->set);
	free(b);
}

static bool
same(const struct peel_ban *a, const struct peel_ban *b)
{
	if (a->is_key != b->is_key)
		return false;
	if (a->is_key)
		return memcmp(a->mid, b->mid, sizeof(a->mid)) == 0;
	return peel_addr_equal(&a->network.addr, &b->network.addr) &&
	       a->network.prefix_len == b->network.prefix_len;
}

/* Its place, or n. */
static uint32_t
find(const struct peel_bans *b, const struct peel_ban *ban)
{
	uint32_t i = 0;

	while (i < b->n && !same(&b->ban[i], ban))
		i++;
	return i;
}

static int
compare_mid(const void *a, const void *b)
{
	return memcmp(a, b, PEEL_MID_LEN);
}

/* Circuits are many: their neighbours must be found quickly. */
static void
index_keys(struct peel_bans *b)
{
	b->n_keys = 0;
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->ban[i].is_key)
			memcpy(b->mid[b->n_keys++], b->ban[i].mid, PEEL_MID_LEN);
	}
	qsort(b->mid, b->n_keys, PEEL_MID_LEN, compare_mid);
}

/* Take over a list that differs from the one in force. 0, or -ENOMEM with nothing changed. */
static int
take(struct peel_bans *b, const struct peel_ban *list, uint32_t n)
{
	struct peel_network *networks = calloc(n > 0 ? n : 1, sizeof(*networks));
	struct peel_addr_set *set = NULL, *before = b->set;
	uint32_t n_networks = 0;
	int rc = networks == NULL ? -ENOMEM : 0;

	for (uint32_t i = 0; i < n && rc == 0; i++) {
		if (!list[i].is_key)
			networks[n_networks++] = list[i].network;
	}
	if (rc == 0 && n_networks > 0)
		rc = peel_addr_set_new(networks, n_networks, &set);
	free(networks);
	if (rc != 0)
		return rc;
	memmove(b->ban, list, n * sizeof(*list));
	b->n = n;
	b->next_ms = 0;
	index_keys(b);
	b->set = set;
	if (set != NULL || before != NULL)
		b->conf.publish(b->conf.arg, set, before);
	return 0;
}

int
peel_bans_add(struct peel_bans *b, const struct peel_ban *ban)
{
	struct peel_ban list[PEEL_BANS_MAX];
	uint32_t at = find(b, ban);

	if (at < b->n) {
		b->ban[at].until_ms = ban->until_ms;
		b->next_ms = 0;
		return 0;
	}
	if (b->n == PEEL_BANS_MAX)
		return -ENOSPC;
	memcpy(list, b->ban, b->n * sizeof(*list));
	list[b->n] = *ban;
	return take(b, list, b->n + 1);
}

int
peel_bans_remove(struct peel_bans *b, const struct peel_ban *ban)
{
	struct peel_ban list[PEEL_BANS_MAX];
	uint32_t at = find(b, ban), n = 0;

	if (at == b->n)
		return -ENOENT;
	for (uint32_t i = 0; i < b->n; i++) {
		if (i != at)
			list[n++] = b->ban[i];
	}
	return take(b, list, n);
}

uint64_t
peel_bans_tick(struct peel_bans *b)
{
	struct peel_ban list[PEEL_BANS_MAX];
	uint64_t now = peel_now_ms(b->conf.env), next = now + LOOK_MS;
	uint32_t n = 0;

	if (now < b->next_ms)
		return b->next_ms - now;
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->ban[i].until_ms <= now)
			continue;
		if (b->ban[i].until_ms < next)
			next = b->ban[i].until_ms;
		list[n++] = b->ban[i];
	}
	if (n < b->n && take(b, list, n) != 0)
		next = now + AGAIN_MS;
	b->next_ms = next;
	return next - now;
}

bool
peel_bans_has(const struct peel_bans *b, const struct peel_addr *addr, const uint8_t *pk)
{
	uint8_t mid[PEEL_MID_LEN];

	if (addr != NULL && addr->family != PEEL_FAMILY_NONE && b->set != NULL &&
		peel_addr_set_has(b->set, addr))
		return true;
	if (pk == NULL || b->n_keys == 0)
		return false;
	peel_mid(pk, PEEL_PK_LEN, mid);
	return bsearch(mid, b->mid, b->n_keys, PEEL_MID_LEN, compare_mid) != NULL;
}

void
peel_bans_count(const struct peel_bans *b, struct peel_bans_count *out)
{
	*out = (struct peel_bans_count){.networks = b->n - b->n_keys, .keys = b->n_keys};
}

void
peel_bans_dump(
	const struct peel_bans *b, void (*fn)(void *arg, const struct peel_ban *ban), void *arg)
{
	for (uint32_t i = 0; i < b->n; i++)
		fn(arg, &b->ban[i]);
}
