/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The circuits of a guest, a program with a control plane of its own (py-ipv8): it says which
 * exits, relays and own circuits there are, and this library keeps sessions, routes and paths for
 * them. A state machine without I/O. Source: protocol sections 11 to 13; counter-measure W1 of 27.
 * Thread: control, or any that holds the node's lock, all of it.
 *
 * A session is found by its keys and stays for a while after its last use. So an exit that becomes
 * a relay keeps its session: its seal counters go on, and no cell is lost in between.
 */

#include "peel_exits.h"
#include "peel_keys.h"
#include "peel_path.h"
#include "peel_route.h"

struct peel_guest_circuits;

struct peel_gc_conf {
	const struct peel_env *env;
	struct peel_route_table *routes; /* with peel_gc_sessions() */
	struct peel_paths *paths;	 /* with max_circuits */
	/* exits, relayed circuits and own circuits at a time, all together */
	uint32_t max_circuits;
	/** Send from the main address; data is borrowed during the call. */
	void (*send)(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len);
	/** An exit is gone. Close its outside endpoint (may be 0). */
	void (*exit_gone)(void *arg, uint32_t session, uint32_t endpoint);
	void *arg;
};

/** The number of sessions of lib/route that so many circuits may have. */
uint32_t peel_gc_sessions(uint32_t max_circuits);

/** 0 or -ENOMEM. */
int peel_gc_new(const struct peel_gc_conf *conf, struct peel_guest_circuits **out) PEEL_MUST_USE;
/** Retire what is left, without exit_gone, and free everything. Call it before the route table is
 * freed. NULL is fine. */
void peel_gc_free(struct peel_guest_circuits *c);

/** The prefix of cells that this library makes. */
void peel_gc_set_prefix(struct peel_guest_circuits *c, const uint8_t prefix[PEEL_PREFIX_LEN]);
/** How many early cells pass a relay, the extend that made it included, or go out over an own
 * circuit; of those made from now on. */
void peel_gc_set_max_early(struct peel_guest_circuits *c, uint8_t max);

/** End what has been removed long enough ago. @return milliseconds until the next call is due. */
uint64_t peel_gc_tick(struct peel_guest_circuits *c);

/* ---- exits and relays ------------------------------------------------------------------------ */

/** Be the exit of a circuit. One with that id is replaced. 0 or -ENOSPC. */
int peel_gc_add_exit(struct peel_guest_circuits *c, uint32_t cid, const struct peel_addr *previous,
	const struct peel_session_keys *keys) PEEL_MUST_USE;
/** The exit ends within a second, or at once when a relay takes its place. Unknown ids are fine. */
void peel_gc_remove_exit(struct peel_guest_circuits *c, uint32_t cid);

/** One of the two entries of a relay: what comes with the id of the entry goes out with out_cid. */
struct peel_gc_relay {
	uint32_t out_cid;
	struct peel_addr out;
	bool backward;	 /* towards the originator: seal instead of open */
	bool rendezvous; /* open with the keys of this entry, seal with those of the other */
	struct peel_session_keys keys;
};
/** Add an entry, or replace it. Cells pass once the other entry is there: its out_cid is this
 * entry's id, and the other way round. 0 or -ENOSPC. */
int peel_gc_add_relay(struct peel_guest_circuits *c, uint32_t cid,
	const struct peel_gc_relay *relay) PEEL_MUST_USE;
/** No more cells pass in either direction. Unknown ids are fine. */
void peel_gc_remove_relay(struct peel_guest_circuits *c, uint32_t cid);

/* ---- own circuits ---------------------------------------------------------------------------- */

enum peel_gc_type {
	PEEL_GC_DATA,
	PEEL_GC_IP_SEEDER,
	PEEL_GC_RP_SEEDER,
	PEEL_GC_RP_DOWNLOADER,
};

struct peel_gc_circuit {
	uint8_t type; /* enum peel_gc_type */
	uint8_t goal_hops;
	uint8_t n_hops; /* that are there */
	bool e2e;	/* end_to_end is set */
	struct peel_addr first;
	struct peel_session_keys hop[PEEL_PATH_LAYERS_MAX - 1];
	struct peel_session_keys end_to_end;
};
/** Add a circuit, or what it has now: usually one more hop. 0, -ENOSPC, or -EINVAL: too many hops,
 * or no first one. */
int peel_gc_set_circuit(struct peel_guest_circuits *c, uint32_t cid,
	const struct peel_gc_circuit *circuit) PEEL_MUST_USE;
/** Unknown ids are fine. */
void peel_gc_remove_circuit(struct peel_guest_circuits *c, uint32_t cid);
/** The path of a circuit, in the low half of @p id, its generation in the high half, and how many
 * layers it has (may be NULL). 0, or -ENOENT: there is no such circuit, or it has no hops yet. */
int peel_gc_id(const struct peel_guest_circuits *c, uint32_t cid, uint64_t *id,
	unsigned int *n_layers) PEEL_MUST_USE;
/** The data that comes over a circuit is not the guest's, but an association's. */
void peel_gc_associate(struct peel_guest_circuits *c, uint32_t cid);

/* ---- cells of the guest, counts -------------------------------------------------------------- */

/**
 * Seal a plaintext cell by what its circuit id is: with all layers of an own circuit, backward as
 * an exit, or as a relay; one whose plaintext flag is set stays as it is. @return the length of
 * what is to be sent; -EBADMSG: no cell; -ENOENT: unknown id; -EMSGSIZE: longer than a datagram
 * carries.
 */
int peel_gc_seal(struct peel_guest_circuits *c, const uint8_t *cell, size_t len,
	uint8_t out[PEEL_DATAGRAM_MAX]) PEEL_MUST_USE;

enum peel_gc_kind {
	PEEL_GC_EXIT,
	PEEL_GC_RELAY,
	PEEL_GC_CIRCUIT,
};
struct peel_gc_stats {
	/* bytes of cells that were sent and received over the link with that id since the object
	 * was added */
	uint64_t up, down;
	uint64_t idle_ms; /* since an authentic cell came from there; UINT64_MAX: never */
	bool enabled;	  /* an exit with an outside endpoint */
};
/** 0 or -ENOENT. */
int peel_gc_stats(const struct peel_guest_circuits *c, enum peel_gc_kind kind, uint32_t cid,
	struct peel_gc_stats *out) PEEL_MUST_USE;

/** For the control side of exits. */
void peel_gc_exits(struct peel_guest_circuits *c, struct peel_exits *out);
