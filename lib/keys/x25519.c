/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * X25519 of many points: side by side where the CPU has AVX-512 IFMA, otherwise by libsodium, one
 * after the other. What is done depends on the number and kind of multiplications alone.
 */
#include <sodium.h>

#include "peel_keys.h"
#include "x25519_lanes.h"

_Static_assert(crypto_scalarmult_BYTES == 32 && crypto_scalarmult_SCALARBYTES == 32, "X25519");

/* So many fit the groups, however many of them are of the base point. */
#define TOGETHER_MAX ((X25519_GROUPS_MAX - 1) * X25519_LANES)

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

#ifdef __x86_64__
/* Places in the groups, by multiplication. */
struct places {
	struct x25519_group group[X25519_GROUPS_MAX];
	unsigned int n;			  /* groups */
	uint8_t (*out[TOGETHER_MAX])[32]; /* where the results will be */
};

static void
set_lane(struct x25519_group *g, unsigned int lane, const struct peel_x25519_op *op)
{
	static const uint8_t base_point[32] = {9};

	memcpy(g->scalar[lane], op->scalar, 32);
	if (!g->base)
		memcpy(g->point[lane], op->point != NULL ? op->point : base_point, 32);
}

/* Give places to the multiplications of one kind, or of both. Lanes that are left take the last one
 * again. */
static void
place(struct places *p, const struct peel_x25519_op *op, unsigned int n, bool points, bool bases)
{
	const struct peel_x25519_op *last = NULL;
	struct x25519_group *g = NULL;
	unsigned int lane = X25519_LANES;

	for (unsigned int i = 0; i < n; i++) {
		if (op[i].point == NULL ? !bases : !points)
			continue;
		if (lane == X25519_LANES) {
			g = &p->group[p->n++];
			g->base = !points;
			lane = 0;
		}
		last = &op[i];
		p->out[i] = &g->out[lane];
		set_lane(g, lane++, last);
	}
	for (; g != NULL && lane < X25519_LANES; lane++)
		set_lane(g, lane, last);
}

static void
together(struct peel_x25519_op *op, unsigned int n)
{
	struct places p = {.n = 0};
	unsigned int bases = 0, spare;

	for (unsigned int i = 0; i < n; i++)
		bases += op[i].point == NULL;
	spare = (X25519_LANES - (n - bases) % X25519_LANES) % X25519_LANES;
	/* A group of the base point alone is faster, but none is needed if lanes are left. */
	if (bases <= spare) {
		place(&p, op, n, true, true);
	} else {
		place(&p, op, n, true, false);
		place(&p, op, n, false, true);
	}
	x25519_lanes(p.group, p.n);
	for (unsigned int i = 0; i < n; i++) {
		memcpy(op[i].out, *p.out[i], 32);
		op[i].refused = sodium_is_zero(op[i].out, 32) != 0;
	}
	peel_wipe(&p, sizeof(p));
}
#endif

unsigned int
peel_x25519_lanes(void)
{
#ifdef __x86_64__
	/* This asks for the system, too, which must save the wide registers. */
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512ifma"))
		return X25519_LANES;
#endif
	return 1;
}

void
peel_x25519_batch(struct peel_x25519_op *op, unsigned int n)
{
#ifdef __x86_64__
	while (n > 0 && peel_x25519_lanes() > 1) {
		unsigned int now = n < TOGETHER_MAX ? n : TOGETHER_MAX;

		together(op, now);
		op += now;
		n -= now;
	}
#endif
	one_by_one(op, n);
}
