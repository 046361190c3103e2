/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The worker: it receives, classifies, looks up, opens, acts, seals and sends, burst by burst. It
 * touches only cells; whatever needs state goes to the control thread through its mailbox. Source:
 * protocol sections 11, 13, 16.4, 18; counter-measures W3, W10, W11, W14 of 27.
 */

#include "peel_bandwidth.h"
#include "peel_circuit_limits.h"
#include "peel_fan.h"
#include "peel_guest_mail.h"
#include "peel_listen.h"
#include "peel_msg.h"
#include "peel_submit_queue.h"
#include "peel_path.h"
#include "peel_policy.h"
#include "peel_replay.h"
#include "peel_route.h"

#define PEEL_MAX_PREFIXES 8

struct peel_worker_conf {
	/* also the RCU id and the queue of the port */
	unsigned int id;
	const struct peel_port_ops *ops;
	struct peel_port *port;
	struct rte_mempool *pool;
	const struct peel_aead_engine *engine;
	struct peel_route_table *routes;
	/* NULL: no duplicate filter */
	struct peel_replay *replay;
	struct peel_rcu *rcu;
	struct peel_mailbox *mailbox;
	/* rings to the other workers; NULL: no sharing (needs ops->wake) */
	struct peel_fan *fan;
	/* that share */
	unsigned int n_workers;
	/* of origin circuits; NULL: there are none */
	struct peel_paths *paths;
	/* what the program sends over them; NULL: nothing */
	struct peel_submit_queue *submit_queue;
	struct peel_stats *stats;
	/* the first one: peel_worker_set_policy */
	const struct peel_policy *policy;
	/* [0]: tunnel overlay; the others go to control */
	uint8_t prefix[PEEL_MAX_PREFIXES][PEEL_PREFIX_LEN];
	unsigned int n_prefixes;
	/* discovery messages of these overlays go to control, too; NULL: there are none */
	const struct peel_listen *listen;
	/* bytes of a speed test answer at most (W14), and answers per second, 0: no limit */
	uint32_t test_response_max;
	uint32_t test_rate;
	/* sleep in the port (needs ops->wait) after so many empty polls */
	bool sleep;
	uint32_t idle_spins;
	/** Called at most once per burst, after something was pushed to the mailbox; must be
	 * cheap. */
	void (*wake_control)(void *arg);
	void *wake_arg;
	/* of a guest's node, whose overlays come from peel_worker_set_overlays: where the guest's
	 * mail goes, that of all workers. What the guest does not get is the control thread's, or
	 * dropped. NULL: the node has a control plane of its own */
	struct peel_submit_queue *guest;
	/* of the guest's overlays, what this worker receives and the cells that it makes */
	struct peel_guest_counts *guest_counts;
	/** The thread that takes the guest's mail sleeps; called at most once per round. */
	void (*wake_guest)(void *arg);
	/* clock, read once a second; randomness, at the start */
	const struct peel_env *env;
};

struct peel_worker;

/** Make a worker. 0, -ENOMEM, or the engine's error. Thread: control. */
int peel_worker_new(const struct peel_worker_conf *conf, struct peel_worker **out) PEEL_MUST_USE;
/** Free a worker that has stopped. Thread: control. */
void peel_worker_free(struct peel_worker *w);

/** Do one round. @return the number of datagrams handled. Thread: the worker, online in RCU. */
unsigned int peel_worker_poll(struct peel_worker *w);
/** Do rounds until peel_worker_stop(); sleep when idle, if configured. Thread: the worker. */
void peel_worker_run(struct peel_worker *w);
/** Make peel_worker_run() return after its round. Thread: any. */
void peel_worker_stop(struct peel_worker *w);
/** Use another policy from the next datagram on. The old one may be freed after a grace period.
 * Thread: control. */
void peel_worker_set_policy(struct peel_worker *w, const struct peel_policy *policy);
/** Answer so many speed tests a second (0: no limit) from the next second on, and with so many
 * bytes at most from the next answer on. Thread: control. */
void peel_worker_set_tests(struct peel_worker *w, uint32_t rate, uint32_t size_max);
/** Use these limits from the next round on, NULL: none. The old ones may be freed after a grace
 * period. They are for the sessions of the worker's table and the TSC. Thread: control. */
void peel_worker_set_bandwidth(struct peel_worker *w, struct peel_bandwidth *bandwidth);
/** The same for limits of each circuit that ends here. They are for the endpoints of the worker's
 * port. */
void peel_worker_set_circuit_limits(struct peel_worker *w, struct peel_circuit_limits *limits);
/** Let nothing of circuits pass any more, or let it pass again. Thread: any. */
void peel_worker_close(struct peel_worker *w, bool closed);
/** Drop what comes from these addresses, from the next burst on; NULL: there are none. The
 * old ones may be freed after a grace period. Thread: control. */
void peel_worker_set_banned(struct peel_worker *w, const struct peel_addr_set *banned);
/** The overlays of a guest, from the next round on; before the first ones, everything is dropped.
 * The old ones may be freed after a grace period. Thread: control. */
void peel_worker_set_overlays(struct peel_worker *w, const struct peel_guest_overlays *overlays);
/** End the worker's sleep, because it has mail or must look at its stop flag. Thread: any. */
void peel_worker_wake(struct peel_worker *w);

/** Stages of a round, for the times below. */
enum peel_stage {
	PEEL_STAGE_RX, /* receive from the port, share with other workers */
	PEEL_STAGE_CLASSIFY,
	PEEL_STAGE_FIND, /* buckets of the switching table */
	PEEL_STAGE_LOAD, /* routes; sends for sessions and the duplicate filter */
	PEEL_STAGE_OPEN, /* AEAD */
	PEEL_STAGE_ACT,	 /* rewrite, exit, answer */
	PEEL_STAGE_SEAL, /* AEAD */
	PEEL_STAGE_TX,	 /* hand to the port, flush */
	PEEL_STAGE_IDLE, /* rounds without work, sleeps not counted */
	PEEL_N_STAGES
};
extern const char *const peel_stage_name[PEEL_N_STAGES];

/** Measure cycles per stage from the next round on, or stop measuring. Off by default, because it
 * costs a few per cent. Thread: any. */
void peel_worker_time(struct peel_worker *w, bool on);
/** TSC cycles per stage so far. Thread: any. */
void peel_worker_times(const struct peel_worker *w, uint64_t cycles[PEEL_N_STAGES]);

/** TSC cycles of all rounds that had work. Always counted: it costs one store a round. Thread: any.
 */
uint64_t peel_worker_busy(const struct peel_worker *w);
/** When its last round began, in TSC cycles; 0: it has not begun. At most half a second ago, with
 * the time of a round, if the worker is well: it never sleeps longer. Thread: any. */
uint64_t peel_worker_round(const struct peel_worker *w);

/** What tells circuits apart that have an endpoint in turn, for peel_circuit_limits_take(). */
static inline uint64_t
peel_exit_circuit(uint32_t session, uint32_t generation)
{
	return (uint64_t)generation << 32 | session;
}

/** The cookie that exit_open gets for an exit's endpoint. */
static inline uint64_t
peel_exit_cookie(uint32_t route, uint32_t session)
{
	return (uint64_t)route << 32 | session;
}
