/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * To which addresses something was sent through which circuit: the last of them, for programs that
 * want to know whom they lose with a circuit. Flows cannot tell, as they keep hashes.
 */
#include <stdlib.h>

#include "peel_links.h"
#include "proxy_internal.h"

#define DESTINATIONS 4096

struct destination {
	struct peel_addr addr;
	uint64_t circuit;
	uint32_t next, older, newer;
};

struct proxy_destinations {
	struct destination destination[DESTINATIONS];
	struct peel_slots slots;
	struct peel_chains by_address;
	struct peel_queue by_age;
	uint64_t seed;
};

struct proxy_destinations *
proxy_destinations_new(void)
{
	struct proxy_destinations *d = calloc(1, sizeof(*d));
	struct destination *all;

	if (d == NULL)
		return NULL;
	all = d->destination;
	d->seed = peel_random_u64(&peel_env_system);
	peel_slots_init(&d->slots, DESTINATIONS, PEEL_REUSE_SOON, PEEL_LINKS(all, next));
	peel_queue_init(&d->by_age, PEEL_LINKS(all, older), PEEL_LINKS(all, newer));
	if (peel_chains_init(&d->by_address, DESTINATIONS, PEEL_LINKS(all, next)) == 0)
		return d;
	free(d);
	return NULL;
}

void
proxy_destinations_free(struct proxy_destinations *d)
{
	if (d == NULL)
		return;
	peel_chains_fini(&d->by_address);
	peel_wipe(d, sizeof(*d)); /* shows who was talked to */
	free(d);
}

static uint64_t
hash(const struct proxy_destinations *d, const struct peel_addr *addr)
{
	return peel_addr_hash(addr, 0, d->seed);
}

static uint32_t
find(const struct proxy_destinations *d, const struct peel_addr *addr)
{
	uint32_t i;

	PEEL_CHAIN_FOREACH (i, &d->by_address, hash(d, addr)) {
		if (peel_addr_equal(&d->destination[i].addr, addr))
			break;
	}
	return i;
}

/* A new entry, or else the one that was used longest ago. */
static uint32_t
take(struct proxy_destinations *d, const struct peel_addr *addr)
{
	uint32_t i = peel_slots_take(&d->slots);

	if (i == PEEL_NONE) {
		i = d->by_age.oldest;
		peel_chains_del(&d->by_address, hash(d, &d->destination[i].addr), i);
		peel_queue_del(&d->by_age, i);
	}
	d->destination[i].addr = *addr;
	peel_chains_add(&d->by_address, hash(d, addr), i);
	return i;
}

void
proxy_destinations_note(struct proxy_destinations *d, uint64_t circuit, const struct peel_addr *to)
{
	uint32_t i = find(d, to);

	if (i == PEEL_NONE)
		i = take(d, to);
	else
		peel_queue_del(&d->by_age, i);
	d->destination[i].circuit = circuit;
	peel_queue_add(&d->by_age, i);
}

size_t
proxy_destinations_of(
	const struct proxy_destinations *d, uint64_t circuit, struct peel_addr *out, size_t n)
{
	size_t have = 0;

	for (uint32_t i = 0; i < d->slots.n; i++) {
		if (d->destination[i].circuit != circuit)
			continue;
		if (have < n)
			out[have] = d->destination[i].addr;
		have++;
	}
	return have;
}
