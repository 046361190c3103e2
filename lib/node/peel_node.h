/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A node: port, workers, tables and state machines tied together, and the control thread's event
 * loop. EAL must run before peel_node_new. The thread that polls the node is the control thread,
 * one at a time. Functions are for the control thread unless they say otherwise.
 */

#include <sched.h>

#include "peel_accounting.h"
#include "peel_ban.h"
#include "peel_or_circuit.h"
#include "peel_bandwidth.h"
#include "peel_circuit_limits.h"
#include "peel_fan.h"
#include "peel_handshake_queue.h"
#include "peel_management.h"
#include "peel_overlay.h"
#include "peel_policy.h"
#include "peel_port.h"
#include "peel_providers.h"
#include "peel_origin_circuit.h"
#include "peel_swarm.h"

#define PEEL_MAX_WORKERS PEEL_FAN_MAX
#define PEEL_BOOTSTRAP_MAX 64
#define PEEL_DNS_MAX 8
/* origin circuits beyond the pools: for services, HTTP requests and the like */
#define PEEL_OWN_EXTRA 256

/** What a worker does when nothing arrives. */
enum peel_idle {
	PEEL_IDLE_AUTO, /* adaptive where the port can wait, otherwise poll */
	PEEL_IDLE_POLL, /* spin: lowest latency, a whole core */
	/* adaptive: after idle_spins empty polls, sleep in the port until something arrives */
	PEEL_IDLE_SLEEP,
};

/** A datagram for a guest. */
struct peel_node_datagram {
	struct peel_addr from;
	const uint8_t *data; /* borrowed during the call */
	size_t len;
};

#define PEEL_NODE_DATAGRAMS_MAX 64

/** A guest is a program with a control plane of its own (peel_node_guest.h). */
struct peel_node_guest_conf {
	/* exits, relayed circuits and own circuits at a time; 0: there is no guest, and the node
	 * has a control plane */
	uint32_t max_circuits;
	/* exits reach loopback even if their own address is none of it */
	bool exit_loopback;
	/** The guest's mail, up to PEEL_NODE_DATAGRAMS_MAX at a time. A thread of the node calls
	 * it, always the same one, without the lock. */
	void (*datagrams)(void *arg, const struct peel_node_datagram *d, unsigned int n);
	void *arg;
};

