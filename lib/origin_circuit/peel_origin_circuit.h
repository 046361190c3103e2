/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Origin circuits, those that this node builds: choosing hops, building, a pool per hop count,
 * keeping alive, replacing. The library owns their sessions, ORIGIN routes and paths of lib/route.
 * A state machine without I/O: callers feed it datagrams, opened messages and ticks; it acts
 * through callbacks and published paths. Source: protocol sections 12, 13.1, 13.5, 13.6, 14.5, 15,
 * 17, 24; counter-measures W1, W4, W5, W6, W9, W10 of 27. Thread: control, all of it.
 */

#include "peel_cell.h"
#include "peel_keys.h"
#include "peel_path.h"
#include "peel_route.h"
#include "peel_stats.h"
#include "peel_target.h"

#define PEEL_HOPS_MAX (PEEL_PATH_LAYERS_MAX - 1)

/** Names a circuit of this process: the path in the low half, its generation in the high half;
 * never 0. Any thread may check it with peel_path_generation(). */
typedef uint64_t peel_origin_id;

static inline peel_origin_id
peel_origin_make_id(uint32_t path, uint32_t generation)
{
	return (uint64_t)generation << 32 | path;
}

enum peel_origin_type { /* section 15.1 */
	PEEL_ORIGIN_DATA,
	PEEL_ORIGIN_IP_SEEDER,
	PEEL_ORIGIN_RP_SEEDER,
	PEEL_ORIGIN_RP_DOWNLOADER,
};

enum peel_origin_state { /* section 15.2 */
	PEEL_ORIGIN_EXTENDING,
	PEEL_ORIGIN_READY,
	PEEL_ORIGIN_CLOSING, /* opens what still arrives during remove_tunnel_delay */
};

enum peel_origin_end {
	PEEL_ORIGIN_END_FAILED,	   /* could not be built */
	PEEL_ORIGIN_END_DESTROYED, /* by a hop */
	PEEL_ORIGIN_END_SILENT,	   /* nothing received for max_time_inactive */
	PEEL_ORIGIN_END_AGE,	   /* max_time, or replaced shortly before */
	PEEL_ORIGIN_END_TRAFFIC,   /* max_traffic, or the cell limit of W13 */
	PEEL_ORIGIN_END_CLOSED,	   /* on request */
};

/** The protocol's settings under their own names (section 23); times in seconds. */
struct peel_origin_settings {
	/* divisor in peel_origin_quotient; does not raise max_circuits */
	uint32_t min_circuits;
	uint32_t max_circuits; /* wanted per hop count, once requested */
	uint32_t max_time;
	uint32_t max_time_ip; /* of IP_SEEDER circuits */
	uint32_t max_time_inactive;
	uint64_t max_traffic;
	/* divided by next_hop_timeout, this is the number of tries, but at least one and a half
	 * times the hops */
	uint32_t circuit_timeout;
	uint32_t next_hop_timeout;
	uint32_t remove_tunnel_delay;
	uint32_t max_relay_early;
	/* two hops may share a /16 (IPv4) or a /32 (IPv6) of public addresses */
	bool allow_same_network;
};
/** The protocol's defaults. */
void peel_origin_settings_init(struct peel_origin_settings *s);

struct peel_origin_circuits;

struct peel_origin_conf {
	const struct peel_env *env;
	const struct peel_identity *identity;
	struct peel_stats *stats;
	struct peel_route_table *routes;
	struct peel_paths *paths;
	struct peel_origin_settings settings;
	uint8_t prefix[PEEL_PREFIX_LEN]; /* of the tunnel overlay */

	/** Send from the main address; data is borrowed during the call. */
	void (*send)(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len);
	/** Write up to n random candidates with all of the flags @p all and none of @p none.
	 * @return how many. */
	size_t (*candidates)(
		void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n);
	/** Find a verified peer by its key. @return whether there is one. */
	bool (*find_peer)(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out);
	/** Whether a node at this address, or with this key, must not be a hop; either may be NULL.
	 * NULL: nobody is banned. */
	bool (*banned)(void *arg, const struct peel_addr *addr, const uint8_t *pk);
	/** A circuit is READY; a circuit has ended (once per circuit, READY or not). May be NULL.
	 * They must not call back into the library. */
	void (*ready)(void *arg, peel_origin_id id);
	void (*ended)(void *arg, peel_origin_id id, enum peel_origin_end why);
	void *arg;
};

/** Change max_time, max_time_ip, max_time_inactive and max_traffic at run time; the rest of @p s
 * does not count. */
