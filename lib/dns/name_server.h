/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* One resolver: a c-ares channel on the loop, and whether it can be trusted to answer. Thread:
 * control. */

#include <ares.h>
#include <uv.h>

#include "peel_base.h"

#define DNS_INTERFACE_MAX 16 /* IFNAMSIZ */

/** Where a resolver is. */
struct dns_place {
	struct peel_addr addr;
	char interface[DNS_INTERFACE_MAX]; /* of a link-local address, else empty */
};

struct dns_server;

/** As ares_callback without the count of timeouts; called exactly once, possibly from inside
 * dns_server_ask. */
typedef void (*dns_reply_fn)(void *arg, int status, const uint8_t *reply, int len);

/** 0, -ENOMEM or -EINVAL. The caller has one reference. */
int dns_server_new(uv_loop_t *loop, const struct dns_place *place, uint32_t timeout_ms,
	struct dns_server **out) PEEL_MUST_USE;
struct dns_server *dns_server_ref(struct dns_server *server);
/** The last reference frees it. Not from inside a reply. */
void dns_server_unref(struct dns_server *server);
/** End all questions with ARES_EDESTRUCTION; none can be asked afterwards. */
void dns_server_end(struct dns_server *server);
void dns_server_ask(
	struct dns_server *server, const char *name, int type, dns_reply_fn fn, void *arg);
const struct dns_place *dns_server_place(const struct dns_server *server);
/** It has answered since it was last given up. New ones are trusted. */
bool dns_server_trusted(const struct dns_server *server);
/** Nothing has come from it since @p since_ms (uv_now), whatever it was asked: give it up until it
 * answers again. */
void dns_server_silent_since(struct dns_server *server, uint64_t since_ms);
