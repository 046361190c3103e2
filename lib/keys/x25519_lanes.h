/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * X25519 (RFC 7748) eight at a time. In the library, x25519_lanes.c is compiled for x86-64 CPUs
 * with AVX-512 IFMA alone: whoever calls it asks the CPU first. Thread: any.
 */

#include <stdbool.h>
#include <stdint.h>

#define X25519_LANES 8
/* in one call, with one inversion for all */
#define X25519_GROUPS_MAX 4

/* Eight multiplications of one kind. */
struct x25519_group {
	uint8_t scalar[X25519_LANES][32];
	uint8_t point[X25519_LANES][32];
	uint8_t out[X25519_LANES][32];
	bool base; /* all are of the base point, and `point` is not read */
};

/** Compute the results of @p n groups, 1 to X25519_GROUPS_MAX. They are zeros for points of low
 * order. The caller wipes @p g. */
void x25519_lanes(struct x25519_group *g, unsigned int n);
