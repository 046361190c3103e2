/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Shared by the files of lib/node. Everything here belongs to the control thread unless it says
 * otherwise. */

#include <pthread.h>
#include <uv.h>

#include "peel_datapath.h"
#include "peel_ban.h"
#include "peel_bootstrap.h"
#include "peel_dht.h"
#include "peel_exits.h"
#include "peel_guest_circuits.h"
#include "peel_http_ask.h"
#include "peel_hidden.h"
#include "peel_http_serve.h"
#include "peel_management.h"
#include "peel_names.h"
#include "peel_node.h"
#include "peel_own_addresses.h"
#include "peel_pex.h"
#include "peel_submit_queue.h"
#include "peel_swarm.h"

struct node_worker {
	struct peel_node *node;
	struct peel_worker *worker;
	struct peel_mailbox *mailbox;
	struct peel_submit_queue *submit_queue; /* NULL: no origin circuits */
	struct peel_stats stats;		/* written by the worker */
	pthread_t thread;
	bool running;
	bool mail; /* control pushed something since the last wake-up */
};

/* A thread that computes handshakes. */
struct node_helper {
	struct peel_node *node;
	pthread_t thread;
	bool running;
};

/* An event of an origin circuit to report to the program. */
struct node_change {
	peel_origin_id id;
	enum {
		NODE_CIRCUIT_READY,
		NODE_CIRCUIT_ENDED, /* why */
		NODE_PEER_CONNECTED,
		NODE_PEER_GONE,
	} what;
	enum peel_origin_end why;
	uint32_t swarm; /* of a peer */
};

/* What circuits of a length lack, so that it is logged once. */
struct node_lack {
	enum peel_origin_lack seen, told;
	uint64_t since_ms; /* of `seen` */
};

#define NODE_RATES 4 /* counters that have rates */

/** Their values now and a second ago. */
struct node_sample {
	uint64_t ms; /* 0: not taken yet */
	uint64_t value[NODE_RATES];
};

#define NODE_REACHES 64

/** A node that is pinged before a circuit is extended to it, and sought in DHTs meanwhile. */
struct node_reach {
	bool used;
	uint64_t token; /* of the extension */
	uint8_t mid[PEEL_MID_LEN];
	struct peel_addr found; /* family NONE: nowhere yet */
};

struct peel_node {
	struct peel_node_conf conf;
	struct peel_identity identity;
	const struct peel_env *env;
	uint8_t prefix[PEEL_N_COMMUNITIES][PEEL_PREFIX_LEN];

	/* Parts, in the order of parts.h. */
	struct rte_mempool *pool;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_paths *paths;   /* of origin circuits; NULL: this node only serves others */
	struct peel_replay *replay; /* NULL: filter off */
	struct peel_listen *listen; /* prefixes of PEX overlays */
	struct peel_port *port;
	struct peel_addr local;			  /* main address as bound */
	struct peel_own_addresses *own_addresses; /* including the current exit policy */
	struct peel_bans *bans;
	struct peel_fan *fan;			      /* NULL: workers do not share */
	struct node_worker *worker;		      /* [conf.n_workers] */
	struct peel_bandwidth *bandwidth;	      /* what workers have; NULL: no limits */
	struct peel_circuit_limits *circuit_limits;   /* the same of exits */
	struct peel_handshake_queue *handshake_queue; /* NULL: no helpers */
	struct peel_overlay *overlay;
	struct peel_dht *dht;
	struct peel_or_circuits *or_circuits;
	struct node_guest *guest; /* NULL: this node has a control plane of its own */
	struct peel_exits exits;  /* of whichever of these two has them */
	struct peel_origin_circuits *origin_circuits; /* NULL: no origin circuits */
	struct peel_providers *providers;	      /* of DHTs for services */
	struct peel_hidden *hidden;
	struct peel_pex *pex;	    /* of the info hashes we are introduction point for */
	struct peel_swarms *swarms; /* NULL: no origin circuits */
	struct peel_dns *dns;
	struct peel_names *names;
	struct peel_bootstrap *bootstrap;
	struct peel_http_serve *http_serve;
	struct peel_http_ask *http_ask;
	struct peel_management *management; /* NULL: none */
	struct {
		unsigned int n_parts; /* parts started so far */
		char *why;	      /* during that: what to do about a failure */
		size_t why_size;
	} assembly;

	struct node_helper helper[PEEL_HANDSHAKE_THREADS_MAX];
	struct peel_stats *worker_stats[PEEL_MAX_WORKERS]; /* the workers' blocks, for the port */
	struct peel_stats stats;			   /* the control thread's own block */

