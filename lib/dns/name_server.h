/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* One resolver: a c-ares channel on the loop, and whether to expect answers from it. Thread:
 * control. */

#include <ares.h>
#include <uv.h>

#include "peel_base.h"

#define DNS_INTERFACE_MAX 16 /* IFNAMSIZ */

/** The address of a resolver. */
struct dns_place {
	struct peel_addr addr;
	char interface[DNS_INTERFACE_MAX]; /* interface of a link-local address, else empty */
};

struct dns_server;

/** As ares_callback, without the count of timeouts. Called exactly once, possibly before
 * dns_server_ask returns. */
typedef void (*dns_reply_fn)(void *arg, int status, const uint8_t *reply, int len);

/** Make a resolver. 0, -ENOMEM or -EINVAL. The caller holds one reference. */
int dns_server_new(uv_loop_t *loop, const struct dns_place *place, uint32_t timeout_ms,
	struct dns_server **out) PEEL_MUST_USE;
struct dns_server *dns_server_ref(struct dns_server *server);
/** Drop a reference; the last one frees the resolver. Do not call it from a reply callback. */
void dns_server_unref(struct dns_server *server);
/** End all questions with ARES_EDESTRUCTION. None can be asked afterwards. */
void dns_server_end(struct dns_server *server);
void dns_server_ask(
	struct dns_server *server, const char *name, int type, dns_reply_fn fn, void *arg);
const struct dns_place *dns_server_place(const struct dns_server *server);
uint32_t dns_server_timeout(const struct dns_server *server);
/** Whether it has answered since it was last given up. New resolvers are trusted. */
bool dns_server_trusted(const struct dns_server *server);
/** Give it up until it answers again, if nothing at all has come from it since @p since_ms
 * (uv_now). */
void dns_server_silent_since(struct dns_server *server, uint64_t since_ms);
