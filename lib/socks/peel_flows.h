/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Which association's data goes through which circuit, and whose is what comes back. Circuits are numbers here, users are
 * slots. Not thread-safe: one thread, that of the loop.
 *
 * Each circuit is owned by one user, who gets what nobody asked for (answers from other addresses, incoming connections).
 * Circuits are spread evenly; users beyond the number of circuits own none and send through those of others. A
 * destination host stays with its circuit as long as that lives, and a host that comes in through a circuit is answered
 * through it.
 */

#include "peel_socks.h"

#define PEEL_FLOWS_USERS PEEL_SOCKS_ASSOCS_MAX
#define PEEL_FLOWS_CIRCUITS 64

struct peel_flows;

/** @p isolate: hosts new to a user take circuits in turn, so that they share one only when there are too few.
 *  NULL: no memory. */
struct peel_flows *peel_flows_new(const struct peel_env *env, bool isolate);
void peel_flows_free(struct peel_flows *f);

/** A user's slot, 0..PEEL_FLOWS_USERS - 1, or -ENOSPC. */
int peel_flows_join(struct peel_flows *f) PEEL_MUST_USE;
void peel_flows_leave(struct peel_flows *f, unsigned int user);

/** A circuit can be used; it cannot any more. Adding one that is there does nothing. -ENOSPC. */
int peel_flows_add(struct peel_flows *f, uint64_t circuit);
void peel_flows_del(struct peel_flows *f, uint64_t circuit);
/** The circuits are these, and no others. */
void peel_flows_set(struct peel_flows *f, const uint64_t *circuit, size_t n);

/** The circuit for a user's datagram; 0: there is none. */
uint64_t peel_flows_out(
	struct peel_flows *f, unsigned int user, const struct peel_socks_target *to);
/** The user a datagram from @p origin is for, or -ENOENT. */
int peel_flows_in(struct peel_flows *f, uint64_t circuit, const struct peel_socks_target *origin);
/** Circuits that the user owns. */
unsigned int peel_flows_owned(const struct peel_flows *f, unsigned int user);
