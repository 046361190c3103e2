/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* The validator against a recursive one written for comparison; and in one piece against in two. */
#include <stdlib.h>

#include "peel_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Length of the value at the start of d, 0: there is none. */
static size_t
value(const uint8_t *d, size_t len, unsigned int depth)
{
	size_t i = 1, n, size = 0;

	if (len == 0)
		return 0;
	if (d[0] == 'i') {
		size_t first = len > 1 && d[1] == '-' ? 2 : 1;

		for (i = first; i < len && d[i] >= '0' && d[i] <= '9'; i++)
			;
		if (i == first || i == len || d[i] != 'e')
			return 0;
		return i + 1;
	}
	if (d[0] == 'l' || d[0] == 'd') {
		if (depth == PEEL_BENCODE_DEPTH_MAX)
			return 0;
		for (bool key = true; i < len && (d[i] != 'e' || (d[0] == 'd' && !key));
			key = !key) {
			if (d[0] == 'd' && key && (d[i] < '0' || d[i] > '9'))
				return 0;
			n = value(d + i, len - i, depth + 1);
			if (n == 0)
				return 0;
			i += n;
		}
		return i < len ? i + 1 : 0;
	}
	for (i = 0; i < len && d[i] >= '0' && d[i] <= '9' && size <= 1 << 24; i++)
		size = size * 10 + d[i] - '0';
	if (i == 0 || i == len || d[i] != ':' || size > len - i - 1)
		return 0;
	return i + 1 + size;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_bencode whole, cut;
	size_t at = size > 0 ? data[0] % size : 0;
	uint8_t *exact = malloc(size + 1);
	bool good;

	if (exact == NULL)
		abort();
	if (size > 0)
		memcpy(exact, data, size);
	peel_bencode_init(&whole);
	peel_bencode_init(&cut);
	good = peel_bencode_feed(&whole, exact, size) == 0 && peel_bencode_done(&whole);
	if (good != (value(exact, size, 0) > 0))
		abort();
	if ((peel_bencode_feed(&cut, exact, at) == 0 &&
		    peel_bencode_feed(&cut, exact + at, size - at) == 0 &&
		    peel_bencode_done(&cut)) != good)
		abort();
	free(exact);
	return 0;
}
