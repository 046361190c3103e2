/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <semaphore.h>

#include "lanes.h"

#define BATCH 16
#define CHECK_EVERY 64
#define BUFFER_BYTES (32 << 20)

union control {
	struct cmsghdr h;
	uint8_t room[CMSG_SPACE(sizeof(int))];
};

static uint8_t noise[2 * PAYLOAD_MAX + GROUP];
static uint8_t room[BATCH][65536];
static sem_t awake; /* posted at wake_at */
static pthread_t thread;

/* ---- datagrams ------------------------------------------------------------------------------- */

void
datagrams_fill(struct load *load, unsigned int payload)
{
	if (noise[0] == 0) {
		uint32_t x = 1;

		for (size_t i = 0; i < sizeof(noise); i++) {
			x = x * 1664525u + 1013904223u;
			noise[i] = (uint8_t)(x >> 24) | 1;
		}
	}
	for (unsigned int i = 0; i < GROUP; i++) {
		uint8_t *d = datagram_at(load, i, payload) + SOCKS_HEADER;

		d[0] = 'd';
		memcpy(d + 1 + sizeof(struct mark), noise + i, payload - 2 - sizeof(struct mark));
		d[payload - 1] = 'e';
	}
	atomic_store(&load->payload, payload);
}

void
datagrams_mark(struct load *load, unsigned int lane, unsigned int n)
{
	unsigned int payload = load->payload;
	struct mark m = {.number = load->lane[lane].sent, .run = load->run, .lane = (uint8_t)lane};

	for (unsigned int i = 0; i < n; i++, m.number++) {
		m.noise = (uint8_t)i;
		memcpy(datagram_at(load, i, payload) + SOCKS_HEADER + 1, &m, sizeof(m));
	}
}

bool
datagram_right(const struct mark *m, const uint8_t *payload, size_t len)
{
	return m->noise < GROUP && payload[0] == 'd' && payload[len - 1] == 'e' &&
	       memcmp(payload + 1 + sizeof(*m), noise + m->noise, len - 2 - sizeof(*m)) == 0;
}

/* ---- counting -------------------------------------------------------------------------------- */

/* Each counter has one writer. */
static inline void
add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

void
sink_count(
	struct load *load, struct counted *c, const uint8_t *payload, size_t len, uint32_t source)
{
	struct mark m;
	uint64_t next;

	if (len != load->payload)
		return;
	memcpy(&m, payload + 1, sizeof(m));
	if (m.run != load->run || m.lane >= LANES_MAX)
		return;
	if (m.number % CHECK_EVERY == 0 && !datagram_right(&m, payload, len)) {
		add(&c->bad, 1);
		return;
	}
	add(&c->datagrams, 1);
	add(&c->bytes, len);
	next = atomic_load_explicit(&c->next[m.lane], memory_order_relaxed);
	if (m.number >= next) {
		atomic_store_explicit(&c->next[m.lane], m.number + 1, memory_order_relaxed);
		add(&c->progress, m.number + 1 - next);
		atomic_store_explicit(&c->source[m.lane], source, memory_order_relaxed);
	}
}

void
sink_progress(struct counted *c)
{
	uint64_t at = atomic_load(&c->wake_at);

	if (at != 0 && c->progress >= at && atomic_compare_exchange_strong(&c->wake_at, &at, 0))
		sem_post(&awake);
}

void
sink_wait(struct counted *c, unsigned int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	sink_progress(c); /* it may be there already */
	while (sem_clockwait(&awake, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR)
		;
	atomic_store(&c->wake_at, 0);
	while (sem_trywait(&awake) == 0)
		;
}

/* ---- the sink -------------------------------------------------------------------------------- */

int
big_socket(void)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = BUFFER_BYTES, one = 1;

	if (s < 0)
		return -errno;
	/* As much as we may have. */
	if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(s, SOL_UDP, UDP_GRO, &one, sizeof(one));
	return s;
}

/* The same again, to where it came from. What does not fit is lost, as in any network. */
static void
send_back(struct load *load, const struct msghdr *in, size_t len, size_t segment)
{
	union control control = {.h = {.cmsg_level = SOL_UDP,
					 .cmsg_type = UDP_SEGMENT,
					 .cmsg_len = CMSG_LEN(sizeof(uint16_t))}};
	struct iovec iov = {in->msg_iov->iov_base, len};
	struct msghdr out = {.msg_name = in->msg_name,
		.msg_namelen = in->msg_namelen,
		.msg_iov = &iov,
		.msg_iovlen = 1};
	uint16_t size = (uint16_t)segment;

	if (len > segment) {
		memcpy(CMSG_DATA(&control.h), &size, sizeof(size));
		out.msg_control = &control;
		out.msg_controllen = CMSG_SPACE(sizeof(size));
	}
	sendmsg(load->sink, &out, MSG_DONTWAIT);
}

static void
took(struct load *load, struct msghdr *h, size_t len, const struct sockaddr_in *from)
{
	size_t segment = segment_of(h, len);
	const uint8_t *d = h->msg_iov->iov_base;

	for (size_t at = 0; at < len; at += segment)
		sink_count(load, &load->at_sink, d + at, len - at < segment ? len - at : segment,
			ntohs(from->sin_port));
	if (atomic_load_explicit(&load->echo, memory_order_relaxed))
		send_back(load, h, len, segment);
}

static void *
sink_run(void *arg)
{
	struct load *load = arg;
	struct sockaddr_in from[BATCH];
	union control control[BATCH];
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
		sink_progress(&load->at_sink);
	}
	return NULL;
}

int
sink_start(struct load *load)
{
	struct sockaddr_in own = {.sin_family = AF_INET}; /* all of 127.0.0.0/8 */
	socklen_t len = sizeof(own);

	load->sink = big_socket();
	if (load->sink < 0)
		return load->sink;
	if (bind(load->sink, (struct sockaddr *)&own, sizeof(own)) != 0 ||
		getsockname(load->sink, (struct sockaddr *)&own, &len) != 0)
		return -errno;
	load->port = ntohs(own.sin_port);
	sem_init(&awake, 0, 0);
	return -pthread_create(&thread, NULL, sink_run, load);
}

uint64_t
sink_cpu_ns(void)
{
	struct timespec t;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
