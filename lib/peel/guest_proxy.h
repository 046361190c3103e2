/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * SOCKS servers of a guest in front of its circuits: guest_proxy.c has the servers, of which there
 * may be several for each length, guest_proxy_circuits.c the circuits as lib/proxy wants them.
 * Thread: any that holds the node's lock, unless a function says otherwise.
 */

#include "peel_links.h"
#include "peel_node_guest.h"
#include "peel_proxy.h"
#include "peel_proxy_peers.h"

/* What the guest calls an end-to-end circuit: its id as an IPv4 address, and this port. */
#define GUEST_E2E_PORT 1024

struct guest_proxy;

/** Circuits of one length. */
struct guest_length {
	struct guest_proxy *all;
	unsigned int hops;
	struct peel_proxy *proxy; /* NULL: no server was asked for */
};

struct guest_circuit {
	peel_origin_id id; /* 0: there is none; its path is the index of the entry */
	uint32_t cid;
	uint32_t next;	     /* by cid */
	uint16_t exit_flags; /* of its exit, 0: unknown */
	uint8_t hops;	     /* of the associations it is for */
	bool data;	     /* ready for data to be sent outside; else to a peer */
	bool associated;     /* workers know that an association uses it */
};

struct guest_proxy {
	struct peel_node *node;
	struct guest_length length[PEEL_PROXY_HOPS_MAX];
	struct peel_proxy_peers *peers;
	struct {
		struct peel_socks *socks;
		unsigned int hops;
	} server[64];
	unsigned int n_servers;
	/* guest_proxy_circuits.c */
	struct guest_circuit *circuit; /* [size] by path */
	uint32_t size;
	struct peel_chains by_cid;
};

/* ---- guest_proxy.c --------------------------------------------------------------------------- */

/** @p size: paths of lib/route. 0 or -ENOMEM. */
int guest_proxy_new(struct peel_node *node, uint32_t size, struct guest_proxy **out) PEEL_MUST_USE;
/** End the servers; their last handles close with the node's loop. */
void guest_proxy_close(struct guest_proxy *gp);
/** After the node's loop is closed. NULL is fine. */
void guest_proxy_free(struct guest_proxy *gp);
/** The guest told of a circuit, or what it has now. */
void guest_proxy_set(struct guest_proxy *gp, uint32_t cid, const struct peel_gc_circuit *circuit,
	uint16_t exit_flags);
void guest_proxy_remove(struct guest_proxy *gp, uint32_t cid);

/** For peel_node_events: what came out of circuits that workers know to be associated. Call it
 * without the lock. */
void guest_proxy_data(void *arg, peel_origin_id id, const struct peel_msg_data *data);
void guest_proxy_peer_data(void *arg, peel_origin_id id, const struct peel_span *payload);

/* ---- guest_proxy_circuits.c ------------------------------------------------------------------ */

/** 0 or -ENOMEM. */
int guest_table_init(struct guest_proxy *gp, uint32_t size) PEEL_MUST_USE;
void guest_table_fini(struct guest_proxy *gp);
/** The circuit, NULL: there is none (any more). */
struct guest_circuit *guest_table_find(struct guest_proxy *gp, uint32_t cid);
struct guest_circuit *guest_table_at(struct guest_proxy *gp, peel_origin_id id);
/** How many hops are between an association and the exit, or the point where two circuits meet. 0:
 * it is for no association. */
unsigned int guest_circuit_hops(const struct peel_gc_circuit *c);
/** Add or change one, which keeps its path and its hops. NULL: it has none yet, or is for nobody.
 */
struct guest_circuit *guest_table_set(struct guest_proxy *gp, uint32_t cid, peel_origin_id id,
	const struct peel_gc_circuit *circuit, uint16_t exit_flags);
void guest_table_del(struct guest_proxy *gp, struct guest_circuit *c);
/** Have workers give what comes out of it to associations. */
void guest_table_associate(struct guest_proxy *gp, struct guest_circuit *c);
/** Those of a length, for lib/proxy. */
struct peel_proxy_circuits guest_table_circuits(struct guest_length *length);
