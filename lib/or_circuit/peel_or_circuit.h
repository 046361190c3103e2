/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Circuits of others that this node takes part in: joining (create/created), extending, destroying,
 * timing out. The library owns their sessions and routes of lib/route. A state machine without I/O:
 * callers feed it datagrams, opened messages and ticks; it acts through callbacks and published
 * routes. Source: protocol sections 12 to 14, 16, 17, 24, 30; counter-measures W1, W4, W5, W6, W11
 * of 27. Thread: control, all of it.
 */

#include "peel_cell.h"
#include "peel_exits.h"
#include "peel_histogram.h"
#include "peel_keys.h"
#include "peel_route.h"
#include "peel_stats.h"
#include "peel_target.h"

/** The protocol's settings under their own names (section 23); times in seconds. */
struct peel_or_settings {
	uint16_t peer_flags;	      /* enum peel_peer_flag */
	uint32_t max_joined_circuits; /* relay entries (two per relayed circuit) and exits in use */
	uint32_t max_time;	      /* life of an exit */
	uint32_t max_time_ip;	      /* the same as introduction point */
	uint32_t max_time_inactive;
	uint64_t max_traffic; /* bytes per object, both directions together */
	/* how long after joining a hop may be extended; also: how long an id is not reused */
	uint32_t unstable_timeout;
	uint32_t next_hop_timeout;    /* wait for created */
	uint32_t remove_tunnel_delay; /* grace before a removed object disappears */
	uint32_t max_relay_early;
	/* budgets of our own (section 28): one handshake costs about 100 us */
	/* creates per second from one IP address, averaged; burst 10x; 0: no limit */
	uint32_t create_rate_per_source;
	uint32_t create_rate; /* creates per second of all; burst 1x; 0: no limit */
};
/** The protocol's defaults. */
void peel_or_settings_init(struct peel_or_settings *s);

/** The number of sessions of lib/route that the circuits may have at a time: more than
 * max_joined_circuits, which counts only those in use. */
uint32_t peel_or_sessions(const struct peel_or_settings *s);

struct peel_handshake_queue;
struct peel_or_circuits;

struct peel_or_conf {
	const struct peel_env *env;
	const struct peel_identity *identity;
	struct peel_stats *stats;
	/* how long handshakes take, each its share of those computed together; NULL: not measured
	 */
	struct peel_histogram *handshakes;
	/** Nanoseconds since any time, for that. */
	uint64_t (*clock_ns)(void);
	/* helper threads compute the handshakes; NULL: peel_or_join() does */
	struct peel_handshake_queue *handshake_queue;
	struct peel_route_table *routes;
	struct peel_or_settings settings;
	uint8_t prefix[PEEL_PREFIX_LEN]; /* of the tunnel overlay */

	/** Send from the main address; data is borrowed during the call. */
	void (*send)(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len);
	/** The same with a cell that limits of bandwidth may hold back, as one of the circuit with
	 * this session. NULL: `send` is called. */
	void (*send_limited)(void *arg, uint32_t session, const struct peel_addr *to,
		const uint8_t *data, size_t len);
	/** Write up to n random candidates with all of the flags @p all and none of @p none.
	 * @return how many. */
	size_t (*candidates)(
		void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n);
	/** Find a verified peer by its key. @return whether there is one. */
	bool (*find_peer)(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out);
	/** Whether the node at this address (IP and port) has answered a question of ours. Must be
	 * cheap. NULL: nobody has. */
	bool (*proved)(void *arg, const struct peel_addr *addr);
	/** Whether this node has nothing to do with that address, or the node with this key; either
	 * may be NULL. NULL: nobody is banned. */
	bool (*banned)(void *arg, const struct peel_addr *addr, const uint8_t *pk);
	/** Whether what may be sent is nearly used up, so that strangers' creates are refused:
	 * their answers would take it from circuits that are there. Must be cheap. NULL: it never
	 * is. */
	bool (*scarce)(void *arg);
	/** Make sure that a node hears us (DHT ping), then call peel_or_reached(token), answered or
	 * not. 0, or -errno if that call will not come. */
	int (*reach)(void *arg, const struct peel_addr *to, const uint8_t pk[PEEL_PK_LEN],
		uint64_t token);
	/** An exit is gone: it was removed, or became a relay and its grace time is over. Close its
	 * outside endpoint (may be 0). */
	void (*exit_gone)(void *arg, uint32_t session, uint32_t endpoint);
	void *arg;
};

