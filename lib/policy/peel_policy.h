/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What an exit lets pass, in both directions. Pure functions. Source: protocol sections 18.2 and 27
 * (W2, W15, W19). Thread: any; nobody changes a policy while workers use it.
 */

#include "peel_wire.h"

struct peel_network {
	struct peel_addr addr; /* port unused */
	uint8_t prefix_len;
};

#define PEEL_POLICY_DENY_MAX 32

/* ---- sets of addresses ----------------------------------------------------------------------- */

/** A set of any number of addresses, made once and then only read: a binary search that writes
 * nothing. */
struct peel_addr_set;

/** Make the set of all addresses of @p n networks, which may overlap. Ports do not matter; a prefix
 * that is too long means one address; networks without a family are left out. 0 or -ENOMEM. */
int peel_addr_set_new(
	const struct peel_network *net, size_t n, struct peel_addr_set **out) PEEL_MUST_USE;
/** NULL is fine. */
void peel_addr_set_free(struct peel_addr_set *set);
bool peel_addr_set_has(const struct peel_addr_set *set, const struct peel_addr *a);
bool peel_addr_set_equal(const struct peel_addr_set *a, const struct peel_addr_set *b);

/* ---- rules for destinations ------------------------------------------------------------------ */

#define PEEL_RULES_MAX 128

enum {
	PEEL_RULE_IPV4 = 1,
	PEEL_RULE_IPV6 = 2,
};

/** Accept or refuse some ports of some addresses, unless a rule before has decided about them. */
struct peel_rule {
	struct peel_network net; /* family NONE: all addresses of `families` */
	uint16_t port_min, port_max;
	uint8_t families; /* PEEL_RULE_..., those of a network: its own */
	bool accept;
};

/** Rules, made once and then only read. */
struct peel_rules;

/** Make rules from at most PEEL_RULES_MAX; from none NULL. 0, -EINVAL or -ENOMEM. */
int peel_rules_new(const struct peel_rule *rule, size_t n, struct peel_rules **out) PEEL_MUST_USE;
/** NULL is fine. */
void peel_rules_free(struct peel_rules *r);
/** The first rule that names this IPv4 or IPv6 address and port decides; what none names is
 * accepted. */
bool peel_rules_accept(const struct peel_rules *r, const struct peel_addr *a);

/* ---- policy ---------------------------------------------------------------------------------- */

struct peel_policy {
	uint16_t flags;	  /* own peer flags: enum peel_peer_flag */
	bool any_payload; /* `policy = any`: no protocol check (needs an exit flag) */
	bool allow_loopback, allow_private, allow_link_local, allow_multicast;
	uint8_t prefix[PEEL_PREFIX_LEN];		/* own tunnel overlay */
	struct peel_network deny[PEEL_POLICY_DENY_MAX]; /* configured networks, refused always */
	unsigned int n_deny;
	const struct peel_addr_set *own; /* own addresses, refused unless allow_own; NULL: none */
	bool allow_own;
	bool any_http_port;		/* `http_ports = any` */
	const struct peel_rules *rules; /* made from those below; NULL: there are none */
	struct peel_rule rule[PEEL_RULES_MAX];
	unsigned int n_rules;
};

enum peel_payload_class {
	PEEL_PAYLOAD_UTP = 1,
	PEEL_PAYLOAD_TRACKER = 2,
	PEEL_PAYLOAD_DHT = 4,
	PEEL_PAYLOAD_BT = 7,
	PEEL_PAYLOAD_IPV8 = 8,
};

/** The patterns that the payload fits, which may be several: a set of enum peel_payload_class. */
unsigned int peel_policy_classify(const uint8_t *d, size_t len);

/**
 * Whether this payload may leave or enter a circuit. The same rules hold in both directions:
 *  - with our own overlay's prefix: exactly the hidden-service datagrams, ids 13, 14, 17 and 18,
 * whatever the flags and `any_payload` say. The reference implementation lets every id pass, which
 * deanonymises its originators (W2);
 *  - otherwise what a flag allows: exit-bt the BitTorrent patterns, exit-ipv8 the IPv8 pattern, and
 * either of them everything if `any_payload` is set.
 */
bool peel_policy_payload(const struct peel_policy *p, const uint8_t *d, size_t len);

/**
 * Whether a datagram may go to (or come from) this address. Always refused are port 0, unspecified,
 * broadcast and reserved addresses, and configured networks. Loopback, private (10/8, 172.16/12,
 * 192.168/16, 100.64/10, fc00::/7), link-local, multicast and own addresses are refused unless
 * their switch allows them. An IPv6 address that carries an IPv4 one (mapped, compatible,
 * translated, NAT64, 6to4, Teredo, ISATAP) must pass as both.
 */
bool peel_policy_destination(const struct peel_policy *p, const struct peel_addr *a);

/**
 * Whether the rules let exits send to (or take answers from) this address, which must also pass
 * peel_policy_destination(). An IPv6 address that carries an IPv4 one must pass as both. Messages
 * of hidden services, which pass every exit, are not asked about.
 */
bool peel_policy_rules(const struct peel_policy *p, const struct peel_addr *a);

/** Whether a payload is a message of our own tunnel overlay. */
bool peel_policy_of_overlay(const struct peel_policy *p, const uint8_t *d, size_t len);

/** Whether an exit may ask a web server at this TCP port: 80, 443 and those above 1023, or all with
 * any_http_port. Services on other low ports are not trackers, and the exit's address could lose
 * its reputation there. */
bool peel_policy_http_port(const struct peel_policy *p, uint16_t port);
