/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Origin circuits, between the program, lib/origin_circuit and the workers. What the program sends
 * goes from its thread to a worker without a lock. What comes back waits in the worker's ring until
 * the control thread calls the program, without holding the lock.
 */
#include <errno.h>
#include <stdlib.h>

#include "node.h"

#define DELIVER_QUOTA 64
#define LACK_SETTLES_MS 5000 /* a new node knows nobody at first */

/* ---- up: from the program to a worker -------------------------------------------------------- */

/* Make an empty mbuf addressed to a path that has all flags of @p must and none of @p never. @p
 * room is how long a message may be, so that it fits into a datagram with all its layers. 0 or
 * -errno. */
static int
new_message(struct peel_node *node, peel_origin_id id, uint8_t must, uint8_t never,
	struct rte_mbuf **out, size_t *room)
{
	uint32_t path = (uint32_t)id, generation = (uint32_t)(id >> 32);
	unsigned int n_layers;
	struct rte_mbuf *m;

	if (node->paths == NULL || generation == 0 ||
		peel_path_generation(node->paths, path) != generation)
		return -ENOENT;
	must |= PEEL_PATH_READY;
	if ((peel_path_flags(peel_path_at(node->paths, path)) & (must | never)) != must)
		return -ENOTCONN;
	n_layers = peel_path_n_layers(peel_path_at(node->paths, path));
	*room = PEEL_DATAGRAM_MAX - PEEL_CELL_HEADER_LEN - n_layers * PEEL_SEAL_OVERHEAD;
	m = rte_pktmbuf_alloc(node->pool);
	if (m == NULL)
		return -EAGAIN;
	peel_pkt(m)->session = path;
	peel_pkt(m)->generation = generation;
	*out = m;
	return 0;
}

/* A circuit stays with one worker, which preserves the order of its messages. */
static int
queue(struct peel_node *node, struct rte_mbuf *m)
{
	struct node_worker *nw = &node->worker[peel_pkt(m)->session % node->conf.n_workers];
	bool wake;

	if (peel_submit_queue_push(nw->submit_queue, m, &wake) != 0) {
		rte_pktmbuf_free(m);
		return -EAGAIN;
	}
	if (wake)
		peel_worker_wake(nw->worker);
	return 0;
}

static const struct peel_host nowhere = {.type = PEEL_HOST_IPV4, .addr.family = PEEL_FAMILY_IPV4};

static int
send_data(struct peel_node *node, peel_origin_id id, uint8_t must, uint8_t never,
	const struct peel_msg_data *data)
{
	struct rte_mbuf *m;
	size_t room;
	int rc = new_message(node, id, must, never, &m, &room);

	if (rc != 0)
		return rc;
	rc = peel_data_build(rte_pktmbuf_mtod(m, uint8_t *), room, data);
	if (rc < 0) {
		rte_pktmbuf_free(m);
		return rc == -ENOSPC ? -EMSGSIZE : rc;
	}
	m->data_len = (uint16_t)rc;
	m->pkt_len = m->data_len;
	return queue(node, m);
}

int
peel_node_send_data(struct peel_node *node, peel_origin_id id, const struct peel_host *destination,
	const void *payload, size_t len)
{
	const struct peel_msg_data data = {
		.destination = *destination, .origin = nowhere, .payload = {payload, len}};

	return send_data(node, id, 0, PEEL_PATH_HIDDEN, &data);
}

int
peel_node_send_peer(struct peel_node *node, peel_origin_id id, const void *payload, size_t len)
{
	const struct peel_msg_data data = {
		.destination = nowhere, .origin = nowhere, .payload = {payload, len}};

	return send_data(node, id, PEEL_PATH_E2E, 0, &data);
}

int
peel_node_send_message(struct peel_node *node, peel_origin_id id, const void *msg, size_t len)
{
	struct rte_mbuf *m;
	size_t room;
	int rc;

	if (len == 0 || *(const uint8_t *)msg == PEEL_MSG_DATA)
		return -EINVAL;
	rc = new_message(node, id, 0, PEEL_PATH_HIDDEN, &m, &room);
	if (rc == 0 && len > room) {
		rte_pktmbuf_free(m);
		rc = -EMSGSIZE;
	}
	if (rc != 0)
		return rc;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), msg, len);
	return queue(node, m);
}

