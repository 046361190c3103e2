/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the tests of the configuration share. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf_table.h"
#include "drivers.h"
#include "peel_discovery.h"

struct told {
	char text[8192];
	unsigned int n;
};

static inline void
on_error(void *arg, const char *text)
{
	struct told *t = arg;
	size_t used = strlen(t->text);

	t->n++;
	snprintf(t->text + used, sizeof(t->text) - used, "%s\n", text);
}

static inline unsigned int
parse_bytes_as(enum conf_use use, const char *text, size_t len, struct conf *c, struct told *t)
{
	unsigned int n;
	char *copy = malloc(len > 0 ? len : 1); /* exact size, so that a byte too far traps */

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(t, 0, sizeof(*t));
	n = conf_parse(use, "f.ini", copy, len, c, on_error, t);
	free(copy);
	assert_int_equal(n, t->n);
	return n;
}

static inline unsigned int
parse_bytes(const char *text, size_t len, struct conf *c, struct told *t)
{
	return parse_bytes_as(CONF_FOR_RELAY, text, len, c, t);
}

static inline unsigned int
parse(const char *text, struct conf *c, struct told *t)
{
	return parse_bytes(text, strlen(text), c, t);
}

/* Parse what must be valid. */
static inline void
parse_ok(const char *text, struct conf *c)
{
	struct told t;

	if (parse(text, c, &t) != 0)
		fail_msg("refused: %s\n%s", text, t.text);
}

/* The same as a client. */
static inline unsigned int
parse_client(const char *text, struct conf *c, struct told *t)
{
	return parse_bytes_as(CONF_FOR_CLIENT, text, strlen(text), c, t);
}

static inline void
parse_client_ok(const char *text, struct conf *c)
{
	struct told t;

	if (parse_client(text, c, &t) != 0)
		fail_msg("refused: %s\n%s", text, t.text);
}

#define KEY "[node]\nkey = k\n"

static inline void
assert_addr(const struct peel_addr *a, const char *expected)
{
	char text[PEEL_ADDR_TEXT_MAX];

	assert_string_equal(peel_addr_text(a, text), expected);
}

#define ETHDEV KEY "[port]\ndriver = ethdev\ndevice = net_null0\naddress = 10.1.2.3/24\n"
