/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_http.h"

/* far beyond any answer; keeps the arithmetic within 32 bits */
#define STRING_MAX (1u << 24)

enum bencode_state {
	VALUE, /* expects a value, or the end of the innermost container */
	INT_FIRST,
	INT_MINUS, /* after the sign */
	INT_DIGITS,
	LENGTH,
	STRING,
	DONE,
	BAD,
};

void
peel_bencode_init(struct peel_bencode *b)
{
	*b = (struct peel_bencode){.state = VALUE};
}

bool
peel_bencode_done(const struct peel_bencode *b)
{
	return b->state == DONE;
}

static bool
in_dict(const struct peel_bencode *b)
{
	unsigned int n = b->depth - 1u;

	return b->depth > 0 && (b->dicts[n / 64] >> n % 64 & 1) != 0;
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* A value has ended. @return what its container expects next. */
static enum bencode_state
ended(struct peel_bencode *b, bool key)
{
	if (b->depth == 0)
		return DONE;
	b->want_key = in_dict(b) && !key;
	return VALUE;
}

static enum bencode_state
open_container(struct peel_bencode *b, bool dict)
{
	if (b->depth == PEEL_BENCODE_DEPTH_MAX)
		return BAD;
	unsigned int n = b->depth++;

	b->dicts[n / 64] &= ~(UINT64_C(1) << n % 64);
	b->dicts[n / 64] |= (uint64_t)dict << n % 64;
	b->want_key = dict;
	return VALUE;
}

static enum bencode_state
close_container(struct peel_bencode *b)
{
	/* A dictionary may end where a key could begin, but not between a key and its value. */
	if (b->depth == 0 || (in_dict(b) && !b->want_key))
		return BAD;
	b->depth--;
	return ended(b, false);
}

static enum bencode_state
value(struct peel_bencode *b, uint8_t c)
{
	if (c == 'e')
		return close_container(b);
	if (is_digit(c)) {
		b->left = c - '0';
		return LENGTH;
	}
	if (b->want_key)
		return BAD;
	switch (c) {
	case 'i':
		return INT_FIRST;
	case 'l':
		return open_container(b, false);
	case 'd':
		return open_container(b, true);
	default:
		return BAD;
	}
}

static enum bencode_state
length(struct peel_bencode *b, uint8_t c)
{
	if (c == ':')
		return b->left > 0 ? STRING : ended(b, b->want_key);
	if (!is_digit(c))
		return BAD;
	b->left = b->left * 10 + (c - '0');
	return b->left <= STRING_MAX ? LENGTH : BAD;
}

static enum bencode_state
number(struct peel_bencode *b, uint8_t c)
{
	switch (b->state) {
	case INT_FIRST:
		return c == '-' ? INT_MINUS : is_digit(c) ? INT_DIGITS : BAD;
	case INT_MINUS:
		return is_digit(c) ? INT_DIGITS : BAD;
	default: /* INT_DIGITS */
		return is_digit(c) ? INT_DIGITS : c == 'e' ? ended(b, false) : BAD;
	}
}

static enum bencode_state
next(struct peel_bencode *b, uint8_t c)
{
	switch (b->state) {
	case VALUE:
		return value(b, c);
	case LENGTH:
		return length(b, c);
	default:
		return number(b, c);
	}
}

int
peel_bencode_feed(struct peel_bencode *b, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len && b->state != BAD && b->state != DONE;) {
		if (b->state == STRING) {
			size_t n = len - i < b->left ? len - i : b->left;

			i += n;
			b->left -= (uint32_t)n;
			if (b->left == 0)
				b->state = (uint8_t)ended(b, b->want_key);
		} else {
			b->state = (uint8_t)next(b, p[i++]);
		}
	}
	return b->state == BAD ? -EBADMSG : 0;
}