/* ---- down: from a worker to the program ------------------------------------------------------ */

static peel_origin_id
id_of(const struct rte_mbuf *m)
{
	const struct peel_pkt *pkt = peel_pkt((struct rte_mbuf *)(uintptr_t)m);

	return peel_origin_make_id(pkt->session, pkt->generation);
}

static void
deliver_data(const struct peel_node_events *ev, const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	bool of_peer = peel_pkt((struct rte_mbuf *)(uintptr_t)m)->kind == PEEL_KIND_ORIGIN_PEER;
	struct peel_msg_data data;

	if (peel_data_parse(d + 1, m->data_len - 1u, &data) != 0)
		return;
	if (of_peer && ev->peer_data != NULL)
		ev->peer_data(ev->arg, id_of(m), &data.payload);
	else if (!of_peer && ev->data != NULL)
		ev->data(ev->arg, id_of(m), &data);
}

static void
deliver_one(struct peel_node *node, const struct peel_node_events *ev, const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

	if (d[0] == PEEL_MSG_DATA) {
		deliver_data(ev, m);
		return;
	}
	if (d[0] == PEEL_MSG_HTTP_RESPONSE &&
		peel_http_ask_response(node->http_ask, id_of(m), d, m->data_len) != -ENOENT)
		return;
	if (ev->message != NULL)
		ev->message(ev->arg, id_of(m), d, m->data_len);
}

static void
deliver_change(
	struct peel_node *node, const struct peel_node_events *ev, const struct node_change *c)
{
	switch (c->what) {
	case NODE_CIRCUIT_READY:
		if (ev->ready != NULL)
			ev->ready(ev->arg, c->id);
		break;
	case NODE_CIRCUIT_ENDED:
		peel_http_ask_ended(node->http_ask, c->id);
		if (ev->ended != NULL)
			ev->ended(ev->arg, c->id, c->why);
		break;
	case NODE_PEER_CONNECTED:
	case NODE_PEER_GONE:
		if (ev->peer != NULL)
			ev->peer(ev->arg, c->id, c->swarm, c->what == NODE_PEER_CONNECTED);
		break;
	}
}

/* Tell the program what happened to circuits while the lock was held. */
static void
deliver_changes(struct peel_node *node, const struct peel_node_events *ev)
{
	for (;;) {
		struct node_change c;

		pthread_mutex_lock(&node->lock);
		if (node->origin.change_first == node->origin.n_changes) {
			node->origin.change_first = node->origin.n_changes = 0;
			pthread_mutex_unlock(&node->lock);
			return;
		}
		c = node->origin.change[node->origin.change_first++];
		pthread_mutex_unlock(&node->lock);
		deliver_change(node, ev, &c);
	}
}

bool
node_deliver(struct peel_node *node)
{
	struct rte_mbuf *mail[DELIVER_QUOTA];
	struct peel_node_events ev;
	bool more = false;

	if (node->paths == NULL)
		return false;
	pthread_mutex_lock(&node->lock);
	ev = node->origin.events;
	pthread_mutex_unlock(&node->lock);
	deliver_changes(node, &ev);
	for (unsigned int w = 0; w < node->conf.n_workers; w++) {
		unsigned int n = peel_mailbox_pop_control(
			node->worker[w].mailbox, PEEL_CLASS_ORIGIN, mail, DELIVER_QUOTA);

		for (unsigned int i = 0; i < n; i++)
			deliver_one(node, &ev, mail[i]);
		rte_pktmbuf_free_bulk(mail, n);
		more |= n == DELIVER_QUOTA;
	}
	peel_http_ask_deliver(node->http_ask);
	return more;
}

void
node_origin_message(struct peel_node *node, const struct rte_mbuf *m)
{
	const uint8_t *msg = rte_pktmbuf_mtod(m, const uint8_t *);
	int rc = peel_origin_message(node->origin_circuits, id_of(m), msg, m->data_len);

	if (rc == -ENOENT)
		rc = peel_swarms_message(node->swarms, id_of(m), msg, m->data_len);
	if (rc == -ENOENT)
		peel_stats_add(&node->stats, PEEL_CONTROL_UNKNOWN, 1);
}