int peel_or_new(const struct peel_or_conf *conf, struct peel_or_circuits **out) PEEL_MUST_USE;
/** Retire what is left, without destroy messages and without exit_gone, and free everything. Call
 * it before the route table is freed. NULL is fine. */
void peel_or_free(struct peel_or_circuits *c);

/**
 * Take a whole datagram of the tunnel overlay from the main port: a plaintext cell (create,
 * created) or a destroy. 0; -ENOENT: another message, also a created that no create of this library
 * asked for, and a destroy of a circuit id that only origin circuits use; -EBADMSG: refused
 * (counted by reason). A create may wait for peel_or_join(), and be refused there.
 */
int peel_or_datagram(
	struct peel_or_circuits *c, const struct peel_addr *from, const uint8_t *data, size_t len);

/**
 * Take a message (id and body) that a worker opened at an exit. 0: handled (extend), or ignored
 * because the generation is stale. -ENOENT for other ids: the caller tries hidden services and the
 * like.
 */
int peel_or_message(struct peel_or_circuits *c, uint32_t session, uint32_t generation, bool early,
	const uint8_t *msg, size_t len);

/**
 * Join circuits whose creates wait, and answer them: up to PEEL_HANDSHAKES where these cost less
 * together, otherwise fewer; with helper threads all whose handshakes are done, and the next ones
 * are handed to the helpers. Call it when all datagrams that have come are taken, again while
 * peel_or_joins_wait() and nothing more important is to be done, and when the queue of the helpers
 * says so. A tick does the same once. @return how many were joined.
 */
unsigned int peel_or_join(struct peel_or_circuits *c);
/** Whether a call of peel_or_join() would go on with handshakes at once. */
bool peel_or_joins_wait(const struct peel_or_circuits *c);
/** There is nothing to do: make some key pairs for joins to come. @return whether there is room for
 * more. */
bool peel_or_prepare(struct peel_or_circuits *c);

/** The answer to `reach`. Unknown tokens are ignored. @p instead: the node did not answer, but was
 * found at this address, which counts if a circuit may go there; NULL: nothing is known. */
void peel_or_reached(struct peel_or_circuits *c, uint64_t token, const struct peel_addr *instead);

/** Expire what is due. @return milliseconds until the next call is due. */
uint64_t peel_or_tick(struct peel_or_circuits *c);

/**
 * Change limits and rates at run time, and the flags; circuits stay. unstable_timeout,
 * next_hop_timeout, remove_tunnel_delay and max_relay_early keep their values. 0; -ENOSPC:
 * max_joined_circuits is more than the tables were made for; -ENOMEM. After an error nothing has
 * changed.
 */
int peel_or_change(struct peel_or_circuits *c, const struct peel_or_settings *s) PEEL_MUST_USE;

/** The settings in force. */
void peel_or_settings(const struct peel_or_circuits *c, struct peel_or_settings *out);

/** `banned` names others by now: circuits through them are destroyed (reason 4, unneeded) by and
 * by, usually within 5 s. */
void peel_or_banned(struct peel_or_circuits *c);

/** Join no more circuits (creates are refused, and counted), or (false) join them again. Those that
 * are there live on, and may be extended. */
void peel_or_drain(struct peel_or_circuits *c, bool drain);

/** Send destroy (reason 4, unneeded) to the neighbours of all circuits that have this id on either
 * side, and remove them. @return how many. */
unsigned int peel_or_close(struct peel_or_circuits *c, uint32_t cid);

/** Send destroy (reason 2, shutdown) to all neighbours and retire everything. Signing stops after 3
 * s; at neighbours that were not told, the circuit times out. @return how many were sent. */
