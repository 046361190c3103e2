/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * From one node of libpeel to another one over an end-to-end circuit: HOPS BOOTSTRAP... One node
 * seeds a service, the other one looks for it and sends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "senders.h"
#include "peel.h"

#define CONNECT_SECONDS 120

struct service {
	struct peel *seeder, *finder;
	unsigned int hops;
	uint8_t id[PEEL_SERVICE_ID_LEN];
	struct peel_address peer; /* the seeder, as the finder sees it */
	_Atomic bool connected;
	uint64_t joined_ns; /* when the finder joined */
};

static uint64_t
clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Who finds the other one says the name under which they meet. */
static void
on_data(void *arg, struct peel *p, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct load *load = arg;
	const struct service *s = load->arg;

	(void)p;
	(void)circuit;
	(void)origin;
	if (len == sizeof(s->id)) {
		if (memcmp(payload, s->id, len) == 0)
			atomic_store(&load->greeted, true);
		return;
	}
	counted_datagram(load, &load->at_sink, payload, len, 1);
	counted_progress(&load->at_sink);
}

static void
on_peer(void *arg, struct peel *p, const struct peel_address *peer)
{
	struct service *s = arg;

	if (p != s->finder)
		return;
	s->peer = *peer;
	peel_tunnel_data(p, 0, peer, PEEL_DATA, s->id, sizeof(s->id));
	atomic_store(&s->connected, true);
}

static void
on_gone(void *arg, struct peel *p, const struct peel_address *peer)
{
	struct service *s = arg;

	(void)peer;
	if (p == s->finder)
		atomic_store(&s->connected, false);
}

static int
join(struct service *s, struct peel *p, bool seed)
{
	struct peel_service_options o;

	peel_service_options_init(&o);
	o.hops = s->hops;
	o.seed = seed;
	o.find = !seed;
	return peel_join_service(p, s->id, &o, on_peer, on_gone, s);
}

/* Both under a new name, the second so many milliseconds later. */
static int
meet(struct service *s, unsigned int ms)
{
	static unsigned int number;
	char name[64];
	int rc;

	peel_leave_service(s->seeder, s->id);
	peel_leave_service(s->finder, s->id);
	snprintf(name, sizeof(name), "bench %d %u", (int)getpid(), number++);
	peel_service_id(name, s->id);
	atomic_store(&s->connected, false);
	rc = join(s, s->seeder, true);
	if (rc != 0)
		return rc;
	usleep(ms * 1000);
	s->joined_ns = clock_now();
	return join(s, s->finder, false);
}

static int
wait_for(const _Atomic bool *what)
{
	for (unsigned int i = 0; i < CONNECT_SECONDS * 1000 && !atomic_load(what); i++)
		usleep(1000);
	return atomic_load(what) ? 0 : -ETIMEDOUT;
}

static int
open_lanes(struct load *load, unsigned int n)
{
	struct service *s = load->arg;
	int rc = 0;

	if (n != 1)
		return -EINVAL;
	if (load->n_lanes == 0)
		rc = meet(s, 0);
	load->n_lanes = 1;
	return rc == 0 ? wait_for(&s->connected) : rc;
}

static int
first_byte(struct load *load, unsigned int ms, uint64_t *ns)
{
	struct service *s = load->arg;
	int rc;

	atomic_store(&load->greeted, false);
	rc = meet(s, ms);
	if (rc == 0)
		rc = wait_for(&load->greeted);
	*ns = clock_now() - s->joined_ns;
	return rc;
}

static int
send_lane(struct load *load, unsigned int lane, unsigned int n)
{
	const struct service *s = load->arg;
	unsigned int payload = load->payload;

	(void)lane;
	for (unsigned int i = 0; i < n; i++) {
		int rc = peel_tunnel_data(s->finder, 0, &s->peer, PEEL_DATA,
			datagram_at(load, i, payload) + SOCKS_HEADER, payload);

		if (rc != 0)
			return rc == -EAGAIN ? (int)i : rc;
	}
	return (int)n;
}

static void
close_all(struct load *load)
{
	const struct service *s = load->arg;

	peel_close(s->finder);
	peel_close(s->seeder);
}

static const struct sender sender_service = {
	.open = open_lanes, .first = first_byte, .send = send_lane, .close = close_all};

static int
open_node(struct peel **p, char **bootstrap, struct load *load)
{
	struct peel_settings s;
	int rc;

	peel_settings_init(&s);
	s.max_traffic = UINT64_C(1) << 50; /* ten gigabytes are gone in a minute */
	s.peer_flags = 0;
	s.listen = "127.0.0.1:0";
	s.bootstrap = (const char *const *)bootstrap;
	rc = peel_open(&s, p);
	if (rc != 0)
		return rc;
	peel_on_data(*p, on_data, load);
	return peel_run(*p);
}

int
sender_service_new(struct load *load, char **argv)
{
	static struct service s;
	int rc;

	if (argv[0] == NULL || argv[1] == NULL)
		return -EINVAL;
	s.hops = (unsigned int)atoi(argv[0]);
	load->sender = &sender_service;
	load->arg = &s;
	rc = open_node(&s.seeder, argv + 1, load);
	if (rc == 0)
		rc = open_node(&s.finder, argv + 1, load);
	if (rc != 0)
		fprintf(stderr, "libpeel: %s\n", peel_strerror(rc));
	return rc;
}
