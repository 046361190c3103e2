/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * X25519 of many points: side by side where the CPU has AVX-512 IFMA or AVX2, otherwise by
 * libsodium, one after the other. What is done depends on the number and kind of multiplications
 * alone.
 */
#include <sodium.h>

#include "peel_keys.h"
#include "x25519_lanes.h"

_Static_assert(crypto_scalarmult_BYTES == 32 && crypto_scalarmult_SCALARBYTES == 32, "X25519");

/* So many fit the groups, however many of them are of the base point. */
#define TOGETHER_MAX ((X25519_GROUPS_MAX - 1) * X25519_LANES)

struct engine {
	unsigned int lanes;
	/* from how many multiplications on all lanes cost less than libsodium: of points, of the
	 * base point */
	unsigned int least[2];
	void (*multiply)(struct x25519_group *g, unsigned int n);
};

/* For tests and benchmarks. */
static unsigned int lanes_max = X25519_LANES;

static void
one_by_one(struct peel_x25519_op *op, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		int ret = op[i].point == NULL
				  ? crypto_scalarmult_base(op[i].out, op[i].scalar)
				  : crypto_scalarmult(op[i].out, op[i].scalar, op[i].point);

		op[i].refused = ret != 0;
		if (ret != 0)
			memset(op[i].out, 0, sizeof(op[i].out));
	}
}

static const struct engine *
engine_of_cpu(void)
{
#ifdef __x86_64__
	static const struct engine ifma = {8, {1, 1}, x25519_ifma}, avx2 = {4, {3, 2}, x25519_avx2};

	/* This asks for the system, too, which must save the wide registers. */
	__builtin_cpu_init();
	if (lanes_max >= 8 && __builtin_cpu_supports("avx512f") &&
		__builtin_cpu_supports("avx512ifma"))
		return &ifma;
	if (lanes_max >= 4 && __builtin_cpu_supports("avx2"))
		return &avx2;
#endif
	return NULL;
}

/* Places in the groups, by multiplication. */
struct places {
	struct x25519_group group[X25519_GROUPS_MAX];
	unsigned int n;			  /* groups */
	uint8_t (*out[TOGETHER_MAX])[32]; /* where the results will be; NULL: not here */
};

/* Give places to the multiplications of one kind, except to a rest that does not pay. */
static void
place(struct places *p, const struct engine *e, const struct peel_x25519_op *op, unsigned int n,
	bool base)
{
	struct x25519_group *g = NULL;
	unsigned int left = 0;

	for (unsigned int i = 0; i < n; i++)
		left += (op[i].point == NULL) == base;
	if (left % e->lanes < e->least[base])
		left -= left % e->lanes;
	for (unsigned int i = 0; i < n && left > 0; i++) {
		if ((op[i].point == NULL) != base)
			continue;
		if (g == NULL || g->n == X25519_LANES) {
			g = &p->group[p->n++];
			g->base = base;
		}
		memcpy(g->scalar[g->n], op[i].scalar, 32);
		if (!base)
			memcpy(g->point[g->n], op[i].point, 32);
		p->out[i] = &g->out[g->n++];
		left--;
	}
}

/* Compilers keep limbs on the stack, too: wipe where the call before had its own. */
static __attribute__((noinline)) void
wipe_stack(void)
{
	uint8_t below[32768];

	peel_wipe(below, sizeof(below));
}

static void
together(const struct engine *e, struct peel_x25519_op *op, unsigned int n)
{
	struct places p = {.n = 0};

	place(&p, e, op, n, false);
	place(&p, e, op, n, true);
	if (p.n > 0) {
		e->multiply(p.group, p.n);
		wipe_stack();
	}
	for (unsigned int i = 0; i < n; i++) {
		if (p.out[i] == NULL) {
			one_by_one(&op[i], 1);
			continue;
		}
		memcpy(op[i].out, *p.out[i], 32);
		op[i].refused = sodium_is_zero(op[i].out, 32) != 0;
	}
	peel_wipe(&p, sizeof(p));
}

unsigned int
peel_x25519_lanes(void)
{
	const struct engine *e = engine_of_cpu();

	return e != NULL ? e->lanes : 1;
}

void
peel_x25519_limit(unsigned int lanes)
{
	lanes_max = lanes;
}

void
peel_x25519_batch(struct peel_x25519_op *op, unsigned int n)
{
	const struct engine *e = engine_of_cpu();

	while (n > 0 && e != NULL) {
		unsigned int now = n < TOGETHER_MAX ? n : TOGETHER_MAX;

		together(e, op, now);
		op += now;
		n -= now;
	}
	one_by_one(op, n);
}
