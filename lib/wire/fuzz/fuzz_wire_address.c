/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A run of primitives: byte 0 of each step chooses what is read next. What was read is written
 * again and compared. */
#include <stdlib.h>

#include "peel_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
copy_one(struct peel_reader *r, struct peel_writer *w, uint8_t kind)
{
	struct peel_addr addr;
	struct peel_host host;
	struct peel_span span;

	switch (kind % 4) {
	case 0:
		addr = peel_read_ipv4(r);
		peel_write_ipv4(w, &addr);
		break;
	case 1:
		addr = peel_read_ip_address(r);
		peel_write_ip_address(w, &addr);
		break;
	case 2:
		host = peel_read_address(r);
		peel_write_address(w, &host);
		if (!r->bad && host.type == PEEL_HOST_NAME &&
			!peel_utf8_valid(host.name.p, host.name.len))
			abort();
		break;
	default:
		span = peel_read_varlen(r);
		peel_write_varlen(w, span.p, span.len);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_reader r = peel_reader_init(data, size);

	peel_utf8_valid(data, size);
	while (peel_reader_left(&r) > 0) {
		uint8_t *copy = malloc(size), kind = peel_read_u8(&r);
		const uint8_t *from = r.p;
		struct peel_writer w = peel_writer_init(copy, copy != NULL ? size : 0);

		copy_one(&r, &w, kind);
		if (!r.bad && (peel_writer_len(&w) != (int)(r.p - from) ||
				      memcmp(copy, from, (size_t)(r.p - from)) != 0))
			abort();
		free(copy);
	}
	return 0;
}
