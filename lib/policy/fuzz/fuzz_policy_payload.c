/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * First byte: settings. The rest: a payload, also taken as an address.
 */
#include <stdlib.h>

#include "peel_cell.h"
#include "peel_discovery.h"
#include "peel_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t community[PEEL_COMMUNITY_LEN] = "fuzzed overlay";

static void
check_payload(const struct peel_policy *p, const uint8_t *d, size_t len)
{
	bool own = len >= PEEL_PREFIX_LEN && memcmp(d, p->prefix, PEEL_PREFIX_LEN) == 0;
	bool ok = peel_policy_payload(p, d, len);

	if (own && ok &&
		(len < PEEL_HEADER_LEN ||
			(d[22] != 13 && d[22] != 14 && d[22] != 17 && d[22] != 18)))
		abort(); /* W2 */
	if (!own && ok && (p->flags & (PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8)) == 0)
		abort(); /* a relay lets nothing out */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_policy p = {0};

	if (size < 1)
		return 0;
	peel_prefix_build(p.prefix, community);
	p.flags = data[0] & 7;
	p.any_payload = (data[0] & 8) != 0;
	p.allow_private = (data[0] & 16) != 0;

	size_t len = size - 1;
	uint8_t *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		return 0;
	memcpy(copy, data + 1, len);
	check_payload(&p, copy, len);
	if (len >= 19) {
		struct peel_addr a = {
			.port = 1, .family = copy[0] % 2 ? PEEL_FAMILY_IPV4 : PEEL_FAMILY_IPV6};

		memcpy(a.ip, copy + 1, a.family == PEEL_FAMILY_IPV4 ? 4 : 16);
		(void)peel_policy_destination(&p, &a);
	}
	free(copy);
	return 0;
}
