/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * For the programs of this repository, which read their own configuration and link the library
 * statically: a node of the public interface from a whole struct peel_node_conf. Not installed.
 */

#include "peel.h"
#include "peel_node.h"

/** Like peel_open. EAL is used as the program started it, or else started as for default settings.
 * `engine` NULL: the best one. */
PEEL_MUST_USE int peel_open_conf(
	const struct peel_node_conf *conf, bool isolate_destinations, struct peel **out);

/** The node behind the handle. Its events belong to the library. Thread: see peel_node.h. */
struct peel_node *peel_get_node(struct peel *p);
/** An address in the public form; PEEL_ADDRESS_NONE, and port 0, for none. */
void peel_address_from_addr(const struct peel_addr *a, struct peel_address *out);
/** What the end of a circuit announced, bits of enum peel_flag; 0: not known. -ENOENT: there is no
 * such circuit. */
PEEL_MUST_USE int peel_exit_flags(struct peel *p, peel_circuit circuit, uint16_t *out);
/** Begin one more circuit for data, beside the pools. *circuit holds the one that was begun last,
 * or 0; while that is being built, the result is -EALREADY. */
PEEL_MUST_USE int peel_begin_circuit(struct peel *p, unsigned int hops, peel_circuit *circuit);
/** Like peel_http_circuit, but never one of @p avoid, whose exits do not answer. With isolation,
 * the circuit of that length is closed when it is among them, and another one is begun. */
peel_circuit peel_http_circuit_but(
	struct peel *p, unsigned int hops, const peel_circuit *avoid, size_t n_avoid);
/** With isolation: whether the circuit is for HTTP requests, so that data avoids it. */
bool peel_is_reserved(struct peel *p, peel_circuit circuit);
