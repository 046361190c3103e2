/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Ports move bursts of datagrams. A datagram is an mbuf whose data starts at the UDP payload, with
 * its addresses beside it in the mbuf's private area. Ethernet, ARP, IP, checksums and fragments
 * (ethdev) or system calls (socket) are the driver's business. Drivers live in drivers/port.
 *
 * A port has one main address (all overlays) and any number of exit endpoints: an endpoint is the
 * outside UDP port (and its IPv6 twin) of one exit circuit.
 */

#include <rte_mbuf.h>

#include "peel_base.h"
#include "peel_rcu.h"
#include "peel_stats.h"

#define PEEL_PORT_BURST 64
/* free bytes in front of every received datagram: RTE_PKTMBUF_HEADROOM */
#define PEEL_PORT_HEADROOM 128
/* free bytes behind every received datagram of up to PEEL_PORT_RX_MAX bytes */
#define PEEL_PORT_TAILROOM 64
/* largest UDP payload received; longer ones are dropped and counted */
#define PEEL_PORT_RX_MAX 2048
/* what a port's sockets ask the kernel to hold, room for a burst while a worker is busy */
#define PEEL_PORT_BUFFER_BYTES (4 << 20)
/* open files that exits leave to the rest of the program */
#define PEEL_PORT_SPARE_FILES 256
#define PEEL_ENDPOINT_MAIN 0 /* the main address; exit endpoints are 1 and up */

/** The data beside a datagram, in the mbuf's private area. */
struct peel_pkt {
	struct peel_addr remote; /* rx: where it came from; tx: where it goes */
	uint32_t endpoint;	 /* rx: where it arrived; tx: where it leaves from */
	uint64_t cookie;	 /* rx on an exit endpoint: what exit_open was given */
	uint8_t in_parts;	 /* rx, of drivers with vouch(): it came in IP fragments */
	/* Below: not the port's. Used between worker and control thread (lib/msg). */
	uint32_t session;    /* session index, for messages opened by a worker */
	uint32_t generation; /* of that session */
	uint16_t worker;     /* who received it */
	uint8_t kind;	     /* enum peel_msg_kind */
	uint8_t early;	     /* relay_early flag of the cell */
} __attribute__((aligned(8)));
#define PEEL_PKT_PRIV_SIZE 64
_Static_assert(sizeof(struct peel_pkt) <= PEEL_PKT_PRIV_SIZE, "fits the private area");

