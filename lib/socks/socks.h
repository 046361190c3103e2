/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What socks_server.c, socks_client.c and udp.c share. */

#include <sys/queue.h>
#include <uv.h>

#include "parse.h"

struct client;

struct peel_socks_assoc {
	uv_udp_t udp;
	struct client *client;
	struct peel_addr from; /* the only source accepted; port 0: not known yet */
	struct peel_addr own;  /* where it listens */
	bool uid_known;	       /* port 0 becomes that of a socket of this user, or of root */
	uint32_t uid;	       /* who connected */
	/* the last one that was not that user's, and when it was looked at */
	uint16_t refused_port;
	uint64_t refused_ms;
	uint64_t last_ms; /* of a datagram, either way */
	void *data;
};

/* What a client may do next. */
enum client_state {
	CLIENT_GREETING,
	CLIENT_LOGIN,
	CLIENT_REQUEST,
	CLIENT_WAIT,   /* for a circuit */
	CLIENT_HTTP,   /* the request is coming */
	CLIENT_ANSWER, /* the backend works on it */
	CLIENT_UDP,
	/* everything is said: what still comes is dropped, so that the last bytes arrive */
	CLIENT_LINGER,
};

struct client {
	LIST_ENTRY(client) entry;
	struct peel_socks *server;
	uv_tcp_t tcp;
	uv_timer_t timer;
	unsigned int handles; /* to be closed before it can be freed */
	bool closing, ended;  /* we hang up; it has said all it had to say */
	enum client_state state;
	uint64_t until_ms; /* end of the wait for a circuit */
	uint64_t id;	   /* of its HTTP request */
	uint8_t command;
	struct peel_socks_target target;
	struct peel_socks_assoc *assoc;
	uint8_t *in; /* INPUT_SIZE, larger for HTTP */
	size_t n_in, in_size;
};

struct peel_socks {
	uv_loop_t *loop;
	uv_tcp_t listener;
	struct peel_socks_conf conf;
	struct socks_login login; /* wanted */
	bool with_login;
	LIST_HEAD(, client) clients;
	uint64_t last_id;
	struct peel_socks_counts counts;
	bool closing, listener_open,
		waiting;	       /* a connection is not accepted yet, as there is no room */
	uint64_t full_ms, stranger_ms; /* when the log was told last */
	void (*done)(void *arg);
	void *done_arg;
	uint8_t *rx; /* for datagrams of all associations, one burst at a time */
};

/* socks_client.c */
void socks_client_accept(struct peel_socks *s);
void socks_client_close(struct client *c);
/** The answer of the backend is here: write it and end. */
void socks_client_answer(struct client *c, const void *answer, size_t len);

/* socks_server.c */
/** Is it time to tell the log again? */
bool socks_may_warn(struct peel_socks *s, uint64_t *last_ms);
/** There is no room for another one: count it, and say so, once in a while. */
void socks_full(struct peel_socks *s, const char *what);
/** A client is gone for good. */
void socks_client_gone(struct client *c);

/* udp.c */
/** Open the relay socket on the address that the client reached. 0 or -errno. */
int socks_udp_open(struct client *c, struct peel_addr *bound);
void socks_udp_close(struct client *c);
