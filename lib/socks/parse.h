/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The bytes of SOCKS5, and where an HTTP request ends. Pure functions. Those that read return how
 * many bytes they took, 0 when more are needed, or -errno.
 */

#include <sys/types.h>

#include "peel_socks.h"

enum socks_command {
	SOCKS_CONNECT = 1,
	SOCKS_BIND = 2,
	SOCKS_UDP_ASSOCIATE = 3,
};

enum socks_method {
	SOCKS_METHOD_NONE = 0,
	SOCKS_METHOD_PASSWORD = 2,
	SOCKS_METHOD_REFUSED = 0xff,
};

enum socks_reply {
	SOCKS_OK = 0,
	SOCKS_FAILED = 1,
	SOCKS_NETWORK_UNREACHABLE = 3,
	SOCKS_HOST_UNREACHABLE = 4,
	SOCKS_COMMAND_UNKNOWN = 7,
	SOCKS_ADDRESS_UNKNOWN = 8,
};

#define SOCKS_REPLY_MAX 22   /* IPv6 */
#define SOCKS_HEADER_MAX 262 /* of a datagram: the longest name */
#define SOCKS_INPUT_MAX 513  /* the longest message of a client: user name and password */

/** Greeting: which methods it offers. -EPROTO: another version. */
ssize_t socks_parse_greeting(const uint8_t *p, size_t len, bool *none, bool *password);

struct socks_login {
	uint8_t user[PEEL_SOCKS_SECRET_MAX + 1],
		password[PEEL_SOCKS_SECRET_MAX + 1]; /* padded with zeros */
};
/** User name and password. -EPROTO: another version. */
ssize_t socks_parse_login(const uint8_t *p, size_t len, struct socks_login *out);

/** Request. -EPROTO: another version; -EAFNOSUPPORT: address type; -EBADMSG: a name that is
 * none. */
ssize_t socks_parse_request(
	const uint8_t *p, size_t len, uint8_t *command, struct peel_socks_target *out);

/** Header of a datagram; @return its length, or -EBADMSG (fragments, too). Never 0. */
ssize_t socks_parse_datagram(const uint8_t *p, size_t len, struct peel_socks_target *to);

/** @return its length. */
size_t socks_build_reply(
	uint8_t out[SOCKS_REPLY_MAX], enum socks_reply reply, const struct peel_addr *bound);
size_t socks_build_datagram(uint8_t out[SOCKS_HEADER_MAX], const struct peel_socks_target *origin);

/**
 * How long is the HTTP request that begins here, header and body? 0: its end is not in sight yet.
 * -EBADMSG: it is none, or more than one; -EMSGSIZE: longer than PEEL_SOCKS_REQUEST_MAX.
 */
ssize_t socks_http_length(const uint8_t *p, size_t len);
