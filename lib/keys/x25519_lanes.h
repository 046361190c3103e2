/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * X25519 (RFC 7748) of several points at a time. In the library, x25519_lanes.c is compiled once
 * for each kind of CPU that can do it; whoever calls it asks the CPU first. Thread: any.
 */

#include <stdbool.h>
#include <stdint.h>

#define X25519_LANES 8
/* in one call, with one inversion for all */
#define X25519_GROUPS_MAX 4

/* Up to eight multiplications of one kind. */
struct x25519_group {
	uint8_t scalar[X25519_LANES][32];
	uint8_t point[X25519_LANES][32];
	uint8_t out[X25519_LANES][32];
	unsigned int n; /* those after it are anything, and may be computed too */
	bool base;	/* all are of the base point, and `point` is not read */
};

/**
 * Compute the results of @p n groups, 1 to X25519_GROUPS_MAX, none of them empty. They are zeros
 * for points of low order. The caller wipes @p g. With AVX-512 F and IFMA, eight at a time; with
 * AVX2, four.
 */
void x25519_ifma(struct x25519_group *g, unsigned int n);
void x25519_avx2(struct x25519_group *g, unsigned int n);
