/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Through a SOCKS5 server: PORT of 127.0.0.1. Each lane is an association of its own, with a
 * destination of its own: the sink has all of 127.0.0.0/8. Which circuit a server takes for a
 * destination is its business, so destinations are tried until each lane leaves from another port
 * of the exit, that is, through another circuit.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include "segments.h"
#include "senders.h"

#define TRIES 400 /* destinations of a lane */
#define SILENT 40 /* of these in a row without an answer: give up */
#define PROBE_PAYLOAD 64
#define PROBE_MS 150
#define BATCH 16

static struct sockaddr_in server;
static int tcp[LANES_MAX];
static int epoll_fd;
static uint32_t next_host;
static unsigned int n_spread; /* lanes with a destination */
static pthread_t receiver;

/* ---- handshake (RFC 1928) -------------------------------------------------------------------- */

static int
exchange(int s, const void *question, size_t len, uint8_t *answer, size_t answer_len)
{
	if (send(s, question, len, MSG_NOSIGNAL) != (ssize_t)len)
		return -EIO;
	return recv(s, answer, answer_len, MSG_WAITALL) == (ssize_t)answer_len ? 0 : -EIO;
}

/* The UDP address to send to. */
static int
associate(int s, struct sockaddr_in *relay)
{
	struct timeval patience = {.tv_sec = 5};
	uint8_t answer[10];
	int rc;

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(s, (struct sockaddr *)&server, sizeof(server)) != 0)
		return -errno;
	rc = exchange(s, "\x05\x01\x00", 3, answer, 2);
	if (rc != 0 || answer[1] != 0)
		return rc != 0 ? rc : -EACCES;
	rc = exchange(s, "\x05\x03\x00\x01\0\0\0\0\0\0", 10, answer, sizeof(answer));
	if (rc != 0 || answer[1] != 0 || answer[3] != 1)
		return rc != 0 ? rc : -EPROTO;
	*relay = server;
	memcpy(&relay->sin_port, answer + 8, 2);
	return 0;
}

static int
open_sockets(unsigned int i, struct lane *lane)
{
	struct sockaddr_in relay,
		own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN};
	int rc, s;

	tcp[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	s = lanes_socket();
	lane->id = (uint64_t)s;
	if (tcp[i] < 0 || s < 0)
		return tcp[i] < 0 ? -errno : s;
	rc = associate(tcp[i], &relay);
	if (rc != 0)
		return rc;
	event.data.fd = s;
	if (bind(s, (struct sockaddr *)&own, sizeof(own)) != 0 ||
		connect(s, (struct sockaddr *)&relay, sizeof(relay)) != 0 ||
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s, &event) != 0)
		return -errno;
	return 0;
}

static void
close_lane(unsigned int i, const struct lane *lane)
{
	if ((int)lane->id >= 0)
		close((int)lane->id);
	if (tcp[i] >= 0)
		close(tcp[i]);
}

static int
open_lane(unsigned int i, struct lane *lane)
{
	int rc = open_sockets(i, lane);

	if (rc != 0)
		close_lane(i, lane);
	return rc;
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

/* The exit's port that a datagram of this lane leaves from; 0: it did not arrive. */
static uint32_t
probe(struct load *load, unsigned int lane)
{
	struct counted *c = &load->at_sink;

	atomic_store(&c->next[lane], 0);
	atomic_store(&c->source[lane], 0);
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
	if (n_spread < n)
		datagrams_fill(load, PROBE_PAYLOAD);
	for (; n_spread < n; n_spread++) {
		int rc = spread(load, n_spread);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static void
close_all(struct load *load)
{
	for (unsigned int i = 0; i < load->n_lanes; i++)
		close_lane(i, &load->lane[i]);
}

static const struct sender sender_socks = {
	.open = open_lanes, .send = send_lane, .close = close_all};

int
sender_socks_new(struct load *load, char **argv)
{
	if (argv[0] == NULL)
		return -EINVAL;
	server = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(argv[0])),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	load->sender = &sender_socks;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return -errno;
	return -pthread_create(&receiver, NULL, receive, load);
}
