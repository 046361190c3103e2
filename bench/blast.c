/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The generator of `peers`: blasts sealed cells at a relay over one UDP socket and counts what the
 * relay sends to another; both are open already. A window of cells is kept under way, so that the
 * relay always finds work and nothing overflows; it halves when cells get lost, as some relays have
 * small socket buffers. Sealing happens between passes, outside of the measured time. Prints one
 * line of JSON: cells, CPU time of the relay process, time.
 *
 *   blast SEND_FD SINK_FD IP PORT PID PAYLOAD CELLS COALESCED WINDOW CPU_MS EXITS
 *         < header, key and salt (hexadecimal)
 *
 * With EXITS 1 that hop is an exit, and sends the payload to the sink (on 127.0.0.1).
 * Passes of CELLS cells go on until the relay has used CPU_MS of CPU time (or ten times as much has
 * passed).
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/sock_diag.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "bench_cells.h"
#include "segments.h"

#define BATCH 32
#define GROUP_BYTES 65000
#define GROUP_MAX 64
#define WINDOW_MIN 32
#define LOST_AFTER_NS 20000000u
#define SETTLE_NS 2000000u
#define EXIT_OPENS_NS 200000000u

struct blast {
	int out, in, pid;
	struct sockaddr_in to;
	struct cells cells;
	unsigned int group, window;
	uint64_t sent, received, lost; /* since the start; lost ones are given up waiting for */
	uint32_t overflow_base;
	/* sink */
	struct mmsghdr in_msg[BATCH];
	union segment_control in_control[BATCH];
	/* sender */
	struct mmsghdr out_msg[BATCH];
	struct iovec out_iov[BATCH];
	union segment_control out_control;
};

static void
die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* Datagrams that found the sink's buffer full: the relay did send them. */
static uint32_t
overflowed(const struct blast *b)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	return getsockopt(b->in, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 ? info[SK_MEMINFO_DROPS]
									  : 0;
}

static void
swallow(struct blast *b)
{
	int n;

	do {
		for (unsigned int i = 0; i < BATCH; i++) {
			b->in_msg[i].msg_hdr.msg_control = &b->in_control[i];
			b->in_msg[i].msg_hdr.msg_controllen = sizeof(b->in_control[i]);
		}
		/* No room for data: the kernel copies nothing, but tells the length. */
		n = recvmmsg(b->in, b->in_msg, BATCH, MSG_TRUNC | MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			uint32_t len = b->in_msg[i].msg_len;

			/* Another size is something of the overlay. */
			if (segment_size(&b->in_msg[i].msg_hdr, len) == b->cells.relayed)
				b->received += (len + b->cells.relayed - 1) / b->cells.relayed;
		}
	} while (n == BATCH);
}

