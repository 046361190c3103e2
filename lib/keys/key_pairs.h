/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include "peel_keys.h"

/** Move a key pair out of @p p, which may be NULL. @return false: there is none. The caller wipes
 * @p secret. Thread: the owner's. */
bool key_pairs_take(struct peel_key_pairs *p, uint8_t secret[32], uint8_t public[32]);
