/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_interrupts.h>

#include "ethdev_internal.h"

/*
 * With receive interrupts a worker sleeps in epoll and wake() writes an eventfd beside it. Without (af_packet, af_xdp,
 * memif and rings have none) it takes naps so short that nobody needs waking: 15 to 18 % of a core when idle.
 */

#define NAP_US 50

void
peel_ethdev_wait_init(struct peel_ethdev_queue *q, bool interrupts)
{
	q->epoll_fd = -1;
	q->wake_fd = -1;
	if (!interrupts)
		return;
	q->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	q->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->wake_event = (struct rte_epoll_event){.epdata.event = EPOLLIN};
	if (q->epoll_fd < 0 || q->wake_fd < 0 ||
		rte_epoll_ctl(q->epoll_fd, EPOLL_CTL_ADD, q->wake_fd, &q->wake_event) != 0 ||
		rte_eth_dev_rx_intr_ctl_q(
			q->port->id, q->id, q->epoll_fd, RTE_INTR_EVENT_ADD, NULL) != 0) {
		peel_ethdev_wait_fini(q);
		return;
	}
	q->has_interrupt = true;
}

void
peel_ethdev_wait_fini(struct peel_ethdev_queue *q)
{
	if (q->has_interrupt)
		rte_eth_dev_rx_intr_ctl_q(
			q->port->id, q->id, q->epoll_fd, RTE_INTR_EVENT_DEL, NULL);
	q->has_interrupt = false;
	if (q->wake_fd >= 0)
		close(q->wake_fd);
	if (q->epoll_fd >= 0)
		close(q->epoll_fd);
	q->wake_fd = -1;
	q->epoll_fd = -1;
}

static void
nap(struct peel_ethdev_queue *q, unsigned int timeout_us)
{
	struct timespec t = {.tv_nsec = 1000L * RTE_MIN(timeout_us, NAP_US)};

	if (!q->slack_set) {
		/* The default slack of 50 us would double the nap. Belongs to the thread, hence here. */
		prctl(PR_SET_TIMERSLACK, 1UL);
		q->slack_set = true;
	}
	nanosleep(&t, NULL);
}

void
peel_ethdev_wait(struct peel_port *port, uint16_t queue, unsigned int timeout_us)
{
	struct peel_ethdev_queue *q = &port->queue[queue];
	struct rte_epoll_event event[2];
	uint64_t count;

	if (timeout_us == 0)
		return;
	if (!q->has_interrupt) {
		nap(q, timeout_us);
		return;
	}
	/* What arrived between the last empty poll and here has left its edge in the epoll set: no sleep then. */
	rte_eth_dev_rx_intr_enable(port->id, queue);
	rte_epoll_wait(q->epoll_fd, event, RTE_DIM(event), (int)((timeout_us + 999) / 1000));
	rte_eth_dev_rx_intr_disable(port->id, queue);
	if (read(q->wake_fd, &count, sizeof(count)) < 0)
		return; /* EAGAIN: it was a frame or the time */
}

void
peel_ethdev_wake(struct peel_port *port, uint16_t queue)
{
	uint64_t one = 1;

	if (port->queue[queue].has_interrupt &&
		write(port->queue[queue].wake_fd, &one, sizeof(one)) < 0)
		return; /* full: a wake-up is pending already */
}