/* Send up to n cells from the given one; returns how many went. */
static unsigned int
send_some(struct blast *b, unsigned int first, unsigned int n)
{
	unsigned int messages = 0, cells = 0;

	while (messages < BATCH && cells < n) {
		unsigned int k = n - cells < b->group ? n - cells : b->group;
		struct msghdr *h = &b->out_msg[messages].msg_hdr;

		b->out_iov[messages] = (struct iovec){
			.iov_base = b->cells.data + (size_t)(first + cells) * b->cells.size,
			.iov_len = (size_t)k * b->cells.size};
		h->msg_name = &b->to;
		h->msg_namelen = sizeof(b->to);
		h->msg_iov = &b->out_iov[messages];
		h->msg_iovlen = 1;
		if (b->group > 1)
			segment_cut(h, &b->out_control, (uint16_t)b->cells.size);
		cells += k;
		messages++;
	}

	int rc = sendmmsg(b->out, b->out_msg, messages, MSG_DONTWAIT);

	if (rc < 0) {
		if (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
			die("sendmmsg");
		return 0;
	}
	cells = 0;
	for (int i = 0; i < rc; i++)
		cells += (unsigned int)(b->out_iov[i].iov_len / b->cells.size);
	return cells;
}

/* Send all cells once. */
static void
pass(struct blast *b)
{
	unsigned int at = 0;
	uint64_t arrived = b->received, since = cells_clock_ns();

	while (at < b->cells.n || b->sent > b->received + b->lost) {
		/* Late ones had been given up. */
		if (b->received + b->lost > b->sent)
			b->lost = b->sent - b->received;

		uint64_t under_way = b->sent - b->received - b->lost;
		unsigned int room =
			under_way < b->window ? (unsigned int)(b->window - under_way) : 0;
		unsigned int left = b->cells.n - at, want = room < left ? room : left;
		unsigned int n = 0;
		uint64_t now;

		/* Whole groups only: a train that comes in bits would be measured as one. */
		if (want < b->group && want < left)
			want = 0;
		else if (want < left)
			want -= want % b->group;
		if (want > 0) {
			n = send_some(b, at, want);
			at += n;
			b->sent += n;
		}
		swallow(b);
		now = cells_clock_ns();
		if (b->received != arrived || n > 0) {
			arrived = b->received;
			since = now;
		} else if (now - since > LOST_AFTER_NS) {
			b->received += overflowed(b) - b->overflow_base;
			b->overflow_base = overflowed(b);
			b->lost = b->sent > b->received ? b->sent - b->received : 0;
			if (kill(b->pid, 0) != 0)
				die("relay");
			if (b->window / 2 >= WINDOW_MIN && b->window / 2 >= b->group)
				b->window /= 2;
			since = now;
		}
	}
}

/* What was given up may still come, until nothing comes any more. */
static void
drain(struct blast *b)
{
	uint64_t before;

	do {
		before = b->received;
		usleep(LOST_AFTER_NS / 1000);
		swallow(b);
	} while (b->received != before);
}

static void
settle(void)
{
	usleep(SETTLE_NS / 1000);
}

static void
run(struct blast *b, uint64_t cpu_limit_ns)
{
	uint64_t cpu = 0, wall = 0, sent, received;
	uint64_t tsc = rte_rdtsc(), began = cells_clock_ns();

	cells_seal(&b->cells);
	if (b->cells.exits) {
		/* An exit opens its socket for the first cell, which may get lost. */
		send_some(b, 0, 1);
		usleep(EXIT_OPENS_NS / 1000);
		swallow(b);
		b->received = 0;
		cells_seal(&b->cells);
	}
	/* The first pass finds the window, and warms everything. */
	pass(b);
	drain(b);
	b->lost = 0;
	b->received = b->sent;
	sent = b->sent;
	received = b->received;
	while (cpu < cpu_limit_ns && wall < 10 * cpu_limit_ns) {
		uint64_t cpu_before, start;

		cells_seal(&b->cells);
		settle();
		swallow(b);
		cpu_before = cells_process_cpu_ns(b->pid);
		start = cells_clock_ns();
		pass(b);
		wall += cells_clock_ns() - start;
		settle(); /* asleep by now: its time is up to date */
		cpu += cells_process_cpu_ns(b->pid) - cpu_before;
	}
	drain(b);
	printf("{\"sent\": %" PRIu64 ", \"relayed\": %" PRIu64 ", \"cpu_ns\": %" PRIu64
	       ", \"wall_ns\": %" PRIu64 ", \"bytes\": %u, \"window\": %u, \"tsc_hz\": %.0f}\n",
		b->sent - sent, b->received - received, cpu, wall, b->cells.size, b->window,
		(double)(rte_rdtsc() - tsc) * 1e9 / (double)(cells_clock_ns() - began));
}

int
main(int argc, char **argv)
{
	static struct blast b;
	struct sockaddr_in sink;
	socklen_t sink_len = sizeof(sink);
	int bytes = 16 << 20, on = 1, off = 0;

	if (argc != 12) {
		fprintf(stderr, "usage: blast SEND_FD SINK_FD IP PORT PID PAYLOAD CELLS COALESCED "
				"WINDOW CPU_MS EXITS\n");
		return EXIT_FAILURE;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	b.out = atoi(argv[1]);
	b.in = atoi(argv[2]);
	b.to = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[4]))};
	b.pid = atoi(argv[5]);
	b.window = (unsigned int)atoi(argv[9]);
	if (getsockname(b.in, (struct sockaddr *)&sink, &sink_len) != 0)
		die("sink");
	sink.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (inet_pton(AF_INET, argv[3], &b.to.sin_addr) != 1 ||
		cells_new(&b.cells, (unsigned int)atoi(argv[7]), (uint32_t)atoi(argv[6]),
			atoi(argv[11]) != 0 ? &sink : NULL) != 0) {
		fprintf(stderr, "bad arguments\n");
		return EXIT_FAILURE;
	}
	b.group = 1;
	if (atoi(argv[8]) != 0) {
		b.group = GROUP_BYTES / b.cells.size;
		if (b.group > GROUP_MAX)
			b.group = GROUP_MAX;
	}
	if (b.window < b.group)
		b.window = b.group;
	if (setsockopt(b.in, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
		setsockopt(b.in, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(b.out, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (setsockopt(b.in, SOL_UDP, UDP_GRO, &on, sizeof(on)) != 0)
		die("UDP_GRO");
	b.overflow_base = overflowed(&b);
	run(&b, (uint64_t)atoi(argv[10]) * 1000000u);
	setsockopt(b.in, SOL_UDP, UDP_GRO, &off, sizeof(off));
	cells_free(&b.cells);
	return EXIT_SUCCESS;
}
