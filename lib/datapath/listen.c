/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_discovery.h"
#include "peel_listen.h"

/* With a thousand overlays, three per cent of the others pass. */
#define BITS 32768

struct peel_listen {
	uint64_t seed;
	uint32_t n;		  /* prefixes; read by workers, as are the bits */
	uint64_t bits[BITS / 64]; /* relaxed atomics */
	uint16_t wanted[BITS];	  /* how many prefixes have the bit */
};

int
peel_listen_new(const struct peel_env *env, struct peel_listen **out)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return -ENOMEM;
	(*out)->seed = peel_random_u64(env);
	return 0;
}

void
peel_listen_free(struct peel_listen *l)
{
	free(l);
}

static uint32_t
bit_of(const struct peel_listen *l, const uint8_t *prefix)
{
	return (uint32_t)(peel_hash_bytes(prefix, PEEL_PREFIX_LEN, l->seed) % BITS);
}

void
peel_listen_add(struct peel_listen *l, const uint8_t prefix[PEEL_PREFIX_LEN])
{
	uint32_t bit = bit_of(l, prefix);

	l->wanted[bit]++;
	__atomic_fetch_or(&l->bits[bit / 64], UINT64_C(1) << bit % 64, __ATOMIC_RELAXED);
	__atomic_store_n(&l->n, l->n + 1, __ATOMIC_RELAXED);
}

void
peel_listen_del(struct peel_listen *l, const uint8_t prefix[PEEL_PREFIX_LEN])
{
	uint32_t bit = bit_of(l, prefix);

	if (l->wanted[bit] == 0)
		return;
	if (--l->wanted[bit] == 0)
		__atomic_fetch_and(
			&l->bits[bit / 64], ~(UINT64_C(1) << bit % 64), __ATOMIC_RELAXED);
	__atomic_store_n(&l->n, l->n - 1, __ATOMIC_RELAXED);
}

static bool
is_discovery(uint8_t id)
{
	switch (id) {
	case PEEL_MSG_PUNCTURE_NEW ... PEEL_MSG_INTRO_REQUEST_NEW:
	case PEEL_MSG_INTRO_RESPONSE:
	case PEEL_MSG_INTRO_REQUEST:
	case PEEL_MSG_PUNCTURE:
	case PEEL_MSG_PUNCTURE_REQUEST:
		return true;
	default:
		return false;
	}
}

bool
peel_listen_wants(const struct peel_listen *l, const uint8_t *datagram)
{
	if (__atomic_load_n(&l->n, __ATOMIC_RELAXED) == 0 ||
		!is_discovery(datagram[PEEL_PREFIX_LEN]))
		return false;
	uint32_t bit = bit_of(l, datagram);

	return (__atomic_load_n(&l->bits[bit / 64], __ATOMIC_RELAXED) >> bit % 64 & 1) != 0;
}
