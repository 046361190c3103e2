/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Which association's data goes through which circuit, and whose is what comes back. Circuits are
 * numbers here, users are slots. Not thread-safe: one thread, that of the loop.
 *
 * Each circuit is owned by one user, who gets what nobody asked for (answers from other addresses,
 * incoming connections). Circuits are spread evenly; users beyond the number of circuits own none
 * and send through those of others. On a circuit, a host is one user's: nobody gets what another
 * one asked for. A host that answers stays with its circuit as long as that lives; one that never
 * does is moved to others; one that comes in through a circuit is answered through it.
 */

#include "peel_socks.h"

#define PEEL_FLOWS_USERS PEEL_SOCKS_ASSOCS_MAX
#define PEEL_FLOWS_CIRCUITS 64

struct peel_flows;

/** @p stats: of the loop's thread, must outlive it. @p isolate: hosts new to a user take circuits
 * in turn, so that they share one only when there are too few. NULL: no memory. */
struct peel_flows *peel_flows_new(
	const struct peel_env *env, struct peel_stats *stats, bool isolate);
void peel_flows_free(struct peel_flows *f);

/** A user's slot, 0..PEEL_FLOWS_USERS - 1, or -ENOSPC. */
int peel_flows_join(struct peel_flows *f) PEEL_MUST_USE;
void peel_flows_leave(struct peel_flows *f, unsigned int user);

/** A circuit can be used; it cannot any more. Adding one that is there does nothing. -ENOSPC,
 * -ENOMEM. */
int peel_flows_add(struct peel_flows *f, uint64_t id);
void peel_flows_del(struct peel_flows *f, uint64_t id);
/** The circuits are these, and no others. */
void peel_flows_set(struct peel_flows *f, const uint64_t *id, size_t n);

/** The circuit for a user's datagram. 0; -EAGAIN: there is none; -EBUSY: on all of them the host,
 * or the port where a name is, is another user's, for 30 s after the last datagram. */
int peel_flows_out(struct peel_flows *f, unsigned int user, const struct peel_socks_target *to,
	uint64_t *circuit) PEEL_MUST_USE;
/** The user a datagram from @p origin is for. -ENOENT: no such circuit, or no users; -ENOTUNIQ: it
 * may be for one or another, or is for one who left (counted). */
int peel_flows_in(struct peel_flows *f, uint64_t circuit, const struct peel_socks_target *origin);
/** Circuits that the user owns. */
unsigned int peel_flows_owned(const struct peel_flows *f, unsigned int user);
