/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Ephemeral key pairs made while there was nothing else to do.
 */
#include <errno.h>

#include "key_pairs.h"
#include "primitives.h"

#define PAIRS_MAX 64 /* a page */
#define FILL_MAX 8   /* at once: as many as there are lanes */

struct peel_key_pairs {
	struct {
		uint8_t secret[32], public[32];
	} pair[PAIRS_MAX];
	unsigned int n;
};

int
peel_key_pairs_new(struct peel_key_pairs **out)
{
	*out = peel_secret_alloc(sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

void
peel_key_pairs_free(struct peel_key_pairs *p)
{
	if (p != NULL)
		peel_secret_free(p, sizeof(*p));
}

bool
peel_key_pairs_fill(struct peel_key_pairs *p, const struct peel_env *env)
{
	unsigned int n = peel_x25519_lanes();
	struct peel_x25519_op op[FILL_MAX];

	if (PAIRS_MAX - p->n < n)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *secret = p->pair[p->n + i].secret;

		peel_random(env, secret, 32);
		op[i] = (struct peel_x25519_op){.scalar = secret};
	}
	x25519_agree(op, n);
	for (unsigned int i = 0; i < n; i++)
		memcpy(p->pair[p->n++].public, op[i].out, 32);
	return PAIRS_MAX - p->n >= n;
}

bool
key_pairs_take(struct peel_key_pairs *p, uint8_t secret[32], uint8_t public[32])
{
	if (p == NULL || p->n == 0)
		return false;
	p->n--;
	memcpy(secret, p->pair[p->n].secret, 32);
	memcpy(public, p->pair[p->n].public, 32);
	peel_wipe(&p->pair[p->n], sizeof(p->pair[p->n]));
	return true;
}
