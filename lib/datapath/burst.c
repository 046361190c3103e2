/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The way to the control thread.
 */
#include "burst.h"

bool
burst_push(
	struct peel_worker *w, struct rte_mbuf *m, enum peel_msg_class cls, enum peel_msg_kind kind)
{
	peel_pkt(m)->kind = (uint8_t)kind;
	peel_pkt(m)->worker = (uint16_t)w->conf.id;
	if (peel_mailbox_push_control(w->conf.mailbox, cls, m) != 0)
		return false;
	w->burst.notify = true;
	return true;
}

void
burst_punt(
	struct peel_worker *w, struct rte_mbuf *m, enum peel_msg_class cls, enum peel_msg_kind kind)
{
	if (burst_push(w, m, cls, kind))
		peel_stats_add(w->conf.stats, PEEL_TO_CONTROL, 1);
	else
		burst_drop(w, m, PEEL_DROP_CONTROL_FULL);
}
