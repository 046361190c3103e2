/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Settings of a guest's node become its configuration.
 */
#include <errno.h>

#include "guest_handle.h"
#include "peel_aead_engines.h"
#include "peel_node_text.h"
#include "peel_port_socket.h"

#define CIRCUITS_MAX 65536
#define EXIT_SOCKETS_MAX 4096
#define MEMORY_MIN 64
#define MEMORY_DEFAULT 1024
#define PORT_TRIES_MAX 65535
/* packet buffers: full rings to the control thread, to the guest and back must not starve
 * reception. To make them takes most of the time of an open, so there are no more. */
#define BUFFERS_PER_WORKER 3072
#define BUFFERS_BASE 2560

void
peel_guest_settings_init(struct peel_guest_settings *s)
{
	*s = (struct peel_guest_settings){
		.size = sizeof(*s),
		.listen = "0.0.0.0:0",
		.workers = 1,
		.max_circuits = 2048,
		.engine = "auto",
		.memory = MEMORY_DEFAULT,
	};
}

/* As peel_settings: missing fields of older versions have their defaults, unknown ones of newer
 * versions must be zero. */
static int
take(const struct peel_guest_settings *in, struct peel_guest_settings *out)
{
	peel_guest_settings_init(out);
	return settings_copy(in, offsetof(struct peel_guest_settings, listen), out, sizeof(*out),
		"peel_guest_settings_init");
}

static int
check(const struct peel_guest_settings *s)
{
	const struct {
		const char *name;
		uint32_t value, low, high;
	} range[] = {
		{"workers", s->workers, 1, PEEL_MAX_WORKERS},
		{"max_circuits", s->max_circuits, 1, CIRCUITS_MAX},
		{"memory", s->memory, MEMORY_MIN, 1048576},
		{"port_tries", s->port_tries, 0, PORT_TRIES_MAX},
	};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(range); i++) {
		if (range[i].value < range[i].low || range[i].value > range[i].high)
			return error_format(-EINVAL, "settings.%s: %u is not between %u and %u",
				range[i].name, range[i].value, range[i].low, range[i].high);
	}
	if (s->callbacks.on_datagrams == NULL)
		return error_text(-EINVAL, "settings.callbacks: on_datagrams is NULL");
	return 0;
}

static int
convert_texts(const struct peel_guest_settings *s, struct peel_node_conf *c)
{
	char why[384] = "";

	if (peel_node_parse_address(s->listen != NULL ? s->listen : "0.0.0.0:0",
		    &c->port_conf.listen, why, sizeof(why)) != 0)
		return error_format(-EINVAL, "settings.listen: %s", why);
	for (size_t i = 0; s->dns_servers != NULL && s->dns_servers[i] != NULL; i++) {
		if (peel_node_conf_add_dns(c, s->dns_servers[i], why, sizeof(why)) != 0)
			return error_format(-EINVAL, "settings.dns_servers: %s", why);
	}
	return settings_engine(s->engine, c);
}

int
guest_settings_convert(const struct peel_guest_settings *in, struct peel_guest_settings *s,
	struct peel_node_conf *c)
{
	int rc = take(in, s);

	if (rc == 0)
		rc = check(s);
	if (rc != 0)
		return rc;
	peel_node_conf_init(c);
	c->port = &peel_port_socket;
	c->port_conf.max_endpoints =
		s->max_circuits < EXIT_SOCKETS_MAX ? s->max_circuits + 1 : EXIT_SOCKETS_MAX;
	c->guest.max_circuits = s->max_circuits;
	c->max_own_circuits = s->max_circuits;
	c->tunnel.peer_flags = 0;
	c->policy.allow_private = s->exit_private;
	c->n_workers = s->workers;
	c->n_mbufs = BUFFERS_BASE + s->workers * BUFFERS_PER_WORKER;
	c->idle = s->poll ? PEEL_IDLE_POLL : PEEL_IDLE_SLEEP;
	/* What a neighbour sends stays with one worker, and so in order. */
	c->fan_out = false;
	rc = convert_texts(s, c);
	/* Nobody but programs of this machine reaches a node there. */
	c->guest.exit_loopback = s->exit_loopback || peel_addr_is_loopback(&c->port_conf.listen);
	c->policy.allow_loopback = c->guest.exit_loopback;
	return rc;
}
