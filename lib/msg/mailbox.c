/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_ring.h>

#include "peel_msg.h"

struct peel_mailbox {
	struct rte_ring *control[PEEL_N_CLASSES];
	struct rte_ring *worker;
};

static struct rte_ring *
ring_new(unsigned int serial, const char *what, unsigned int size)
{
	char name[64];

	snprintf(name, sizeof(name), "peel%x_%s", serial, what);
	return rte_ring_create(name, size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int
peel_mailbox_new(unsigned int ring_size, struct peel_mailbox **out)
{
	static const char *const names[PEEL_N_CLASSES] = {
		[PEEL_CLASS_OR] = "circuit",
		[PEEL_CLASS_EXIT] = "exit",
		[PEEL_CLASS_ANSWER] = "answer",
		[PEEL_CLASS_CREATE] = "create",
		[PEEL_CLASS_OVERLAY] = "overlay",
		[PEEL_CLASS_ORIGIN] = "own",
	};
	static unsigned int n_mailboxes; /* tells the rings of all mailboxes of the process apart */
	unsigned int serial = __atomic_fetch_add(&n_mailboxes, 1, __ATOMIC_RELAXED);
	struct peel_mailbox *mb = calloc(1, sizeof(*mb));

	if (mb == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < PEEL_N_CLASSES; i++)
		mb->control[i] = ring_new(serial, names[i], ring_size);
	mb->worker = ring_new(serial, "tx", ring_size);
	for (unsigned int i = 0; i < PEEL_N_CLASSES; i++) {
		if (mb->control[i] == NULL || mb->worker == NULL) {
			int rc = rte_errno == EEXIST ? -EEXIST : -ENOMEM;

			peel_mailbox_free(mb);
			return rc;
		}
	}
	*out = mb;
	return 0;
}

static void
ring_free(struct rte_ring *r)
{
	void *m;

	if (r == NULL)
		return;
	while (rte_ring_sc_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}

void
peel_mailbox_free(struct peel_mailbox *mb)
{
	if (mb == NULL)
		return;
	for (unsigned int i = 0; i < PEEL_N_CLASSES; i++)
		ring_free(mb->control[i]);
	ring_free(mb->worker);
	free(mb);
}

int
peel_mailbox_push_control(struct peel_mailbox *mb, enum peel_msg_class cls, struct rte_mbuf *m)
{
	return rte_ring_sp_enqueue(mb->control[cls], m) == 0 ? 0 : -ENOSPC;
}

unsigned int
peel_mailbox_pop_control(
	struct peel_mailbox *mb, enum peel_msg_class cls, struct rte_mbuf **m, unsigned int n)
{
	return rte_ring_sc_dequeue_burst(mb->control[cls], (void **)m, n, NULL);
}

int
peel_mailbox_push_worker(struct peel_mailbox *mb, struct rte_mbuf *m)
{
	return rte_ring_sp_enqueue(mb->worker, m) == 0 ? 0 : -ENOSPC;
}

unsigned int
peel_mailbox_pop_worker(struct peel_mailbox *mb, struct rte_mbuf **m, unsigned int n)
{
	return rte_ring_sc_dequeue_burst(mb->worker, (void **)m, n, NULL);
}
