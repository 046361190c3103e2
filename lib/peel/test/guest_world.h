/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Nodes of guests with real circuits among them: the test is the control plane of all, and knows
 * all keys. Outside there are a UDP server that echoes and a tracker.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>

#include "peel_guest.h"

#define PATIENCE_MS 10000 /* a busy machine has */
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nde"
#define GET "GET /announce HTTP/1.1\r\nHost: t.example\r\n\r\n"
/* What exits take for BitTorrent's. */
#define QUERY "d1:y1:qe"

enum {
	ORIGIN,
	RELAY,
	EXIT,
	OTHER,
	N_NODES
};

static const uint8_t prefix[PEEL_PREFIX_BYTES] = {0, 2, 'p', 'e', 'e', 'l'};

struct guest_world {
	struct peel_guest *node[N_NODES]; /* NULL: closed */
	struct peel_address address[N_NODES];
	uint32_t last_cid;
	int udp; /* that echoes */
	int tcp; /* that answers GET, once for each connection */
	uint16_t udp_port, tcp_port;
	pthread_t thread;
	bool stop;
	/* opened cells and other datagrams that guests have got (atomic), and the last one */
	unsigned int datagrams[N_NODES];
	uint8_t last[N_NODES][2048];
};

extern struct guest_world w;

/* For cmocka. */
int guest_world_start(void **state);
int guest_world_stop(void **state);

struct sockaddr_in loopback(uint16_t port);
/* On loopback; @p port: its own. */
int bound_socket(int type, uint16_t *port);
uint64_t now_ms(void);

struct peel_guest_keys fresh_keys(void);
/* Have a node relay between two others. */
void guest_relay(size_t node, uint32_t in, size_t previous, uint32_t out, size_t next,
	const struct peel_guest_keys *keys);
/* From the originator to the exit, directly or through the relay. @return its id at the originator.
 */
uint32_t guest_circuit(unsigned int hops, uint16_t exit_flags);
