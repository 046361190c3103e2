/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "peel_cell.h"
#include "peel_discovery.h"
#include "peel_policy.h"

#define OWN_ID_OFF PEEL_PREFIX_LEN

/* BEP 29 header: type and version in one byte, then an extension number. */
static bool
is_utp(const uint8_t *d, size_t len)
{
	return len >= 20 && d[0] >> 4 <= 4 && (d[0] & 15) == 1 && d[1] <= 3;
}

/* BEP 15: the action stands at 8 in requests, at 0 in answers. */
static bool
is_tracker(const uint8_t *d, size_t len)
{
	return (len >= 8 && peel_get_be32(d) <= 3) || (len >= 12 && peel_get_be32(d + 8) <= 3);
}

/* BEP 5: a bencoded dictionary. */
static bool
is_dht(const uint8_t *d, size_t len)
{
	return len > 1 && d[0] == 'd' && d[len - 1] == 'e';
}

static bool
is_ipv8(const uint8_t *d, size_t len)
{
	return len >= PEEL_HEADER_LEN && d[0] == 0 && (d[1] == 1 || d[1] == 2);
}

unsigned int
peel_policy_classify(const uint8_t *d, size_t len)
{
	unsigned int fits = 0;

	if (is_utp(d, len))
		fits |= PEEL_PAYLOAD_UTP;
	if (is_tracker(d, len))
		fits |= PEEL_PAYLOAD_TRACKER;
	if (is_dht(d, len))
		fits |= PEEL_PAYLOAD_DHT;
	if (is_ipv8(d, len))
		fits |= PEEL_PAYLOAD_IPV8;
	return fits;
}

static bool
is_hidden_service_id(uint8_t id)
{
	return id == PEEL_MSG_CREATE_E2E || id == PEEL_MSG_CREATED_E2E ||
	       id == PEEL_MSG_PEERS_REQUEST || id == PEEL_MSG_PEERS_RESPONSE;
}

bool
peel_policy_of_overlay(const struct peel_policy *p, const uint8_t *d, size_t len)
{
	return len >= PEEL_PREFIX_LEN && memcmp(d, p->prefix, PEEL_PREFIX_LEN) == 0;
}

bool
peel_policy_payload(const struct peel_policy *p, const uint8_t *d, size_t len)
{
	/* First, so that no pattern or setting lets other messages of the own overlay slip through
	 * (W2). */
	if (peel_policy_of_overlay(p, d, len))
		return len > OWN_ID_OFF && is_hidden_service_id(d[OWN_ID_OFF]);
	if (p->any_payload)
		return (p->flags & (PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8)) != 0;

	unsigned int fits = peel_policy_classify(d, len);

	return ((p->flags & PEEL_FLAG_EXIT_BT) != 0 && (fits & PEEL_PAYLOAD_BT) != 0) ||
	       ((p->flags & PEEL_FLAG_EXIT_IPV8) != 0 && (fits & PEEL_PAYLOAD_IPV8) != 0);
}
