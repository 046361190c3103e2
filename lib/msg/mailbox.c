/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Rings between a worker and the control thread.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_ring.h>

#include "peel_msg.h"
#include "ring.h"

struct peel_mailbox {
	struct rte_ring *control[PEEL_N_CLASSES];
	struct rte_ring *worker;
};

int
peel_mailbox_new(unsigned int ring_size, struct peel_mailbox **out)
{
	struct peel_mailbox *mb = calloc(1, sizeof(*mb));

	if (mb == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < PEEL_N_CLASSES; i++)
		mb->control[i] = ring_new(ring_size, RING_F_SP_ENQ);
	mb->worker = ring_new(ring_size, RING_F_SP_ENQ);
	for (unsigned int i = 0; i < PEEL_N_CLASSES; i++) {
		if (mb->control[i] == NULL || mb->worker == NULL) {
			peel_mailbox_free(mb);
			return -ENOMEM;
		}
	}
	*out = mb;
	return 0;
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

const char *const peel_msg_class_name[PEEL_N_CLASSES] = {
	[PEEL_CLASS_OR] = "or",
	[PEEL_CLASS_EXIT] = "exit",
	[PEEL_CLASS_ANSWER] = "answer",
	[PEEL_CLASS_CREATE] = "create",
	[PEEL_CLASS_OVERLAY] = "overlay",
	[PEEL_CLASS_ORIGIN] = "origin",
};

unsigned int
peel_mailbox_fill(const struct peel_mailbox *mb, unsigned int cls)
{
	return ring_fill(cls < PEEL_N_CLASSES ? mb->control[cls] : mb->worker);
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
