/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "canvas.h"

#define TEXT_MAX 512
#define LEVELS 8 /* of a character cell */

int
canvas_clear(struct canvas *c, int rows, int cols)
{
	struct cell *cell;

	if (c->cell == NULL || rows != c->rows || cols != c->cols) {
		cell = realloc(c->cell, (size_t)rows * (size_t)cols * sizeof(*cell));
		if (cell == NULL)
			return -ENOMEM;
		c->cell = cell;
		c->rows = rows;
		c->cols = cols;
	}
	for (int i = 0; i < rows * cols; i++)
		c->cell[i] = (struct cell){L' ', STYLE_PLAIN};
	return 0;
}

void
canvas_free(struct canvas *c)
{
	free(c->cell);
	memset(c, 0, sizeof(*c));
}

static void
set(struct canvas *c, int row, int col, enum style style, wchar_t what)
{
	if (row >= 0 && row < c->rows && col >= 0 && col < c->cols)
		c->cell[row * c->cols + col] = (struct cell){what, (uint8_t)style};
}

int
canvas_put(struct canvas *c, int row, int col, enum style style, const char *format, ...)
{
	char text[TEXT_MAX];
	mbstate_t state = {0};
	const char *at = text;
	size_t len, used;
	wchar_t wide;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	for (len = strlen(text); len > 0; len -= used, at += used) {
		used = mbrtowc(&wide, at, len, &state);
		if (used == (size_t)-1 || used == (size_t)-2 || used == 0) {
			memset(&state, 0, sizeof(state));
			used = 1;
			wide = L'?';
		}
		if (!iswprint((wint_t)wide) || wcwidth(wide) != 1)
			wide = L'?';
		set(c, row, col++, style, wide);
	}
	return col;
}

void
canvas_style(struct canvas *c, int row, enum style style)
{
	for (int col = 0; row >= 0 && row < c->rows && col < c->cols; col++)
		c->cell[row * c->cols + col].style = (uint8_t)style;
}

/* A cell filled to that level from the left. */
static wchar_t
bar_char(const struct canvas *c, int level)
{
	if (c->ascii)
		return level >= LEVELS / 2 ? L'#' : L' ';
	return level <= 0 ? L' ' : (wchar_t)(0x2590 - (level < LEVELS ? level : LEVELS));
}

/* The same from below. */
static wchar_t
graph_char(const struct canvas *c, int level)
{
	static const char ascii[LEVELS + 1] = {' ', '.', '.', ':', ':', '|', '|', '#', '#'};

	level = level < 0 ? 0 : level > LEVELS ? LEVELS : level;
	if (c->ascii)
		return (wchar_t)ascii[level];
	return level == 0 ? L' ' : (wchar_t)(0x2580 + level);
}

/* Eighths of a length, for a share of it; something is never nothing. */
static int
eighths(double share, int cells)
{
	int n = (int)(share * cells * LEVELS + 0.5);

	if (!(share > 0))
		return 0;
	return n < 1 ? 1 : n > cells * LEVELS ? cells * LEVELS : n;
}

void
canvas_bar(struct canvas *c, int row, int col, int cols, enum style style, double share)
{
	int n = eighths(share, cols);

	for (int i = 0; i < cols; i++)
		set(c, row, col + i, style, bar_char(c, n - i * LEVELS));
}

void
canvas_graph(struct canvas *c, int row, int col, int rows, int cols, enum style style,
	const double *value, int n, double most)
{
	int first = n > cols ? n - cols : 0;

	for (int i = first; i < n; i++) {
		int level = most > 0 ? eighths(value[i] / most, rows) : 0;

		for (int r = 0; r < rows; r++)
			set(c, row + rows - 1 - r, col + cols - n + i, style,
				graph_char(c, level - r * LEVELS));
	}
}

static int
last_column(const struct canvas *c, int row)
{
	int col = c->cols;

	while (col > 0 && c->cell[row * c->cols + col - 1].c == L' ')
		col--;
	return col;
}

void
canvas_print(const struct canvas *c, FILE *out)
{
	int rows = c->rows;

	while (rows > 0 && last_column(c, rows - 1) == 0)
		rows--;
	for (int row = 0; row < rows; row++) {
		mbstate_t state = {0};
		char text[MB_LEN_MAX];

		for (int col = 0; col < last_column(c, row); col++) {
			size_t n = wcrtomb(text, c->cell[row * c->cols + col].c, &state);

			if (n != (size_t)-1)
				fwrite(text, 1, n, out);
		}
		fputc('\n', out);
	}
}
