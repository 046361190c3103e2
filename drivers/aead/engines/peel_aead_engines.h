/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The engines this build has, fastest first. */

#include "peel_aead.h"

/** Ends with NULL. */
extern const struct peel_aead_engine *const peel_aead_engines[];
/** Variants that no configuration names, for comparisons. Ends with NULL. */
extern const struct peel_aead_engine *const peel_aead_variants[];

/** By its name in the configuration, e.g. "sodium"; NULL when this build has none of that name.
 * Thread: any. */
const struct peel_aead_engine *peel_aead_engine_find(const char *name);

/** The first engine of the table whose self-test passes on this CPU; NULL when none does. Thread:
 * any. */
const struct peel_aead_engine *peel_aead_engine_best(void);
