/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The load of the suites `circuit` and `hidden`.
 *
 *   circuit_load peel HOPS CIRCUITS BOOTSTRAP...     through libpeel
 *   circuit_load socks PORT                          through a SOCKS5 server on 127.0.0.1
 *   circuit_load socks-peer SINK PORT PEER PEERPORT  from one SOCKS5 server to another one's client
 *   circuit_load service HOPS BOOTSTRAP...           from one node of libpeel to another one
 *
 * Then one command per line of standard input, one line of JSON for each; ends with its standard
 * input.
 *
 *   open LANES                                open lanes (again, where they ended)
 *   run LANES PAYLOAD WINDOW MS ECHO          load the first lanes for so long
 *   first MS                                  meet anew, one of them so much later: time to the
 *                                             first byte
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "senders.h"
#include "sink.h"

#define STALL_MS 20  /* without any progress: what is under way is lost */
#define DRAIN_MS 100 /* the same, at the end */

struct order {
	unsigned int lanes, payload, window, ms, echo;
};

struct moment {
	uint64_t wall, process, sink, sender;
	uint64_t datagrams, bytes;
};

static struct load load;

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct moment
now(const struct counted *c)
{
	return (struct moment){.wall = clock_ns(CLOCK_MONOTONIC),
		.process = clock_ns(CLOCK_PROCESS_CPUTIME_ID),
		.sender = clock_ns(CLOCK_THREAD_CPUTIME_ID),
		.sink = sink_cpu_ns(),
		.datagrams = c->datagrams,
		.bytes = c->bytes};
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* From here on, old datagrams do not count any more; nothing else could write to the counts. */
static void
new_run(void)
{
	atomic_fetch_add(&load.run, 1);
	usleep(2000);
	counted_forget(&load.at_sink);
	counted_forget(&load.at_back);
	for (unsigned int i = 0; i < LANES_MAX; i++)
		load.lane[i].sent = load.lane[i].given_up = 0;
	load.refused = 0;
}

/* How much is under way. */
static uint64_t
flight(const struct counted *c, unsigned int lanes)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < lanes; i++) {
		const struct lane *l = &load.lane[i];
		uint64_t next = atomic_load_explicit(&c->next[i], memory_order_relaxed);

		sum += l->sent - (next > l->given_up ? next : l->given_up);
	}
	return sum;
}

/* Datagrams that go at once: half of a small window. */
static unsigned int
group_of(const struct order *o)
{
	return o->window < 2 * GROUP ? o->window / 2 : GROUP;
}

/* Until a quarter of the window is free, but at least a group's worth. More than fits beside a
 * group is under way. */
static void
wait_for_room(struct counted *c, const struct order *o, uint64_t under_way)
{
	unsigned int room = o->window / 4 > group_of(o) ? o->window / 4 : group_of(o);
	uint64_t seen = c->progress, too_many = under_way - (o->window - room);

	atomic_store(&c->wake_at, seen + too_many);
	counted_wait(c, STALL_MS);
	if (c->progress == seen) {
		for (unsigned int i = 0; i < o->lanes; i++)
			load.lane[i].given_up = load.lane[i].sent;
	}
}

/* @return 0 or -errno of the sender. */
static int
load_until(struct counted *c, const struct order *o, uint64_t end)
{
	unsigned int group = group_of(o);
	static unsigned int lane;

	while (clock_ns(CLOCK_MONOTONIC) < end) {
		uint64_t under_way = flight(c, o->lanes);
		int n;

		if (under_way + group > o->window) {
			wait_for_room(c, o, under_way);
			continue;
		}
		lane = lane + 1 < o->lanes ? lane + 1 : 0;
		datagrams_mark(&load, lane, group);
		n = load.sender->send(&load, lane, group);
		if (n < 0)
			return n;
		load.lane[lane].sent += (uint64_t)n;
		if ((unsigned int)n < group) {
			load.refused++;
			usleep(50);
		}
	}
	return 0;
}

static void
drain(const struct counted *c, unsigned int lanes)
{
	uint64_t seen;

	do {
		seen = c->progress;
		for (unsigned int i = 0; i < DRAIN_MS && flight(c, lanes) > 0; i++)
			usleep(1000);
	} while (c->progress != seen && flight(c, lanes) > 0);
}

