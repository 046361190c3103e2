/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A SOCKS5 server (RFC 1928, RFC 1929) for circuits: UDP ASSOCIATE carries any datagrams, CONNECT
 * carries exactly one HTTP request to a BitTorrent tracker (protocol section 22.4). The backend
 * decides what happens to them. Thread: the loop's.
 */

#include "peel_base.h"
#include "peel_stats.h"

struct uv_loop_s;
struct peel_socks;	 /* a listener and its clients */
struct peel_socks_assoc; /* a UDP association */

#define PEEL_SOCKS_ASSOCS_MAX 64	/* per listener */
#define PEEL_SOCKS_REQUEST_MAX 8192	/* bytes of an HTTP request, header and body */
#define PEEL_SOCKS_SECRET_MAX 255	/* bytes of a user name or a password */
#define PEEL_SOCKS_DATAGRAM_MAX (65507) /* largest datagram on the loopback device */

/** A destination: a name if `name` is not empty (then only the port of `addr` counts, and its
 * family is NONE), otherwise an address. */
struct peel_socks_target {
	struct peel_addr addr;
	char name[256];
};

/** Whether a circuit can take an HTTP request. */
enum peel_socks_ready {
	PEEL_SOCKS_READY,
	PEEL_SOCKS_NO_CIRCUIT, /* answered with "network unreachable" */
	PEEL_SOCKS_NO_EXIT,    /* there are circuits, but no exit does HTTP: "host unreachable" */
};

struct peel_socks_backend {
	void *arg;
	/** Asked repeatedly before CONNECT is granted, until it returns READY or `wait_ms` have
	 * passed. */
	enum peel_socks_ready (*ready)(void *arg);
	/** An association begins, whether there is a circuit or not, and later ends; @p a is valid
	 * in between. opened: 0, or -errno: there is no room for it, and it does not begin. */
	int (*opened)(void *arg, struct peel_socks_assoc *a);
	void (*closed)(void *arg, struct peel_socks_assoc *a);
	/** A datagram from the association's client, borrowed during the call. Delivery is best
	 * effort. */
	void (*datagram)(void *arg, struct peel_socks_assoc *a, const struct peel_socks_target *to,
		const uint8_t *payload, size_t len);
	/**
	 * A complete HTTP request, borrowed during the call. Answer with peel_socks_answer(id), now
	 * or later; a late answer is ignored. @return 0, or -errno: there will be no answer.
	 */
	int (*http)(void *arg, uint64_t id, const struct peel_socks_target *to,
		const uint8_t *request, size_t len);
	/** The client no longer waits for the answer to that request. */
	void (*gone)(void *arg, uint64_t id);
};

struct peel_socks_conf {
	struct peel_addr listen;     /* port 0: any */
	const char *user, *password; /* NULL or empty: no login; required beyond loopback */
	/* concurrent TCP connections, of which at most PEEL_SOCKS_ASSOCS_MAX may associate */
	uint32_t max_clients;
	uint32_t wait_ms; /* how long CONNECT waits for a circuit */
	/* limit for each phase of a client's input: greeting to request; HTTP request */
	uint32_t handshake_ms;
	uint32_t http_ms;	  /* for the answer to an HTTP request */
	uint32_t idle_ms;	  /* after this long without datagrams an association ends */
	struct peel_stats *stats; /* belongs to the loop's thread; must outlive the server */
	struct peel_socks_backend backend;
};
/** Set the defaults: 64 clients, 10 s to speak, 10 s to wait, 15 s for HTTP, one hour idle; no
 * address, counters or backend. */
void peel_socks_conf_init(struct peel_socks_conf *conf);

/** Make a server that listens. 0; -EPERM: neither loopback nor a password; -EINVAL; or an error of
 * the socket such as -EADDRINUSE. @p why says what is wrong. */
int peel_socks_new(struct uv_loop_s *loop, const struct peel_socks_conf *conf,
	struct peel_socks **out, char *why, size_t why_size) PEEL_MUST_USE;
/** Stop listening and drop all clients (backend.closed is called). @p done is called once
 * everything is freed. NULL is fine. */
void peel_socks_close(struct peel_socks *s, void (*done)(void *arg), void *arg);
/** The bound address. */
void peel_socks_local(const struct peel_socks *s, struct peel_addr *out);

/** Send a datagram from @p origin to the client of an association. 0; -ENOTCONN: the client has not
 * sent any, so its port is unknown; -EAGAIN: its socket is full; -EMSGSIZE. */
int peel_socks_deliver(struct peel_socks_assoc *a, const struct peel_socks_target *origin,
	const uint8_t *payload, size_t len);
/** Whether the client's port is known: it announced it, or has sent a datagram. */
bool peel_socks_reachable(const struct peel_socks_assoc *a);
/** Make this the client's address, unless it is known. */
void peel_socks_assoc_default(struct peel_socks_assoc *a, const struct peel_addr *client);
/** The port of the association's relay socket. */
uint16_t peel_socks_assoc_port(const struct peel_socks_assoc *a);
/** For the backend's own use. */
void peel_socks_assoc_set(struct peel_socks_assoc *a, void *data);
void *peel_socks_assoc_get(const struct peel_socks_assoc *a);

/** Send the raw answer to an HTTP request, or none (NULL), then close the connection. */
void peel_socks_answer(struct peel_socks *s, uint64_t id, const void *answer, size_t len);

struct peel_socks_counts {
	uint32_t clients, assocs;
};
void peel_socks_count(const struct peel_socks *s, struct peel_socks_counts *out);
