/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What a node tells at the paths of py-ipv8's REST interface, under py-ipv8's names (ipv8/REST). An
 * answer comes in pieces: each holds the node's lock for a moment, and a list of any length is
 * never in memory as a whole. No I/O. Thread: any, one at a time for each answer.
 */

#include "peel_node.h"

struct peel_rest;

/** Begin the answer for a path, such as "/tunnel/relays". @p now: seconds since 1970.
 * 0, -ENOENT: there is no such path, -ENOMEM. */
int peel_rest_open(
	struct peel_node *node, const char *path, double now, struct peel_rest **out) PEEL_MUST_USE;
/** The next piece of JSON text, which the caller frees with free(). @return 1; 0: that was all;
 * -ENOMEM. */
int peel_rest_next(struct peel_rest *r, char **out) PEEL_MUST_USE;
/** NULL is fine. */
void peel_rest_close(struct peel_rest *r);
