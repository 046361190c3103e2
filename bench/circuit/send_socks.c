/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Through a SOCKS5 server: PORT of 127.0.0.1. Each lane is an association of its own, with a
 * destination of its own: the sink has all of 127.0.0.0/8. Which circuit a server takes for a
 * destination is its business, and circuits end. So before a run destinations are tried until each
 * lane leaves from another port of the exit, that is, through another circuit.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "association.h"
#include "segments.h"
#include "senders.h"

#define TRIES 400 /* destinations of a lane */
#define SILENT 40 /* of these in a row without an answer: give up */
#define PROBE_PAYLOAD 64
#define PROBE_MS 150
#define BATCH 16

static uint16_t server_port;
static struct association association[LANES_MAX];
static int epoll_fd;
static uint32_t next_host;
static pthread_t receiver;

static int
open_lane(unsigned int i, struct lane *lane)
{
	struct epoll_event event = {.events = EPOLLIN};
	int rc = association_open(&association[i], server_port);

	if (rc != 0)
		return rc;
	lane->id = (uint64_t)association[i].udp;
	event.data.fd = association[i].udp;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, association[i].udp, &event) != 0 ? -errno : 0;
}

/* ---- back ------------------------------------------------------------------------------------ */

static void
drain(struct load *load, int s)
{
	static uint8_t room[65536];
	union segment_control control;
	struct iovec iov = {room, sizeof(room)};

	for (unsigned int i = 0; i < BATCH; i++) {
		struct msghdr h = {.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(s, &h, MSG_DONTWAIT);
		size_t segment;

		if (n <= 0)
			break;
		segment = segment_size(&h, (size_t)n);
		for (size_t at = 0; at + SOCKS_HEADER < (size_t)n; at += segment) {
			size_t len = (size_t)n - at < segment ? (size_t)n - at : segment;

			if (len > SOCKS_HEADER)
				counted_datagram(load, &load->at_back, room + at + SOCKS_HEADER,
					len - SOCKS_HEADER, 0);
		}
	}
	counted_progress(&load->at_back);
}

static void *
receive(void *arg)
{
	struct load *load = arg;
	struct epoll_event event[BATCH];

	for (;;) {
		int n = epoll_wait(epoll_fd, event, BATCH, -1);

		for (int i = 0; i < n; i++)
			drain(load, event[i].data.fd);
	}
	return NULL;
}

/* ---- there ----------------------------------------------------------------------------------- */

static int
send_lane(struct load *load, unsigned int lane, unsigned int n)
{
	const struct lane *l = &load->lane[lane];
	unsigned int payload = load->payload;
	uint16_t segment = (uint16_t)(SOCKS_HEADER + payload);
	union segment_control control;
	struct iovec iov = {load->datagram, (size_t)n * segment};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n > 1)
		segment_cut(&h, &control, segment);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *d = datagram_at(load, i, payload);

		memcpy(d, "\0\0\0\1", 4);
		memcpy(d + 4, &l->to.sin_addr, 4);
		memcpy(d + 8, &l->to.sin_port, 2);
	}
	if (sendmsg((int)l->id, &h, MSG_DONTWAIT) < 0)
		return errno == EAGAIN || errno == ENOBUFS ? 0 : -errno;
	return (int)n;
}

/* The exit's port that a datagram of this lane leaves from; 0: it did not arrive. An answer comes
 * back, as servers move what is never answered to other circuits. */
static uint32_t
probe(struct load *load, unsigned int lane)
{
	struct counted *c = &load->at_sink;

	atomic_store(&c->next[lane], 0);
	atomic_store(&c->source[lane], 0);
	atomic_store(&load->at_back.next[lane], 0);
	load->lane[lane].sent = 0;
	datagrams_mark(load, lane, 1);
	if (send_lane(load, lane, 1) != 1)
		return 0;
	for (unsigned int i = 0; i < PROBE_MS && atomic_load(&c->source[lane]) == 0; i++)
		usleep(1000);
	return atomic_load(&c->source[lane]);
}

static bool
taken(const struct load *load, unsigned int lane, uint32_t source)
{
	for (unsigned int i = 0; i < lane; i++) {
		if (load->at_sink.source[i] == source)
			return true;
	}
	return false;
}

/* Find a destination whose datagrams leave where no other lane's do, or else one that is reached at
 * all. */
static int
spread(struct load *load, unsigned int lane)
{
	struct sockaddr_in *to = &load->lane[lane].to;
	unsigned int tries = 0, silent = 0;
	uint32_t source;

	do {
		next_host++;
		*to = (struct sockaddr_in){.sin_family = AF_INET,
			.sin_port = htons(load->port),
			.sin_addr.s_addr = htonl(0x7f010000u + next_host % 0xf0000 * 16 + 1)};
		source = probe(load, lane);
		silent = source == 0 ? silent + 1 : 0;
	} while ((source == 0 || taken(load, lane, source)) && ++tries < TRIES && silent < SILENT);
	if (source != 0)
		return 0;
	fprintf(stderr, "nothing comes out of lane %u\n", lane);
	return -ETIMEDOUT;
}

static int
open_lanes(struct load *load, unsigned int n)
{
	for (; load->n_lanes < n; load->n_lanes++) {
		int rc = open_lane(load->n_lanes, &load->lane[load->n_lanes]);

		if (rc != 0) {
			fprintf(stderr, "SOCKS5 server: %s\n", strerror(-rc));
			return rc;
		}
	}
	atomic_store(&load->echo, true);
	datagrams_fill(load, PROBE_PAYLOAD);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t source = load->lane[i].to.sin_port != 0 ? probe(load, i) : 0;
		int rc = source == 0 || taken(load, i, source) ? spread(load, i) : 0;

		if (rc != 0)
			return rc;
	}
	return 0;
}

static void
close_all(struct load *load)
{
	for (unsigned int i = 0; i < load->n_lanes; i++)
		association_close(&association[i]);
}

static const struct sender sender_socks = {
	.open = open_lanes, .send = send_lane, .close = close_all};

static int
start(struct load *load, const char *port)
{
	server_port = (uint16_t)atoi(port);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return -errno;
	return -pthread_create(&receiver, NULL, receive, load);
}

int
sender_socks_new(struct load *load, char **argv)
{
	if (argv[0] == NULL)
		return -EINVAL;
	load->sender = &sender_socks;
	return start(load, argv[0]);
}

/* ---- to a peer ------------------------------------------------------------------------------- */

/* Its address, and the way there, are the server's. */
static int
open_to_peer(struct load *load, unsigned int n)
{
	int rc;

	if (n != 1)
		return -EINVAL;
	if (load->n_lanes == 1)
		return 0;
	rc = open_lane(0, &load->lane[0]);
	load->n_lanes = rc == 0;
	return rc;
}

static const struct sender sender_socks_peer = {
	.open = open_to_peer, .send = send_lane, .close = close_all};

int
sender_socks_peer_new(struct load *load, char **argv)
{
	struct sockaddr_in *to = &load->lane[0].to;

	*to = (struct sockaddr_in){.sin_family = AF_INET};
	if (argv[0] == NULL || argv[1] == NULL || argv[2] == NULL ||
		inet_pton(AF_INET, argv[1], &to->sin_addr) != 1)
		return -EINVAL;
	to->sin_port = htons((uint16_t)atoi(argv[2]));
	load->sender = &sender_socks_peer;
	return start(load, argv[0]);
}
