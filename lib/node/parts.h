/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include "node.h"

/** The parts of a node, and who has them: EVERY node, one with a control plane of its OWN, or one
 * of a GUEST. Each depends on those above it. */
#define NODE_PARTS(PART)                                                                           \
	PART(crypto, EVERY)                                                                        \
	PART(identity, OWN)                                                                        \
	PART(tables, EVERY)                                                                        \
	PART(port, EVERY)                                                                          \
	PART(own_addresses, EVERY)                                                                 \
	PART(bans, EVERY)                                                                          \
	PART(guest, GUEST)                                                                         \
	PART(workers, EVERY)                                                                       \
	PART(limits, OWN)                                                                          \
	PART(exit_limits, OWN)                                                                     \
	PART(handshakes, OWN)                                                                      \
	PART(control, OWN)                                                                         \
	PART(providers, OWN)                                                                       \
	PART(hidden, OWN)                                                                          \
	PART(swarm, OWN)                                                                           \
	PART(names, EVERY)                                                                         \
	PART(bootstrap, OWN)                                                                       \
	PART(http, EVERY)                                                                          \
	PART(accounting, OWN)                                                                      \
	PART(management, OWN)

/** Start: 0, or -errno, perhaps with advice in node->assembly.why. Stop: also cleans up after a
 * start that failed. */
#define NODE_PART(name, who)                                                                       \
	int node_start_##name(struct peel_node *node);                                             \
	void node_stop_##name(struct peel_node *node);
NODE_PARTS(NODE_PART)
#undef NODE_PART
