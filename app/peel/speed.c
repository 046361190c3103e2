/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "speed.h"
#include "speed_window.h"

#define PROBES 4096
#define PROBES_TRIED 64 /* to find a free one */
#define TICK_MS 5
#define PROGRESS_US 500000
#define RTT_SECONDS 5	 /* at most, for all round trips */
#define RTT_COUNT 20	 /* of them */
#define DRAIN_US 1000000 /* for late answers */
/* between directions: exits answer so many per second, and may just have */
#define PAUSE_US 1000000
#define TINY 16
#define WARM_UP 0.25 /* share of a phase that does not count */

struct probe {
	struct speed *speed;
	uint64_t sent_us;
	uint32_t serial; /* of the phase it belongs to */
	bool busy, lost;
};

struct speed {
	struct speed_conf conf;
	uv_timer_t timer;
	peel_circuit circuit;
	enum speed_phase phase;
	bool running;
	uint32_t serial;
	uint64_t start_us, progress_us, progress_bytes;
	uint64_t all_bytes; /* of the phase so far */
	struct speed_window window;
	unsigned int under_way, next;
	struct speed_result result;
	struct probe probe[PROBES];
};

static uint64_t
now_us(void)
{
	return uv_hrtime() / 1000;
}

static uint64_t
length_us(const struct speed *s)
{
	return (s->phase == SPEED_RTT ? RTT_SECONDS : (uint64_t)s->conf.seconds) * 1000000;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
stop(struct speed *s)
{
	s->running = false;
	uv_timer_stop(&s->timer);
}

static void
finish(struct speed *s)
{
	stop(s);
	qsort(s->result.rtt_ms, s->result.n_rtt, sizeof(s->result.rtt_ms[0]), by_size);
	s->result.seconds = (double)length_us(s) * (1 - WARM_UP) / 1e6;
	s->conf.done(s->conf.arg, s->phase, &s->result);
}

static void pump(struct speed *s);

static void
count(struct speed *s, uint64_t now, uint64_t rtt_us, size_t len)
{
	uint64_t bytes = s->phase == SPEED_UP ? s->conf.size : len;
	uint64_t age = now - s->start_us;

	s->result.answered++;
	speed_window_answer(&s->window, now, rtt_us);
	if (s->phase == SPEED_RTT) {
		s->result.rtt_ms[s->result.n_rtt++] = (double)rtt_us / 1000;
		if (s->result.n_rtt == RTT_COUNT)
			finish(s);
		return;
	}
	s->all_bytes += bytes;
	if ((double)age >= (double)length_us(s) * WARM_UP && age < length_us(s)) {
		s->result.bytes += bytes;
		s->result.counted++;
	}
}

static void
on_done(void *arg, int result, uint64_t rtt_us, size_t len)
{
	struct probe *p = arg;
	struct speed *s = p->speed;
	bool late = p->serial != s->serial || !s->running;

	p->busy = false;
	if (late)
		return;
	if (!p->lost)
		s->under_way--;
	if (result == -ENOENT || result == -ECANCELED) {
		stop(s);
		if (result == -ENOENT)
			s->conf.failed(s->conf.arg, result);
		return;
	}
	if (result == 0)
		count(s, now_us(), rtt_us, len);
	if (s->running)
		pump(s);
}

static struct probe *
free_probe(struct speed *s)
{
	for (unsigned int i = 0; i < PROBES_TRIED; i++) {
		struct probe *p = &s->probe[s->next++ % PROBES];

		if (!p->busy)
			return p;
	}
	return NULL;
}

/* @return false: no more for now. */
static bool
send_one(struct speed *s, uint64_t now)
{
	const struct peel_test test = {.rust = s->conf.rust,
		.request_size = s->phase == SPEED_UP ? s->conf.size : TINY,
		.response_size = s->phase == SPEED_DOWN ? s->conf.size : TINY};
	struct probe *p = free_probe(s);
	int rc;

	if (p == NULL)
		return false;
	*p = (struct probe){.speed = s, .sent_us = now, .serial = s->serial, .busy = true};
	s->under_way++;
	rc = peel_test_circuit(s->conf.peel, s->circuit, &test, on_done, p);
	if (rc == 0) {
		s->result.sent++;
		return true;
	}
	p->busy = false;
	s->under_way--;
	if (rc != -EAGAIN) {
		stop(s);
		s->conf.failed(s->conf.arg, rc);
	}
	return false;
}

static void
pump(struct speed *s)
{
	uint64_t now = now_us();

	if (now < s->start_us || now - s->start_us >= length_us(s))
		return;
	while (s->running &&
		s->under_way < (s->phase == SPEED_RTT ? 1 : (unsigned int)s->window.size)) {
		if (!send_one(s, now))
			return;
	}
}

/* A request that is not answered for long is lost, and another may take its place. */
static void
find_lost(struct speed *s, uint64_t now)
{
	uint64_t limit = speed_window_patience(&s->window);
	bool any = false;

	for (unsigned int i = 0; i < PROBES; i++) {
		struct probe *p = &s->probe[i];

		if (p->busy && !p->lost && p->serial == s->serial && now - p->sent_us > limit) {
			p->lost = any = true;
			s->under_way--;
		}
	}
	if (any)
		speed_window_lost(&s->window, now);
}

static void
on_tick(uv_timer_t *timer)
{
	struct speed *s = timer->data;
	uint64_t now = now_us(), age = now - s->start_us;

	if (now < s->start_us)
		return;
	find_lost(s, now);
	if (s->phase != SPEED_RTT && now - s->progress_us >= PROGRESS_US) {
		if (age < length_us(s) + PROGRESS_US)
			s->conf.progress(s->conf.arg, s->phase,
				(double)(s->all_bytes - s->progress_bytes) * 1e6 /
					(double)(now - s->progress_us));
		s->progress_us = now;
		s->progress_bytes = s->all_bytes;
	}
	if (age >= length_us(s) && (s->under_way == 0 || age >= length_us(s) + DRAIN_US))
		finish(s);
	else
		pump(s);
}

struct speed *
speed_new(const struct speed_conf *conf)
{
	struct speed *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->conf = *conf;
	uv_timer_init(conf->loop, &s->timer);
	s->timer.data = s;
	return s;
}

void
speed_start(struct speed *s, peel_circuit circuit, enum speed_phase phase)
{
	s->circuit = circuit;
	s->phase = phase;
	s->serial++;
	s->running = true;
	s->start_us = s->progress_us = now_us() + (phase == SPEED_DOWN ? PAUSE_US : 0);
	s->all_bytes = s->progress_bytes = 0;
	/* The other phases keep it: it tells soon that the whole first window is lost. */
	if (phase == SPEED_RTT)
		s->window.min_rtt_us = 0;
	speed_window_begin(&s->window);
	s->under_way = 0;
	s->result = (struct speed_result){0};
	uv_timer_start(&s->timer, on_tick, TICK_MS, TICK_MS);
	pump(s);
}

void
speed_free(struct speed *s)
{
	free(s);
}
