/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The management socket: a client sends one line, gets one answer, and the connection closes.
 * Thread: control. */

#include <uv.h>

#include "peel_base.h"

#define PEEL_MANAGEMENT_PATH_MAX 108 /* including the terminating NUL, as in sockaddr_un */

struct peel_management;

struct peel_management_conf {
	uv_loop_t *loop;
	const char *path; /* borrowed during peel_management_new */
	/** The answer to a line, without a line feed; the server frees it. NULL: out of memory. @p
	 * pretty: the line ended with that word. */
	char *(*answer)(void *arg, const char *what, bool pretty);
	void *arg;
};

/** Make the socket. 0, or -errno with what to do in @p why. Replaces a socket that an earlier run
 * left behind. */
int peel_management_new(const struct peel_management_conf *conf, struct peel_management **out,
	char *why, size_t why_size) PEEL_MUST_USE;
/** Close its handles; the loop must run once more for their callbacks. NULL is fine. */
void peel_management_free(struct peel_management *m);
