/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Bootstrap servers that are known by name: the overlay gets their addresses, and loses those that
 * they no longer have. Thread: control. */

#include "peel_dns.h"
#include "peel_overlay.h"

struct peel_bootstrap;

struct peel_bootstrap_conf {
	const struct peel_env *env;
	struct peel_dns *dns;
	struct peel_overlay *overlay;
	/* servers known by address, which the overlay keeps: borrowed as long as this lives */
	const struct peel_addr *fixed;
	size_t n_fixed;
	/** Whether this node can send to this address. */
	peel_dns_usable_fn usable;
	void *arg;
};

int peel_bootstrap_new(
	const struct peel_bootstrap_conf *conf, struct peel_bootstrap **out) PEEL_MUST_USE;
/** Free it, before peel_dns_free(), because look-ups under way refer to it. NULL is fine. */
void peel_bootstrap_free(struct peel_bootstrap *b);
/** Add a server, "HOST:PORT", which is looked up from the next tick on. One that is there already
 * is fine. 0, -EINVAL, -ENOSPC or -ENOMEM. */
int peel_bootstrap_add(struct peel_bootstrap *b, const char *host_port);
/** Look up what is due. @return milliseconds until the next call is due; call it from time to time
 * in any case. */
uint64_t peel_bootstrap_tick(struct peel_bootstrap *b);
