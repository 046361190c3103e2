/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* What a server sends, in pieces: the verdict must not depend on how it is cut. */
#include <stdlib.h>

#include "peel_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
run(const uint8_t *data, size_t size, size_t step, size_t *len)
{
	struct peel_http_answer *a;
	const uint8_t *bytes;
	int rc = 0;

	if (peel_http_answer_new(&a) != 0)
		abort();
	for (size_t i = 0; i < size && rc == 0; i += step) {
		size_t n = size - i < step ? size - i : step;
		uint8_t *exact = malloc(n);

		if (exact == NULL)
			abort();
		memcpy(exact, data + i, n);
		rc = peel_http_answer_feed(a, exact, n);
		free(exact);
	}
	if (rc == 0)
		rc = peel_http_answer_end(a);
	if (rc == 0)
		abort();
	bytes = peel_http_answer_bytes(a, len);
	if (*len > PEEL_HTTP_ANSWER_MAX || *len > size)
		abort();
	if (rc == 1 && memcmp(bytes, data, *len) != 0)
		abort();
	peel_http_answer_free(a);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t whole_len, cut_len;
	int whole, cut;

	if (size == 0)
		return 0;
	whole = run(data + 1, size - 1, size, &whole_len);
	cut = run(data + 1, size - 1, 1u + data[0] % 64, &cut_len);
	if ((whole == 1) != (cut == 1) || (whole == 1 && whole_len != cut_len))
		abort();
	return 0;
}
