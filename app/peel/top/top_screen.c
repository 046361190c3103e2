/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <errno.h>
#include <stdio.h>

#include "top_screen.h"

static SCREEN *screen;

/* Colours of the terminal's own palette; without colours, attributes tell enough. */
static const struct {
	short colour; /* -1: the terminal's own */
	attr_t attributes;
} styles[N_STYLES] = {
	[STYLE_PLAIN] = {-1, A_NORMAL},
	[STYLE_TITLE] = {-1, A_REVERSE},
	[STYLE_LABEL] = {-1, A_BOLD},
	[STYLE_GOOD] = {COLOR_GREEN, A_BOLD},
	[STYLE_WARNING] = {COLOR_YELLOW, A_BOLD},
	[STYLE_BAD] = {COLOR_RED, A_BOLD},
	[STYLE_IN] = {COLOR_CYAN, A_NORMAL},
	[STYLE_OUT] = {COLOR_MAGENTA, A_NORMAL},
};

int
top_screen_open(void)
{
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL)
		return -ENOTTY;
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	if (has_colors() && start_color() == OK && use_default_colors() == OK) {
		for (int i = 1; i < N_STYLES; i++)
			init_pair((short)i, styles[i].colour, -1);
	}
	return 0;
}

void
top_screen_close(void)
{
	endwin();
	delscreen(screen);
	screen = NULL;
}

void
top_screen_size(int *rows, int *cols)
{
	getmaxyx(stdscr, *rows, *cols);
}

void
top_screen_show(const struct canvas *c)
{
	for (int row = 0; row < c->rows; row++) {
		for (int col = 0; col < c->cols; col++) {
			const struct cell *cell = &c->cell[row * c->cols + col];
			const wchar_t text[2] = {cell->c, L'\0'};
			short pair = (short)(has_colors() ? cell->style : 0);
			cchar_t out;

			setcchar(&out, text, styles[cell->style].attributes, pair, NULL);
			mvadd_wch(row, col, &out);
		}
	}
	refresh();
}

enum top_key
top_screen_key(int ms, int *page)
{
	static const struct {
		int key;
		enum top_key means;
	} keys[] = {{'\t', TOP_KEY_NEXT_PAGE}, {KEY_UP, TOP_KEY_UP}, {'k', TOP_KEY_UP},
		{KEY_DOWN, TOP_KEY_DOWN}, {'j', TOP_KEY_DOWN}, {KEY_PPAGE, TOP_KEY_PAGE_UP},
		{KEY_NPAGE, TOP_KEY_PAGE_DOWN}, {KEY_HOME, TOP_KEY_HOME}, {'p', TOP_KEY_PAUSE},
		{' ', TOP_KEY_PAUSE}, {'-', TOP_KEY_FASTER}, {'+', TOP_KEY_SLOWER},
		{KEY_RESIZE, TOP_KEY_RESIZED}, {'q', TOP_KEY_QUIT}};
	int key;

	timeout(ms);
	key = getch();
	if (key >= '1' && key <= '9') {
		*page = key - '1';
		return TOP_KEY_PAGE;
	}
	for (size_t i = 0; i < PEEL_ARRAY_LEN(keys); i++) {
		if (keys[i].key == key)
			return keys[i].means;
	}
	return TOP_KEY_NONE;
}
