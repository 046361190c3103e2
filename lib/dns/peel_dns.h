/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Asynchronous look-ups of names on the control thread's loop: one c-ares channel per resolver, and
 * the choice of which to ask when. Names are absolute: this machine's search domains are never
 * applied. Thread: control.
 */

#include <uv.h>

#include "peel_base.h"

#define PEEL_DNS_SERVERS_MAX 8
#define PEEL_DNS_RESOLV_CONF "/etc/resolv.conf"

struct peel_dns;

enum peel_dns_result {
	PEEL_DNS_FOUND,
	PEEL_DNS_NONE,	 /* the name does not exist or has no address */
	PEEL_DNS_FAILED, /* no resolver answered, or none could tell */
};

/** The result of a look-up. @p addr has port 0 (PEEL_DNS_FOUND), or is NULL. Called exactly once,
 * possibly before peel_dns_resolve returns. */
typedef void (*peel_dns_fn)(void *arg, enum peel_dns_result result, const struct peel_addr *addr);
/** Whether an address can be used now. Called for every address of a name; the port is 0. */
typedef bool (*peel_dns_usable_fn)(void *arg, const struct peel_addr *addr);

struct peel_dns_conf {
	uv_loop_t *loop;
	const struct peel_addr *servers; /* borrowed during peel_dns_new */
	size_t n_servers;		 /* 0: use those in resolv_conf, and follow its changes */
	const char *resolv_conf;	 /* path, must outlive the resolver */
	const char *hosts;		 /* the same for a hosts file; NULL: none */
	uint32_t timeout_ms;		 /* per resolver; it covers three tries */
};

/** Make a resolver. 0, -ENOMEM or -EINVAL. */
int peel_dns_new(const struct peel_dns_conf *conf, struct peel_dns **out) PEEL_MUST_USE;
/** Free it. Look-ups still under way are answered with PEEL_DNS_FAILED. The loop must run once
 * more. NULL is fine. */
void peel_dns_free(struct peel_dns *dns);
/**
 * Use other resolvers from the next look-up on, as in peel_dns_conf; look-ups under way keep
 * theirs. What is in use already goes on, with what is known about it. 0, or -EINVAL with nothing
 * changed.
 */
int peel_dns_change(struct peel_dns *dns, const struct peel_addr *servers, size_t n_servers,
	uint32_t timeout_ms) PEEL_MUST_USE;
/** Check whether the system's resolvers or its hosts file have changed. Looks at the files at most
 * once a second. @return how often the resolvers have changed. */
unsigned int peel_dns_refresh(struct peel_dns *dns);
/**
 * Look up an address of a host name: first in the hosts file, then A and AAAA in parallel. A usable
 * IPv4 address ends the look-up at once, a usable IPv6 address a short time later, so that a
 * resolver that drops one type of question delays nobody. If no address is usable, the answer is
 * any of them.
 */
void peel_dns_resolve(struct peel_dns *dns, const char *name, peel_dns_usable_fn usable,
	peel_dns_fn fn, void *arg);
