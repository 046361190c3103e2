/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Hands what workers send up to the state machine it belongs to. Classes are served in order of
 * importance, each with a quota per round, so that a flood in one leaves time for the others.
 */
#include <errno.h>

#include "node.h"

static const struct {
	enum peel_msg_class cls;
	unsigned int quota;
} classes[] = {
	{PEEL_CLASS_OR, 64}, {PEEL_CLASS_ANSWER, 64}, {PEEL_CLASS_EXIT, 64},
	{PEEL_CLASS_OVERLAY, 32},
	{PEEL_CLASS_CREATE, 512}, /* of all workers: lib/or_circuit lets sources take turns */
};
#define QUOTA_MAX 512
#define CREATES_MIN 16	     /* of one worker */
#define HANDSHAKES_NS 500000 /* of a round, for those that this thread computes */
#define NAPS 4		     /* in a row that bring nothing; then the control thread sleeps */

static void
datagram(struct peel_node *node, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	int rc = -ENOENT;

	if (memcmp(data, node->prefix[PEEL_COMMUNITY_TUNNEL], PEEL_PREFIX_LEN) == 0) {
		rc = peel_or_datagram(node->or_circuits, from, data, len);
		if (rc == -ENOENT && node->origin_circuits != NULL)
			rc = peel_origin_datagram(node->origin_circuits, from, data, len);
		if (rc == -ENOENT)
			rc = peel_hidden_datagram(node->hidden, from, data, len);
	} else if (memcmp(data, node->prefix[PEEL_COMMUNITY_DHT], PEEL_PREFIX_LEN) == 0) {
		rc = peel_dht_input(node->dht, from, data, len);
	}
	if (rc == -ENOENT)
		rc = peel_overlay_input(node->overlay, from, data, len);
	if (rc == -ENOENT)
		rc = peel_pex_input(node->pex, from, data, len);
	if (rc == -ENOENT)
		peel_stats_add(&node->stats, PEEL_CONTROL_UNKNOWN, 1);
}

static bool
of_circuit(struct peel_node *node, const struct peel_pkt *pkt, const uint8_t *data, size_t len)
{
	return peel_or_message(node->or_circuits, pkt->session, pkt->generation, pkt->early != 0,
		       data, len) != -ENOENT ||
	       peel_hidden_message(node->hidden, pkt->session, pkt->generation, data, len) !=
		       -ENOENT;
}

static void
message(struct peel_node *node, const struct peel_pkt *pkt, const uint8_t *data, size_t len)
{
	if (node->guest == NULL && of_circuit(node, pkt, data, len))
		return;
	if (data[0] == PEEL_MSG_HTTP_REQUEST)
		peel_http_serve_request(node->http_serve, pkt->session, pkt->generation, data, len);
	else
		peel_stats_add(&node->stats, PEEL_CONTROL_UNKNOWN, 1);
}

static void
dispatch_one(struct peel_node *node, struct rte_mbuf *m)
{
	const struct peel_pkt *pkt = peel_pkt(m);
	const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

	switch (pkt->kind) {
	case PEEL_KIND_EXIT_DATA:
		node_exit_data(node, m);
		return;
	case PEEL_KIND_EXIT_INSIDE:
		node_exit_inside(node, m);
		return;
	case PEEL_KIND_MESSAGE:
		message(node, pkt, data, m->data_len);
		break;
	case PEEL_KIND_ORIGIN_MESSAGE:
		node_origin_message(node, m);
		break;
	case PEEL_KIND_ORIGIN_HIDDEN:
		node_origin_hidden(node, m);
		break;
	default:
		datagram(node, &pkt->remote, data, m->data_len);
	}
	rte_pktmbuf_free(m);
}

static unsigned int
quota_of(const struct peel_node *node, size_t c)
{
	unsigned int each = classes[c].quota / node->conf.n_workers;

	if (classes[c].cls != PEEL_CLASS_CREATE)
		return classes[c].quota;
	return each > CREATES_MIN ? each : CREATES_MIN;
}

/* Creates come last, and those that wait leave the other classes their turn in between. @return
 * true when some are left. */
static bool
join(struct peel_node *node)
{
	uint64_t begun = uv_hrtime();

	do
		peel_or_join(node->or_circuits);
	while (peel_or_joins_wait(node->or_circuits) && uv_hrtime() - begun < HANDSHAKES_NS);
	return peel_or_joins_wait(node->or_circuits);
}

bool
node_dispatch(struct peel_node *node)
{
	struct rte_mbuf *mail[QUOTA_MAX];
	bool more = false;

	for (size_t c = 0; c < PEEL_ARRAY_LEN(classes); c++) {
		unsigned int quota = quota_of(node, c);

		for (unsigned int w = 0; w < node->conf.n_workers; w++) {
			unsigned int n = peel_mailbox_pop_control(
				node->worker[w].mailbox, classes[c].cls, mail, quota);

			for (unsigned int i = 0; i < n; i++)
				dispatch_one(node, mail[i]);
			if (n > 0)
				node->naps = NAPS;
			more |= n == quota;
		}
	}
	if (node->guest == NULL)
		more |= join(node);
	node_wake_workers(node);
	return more;
}