struct peel_node_conf {
	/* [node] */
	char key_file[256]; /* empty: a fresh key, lost with the node (W17) */
	uint8_t community[PEEL_N_COMMUNITIES][PEEL_COMMUNITY_LEN];
	char management[PEEL_MANAGEMENT_PATH_MAX]; /* path of the management socket; empty: none */
	/* [port] */
	const struct peel_port_ops *port;
	/* what the configuration sets; the node fills in pool, stats and rcu */
	struct peel_port_conf port_conf;
	char device[256];
	uint32_t n_mbufs; /* 0: computed from the number of workers */
	/* [workers] */
	unsigned int n_workers;	    /* 1..PEEL_MAX_WORKERS */
	int core[PEEL_MAX_WORKERS]; /* CPU each is pinned to, -1: not pinned */
	int control_core;	    /* CPU of the control thread, -1: any that no worker uses */
	enum peel_idle idle;
	uint32_t idle_spins;	 /* empty polls before a sleep, 0: the port decides */
	bool fan_out;		 /* busy workers share their cells with the others */
	uint32_t replay_entries; /* entries of the exact-duplicate filter, 0: filter off */
	uint32_t ring_size;	 /* of each mailbox ring, a power of two */
	/* that compute handshakes, up to PEEL_HANDSHAKE_THREADS_MAX; 0: the control thread does */
	uint32_t handshake_threads;
	cpu_set_t handshake_cpus; /* where; none: where the thread that starts them may run */
	/* [aead] */
	const struct peel_aead_engine *engine;
	/* [discovery] */
	struct peel_addr bootstrap[PEEL_BOOTSTRAP_MAX];
	size_t n_bootstrap;
	char bootstrap_name[PEEL_BOOTSTRAP_MAX][128]; /* names still to be resolved, "host:port" */
	size_t n_bootstrap_names;
	struct peel_addr public_address; /* family NONE: learn it */
	int max_peers;
	int walk_target;
	/* [tunnel] */
	struct peel_or_settings tunnel;
	uint32_t test_response_max; /* bytes; answers to test requests are cut to this (W14) */
	uint32_t test_rate;	    /* speed test answers per second and worker, 0: no limit */
	/* origin circuits */
	/* total over all hop counts; 0: this node only serves others */
	uint32_t max_own_circuits;
	struct peel_origin_settings originator;
	struct peel_swarm_settings swarm;
	/* [dht]: where services are looked up and announced */
	const struct peel_provider_ops *provider[PEEL_PROVIDERS_MAX];
	size_t n_providers;
	char dht_state[256]; /* file that keeps lib/dht's routing tables; empty: none */
	char mainline_listen[256], mainline_bootstrap[256]; /* of the mainline driver */
	const void *provider_program; /* what a program brings along, for its provider */
	/* [exit] */
	struct peel_policy policy; /* the node fills in flags, prefix and own networks */
	struct peel_addr dns[PEEL_DNS_MAX];
	size_t n_dns; /* 0: use the system's resolver configuration */
	uint32_t dns_timeout_ms;
	uint32_t exit_queue; /* datagrams kept while an exit's sockets open or a name resolves */
	uint32_t http_max;   /* concurrent HTTP requests for circuits */
	struct peel_circuit_limits_settings circuit; /* limits of each circuit that ends here */
	/* [bandwidth] */
	struct peel_bandwidth_settings bandwidth;
	/* [accounting] */
	struct peel_accounting_settings accounting;
	char accounting_state[256]; /* file that keeps what was used; empty: none */
	/* by the program alone */
	struct peel_node_guest_conf guest;
	/* [log] */
	uint32_t heartbeat; /* seconds between two lines, 0: none */
};

/** Set the defaults of the table (lib/base/peel_settings.def). Addresses, ports of exits and lists,
 * which are read from text, are empty; the port driver and the engine are NULL. The reader of the
 * settings sets them. */
void peel_node_conf_init(struct peel_node_conf *conf);

/** The number of packet buffers of a node with that configuration, and of sessions that fit into
 * its table. */
uint32_t peel_node_buffers(const struct peel_node_conf *conf);
uint32_t peel_node_sessions(const struct peel_node_conf *conf);
/** An upper bound of the bytes that such a node and its drivers take from EAL's memory, including
 * EAL's own share. */
size_t peel_node_memory(const struct peel_node_conf *conf);

struct peel_node;

/**
 * Load the key, build the tables, open the port. 0, or -errno with nothing left behind; then @p why
 * says what is wrong and what to do. @p conf is copied.
 */
int peel_node_new(const struct peel_node_conf *conf, struct peel_node **out, char *why,
	size_t why_size) PEEL_MUST_USE;
void peel_node_free(struct peel_node *node);

/** Start the workers. 0 or -errno. Then poll the node, and finish it at the end. */
int peel_node_start(struct peel_node *node) PEEL_MUST_USE;
/** Wait up to @p timeout_ms milliseconds (-1: no limit) and do what is due. */
void peel_node_poll(struct peel_node *node, int timeout_ms);
/** Send destroy to all neighbours and stop the workers. */
void peel_node_finish(struct peel_node *node);
/**
 * Let the circuits of others end: no more are joined, and the node announces no flags and is
 * introduction point of no more services. Own circuits are not touched. Again: only the limit
 * changes. @return the number of circuits of others that are left. Thread: control, or any that
 * holds the lock, here and for the next three.
 */
