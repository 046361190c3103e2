/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * A cell datagram whose message is taken as already opened. What parses must build again, and what
 * was built must parse to the same bytes.
 */
#include <stdlib.h>

#include "peel_cell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[1 << 17];

static int
rebuild(uint8_t id, const uint8_t *body, size_t len)
{
	union {
		struct peel_msg_create create;
		struct peel_msg_created created;
		struct peel_msg_extend extend;
		struct peel_msg_data data;
		struct peel_msg_test test;
		uint16_t identifier;
	} m;

	switch (id) {
	case PEEL_MSG_DATA:
		if (peel_data_parse(body, len, &m.data) != 0)
			return 0;
		return peel_data_build(out, sizeof(out), &m.data);
	case PEEL_MSG_CREATE:
		if (peel_create_parse(body, len, &m.create) != 0)
			return 0;
		return peel_create_build(out, sizeof(out), &m.create);
	case PEEL_MSG_CREATED:
	case PEEL_MSG_EXTENDED:
		if (peel_created_parse(body, len, &m.created) != 0)
			return 0;
		return peel_created_build(out, sizeof(out), id, &m.created);
	case PEEL_MSG_EXTEND:
		if (peel_extend_parse(body, len, &m.extend) != 0)
			return 0;
		return peel_extend_build(out, sizeof(out), &m.extend);
	case PEEL_MSG_TEST_REQUEST:
	case PEEL_MSG_TEST_RESPONSE:
	case PEEL_MSG_TEST_REQUEST_RUST:
	case PEEL_MSG_TEST_RESPONSE_RUST:
		if (peel_test_parse(id, body, len, &m.test) != 0)
			return 0;
		return peel_test_build(out, sizeof(out), id, &m.test);
	default:
		if (peel_identifier_parse(body, len, &m.identifier) != 0)
			return 0;
		return peel_identifier_build(out, sizeof(out), id, m.identifier);
	}
}

static void
candidates(const uint8_t *list, size_t len)
{
	struct peel_candidates got;
	size_t sum = 0;

	if (peel_candidates_parse(list, len, &got) != 0)
		return;
	if (got.n > PEEL_ARRAY_LEN(got.key) || got.n_relays > got.n)
		abort();
	for (size_t i = 0; i < got.n; i++) {
		for (size_t k = 0; k < got.key[i].len; k++)
			sum += got.key[i].p[k];
	}
	if (sum > got.n * 255 * 65535)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_msg_destroy destroy;
	struct peel_cell cell;

	if (peel_cell_parse(data, size, &cell) != 0)
		return 0;

	const uint8_t *body = cell.message.p + 1;
	size_t len = cell.message.len - 1;
	int n = rebuild(cell.message.p[0], body, len);

	if (n < 0 || (size_t)n > cell.message.len ||
		(n > 0 && memcmp(out, cell.message.p, (size_t)n) != 0))
		abort();
	candidates(body, len);
	if ((peel_destroy_parse(body, len, &destroy) == 0) != (len == PEEL_DESTROY_BODY_LEN))
		abort();
	return 0;
}
