/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>

#include "origin_internal.h"
#include "peel_discovery.h"

/*
 * What is missing for circuits of a given length, judged by our own candidates. A hop may offer
 * nodes that we do not know, so a lack makes a circuit unlikely, not impossible.
 */

/* Changes when a candidate comes, goes, or announces something else. With more candidates than are
 * asked for, each sample differs. */
static uint64_t
mark_of(const struct peel_target *list, size_t n)
{
	uint64_t sum = n;

	for (size_t i = 0; i < n && n < CANDIDATES_ASKED; i++)
		sum += (peel_get_be64(list[i].pk + PEEL_PK_LEN - 8) ^ list[i].flags) *
		       0x9e3779b97f4a7c15u;
	return sum;
}

static bool
is_first_of_network(const struct peel_target *list, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (origin_same_network(&list[k].addr, &list[i].addr))
			return false;
	}
	return true;
}

void
origin_take_stock(struct peel_origin_circuits *t, struct stock *out)
{
	struct peel_target list[CANDIDATES_ASKED];
	bool alike = t->conf.settings.allow_same_network;
	size_t n;

	*out = (struct stock){0};
	n = t->conf.candidates(t->conf.arg, PEEL_FLAG_EXIT_BT, 0, list, CANDIDATES_ASKED);
	out->exits = (uint32_t)n;
	out->mark = mark_of(list, n);
	n = t->conf.candidates(t->conf.arg, PEEL_FLAG_RELAY, 0, list, CANDIDATES_ASKED);
	out->relays = (uint32_t)n;
	out->mark += mark_of(list, n);
	for (size_t i = 0; i < n; i++)
		out->networks += alike || is_first_of_network(list, i);
}

enum peel_origin_lack
origin_lack(const struct stock *s, unsigned int hops)
{
	if (hops > 1 && s->relays < hops)
		return PEEL_ORIGIN_LACK_RELAYS;
	if (s->exits == 0)
		return PEEL_ORIGIN_LACK_EXIT;
	return hops > 1 && s->networks < hops ? PEEL_ORIGIN_LACK_NETWORKS
					      : PEEL_ORIGIN_LACK_NOTHING;
}

int
peel_origin_pool(
	const struct peel_origin_circuits *t, unsigned int hops, struct peel_origin_pool *out)
{
	const struct pool *p = hops <= PEEL_HOPS_MAX ? &t->pool[hops] : NULL;
	uint64_t now = origin_now(t);

	if (p == NULL || !p->wanted)
		return -ENOENT;
	*out = (struct peel_origin_pool){
		.hops = hops,
		.wanted = t->conf.settings.max_circuits,
		.ready = origin_pool_members(t, hops, PEEL_ORIGIN_READY),
		.extending = origin_pool_members(t, hops, PEEL_ORIGIN_EXTENDING),
		.relays = p->stock.relays,
		.exits = p->stock.exits,
		.networks = p->stock.networks,
		.pause_ms = (uint32_t)(p->retry_ms > now ? p->retry_ms - now : 0),
	};
	if (out->ready > 0 || out->wanted == 0)
		return 0;
	out->lack = origin_lack(&p->stock, hops);
	if (out->lack == PEEL_ORIGIN_LACK_NOTHING && p->backoff_ms != 0)
		out->lack = PEEL_ORIGIN_LACK_ANSWERS;
	return 0;
}

const char *
peel_origin_lack_text(const struct peel_origin_pool *p, char *out, size_t size)
{
	switch (p->lack) {
	case PEEL_ORIGIN_LACK_RELAYS:
		snprintf(out, size, "%u of the %u relays needed are known", p->relays, p->hops);
		break;
	case PEEL_ORIGIN_LACK_EXIT:
		snprintf(out, size, "none of the %u relays known is an exit", p->relays);
		break;
	case PEEL_ORIGIN_LACK_NETWORKS:
		snprintf(out, size,
			"the %u relays known are in %u network%s (/16 of IPv4, /32 of IPv6), and "
			"each hop "
			"needs another one, unless allow_same_network is set",
			p->relays, p->networks, p->networks == 1 ? "" : "s");
		break;
	case PEEL_ORIGIN_LACK_ANSWERS:
		snprintf(out, size,
			"%u relays are known, %u of them exits, but no circuit through them was "
			"completed lately",
			p->relays, p->exits);
		break;
	default:
		snprintf(out, size, "nothing");
	}
	return out;
}
