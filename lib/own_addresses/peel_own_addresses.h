/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The node's own addresses, and the exit policy that refuses them: those that the machine has now,
 * those that the configuration names, and the one that others see. Source: protocol section 27
 * (W19). Thread: control.
 */

#include <uv.h>

#include "peel_policy.h"
#include "peel_rcu.h"

#define PEEL_OWN_NAMED_MAX 5

struct peel_own_addresses;

/** An address that the configuration names; family NONE: none. */
struct peel_own_named {
	struct peel_addr addr;
	/* name of the setting if this node is bound to the address, whose loss is then logged; else
	 * NULL */
	const char *setting;
};

struct peel_own_addresses_conf {
	uv_loop_t *loop;
	const struct peel_env *env;
	struct peel_rcu *rcu;
	struct peel_policy policy; /* except `own` */
	struct peel_own_named named[PEEL_OWN_NAMED_MAX];
	/** A new policy is in force. The old one lives for another grace period. */
	void (*publish)(void *arg, const struct peel_policy *policy);
	/** Something has changed: call peel_own_addresses_tick() and note when its next call is
	 * due. */
	void (*changed)(void *arg);
	void *arg;
};

/** Publish the first policy at once, and others whenever something changes. 0 or -ENOMEM. */
int peel_own_addresses_new(
	const struct peel_own_addresses_conf *conf, struct peel_own_addresses **out) PEEL_MUST_USE;
/** Free it, after the workers have ended. NULL is fine. The loop must run once more to close its
 * handle. */
void peel_own_addresses_free(struct peel_own_addresses *own);
/** The current policy. */
const struct peel_policy *peel_own_addresses_policy(const struct peel_own_addresses *own);
/** Change the policy, except for `own`. Published at once, or with the next tick if the machine's
 * addresses cannot be read now. */
void peel_own_addresses_change(struct peel_own_addresses *own, const struct peel_policy *policy);
/** Set the address under which others see us now. */
void peel_own_addresses_public(struct peel_own_addresses *own, const struct peel_addr *address);
/** Whether the machine has lost an address that this node is bound to. */
bool peel_own_addresses_lost(const struct peel_own_addresses *own);
/** Do what is due. @return milliseconds until the next call is due. */
uint64_t peel_own_addresses_tick(struct peel_own_addresses *own);
