/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The terminal that `peel top` runs in, by ncurses: one per process. Thread: the main thread. */

#include "canvas.h"

enum top_key {
	TOP_KEY_NONE, /* the time is over, or a key without a meaning */
	TOP_KEY_PAGE, /* and which one, from 0 on */
	TOP_KEY_NEXT_PAGE,
	TOP_KEY_UP,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_PAUSE,
	TOP_KEY_FASTER,
	TOP_KEY_SLOWER,
	TOP_KEY_RESIZED,
	TOP_KEY_QUIT,
};

/** Take the terminal. @return 0 or -ENOTTY: it is none that ncurses knows. */
int top_screen_open(void) PEEL_MUST_USE;
/** Give it back as it was. */
void top_screen_close(void);
/** How large it is now, in characters. */
void top_screen_size(int *rows, int *cols);
/** Show what is on the canvas, as far as there is room. */
void top_screen_show(const struct canvas *c);
/** Wait for a key, @p ms at most. @p page: of TOP_KEY_PAGE. */
enum top_key top_screen_key(int ms, int *page);
