/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The ways into circuits. */

#include "lanes.h"

/** A way into circuits. Functions give 0 or -errno. Thread: main. */
struct sender {
	/** Make lanes until there are @p n; replace those that ended. Text of what is wrong goes to
	 * stderr. */
	int (*open)(struct load *load, unsigned int n);
	/** Meet anew: one end offers itself, the other one looks for it @p ms milliseconds later.
	 * Gives the time from there to the first byte. NULL: there is nobody to meet. */
	int (*first)(struct load *load, unsigned int ms, uint64_t *ns);
	/** Send @p n datagrams of load->payload bytes from load->datagram. @return how many
	 * went. */
	int (*send)(struct load *load, unsigned int lane, unsigned int n);
	void (*close)(struct load *load);
};

/* Each takes its part of the command line. 0 or -errno; what is wrong is said on standard error. */

/** Through libpeel: HOPS CIRCUITS BOOTSTRAP... */
int sender_peel_new(struct load *load, char **argv);
/** Through a SOCKS5 server: PORT of 127.0.0.1. */
int sender_socks_new(struct load *load, char **argv);
/** Through a SOCKS5 server to one peer of a hidden service: PORT of 127.0.0.1, the PEER's address
 * and PORT, as the server calls it. One lane. */
int sender_socks_peer_new(struct load *load, char **argv);
/** From one node of libpeel to another one, both in this process, over an end-to-end circuit: HOPS
 * BOOTSTRAP... One lane. */
int sender_service_new(struct load *load, char **argv);
