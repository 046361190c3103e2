/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Peers of hidden services, and which association talks to which of them. A peer is at the end of a
 * circuit of its own and has an address that stands for it, so flows have no say in it. Thread: the
 * loop's, for everything.
 *
 * A peer belongs to the proxy of its service's hops. Its data goes to the association that sent to
 * it, as long as that lives, and no other association can send to it. What comes from a peer to
 * whom nobody has sent yet is given to the association that has another peer of that service, or
 * else to the oldest one whose client can be reached.
 *
 * Where peers are shared, its data goes to all associations that sent to it, and while there is
 * none, to all whose clients can be reached.
 */

#include "peel_socks.h"

struct peel_proxy_peers;

struct peel_proxy_peers_conf {
	const struct peel_env *env;
	struct peel_stats *stats; /* of the loop's thread; must outlive it */
	/** Whether an address is kept for peers, whether or not there is such a peer. NULL: only
	 * those of present peers are. */
	bool (*own)(const struct peel_addr *addr);
	bool shared;
	/** Send a datagram to a peer. 0 or -errno. */
	int (*send)(void *arg, const struct peel_addr *peer, const uint8_t *payload, size_t len);
	void *arg;
};

/** Make the table. NULL: out of memory. */
struct peel_proxy_peers *peel_proxy_peers_new(const struct peel_proxy_peers_conf *conf);
void peel_proxy_peers_free(struct peel_proxy_peers *pp);

/** A peer of a service (any number that tells services apart) came or went. One that is there stays
 * as it is. */
void peel_proxy_peers_add(struct peel_proxy_peers *pp, const struct peel_addr *peer,
	unsigned int hops, unsigned int service);
void peel_proxy_peers_del(struct peel_proxy_peers *pp, const struct peel_addr *peer);
/** A service is left: its peers are gone. */
void peel_proxy_peers_forget(struct peel_proxy_peers *pp, unsigned int service);
void peel_proxy_peers_dump(const struct peel_proxy_peers *pp, unsigned int service,
	void (*fn)(void *arg, const struct peel_addr *peer), void *arg);

/** Data came from a peer; it is delivered, or counted. */
void peel_proxy_peers_take(struct peel_proxy_peers *pp, const struct peel_addr *peer,
	const uint8_t *payload, size_t len);
