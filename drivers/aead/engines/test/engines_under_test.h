/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Every engine that can be tested on this machine, for tests that run over all of them. Those of
 * the build run on the CPU, or on one that an emulator plays; the source of "avx512" also runs as
 * any CPU can run it. */

#include "peel_aead_engines.h"

struct open_engine {
	const struct peel_aead_engine *e;
	struct peel_aead *cx;
	/* on what it runs: "native", "emulated", "portable" */
	const char *how;
};

#define ENGINES_UNDER_TEST_MAX 8
extern struct open_engine engines[ENGINES_UNDER_TEST_MAX];
extern unsigned int n_engines;

/** For cmocka: open them, and print how each runs or that it does not; close them. */
int engines_open(void **state);
int engines_close(void **state);

/** Is the CPU played by an emulator? Then everything takes thirty times as long. */
bool engines_emulated(void);

/** Repeatable randomness: a failure must come back. */
uint64_t next_random(void);
void fill_random(void *p, size_t len);

bool all_zero(const uint8_t *p, size_t len);