unsigned int peel_or_shutdown(struct peel_or_circuits *c);

/* ---- for the exit's control side (lib/node, lib/http_circuit) -------------------------------- */

/** Describe the exit with that session. 0, or -ENOENT: gone, stale generation, or no longer an
 * exit. */
int peel_or_exit(struct peel_or_circuits *c, uint32_t session, uint32_t generation,
	struct peel_exit_info *out) PEEL_MUST_USE;
/** Record and publish the outside endpoint of an exit. 0, or -ENOENT as above. */
int peel_or_exit_opened(struct peel_or_circuits *c, uint32_t session, uint32_t generation,
	uint32_t endpoint) PEEL_MUST_USE;
/** Say that something else has left through the exit, such as an HTTP request: it will not be
 * joined to another circuit. 0 or -ENOENT. */
int peel_or_exit_used(
	struct peel_or_circuits *c, uint32_t session, uint32_t generation) PEEL_MUST_USE;
/**
 * Join two exits at a rendezvous (sections 13.4, 19.5): from now on what comes over one goes back
 * over the other, and they end together. 0; -ENOENT: one is gone or no exit, -EPERM: something has
 * left through one, -EINVAL: they are the same, -ENOSPC: no room, and then the first one may be
 * gone.
 */
int peel_or_rendezvous(struct peel_or_circuits *c, uint32_t session, uint32_t generation,
	uint32_t with_session, uint32_t with_generation) PEEL_MUST_USE;
/** Say whether the exit is the end of an introduction point's circuit, which may live for
 * max_time_ip. 0 or -ENOENT. */
int peel_or_exit_introduction(struct peel_or_circuits *c, uint32_t session, uint32_t generation,
	bool introduction) PEEL_MUST_USE;
/** Seal a message (id and body) backward with an exit's session and send it to the previous hop.
 * This works until exit_gone, so also on a circuit that was an exit a moment ago. 0, -ENOENT, or
 * -EINVAL: longer than a datagram carries. */
int peel_or_answer(struct peel_or_circuits *c, uint32_t session, const uint8_t *msg, size_t len);
/** The same with data that came back from outside, which limits of bandwidth may hold back
 * (send_limited). */
int peel_or_answer_limited(
	struct peel_or_circuits *c, uint32_t session, const uint8_t *msg, size_t len);

/** The same for those who do not know whose circuits they are. */
void peel_or_exits(struct peel_or_circuits *c, struct peel_exits *out);

struct peel_or_count {
	uint32_t exits, relays; /* circuits ending here, circuits relayed */
	uint32_t rendezvous;	/* circuits joined to another one */
	uint32_t unproved;	/* of the exits: no authentic cell came yet */
	uint32_t pending;	/* creates sent and not answered yet */
	uint32_t removing;	/* in their grace period */
	uint32_t waiting;	/* creates whose handshakes are not begun yet */
	uint32_t computing;	/* creates whose handshakes helper threads have */
};
void peel_or_count(const struct peel_or_circuits *c, struct peel_or_count *out);

struct peel_or_row {
	const char *kind;	/* "exit", "relay", "rendezvous" */
	uint32_t cid, next_cid; /* next: the previous hop of the circuit it is joined to */
	struct peel_addr previous, next;
	uint64_t age_ms, cells_forward, cells_backward, bytes_forward, bytes_backward;
	uint32_t session;
	bool opened;	   /* an exit with an outside endpoint */
	bool introduction; /* the end of an introduction point's circuit */
};
/** Call fn for the circuits of @p n places from @p from on, 0 at first: a part of a long list.
 * Between two calls others may come and go. @return where to go on, 0: that was the end. */
uint32_t peel_or_dump_some(const struct peel_or_circuits *c, uint32_t from, uint32_t n,
	void (*fn)(void *arg, const struct peel_or_row *row), void *arg);
/** Call fn for every circuit, for the status. */
void peel_or_dump(const struct peel_or_circuits *c,
	void (*fn)(void *arg, const struct peel_or_row *row), void *arg);
