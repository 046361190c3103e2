/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * An HTTP server of libmicrohttpd, in a thread of its own: only GET and HEAD without a body, few
 * connections, and headers that give a browser no more rights than a page needs.
 */

#include <microhttpd.h>

#include "peel_base.h"

struct web_conf {
	const char *setting; /* that names the address, for errors: "[metrics] listen" */
	struct peel_addr listen;
	/** Answer a request, with web_queue() or web_refuse(). Thread: the server's. */
	enum MHD_Result (*answer)(void *arg, struct MHD_Connection *c, const char *path);
	void *arg;
};

struct web_server;

/** Listen, and answer from now on. Call it before privileges are given up. 0, or -errno with what
 * to do in @p why. Thread: control. */
int web_server_start(const struct web_conf *conf, struct web_server **out, char *why,
	size_t why_size) PEEL_MUST_USE;
/** End all connections. NULL is fine. Thread: control. */
void web_server_stop(struct web_server *s);

/** Send a response, which is taken. @p policy: Content-Security-Policy, which may let in less than
 * it says: nothing from elsewhere, no frames, no forms. Thread: the server's. */
enum MHD_Result web_queue(struct MHD_Connection *c, unsigned int status, const char *type,
	const char *policy, struct MHD_Response *r);
/** The same with a text, which is taken; NULL: out of memory. */
enum MHD_Result web_text(struct MHD_Connection *c, unsigned int status, const char *type,
	const char *policy, char *text);
/** An answer that says why there is no other. */
enum MHD_Result web_refuse(struct MHD_Connection *c, unsigned int status, const char *why);
