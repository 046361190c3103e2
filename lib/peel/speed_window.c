/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "speed_window.h"

#define SIZE_MAX_REQUESTS 2048.0
#define SIZE_MIN_REQUESTS 4.0
#define SIZE_FIRST 16.0
#define QUEUE_US 20000	      /* more than twice the shortest round trip and this: a queue */
#define LOST_US 500000	      /* and four times the shortest round trip */
#define FIRST_LOST_US 2000000 /* while no round trip is known */
/* What is left of the window when a queue grows, and when requests are lost; not more often than
 * once in a round trip and this. */
#define SHRINK_QUEUE 0.85
#define SHRINK_LOST 0.7
#define SHRINK_PAUSE_US 10000

void
speed_window_begin(struct speed_window *w)
{
	w->size = SIZE_FIRST;
	w->shrunk_us = 0;
	w->grown = false;
}

static void
shrink(struct speed_window *w, uint64_t now_us, double factor)
{
	w->grown = true;
	if (now_us - w->shrunk_us < w->min_rtt_us + SHRINK_PAUSE_US)
		return; /* once per round trip */
	w->shrunk_us = now_us;
	w->size = w->size * factor > SIZE_MIN_REQUESTS ? w->size * factor : SIZE_MIN_REQUESTS;
}

void
speed_window_answer(struct speed_window *w, uint64_t now_us, uint64_t rtt_us)
{
	uint64_t limit_us;

	if (w->min_rtt_us == 0 || rtt_us < w->min_rtt_us)
		w->min_rtt_us = rtt_us;
	limit_us = w->target_us != 0 ? w->target_us : 2 * w->min_rtt_us + QUEUE_US;
	if (rtt_us > limit_us) {
		shrink(w, now_us, SHRINK_QUEUE);
		return;
	}
	w->size += w->grown ? 4 / w->size : 1;
	if (w->size > SIZE_MAX_REQUESTS)
		w->size = SIZE_MAX_REQUESTS;
}

void
speed_window_lost(struct speed_window *w, uint64_t now_us)
{
	shrink(w, now_us, SHRINK_LOST);
}

uint64_t
speed_window_patience(const struct speed_window *w)
{
	return w->min_rtt_us == 0 ? FIRST_LOST_US : 4 * w->min_rtt_us + LOST_US;
}
