/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Shared by socks_server.c, socks_client.c and udp.c. */

#include <sys/queue.h>
#include <uv.h>

#include "parse.h"

struct client;

struct peel_socks_assoc {
	uv_udp_t udp;
	struct client *client;
	struct peel_addr from; /* the only source accepted; port 0: not known yet */
	struct peel_addr own;  /* where the relay socket listens */
	bool uid_known;	       /* port 0 is learnt from a socket of this user or of root */
	uint32_t uid;	       /* the user who connected */
	/* the last source port that was not that user's, and when it was checked */
	uint16_t refused_port;
	uint64_t refused_ms;
	uint64_t last_ms; /* of the last datagram, in either direction */
	void *data;
};

/* What a client may do next. */
enum client_state {
	CLIENT_GREETING,
	CLIENT_LOGIN,
	CLIENT_REQUEST,
	CLIENT_WAIT,   /* for a circuit */
	CLIENT_HTTP,   /* reading the request */
	CLIENT_ANSWER, /* the backend works on the answer */
	CLIENT_UDP,
	/* all is said: read and drop further input, so that the last bytes arrive */
	CLIENT_LINGER,
};

struct client {
	LIST_ENTRY(client) entry;
	struct peel_socks *server;
	uv_tcp_t tcp;
	uv_timer_t timer;
	unsigned int handles; /* to close before it can be freed */
	bool closing, ended;  /* closing by us; the client will send no more */
	enum client_state state;
	uint64_t until_ms; /* end of the wait for a circuit */
	uint64_t id;	   /* of the client's HTTP request */
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
	struct socks_login login; /* the login that clients must give */
	bool with_login;
	LIST_HEAD(, client) clients;
	uint64_t last_id;
	struct peel_socks_counts counts;
	bool closing, listener_open, waiting; /* a connection is left unaccepted for lack of room */
	uint64_t full_ms, stranger_ms;	      /* times of the last such warnings */
	void (*done)(void *arg);
	void *done_arg;
	uint8_t *rx; /* receive buffer of all associations, one burst at a time */
};

/* socks_client.c */
void socks_client_accept(struct peel_socks *s);
void socks_client_close(struct client *c);
/** The backend's answer is here: write it and end. */
void socks_client_answer(struct client *c, const void *answer, size_t len);

/* socks_server.c */
/** Whether it is time for another warning of this kind. */
bool socks_may_warn(struct peel_socks *s, uint64_t *last_ms);
/** No room for another client or association: count it, and warn once in a while. */
void socks_full(struct peel_socks *s, const char *what);
/** A client has been freed. */
void socks_client_gone(struct client *c);

/* udp.c */
/** Open the relay socket on the address that the client reached. 0 or -errno. */
int socks_udp_open(struct client *c, struct peel_addr *bound);
/** Close it, and tell the backend. */
void socks_udp_close(struct client *c);
/** Close one that the backend refused. */
void socks_udp_drop(struct client *c);
