/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A guest's node from peel_guest_open to peel_guest_close.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest_handle.h"
#include "peel_aead_engines.h"

/* The node's thread for the guest. */
static void
on_datagrams(void *arg, const struct peel_node_datagram *d, unsigned int n)
{
	struct peel_guest *g = arg;

	_Static_assert(PEEL_NODE_DATAGRAMS_MAX <= PEEL_GUEST_BURST, "a burst has room");
	if (!g->called) {
		g->caller = pthread_self();
		__atomic_store_n(&g->called, true, __ATOMIC_RELEASE);
	}
	for (unsigned int i = 0; i < n; i++) {
		peel_address_from_addr(&d[i].from, &g->datagram[i].from);
		g->datagram[i].data = d[i].data;
		g->datagram[i].len = d[i].len;
	}
	g->callbacks.on_datagrams(g->callbacks.arg, g->datagram, n);
}

/* Whether somebody has the port. It may be taken a moment later; then the node says so. */
static bool
is_taken(const struct peel_addr *a)
{
	struct sockaddr_storage ss;
	socklen_t len = peel_addr_to_sockaddr(a, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool taken;

	if (fd < 0)
		return false;
	taken = bind(fd, (const struct sockaddr *)&ss, len) != 0 && errno == EADDRINUSE;
	close(fd);
	return taken;
}

static int
open_node(struct peel_guest *g, struct peel_node_conf *conf, uint32_t tries)
{
	struct peel_addr *listen = &conf->port_conf.listen;
	char why[512] = "";
	int rc;

	while (tries > 0 && listen->port != 0 && listen->port < UINT16_MAX && is_taken(listen)) {
		listen->port++;
		tries--;
	}
	rc = peel_node_new(conf, &g->node, why, sizeof(why));
	if (rc != 0)
		return error_format(rc, "%s", why[0] != '\0' ? why : strerrordesc_np(-rc));
	return 0;
}

static int
open_guest(const struct peel_guest_settings *settings, struct peel_node_conf *conf,
	struct peel_guest *g)
{
	struct peel_guest_settings s;
	int rc = guest_settings_convert(settings, &s, conf);

	if (rc == 0)
		rc = eal_once(false, s.memory);
	if (rc != 0)
		return rc;
	if (conf->engine == NULL)
		conf->engine = peel_aead_engine_best();
	if (conf->engine == NULL)
		return error_text(-ENOTSUP, "no AEAD engine works on this CPU");
	g->callbacks = s.callbacks;
	conf->guest.datagrams = on_datagrams;
	conf->guest.arg = g;
	rc = open_node(g, conf, s.port_tries);
	if (rc != 0)
		return rc;
	g->driver.node = g->node;
	rc = driver_start(&g->driver);
	if (rc == 0)
		return 0;
	peel_node_free(g->node);
	return error_format(rc, "no thread: %s", strerrordesc_np(-rc));
}

int
peel_guest_open(const struct peel_guest_settings *settings, struct peel_guest **out)
{
	struct peel_node_conf *conf = malloc(sizeof(*conf));
	struct peel_guest *g = calloc(1, sizeof(*g));
	int rc = -ENOMEM;

	*out = NULL;
	if (conf != NULL && g != NULL)
		rc = open_guest(settings, conf, g);
	else
		(void)error_no_memory();
	free(conf);
	if (rc != 0)
		free(g);
	else
		*out = g;
	return rc;
}

void
peel_guest_close(struct peel_guest *g)
{
	if (g == NULL || (__atomic_load_n(&g->called, __ATOMIC_ACQUIRE) &&
				 pthread_equal(g->caller, pthread_self())))
		return;
	driver_stop(&g->driver);
	peel_node_free(g->node);
	free(g);
}

void
peel_guest_address(const struct peel_guest *g, struct peel_address *out)
{
	struct peel_addr local;

	peel_node_local(g->node, &local);
	peel_address_from_addr(&local, out);
}

int
guest_address(const struct peel_address *a, struct peel_addr *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool v6 = a->type == PEEL_ADDRESS_IPV6;

	if ((a->type != PEEL_ADDRESS_IPV4 && !v6) || a->port == 0)
		return error_text(-EINVAL, "a neighbour has an IP address and a port");
	*out = (struct peel_addr){.family = PEEL_FAMILY_IPV4, .port = a->port};
	if (!v6 || memcmp(a->ip, mapped, sizeof(mapped)) == 0) {
		memcpy(out->ip, a->ip + (v6 ? sizeof(mapped) : 0), 4);
		return 0;
	}
	out->family = PEEL_FAMILY_IPV6;
	memcpy(out->ip, a->ip, sizeof(out->ip));
	return 0;
}
