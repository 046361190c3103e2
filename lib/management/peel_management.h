/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The management socket: a client sends one line, gets one answer, and the connection closes. A
 * long answer is made in parts, one after the other as the client reads. Thread: control. */

#include <uv.h>

#include "peel_base.h"

#define PEEL_MANAGEMENT_PATH_MAX 108 /* including the terminating NUL, as in sockaddr_un */

struct peel_management;

struct peel_management_answer {
	char *text; /* all of it, or its beginning; from malloc, the server frees it */
	/** Its next part: 1, with a text as above, not empty, in @p text; 0: that was all; or
	 * -errno: the connection closes. NULL: there is only one part. */
	int (*next)(void *state, char **text);
	/** Called once with `next`, after the last part or when the client has gone. */
	void (*end)(void *state);
	void *state;
};

struct peel_management_conf {
	uv_loop_t *loop;
	const char *path; /* borrowed during peel_management_new */
	/** Answer a line. The text has no line feed at its end: the server adds one when all of it
	 * is sent. @p out is zeroed. 0, or -errno: the connection closes. @p pretty: the line ended
	 * with that word. */
	int (*answer)(void *arg, const char *what, bool pretty, struct peel_management_answer *out);
	void *arg;
};

/** Make the socket. 0, or -errno with what to do in @p why. Replaces a socket that an earlier run
 * left behind. */
int peel_management_new(const struct peel_management_conf *conf, struct peel_management **out,
	char *why, size_t why_size) PEEL_MUST_USE;
/** Close its handles; the loop must run once more for their callbacks. NULL is fine. */
void peel_management_free(struct peel_management *m);
