/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A stream of parts: (part, total, length in units of 16, filler) of four bytes each. */
#include <stdlib.h>

#include "peel_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_http_parts p = {0};
	uint8_t bytes[255 * 16];
	size_t sum = 0;
	unsigned int n = 0;

	for (size_t i = 0; i + 4 <= size; i += 4) {
		size_t len = (size_t)data[i + 2] * 16;
		unsigned int before = p.n;

		memset(bytes, data[i + 3], sizeof(bytes));
		int rc = peel_http_parts_add(&p, data[i], data[i + 1], bytes, len);

		if (p.n > before) {
			sum += len;
			n++;
		}
		if (n != p.n || sum != p.bytes || sum > PEEL_HTTP_ANSWER_MAX || n > p.total ||
			(rc == 1 && n != p.total))
			abort();
		uint8_t *all = peel_http_parts_join(&p);

		if ((all != NULL) != (n > 0 && n == p.total))
			abort();
		free(all);
	}
	peel_http_parts_free(&p);
	return 0;
}
