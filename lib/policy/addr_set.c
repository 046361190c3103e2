/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Sets of addresses as sorted ranges that do not touch each other, per family.
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_policy.h"

/* Both ends belong to it. An IPv4 address stands in the first four bytes, the others are zero. */
struct range {
	uint8_t first[16], last[16];
};

struct peel_addr_set {
	uint32_t n4, n6; /* the IPv4 ranges come first */
	struct range range[];
};

static struct range
range_of(const struct peel_network *net)
{
	unsigned int bits = net->addr.family == PEEL_FAMILY_IPV4 ? 32 : 128;
	unsigned int len = net->prefix_len < bits ? net->prefix_len : bits;
	struct range r = {0};

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
	return memcmp(a, b, sizeof(((struct range *)0)->first));
}

/* Sort, and make one of those that overlap. @return how many are left. */
static uint32_t
tidy(struct range *r, uint32_t n)
{
	uint32_t kept = 0;

	qsort(r, n, sizeof(*r), by_first);
	for (uint32_t i = 0; i < n; i++) {
		struct range *before = kept > 0 ? &r[kept - 1] : NULL;

		if (before == NULL || memcmp(r[i].first, before->last, 16) > 0)
			r[kept++] = r[i];
		else if (memcmp(r[i].last, before->last, 16) > 0)
			memcpy(before->last, r[i].last, 16);
	}
	return kept;
}

static uint32_t
collect(struct range *out, const struct peel_network *net, size_t n, uint8_t family)
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
	struct peel_addr_set *set = calloc(1, sizeof(*set) + n * sizeof(set->range[0]));

	if (set == NULL)
		return -ENOMEM;
	set->n4 = collect(set->range, net, n, PEEL_FAMILY_IPV4);
	set->n6 = collect(set->range + set->n4, net, n, PEEL_FAMILY_IPV6);
	*out = set;
	return 0;
}

void
peel_addr_set_free(struct peel_addr_set *set)
{
	free(set);
}

bool
peel_addr_set_has(const struct peel_addr_set *set, const struct peel_addr *a)
{
	bool v4 = a->family == PEEL_FAMILY_IPV4;
	const struct range *r = set->range + (v4 ? 0 : set->n4);
	size_t len = v4 ? 4 : 16;
	uint32_t low = 0, high = v4 ? set->n4 : set->n6;

	/* The first range that does not end before the address. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (memcmp(r[middle].last, a->ip, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < (v4 ? set->n4 : set->n6) && memcmp(r[low].first, a->ip, len) <= 0;
}

bool
peel_addr_set_equal(const struct peel_addr_set *a, const struct peel_addr_set *b)
{
	return a->n4 == b->n4 && a->n6 == b->n6 &&
	       memcmp(a->range, b->range, (a->n4 + (size_t)a->n6) * sizeof(a->range[0])) == 0;
}
