/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A signed datagram with any kind of key: verifying must survive keys and signatures that strangers
 * made up. */
#include <stdlib.h>

#include "peel_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_signed s;
	uint8_t mid[PEEL_MID_LEN];

	if (peel_keys_init() != 0)
		abort();
	if (peel_signed_parse(data, size, true, true, &s) != 0)
		return 0;
	peel_mid(s.pk.p, s.pk.len, mid);
	(void)peel_signed_verify(&s);
	return 0;
}
