/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "or_internal.h"

/*
 * What we know of the addresses that circuits come from. Counts are kept by keyed hash alone:
 * sources that collide are counted together, which nobody can cause and which costs a share, never
 * a circuit. Proofs do not collide.
 */

#define COUNTS 4096 /* places for counts, a power of two */
#define PROOFS 4096 /* addresses remembered, a power of two */
#define WAYS 4
#define PROOF_LIFE_S 86400 /* addresses get reassigned */

int
sources_init(struct sources *s, const struct peel_env *env)
{
	s->seed = peel_random_u64(env);
	s->count = calloc(COUNTS, sizeof(*s->count));
	s->proof = calloc(PROOFS, sizeof(*s->proof));
	return s->count != NULL && s->proof != NULL ? 0 : -ENOMEM;
}

void
sources_fini(struct sources *s)
{
	free(s->count);
	free(s->proof);
}

static uint64_t
id_of(const struct sources *s, const struct peel_addr *addr)
{
	struct peel_addr source = peel_addr_source(addr);

	return peel_addr_hash(&source, 0, s->seed) | 1; /* never 0 */
}

struct source_count *
source_count(const struct sources *s, const struct peel_addr *addr)
{
	return &s->count[(id_of(s, addr) >> 32) & (COUNTS - 1)];
}

static struct proof *
set_of(const struct sources *s, uint64_t id)
{
	return &s->proof[(id >> 8 & (PROOFS / WAYS - 1)) * WAYS];
}

/* The address that was proved longest ago makes way. */
void
source_prove(struct sources *s, const struct peel_addr *addr, uint32_t now_s)
{
	uint64_t id = id_of(s, addr);
	struct proof *set = set_of(s, id), *p = set;

	for (unsigned int i = 0; i < WAYS && p->id != id; i++) {
		if (set[i].id == id || set[i].last_s < p->last_s)
			p = &set[i];
	}
	*p = (struct proof){.id = id, .last_s = now_s};
}

bool
source_proved(const struct sources *s, const struct peel_addr *addr, uint32_t now_s)
{
	uint64_t id = id_of(s, addr);
	const struct proof *set = set_of(s, id);

	for (unsigned int i = 0; i < WAYS; i++) {
		if (set[i].id == id)
			return now_s - set[i].last_s <= PROOF_LIFE_S;
	}
	return false;
}
