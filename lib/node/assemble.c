/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Builds a node part by part, and takes it apart in reverse order.
 */
#include <stdio.h>

#include "parts.h"

enum who {
	EVERY,
	OWN,
	GUEST
};

static const struct {
	const char *name;
	enum who who;
	int (*start)(struct peel_node *node);
	void (*stop)(struct peel_node *node);
} parts[] = {
#define ROW(name, who) {#name, who, node_start_##name, node_stop_##name},
	NODE_PARTS(ROW)
#undef ROW
};

static bool
has(const struct peel_node *node, unsigned int part)
{
	return parts[part].who == EVERY ||
	       (parts[part].who == GUEST) == (node->conf.guest.max_circuits > 0);
}

int
node_assemble(struct peel_node *node, char *why, size_t why_size)
{
	int rc = 0;

	node->assembly.why = why;
	node->assembly.why_size = why_size;
	while (rc == 0 && node->assembly.n_parts < PEEL_ARRAY_LEN(parts)) {
		unsigned int part = node->assembly.n_parts++;

		if (has(node, part))
			rc = parts[part].start(node);
	}
	if (rc != 0 && why[0] == '\0')
		snprintf(why, why_size, "%s: %s", parts[node->assembly.n_parts - 1].name,
			strerror(-rc));
	return rc;
}

void
node_disassemble(struct peel_node *node)
{
	while (node->assembly.n_parts > 0) {
		unsigned int part = --node->assembly.n_parts;

		if (has(node, part))
			parts[part].stop(node);
	}
}
