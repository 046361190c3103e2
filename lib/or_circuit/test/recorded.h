/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Reading the vectors: addresses, flags, packets. */

#include "peel_vectors.h"
#include "world.h"

static inline struct peel_addr
addr_of(const json_t *v, const char *key)
{
	struct peel_addr a;

	assert_int_equal(peel_addr_parse(peel_vec_str(v, key), 0, &a), 0);
	return a;
}

static inline void
expect_bytes(const struct packet *got, const uint8_t *want, size_t len)
{
	assert_int_equal(got->len, len);
	assert_memory_equal(got->data, want, len);
}

static inline uint16_t
flags_of(const json_t *list)
{
	uint16_t flags = 0;

	for (size_t i = 0; i < json_array_size(list); i++)
		flags |= (uint16_t)json_integer_value(json_array_get(list, i));
	return flags;
}
