/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * HTTP for circuits, both ends: requests that this node does as an exit (http_serve.c) and those it
 * sends over own circuits (http_ask.c). Thread: control, holding the lock, unless it says
 * otherwise.
 */

#include "node.h"

struct http_serve; /* a request this node does for a circuit */
struct http_ask;   /* a request this node waits for */

struct node_http {
	struct peel_node *node;
	struct http_serve *serves;
	uint32_t n_serves;  /* in the list */
	uint32_t n_running; /* of them, those not ended */
	struct http_ask *asks;
	bool closing; /* freed with the last of serves */
};

int node_http_new(struct peel_node *node, struct node_http **out) PEEL_MUST_USE;
/** Before the names: look-ups under way and sockets being closed hold on to it, and let go of it
 * when these end. Tells everybody who waits that the circuit ended.   Not holding the lock. NULL is
 * fine. */
void node_http_free(struct node_http *http);
/** End what took too long. @return milliseconds until it wants to be called again. */
uint64_t node_http_tick(struct node_http *http);

/* http_serve.c */
/** An http-request (id and body) that came to an exit's end of a session. */
void node_http_request(struct node_http *http, uint32_t session, uint32_t generation,
	const uint8_t *msg, size_t len);
uint64_t node_http_serve_tick(struct node_http *http);
void node_http_serve_end(struct node_http *http);

/* http_ask.c: these call the program, so not holding the lock. */
/** An http-response from the end of an own circuit. -ENOENT: nobody here waits for it. */
int node_http_response(
	struct peel_node *node, peel_origin_id circuit, const uint8_t *msg, size_t len);
/** A circuit ended. */
void node_http_ended(struct peel_node *node, peel_origin_id circuit);
/** Tell those whose time is up. */
void node_http_deliver(struct peel_node *node);
/** Holding the lock. */
uint64_t node_http_ask_next(const struct node_http *http);
