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

static void
on_message(void *arg, peel_origin_id id, const uint8_t *msg, size_t len)
{
	struct peel_guest *g = arg;

	tests_answer(g->tests, id, msg, len);
}

static void
on_data(void *arg, peel_origin_id id, const struct peel_msg_data *data)
{
	struct peel_guest *g = arg;

	guest_proxy_data(g->proxy, id, data);
}

static void
on_peer_data(void *arg, peel_origin_id id, const struct peel_span *payload)
{
	struct peel_guest *g = arg;

	guest_proxy_peer_data(g->proxy, id, payload);
}

static void
attach(struct peel_guest *g)
{
	const struct peel_node_events events = {
		.data = on_data, .peer_data = on_peer_data, .message = on_message, .arg = g};

	peel_node_on_events(g->node, &events);
}

static void
round_over(void *arg)
{
	struct peel_guest *g = arg;

	tests_sweep(g->tests);
	guest_tests_work(g->speedtests);
}

static void
release(struct peel_guest *g)
{
	peel_node_free(g->node);
	guest_proxy_free(g->proxy);
	guest_tests_free(g->speedtests);
	tests_free(g->tests);
	free(g);
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
	if (rc == 0)
		rc = guest_proxy_new(g->node, s.max_circuits, &g->proxy);
	if (rc == 0)
		rc = tests_new(g->node, &g->tests);
	if (rc == 0)
		rc = guest_tests_new(g->node, g->tests, &g->speedtests);
	if (rc != 0)
		return rc;
	attach(g);
	g->driver = (struct driver){.node = g->node, .round = round_over, .arg = g};
	rc = driver_start(&g->driver);
	return rc == 0 ? 0 : error_format(rc, "no thread: %s", strerrordesc_np(-rc));
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
	if (rc == 0)
		*out = g;
	else if (g != NULL)
		release(g);
	return rc;
}

static bool
in_callback(const struct peel_guest *g)
{
	return pthread_equal(g->driver.thread, pthread_self()) ||
	       (__atomic_load_n(&g->called, __ATOMIC_ACQUIRE) &&
		       pthread_equal(g->caller, pthread_self()));
}

void
peel_guest_close(struct peel_guest *g)
{
	if (g == NULL || in_callback(g))
		return;
	driver_stop(&g->driver);
	guest_proxy_close(g->proxy);
	tests_cancel(g->tests);
	release(g);
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