/* How many ports of the exit the lanes left from, that is, how many circuits were really used. */
static unsigned int
exits(unsigned int lanes)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < lanes; i++) {
		uint32_t source = load.at_sink.source[i];
		bool seen = source == 0;

		for (unsigned int k = 0; k < i; k++)
			seen |= load.at_sink.source[k] == source;
		n += !seen;
	}
	return n;
}

static int
run(const struct order *o)
{
	struct counted *c = o->echo ? &load.at_back : &load.at_sink;
	uint64_t sent = 0, ms = 1000000;
	struct moment begin, from, to, end;
	int rc;

	atomic_store(&load.echo, o->echo != 0);
	datagrams_fill(&load, o->payload);
	new_run();
	begin = now(c);
	rc = load_until(c, o, begin.wall + o->ms * ms / 5); /* not measured: it speeds up */
	from = now(c);
	if (rc == 0)
		rc = load_until(c, o, from.wall + o->ms * ms);
	to = now(c);
	if (rc != 0) {
		fprintf(stderr, "sending: %s\n", strerror(-rc));
		return rc;
	}
	drain(c, o->lanes);
	end = now(c);
	for (unsigned int i = 0; i < o->lanes; i++)
		sent += load.lane[i].sent;
	printf("{\"wall_ns\":%" PRIu64 ",\"measured_bytes\":%" PRIu64 ",\"sent\":%" PRIu64
	       ",\"received\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"bad\":%" PRIu64
	       ",\"refused\":%" PRIu64 ",\"exits\":%u,\"process_ns\":%" PRIu64
	       ",\"sink_ns\":%" PRIu64 ",\"sender_ns\":%" PRIu64 "}\n",
		to.wall - from.wall, to.bytes - from.bytes, sent, end.datagrams, end.bytes,
		load.at_sink.bad + load.at_back.bad, load.refused, exits(o->lanes),
		end.process - begin.process, end.sink - begin.sink, end.sender - begin.sender);
	return 0;
}

/* ---- commands -------------------------------------------------------------------------------- */

static int
obey(const char *line)
{
	struct order o = {0};
	int rc;

	if (sscanf(line, "open %u", &o.lanes) == 1 && o.lanes >= 1 && o.lanes <= LANES_MAX) {
		rc = load.sender->open(&load, o.lanes);
		if (rc == 0)
			printf("{\"lanes\":%u}\n", load.n_lanes);
		return rc;
	}
	if (sscanf(line, "first %u", &o.ms) == 1 && load.sender->first != NULL) {
		uint64_t ns;

		rc = load.sender->first(&load, o.ms, &ns);
		if (rc == 0)
			printf("{\"ns\":%" PRIu64 "}\n", ns);
		return rc;
	}
	if (sscanf(line, "run %u %u %u %u %u", &o.lanes, &o.payload, &o.window, &o.ms, &o.echo) ==
			5 &&
		o.lanes >= 1 && o.lanes <= load.n_lanes && o.payload >= PAYLOAD_MIN &&
		o.payload <= PAYLOAD_MAX && o.window >= 2 && o.ms >= 1)
		return run(&o);
	return -EINVAL;
}

static int
start(const char *way, char **argv)
{
	int rc = 0;

	if (strcmp(way, "service") == 0)
		return sender_service_new(&load, argv);
	if (strcmp(way, "socks-peer") == 0) {
		rc = sink_start_socks(&load, (uint16_t)atoi(argv[0]));
		return rc != 0 ? rc : sender_socks_peer_new(&load, argv + 1);
	}
	rc = sink_start(&load);
	if (rc != 0)
		return rc;
	if (strcmp(way, "peel") == 0)
		return sender_peel_new(&load, argv);
	return strcmp(way, "socks") == 0 ? sender_socks_new(&load, argv) : -EINVAL;
}

int
main(int argc, char **argv)
{
	char line[128];
	int rc = -EINVAL;

	prctl(PR_SET_TIMERSLACK, 1000);
	lanes_init();
	if (argc > 2)
		rc = start(argv[1], argv + 2);
	if (rc != 0) {
		fprintf(stderr, "circuit_load: %s\n", strerror(-rc));
		return EXIT_FAILURE;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		rc = obey(line);
		if (rc != 0)
			printf("{\"error\":\"%s\"}\n", strerror(-rc));
	}
	load.sender->close(&load);
	return EXIT_SUCCESS;
}
