/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The other end of a port in bench_io: a thread on another CPU that sends datagrams and swallows
 * what comes back. Either over sockets of the kernel (with and without UDP_SEGMENT), or over a
 * memif device, frame by frame.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "peel_base.h"

struct rte_mempool;

struct io_peer {
	/* what to do, set before io_peer_start */
	uint16_t size;	      /* of a datagram */
	uint16_t per_message; /* datagrams in a message: more than 1 is UDP_SEGMENT */
	/* sockets: to the port, and from it */
	int out, in;
	/* memif: the device, -1 for sockets; frames are made in the pool */
	int device;
	struct rte_mempool *pool;
	struct peel_addr local, port; /* addresses of both ends */

	pthread_t thread;
	bool stop;
	uint64_t swallowed;
};

/** Sockets bound to @p local (port 0), the first connected to @p port; @p sink is the address of
 * the second. 0 or -errno. */
int io_peer_sockets(struct io_peer *p, const struct peel_addr *local, const struct peel_addr *port,
	struct peel_addr *sink);
/** A memif device of that id and socket, this end a client. 0 or -errno. */
int io_peer_memif(struct io_peer *p, const char *socket, struct rte_mempool *pool);
int io_peer_start(struct io_peer *p);
void io_peer_stop(struct io_peer *p);
void io_peer_close(struct io_peer *p);
