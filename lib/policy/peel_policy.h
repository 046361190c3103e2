/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What an exit lets pass, in both directions. Pure functions. Source: protocol sections 18.2 and 27 (W2, W15, W19).
 * Thread: any; the struct is immutable while workers run.
 */

#include "peel_wire.h"

struct peel_network {
	struct peel_addr addr; /* port unused */
	uint8_t prefix_len;
};

#define PEEL_POLICY_DENY_MAX 32

struct peel_policy {
	uint16_t flags;	  /* own peer flags: enum peel_peer_flag */
	bool any_payload; /* `policy = any`: no protocol check (needs an exit flag) */
	bool allow_loopback, allow_private, allow_link_local, allow_multicast;
	uint8_t prefix[PEEL_PREFIX_LEN];		/* own tunnel overlay */
	struct peel_network deny[PEEL_POLICY_DENY_MAX]; /* configured networks, refused always */
	unsigned int n_deny;
	struct peel_network own[PEEL_POLICY_DENY_MAX]; /* own addresses, refused unless allow_own */
	unsigned int n_own;
	bool allow_own;
};

enum peel_payload_class {
	PEEL_PAYLOAD_UTP = 1,
	PEEL_PAYLOAD_TRACKER = 2,
	PEEL_PAYLOAD_DHT = 4,
	PEEL_PAYLOAD_BT = 7,
	PEEL_PAYLOAD_IPV8 = 8,
};

/** Which patterns the payload fits (several may): a set of enum peel_payload_class. */
unsigned int peel_policy_classify(const uint8_t *d, size_t len);

/**
 * May this payload leave or enter a circuit? The same in both directions:
 *  - with the own overlay's prefix: exactly the hidden service datagrams, ids 13, 14, 17 and 18, whatever the flags
 *    and `any_payload` say. The reference lets every id pass, which deanonymises its originators (W2);
 *  - otherwise what a flag allows: exit-bt the BitTorrent patterns, exit-ipv8 the IPv8 pattern, either of them
 *    everything when `any_payload` is set.
 */
bool peel_policy_payload(const struct peel_policy *p, const uint8_t *d, size_t len);

/**
 * May a datagram go to (or come from) this address? Refused: port 0, unspecified, broadcast, multicast, link-local,
 * private (10/8, 172.16/12, 192.168/16, 100.64/10, fc00::/7), loopback, reserved, the IPv4 address inside a mapped,
 * 6to4, Teredo or NAT64 one when it is any of these, configured networks and own addresses; loopback, private,
 * link-local, multicast and own addresses each unless allowed.
 */
bool peel_policy_destination(const struct peel_policy *p, const struct peel_addr *a);
