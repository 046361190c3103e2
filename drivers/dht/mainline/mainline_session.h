/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What the driver needs of libtorrent, in C. Nothing here blocks but opening and closing, which
 * take a moment.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MAINLINE_HASH_LEN 20

struct mainline_address {
	int is_ipv6;
	uint8_t ip[16]; /* 4 bytes of IPv4 */
	uint16_t port;
};

struct mainline_conf {
	const char *listen;    /* "ADDRESS:PORT,..." */
	const char *bootstrap; /* "HOST:PORT,...", may be empty */
	/* Something has happened: call mainline_poll(). Thread: libtorrent's. */
	void (*wake)(void *arg);
	/* From mainline_poll(): */
	void (*peers)(void *arg, const uint8_t *hash, const struct mainline_address *a, size_t n);
	/* what mainline_ask() asked for, once for each time and in that order: nodes in the routing
	 * tables, look-ups under way */
	void (*state)(
		void *arg, size_t n_nodes, const uint8_t (*hash)[MAINLINE_HASH_LEN], size_t n);
	void *arg;
};

struct mainline;

/* 0, or -errno and why. */
int mainline_open(
	const struct mainline_conf *conf, struct mainline **out, char *why, size_t why_size);
void mainline_close(struct mainline *m);
/* 0 or -EIO. What is found comes in any number of pieces, repeatedly; its end shows in the state.
 */
int mainline_get_peers(struct mainline *m, const uint8_t *hash);
/* Announce this host, with that port, once. 0 or -EIO. */
int mainline_announce(struct mainline *m, const uint8_t *hash, uint16_t port);
/* Ask for the state. 0 or -EIO: none comes. */
int mainline_ask(struct mainline *m);
void mainline_poll(struct mainline *m);

#ifdef __cplusplus
}
#endif
