/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * How many requests of a speed test may be under way. The window grows with each answer while round
 * trips stay short, and shrinks when they do not, or when requests are lost: a queue somewhere
 * fills, and more would only fill it further. Times are in microseconds. Thread: one at a time.
 */

#include <stdbool.h>
#include <stdint.h>

struct speed_window {
	double size;
	uint64_t target_us;  /* a longer round trip means a queue; 0: the shortest one tells */
	uint64_t min_rtt_us; /* 0: no answer yet */
	uint64_t shrunk_us;  /* when it last did */
	bool grown;	     /* no longer doubling */
};

/** As at first, but what is known of round trips stays. */
void speed_window_begin(struct speed_window *w);
/** An answer came. */
void speed_window_answer(struct speed_window *w, uint64_t now_us, uint64_t rtt_us);
/** Requests were not answered within speed_window_patience(). */
void speed_window_lost(struct speed_window *w, uint64_t now_us);
/** How long an answer may take before its request is lost. */
uint64_t speed_window_patience(const struct speed_window *w);
