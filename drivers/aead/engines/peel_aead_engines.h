/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The engines this build has, on most CPUs the fastest first. */

#include "peel_aead.h"

/** Ends with NULL. */
extern const struct peel_aead_engine *const peel_aead_engines[];
/** Variants that no configuration names, for comparisons. Ends with NULL. */
extern const struct peel_aead_engine *const peel_aead_variants[];

/** By its name in the configuration, e.g. "sodium"; NULL when this build has none of that name.
 * Thread: any. */
const struct peel_aead_engine *peel_aead_engine_find(const char *name);

/** The fastest of those whose self-test passes on this CPU; NULL when there is none. The first call
 * measures, which takes some milliseconds; all others return the same. Thread: any. */
const struct peel_aead_engine *peel_aead_engine_best(void);