static inline struct peel_pkt *
peel_pkt(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

/**
 * Make a pool of @p n datagram mbufs with private area, headroom, room for PEEL_PORT_RX_MAX bytes,
 * and tailroom. @p many_threads: other threads than workers take from it; not for net_af_xdp, whose
 * datagrams would get lost. NULL: see rte_errno. Thread: control.
 */
struct rte_mempool *peel_port_pool_new(
	const char *name, unsigned int n, bool many_threads, int socket_id);

/** Whether DPDK has a driver for such pools: it loads them from files of their own at its start,
 * and nothing else complains when none is there. EAL runs. */
bool peel_port_pool_possible(void);
/** Is it such a pool, or one like it? */
bool peel_port_pool_fits(struct rte_mempool *pool);

struct peel_port;

struct peel_port_conf {
	uint16_t n_queues; /* one per worker */
	struct rte_mempool *pool;
	struct peel_rcu *rcu; /* exit endpoints end after a grace period */
	/* [n_queues] the workers' blocks: the driver counts into its caller's */
	struct peel_stats *const *stats;
	struct peel_addr listen; /* main address; port 0: any (socket driver only) */
	struct peel_addr exit_ipv4,
		/* socket: source addresses of exit sockets (ports ignored); family NONE: any
		 * address of that family */
		exit_ipv6;
	uint32_t max_endpoints; /* exit endpoints at once */
	/* ethdev only */
	const char *device; /* devargs of a vdev ("net_af_packet0,iface=veth0") or a PCI address */
	uint8_t prefix_len; /* of listen: on-link network */
	struct peel_addr address6; /* IPv6 address, family NONE: no IPv6 */
	uint8_t prefix_len6;
	struct peel_addr gateway, gateway6;	 /* family NONE: on-link destinations only */
	uint16_t mtu;				 /* 0: the device's */
	uint16_t exit_port_min, exit_port_max;	 /* range of exit endpoints, main port excluded */
	uint32_t rx_descriptors, tx_descriptors; /* 0: the driver's choice */
	bool end_when_lost; /* watch() fails when the device goes away, and does not wait for it */
	const struct peel_env *env;
};

struct peel_port_ops {
	const char *name;
	/* wait() ends at once when something arrives, so sleeping when idle is the default */
	bool sleeps;

	/** Open the port. 0 or -errno; on failure @p why says what is wrong and what to do. Thread:
	 * control, before the workers start. */
	int (*open)(const struct peel_port_conf *conf, struct peel_port **out, char *why,
		size_t why_size);
	/** Close and free the port. Thread: control, after the workers have stopped. */
	void (*close)(struct peel_port *port);
	/** The main address as bound (with the real port number). Thread: control. */
	void (*local)(const struct peel_port *port, struct peel_addr *out);

	/** Receive up to n <= PEEL_PORT_BURST datagrams as single-segment mbufs, which the caller
	 * owns. @return how many. Thread: the queue's worker. */
	uint16_t (*rx)(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
	/**
	 * Send n datagrams. Ownership of all moves to the driver, which counts those that it must
	 * drop, and may hold datagrams back until flush. Order is kept within one (endpoint,
	 * remote). Thread: the queue's worker.
	 */
	void (*tx)(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
	/** Send what tx held back, and serve ARP, reassembly and other timers. Called after each
	 * burst. Thread: the queue's worker. */
	void (*flush)(struct peel_port *port, uint16_t queue);
	/**
	 * Sleep until something arrives, wake() is called or the time is over. The worker is
	 * offline in RCU meanwhile. NULL: the driver can only poll. Thread: the queue's worker.
	 */
	void (*wait)(struct peel_port *port, uint16_t queue, unsigned int timeout_us);
	/** End the wait() of that queue, even one that is about to begin. Thread: any. */
	void (*wake)(struct peel_port *port, uint16_t queue);

	/**
	 * Open an exit endpoint: an IPv4 and, if the machine has IPv6, an IPv6 socket or port.
	 * Datagrams that arrive there are received on @p queue and carry @p cookie. 0, -ENOSPC (no
	 * endpoint or port left), -EMFILE (the rest of the program needs the remaining
	 * descriptors), or another -errno of the kernel. Thread: control.
	 */
	int (*exit_open)(
		struct peel_port *port, uint16_t queue, uint64_t cookie, uint32_t *endpoint);
	/** Stop receiving at once. The endpoint becomes free after a grace period; its number and
	 * UDP port are reused last of all free ones, so that late datagrams do not enter a
	 * stranger's circuit. Thread: control. */
	void (*exit_close)(struct peel_port *port, uint32_t endpoint);
	/**
	 * Open exit endpoints with these source addresses from now on; family NONE: none of that
	 * family. 0, or -errno with nothing changed: no address of this machine. NULL: they cannot
	 * change. Thread: control.
	 */
	int (*exit_bind)(
		struct peel_port *port, const struct peel_addr *ipv4, const struct peel_addr *ipv6);
	/**
	 * Tell the driver that a datagram with `in_parts` was an authentic cell. Its sender is no
	 * stranger, so fragments from @p remote get room that strangers cannot take. NULL: the
	 * driver does not see fragments. Thread: any worker.
	 */
	void (*vouch)(struct peel_port *port, const struct peel_addr *remote);
	/**
	 * Check what may have changed below a running port; called about once a second. The port
	 * may drop all datagrams for a while and recover later. 0, or -errno if the port can no
	 * longer be used; @p why says why. NULL: nothing can change. Thread: control, which also
	 * polls RCU.
	 */
	int (*watch)(struct peel_port *port, char *why, size_t why_size);
	/**
	 * Whether there is now a route to this address (port ignored), for exit endpoints or for
	 * the main address. It need not lead to a host. Thread: control.
	 */
	bool (*can_reach)(const struct peel_port *port, bool exit, const struct peel_addr *to);
	/** Report driver details as "name value" lines for the status. NULL: there are none.
	 * Thread: control. */
	void (*dump)(const struct peel_port *port,
		void (*line)(void *arg, const char *name, uint64_t value), void *arg);
};
