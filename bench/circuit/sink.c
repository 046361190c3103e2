/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The sink: receives in batches, counts, sends back.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "association.h"
#include "segments.h"
#include "sink.h"

#define BATCH 16

static uint8_t room[BATCH][65536];
static pthread_t thread;
static bool running;
static size_t header; /* in front of each payload */

/* The same again, to where it came from. What does not fit is lost, as in any network. */
static void
send_back(struct load *load, const struct msghdr *in, size_t len, size_t segment)
{
	union segment_control control;
	struct iovec iov = {in->msg_iov->iov_base, len};
	struct msghdr out = {.msg_name = in->msg_name,
		.msg_namelen = in->msg_namelen,
		.msg_iov = &iov,
		.msg_iovlen = 1};

	if (len > segment)
		segment_cut(&out, &control, (uint16_t)segment);
	sendmsg(load->sink, &out, MSG_DONTWAIT);
}

static void
took(struct load *load, struct msghdr *h, size_t len, const struct sockaddr_in *from)
{
	size_t segment = segment_size(h, len);
	const uint8_t *d = h->msg_iov->iov_base;

	for (size_t at = 0; at + header < len; at += segment)
		counted_datagram(load, &load->at_sink, d + at + header,
			(len - at < segment ? len - at : segment) - header, ntohs(from->sin_port));
	if (atomic_load_explicit(&load->echo, memory_order_relaxed))
		send_back(load, h, len, segment);
}

static void *
sink_run(void *arg)
{
	struct load *load = arg;
	struct sockaddr_in from[BATCH];
	union segment_control control[BATCH];
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];

	for (;;) {
		int n;

		for (unsigned int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){room[i], sizeof(room[i])};
			msg[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
				.msg_namelen = sizeof(from[i]),
				.msg_iov = &iov[i],
				.msg_iovlen = 1,
				.msg_control = &control[i],
				.msg_controllen = sizeof(control[i])};
		}
		n = recvmmsg(load->sink, msg, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			took(load, &msg[i].msg_hdr, msg[i].msg_len, &from[i]);
		counted_progress(&load->at_sink);
	}
	return NULL;
}

static int
run_thread(struct load *load)
{
	int rc = pthread_create(&thread, NULL, sink_run, load);

	running = rc == 0;
	return -rc;
}

int
sink_start(struct load *load)
{
	struct sockaddr_in own = {.sin_family = AF_INET}; /* all of 127.0.0.0/8 */
	socklen_t len = sizeof(own);

	load->sink = lanes_socket();
	if (load->sink < 0)
		return load->sink;
	if (bind(load->sink, (struct sockaddr *)&own, sizeof(own)) != 0 ||
		getsockname(load->sink, (struct sockaddr *)&own, &len) != 0)
		return -errno;
	load->port = ntohs(own.sin_port);
	return run_thread(load);
}

int
sink_start_socks(struct load *load, uint16_t port)
{
	static struct association a;
	int rc = association_open(&a, port);

	if (rc != 0)
		return rc;
	header = SOCKS_HEADER;
	load->sink = a.udp;
	/* The server does not know where to send until something comes, whatever it is. */
	if (send(a.udp, "", 1, 0) != 1)
		return -errno;
	return run_thread(load);
}

uint64_t
sink_cpu_ns(void)
{
	struct timespec t;
	clockid_t clock;

	if (!running || pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