void peel_origin_change(struct peel_origin_circuits *t, const struct peel_origin_settings *s);

int peel_origin_new(
	const struct peel_origin_conf *conf, struct peel_origin_circuits **out) PEEL_MUST_USE;
/** Retire what is left, without destroy messages, and free everything. Call it before the paths and
 * the route table are freed. NULL is fine. */
void peel_origin_free(struct peel_origin_circuits *t);

/**
 * Take a whole datagram of the tunnel overlay from the main port: created or destroy. 0; -ENOENT:
 * not about an origin circuit; -EBADMSG: refused (counted by reason).
 */
int peel_origin_datagram(struct peel_origin_circuits *t, const struct peel_addr *from,
	const uint8_t *data, size_t len);
/**
 * Take a message (id and body) that a worker opened with all layers of a path. 0: handled
 * (extended, ping, pong). -ENOENT for other messages, with which the caller goes on (hidden
 * services, speed tests and the like), and for stale ids.
 */
int peel_origin_message(
	struct peel_origin_circuits *t, peel_origin_id id, const uint8_t *msg, size_t len);

/** Build, ping, expire and replace what is due. @return milliseconds until the next call is due, at
 * most 1000. */
uint64_t peel_origin_tick(struct peel_origin_circuits *t);
/** Send destroy (reason 2, shutdown) on every circuit and retire everything. @return how many were
 * sent. */
unsigned int peel_origin_shutdown(struct peel_origin_circuits *t);

/**
 * Keep a pool of DATA circuits of that many hops from now on: max_circuits of them, built as
 * candidates appear. Asking again does nothing. 0, or -EINVAL: hops is 0, or more than
 * PEEL_HOPS_MAX or max_relay_early allow.
 */
int peel_origin_build(struct peel_origin_circuits *t, unsigned int hops);
/** Give the pool up and close its circuits. 0, or -ENOENT: there is none. */
int peel_origin_stop(struct peel_origin_circuits *t, unsigned int hops);

/** What keeps the circuits of a pool from being built. */
enum peel_origin_lack {
	PEEL_ORIGIN_LACK_NOTHING,
	PEEL_ORIGIN_LACK_RELAYS, /* fewer are known than a circuit has hops */
	PEEL_ORIGIN_LACK_EXIT,	 /* none is known */
	/* all relays known are in fewer networks than a circuit has hops */
	PEEL_ORIGIN_LACK_NETWORKS,
	PEEL_ORIGIN_LACK_ANSWERS, /* enough are known, but circuits through them fail */
};

struct peel_origin_pool {
	unsigned int hops;
	uint32_t wanted, ready, extending; /* circuits, without those about to end */
	enum peel_origin_lack lack;	   /* NOTHING while at least one is ready */
	uint32_t relays, exits,
		networks;  /* known when circuits were last missing; at most 64 are sampled */
	uint32_t pause_ms; /* until the next one is begun */
};
/** Describe a pool. 0, or -ENOENT: no pool of that many hops was asked for. */
int peel_origin_pool(const struct peel_origin_circuits *t, unsigned int hops,
	struct peel_origin_pool *out) PEEL_MUST_USE;
/** Write what is missing, in words without a full stop, into @p out (200 bytes are enough). @return
 * @p out. */
const char *peel_origin_lack_text(const struct peel_origin_pool *p, char *out, size_t size);

struct peel_origin_spec {
	enum peel_origin_type type;
	unsigned int hops;
	uint16_t exit_flags; /* what the last hop must announce; 0: by type (section 15.1) */
	const struct peel_target *exit; /* required last hop; NULL: any */
	/* nodes that shall not be the last hop, at most PEEL_ORIGIN_AVOID_MAX; borrowed during the
	 * call. If it is the only one, or a new introduction point, there is none (-EAGAIN) when
	 * nobody else is known; at the end of a longer circuit they are better than nobody. */
	const uint8_t (*avoid)[PEEL_PK_LEN];
	size_t n_avoid;
	/* for one purpose only: peel_origin_active() and peel_origin_quotient() leave it out */
	bool isolated;
};
#define PEEL_ORIGIN_AVOID_MAX 64
/** Build one circuit beside the pools, which is not rebuilt when it ends. 0, -EINVAL (@p spec),
 * -EAGAIN (no candidate) or -ENOSPC (no free path). */
int peel_origin_create(struct peel_origin_circuits *t, const struct peel_origin_spec *spec,
	peel_origin_id *id) PEEL_MUST_USE;
