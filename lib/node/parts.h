/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include "node.h"

/** The parts of a node. Each depends on those above it. */
#define NODE_PARTS(PART)                                                                           \
	PART(identity)                                                                             \
	PART(tables)                                                                               \
	PART(port)                                                                                 \
	PART(own_addresses)                                                                        \
	PART(bans)                                                                                 \
	PART(workers)                                                                              \
	PART(limits)                                                                               \
	PART(handshakes)                                                                           \
	PART(control)                                                                              \
	PART(providers)                                                                            \
	PART(hidden)                                                                               \
	PART(swarm)                                                                                \
	PART(names)                                                                                \
	PART(bootstrap)                                                                            \
	PART(http)                                                                                 \
	PART(accounting)                                                                           \
	PART(management)

/** Start: 0, or -errno, perhaps with advice in node->assembly.why. Stop: also cleans up after a
 * start that failed. */
#define NODE_PART(name)                                                                            \
	int node_start_##name(struct peel_node *node);                                             \
	void node_stop_##name(struct peel_node *node);
NODE_PARTS(NODE_PART)
#undef NODE_PART
