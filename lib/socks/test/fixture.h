/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A SOCKS server on loopback with a backend that notes what it is told, and its clients: real
 * sockets. The loop turns while they wait.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <uv.h>

#include "peel_socks.h"

struct server {
	uv_loop_t loop;
	struct peel_socks *socks;
	struct peel_stats stats;
	struct peel_addr local;
	enum peel_socks_ready ready;
	struct peel_socks_assoc *assoc; /* the last one opened */
	unsigned int opened, closed, datagrams, requests;
	struct peel_socks_target to;
	uint8_t payload[2048];
	size_t len;
	char request[PEEL_SOCKS_REQUEST_MAX + 1];
	uint64_t id, gone;
	int http_result;
	bool full; /* no more associations */
	bool done;
};

#define PATIENCE_MS 5000 /* a busy machine has */

/** The server under test. */
extern struct server t;

/** Notes into t, says t.ready and answers t.http_result. */
extern const struct peel_socks_backend backend;

void start(struct peel_socks_conf *conf);
/** On loopback, anything else as it is by default. */
void start_default(void);
/** Everything was told to the backend, and nothing is left in the loop. */
void finish(void);

void turn(void);
/** Turn for a while in which nothing shall happen. */
void idle(int ms);
void wait_for(const unsigned int *counter, unsigned int value);

/** Of loopback. */
struct sockaddr_in sockaddr_of(uint16_t port);
int dial(void);
void tell(int fd, const void *bytes, size_t len);
#define TELL(fd, s) tell(fd, s, sizeof(s) - 1)
/** Wait for exactly these bytes; len 0: for the end. */
void hear(int fd, const void *bytes, size_t len);
#define HEAR(fd, s) hear(fd, s, sizeof(s) - 1)
#define HEAR_END(fd) hear(fd, NULL, 0)

/** UDP ASSOCIATE; returns the port of the relay socket. */
uint16_t associate(int fd, const char *request, size_t len);
#define ASSOCIATE(fd) associate(fd, "\5\3\0\1\0\0\0\0\0\0", 10)

/** A program's socket. @p port: its own, may be NULL. */
int udp_socket(uint16_t *port);
void throw(int fd, uint16_t port, const void *bytes, size_t len);
#define THROW(fd, port, s) throw(fd, port, s, sizeof(s) - 1)

/* To 192.0.2.7:7000. */
#define HELLO "\0\0\0\1\xc0\0\2\7\x1b\x58hello"
#define GET "GET /announce HTTP/1.1\r\nHost: t.example\r\n\r\n"
#define CONNECT                                                                                    \
	"\5\1\0\3\x9"                                                                              \
	"t.example\0\x50"