/** Close a circuit and send destroy (reason 4) to the first hop; its pool replaces it. 0 or
 * -ENOENT. */
int peel_origin_close(struct peel_origin_circuits *t, peel_origin_id id);
/** `banned` names others by now: close in the same way what has such a hop, or is about to. */
void peel_origin_banned(struct peel_origin_circuits *t);

/**
 * Add the end-to-end layer to a READY circuit of type RP_SEEDER or RP_DOWNLOADER (sections 13.1,
 * 13.5): from now on it seals and opens with these keys, too, a seeder's with the forward and a
 * downloader's with the backward key. A downloader's is pinged at once and from then on, which
 * tells the seeder of the link. @p keys are copied; the caller wipes them. 0, -ENOENT (no such
 * circuit, or not READY), -EINVAL (another type), -EEXIST (it has one) or -ENOSPC.
 */
int peel_origin_e2e(struct peel_origin_circuits *t, peel_origin_id id,
	const struct peel_session_keys *keys) PEEL_MUST_USE;
/** Whether anything authentic has come through the circuit's end-to-end layer. */
bool peel_origin_e2e_heard(const struct peel_origin_circuits *t, peel_origin_id id);

/** How many circuits there can be at a time, and how many hops they can have. */
uint32_t peel_origin_size(const struct peel_origin_circuits *t);
unsigned int peel_origin_hops_max(const struct peel_origin_circuits *t);
/** The key of a circuit's end: its last hop, or the one it shall have. 0 or -ENOENT: that is open,
 * or there is no such circuit. */
int peel_origin_end_key(const struct peel_origin_circuits *t, peel_origin_id id,
	uint8_t out[PEEL_PK_LEN]) PEEL_MUST_USE;

/** List the READY DATA circuits of that length (@p hops 0: any length): first those that answer,
 * then those with an overdue pong, each group in random order. The first n are written. @return how
 * many there are. */
size_t peel_origin_active(
	struct peel_origin_circuits *t, unsigned int hops, peel_origin_id *out, size_t n);
/** The number of READY DATA circuits of that length, divided by min_circuits (0 counts as 1); it
 * can exceed 1.0. */
double peel_origin_quotient(const struct peel_origin_circuits *t, unsigned int hops);

/** Seal a message (id and body) for the end of a circuit and send it, with relay_early as in
 * section 13.6. 0, -ENOENT (no such circuit, or no hop yet) or -EMSGSIZE. */
int peel_origin_send(
	struct peel_origin_circuits *t, peel_origin_id id, const uint8_t *msg, size_t len);

struct peel_origin_hop {
	uint8_t pk[PEEL_PK_LEN];
	struct peel_addr addr; /* family NONE: only its key is known */
};

struct peel_origin_info {
	enum peel_origin_type type;
	enum peel_origin_state state;
	unsigned int goal, hops; /* hops wanted, hops so far */
	struct peel_origin_hop hop[PEEL_HOPS_MAX];
	uint32_t cid;
	uint64_t age_ms, idle_ms; /* since it was begun; since something last came through it */
	uint64_t left_ms;	  /* until it is too old (max_time, max_time_ip) */
	uint64_t bytes_up, bytes_down, cells_up, cells_down;
	uint32_t rtt_ms;     /* of the last ping, 0: none yet */
	uint16_t exit_flags; /* of the last hop as far as known */
	bool e2e;	     /* it has an end-to-end layer */
};
/** Describe a circuit. 0 or -ENOENT. */
int peel_origin_info(const struct peel_origin_circuits *t, peel_origin_id id,
	struct peel_origin_info *out) PEEL_MUST_USE;

struct peel_origin_count {
	uint32_t extending, ready, closing;
};
void peel_origin_count(const struct peel_origin_circuits *t, struct peel_origin_count *out);
/** Call fn for up to @p n circuits, the first of them number @p from: a part of a long list. A
 * circuit that ends between two calls may hide another one from them. @return where to go on, 0:
 * that was the end. fn must not call back into the library. */
uint32_t peel_origin_dump_some(const struct peel_origin_circuits *t, uint32_t from, uint32_t n,
	void (*fn)(void *arg, peel_origin_id id, const struct peel_origin_info *info), void *arg);
/** Call fn for every circuit, for the status. */
void peel_origin_dump(const struct peel_origin_circuits *t,
	void (*fn)(void *arg, peel_origin_id id, const struct peel_origin_info *info), void *arg);
