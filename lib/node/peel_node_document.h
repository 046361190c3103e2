/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include <jansson.h>

#include "peel_hidden.h"
#include "peel_node.h"

/** The status as an object of the caller's own, with the fields that app/peel/README.md lists. NULL
 * when out of memory. Thread: control, or any that holds the lock. */
json_t *peel_node_document(struct peel_node *node);

/** The parts of a node that know what is in it, to look at. They live as long as the node. Thread:
 * control, or any that holds the lock. */
struct peel_node_view {
	const struct peel_node_conf *conf;
	const uint8_t *pk;			/* PEEL_PK_LEN bytes */
	struct peel_addr local, public_address; /* family NONE: not known */
	const struct peel_overlay *overlay;
	const struct peel_or_circuits *or_circuits;
	const struct peel_hidden *hidden;
	const struct peel_origin_circuits *origin_circuits; /* NULL: none */
	const struct peel_swarms *swarms;		    /* NULL: none */
};
void peel_node_view(const struct peel_node *node, struct peel_node_view *out);
