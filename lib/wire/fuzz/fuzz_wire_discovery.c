/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A datagram of any overlay, split as every frame and parsed as every body. What parses must write
 * to the same bytes. */
#include <stdlib.h>

#include "peel_discovery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[1 << 17];

static void
expect_same(struct peel_writer *w, struct peel_span body)
{
	if (peel_writer_len(w) != (int)body.len ||
		(body.len > 0 && memcmp(out, body.p, body.len) != 0))
		abort();
}

static void
introductions(struct peel_span body, bool new_style)
{
	struct peel_intro_request request;
	struct peel_intro_response response;
	struct peel_puncture puncture;
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	if (peel_intro_request_parse(body, new_style, &request) == 0) {
		peel_intro_request_write(&w, new_style, &request);
		expect_same(&w, body);
	}
	w = peel_writer_init(out, sizeof(out));
	if (peel_intro_response_parse(body, new_style, &response) == 0) {
		peel_intro_response_write(&w, new_style, &response);
		expect_same(&w, body);
	}
	w = peel_writer_init(out, sizeof(out));
	if (peel_puncture_parse(body, new_style, &puncture) == 0) {
		peel_puncture_write(&w, new_style, &puncture);
		expect_same(&w, body);
	}
}

static void
liveness(struct peel_span body)
{
	struct peel_similarity_request request;
	struct peel_similarity_response response;
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	if (peel_similarity_request_parse(body, &request) == 0) {
		peel_similarity_request_write(&w, &request);
		expect_same(&w, body);
	}
	w = peel_writer_init(out, sizeof(out));
	if (peel_similarity_response_parse(body, &response) == 0) {
		peel_similarity_response_write(&w, &response);
		expect_same(&w, body);
	}
}

static void
unsigned_messages(const uint8_t *data, size_t size)
{
	struct peel_puncture_request m;
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	uint16_t identifier;

	if (peel_puncture_request_parse(data, size, &m) == 0) {
		peel_unsigned_begin(&w, data, data[22], peel_get_be64(data + 23));
		peel_puncture_request_write(&w, data[22] == PEEL_MSG_PUNCTURE_REQUEST_NEW, &m);
		expect_same(&w, (struct peel_span){data, size});
	}
	w = peel_writer_init(out, sizeof(out));
	if (peel_discovery_ping_parse(data, size, &identifier) == 0) {
		peel_unsigned_begin(&w, data, data[22], peel_get_be64(data + 23));
		peel_write_u16(&w, identifier);
		expect_same(&w, (struct peel_span){data, size});
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned_messages(data, size);
	for (int with_clock = 0; with_clock < 2; with_clock++) {
		struct peel_signed s;

		if (peel_signed_parse(data, size, with_clock, true, &s) != 0)
			continue;
		if (s.covered.len + s.signature.len != size ||
			s.body.p + s.body.len != s.signature.p)
			abort();
		introductions(s.body, false);
		introductions(s.body, true);
		liveness(s.body);
	}
	return 0;
}
