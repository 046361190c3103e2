/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Asynchronous name resolution on the control thread's loop: one c-ares channel for each resolver,
 * and above them who is asked when. Names are absolute: search domains of this machine are never
 * applied. Thread: control.
 */

#include <uv.h>

#include "peel_base.h"

#define PEEL_DNS_SERVERS_MAX 8
#define PEEL_DNS_RESOLV_CONF "/etc/resolv.conf"

struct peel_dns;

enum peel_dns_result {
	PEEL_DNS_FOUND,
	PEEL_DNS_NONE,	 /* there is no such name, or it has no address */
	PEEL_DNS_FAILED, /* no resolver answered, or none could tell */
};

/** @p addr has port 0 (PEEL_DNS_FOUND), or is NULL. Called exactly once, possibly from inside
 * peel_dns_resolve. */
typedef void (*peel_dns_fn)(void *arg, enum peel_dns_result result, const struct peel_addr *addr);
/** Is an address of use now? Asked of all that a name has; the port is 0. */
typedef bool (*peel_dns_usable_fn)(void *arg, const struct peel_addr *addr);

struct peel_dns_conf {
	uv_loop_t *loop;
	const struct peel_addr *servers; /* borrowed during peel_dns_new */
	size_t n_servers;		 /* 0: those that resolv_conf names, whenever it changes */
	const char *resolv_conf;	 /* a path that outlives the resolver */
	const char *hosts;		 /* the same of a hosts file; NULL: none */
	uint32_t timeout_ms;		 /* for each resolver, three questions in it */
};

/** 0, -ENOMEM or -EINVAL. */
int peel_dns_new(const struct peel_dns_conf *conf, struct peel_dns **out) PEEL_MUST_USE;
/** Look-ups still under way are answered with PEEL_DNS_FAILED. The loop must run once more. NULL is
 * fine. */
void peel_dns_free(struct peel_dns *dns);
/** Look whether the system's resolvers or its hosts file have changed; at most once a second does
 * this look at files.
 *  @return how often the resolvers have. */
unsigned int peel_dns_refresh(struct peel_dns *dns);
/**
 * An address of a host name: the hosts file first, then A and AAAA are asked side by side. A usable
 * IPv4 address ends the look-up, a usable IPv6 address a short time later, so that a resolver that
 * drops one kind of question delays nobody. When no address is usable, any is the answer.
 */
void peel_dns_resolve(struct peel_dns *dns, const char *name, peel_dns_usable_fn usable,
	peel_dns_fn fn, void *arg);
