/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What fuzz targets of state machines share: a clock and randomness that repeat themselves, and
 * bytes of the input in a block of exactly their size, so that sanitizers see a byte too far.
 */
#pragma once

#include <stdlib.h>

#include "peel_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t fuzz_now_ms, fuzz_random_state;

static uint64_t
fuzz_now(void *arg)
{
	(void)arg;
	return fuzz_now_ms;
}

static void
fuzz_random(void *arg, void *out, size_t len)
{
	(void)arg;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)peel_splitmix(&fuzz_random_state);
}

static const struct peel_env fuzz_env = {.now_ms = fuzz_now, .random = fuzz_random};

/** The next bytes of the input behind a head; how many, the input says first. Free them. */
static inline uint8_t *
fuzz_bytes(struct peel_reader *in, const void *head, size_t head_len, size_t *len)
{
	size_t n = peel_read_u16(in) % (PEEL_DATAGRAM_MAX + 1 - head_len);

	if (n > peel_reader_left(in))
		n = peel_reader_left(in);
	const uint8_t *p = peel_read_bytes(in, n);
	uint8_t *block = malloc(head_len + n > 0 ? head_len + n : 1);

	if (block == NULL)
		abort();
	if (head_len > 0)
		memcpy(block, head, head_len);
	if (n > 0)
		memcpy(block + head_len, p, n);
	*len = head_len + n;
	return block;
}
