/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The state of a worker, and the stages that a round takes its cells through: parallel arrays,
 * reused by each burst.
 *
 *   rx -> classify -> find -> load -> work, finish -> tx
 *          hash        \       \       open   act, seal
 *                    buckets  routes
 *
 * A burst goes through in groups, each group one stage behind the one before it: memory that a
 * stage prefetches arrives while the others work, mostly in the crypto of an earlier group. No
 * stage looks back. A datagram is in exactly one array at a time and ends in `tx`, in `drop` or in
 * the mailbox.
 */
#pragma once

#include <rte_cycles.h>

#include "peel_cell.h"
#include "peel_datapath.h"

#define BURST PEEL_PORT_BURST
/*
 * A cell needs four lines that are cold when there are many circuits: bucket, route, session, and
 * its set of the duplicate filter. A core drops prefetches while too many are under way (Zen 4:
 * more than 20), and a line that is missing later costs 400 cycles. So small groups are of four. An
 * engine that works on several cells at once gains from groups as large as its lanes; then a step
 * prefetches two lines a cell before its crypto and two behind it.
 */
#define GROUP 8 /* at most */
#define GROUP_SMALL 4
_Static_assert(GROUP <= PEEL_AEAD_BURST, "one crypto burst per stage");
_Static_assert(BURST % GROUP == 0, "whole groups");

/* Stages that a group passes, one a step, and so how many groups are under way. */
enum {
	STAGE_CLASSIFY,
	STAGE_FIND,
	STAGE_LOAD,
	STAGE_WORK,
	N_GROUPS
};

struct group {
	/* classify: cells of this node's circuits, still sealed */
	uint16_t n_cells;
	struct rte_mbuf *cell[GROUP];
	const struct peel_addr *from[GROUP];
	uint32_t cid[GROUP];
	uint64_t hash[GROUP];
	/* find: their routes */
	uint32_t slot[GROUP];
	/* load: for the duplicate filter, 0: it is not asked */
	uint64_t fingerprint[GROUP];

	/* classify: datagrams that came to an exit's outside endpoint */
	uint16_t n_returns;
	struct rte_mbuf *ret[GROUP];

	/* load: lines of sessions that are still to be prefetched, or NULL */
	const struct peel_direction *direction[GROUP];
} __attribute__((aligned(64))); /* not aligned, exit returns took 3 % longer */

/* What the last stage of one group fills and empties, and what leaves. */
struct burst {
	/* cells to open with their session's forward key */
	uint16_t n_open;
	struct rte_mbuf *open[GROUP];
	struct peel_route *open_route[GROUP];
	struct peel_aead_op open_op[GROUP];
	uint64_t fingerprint[GROUP];
	/* a bit per cell that did not open */
	uint64_t failed;

	/* messages to seal with a session's backward key; data already is a whole cell */
	uint16_t n_seal;
	struct rte_mbuf *seal[GROUP];
	struct peel_aead_op seal_op[GROUP];

	uint16_t n_tx;
	struct rte_mbuf *tx[BURST];
	uint16_t n_drop;
	struct rte_mbuf *drop[N_GROUPS * GROUP];
	/* something was pushed to the mailbox */
	bool notify;

	/* the frequent counters, added to the worker's block once per round */
	uint32_t n_forward, n_backward, n_exited, n_returned;
};

/* Paths are counted by the low bits of their number. */
#define ORIGIN_PATHS 256

/* Cells of origin circuits: those of a whole round together, whichever way they go. */
struct origin_cells {
	uint16_t n;
	/* NULL: dropped on the way */
	struct rte_mbuf *m[BURST];
	const struct peel_path *path[BURST];
	/* of the path */
	uint32_t index[BURST];
	uint8_t flags[BURST], n_layers[BURST];
	uint64_t fingerprint[BURST];
	struct peel_aead_op op[BURST];
	/* messages for control in this second, by path */
	uint32_t second;
	uint8_t control[ORIGIN_PATHS];
};

/* Sessions are counted by the low bits of their number. */
#define TEST_SESSIONS 256

/* Speed tests: who asks for answers, and how many there are. */
struct speed_tests {
	/* answers per second (0: no limit), and bytes of one at most; relaxed, written by control
	 */
	uint32_t rate, size_max;
	/* answers left, as some of the second before may be */
	uint64_t tokens;
	/* asked for in this second, by session, and how many sessions these are */
	uint32_t asked[TEST_SESSIONS];
	uint32_t askers;
	/* in the second before */
	uint32_t askers_before;
	/* of the generator of their bytes */
	uint64_t filler;
};

/* Sessions are counted by the low bits of their number. */
#define GUEST_SESSIONS 256

/* Of a guest's node. */
struct guest_mail {
	/* replaced by control */
	const struct peel_guest_overlays *set;
	/* as this round found them, NULL: none yet */
	const struct peel_guest_overlays *overlays;
	uint32_t version;
	/* whoever takes the mail sleeps */
	bool wake;
	/* messages of circuits in this second, by session */
	uint32_t second;
	uint8_t messages[GUEST_SESSIONS];
};

