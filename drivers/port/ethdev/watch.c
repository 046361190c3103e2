/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ethdev_internal.h"

/*
 * What changes below a running port, looked at once a second: the interface goes away and comes
 * back, its MTU, its link, the XDP program on it. A program that was taken off is put there again:
 * our sockets are still behind it.
 *
 * A device whose interface is gone is of no use, also when another of the same name comes: it is
 * closed and opened again. Meanwhile workers leave it alone: `gone` says so, and a grace period
 * after it was set none of them is in one of its calls.
 */

#define TRIES 10 /* to open an interface that is there: a second each */

static void
on_quiet(void *arg, uint64_t value)
{
	struct peel_port *port = arg;

	(void)value;
	port->quiet = true;
}

static void
announce(struct peel_port *port)
{
	__atomic_store_n(&port->announce, port->announce + 1, __ATOMIC_RELAXED);
}

/* ---- going away and coming back -------------------------------------------------------------- */

static int
lose(struct peel_port *port, char *why, size_t why_size)
{
	if (port->conf.end_when_lost)
		return peel_fail(
			why, why_size, -ENODEV, "interface %s is gone", port->interface_name);
	peel_log(PEEL_LOG_WARNING,
		"interface %s is gone: nothing is received or sent until it is back",
		port->interface_name);
	port->quiet = false;
	port->tries = 0;
	/* Pairs with the acquire loads of workers. */
	__atomic_store_n(&port->gone, true, __ATOMIC_RELEASE);
	/* Otherwise: the next look is a second away, and a worker's call takes microseconds. */
	if (port->conf.rcu == NULL || peel_rcu_defer(port->conf.rcu, on_quiet, port, 0) != 0)
		port->quiet = true;
	return 0;
}

/*
 * A program may have given up its rights after the start. The library below af_xdp gets hold of
 * what it loaded by its number, which takes a right that is as good as all of root's.
 */
static bool
may_open(const struct peel_port *port)
{
	if (port->interface.xdp != 0 && !interface_xdp_allowed())
		return false;

	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || (errno != EPERM && errno != EACCES);
}

static int
open_again(struct peel_port *port, char *why, size_t why_size)
{
	if (!may_open(port))
		return peel_fail(why, why_size, -EPERM,
			"interface %s is back, but the rights to open it were given up after the "
			"start",
			port->interface_name);
	/* The driver of af_xdp keeps what it had, 2048 a queue, each time. */
	if (2 * rte_mempool_avail_count(port->conf.pool) < port->conf.pool->size)
		return peel_fail(why, why_size, -ENOBUFS,
			"interface %s is back, but the device lost too many buffers when it went",
			port->interface_name);
	if (ethdev_device_open(port, why, why_size) != 0) {
		ethdev_device_close(port);
		if (port->tries++ == 0)
			peel_log(PEEL_LOG_WARNING, "%s", why);
		/* It may be half made: once more, but not for ever. */
		return port->tries < TRIES ? 0 : -ENODEV;
	}
	peel_log(PEEL_LOG_INFO, "interface %s is back, MTU %u", port->interface_name, port->mtu);
	announce(port);
	__atomic_store_n(&port->gone, false, __ATOMIC_RELEASE);
	return 0;
}

/* ---- what changes while it is there ---------------------------------------------------------- */

static void
set_link(struct peel_port *port, bool up)
{
	if (up == port->link_up)
		return;
	port->link_up = up;
	peel_log(up ? PEEL_LOG_INFO : PEEL_LOG_WARNING, "device \"%s\": the link is %s",
		port->conf.device, up ? "up" : "down");
	if (up)
		announce(port);
}

static void
follow_mtu(struct peel_port *port, uint32_t mtu)
{
	/* Buffers and rings were made for what it was when the device was opened. */
	uint16_t now = (uint16_t)RTE_MAX(RTE_MIN(mtu, port->mtu_max), MTU_LEAST);

	if (mtu == 0 || now == port->mtu)
		return;
	peel_log(PEEL_LOG_WARNING, "the MTU of interface %s is %u now, it was %u",
		port->interface_name, now, port->mtu);
	__atomic_store_n(&port->mtu, now, __ATOMIC_RELAXED);
}

static int
follow_xdp(struct peel_port *port, const struct interface *now, char *why, size_t why_size)
{
	bool foreign = now->xdp != 0 && now->xdp != port->interface.xdp;
	int rc;

	if (port->interface.xdp == 0)
		return 0; /* not a device that has one */
	if (foreign && !port->foreign)
		peel_log(PEEL_LOG_WARNING,
			"interface %s has the XDP program of somebody else instead of ours: "
			"nothing is received until it is taken off",
			port->interface_name);
	port->foreign = foreign;
	if (now->xdp != 0)
		return 0;
	rc = port->program_fd >= 0
		     ? interface_xdp_set(port->interface_fd, &port->interface, port->program_fd)
		     : -EPERM;
	if (rc == 0 || rc == -EBUSY) {
		peel_log(PEEL_LOG_WARNING,
			"somebody took our XDP program off interface %s; it is there again",
			port->interface_name);
		return 0;
	}
	return peel_fail(why, why_size, rc,
		"somebody took our XDP program off interface %s, and it cannot be put there again: "
		"%s",
		port->interface_name, strerror(-rc));
}

/* A device that does not sit on an interface of the kernel. */
static int
watch_device(struct peel_port *port, char *why, size_t why_size)
{
	struct rte_eth_link link;

	if (rte_eth_dev_is_removed(port->id) == 1)
		return peel_fail(
			why, why_size, -ENODEV, "device \"%s\" was taken out", port->conf.device);
	if (rte_eth_link_get_nowait(port->id, &link) == 0)
		set_link(port, link.link_status == RTE_ETH_LINK_UP);
	return 0;
}

int
ethdev_watch(struct peel_port *port, char *why, size_t why_size)
{
	struct interface i;
	int rc;

	if (port->interface_name[0] == '\0')
		return watch_device(port, why, why_size);
	rc = interface_get(port->interface_fd, port->interface_name, &i);
	if (rc != 0 && rc != -ENODEV)
		return 0; /* the kernel did not say: it will */
	bool there = rc == 0, same = there && i.index == port->interface.index;

	if (port->gone) {
		if (port->started && port->quiet)
			ethdev_device_close(port);
		return !port->started && there && i.up ? open_again(port, why, why_size) : 0;
	}
	if (!same)
		return lose(port, why, why_size);
	set_link(port, i.up && i.running);
	follow_mtu(port, i.mtu);
	return follow_xdp(port, &i, why, why_size);
}

/* ---- status ---------------------------------------------------------------------------------- */

void
ethdev_watch_dump(const struct peel_port *port, const struct rte_eth_stats *s,
	void (*line)(void *arg, const char *name, uint64_t value), void *arg)
{
	struct interface i;

	if (port->interface_name[0] == '\0' ||
		interface_get(port->interface_fd, port->interface_name, &i) != 0)
		return;
	/* What the device took and the interface did not send, say because it was too long for an
	 * MTU that had just become smaller. Frames of others on the interface make it less. */
	uint64_t sent = i.tx_frames - port->interface.tx_frames;

	line(arg, "interface_tx_lost", s->opackets > sent ? s->opackets - sent : 0);
}
