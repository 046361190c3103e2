/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The loop: mail of the control thread, what the program sends, bursts from the port, sleep.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

#include "burst.h"

/* rounds; also at each sleep */
#define QUIESCENT_EVERY 256
/* datagrams, before a look at the clock and the mail */
#define ROUND_MAX (4 * BURST)
/* look at the clock now and then, whatever happens */
#define SLEEP_MAX_US 500000
/* What comes in so many rounds in a row, and is not more, is let gather for a moment. */
#define TRICKLE_ROUNDS 4
#define TRICKLE_MAX 7
#define NAP_NS 30000

/* Cycles tell when a second is over; the node's clock, asked once a second, keeps their inexact
 * rate from adding up. */
static void
set_clock(struct peel_worker *w)
{
	uint64_t now_ms = peel_now_ms(w->conf.env);
	uint32_t now_s = (uint32_t)(now_ms / 1000);

	w->next_second_tsc = rte_rdtsc() + w->tsc_hz * (1000 - now_ms % 1000) / 1000;
	if (now_s != w->now_s)
		exit_second(w);
	w->now_s = now_s;
}

int
peel_worker_new(const struct peel_worker_conf *conf, struct peel_worker **out)
{
	struct peel_worker *w;
	int rc;

	if (posix_memalign((void **)&w, 64, sizeof(*w)) != 0)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	w->conf = *conf;
	w->policy = conf->policy;
	w->tests.rate = conf->test_rate;
	w->tests.size_max = conf->test_response_max;
	w->tests.tokens = 2ull * conf->test_rate;
	rc = conf->engine->new (&w->aead);
	if (rc != 0) {
		free(w);
		return rc;
	}
	peel_cell_header(w->header, conf->prefix[0], 0, false, false);
	w->tsc_hz = rte_get_tsc_hz();
	w->group_size = conf->engine->lanes > 1 ? GROUP : GROUP_SMALL;
	set_clock(w);
	w->tests.filler = peel_random_u64(conf->env);
	*out = w;
	return 0;
}

void
peel_worker_set_policy(struct peel_worker *w, const struct peel_policy *policy)
{
	/* Pairs with the acquire in worker_policy. */
	__atomic_store_n(&w->policy, policy, __ATOMIC_RELEASE);
}

void
peel_worker_set_tests(struct peel_worker *w, uint32_t rate, uint32_t size_max)
{
	__atomic_store_n(&w->tests.rate, rate, __ATOMIC_RELAXED);
	__atomic_store_n(&w->tests.size_max, size_max, __ATOMIC_RELAXED);
}

void
peel_worker_set_bandwidth(struct peel_worker *w, struct peel_bandwidth *bandwidth)
{
	/* Pairs with the acquire in begin_round. */
	__atomic_store_n(&w->bandwidth, bandwidth, __ATOMIC_RELEASE);
}

void
peel_worker_set_circuit_limits(struct peel_worker *w, struct peel_circuit_limits *limits)
{
	/* Pairs with the acquire in within_limits. */
	__atomic_store_n(&w->circuit_limits, limits, __ATOMIC_RELEASE);
}

void
peel_worker_close(struct peel_worker *w, bool closed)
{
	__atomic_store_n(&w->closed, closed, __ATOMIC_RELAXED);
}

void
peel_worker_set_banned(struct peel_worker *w, const struct peel_addr_set *banned)
{
	/* Pairs with the acquire in receive. */
	__atomic_store_n(&w->banned, banned, __ATOMIC_RELEASE);
}

void
peel_worker_free(struct peel_worker *w)
{
	if (w == NULL)
		return;
	w->conf.engine->free(w->aead);
	peel_wipe(w, sizeof(*w));
	free(w);
}

/* It leaves in any case, and circuits have the rest, among them those whose HTTP answers this is.
 * What an exit sends was counted on its way to the control thread. @return how many may leave. */
static unsigned int
admit_mail(struct peel_worker *w, struct rte_mbuf **mail, unsigned int n)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct peel_pkt *pkt = peel_pkt(mail[i]);
		enum peel_counter reason;

		if (pkt->kind == PEEL_KIND_EXIT_ANSWER) {
			if (!burst_may_send(w, pkt->session, PEEL_BANDWIDTH_EXIT, mail[i]->data_len,
				    &reason)) {
				burst_free(w, mail[i], reason);
				continue;
			}
		} else if (pkt->endpoint == PEEL_ENDPOINT_MAIN) {
			peel_bandwidth_spend(&w->limits, mail[i]->data_len);
		}
		mail[kept++] = mail[i];
	}
	return kept;
}