	/* loop.c */
	pthread_mutex_t lock; /* recursive; the control thread holds it while it works */
	uv_loop_t loop;
	uv_async_t wake;  /* from workers: there is mail */
	uv_async_t nudge; /* from other threads: state has changed, look at the timers */
	uv_timer_t tick;
	uint64_t tick_due_ns; /* by uv_hrtime() */
	unsigned int naps;    /* left until the control thread sleeps, unless mail comes */
	bool napping; /* written by the control thread, read by workers: it will look by itself */
	int failure;  /* why the port cannot go on, -errno; has been logged */
	uint64_t next_watch_ms;
	bool stopping;
	void (*on_ready)(void *arg);
	void *ready_arg;

	/* origin_events.c */
	struct {
		struct peel_node_events events;
		/* [changes_size]; those in [change_first, n_changes) are not reported yet */
		struct node_change *change;
		uint32_t change_first, n_changes, changes_size;
		bool undelivered; /* messages for the program are still queued */
		struct node_lack lack[PEEL_HOPS_MAX + 1]; /* by number of hops */
	} origin;

	struct node_reach reach[NODE_REACHES]; /* reach.c */

	/* dht_state.c */
	struct {
		int fd;		   /* -1: none */
		uint64_t sequence; /* of the state written last */
		uint64_t due_ms;   /* when the next one is written */
	} dht_state;

	/* exit_sockets.c */
	uint64_t no_socket_ms; /* not before this time may the lack of sockets be logged again */

	/* drain.c */
	struct {
		bool on;   /* circuits of others may end, and no new ones begin */
		bool over; /* they have ended, or have had their time */
		uint64_t until_ms;
	} drain;

	/* node_accounting.c */
	struct {
		struct peel_accounting now;
		enum peel_accounting_stage stage;
		uint64_t received, sent;   /* counters at the last look, with headers */
		uint64_t look_ms, save_ms; /* when the next ones are due */
		int fd;			   /* of the state; -1: none */
	} accounting;

	/* heartbeat.c */
	struct {
		bool joined, full;    /* have been logged */
		bool unresolved;      /* the same of names of bootstrap servers */
		uint64_t resolved_ms; /* when all of them had addresses */
		uint64_t overflows;   /* at the last look */
		uint64_t overflow_ms; /* when there was one; 0: not overloaded */
		uint64_t look_ms;     /* the next look */
		uint64_t beat_ms;     /* the last line, or the start */
	} heartbeat;

	/* status.c, stages.c */
	struct {
		char *(*on_request)(void *arg, const char *request, bool pretty);
		void *request_arg;
		uint64_t started_ms;
		struct peel_histogram handshakes; /* time of each */
		struct peel_histogram tick_delay; /* how late timers are served */
		struct node_sample sample[2];	  /* older one first */
		/* the workers' stages are timed until then; 0: not timed */
		uint64_t stages_until_ms;
		struct peel_node_privileges privileges; /* of the program; no user: unknown */
	} status;
};

/* assemble.c */
/** Make everything except lock, loop and threads. After a failure the node holds what was made so
 * far, for node_disassemble(). */
int node_assemble(struct peel_node *node, char *why, size_t why_size) PEEL_MUST_USE;
void node_disassemble(struct peel_node *node);

/* loop.c */
int node_loop_init(struct peel_node *node);
void node_loop_close(struct peel_node *node);

/* node_send.c */
/** Copy a datagram into an mbuf and hand it to the first worker; a failure is counted. */
void node_send(struct peel_node *node, const struct peel_addr *to, const uint8_t *data, size_t len);
/** The same with what came back from outside for the circuit with this session: it is dropped where
 * limits hold it back. */
void node_send_limited(struct peel_node *node, uint32_t session, const struct peel_addr *to,
	const uint8_t *data, size_t len);
/** Hand an mbuf (remote, endpoint and kind set) to a worker; if its ring is full, count and free
 * the mbuf. */
void node_send_mbuf(struct peel_node *node, unsigned int worker, struct rte_mbuf *m);
/** Wake the workers that got mail since the last call. */
void node_wake_workers(struct peel_node *node);

/* dispatch.c */
/** Empty the mailboxes, important classes first. @return true when something is left. */
bool node_dispatch(struct peel_node *node);

