/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Through libpeel: HOPS CIRCUITS BOOTSTRAP...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "senders.h"
#include "peel.h"

#define READY_SECONDS 60

struct own {
	struct peel *peel;
	unsigned int hops;
	struct peel_address to;
};

static void
on_data(void *arg, struct peel *p, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct load *load = arg;

	(void)p;
	(void)circuit;
	counted_datagram(load, &load->at_back, payload, len, origin->port);
	counted_progress(&load->at_back);
}

/* Keep the circuits that still exist, and replace those that ended. */
static unsigned int
choose(struct load *load, unsigned int n)
{
	peel_circuit active[LANES_MAX];
	struct own *own = load->arg;
	size_t found = peel_active_data_circuits_of(own->peel, own->hops, active, LANES_MAX);
	bool kept[LANES_MAX] = {false};

	found = found < LANES_MAX ? found : LANES_MAX;
	for (size_t k = 0; k < found; k++) {
		for (unsigned int i = 0; i < load->n_lanes; i++) {
			if (load->lane[i].id == active[k]) {
				kept[i] = true;
				active[k] = 0;
			}
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		if (kept[i])
			continue;
		for (size_t k = 0; k < found; k++) {
			if (active[k] != 0) {
				load->lane[i].id = active[k];
				active[k] = 0;
				kept[i] = true;
				break;
			}
		}
		if (!kept[i])
			return i;
	}
	return n;
}

static int
open_lanes(struct load *load, unsigned int n)
{
	unsigned int ready = 0;

	for (unsigned int i = 0; i < READY_SECONDS * 100; i++) {
		ready = choose(load, n);
		if (ready > load->n_lanes)
			load->n_lanes = ready;
		if (ready == n)
			return 0;
		usleep(10000);
	}
	fprintf(stderr, "only %u of %u circuits are ready\n", ready, n);
	return -ETIMEDOUT;
}

static int
send_lane(struct load *load, unsigned int lane, unsigned int n)
{
	const struct own *own = load->arg;
	unsigned int payload = load->payload;

	for (unsigned int i = 0; i < n; i++) {
		int rc = peel_tunnel_data(own->peel, load->lane[lane].id, &own->to, PEEL_DATA,
			datagram_at(load, i, payload) + SOCKS_HEADER, payload);

		if (rc != 0)
			return rc == -EAGAIN ? (int)i : rc;
	}
	return (int)n;
}

static void
close_all(struct load *load)
{
	struct own *own = load->arg;

	peel_close(own->peel);
}

static const struct sender sender_peel = {
	.open = open_lanes, .send = send_lane, .close = close_all};

int
sender_peel_new(struct load *load, char **argv)
{
	static struct own own;
	struct peel_settings s;
	int rc;

	if (argv[0] == NULL || argv[1] == NULL || argv[2] == NULL)
		return -EINVAL;
	peel_settings_init(&s);
	own.hops = (unsigned int)atoi(argv[0]);
	s.min_circuits = s.max_circuits = (uint32_t)atoi(argv[1]);
	s.max_traffic = UINT64_C(1) << 50; /* ten gigabytes are gone in a minute */
	s.peer_flags = 0;
	s.listen = "127.0.0.1:0";
	s.bootstrap = (const char *const *)&argv[2];
	rc = peel_open(&s, &own.peel);
	if (rc == 0)
		rc = peel_address_set(&own.to, "127.0.0.1", load->port);
	if (rc == 0) {
		peel_on_data(own.peel, on_data, load);
		rc = peel_build_tunnels(own.peel, own.hops);
	}
	if (rc == 0)
		rc = peel_run(own.peel);
	if (rc != 0)
		fprintf(stderr, "libpeel: %s\n", peel_strerror(rc));
	load->sender = &sender_peel;
	load->arg = &own;
	return rc;
}
