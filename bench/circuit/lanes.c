/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What both ends of a lane share: the datagrams, and how they are counted.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "lanes.h"

#define CHECK_EVERY 64
#define BUFFER_BYTES (32 << 20)

static uint8_t noise[2 * PAYLOAD_MAX + GROUP];
static sem_t awake; /* posted at wake_at */

/* ---- datagrams ------------------------------------------------------------------------------- */

void
lanes_init(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525u + 1013904223u;
		noise[i] = (uint8_t)(x >> 24) | 1;
	}
	sem_init(&awake, 0, 0);
}

void
datagrams_fill(struct load *load, unsigned int payload)
{
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

/* Is it byte for byte what was sent? */
static bool
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
counted_datagram(
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
counted_progress(struct counted *c)
{
	uint64_t at = atomic_load(&c->wake_at);

	if (at != 0 && c->progress >= at && atomic_compare_exchange_strong(&c->wake_at, &at, 0))
		sem_post(&awake);
}

void
counted_wait(struct counted *c, unsigned int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	counted_progress(c); /* it may be there already */
	while (sem_clockwait(&awake, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR)
		;
	atomic_store(&c->wake_at, 0);
	while (sem_trywait(&awake) == 0)
		;
}

void
counted_forget(struct counted *c)
{
	for (unsigned int i = 0; i < LANES_MAX; i++) {
		atomic_store(&c->next[i], 0);
		atomic_store(&c->source[i], 0);
	}
	atomic_store(&c->progress, 0);
	atomic_store(&c->datagrams, 0);
	atomic_store(&c->bytes, 0);
	atomic_store(&c->bad, 0);
}

/* ---- sockets --------------------------------------------------------------------------------- */

int
lanes_socket(void)
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
