/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Runs under valgrind, for which scalars and points are memory that nobody has written: it reports
 * every branch and every address that depends on them.
 */
#include <stdio.h>
#include <string.h>

#include "x25519_portable.h"
#include <valgrind/memcheck.h>

static bool
follow(void (*multiply)(struct x25519_group *g, unsigned int n))
{
	static struct x25519_group g[3];
	unsigned int n_unknown = 0;

	for (int i = 0; i < 3; i++) {
		g[i].n = X25519_LANES;
		g[i].base = i == 1;
		memset(g[i].scalar, 0x55, sizeof(g[i].scalar));
		memset(g[i].point, 0x09, sizeof(g[i].point));
		VALGRIND_MAKE_MEM_UNDEFINED(g[i].scalar, sizeof(g[i].scalar));
		VALGRIND_MAKE_MEM_UNDEFINED(g[i].point, sizeof(g[i].point));
	}
	multiply(g, 3);
	/* If it thought the results were known, it would not have followed anything. */
	for (int i = 0; i < 3; i++) {
		uint8_t unknown[sizeof(g[i].out)];

		VALGRIND_GET_VBITS(g[i].out, unknown, sizeof(unknown));
		for (unsigned int k = 0; k < sizeof(unknown); k++)
			n_unknown += unknown[k] != 0;
	}
	return n_unknown == 3 * sizeof(g[0].out);
}

int
main(void)
{
	if (!RUNNING_ON_VALGRIND) {
		fprintf(stderr, "run it under valgrind\n");
		return 1;
	}
	return follow(x25519_portable5) && follow(x25519_portable10) ? 0 : 1;
}
