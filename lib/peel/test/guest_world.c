/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "guest_world.h"

struct guest_world w;

/* ---- the outside ----------------------------------------------------------------------------- */

struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int
bound_socket(int type, uint16_t *port)
{
	struct sockaddr_in sin = loopback(0);
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

static void
echo(void)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	uint8_t buf[2048];
	ssize_t n = recvfrom(w.udp, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len);

	if (n > 0)
		(void)!sendto(w.udp, buf, (size_t)n, 0, (struct sockaddr *)&from, from_len);
}

static void
serve(void)
{
	int fd = accept(w.tcp, NULL, NULL);
	char buf[2048];

	if (fd < 0)
		return;
	if (recv(fd, buf, sizeof(buf), 0) > 0)
		(void)!send(fd, ANSWER, sizeof(ANSWER) - 1, MSG_NOSIGNAL);
	close(fd);
}

static void *
outside(void *arg)
{
	struct pollfd fd[2] = {{w.udp, POLLIN, 0}, {w.tcp, POLLIN, 0}};

	(void)arg;
	while (!__atomic_load_n(&w.stop, __ATOMIC_ACQUIRE)) {
		poll(fd, 2, 50);
		if (fd[0].revents != 0)
			echo();
		if (fd[1].revents != 0)
			serve();
	}
	return NULL;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void
on_datagrams(void *arg, const struct peel_guest_datagram *d, unsigned int n)
{
	size_t node = (size_t)arg;

	for (unsigned int i = 0; i < n; i++) {
		memcpy(w.last[node], d[i].data,
			d[i].len < sizeof(w.last[node]) ? d[i].len : sizeof(w.last[node]));
		__atomic_add_fetch(&w.datagrams[node], 1, __ATOMIC_RELEASE);
	}
}

static void
open_node(size_t i)
{
	struct peel_guest_settings s;
	int rc;

	peel_guest_settings_init(&s);
	s.listen = "127.0.0.1:0";
	s.exit_loopback = true;
	s.callbacks.arg = (void *)i;
	s.callbacks.on_datagrams = on_datagrams;
	rc = peel_guest_open(&s, &w.node[i]);
	if (rc != 0)
		fail_msg("%s", peel_strerror(rc));
	peel_guest_address(w.node[i], &w.address[i]);
	assert_int_equal(peel_guest_set_prefix(w.node[i], prefix), 0);
	assert_int_equal(peel_guest_set_prefixes(w.node[i], &prefix, 1), 0);
	peel_guest_set_flags(
		w.node[i], PEEL_RELAY | PEEL_EXIT_BT | PEEL_EXIT_HTTP | PEEL_SPEED_TEST);
}

int
guest_world_start(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	for (size_t i = 0; i < N_NODES; i++)
		open_node(i);
	w.udp = bound_socket(SOCK_DGRAM, &w.udp_port);
	w.tcp = bound_socket(SOCK_STREAM, &w.tcp_port);
	assert_int_equal(listen(w.tcp, 16), 0);
	assert_int_equal(pthread_create(&w.thread, NULL, outside, NULL), 0);
	return 0;
}

int
guest_world_stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_NODES; i++)
		peel_guest_close(w.node[i]);
	__atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
	pthread_join(w.thread, NULL);
	close(w.udp);
	close(w.tcp);
	return 0;
}

/* ---- circuits -------------------------------------------------------------------------------- */

struct peel_guest_keys
fresh_keys(void)
{
	struct peel_guest_keys k;

	assert_int_equal(getrandom(&k, sizeof(k), 0), sizeof(k));
	return k;
}

void
guest_relay(size_t node, uint32_t in, size_t previous, uint32_t out, size_t next,
	const struct peel_guest_keys *keys)
{
	struct peel_guest_relay back = {.out_cid = in,
					.backward = true,
					.out = w.address[previous],
					.keys = *keys},
				forth = {.out_cid = out, .out = w.address[next], .keys = *keys};

	assert_int_equal(peel_guest_add_relay(w.node[node], out, &back), 0);
	assert_int_equal(peel_guest_add_relay(w.node[node], in, &forth), 0);
}

/* From the originator to the exit, directly or through the relay. */
uint32_t
guest_circuit(unsigned int hops, uint16_t exit_flags)
{
	uint32_t cid = ++w.last_cid, last = hops == 1 ? cid : ++w.last_cid;
	struct peel_guest_circuit c = {.type = PEEL_GUEST_DATA,
		.goal_hops = (uint8_t)hops,
		.exit_flags = exit_flags,
		.n_hops = (uint8_t)hops,
		.first = w.address[hops == 1 ? EXIT : RELAY]};

	for (unsigned int i = 0; i < hops; i++)
		c.hop[i] = fresh_keys();
	if (hops > 1)
		guest_relay(RELAY, cid, ORIGIN, last, EXIT, &c.hop[0]);
	assert_int_equal(peel_guest_add_exit(w.node[EXIT], last,
				 &w.address[hops == 1 ? ORIGIN : RELAY], &c.hop[hops - 1]),
		0);
	assert_int_equal(peel_guest_set_circuit(w.node[ORIGIN], cid, &c), 0);
	return cid;
}

uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
