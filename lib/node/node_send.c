/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The control thread's way out: it has no socket of its own, so workers send for it.
 */
#include <unistd.h>

#include "node.h"

#define RETRY_US 200
#define RETRIES 500 /* only while stopping: every neighbour shall get its destroy */

static int
push(struct node_worker *nw, struct rte_mbuf *m)
{
	int rc = peel_mailbox_push_worker(nw->mailbox, m);

	for (unsigned int i = 0; rc != 0 && nw->node->stopping && i < RETRIES; i++) {
		peel_worker_wake(nw->worker);
		usleep(RETRY_US);
		rc = peel_mailbox_push_worker(nw->mailbox, m);
	}
	return rc;
}

void
node_send_mbuf(struct peel_node *node, unsigned int worker, struct rte_mbuf *m)
{
	struct node_worker *nw = &node->worker[worker];

	nw->mail = true;
	if (push(nw, m) != 0) {
		peel_stats_add(&node->stats, PEEL_DROP_CONTROL_FULL, 1);
		rte_pktmbuf_free(m);
	}
}

static void
send_kind(struct peel_node *node, enum peel_msg_kind kind, uint32_t session,
	const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct rte_mbuf *m;
	uint8_t *p;

	if (peel_bans_has(node->bans, to, NULL))
		return;
	m = rte_pktmbuf_alloc(node->pool);
	if (m == NULL) {
		peel_stats_add(&node->stats, PEEL_DROP_NO_BUFFER, 1);
		return;
	}
	p = len <= PEEL_DATAGRAM_MAX ? (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len) : NULL;
	if (p == NULL) {
		peel_stats_add(&node->stats, PEEL_DROP_OVERSIZE, 1);
		rte_pktmbuf_free(m);
		return;
	}
	memcpy(p, data, len);
	peel_pkt(m)->remote = *to;
	peel_pkt(m)->endpoint = PEEL_ENDPOINT_MAIN;
	peel_pkt(m)->kind = (uint8_t)kind;
	peel_pkt(m)->session = session;
	node_send_mbuf(node, 0, m);
}

void
node_send(struct peel_node *node, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	send_kind(node, PEEL_KIND_DATAGRAM, PEEL_NONE, to, data, len);
}

void
node_send_limited(struct peel_node *node, uint32_t session, const struct peel_addr *to,
	const uint8_t *data, size_t len)
{
	send_kind(node, PEEL_KIND_EXIT_ANSWER, session, to, data, len);
}

void
node_wake_workers(struct peel_node *node)
{
	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		if (node->worker[i].mail)
			peel_worker_wake(node->worker[i].worker);
		node->worker[i].mail = false;
	}
}