/* Mail of the control thread: datagrams ready to leave. */
static unsigned int
send_mail(struct peel_worker *w)
{
	struct rte_mbuf *mail[BURST];
	unsigned int n = peel_mailbox_pop_worker(w->conf.mailbox, mail, BURST), n_tx = n;

	if (unlikely(w->limits.limits != NULL))
		n_tx = admit_mail(w, mail, n);
	if (n_tx > 0)
		w->conf.ops->tx(w->conf.port, (uint16_t)w->conf.id, mail, (uint16_t)n_tx);
	return n;
}

static inline void
send_burst(struct peel_worker *w)
{
	struct burst *b = &w->burst;

	if (unlikely(w->conf.guest != NULL))
		guest_count_sent(w);
	if (b->n_tx > 0)
		w->conf.ops->tx(w->conf.port, (uint16_t)w->conf.id, b->tx, b->n_tx);
	b->n_tx = 0;
}

static inline void
free_drops(struct burst *b)
{
	if (unlikely(b->n_drop > 0))
		rte_pktmbuf_free_bulk(b->drop, b->n_drop);
	b->n_drop = 0;
}

static void
finish_round(struct peel_worker *w)
{
	struct burst *b = &w->burst;
	struct peel_stats *stats = w->conf.stats;

	send_burst(w);
	if (b->n_forward > 0)
		peel_stats_add(stats, PEEL_CELLS_FORWARD, b->n_forward);
	if (b->n_backward > 0)
		peel_stats_add(stats, PEEL_CELLS_BACKWARD, b->n_backward);
	if (b->n_exited > 0)
		peel_stats_add(stats, PEEL_CELLS_EXITED, b->n_exited);
	if (b->n_returned > 0)
		peel_stats_add(stats, PEEL_CELLS_RETURNED, b->n_returned);
	b->n_forward = b->n_backward = b->n_exited = b->n_returned = 0;
	if (b->notify)
		w->conf.wake_control(w->conf.wake_arg);
	b->notify = false;
	if (unlikely(w->guest.wake))
		w->conf.wake_guest(w->conf.wake_arg);
	w->guest.wake = false;
}

/* Groups take turns: the one that is at @p stage in the nth step entered so many steps before. */
static inline struct group *
group_at(struct peel_worker *w, unsigned int nth, unsigned int stage)
{
	return &w->group[(nth + N_GROUPS - stage) % N_GROUPS];
}

/*
 * One group enters, and each one under way moves on by a stage. Groups are independent, so the
 * order of the stages is free: with large groups, half of the prefetches are issued before the
 * crypto of cells that are opened, half behind it (worker.h says why).
 */
static inline void
step(struct peel_worker *w, unsigned int nth, struct rte_mbuf *const *pkts, uint16_t n)
{
	struct group *entering = group_at(w, nth, STAGE_CLASSIFY),
		     *found = group_at(w, nth, STAGE_FIND), *loaded = group_at(w, nth, STAGE_LOAD),
		     *worked = group_at(w, nth, STAGE_WORK);
	/* without cells, all crypto is in stage_finish */
	const bool halves = w->group_size > GROUP_SMALL && worked->n_cells > 0;

	if (halves) {
		stage_load(w, loaded);
		stage_done(w, PEEL_STAGE_LOAD);
		stage_find(w, found);
		stage_done(w, PEEL_STAGE_FIND);
		stage_load_filter(w, loaded);
		stage_done(w, PEEL_STAGE_LOAD);
		stage_work(w, worked);
		stage_load_filter(w, worked); /* may have left the first-level cache meanwhile */
		stage_classify(w, entering, pkts, n);
		stage_done(w, PEEL_STAGE_CLASSIFY);
		stage_load_sessions(loaded);
		stage_done(w, PEEL_STAGE_LOAD);
	} else {
		stage_classify(w, entering, pkts, n);
		stage_done(w, PEEL_STAGE_CLASSIFY);
		stage_find(w, found);
		stage_done(w, PEEL_STAGE_FIND);
		stage_load(w, loaded);
		stage_load_filter(w, loaded);
		stage_load_sessions(loaded);
		stage_done(w, PEEL_STAGE_LOAD);
		stage_work(w, worked);
	}
	stage_finish(w, worked);
	if (unlikely(w->origin.n > BURST - GROUP))
		stage_origin_receive(w);
	free_drops(&w->burst);
	if (w->burst.n_tx > BURST - GROUP) {
		send_burst(w);
		stage_done(w, PEEL_STAGE_TX);
	}
}

