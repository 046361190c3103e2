/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * At most so many events per key in a window that starts with the first of them: a sender that
 * keeps to "n per window" never meets the limit, wherever its own window starts. A table of fixed
 * size; internal to this library.
 */

#include "peel_base.h"

struct dht_window {
	uint64_t key;
	uint64_t start_ms;
	uint32_t count; /* 0: free */
};

struct dht_limit {
	struct dht_window *window;
	uint32_t per_window, window_ms;
};

int dht_limit_init(struct dht_limit *t, uint32_t per_window, uint32_t window_ms) PEEL_MUST_USE;
void dht_limit_fini(struct dht_limit *t);
/** @param key  a secretly seeded hash, so that strangers cannot aim at a set. */
bool dht_limit_take(struct dht_limit *t, uint64_t key, uint64_t now);
/** The same for a window outside any table. */
bool dht_window_take(struct dht_window *w, uint32_t per_window, uint32_t window_ms, uint64_t now);
