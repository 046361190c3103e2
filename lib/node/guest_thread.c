/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The thread that hands a guest its mail. The guest may wait for a lock of its own there, such as
 * an interpreter's: neither workers nor the control thread wait with it.
 */
#include <errno.h>

#include <rte_lcore.h>

#include "node_guest.h"

void
node_guest_wake(void *arg)
{
	struct peel_node *node = arg;

	sem_post(&node->guest->wake);
}

/* @return how many there were. */
static unsigned int
deliver(struct peel_node *node)
{
	struct peel_node_datagram datagram[PEEL_NODE_DATAGRAMS_MAX];
	struct rte_mbuf *mail[PEEL_NODE_DATAGRAMS_MAX];
	unsigned int n = peel_submit_queue_pop(node->guest->mail, mail, PEEL_NODE_DATAGRAMS_MAX);

	for (unsigned int i = 0; i < n; i++)
		datagram[i] = (struct peel_node_datagram){.from = peel_pkt(mail[i])->remote,
			.data = rte_pktmbuf_mtod(mail[i], const uint8_t *),
			.len = mail[i]->data_len};
	if (n > 0)
		node->conf.guest.datagrams(node->conf.guest.arg, datagram, n);
	rte_pktmbuf_free_bulk(mail, n);
	return n;
}

static void *
guest_main(void *arg)
{
	struct peel_node *node = arg;
	struct node_guest *guest = node->guest;
	bool registered = rte_thread_register() == 0;

	pthread_setname_np(pthread_self(), "peel-guest");
	while (!__atomic_load_n(&guest->stop, __ATOMIC_ACQUIRE)) {
		if (deliver(node) > 0)
			continue;
		if (!peel_submit_queue_doze(guest->mail)) {
			while (sem_wait(&guest->wake) != 0)
				;
		}
		peel_submit_queue_awake(guest->mail);
	}
	if (registered)
		rte_thread_unregister();
	return NULL;
}

int
node_guest_start(struct peel_node *node)
{
	struct node_guest *guest = node->guest;
	cpu_set_t any;
	int rc;

	CPU_ZERO(&any);
	rc = node_thread_start(&guest->thread, &any, guest_main, node);
	guest->running = rc == 0;
	return rc;
}

void
node_guest_stop(struct peel_node *node)
{
	struct node_guest *guest = node->guest;

	if (!guest->running)
		return;
	__atomic_store_n(&guest->stop, true, __ATOMIC_RELEASE);
	sem_post(&guest->wake);
	pthread_join(guest->thread, NULL);
	guest->running = false;
}