/* origin_events.c */
int node_origin_new(struct peel_node *node, const struct peel_origin_conf *callbacks);
/** A message from the end of an origin circuit, for lib/origin_circuit. Does not take the mbuf. */
void node_origin_message(struct peel_node *node, const struct rte_mbuf *m);
/** A datagram of a hidden service out of the data of an origin circuit. Does not take the mbuf. */
void node_origin_hidden(struct peel_node *node, const struct rte_mbuf *m);
/** A peer of a swarm can be talked to through that circuit, or no more. */
void node_peer_changed(struct peel_node *node, uint32_t swarm, peel_origin_id id, bool connected);
/** When what keeps origin circuits from being built has changed, log it. */
void node_origin_report(struct peel_node *node);
/** Hand the program what came back. Call it without the lock. @return true: something is left. */
bool node_deliver(struct peel_node *node);

/* exit_sockets.c */
/** Take a data message that waits for its exit's sockets or for a name, and its mbuf. */
void node_exit_data(struct peel_node *node, struct rte_mbuf *m);
/** Take a data message for one of our own addresses, and its mbuf. */
void node_exit_inside(struct peel_node *node, struct rte_mbuf *m);
/** Send it once lib/names knows its destination. */
void node_exit_send(void *arg, struct rte_mbuf *m);
void node_exit_gone(void *arg, uint32_t session, uint32_t endpoint);
/** No socket for a circuit, for this reason (negative errno): count it, and warn now and then. */
void node_no_socket(void *arg, int error);

/* dht_state.c */
/** Open a file for a state, or make it. Descriptor or -errno. */
int node_state_open(const char *path) PEEL_MUST_USE;
/** Open the file, and have lib/dht ask the nodes in it. One that cannot be used is reported, and is
 * no failure. */
void node_dht_state_open(struct peel_node *node);
/** Write the state when it is time. @return milliseconds until the next time. */
uint64_t node_dht_state_tick(struct peel_node *node);
/** Write it for the last time. */
void node_dht_state_close(struct peel_node *node);

/* part_guest.c */
/** What a worker of a guest's node has. */
void node_guest_worker(struct peel_node *node, unsigned int worker, struct peel_worker_conf *wc);
uint64_t node_guest_tick(struct peel_node *node);

/* guest_thread.c */
/** Start the thread that hands the guest its mail, and stop it. 0 or -errno. */
int node_guest_start(struct peel_node *node);
void node_guest_stop(struct peel_node *node);
/** Called by workers. */
void node_guest_wake(void *arg);

/* reach.c */
/** Ping a node, and seek it in DHTs, then peel_or_reached(). 0, or -errno: that will not come. */
int node_reach(struct peel_node *node, const struct peel_addr *to, const uint8_t pk[PEEL_PK_LEN],
	uint64_t token);
/** A DHT has found the node with a member id, or (NULL) has not. */
void node_reach_found(
	struct peel_node *node, const uint8_t mid[PEEL_MID_LEN], const struct peel_addr *addr);

/* bans_of_node.c */
/** Whether nothing is to be had to do with that address, or the node with this key; either may be
 * NULL. */
bool node_banned(void *arg, const struct peel_addr *addr, const uint8_t *pk);

/* changes.c */
/** The exit policy as configured, without the node's own addresses. */
void node_policy(const struct peel_node *node, struct peel_policy *out);

/* node_limits.c */
/** From now on these limits. 0 or -ENOMEM: those of before. */
int node_limit(struct peel_node *node, const struct peel_bandwidth_settings *s) PEEL_MUST_USE;

/* exit_limits.c */
/** The same for what each circuit may do at its exit. */
int node_limit_exits(
	struct peel_node *node, const struct peel_circuit_limits_settings *s) PEEL_MUST_USE;
/** Whether a datagram that no worker has asked about is within the limits; if not, it is counted
 * (not freed). */
bool node_exit_within(struct peel_node *node, const struct peel_pkt *pkt, uint32_t endpoint,
	const struct peel_host *to);

/* node_accounting.c */
/** Count, and do what follows from it. @return milliseconds until the next look. */
uint64_t node_accounting_tick(struct peel_node *node);
/** The same at once, after a change of settings. */
void node_accounting_look(struct peel_node *node);
/** Whether circuits of others are to end: for a drain, or a limit of accounting. */
bool node_closes(const struct peel_node *node);

/* drain.c */
/** Announce our flags and serve accordingly, or, while node_closes(), nothing. */
void node_announce(struct peel_node *node);

/* workers.c */
/** A thread of this library: with a small stack, on these CPUs; none: those of the caller. 0 or
 * -errno. */
int node_thread_start(pthread_t *thread, const cpu_set_t *cpus, void *(*main)(void *), void *arg);
/** Start workers and helpers. */
int node_workers_start(struct peel_node *node);
void node_workers_stop(struct peel_node *node);