uint32_t peel_node_drain(struct peel_node *node, uint64_t limit_ms);
/** Go on as before. 0, or -ENOENT: it does not drain. */
int peel_node_drain_cancel(struct peel_node *node);
bool peel_node_draining(const struct peel_node *node);
/** Whether a drain is over: nothing is left, or the limit is reached. Then finish the node. */
bool peel_node_drained(const struct peel_node *node);

/**
 * Take over what changes at run time (the RELOAD rows of the table) from @p conf: limits, rates,
 * flags, exit policy, resolvers, bootstrap servers. Circuits stay. 0, or -errno of peel_or_change()
 * or peel_dns_change() with nothing changed. Thread: control, or any that holds the lock.
 */
int peel_node_reload(struct peel_node *node, const struct peel_node_conf *conf) PEEL_MUST_USE;

/** Destroy the circuits that have this id at a neighbour, those of others and own ones, and tell
 * the neighbours. @return how many. Thread: control, or any that holds the lock. */
unsigned int peel_node_close(struct peel_node *node, uint32_t cid);

/** How many workers have begun no round for that many milliseconds, and the @p first of them. One
 * that is well begins one twice a second at least, even without work. Thread: control. */
unsigned int peel_node_stalled(const struct peel_node *node, uint64_t ms, unsigned int *first);
/** What the node does, in a line for people, without addresses: "draining, 1 circuit ends here, 12
 * relayed, ...". @return @p out. Thread: control, or any that holds the lock. */
const char *peel_node_summary(const struct peel_node *node, char *out, size_t size);
/** Have nothing more to do with a network or a node (lib/ban): own circuits through it close at
 * once, those of others within some seconds. What is banned already gets another end. 0, -ENOSPC or
 * -ENOMEM. Thread: control, or any that holds the lock, here and for the next three. */
int peel_node_ban(struct peel_node *node, const struct peel_ban *ban) PEEL_MUST_USE;
/** 0, -ENOENT or -ENOMEM. */
int peel_node_unban(struct peel_node *node, const struct peel_ban *ban) PEEL_MUST_USE;
/** All bans, to look at. They live as long as the node. */
const struct peel_bans *peel_node_bans(const struct peel_node *node);
/** The node's clock, in which bans end. */
uint64_t peel_node_now(const struct peel_node *node);

/** Why the node can no longer send and receive: -errno, which has been logged; 0: it can. Thread:
 * control. */
int peel_node_failure(const struct peel_node *node);
/** A descriptor that is readable when peel_node_poll has work, and the milliseconds until its next
 * call is due at the latest. Thread: any. */
int peel_node_fd(const struct peel_node *node);
int peel_node_timeout(struct peel_node *node);

/*
 * Other threads. The control thread holds the node's lock while it works, not while it waits. A
 * thread that holds the lock may call every function of the control thread. The lock is recursive.
 * Callbacks of this header run without it, unless they say otherwise. Thread: any.
 */
void peel_node_lock(struct peel_node *node);
/** Unlock, send what was queued, and make the control thread look at its timers again at once. */
void peel_node_unlock(struct peel_node *node);
/** Unlock after only reading. */
void peel_node_unlock_unchanged(struct peel_node *node);

/* ---- own circuits (max_own_circuits > 0) ----------------------------------------------------- */

/** The node's origin circuits, NULL if it has none. Thread: control, or any that holds the lock. */
struct peel_origin_circuits *peel_node_origin(struct peel_node *node);
/** The services that this node uses, NULL if it has no origin circuits. Thread: control, or any
 * that holds the lock. */
struct peel_swarms *peel_node_swarms(struct peel_node *node);
/** HTTP requests over origin circuits. Thread: any. */
struct peel_http_ask *peel_node_http(struct peel_node *node);
/** Add a bootstrap server or peer, "HOST:PORT". Names are looked up, and again from time to time.
 * 0, -EINVAL, -ENOSPC or -ENOMEM. Thread: control, or any that holds the lock. */
