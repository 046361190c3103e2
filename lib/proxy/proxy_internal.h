/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What the files of lib/proxy share: proxy_servers.c opens and closes servers, proxy_data.c is
 * about their datagrams, proxy_destinations.c about where these went, proxy_http.c about HTTP
 * requests, proxy_peers.c about what is at the end of a circuit of its own.
 */

#include <sys/queue.h>
#include <uv.h>

#include "peel_flows.h"
#include "peel_held.h"
#include "peel_proxy.h"
#include "peel_proxy_peers.h"

struct proxy_http;
struct proxy_destinations;

struct proxy_server {
	LIST_ENTRY(proxy_server) entry;
	struct peel_proxy *proxy;
	struct peel_socks *socks;
};

struct peel_proxy {
	struct peel_proxy_conf conf;
	LIST_HEAD(, proxy_server) servers;
	uv_timer_t timer;
	unsigned int open; /* servers, and the timer, that are not closed yet */
	void (*done)(void *arg);
	void *done_arg;
	struct proxy_http *http;
	struct proxy_destinations *destinations; /* NULL: not wanted */
	/* what follows is proxy_data.c's */
	struct peel_flows *flows;
	struct peel_held *held;				  /* while there is no circuit */
	struct peel_socks_assoc *assoc[PEEL_FLOWS_USERS]; /* by slot of the flows */
	/* in which order they came; 0: there is none */
	uint64_t opened[PEEL_FLOWS_USERS], turn;
	unsigned int n_assocs;
	size_t n_circuits; /* that data goes through */
	/* when another circuit beside the pool may be begun, and how long after it the next one */
	uint64_t extra_ms, extra_pause_ms;
};

/* proxy_data.c */
/** Of struct peel_socks_backend; the argument is the server. */
int proxy_on_opened(void *arg, struct peel_socks_assoc *a);
void proxy_on_closed(void *arg, struct peel_socks_assoc *a);
void proxy_on_datagram(void *arg, struct peel_socks_assoc *a, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len);
/** Tell the flows which circuits there are. */
void proxy_sync_circuits(struct peel_proxy *p);

/* proxy_http.c */
/** NULL: no memory. */
struct proxy_http *proxy_http_new(const struct peel_proxy_conf *conf);
/** Nobody waits for answers any more. */
void proxy_http_free(struct proxy_http *h);
enum peel_socks_ready proxy_http_ready(struct proxy_http *h);
/** See peel_socks_backend.http. */
int proxy_http_ask(struct proxy_http *h, struct peel_socks *socks, uint64_t id,
	const struct peel_socks_target *to, const uint8_t *request, size_t len);
/** Nobody waits for this request any more: it is not sent, or not sent again. */
void proxy_http_gone(struct proxy_http *h, const struct peel_socks *socks, uint64_t id);
/** Circuits came or went, or time went by. */
void proxy_http_try(struct proxy_http *h);

/* proxy_destinations.c */
/** NULL: no memory. */
struct proxy_destinations *proxy_destinations_new(void);
void proxy_destinations_free(struct proxy_destinations *d);
/** Something was sent there. */
void proxy_destinations_note(
	struct proxy_destinations *d, uint64_t circuit, const struct peel_addr *to);
/** Where to something was sent through a circuit last, the first @p n. @return how many there are.
 */
size_t proxy_destinations_of(
	const struct proxy_destinations *d, uint64_t circuit, struct peel_addr *out, size_t n);

/* proxy_peers.c */
/** The peers' data is for associations of this proxy, if it is of their length. */
void proxy_peers_attach(struct peel_proxy_peers *pp, struct peel_proxy *p);
void proxy_peers_detach(struct peel_proxy_peers *pp, const struct peel_proxy *p);
/** Whether a destination is a peer, there or not. */
bool proxy_peers_has(const struct peel_proxy_peers *pp, const struct peel_socks_target *to);
/** Send a datagram of an association to a peer. What cannot be sent is counted. */
void proxy_peers_send(struct peel_proxy *p, unsigned int slot, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len);
/** An association has ended. */
void proxy_peers_closed(struct peel_proxy *p, unsigned int slot);
