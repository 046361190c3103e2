/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Speed tests of a guest: for a while as many requests as a circuit carries, and what became of
 * each of them. The thread that drives the node does it all, without the node's lock; others only
 * add tests to a list.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "guest_handle.h"
#include "guest_proxy.h"
#include "speed_window.h"

#define REQUESTS_MAX (1 << 18) /* of a test */
#define ROUND_MS 10
/* For late answers there is twice the target, or this without one. */
#define DRAIN_US 1000000
/* Of messages 21 and 22, before their data: id, identifier, response size. Protocol 22.1. */
#define REQUEST_HEAD 7
#define RESPONSE_HEAD 5

struct guest_request {
	struct guest_test *test;
	bool waiting;
	uint64_t sent_us, received_us; /* 0: not answered */
	size_t n_received;
};

struct guest_test {
	struct guest_test *next;
	struct peel_guest_test conf;
	peel_origin_id circuit;
	size_t overhead; /* of a cell: header and layers */
	void (*on_answers)(void *arg, const struct peel_guest_test_answer *a, size_t n, bool done);
	void *arg;
	uint64_t epoch_ms, start_us, report_us; /* when it began; when the next report is due */
	struct speed_window window;
	bool over;	   /* no more requests */
	bool gone;	   /* the circuit is */
	bool ended;	   /* the guest has had its last report */
	uint32_t n, first; /* requests; those before `first` are answered or lost */
	uint32_t unlost;   /* under way as far as the window knows */
	uint32_t waiting;  /* for their callback */
	uint32_t told;	   /* of `n`, in the last report */
	struct guest_request request[REQUESTS_MAX]; /* pages come as they are needed */
};

struct guest_tests {
	struct peel_node *node;
	struct tests *tests;
	uv_timer_t timer; /* of the node's loop, under its lock; runs while there are tests */
	pthread_mutex_t lock;
	struct guest_test *list;
	unsigned int n;
};

static uint64_t
now_us(void)
{
	return uv_hrtime() / 1000;
}

/* What to add to times of the test, so that they are those of the guest's clock: once, as that one
 * jumps. */
static uint64_t
epoch_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 - now_us() / 1000;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void
on_done(void *arg, int result, uint64_t rtt_us, size_t len)
{
	struct guest_request *r = arg;
	struct guest_test *t = r->test;

	t->waiting--;
	if (r->waiting)
		t->unlost--;
	r->waiting = false;
	if (result == -ENOENT || result == -ECANCELED)
		t->gone = true;
	if (result != 0)
		return;
	r->received_us = r->sent_us + rtt_us;
	r->n_received = t->overhead + RESPONSE_HEAD + len;
	speed_window_answer(&t->window, now_us(), rtt_us);
}

/* @return false: no more for now. */
static bool
send_one(struct guest_tests *all, struct guest_test *t)
{
	const struct peel_test test = {.rust = true,
		.request_size = t->conf.request_size,
		.response_size = t->conf.response_size};
	struct guest_request *r = &t->request[t->n];
	int rc;

	*r = (struct guest_request){.test = t, .waiting = true, .sent_us = now_us()};
	t->waiting++;
	t->unlost++;
	rc = tests_begin(all->tests, t->circuit, &test, on_done, r);
	if (rc == 0) {
		t->over = ++t->n == REQUESTS_MAX;
		return !t->over;
	}
	t->waiting--;
	t->unlost--;
	t->over = rc != -EAGAIN; /* the circuit is gone, or the size does not fit */
	t->gone |= rc == -ENOENT;
	return false;
}

/* Requests that are not answered for long make room for others; a late answer still counts. */
static void
find_lost(struct guest_test *t, uint64_t now)
{
	uint64_t patience = speed_window_patience(&t->window);
	bool any = false;

	for (; t->first < t->n; t->first++) {
		struct guest_request *r = &t->request[t->first];

		if (r->waiting && now - r->sent_us <= patience)
			break;
		if (!r->waiting)
			continue;
		r->waiting = false;
		t->unlost--;
		any = true;
	}
	if (any)
		speed_window_lost(&t->window, now);
}

static void
pump(struct guest_tests *all, struct guest_test *t, uint64_t now)
{
	if (now - t->start_us >= (uint64_t)t->conf.duration_ms * 1000)
		t->over = true;
	if (t->over)
		return;
	find_lost(t, now);
	while (t->unlost < (uint32_t)t->window.size && send_one(all, t))
		;
}

/* ---- reports --------------------------------------------------------------------------------- */

/* All requests so far, but that the newest waits for the next report: each, the last included, has
 * one that was in none before, which Tribler's REST interface relies on. Without memory it is an
 * empty report. */
