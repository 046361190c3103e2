/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A node's life: make, start, drive, finish and free it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "node.h"

static void
lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &attr);
	pthread_mutexattr_destroy(&attr);
}

int
peel_node_new(const struct peel_node_conf *conf, struct peel_node **out, char *why, size_t why_size)
{
	struct peel_node *node = peel_secret_alloc(sizeof(*node)); /* the identity */
	int rc;

	why[0] = '\0';
	if (node == NULL)
		return -ENOMEM;
	node->conf = *conf;
	node->dht_state.fd = -1;
	node->env = &peel_env_system;
	node->status.started_ms = peel_now_ms(node->env);
	for (int i = 0; i < PEEL_N_COMMUNITIES; i++)
		peel_prefix_build(node->prefix[i], conf->community[i]);
	if (posix_memalign((void **)&node->worker, 64, conf->n_workers * sizeof(node->worker[0])) !=
		0) {
		peel_secret_free(node, sizeof(*node));
		return -ENOMEM;
	}
	memset(node->worker, 0, conf->n_workers * sizeof(node->worker[0]));
	for (unsigned int i = 0; i < conf->n_workers; i++)
		node->worker[i].node = node;
	for (unsigned int i = 0; i < conf->handshake_threads; i++)
		node->helper[i].node = node;
	lock_init(&node->lock);
	rc = node_loop_init(node);
	if (rc != 0) {
		pthread_mutex_destroy(&node->lock);
		free(node->worker);
		peel_secret_free(node, sizeof(*node));
		return rc;
	}
	rc = node_assemble(node, why, why_size);
	if (rc != 0) {
		peel_node_free(node);
		return rc;
	}
	*out = node;
	return 0;
}

int
peel_node_add_bootstrap(struct peel_node *node, const char *host_port)
{
	struct peel_addr addr;

	if (peel_addr_parse(host_port, 0, &addr) == 0 && addr.port != 0) {
		peel_overlay_add_bootstrap(node->overlay, &addr);
		return 0;
	}
	return peel_bootstrap_add(node->bootstrap, host_port);
}

int
peel_node_start(struct peel_node *node)
{
	int rc = node_workers_start(node);

	if (rc == 0 && node->guest != NULL) {
		rc = node_guest_start(node);
		if (rc != 0)
			node_workers_stop(node);
	}
	if (rc != 0)
		return rc;
	if (node->on_ready != NULL)
		node->on_ready(node->ready_arg);
	return 0;
}

void
peel_node_finish(struct peel_node *node)
{
	pthread_mutex_lock(&node->lock); /* who asked for the end may still be inside */
	node->stopping = true;
	if (node->origin_circuits != NULL)
		peel_origin_shutdown(node->origin_circuits);
	if (node->or_circuits != NULL)
		peel_or_shutdown(node->or_circuits);
	node_wake_workers(node);
	pthread_mutex_unlock(&node->lock);
	node_workers_stop(node);
	if (node->guest != NULL)
		node_guest_stop(node);
}

int
peel_node_failure(const struct peel_node *node)
{
	return node->failure;
}

void
peel_node_free(struct peel_node *node)
{
	if (node == NULL)
		return;
	node_disassemble(node);
	node_loop_close(node);
	pthread_mutex_destroy(&node->lock);
	free(node->origin.change);
	free(node->worker);
	peel_secret_free(node, sizeof(*node));
}

void
peel_node_local(const struct peel_node *node, struct peel_addr *out)
{
	*out = node->local;
}

void
peel_node_on_ready(struct peel_node *node, void (*fn)(void *arg), void *arg)
{
	node->on_ready = fn;
	node->ready_arg = arg;
}

struct peel_stats *
peel_node_stats(struct peel_node *node)
{
	return &node->stats;
}

struct uv_loop_s *
peel_node_loop(struct peel_node *node)
{
	return &node->loop;
}
