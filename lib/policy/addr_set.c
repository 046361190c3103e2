/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Sets of addresses as sorted ranges that do not touch each other, per family.
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_policy.h"

/* Both ends belong to it. */
struct range4 {
	uint32_t first, last;
};

struct range6 {
	uint8_t first[16], last[16];
};

struct peel_addr_set {
	uint32_t n4, n6;
	struct range4 *ipv4; /* [n4], behind ipv6 */
	struct range6 ipv6[];
};

static struct range6
range_of(const struct peel_network *net)
{
	unsigned int bits = peel_addr_bits(&net->addr);
	unsigned int len = net->prefix_len < bits ? net->prefix_len : bits;
	struct range6 r = {0};

	for (unsigned int i = 0; i < bits / 8; i++) {
		unsigned int fixed = len > 8 * i ? len - 8 * i : 0;
		uint8_t host = fixed >= 8 ? 0 : (uint8_t)(0xff >> fixed);

		r.first[i] = net->addr.ip[i] & (uint8_t)~host;
		r.last[i] = net->addr.ip[i] | host;
	}
	return r;
}

static int
by_first(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct range6 *)0)->first));
}

/* Sort, and make one of those that overlap. @return how many are left. */
static uint32_t
tidy(struct range6 *r, uint32_t n)
{
	uint32_t kept = 0;

	qsort(r, n, sizeof(*r), by_first);
	for (uint32_t i = 0; i < n; i++) {
		struct range6 *before = kept > 0 ? &r[kept - 1] : NULL;

		if (before == NULL || memcmp(r[i].first, before->last, 16) > 0)
			r[kept++] = r[i];
		else if (memcmp(r[i].last, before->last, 16) > 0)
			memcpy(before->last, r[i].last, 16);
	}
	return kept;
}

/* IPv4 addresses stand in the first four bytes. */
static uint32_t
collect(struct range6 *out, const struct peel_network *net, size_t n, uint8_t family)
{
	uint32_t found = 0;

	for (size_t i = 0; i < n; i++) {
		if (net[i].addr.family == family)
			out[found++] = range_of(&net[i]);
	}
	return tidy(out, found);
}

int
peel_addr_set_new(const struct peel_network *net, size_t n, struct peel_addr_set **out)
{
	/* Room for all of them in either family. */
	struct peel_addr_set *set =
		calloc(1, sizeof(*set) + n * (sizeof(set->ipv6[0]) + sizeof(set->ipv4[0])));

	if (set == NULL)
		return -ENOMEM;
	set->ipv4 = (struct range4 *)&set->ipv6[n];
	set->n4 = collect(set->ipv6, net, n, PEEL_FAMILY_IPV4);
	for (uint32_t i = 0; i < set->n4; i++)
		set->ipv4[i] = (struct range4){
			peel_get_be32(set->ipv6[i].first), peel_get_be32(set->ipv6[i].last)};
	set->n6 = collect(set->ipv6, net, n, PEEL_FAMILY_IPV6);
	*out = set;
	return 0;
}

void
peel_addr_set_free(struct peel_addr_set *set)
{
	free(set);
}

/* In both: the first range that does not end before the address. */

static bool
has4(const struct peel_addr_set *set, uint32_t ip)
{
	uint32_t low = 0, high = set->n4;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (set->ipv4[middle].last < ip)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->n4 && set->ipv4[low].first <= ip;
}

static bool
has6(const struct peel_addr_set *set, const uint8_t ip[16])
{
	uint32_t low = 0, high = set->n6;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (memcmp(set->ipv6[middle].last, ip, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->n6 && memcmp(set->ipv6[low].first, ip, 16) <= 0;
}

bool
peel_addr_set_has(const struct peel_addr_set *set, const struct peel_addr *a)
{
	return a->family == PEEL_FAMILY_IPV4 ? has4(set, peel_get_be32(a->ip)) : has6(set, a->ip);
}

bool
peel_addr_set_equal(const struct peel_addr_set *a, const struct peel_addr_set *b)
{
	return a->n4 == b->n4 && a->n6 == b->n6 &&
	       memcmp(a->ipv4, b->ipv4, a->n4 * sizeof(a->ipv4[0])) == 0 &&
	       memcmp(a->ipv6, b->ipv6, a->n6 * sizeof(a->ipv6[0])) == 0;
}
