/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_interrupts.h>

#include "ethdev_internal.h"

/*
 * With receive interrupts a worker sleeps in epoll. Without (af_packet, af_xdp, memif and rings
 * have none) it takes naps of an eighth of the silence so far, 50 us to 2 ms: what arrives waits
 * for an eighth of the time since the last frame at most, and a link on which nothing happens costs
 * 500 looks a second. wake() ends both by an eventfd.
 */

#define NAP_MIN_US 50
#define NAP_MAX_US 2000
#define NAP_SHARE 8

void
ethdev_wait_init(struct ethdev_queue *q, bool interrupts)
{
	q->epoll_fd = -1;
	q->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!interrupts || q->wake_fd < 0)
		return;
	q->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	q->wake_event = (struct rte_epoll_event){.epdata.event = EPOLLIN};
	q->has_interrupt =
		q->epoll_fd >= 0 &&
		rte_epoll_ctl(q->epoll_fd, EPOLL_CTL_ADD, q->wake_fd, &q->wake_event) == 0 &&
		rte_eth_dev_rx_intr_ctl_q(
			q->port->id, q->id, q->epoll_fd, RTE_INTR_EVENT_ADD, NULL) == 0;
}

void
ethdev_wait_fini(struct ethdev_queue *q)
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
nap(struct ethdev_queue *q, unsigned int timeout_us)
{
	uint32_t us = RTE_MAX(NAP_MIN_US, RTE_MIN(q->silent_us / NAP_SHARE, NAP_MAX_US));
	struct timespec t = {.tv_nsec = 1000L * RTE_MIN(timeout_us, us)};
	struct pollfd fd = {.fd = q->wake_fd, .events = POLLIN};

	if (!q->slack_set) {
		/* The default slack of 50 us would double the nap. Belongs to the thread, hence
		 * here. */
		prctl(PR_SET_TIMERSLACK, 1UL);
		q->slack_set = true;
	}
	if (us < NAP_MAX_US)
		q->silent_us += us;
	ppoll(&fd, 1, &t, NULL);
}

static void
sleep_in_epoll(struct ethdev_queue *q, unsigned int timeout_us)
{
	struct rte_epoll_event event[2];

	/* What arrived between the last empty poll and here has left its edge in the epoll set: no
	 * sleep then. */
	rte_eth_dev_rx_intr_enable(q->port->id, q->id);
	rte_epoll_wait(q->epoll_fd, event, RTE_DIM(event), (int)((timeout_us + 999) / 1000));
	rte_eth_dev_rx_intr_disable(q->port->id, q->id);
}

void
ethdev_wait(struct peel_port *port, uint16_t queue, unsigned int timeout_us)
{
	struct ethdev_queue *q = &port->queue[queue];
	uint64_t count;

	if (timeout_us == 0)
		return;
	if (q->has_interrupt)
		sleep_in_epoll(q, timeout_us);
	else
		nap(q, timeout_us);
	if (read(q->wake_fd, &count, sizeof(count)) < 0)
		return; /* EAGAIN: it was a frame or the time */
}

void
ethdev_wake(struct peel_port *port, uint16_t queue)
{
	uint64_t one = 1;

	if (write(port->queue[queue].wake_fd, &one, sizeof(one)) < 0)
		return; /* full: a wake-up is pending already */
}
