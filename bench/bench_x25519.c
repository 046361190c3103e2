/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cycles per multiplication of X25519, by what this CPU does side by side (8: AVX-512 IFMA, 4:
 * AVX2, 1: libsodium) and by how many there are to do together: of points, of the base point, and
 * what joins need, one of the base point to two of points.
 */
#include <string.h>

#include "bench.h"
#include "peel_keys.h"

#define TOGETHER_MAX 24

static const unsigned int lanes[] = {8, 4, 1};
#define N_LANES PEEL_ARRAY_LEN(lanes)

struct work {
	unsigned int lanes, n;
	struct peel_x25519_op op[TOGETHER_MAX];
};

static const struct kind {
	const char *name;
	unsigned int base_every; /* so many are one of the base point and others; 0: none is */
	unsigned int n[4];
} kinds[] = {
	{"point", 0, {1, 2, 4, 8}},
	{"base point", 1, {1, 2, 4, 8}},
	{"join", 3, {3, 6, 12, 24}},
};
#define N_TOGETHER PEEL_ARRAY_LEN(kinds[0].n)
#define WORKS_MAX (PEEL_ARRAY_LEN(kinds) * N_TOGETHER * N_LANES)

static struct work works[WORKS_MAX];
static struct bench_timed timed[WORKS_MAX];
static uint8_t scalars[TOGETHER_MAX][32], points[TOGETHER_MAX][32];

static void
run(void *arg)
{
	struct work *w = arg;

	peel_x25519_limit(w->lanes);
	peel_x25519_batch(w->op, w->n);
}

static void
add(struct bench *b, const struct kind *k, unsigned int n, unsigned int by, size_t at)
{
	struct work *w = &works[at];

	w->lanes = by;
	w->n = n;
	for (unsigned int i = 0; i < n; i++) {
		bool base = k->base_every > 0 && i % k->base_every == 0;

		w->op[i].scalar = scalars[i];
		w->op[i].point = base ? NULL : points[i];
	}
	timed[at] = (struct bench_timed){bench_result(b, k->name, "cycles", "{s:i,s:i}", "lanes",
						 (int)by, "together", (int)n),
		NULL, run, w, n};
}

int
main(int argc, char **argv)
{
	size_t n = 0;
	struct bench b;

	bench_begin(&b, "x25519", argc, argv, NULL);
	bench_must(peel_keys_init(), "libsodium");
	peel_random(&peel_env_system, scalars, sizeof(scalars));
	for (unsigned int i = 0; i < TOGETHER_MAX; i++) {
		uint8_t secret[32];

		bench_must(peel_handshake_start(&peel_env_system, secret, points[i]), "handshake");
	}
	for (size_t k = 0; k < PEEL_ARRAY_LEN(kinds); k++) {
		for (size_t t = 0; t < N_TOGETHER; t++) {
			for (size_t l = 0; l < N_LANES; l++) {
				peel_x25519_limit(lanes[l]);
				if (peel_x25519_lanes() == lanes[l])
					add(&b, &kinds[k], kinds[k].n[t], lanes[l], n++);
			}
		}
	}
	bench_time(&b, timed, n);
	for (size_t i = 0, base; i < n; i++) { /* libsodium is the last of each group */
		for (base = i; works[base].lanes > 1; base++)
			;
		if (base != i)
			bench_vs(timed[i].result, "libsodium", timed[base].result);
	}
	return bench_end(&b);
}
