/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What each page of `peel top` shows. Thread: its main thread. */

#include "canvas.h"
#include "top_data.h"

enum top_page {
	TOP_OVERVIEW,
	TOP_WORKERS_PAGE,
	TOP_DROPS_PAGE,
	TOP_PEERS_PAGE,
	TOP_OWN_PAGE,
	TOP_LOG_PAGE,
	N_TOP_PAGES
};

#define TOP_ROWS_MIN 8
#define TOP_COLS_MIN 40

struct top_view {
	enum top_page page;
	int first; /* row of a list that is shown first; kept within the list */
	bool paused;
	bool interactive;      /* the keys are told */
	unsigned int interval; /* seconds */
};

/** What a page needs beside the status: enum top_wants. */
unsigned int top_page_wants(enum top_page page);
/** Draw the page on a cleared canvas; puts `first` right if the list has become shorter. */
void top_draw(struct canvas *c, struct top_view *v, const struct top_data *d);
