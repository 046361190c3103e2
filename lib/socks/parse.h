/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Encoding of SOCKS5, and where an HTTP request ends. Pure functions. Parsers return how many bytes
 * they took, 0 if they need more, or -errno.
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

#define SOCKS_REPLY_MAX 22   /* with an IPv6 address */
#define SOCKS_HEADER_MAX 262 /* of a datagram to the longest name */
#define SOCKS_INPUT_MAX 513  /* the longest message of a client: user name and password */

/** Parse the greeting: which methods the client offers. -EPROTO: not version 5. */
ssize_t socks_parse_greeting(const uint8_t *p, size_t len, bool *none, bool *password);

struct socks_login {
	uint8_t user[PEEL_SOCKS_SECRET_MAX + 1],
		password[PEEL_SOCKS_SECRET_MAX + 1]; /* padded with zeros */
};
/** Parse user name and password. -EPROTO: another version. */
ssize_t socks_parse_login(const uint8_t *p, size_t len, struct socks_login *out);

/** Parse a request. -EPROTO: another version; -EAFNOSUPPORT: unknown address type; -EBADMSG:
 * invalid name. */
ssize_t socks_parse_request(
	const uint8_t *p, size_t len, uint8_t *command, struct peel_socks_target *out);

/** Parse the header of a datagram. @return its length, or -EBADMSG (fragments, too). Never 0. */
ssize_t socks_parse_datagram(const uint8_t *p, size_t len, struct peel_socks_target *to);

/** Build a reply. @return its length. */
size_t socks_build_reply(
	uint8_t out[SOCKS_REPLY_MAX], enum socks_reply reply, const struct peel_addr *bound);
size_t socks_build_datagram(uint8_t out[SOCKS_HEADER_MAX], const struct peel_socks_target *origin);

/**
 * The length of the HTTP request that begins here, header and body. 0: its end is not in sight yet;
 * -EBADMSG: not a request, or more than one; -EMSGSIZE: longer than PEEL_SOCKS_REQUEST_MAX.
 */
ssize_t socks_http_length(const uint8_t *p, size_t len);