int peel_node_add_bootstrap(struct peel_node *node, const char *host_port);

/**
 * Queue a data message for the end of an origin circuit. The payload is copied; there is no system
 * call unless the worker sleeps. 0; -ENOENT: gone; -ENOTCONN: not READY; -EAGAIN: ring full or no
 * buffer; -EMSGSIZE; -EINVAL: bad destination. Circuits of hidden services are never READY for
 * this. Thread: any.
 */
int peel_node_send_data(struct peel_node *node, peel_origin_id id,
	const struct peel_host *destination, const void *payload, size_t len);
/** The same for the peer at the other end of an end-to-end circuit; -ENOTCONN for all others. */
int peel_node_send_peer(struct peel_node *node, peel_origin_id id, const void *payload, size_t len);
/** The same for any other message (id and body), such as pings and test requests. Thread: any. */
int peel_node_send_message(struct peel_node *node, peel_origin_id id, const void *msg, size_t len);

struct peel_node_events {
	/** Data came back: the parsed message, borrowed during the call. */
	void (*data)(void *arg, peel_origin_id id, const struct peel_msg_data *data);
	/** Data of the peer at the other end of an end-to-end circuit, perhaps before `peer`. */
	void (*peer_data)(void *arg, peel_origin_id id, const struct peel_span *payload);
	/** A peer of a swarm can be talked to through a circuit from now on, or no more. By now
	 * that may have changed again: ask lib/swarm. */
	void (*peer)(void *arg, peel_origin_id id, uint32_t swarm, bool connected);
	/** Another message from the end of a circuit, of a kind that the node does not handle
	 * itself. */
	void (*message)(void *arg, peel_origin_id id, const uint8_t *msg, size_t len);
	/** A circuit became READY, or ended. */
	void (*ready)(void *arg, peel_origin_id id);
	void (*ended)(void *arg, peel_origin_id id, enum peel_origin_end why);
	void *arg;
};
/** Set the callbacks, which may be NULL. Call it before start, or hold the lock. */
void peel_node_on_events(struct peel_node *node, const struct peel_node_events *events);

/** The main address with its real port number. */
void peel_node_local(const struct peel_node *node, struct peel_addr *out);

/** The counters of the control thread: only that thread may add to them. */
struct peel_stats *peel_node_stats(struct peel_node *node);

/** The status as JSON text (one object, indented if @p pretty), which the caller frees with free().
 * NULL when out of memory. */
char *peel_node_status(struct peel_node *node, bool pretty);

/** Set a function that answers requests at the management socket which the node does not know. It
 * returns JSON text, which the caller frees with free(), or NULL: not known either. The control
 * thread calls it and holds the lock. Call it before start. */
void peel_node_on_request(struct peel_node *node,
	char *(*fn)(void *arg, const char *request, bool pretty), void *arg);

/** Set a function that the control thread calls once, when workers run and the port answers. Call
 * it before start. */
void peel_node_on_ready(struct peel_node *node, void (*fn)(void *arg), void *arg);

/** What a program gave up after its start, for the status, and the names of capabilities that may
 * be kept. */
struct peel_node_privileges {
	char user[64];
	uint64_t capabilities; /* of the control thread, a bit each; workers have none */
	bool no_new_privileges;
	char files[64], system_calls[64]; /* which kernel mechanism confines access to them */
};

#define PEEL_NODE_CAPABILITIES 5
extern const struct peel_node_capability {
	unsigned int bit;
	const char *name;
} peel_node_capability[PEEL_NODE_CAPABILITIES];

/** Report privileges in the status, which otherwise omits them. @p p is copied. */
void peel_node_set_privileges(struct peel_node *node, const struct peel_node_privileges *p);

struct uv_loop_s;
/** The control thread's loop, for signal watchers of the program that owns the node. */
struct uv_loop_s *peel_node_loop(struct peel_node *node);
