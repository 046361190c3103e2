/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Peers of hidden services, and which association of a listener talks to which of them. A peer is
 * at the end of a circuit of its own, so lib/socks has no say in it. In the loop's thread, all of
 * it.
 *
 * A peer belongs to the listener of its service's hops. Its data goes to the association that sent
 * to it, as long as that lives, and no other association can send to it. What comes
 * from a peer to whom nobody has sent yet is given to the association that has another peer of that
 * service, or else to the oldest one whose client can be reached.
 */

#include "proxy_listener.h"

/** Make the table. @p listener: [PEEL_HOPS_LIMIT], by hops less one; must outlive it. NULL: out of
 * memory. */
struct proxy_peers *proxy_peers_new(struct listener *listener, struct peel_stats *stats);
void proxy_peers_free(struct proxy_peers *pp);

/** A peer of a service (any number that tells services apart) came or went. */
void proxy_peers_add(struct proxy_peers *pp, const struct peel_address *peer, unsigned int hops,
	unsigned int service);
void proxy_peers_del(struct proxy_peers *pp, const struct peel_address *peer);
/** A service is left: its peers are gone. */
void proxy_peers_forget(struct proxy_peers *pp, unsigned int service);
void proxy_peers_dump(const struct proxy_peers *pp, unsigned int service,
	void (*fn)(void *arg, const struct peel_address *peer), void *arg);

/** Whether a destination is in the network of peers. */
bool proxy_peers_has(const struct peel_socks_target *to);
/** Send a datagram of an association to a peer. What cannot be sent is counted. */
void proxy_peers_send(struct listener *l, unsigned int slot, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len);
/** Data came out of a circuit. @return whether a peer sent it; then it is delivered, or counted. */
bool proxy_peers_take(
	struct proxy_peers *pp, const struct peel_address *origin, const void *payload, size_t len);
/** An association has ended. */
void proxy_peers_closed(struct listener *l, unsigned int slot);
