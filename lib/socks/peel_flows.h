/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Which circuit an association's data goes through, and which association an incoming datagram
 * belongs to. Circuits are numbers here; users (the associations) are slots. Thread: the loop's.
 *
 * Each circuit is owned by one user, who gets unsolicited datagrams (answers from other addresses,
 * incoming connections). Circuits are spread evenly; users beyond the number of circuits own none
 * and send through those of others. On a circuit, a host belongs to one user, so nobody gets
 * another user's answers. A host that answers stays with its circuit as long as the circuit lives.
 * A host that never answers moves to other circuits. A host that came in through a circuit is
 * answered through it.
 */

#include "peel_socks.h"

#define PEEL_FLOWS_USERS PEEL_SOCKS_ASSOCS_MAX
#define PEEL_FLOWS_CIRCUITS 64

struct peel_flows;

/** Make the flows. @p stats belongs to the loop's thread and must outlive them. With @p isolate,
 * hosts new to a user take circuits in turn, so that they share one only if there are too few. NULL
 * when out of memory. */
struct peel_flows *peel_flows_new(
	const struct peel_env *env, struct peel_stats *stats, bool isolate);
void peel_flows_free(struct peel_flows *f);

/** Add a user. @return its slot, 0..PEEL_FLOWS_USERS - 1, or -ENOSPC. */
int peel_flows_join(struct peel_flows *f) PEEL_MUST_USE;
void peel_flows_leave(struct peel_flows *f, unsigned int user);

/** Add or remove a usable circuit. Adding one twice does nothing. 0, -ENOSPC or -ENOMEM. */
int peel_flows_add(struct peel_flows *f, uint64_t id);
void peel_flows_del(struct peel_flows *f, uint64_t id);
/** Make the set of circuits exactly these. */
void peel_flows_set(struct peel_flows *f, const uint64_t *id, size_t n);

/** Choose the circuit for a user's datagram. 0; -EAGAIN: there is none; -EBUSY: on all of them the
 * host (or, with names, the port) belongs to another user until 30 s after its last datagram. */
int peel_flows_out(struct peel_flows *f, unsigned int user, const struct peel_socks_target *to,
	uint64_t *circuit) PEEL_MUST_USE;
/** The user that a datagram from @p origin is for. -ENOENT: no such circuit, or no users;
 * -ENOTUNIQ: ambiguous between users, or the user has left (counted). */
int peel_flows_in(struct peel_flows *f, uint64_t circuit, const struct peel_socks_target *origin);
/** List the circuits that the user owns, the first @p n of them. @return how many there are. */
size_t peel_flows_circuits(const struct peel_flows *f, unsigned int user, uint64_t *out, size_t n);