/* Keep what does not come from there, in order. */
static uint16_t
drop_banned(struct peel_worker *w, const struct peel_addr_set *banned, struct rte_mbuf **pkts,
	uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (peel_addr_set_has(banned, &peel_pkt(pkts[i])->remote))
			burst_free(w, pkts[i], PEEL_DROP_BANNED);
		else
			pkts[kept++] = pkts[i];
	}
	return kept;
}

/* @p more: there may be another burst. */
static uint16_t
receive(struct peel_worker *w, struct rte_mbuf **pkts, bool *more)
{
	uint16_t n = w->conf.ops->rx(w->conf.port, (uint16_t)w->conf.id, pkts, BURST);
	const struct peel_addr_set *banned = __atomic_load_n(&w->banned, __ATOMIC_ACQUIRE);

	*more = n == BURST;
	/* What came after a change meets what it set, also in a round that began before it. */
	if (unlikely(w->conf.guest != NULL))
		guest_begin(w);
	if (n > 0)
		peel_stats_add(w->conf.stats, PEEL_BURSTS, 1);
	if (unlikely(banned != NULL))
		n = drop_banned(w, banned, pkts, n);
	if (w->conf.fan != NULL) {
		n = stage_share(w, pkts, n);
		*more |= n == BURST;
	}
	stage_done(w, n > 0 ? PEEL_STAGE_RX : PEEL_STAGE_IDLE);
	return n;
}

/* Receive as long as full bursts come, so that the groups stay close behind each other, but only so
 * long. */
static unsigned int
receive_and_work(struct peel_worker *w)
{
	struct rte_mbuf *pkts[BURST];
	unsigned int received = 0, under_way = 0;
	uint16_t n = 0, at = 0;
	bool more = true;

	for (unsigned int nth = 0;; nth++) {
		if (at == n && more && received < ROUND_MAX) {
			n = receive(w, pkts, &more);
			at = 0;
			received += n;
		}
		uint16_t take = RTE_MIN((uint16_t)(n - at), w->group_size);

		if (take > 0)
			under_way = N_GROUPS;
		else if (under_way == 0)
			break;
		step(w, nth, pkts + at, take);
		at += take;
		under_way--;
	}
	if (w->origin.n > 0)
		stage_origin_receive(w);
	return received;
}

static inline void
end_round(struct peel_worker *w, uint64_t now)
{
	if (w->worked)
		__atomic_store_n(
			&w->busy_cycles, w->busy_cycles + now - w->round_tsc, __ATOMIC_RELAXED);
	w->worked = false;
}

/* A round ends where the next one begins: one look at the clock serves both. Before a sleep there
 * is always a round without work. */
static inline void
begin_round(struct peel_worker *w)
{
	uint64_t now = rte_rdtsc();

	end_round(w, now);
	__atomic_store_n(&w->round_tsc, now, __ATOMIC_RELAXED);
	w->shut = __atomic_load_n(&w->closed, __ATOMIC_RELAXED);
	peel_bandwidth_begin(&w->limits, __atomic_load_n(&w->bandwidth, __ATOMIC_ACQUIRE), now);
	if (unlikely(now >= w->next_second_tsc))
		set_clock(w);
	if (unlikely(w->conf.guest != NULL))
		guest_begin(w);
}

unsigned int
peel_worker_poll(struct peel_worker *w)
{
	unsigned int n_mail, n_submitted = 0, n;

	begin_round(w);
	w->timing = __atomic_load_n(&w->want_timing, __ATOMIC_RELAXED);
	if (unlikely(w->timing))
		w->stage_tsc = rte_rdtsc();
	n_mail = send_mail(w);
	if (w->conf.submit_queue != NULL)
		n_submitted = stage_origin_send(w);
	n = receive_and_work(w);
	if (n + n_submitted > 0)
		finish_round(w);
	peel_bandwidth_end(&w->limits);
	w->conf.ops->flush(w->conf.port, (uint16_t)w->conf.id);
	stage_done(w, n + n_mail + n_submitted > 0 ? PEEL_STAGE_TX : PEEL_STAGE_IDLE);
	w->worked = n + n_mail + n_submitted > 0;
	return n + n_mail + n_submitted;
}

