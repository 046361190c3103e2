/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Answers to requests for the status of a node, for metrics_server.c. Thread: the server's. */

#include <microhttpd.h>

#include "peel_node.h"

struct metrics_source {
	struct peel_node *node;
	double started; /* the process, in seconds since 1970 */
};

/** A file of the console page, which tells nothing about the node. @return false: there is none. */
bool metrics_page(struct MHD_Connection *c, const char *path, enum MHD_Result *out);
/** What stands at a path, or that there is nothing. */
enum MHD_Result metrics_answer(
	const struct metrics_source *s, struct MHD_Connection *c, const char *path);
