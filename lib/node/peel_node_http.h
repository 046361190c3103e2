/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* HTTP requests over own circuits, done by their exits: for BitTorrent trackers. Source: protocol
 * section 22.2. */

#include "peel_node.h"

/**
 * Ask the exit of a READY circuit, which must have PEEL_FLAG_EXIT_HTTP, to do one HTTP request.
 * Request and target are copied; a GET asks for an answer that is not compressed, whatever it says,
 * as exits only pass on what they can read. @p done is called once, from the thread that drives the
 * node and without its lock: with result 0 and the raw answer, header and body (borrowed during the
 * call); or with -ETIMEDOUT after 5 s, or -ENOENT when the circuit ended. 0; -EAGAIN: five are
 * under way on this circuit, or more is queued than can be sent; -EMSGSIZE: more than one cell
 * carries; -EINVAL: empty, or no such target; -ENOENT, -ENOTCONN: circuit gone, not READY; -ENOMEM.
 * Then done is not called.   Thread: any.
 */
int peel_node_http_request(struct peel_node *node, peel_origin_id circuit,
	const struct peel_host *target, const void *request, size_t len,
	void (*done)(void *arg, int result, const void *answer, size_t len), void *arg);
