/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* HTTP requests that an exit does for circuits. Source: protocol sections 22.2, 27 (W19). Thread:
 * control. */

#include <uv.h>

#include "peel_exits.h"
#include "peel_names.h"
#include "peel_own_addresses.h"
#include "peel_route.h"
#include "peel_stats.h"

struct peel_http_serve;

struct peel_http_serve_conf {
	uv_loop_t *loop;
	const struct peel_env *env;
	struct peel_stats *stats; /* of the control thread */
	const struct peel_route_table *routes;
	struct peel_exits exits; /* whose circuits ask */
	struct peel_names *names;
	const struct peel_own_addresses *own_addresses; /* source of the policy */
	struct peel_addr exit_ipv4, exit_ipv6;		/* source addresses; family NONE: any */
	uint32_t max;					/* concurrent requests */
	/** A request failed for lack of file descriptors. */
	void (*no_socket)(void *arg, int error);
	/** An answer was sent on its own, not from within another call of the control thread. */
	void (*answered)(void *arg);
	void *arg;
};

int peel_http_serve_new(
	const struct peel_http_serve_conf *conf, struct peel_http_serve **out) PEEL_MUST_USE;
/** Free it before the names are freed. Look-ups under way and closing sockets still refer to it;
 * the last of them frees the memory. NULL is fine. */
void peel_http_serve_free(struct peel_http_serve *http);
/** Change how many requests may run at a time; those that run go on. */
void peel_http_serve_max(struct peel_http_serve *http, uint32_t max);
/** Change the source addresses; family NONE: no requests over that family. */
void peel_http_serve_source(struct peel_http_serve *http, const struct peel_addr *exit_ipv4,
	const struct peel_addr *exit_ipv6);
/** Take an http-request (id and body) that a worker opened at an exit. */
void peel_http_serve_request(struct peel_http_serve *http, uint32_t session, uint32_t generation,
	const uint8_t *msg, size_t len);
/** End requests that took too long. @return milliseconds until the next call is due. */
uint64_t peel_http_serve_tick(struct peel_http_serve *http);
