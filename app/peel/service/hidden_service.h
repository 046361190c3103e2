/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What `peel service publish` and `peel service connect` share: a node that joins one hidden
 * service, what is told about it, and UDP sockets on this machine. In the loop's thread, all of it.
 */

#include "tool.h"

#define SERVICE_PEERS_MAX 256 /* that are heard at a time */

struct hidden_service;

/** What the two commands do differently. */
struct service_role {
	bool seed;
	/** The node is open: open sockets. 0, or -errno and why not. */
	int (*open)(struct hidden_service *s, char *why, size_t why_size);
	/** A peer can be talked to, or no more. */
	void (*peer)(struct hidden_service *s, uint32_t peer, bool connected);
	/** A datagram of a peer. */
	void (*data)(struct hidden_service *s, uint32_t peer, const void *payload, size_t len);
	/** Called every second. */
	void (*tick)(struct hidden_service *s);
	/** Free what open() made, or tried to make. The loop has let go of all handles. */
	void (*close)(struct hidden_service *s);
};

/** Datagrams and their bytes. */
struct service_count {
	uint64_t datagrams, bytes;
};

struct hidden_service {
	struct tool tool; /* options, session */
	/* what the command line says */
	uint8_t id[PEEL_SERVICE_ID_LEN];
	const char *key_file;
	struct peel_addr local; /* --to, --listen */
	unsigned int idle;	/* seconds */
	bool quiet;
	const struct service_role *role;
	void *state; /* the role's */

	uv_timer_t timer;
	uint8_t *rx;		       /* receive buffer of all sockets, one burst at a time */
	struct service_count up, down; /* to peers, from peers */
	uint64_t too_long, dropped;    /* datagrams, either way */
	bool told_too_long;
	/* what the last line of status said, and when */
	struct peel_service_info told;
	uint64_t told_bytes, told_ms;
	uint64_t alone_ms; /* since when nobody can be talked to; 0: somebody can */
	bool told_alone;
};

/** Join the service and run until a signal. The exit code. */
int service_run(struct hidden_service *s);
/** A line on standard output, unless it shall be quiet. */
void service_say(struct hidden_service *s, const char *format, ...) PEEL_PRINTF(2, 3);

/** "127.192.0.1" */
#define SERVICE_PEER_TEXT_MAX 16
const char *service_peer_text(uint32_t peer, char out[SERVICE_PEER_TEXT_MAX]);

/** Send a local program's datagram to a peer. 0; -ENOENT: the peer is gone. Everything else is
 * counted. */
int service_send(struct hidden_service *s, uint32_t peer, const void *payload, size_t len);
/** A peer's datagram was handed to a local program, or could not be (@p error < 0). */
void service_delivered(struct hidden_service *s, size_t len, int error);

/** Open a UDP socket, bound to @p bound or connected to @p to (the other one is NULL), and receive
 * on it. 0 or -errno: then it still has to be closed. */
int service_udp_open(struct hidden_service *s, uv_udp_t *udp, const struct peel_addr *bound,
	const struct peel_addr *to, uv_udp_recv_cb on_datagram) PEEL_MUST_USE;
/** The address that a socket has on this machine. */
void service_udp_local(uv_udp_t *udp, struct peel_addr *out);
/** Longer datagrams do not fit into a cell: counted, and told once. */
void service_too_long(struct hidden_service *s, size_t len);

extern const struct service_role service_publish, service_connect;
