/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A guest's node: what its control plane asks of workers, tables and exits.
 */
#include <errno.h>
#include <stdlib.h>

#include "node_guest.h"
#include "parts.h"
#include "status.h"

#define MAIL_RING 2048 /* an interpreter may be busy for a while */

static void
cb_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	(void)peel_node_guest_send(arg, to, data, len);
}

static int
make_counts(struct peel_node *node)
{
	for (unsigned int i = 0; i <= node->conf.n_workers; i++) {
		/* Pages come when they are counted in. */
		node->guest->counts[i] = calloc(1, sizeof(struct peel_guest_counts));
		if (node->guest->counts[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

int
node_start_guest(struct peel_node *node)
{
	const struct peel_gc_conf conf = {
		.env = node->env,
		.routes = node->routes,
		.paths = node->paths,
		.max_circuits = node->conf.guest.max_circuits,
		.send = cb_send,
		.exit_gone = node_exit_gone,
		.arg = node,
	};
	int rc;

	node->guest = calloc(1, sizeof(*node->guest));
	if (node->guest == NULL)
		return -ENOMEM;
	sem_init(&node->guest->wake, 0, 0);
	node->guest->overlays.cells = PEEL_NONE;
	node->guest->overlays.port = node->local.port;
	rc = make_counts(node);
	if (rc == 0)
		rc = peel_submit_queue_new(MAIL_RING, &node->guest->mail);
	if (rc == 0)
		rc = peel_gc_new(&conf, &node->guest->circuits);
	if (rc == 0)
		peel_gc_exits(node->guest->circuits, &node->exits);
	return rc;
}

void
node_stop_guest(struct peel_node *node)
{
	struct node_guest *guest = node->guest;

	if (guest == NULL)
		return;
	peel_gc_free(guest->circuits);
	peel_submit_queue_free(guest->mail);
	for (unsigned int i = 0; i <= node->conf.n_workers; i++)
		free(guest->counts[i]);
	free(guest->published);
	sem_destroy(&guest->wake);
	free(guest);
	node->guest = NULL;
}

void
node_guest_worker(struct peel_node *node, unsigned int worker, struct peel_worker_conf *wc)
{
	wc->guest = node->guest->mail;
	wc->guest_counts = node->guest->counts[worker];
	wc->wake_guest = node_guest_wake;
}

uint64_t
node_guest_tick(struct peel_node *node)
{
	return peel_gc_tick(node->guest->circuits);
}

struct peel_guest_circuits *
peel_node_guest(struct peel_node *node)
{
	return node->guest->circuits;
}

void
peel_node_guest_unlock(struct peel_node *node)
{
	node_wake_workers(node);
	pthread_mutex_unlock(&node->lock);
}

/* ---- overlays -------------------------------------------------------------------------------- */

static void
free_overlays(void *arg, uint64_t value)
{
	(void)value;
	free(arg);
}

/* Workers get a copy. */
static int
publish(struct peel_node *node, const struct peel_guest_overlays *changed)
{
	struct peel_guest_overlays *fresh = malloc(sizeof(*fresh)),
				   *before = node->guest->published;

	if (fresh == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < changed->n; i++) {
		if (changed->open[i])
			node->guest->closed[i] = changed->version + 1;
	}
	node->guest->overlays = *changed;
	node->guest->overlays.version++;
	*fresh = node->guest->overlays;
	for (unsigned int i = 0; i < node->conf.n_workers; i++)
		peel_worker_set_overlays(node->worker[i].worker, fresh);
	node->guest->published = fresh;
	/* Without memory for that it is never freed: workers may still read it. */
	if (before != NULL)
		(void)!peel_rcu_defer(node->rcu, free_overlays, before, 0);
	return 0;
}

static void
index_places(struct peel_guest_overlays *o)
{
	memset(o->bucket, 0, sizeof(o->bucket));
	for (uint16_t i = 0; i < o->n; i++)
		o->bucket[peel_guest_overlay_bucket(o, o->prefix[i])] = (uint16_t)(i + 1);
}

/* Of those that are not used now, the place that was closed first, with its counts gone. PEEL_NONE:
 * all are used. */
static uint32_t
reuse(struct peel_node *node, const struct peel_guest_overlays *o)
{
	struct node_guest *guest = node->guest;
	uint32_t oldest = PEEL_NONE;

	for (uint32_t i = 0; i < o->n; i++) {
		if (!o->open[i] && i != o->cells &&
			(oldest == PEEL_NONE || guest->closed[i] < guest->closed[oldest]))
			oldest = i;
	}
	for (unsigned int w = 0; oldest != PEEL_NONE && w <= node->conf.n_workers; w++)
		memset(guest->counts[w]->count[oldest], 0, sizeof(guest->counts[w]->count[oldest]));
	return oldest;
}

/* Its place, a new one if it needs one. */
static uint32_t
place(struct peel_node *node, struct peel_guest_overlays *o, const uint8_t prefix[PEEL_PREFIX_LEN])
{
	uint32_t i = peel_guest_overlay_find(o, prefix);

	if (i != PEEL_NONE)
		return i;
	if (o->n < PEEL_GUEST_OVERLAYS_MAX) {
		i = o->n++;
		memcpy(o->prefix[i], prefix, PEEL_PREFIX_LEN);
		o->bucket[peel_guest_overlay_bucket(o, prefix)] = (uint16_t)(i + 1);
		return i;
	}
	i = reuse(node, o);
	if (i != PEEL_NONE) {
		memcpy(o->prefix[i], prefix, PEEL_PREFIX_LEN);
		index_places(o);
	}
	return i;
}

static void
change_policy(struct peel_node *node)
{
	struct peel_policy policy;

	node_policy(node, &policy);
	peel_own_addresses_change(node->own_addresses, &policy);
}

static int
set_cells(struct peel_node *node, struct peel_guest_overlays *changed, const uint8_t *prefix)
{
	int rc;

	changed->cells = place(node, changed, prefix);
	if (changed->cells == PEEL_NONE)
		return -ENOSPC;
	rc = publish(node, changed);
	if (rc != 0)
		return rc;
	memcpy(node->prefix[PEEL_COMMUNITY_TUNNEL], prefix, PEEL_PREFIX_LEN);
	peel_gc_set_prefix(node->guest->circuits, prefix);
	change_policy(node);
	return 0;
}

static int
set_open(struct peel_node *node, struct peel_guest_overlays *changed,
	const uint8_t (*prefix)[PEEL_PREFIX_LEN], size_t n)
{
	memset(changed->open, 0, sizeof(changed->open));
	/* First those that have a place, so that no new one gets it. */
	for (size_t i = 0; i < n; i++) {
		uint32_t at = peel_guest_overlay_find(changed, prefix[i]);

		if (at != PEEL_NONE)
			changed->open[at] = true;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t at = place(node, changed, prefix[i]);

		if (at == PEEL_NONE)
			return -ENOSPC;
		changed->open[at] = true;
	}
	return publish(node, changed);
}

int
peel_node_guest_cells(struct peel_node *node, const uint8_t prefix[PEEL_PREFIX_LEN])
{
	struct peel_guest_overlays *changed = malloc(sizeof(*changed));
	int rc = -ENOMEM;

	if (changed != NULL) {
		*changed = node->guest->overlays;
		rc = set_cells(node, changed, prefix);
	}
	free(changed);
	return rc;
}

int
peel_node_guest_overlays(struct peel_node *node, const uint8_t (*prefix)[PEEL_PREFIX_LEN], size_t n)
{
	struct peel_guest_overlays *changed = malloc(sizeof(*changed));
	int rc = -ENOMEM;

	if (changed != NULL) {
		*changed = node->guest->overlays;
		rc = set_open(node, changed, prefix, n);
	}
	free(changed);
	return rc;
}

/* ---- exits ----------------------------------------------------------------------------------- */

void
peel_node_guest_flags(struct peel_node *node, uint16_t flags)
{
	node->conf.tunnel.peer_flags = flags;
	change_policy(node);
}

int
peel_node_guest_exit_address(struct peel_node *node, const struct peel_addr *address)
{
	static const struct peel_addr any4 = {.family = PEEL_FAMILY_IPV4},
				      any6 = {.family = PEEL_FAMILY_IPV6}, none;
	bool any = peel_addr_is_any(address), is4 = address->family == PEEL_FAMILY_IPV4;
	struct peel_addr ipv4 = any ? any4 : is4 ? *address : none;
	struct peel_addr ipv6 = any ? any6 : is4 ? none : *address;
	int rc;

	if (node->conf.port->exit_bind == NULL)
		return -ENOTSUP;
	rc = node->conf.port->exit_bind(node->port, &ipv4, &ipv6);
	if (rc != 0)
		return rc;
	peel_http_serve_source(node->http_serve, &ipv4, &ipv6);
	node->conf.policy.allow_loopback =
		node->conf.guest.exit_loopback || peel_addr_is_loopback(address);
	change_policy(node);
	return 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void
count_sent(struct peel_node *node, const uint8_t *data, size_t len)
{
	struct node_guest *guest = node->guest;
	uint32_t i = len >= PEEL_HEADER_LEN ? peel_guest_overlay_find(&guest->overlays, data)
					    : PEEL_NONE;

	if (i != PEEL_NONE)
		peel_guest_count_up(
			&guest->counts[node->conf.n_workers]->count[i][data[PEEL_PREFIX_LEN]], 1,
			len);
}

int
peel_node_guest_send(
	struct peel_node *node, const struct peel_addr *to, const void *data, size_t len)
{
	if (len > PEEL_DATAGRAM_MAX)
		return -EMSGSIZE;
	count_sent(node, data, len);
	node_send(node, to, data, len);
	return 0;
}

int
peel_node_guest_send_cell(
	struct peel_node *node, const struct peel_addr *to, const void *cell, size_t len)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	int n = peel_gc_seal(node->guest->circuits, cell, len, out);

	return n < 0 ? n : peel_node_guest_send(node, to, out, (size_t)n);
}

/* ---- counts ---------------------------------------------------------------------------------- */

static uint64_t
load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

int
peel_node_guest_counts(const struct peel_node *node, const uint8_t prefix[PEEL_PREFIX_LEN],
	struct peel_guest_count out[256])
{
	uint32_t at = peel_guest_overlay_find(&node->guest->overlays, prefix);

	memset(out, 0, 256 * sizeof(*out));
	if (at == PEEL_NONE)
		return -ENOENT;
	for (unsigned int w = 0; w <= node->conf.n_workers; w++) {
		for (unsigned int id = 0; id < 256; id++) {
			const struct peel_guest_count *c = &node->guest->counts[w]->count[at][id];

			out[id].num_up += load(&c->num_up);
			out[id].bytes_up += load(&c->bytes_up);
			out[id].num_down += load(&c->num_down);
			out[id].bytes_down += load(&c->bytes_down);
		}
	}
	return 0;
}

void
peel_node_guest_totals(const struct peel_node *node, struct peel_guest_count *out)
{
	*out = (struct peel_guest_count){
		.num_up = node_counter(node, PEEL_TX_DATAGRAMS),
		.bytes_up = node_counter(node, PEEL_TX_BYTES),
		.num_down = node_counter(node, PEEL_RX_DATAGRAMS),
		.bytes_down = node_counter(node, PEEL_RX_BYTES),
	};
}
