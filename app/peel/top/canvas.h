/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* A screen of text in memory, which a terminal or a file then gets. What is outside is cut off.
 * Rows and columns begin at 0. Thread: the main thread of `peel top`, which runs no node. */

#include <stdio.h>
#include <wchar.h>

#include "peel_base.h"

enum style {
	STYLE_PLAIN,
	STYLE_TITLE,
	STYLE_LABEL,
	STYLE_GOOD,
	STYLE_WARNING,
	STYLE_BAD,
	STYLE_IN,
	STYLE_OUT,
	N_STYLES
};

struct cell {
	wchar_t c;
	uint8_t style; /* enum style */
};

struct canvas {
	int rows, cols;
	bool ascii;	   /* bars and graphs without block characters */
	struct cell *cell; /* [rows * cols] */
};

/** Make it that large, and blank; a first one is all zero. @return 0 or -ENOMEM. */
int canvas_clear(struct canvas *c, int rows, int cols) PEEL_MUST_USE;
/** Free what is in it, not @p c itself. */
void canvas_free(struct canvas *c);
/** Write text in the locale's encoding; what a terminal could take for a command becomes `?`.
 * @return the column behind it. */
int canvas_put(struct canvas *c, int row, int col, enum style style, const char *format, ...)
	PEEL_PRINTF(5, 6);
/** Give a whole row a style. */
void canvas_style(struct canvas *c, int row, enum style style);
/** A bar of @p cols columns, of which a @p share (0 to 1) is filled. */
void canvas_bar(struct canvas *c, int row, int col, int cols, enum style style, double share);
/** A graph of @p rows rows: the last @p n values, the newest at the right, as shares of @p most. */
void canvas_graph(struct canvas *c, int row, int col, int rows, int cols, enum style style,
	const double *value, int n, double most);
/** Write it as text, without blanks at the ends of lines and without blank lines at the end. */
void canvas_print(const struct canvas *c, FILE *out);
