/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Servers to start from that are known by name: the overlay gets their addresses, and loses those
 * that they have no more. Thread: control. */

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
	/** Can this node send there? */
	peel_dns_usable_fn usable;
	void *arg;
};

int peel_bootstrap_new(
	const struct peel_bootstrap_conf *conf, struct peel_bootstrap **out) PEEL_MUST_USE;
/** Before peel_dns_free(): look-ups under way hold on to it. NULL is fine. */
void peel_bootstrap_free(struct peel_bootstrap *b);
/** One more, "HOST:PORT", looked up from the next tick on; one that is there already is fine.
 * -EINVAL, -ENOSPC or -ENOMEM. */
int peel_bootstrap_add(struct peel_bootstrap *b, const char *host_port);
/** @return milliseconds until it wants to be called again; it must be now and then in any case. */
uint64_t peel_bootstrap_tick(struct peel_bootstrap *b);