static void
report(struct guest_test *t, bool done)
{
	uint32_t n = done || t->n == 0 ? t->n : t->n - 1;
	struct peel_guest_test_answer *a = n > 0 ? malloc(n * sizeof(*a)) : NULL;

	t->told = n;
	n = a != NULL ? n : 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct guest_request *r = &t->request[i];

		a[i] = (struct peel_guest_test_answer){.id = i,
			.sent_ms = t->epoch_ms + r->sent_us / 1000,
			.n_sent = (uint32_t)(t->overhead + REQUEST_HEAD + t->conf.request_size),
			.received_ms =
				r->received_us != 0 ? t->epoch_ms + r->received_us / 1000 : 0,
			.n_received = (uint32_t)r->n_received};
	}
	t->on_answers(t->arg, a, n, done);
	free(a);
}

static bool
is_time_up(const struct guest_test *t, uint64_t now)
{
	uint64_t drain =
		t->conf.target_rtt_ms != 0 ? (uint64_t)t->conf.target_rtt_ms * 2000 : DRAIN_US;

	return t->gone || now - t->start_us >= (uint64_t)t->conf.duration_ms * 1000 + drain;
}

static void
work(struct guest_tests *all, struct guest_test *t)
{
	uint64_t now = now_us();

	if (t->ended)
		return;
	pump(all, t, now);
	t->ended = is_time_up(t, now);
	if (t->ended) {
		report(t, true);
	} else if (t->conf.interval_ms != 0 && now >= t->report_us) {
		t->report_us += (uint64_t)t->conf.interval_ms * 1000;
		if (t->report_us < now)
			t->report_us = now;
		if (t->n > t->told + 1)
			report(t, false);
	}
}

/* The tests of the list stay where they are, except for those that this takes out. */
static void
take_out(struct guest_tests *all, struct guest_test *t)
{
	struct guest_test **p;

	pthread_mutex_lock(&all->lock);
	for (p = &all->list; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	all->n--;
	pthread_mutex_unlock(&all->lock);
	free(t);
}

void
guest_tests_work(struct guest_tests *all)
{
	struct guest_test *t, *next;

	pthread_mutex_lock(&all->lock);
	t = all->list;
	pthread_mutex_unlock(&all->lock);
	for (; t != NULL; t = next) {
		work(all, t);
		next = t->next;
		if (t->ended && t->waiting == 0)
			take_out(all, t);
	}
}

/* Only ends the wait of the thread that drives the node, so that guest_tests_work has its turn. */
static void
on_timer(uv_timer_t *timer)
{
	struct guest_tests *all = timer->data;

	pthread_mutex_lock(&all->lock);
	if (all->list == NULL)
		uv_timer_stop(timer);
	pthread_mutex_unlock(&all->lock);
}

/* ---- beginnings and ends --------------------------------------------------------------------- */

/* Where its cells go, and what they have around a message. 0 or -ENOENT. */
static int
find_circuit(struct peel_guest *g, struct guest_test *t)
{
	unsigned int n_layers;
	int rc = peel_gc_id(peel_node_guest(g->node), t->conf.cid, &t->circuit, &n_layers);

	t->overhead = PEEL_CELL_HEADER_LEN + n_layers * (size_t)PEEL_SEAL_OVERHEAD;
	return rc;
}

int
peel_guest_speedtest(struct peel_guest *g, const struct peel_guest_test *conf,
	void (*on_answers)(void *arg, const struct peel_guest_test_answer *a, size_t n, bool done),
	void *arg)
{
	struct guest_tests *all = g->speedtests;
	struct guest_test *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return error_no_memory();
	t->conf = *conf;
	t->on_answers = on_answers;
	t->arg = arg;
	t->epoch_ms = epoch_ms();
	t->start_us = now_us();
	t->report_us = t->start_us + (uint64_t)conf->interval_ms * 1000;
	t->window.target_us = (uint64_t)conf->target_rtt_ms * 1000;
	speed_window_begin(&t->window);
	peel_node_lock(g->node);
	rc = find_circuit(g, t);
	if (rc == 0) {
		pthread_mutex_lock(&all->lock);
		t->next = all->list;
		all->list = t;
		all->n++;
		pthread_mutex_unlock(&all->lock);
		uv_timer_start(&all->timer, on_timer, ROUND_MS, ROUND_MS);
	}
	peel_node_unlock(g->node);
	if (rc == 0)
		return 0;
	free(t);
	return error_no_circuit();
}

int
guest_tests_new(struct peel_node *node, struct tests *tests, struct guest_tests **out)
{
	struct guest_tests *all = calloc(1, sizeof(*all));

	if (all == NULL)
		return error_no_memory();
	all->node = node;
	all->tests = tests;
	pthread_mutex_init(&all->lock, NULL);
	uv_timer_init(peel_node_loop(node), &all->timer);
	all->timer.data = all;
	*out = all;
	return 0;
}

void
guest_tests_free(struct guest_tests *all)
{
	struct guest_test *t;

	if (all == NULL)
		return;
	while ((t = all->list) != NULL) {
		if (!t->ended)
			report(t, true);
		take_out(all, t);
	}
	pthread_mutex_destroy(&all->lock);
	free(all);
}
