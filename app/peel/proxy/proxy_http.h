/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * HTTP requests of a SOCKS listener. They wait for their turn, because an exit makes five at a time
 * for a circuit. If an exit does not answer, another one is asked. Thread: the loop's.
 */

#include "peel_socks.h"
#include "session.h"

/* For an answer: an exit gets 5.5 s, three of them are asked, and other requests may be before
 * it. */
#define PROXY_HTTP_MS 18000

struct proxy_http;

/** NULL: no memory. */
struct proxy_http *proxy_http_new(struct session *session, unsigned int hops);
void proxy_http_free(struct proxy_http *h);
/** Where answers go; NULL: nowhere any more. */
void proxy_http_answer_to(struct proxy_http *h, struct peel_socks *socks);

enum peel_socks_ready proxy_http_ready(struct proxy_http *h);
/** See peel_socks_backend.http. */
int proxy_http_ask(struct proxy_http *h, uint64_t id, const struct peel_address *to,
	const uint8_t *request, size_t len);
/** Nobody waits for this request any more: it is not sent, or not sent again. */
void proxy_http_gone(struct proxy_http *h, uint64_t id);
/** Circuits came or went, or time went by. */
void proxy_http_try(struct proxy_http *h);