void
node_origin_hidden(struct peel_node *node, const struct rte_mbuf *m)
{
	struct peel_msg_data data;

	if (peel_data_parse(rte_pktmbuf_mtod(m, const uint8_t *) + 1, m->data_len - 1u, &data) !=
			0 ||
		peel_swarms_datagram(node->swarms, id_of(m), &data.origin, data.payload.p,
			data.payload.len) == -ENOENT)
		peel_stats_add(&node->stats, PEEL_CONTROL_UNKNOWN, 1);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void
change(struct peel_node *node, const struct node_change *c)
{
	if (node->origin.n_changes == node->origin.changes_size) {
		uint32_t size = node->origin.changes_size == 0 ? 64 : 2 * node->origin.changes_size;
		struct node_change *bigger = realloc(node->origin.change, size * sizeof(*bigger));

		if (bigger == NULL)
			return; /* the program misses this event, but can still query the state */
		node->origin.change = bigger;
		node->origin.changes_size = size;
	}
	node->origin.change[node->origin.n_changes++] = *c;
}

static void
on_ready(void *arg, peel_origin_id id)
{
	struct peel_node *node = arg;

	change(node, &(struct node_change){.id = id, .what = NODE_CIRCUIT_READY});
	if (node->swarms != NULL)
		peel_swarms_circuit_ready(node->swarms, id);
}

static void
on_ended(void *arg, peel_origin_id id, enum peel_origin_end why)
{
	struct peel_node *node = arg;

	change(node, &(struct node_change){.id = id, .what = NODE_CIRCUIT_ENDED, .why = why});
	if (node->swarms != NULL)
		peel_swarms_circuit_ended(node->swarms, id);
}

void
node_peer_changed(struct peel_node *node, uint32_t swarm, peel_origin_id id, bool connected)
{
	change(node, &(struct node_change){.id = id,
			     .what = connected ? NODE_PEER_CONNECTED : NODE_PEER_GONE,
			     .swarm = swarm});
}

int
node_origin_new(struct peel_node *node, const struct peel_origin_conf *callbacks)
{
	struct peel_origin_conf tc = *callbacks;

	if (node->paths == NULL)
		return 0;
	tc.paths = node->paths;
	tc.settings = node->conf.originator;
	tc.ready = on_ready;
	tc.ended = on_ended;
	return peel_origin_new(&tc, &node->origin_circuits);
}

static void
report(struct peel_node *node, unsigned int hops, const struct peel_origin_pool *pool)
{
	struct node_lack *l = &node->origin.lack[hops];
	uint64_t now = peel_now_ms(node->env);
	const char *s = hops == 1 ? "" : "s";
	char text[256];

	if (pool->lack != l->seen) {
		l->seen = pool->lack;
		l->since_ms = now;
	}
	if (l->seen == l->told || now - l->since_ms < LACK_SETTLES_MS)
		return;
	l->told = l->seen;
	if (l->told == PEEL_ORIGIN_LACK_NOTHING)
		peel_log(PEEL_LOG_INFO, "circuits of %u hop%s can be built", hops, s);
	else
		peel_log(PEEL_LOG_WARNING, "circuits of %u hop%s cannot be built: %s", hops, s,
			peel_origin_lack_text(pool, text, sizeof(text)));
}

void
node_origin_report(struct peel_node *node)
{
	struct peel_origin_pool pool;

	for (unsigned int hops = 1; hops <= PEEL_HOPS_MAX; hops++) {
		if (peel_origin_pool(node->origin_circuits, hops, &pool) == 0)
			report(node, hops, &pool);
	}
}

struct peel_http_ask *
peel_node_http(struct peel_node *node)
{
	return node->http_ask;
}

struct peel_swarms *
peel_node_swarms(struct peel_node *node)
{
	return node->swarms;
}

struct peel_origin_circuits *
peel_node_origin(struct peel_node *node)
{
	return node->origin_circuits;
}

void
peel_node_on_events(struct peel_node *node, const struct peel_node_events *events)
{
	node->origin.events = *events;
}
