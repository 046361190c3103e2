/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The slow path of exiting: opening an exit's outside endpoint at its first data message, and
 * sending datagrams whose name has been resolved. Workers do everything else. Source: protocol
 * section 18.1.
 */
#include <errno.h>

#include "node.h"

#define SILENT_MS 600000 /* between two warnings */

void
node_no_socket(void *arg, int error)
{
	struct peel_node *node = arg;
	uint64_t now = peel_now_ms(node->env);
	bool files = error == -EMFILE || error == -ENFILE;

	if (files)
		peel_stats_add(&node->stats, PEEL_NO_FILES, 1);
	if (now < node->no_socket_ms)
		return;
	node->no_socket_ms = now + SILENT_MS;
	if (files)
		peel_log(PEEL_LOG_WARNING, "too few open files are allowed for all circuits: raise "
					   "the limit (ulimit -n, "
					   "LimitNOFILE= of a service)");
	else if (error == -ENOSPC)
		peel_log(PEEL_LOG_WARNING,
			"all %u sockets of exits are in use: raise [exit] max_sockets",
			node->conf.port_conf.max_endpoints);
	else
		peel_log(PEEL_LOG_WARNING, "exits get no socket: %s", strerror(-error));
}

/* Find the exit's endpoint, and open it if necessary. 0 or -errno. */
static int
endpoint_of(struct peel_node *node, const struct peel_pkt *pkt, uint32_t *endpoint)
{
	struct peel_exit_info info;
	int rc = node->exits.exit(node->exits.owner, pkt->session, pkt->generation, &info);

	if (rc != 0)
		return rc;
	*endpoint = info.endpoint;
	if (info.endpoint != PEEL_ENDPOINT_MAIN)
		return 0;
	/* Only the previous hop itself may make us open sockets, from whatever port. */
	if (!peel_addr_same_ip(&pkt->remote, &info.previous))
		return -EPERM;
	rc = node->conf.port->exit_open(
		node->port, pkt->worker, peel_exit_cookie(info.route, pkt->session), endpoint);
	if (rc != 0) {
		node_no_socket(node, rc);
		return rc;
	}
	return node->exits.opened(node->exits.owner, pkt->session, pkt->generation, *endpoint);
}

void
node_exit_data(struct peel_node *node, struct rte_mbuf *m)
{
	struct peel_pkt *pkt = peel_pkt(m);
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	struct peel_msg_data data;
	uint32_t endpoint;
	/* The worker has parsed it already. The payload policy has passed, and the destination
	 * policy too if the destination is an address. */
	int rc = peel_data_parse(d + 1, m->data_len - 1u, &data);

	if (rc == 0)
		rc = endpoint_of(node, pkt, &endpoint);
	if (rc != 0) {
		peel_stats_add(&node->stats,
			rc == -ENOENT ? PEEL_DROP_UNKNOWN_CIRCUIT : PEEL_DROP_EXIT_OPEN, 1);
		rte_pktmbuf_free(m);
		return;
	}
	if (pkt->endpoint == PEEL_ENDPOINT_MAIN &&
		!node_exit_within(node, pkt, endpoint, &data.destination)) {
		rte_pktmbuf_free(m);
		return;
	}
	rte_pktmbuf_adj(m, (uint16_t)(data.payload.p - d));
	pkt->endpoint = endpoint;
	if (data.destination.type == PEEL_HOST_NAME) {
		peel_names_send(node->names, m, data.destination.name, data.destination.addr.port);
		return;
	}
	pkt->remote = data.destination.addr;
	peel_stats_add(&node->stats, PEEL_CELLS_EXITED, 1);
	node_send_mbuf(node, pkt->worker, m);
}

void
node_exit_inside(struct peel_node *node, struct rte_mbuf *m)
{
	const struct peel_policy *policy = peel_own_addresses_policy(node->own_addresses);
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct peel_pkt *pkt = peel_pkt(m);
	struct peel_msg_data data;
	int rc = peel_hidden_inside(node->hidden, pkt->session, pkt->generation, d, m->data_len);

	if (rc == -ENOENT && peel_data_parse(d + 1, m->data_len - 1u, &data) == 0 &&
		peel_policy_destination(policy, &data.destination.addr)) {
		node_exit_data(node, m); /* of a neighbour on this machine */
		return;
	}
	if (rc == -ENOENT)
		peel_stats_add(&node->stats, PEEL_DROP_DESTINATION, 1);
	rte_pktmbuf_free(m);
}

void
node_exit_send(void *arg, struct rte_mbuf *m)
{
	struct peel_node *node = arg;
	struct peel_pkt *pkt = peel_pkt(m);
	const struct peel_policy *policy = peel_own_addresses_policy(node->own_addresses);
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	struct peel_exit_info info;
	enum peel_counter outcome = PEEL_CELLS_EXITED;

	/* The circuit may have ended while the name was being resolved. */
	if (node->exits.exit(node->exits.owner, pkt->session, pkt->generation, &info) != 0 ||
		info.endpoint != pkt->endpoint)
		outcome = PEEL_DROP_UNKNOWN_CIRCUIT;
	else if (!peel_policy_destination(policy, &pkt->remote))
		outcome = PEEL_DROP_DESTINATION;
	else if (!peel_policy_of_overlay(policy, d, m->data_len) &&
		 !peel_policy_rules(policy, &pkt->remote))
		outcome = PEEL_DROP_RULES;
	peel_stats_add(&node->stats, outcome, 1);
	if (outcome == PEEL_CELLS_EXITED)
		node_send_mbuf(node, pkt->worker, m);
	else
		rte_pktmbuf_free(m);
}

void
node_exit_gone(void *arg, uint32_t session, uint32_t endpoint)
{
	struct peel_node *node = arg;

	if (node->hidden != NULL)
		peel_hidden_exit_gone(node->hidden, session);
	if (endpoint != PEEL_ENDPOINT_MAIN)
		node->conf.port->exit_close(node->port, endpoint);
}
