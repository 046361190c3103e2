/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* http-request and http-response. What parses must build again to the same bytes. */
#include <stdlib.h>

#include "peel_http_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[1 << 17];

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_msg_http_request request;
	struct peel_msg_http_response response;
	uint8_t *exact = size > 0 ? malloc(size) : NULL;
	int n = 0;

	if (exact == NULL)
		return 0;
	memcpy(exact, data, size);
	if (exact[0] == PEEL_MSG_HTTP_REQUEST &&
		peel_http_request_parse(exact + 1, size - 1, &request) == 0)
		n = peel_http_request_build(out, sizeof(out), &request);
	if (exact[0] == PEEL_MSG_HTTP_RESPONSE &&
		peel_http_response_parse(exact + 1, size - 1, &response) == 0)
		n = peel_http_response_build(out, sizeof(out), &response);
	if (n < 0 || (size_t)n > size || memcmp(out, exact, (size_t)n) != 0)
		abort();
	free(exact);
	return 0;
}
