/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * How people name a hidden service: NAME, id:HEX or torrent:HEX, with /HOPS behind it. One form for
 * the configuration file, the command line and the management socket. Thread: any.
 */

#include "peel_base.h"

#define SERVICE_HOPS_DEFAULT 3
#define SERVICE_TEXT_MAX 64 /* with the terminating zero; fits into a line of the socket */
#define SERVICES_MAX 64
#define SERVICE_HOPS_MAX 7 /* one hop more leads to the meeting point */
/* of the addresses that peers have on this node: see peel_join_service() */
#define SERVICE_PEER_PORT 1024

enum service_kind {
	SERVICE_NAME,	 /* its identifier is a hash of the name */
	SERVICE_ID,	 /* `hash` is its identifier */
	SERVICE_TORRENT, /* `hash` is the info hash of a torrent that Tribler's users share */
};

struct service_name {
	enum service_kind kind;
	char text[SERVICE_TEXT_MAX]; /* as written, without the hops */
	uint8_t hash[20];
	unsigned int hops;
};

struct service_list {
	struct service_name item[SERVICES_MAX];
	size_t n;
};

/** Whether an IPv4 address is in the network of peers, 127.192.0.0/10. */
static inline bool
service_is_peer(const uint8_t ip[4])
{
	return ip[0] == 127 && ip[1] >= 192;
}

/** 40 hexadecimal digits. 0 or -EINVAL. */
int service_parse_hash(const char *text, uint8_t hash[20]) PEEL_MUST_USE;
/** Parse `NAME`, `id:HEX` or `torrent:HEX`, each perhaps with `/HOPS`. 0, or -EINVAL and why
 * not. */
int service_parse(
	const char *text, struct service_name *out, char *why, size_t why_size) PEEL_MUST_USE;
/** Find a service of that text; SERVICES_MAX: none. */
size_t service_find(const struct service_list *list, const char *text);
