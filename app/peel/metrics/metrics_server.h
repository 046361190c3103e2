/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * HTTP for metrics. The server's own thread (web_server.h) asks the node as every other
 * thread of a program does, with the node's lock: the control thread waits at most for a look at
 * the status. Writing text, and slow readers, cost it nothing.
 */

#include "conf.h"
#include "peel.h"

struct metrics_server;

/** Listen, and answer from now on. Call it before privileges are given up. 0, or -errno with what
 * to do in @p why. Thread: control. */
int metrics_server_start(const struct metrics_conf *conf, struct peel *peel,
	struct metrics_server **out, char *why, size_t why_size) PEEL_MUST_USE;
/** Ask for another key from the next request on; empty: for none. Thread: control. */
void metrics_server_key(struct metrics_server *s, const char *key);
/** End all connections. The node must still be there. NULL is fine. */
void metrics_server_stop(struct metrics_server *s);