struct peel_worker {
	struct peel_worker_conf conf;
	/* replaced by control, read with worker_policy() */
	const struct peel_policy *policy;
	/* replaced by control; NULL: no limits */
	struct peel_bandwidth *bandwidth;
	/* the same for circuits that end here */
	struct peel_circuit_limits *circuit_limits;
	/* of `bandwidth`, as this round found them */
	struct peel_bandwidth_round limits;
	/* `closed` as this round found it */
	bool shut;
	/* banned addresses, NULL: none; replaced by control */
	const struct peel_addr_set *banned;
	struct peel_aead *aead;
	/* template: own prefix, sealed cell, circuit id 0 */
	uint8_t header[PEEL_CELL_HEADER_LEN];
	/* seconds of the node's clock, and when the next one begins */
	uint32_t now_s;
	uint64_t next_second_tsc;
	uint64_t tsc_hz;
	uint16_t group_size;
	struct speed_tests tests;
	/* relaxed atomics, written by control */
	bool stop;
	bool want_timing;
	bool closed;
	/* want_timing as this round found it, and when the last stage ended */
	bool timing;
	uint64_t stage_tsc;
	/* relaxed, read by control */
	uint64_t stage_cycles[PEEL_N_STAGES];
	/* relaxed, read by control: when this round began, and the time of all rounds that had
	 * work */
	uint64_t round_tsc;
	uint64_t busy_cycles;
	/* whether the last round had work */
	bool worked;
	/* cells for other workers */
	struct rte_mbuf *staged[PEEL_FAN_MAX][BURST];
	struct group group[N_GROUPS];
	struct burst burst;
	struct origin_cells origin;
	struct guest_mail guest;
};

/* Account the time since the last mark to a stage. */
static inline void
stage_done(struct peel_worker *w, enum peel_stage stage)
{
	if (likely(!w->timing))
		return;
	uint64_t now = rte_rdtsc();

	__atomic_store_n(&w->stage_cycles[stage], w->stage_cycles[stage] + now - w->stage_tsc,
		__ATOMIC_RELAXED);
	w->stage_tsc = now;
}

/* share.c: give away what is others', take what they gave. @return datagrams in pkts now, at most
 * BURST. */
uint16_t stage_share(struct peel_worker *w, struct rte_mbuf **pkts, uint16_t n);

/* classify.c */
void stage_classify(
	struct peel_worker *w, struct group *g, struct rte_mbuf *const *pkts, uint16_t n);

/* guest_mail.c: in a guest's node only */
/* A round begins, with the overlays that there are now. */
void guest_begin(struct peel_worker *w);
/* What came to the main address. */
void guest_classify(
	struct peel_worker *w, struct group *g, struct rte_mbuf *m, const uint8_t *d, uint32_t len);
/* An opened message for the guest, as the cell that it came in: the header moves to it over the
 * salts of so many layers. The session is that of our neighbour. @return false: the guest's ring is
 * too full; then @p m stays the caller's. */
bool guest_cell(struct peel_worker *w, struct rte_mbuf *m, unsigned int n_layers, uint32_t session);
/* Whether an exit of ours may send there whatever the policy says: the guest's overlay talks to the
 * guest itself. */
bool guest_itself(const struct peel_worker *w, const struct peel_policy *policy,
	const struct peel_addr *a, const uint8_t *d, size_t len);
/* Count the cells that are about to be sent. */
void guest_count_sent(struct peel_worker *w);

/* find.c */
void stage_find(struct peel_worker *w, struct group *g);
void stage_load(struct peel_worker *w, struct group *g);
/* Prefetch what load found out; worker.c says when. */
void stage_load_filter(struct peel_worker *w, const struct group *g);
void stage_load_sessions(const struct group *g);
/* Up to the opened cells, and what follows from them. */
void stage_work(struct peel_worker *w, struct group *g);
void stage_finish(struct peel_worker *w, struct group *g);

/* crypt.c */
void stage_open(struct peel_worker *w);
void stage_opened(struct peel_worker *w);
void stage_seal(struct peel_worker *w);

/* exit_cells.c */
void stage_exit(struct peel_worker *w, struct rte_mbuf *m, struct peel_route *route, bool early);
void stage_returns(struct peel_worker *w, const struct group *g);
/* A second is over. */
void exit_second(struct peel_worker *w);

/* origin_cells.c */
/* A cell that came back over an origin circuit, for stage_origin_receive(); at most BURST in
 * between. */
void stage_origin_queue(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route,
	uint64_t fingerprint);
void stage_origin_receive(struct peel_worker *w);
/* What the program gave to send goes into the burst's tx. @return how many messages. */
unsigned int stage_origin_send(struct peel_worker *w);