/* Tell those who may have work that they must wake us from now on. @return true: some came in the
 * meantime. */
static bool
doze(struct peel_worker *w)
{
	return (w->conf.fan != NULL && peel_fan_doze(w->conf.fan, w->conf.id)) ||
	       (w->conf.submit_queue != NULL && peel_submit_queue_doze(w->conf.submit_queue));
}

static void
sleep_until_work(struct peel_worker *w)
{
	if (!doze(w)) {
		peel_stats_add(w->conf.stats, PEEL_SLEEPS, 1);
		peel_rcu_offline(w->conf.rcu, w->conf.id);
		w->conf.ops->wait(w->conf.port, (uint16_t)w->conf.id, SLEEP_MAX_US);
		peel_rcu_online(w->conf.rcu, w->conf.id);
	}
	if (w->conf.fan != NULL)
		peel_fan_awake(w->conf.fan, w->conf.id);
	if (w->conf.submit_queue != NULL)
		peel_submit_queue_awake(w->conf.submit_queue);
}

/* A worker that may sleep pays for each round with system calls. When two datagrams a round keep it
 * from sleeping, it would be as busy with them as with ten. So it lets some gather, as cards do
 * that moderate their interrupts. */
static void
nap(struct peel_worker *w)
{
	const struct timespec time = {.tv_nsec = NAP_NS};

	peel_stats_add(w->conf.stats, PEEL_NAPS, 1);
	end_round(w, rte_rdtsc());
	peel_rcu_offline(w->conf.rcu, w->conf.id);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	peel_rcu_online(w->conf.rcu, w->conf.id);
}

void
peel_worker_run(struct peel_worker *w)
{
	bool may_sleep = w->conf.sleep && w->conf.ops->wait != NULL;
	uint32_t idle = 0, trickle = 0, rounds = 0;

	peel_rcu_online(w->conf.rcu, w->conf.id);
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		unsigned int n = peel_worker_poll(w);

		idle = n > 0 ? 0 : idle + 1;
		trickle = n > 0 && n <= TRICKLE_MAX ? trickle + 1 : 0;
		if (may_sleep && idle > w->conf.idle_spins) {
			sleep_until_work(w);
			/* It may have been woken by the time alone: one look, then it sleeps on. */
			idle = w->conf.idle_spins;
		} else if (may_sleep && trickle >= TRICKLE_ROUNDS) {
			nap(w);
		} else if (++rounds % QUIESCENT_EVERY == 0) {
			peel_rcu_quiescent(w->conf.rcu, w->conf.id);
		}
	}
	/* What was under way, last mail (destroys) included, but never for ever. */
	for (unsigned int i = 0; i < BURST && peel_worker_poll(w) > 0; i++)
		;
	peel_rcu_offline(w->conf.rcu, w->conf.id);
}

const char *const peel_stage_name[PEEL_N_STAGES] = {
	[PEEL_STAGE_RX] = "rx",
	[PEEL_STAGE_CLASSIFY] = "classify",
	[PEEL_STAGE_FIND] = "find",
	[PEEL_STAGE_LOAD] = "load",
	[PEEL_STAGE_OPEN] = "open",
	[PEEL_STAGE_ACT] = "act",
	[PEEL_STAGE_SEAL] = "seal",
	[PEEL_STAGE_TX] = "tx",
	[PEEL_STAGE_IDLE] = "idle",
};

void
peel_worker_time(struct peel_worker *w, bool on)
{
	__atomic_store_n(&w->want_timing, on, __ATOMIC_RELAXED);
}

void
peel_worker_times(const struct peel_worker *w, uint64_t cycles[PEEL_N_STAGES])
{
	for (int i = 0; i < PEEL_N_STAGES; i++)
		cycles[i] = __atomic_load_n(&w->stage_cycles[i], __ATOMIC_RELAXED);
}

uint64_t
peel_worker_busy(const struct peel_worker *w)
{
	return __atomic_load_n(&w->busy_cycles, __ATOMIC_RELAXED);
}

uint64_t
peel_worker_round(const struct peel_worker *w)
{
	return __atomic_load_n(&w->round_tsc, __ATOMIC_RELAXED);
}

void
peel_worker_wake(struct peel_worker *w)
{
	if (w->conf.ops->wake != NULL)
		w->conf.ops->wake(w->conf.port, (uint16_t)w->conf.id);
}

void
peel_worker_stop(struct peel_worker *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	peel_worker_wake(w);
}
