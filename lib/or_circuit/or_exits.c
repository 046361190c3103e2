/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Exits, for those who do not know whose circuits they are.
 */
#include "peel_or_circuit.h"

static int
describe(void *owner, uint32_t session, uint32_t generation, struct peel_exit_info *out)
{
	return peel_or_exit(owner, session, generation, out);
}

static int
opened(void *owner, uint32_t session, uint32_t generation, uint32_t endpoint)
{
	return peel_or_exit_opened(owner, session, generation, endpoint);
}

static int
used(void *owner, uint32_t session, uint32_t generation)
{
	return peel_or_exit_used(owner, session, generation);
}

static int
answer(void *owner, uint32_t session, const uint8_t *msg, size_t len)
{
	return peel_or_answer_limited(owner, session, msg, len);
}

void
peel_or_exits(struct peel_or_circuits *c, struct peel_exits *out)
{
	*out = (struct peel_exits){
		.exit = describe, .opened = opened, .used = used, .answer = answer, .owner = c};
}
