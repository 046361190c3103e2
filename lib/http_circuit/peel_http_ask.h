/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* HTTP requests over origin circuits, done by their exits: for BitTorrent trackers. Source:
 * protocol section 22.2. */

#include "peel_origin_circuit.h"

struct peel_http_ask;

struct peel_http_ask_conf {
	const struct peel_env *env;
	/** Queue a message (id and body) for the end of an origin circuit. 0, or -errno, with which
	 * the request then ends. Thread: any. */
	int (*send)(void *arg, peel_origin_id circuit, const void *msg, size_t len);
	/** The time of peel_http_ask_next() has changed. Thread: any. */
	void (*changed)(void *arg);
	void *arg;
};

int peel_http_ask_new(
	const struct peel_http_ask_conf *conf, struct peel_http_ask **out) PEEL_MUST_USE;
/** Free it. Pending requests are told that their circuit ended. NULL is fine. */
void peel_http_ask_free(struct peel_http_ask *http);

/**
 * Ask the exit of a READY circuit, which must have PEEL_FLAG_EXIT_HTTP, to do one HTTP request.
 * Request and target are copied. A GET is changed to ask for an uncompressed answer, as exits only
 * pass on what they can read. @p done is called once, in the control thread and without a lock:
 * with result 0 and the raw answer, header and body (borrowed during the call); or with -ETIMEDOUT
 * after 5 s, or -ENOENT when the circuit ended. 0; -EAGAIN: five are under way on this circuit, or
 * more is queued than can be sent; -EMSGSIZE: does not fit into one cell; -EINVAL: empty, or no
 * valid target; -ENOENT, -ENOTCONN: circuit gone, not READY; -ENOMEM. On error, done is not called.
 * Thread: any.
 */
int peel_http_ask_request(struct peel_http_ask *http, peel_origin_id circuit,
	const struct peel_host *target, const void *request, size_t len,
	void (*done)(void *arg, int result, const void *answer, size_t len), void *arg);

/** Milliseconds until the next request times out. */
uint64_t peel_http_ask_next(struct peel_http_ask *http);

/* These functions call the program. Thread: control, without a lock. */
/** Take an http-response (id and body) from the end of an origin circuit. -ENOENT: no request waits
 * for it. */
int peel_http_ask_response(
	struct peel_http_ask *http, peel_origin_id circuit, const uint8_t *msg, size_t len);
/** A circuit ended. */
void peel_http_ask_ended(struct peel_http_ask *http, peel_origin_id circuit);
/** End the requests that have timed out. */
void peel_http_ask_deliver(struct peel_http_ask *http);
