/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Long lists for the management socket, made in parts: circuits and peers. Thread: control. */

#include "node.h"

/** Begin the answer to a request for one of the lists. 0, -ENOMEM, or -ENOENT: it is for another
 * thing. The node outlives the answer. */
int node_list_answer(struct peel_node *node, const char *what, bool pretty,
	struct peel_management_answer *out) PEEL_MUST_USE;
