/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* A SOCKS5 client's part of UDP ASSOCIATE (RFC 1928). */

#include <stdint.h>

struct association {
	int tcp, udp; /* the association lasts as long as tcp is open; udp is connected to the
			 server */
};

/** With the server at 127.0.0.1:port. 0 or -errno. */
int association_open(struct association *a, uint16_t port);
void association_close(const struct association *a);
