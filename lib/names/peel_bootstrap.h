/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Bootstrap servers known by name: adds their addresses to the overlay, and removes those that they
 * no longer have. Thread: control. */

#include "peel_dns.h"
#include "peel_overlay.h"

struct peel_bootstrap;

struct peel_bootstrap_conf {
	const struct peel_env *env;
	struct peel_dns *dns;
	struct peel_overlay *overlay;
	/* servers known by address, which the overlay has already; borrowed */
	const struct peel_addr *fixed;
	size_t n_fixed;
	/** Whether this node can send to this address. */
	peel_dns_usable_fn usable;
	void *arg;
};

int peel_bootstrap_new(
	const struct peel_bootstrap_conf *conf, struct peel_bootstrap **out) PEEL_MUST_USE;
/** Free it, before peel_dns_free(): look-ups under way refer to it. NULL is fine. */
void peel_bootstrap_free(struct peel_bootstrap *b);
/** Add a server, "HOST:PORT". It is looked up from the next tick on; adding it twice is fine. 0,
 * -EINVAL, -ENOSPC or -ENOMEM. */
int peel_bootstrap_add(struct peel_bootstrap *b, const char *host_port);
/** Remove a server that was added by name; its address goes unless another server has it. A name
 * that is not there is fine. */
void peel_bootstrap_remove(struct peel_bootstrap *b, const char *host_port);
/** Use these servers known by address instead of those before. */
void peel_bootstrap_fix(struct peel_bootstrap *b, const struct peel_addr *fixed, size_t n);
/** How many servers there are, and how many of them by a name that has not been resolved yet. */
void peel_bootstrap_count(
	const struct peel_bootstrap *b, unsigned int *servers, unsigned int *unknown);
/** Look up what is due. @return milliseconds until the next call is due. Also call it from time to
 * time before that. */
uint64_t peel_bootstrap_tick(struct peel_bootstrap *b);
