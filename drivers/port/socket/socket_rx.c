/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */

/*
 * Receiving. The kernel may hand over many datagrams of one flow as one message (UDP_GRO). A call
 * is made in one of two shapes, whichever suits what the socket delivered lately: flat    one
 * message into one buffer, from which the datagrams are copied: the kernel needs longer to find its
 * way through many mbufs than we do to copy what is in the cache; narrow  up to 32 messages over
 * one mbuf each; an overflow area takes what did not fit, so nothing is ever cut off.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "socket_internal.h"

/* segments per message, in sixteenths, from which flat calls pay */
#define FLAT_FROM (4 * 16)
/* receive calls for one burst, also the bound on pending errors skipped */
#define MAX_CALLS 8

struct message {
	const struct sock_source *source;
	bool flat;		/* all of it is in `overflow` */
	struct rte_mbuf **slot; /* flat: mbufs to copy to; narrow: the one with the first bytes */
	uint16_t n_slots;
	const uint8_t *overflow;
	uint32_t len, segment; /* the last segment may be shorter */
	bool coalesced;
	struct peel_addr remote;
};

void
socket_rx_init(struct sock_rx *rx)
{
	rx->first = SOCK_SLOTS;
	rx->exits_hot = true;
	for (unsigned int i = 0; i < SOCK_SLOTS; i++) {
		rx->narrow[i][0].iov_len = PEEL_PORT_RX_MAX;
		rx->narrow[i][1] = (struct iovec){
			.iov_base = rx->overflow + (size_t)(i % SOCK_MESSAGES) * SOCK_SUPER_MAX,
			.iov_len = SOCK_SUPER_MAX,
		};
	}
	for (unsigned int i = 0; i < SOCK_MESSAGES; i++) {
		struct msghdr *h = &rx->message[i].msg_hdr;

		h->msg_name = &rx->name[i];
		h->msg_control = &rx->control[i];
	}
}

void
socket_rx_fini(struct sock_rx *rx)
{
	rte_pktmbuf_free_bulk(rx->slot + rx->first, SOCK_SLOTS - rx->first);
	rte_pktmbuf_free_bulk(rx->pending + rx->head, rx->tail - rx->head);
	rx->first = SOCK_SLOTS;
	rx->head = rx->tail = 0;
}

/* Fill the slots before `first`; with an almost empty pool as many as there are. */
static void
refill(struct sock_rx *rx, struct rte_mempool *pool)
{
	unsigned int n = rx->first;

	while (n > 0 && rte_pktmbuf_alloc_bulk(pool, rx->slot + rx->first - n, n) != 0)
		n /= 2;
	for (; n > 0; n--) {
		unsigned int i = --rx->first;
		void *data = rte_pktmbuf_mtod(rx->slot[i], void *);

		rx->narrow[i][0].iov_base = data;
	}
}

static inline void
deliver(struct sock_rx *rx, const struct message *msg, struct rte_mbuf *m, uint32_t len)
{
	struct peel_pkt *pkt = peel_pkt(m);

	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	pkt->remote = msg->remote;
	pkt->endpoint = msg->source->endpoint;
	pkt->cookie = msg->source->cookie;
	rx->pending[rx->tail++] = m;
	rx->datagrams++;
	rx->ipv6 += msg->remote.family == PEEL_FAMILY_IPV6;
	rx->bytes += len;
}

/* Cut len bytes at `from` into segments, each copied to one of the message's mbufs not used yet or
 * to a new one. Returns how many of the message's are used then. */
static uint16_t
deliver_copies(struct sock_queue *q, const struct message *msg, uint16_t used, const uint8_t *from,
	uint32_t len)
{
	struct sock_rx *rx = &q->rx;
	uint32_t done = 0;

	if (!msg->flat)
		sock_count(&q->details.rx_copied, (len + msg->segment - 1) / msg->segment);
	do {
		uint32_t part = RTE_MIN(msg->segment, len - done);
		struct rte_mbuf *m;

		if (part > PEEL_PORT_RX_MAX) {
			rx->oversize++;
		} else if (rx->tail == SOCK_PENDING_MAX) {
			rx->no_buffer++;
		} else {
			m = used < msg->n_slots ? msg->slot[used++]
						: rte_pktmbuf_alloc(q->port->pool);
			if (m == NULL) {
				rx->no_buffer++;
			} else {
				memcpy(rte_pktmbuf_mtod(m, void *), from + done, part);
				deliver(rx, msg, m, part);
			}
		}
		done += part;
	} while (done < len);
	return used;
}

/* Turn a message into datagrams; returns how many of its mbufs they took, always the first ones. */
static uint16_t
slice(struct sock_queue *q, const struct message *msg)
{
	struct sock_hint *hint = msg->source->hint;
	uint32_t segments = 1;

	sock_count(&q->details.rx_messages, 1);
	if (msg->coalesced) {
		/* A division per message of many datagrams, none for a datagram alone. */
		segments = (msg->len + msg->segment - 1) / msg->segment;
		sock_count(&q->details.rx_coalesced, 1);
		sock_count(&q->details.rx_coalesced_segments, segments);
	}

	int average = hint->average;

	average += ((int)RTE_MIN(segments, 64u) * 16 - average) / 8;
	hint->average = (uint16_t)average;

	if (msg->flat)
		return deliver_copies(q, msg, 0, msg->overflow, msg->len);
	if (segments == 1 && msg->len <= PEEL_PORT_RX_MAX) {
		deliver(&q->rx, msg, msg->slot[0], msg->len);
		return 1;
	}

	/* Not one datagram for one mbuf: lay it out in one piece. */
	uint8_t *flat = q->rx.overflow + (size_t)SOCK_MESSAGES * SOCK_SUPER_MAX;
	uint32_t head = RTE_MIN(msg->len, (uint32_t)PEEL_PORT_RX_MAX);

	memcpy(flat, rte_pktmbuf_mtod(msg->slot[0], void *), head);
	memcpy(flat + head, msg->overflow, msg->len - head);
	return deliver_copies(q, msg, 0, flat, msg->len);
}

/* What the kernel says about a message; false when it is from nobody we could answer. */
static bool
describe(struct msghdr *h, uint32_t len, struct message *msg)
{
	msg->len = len;
	msg->segment = len;
	msg->coalesced = false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		int size;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		if (size > 0 && size < SOCK_SUPER_MAX) {
			msg->segment = (uint32_t)size;
			msg->coalesced = true;
		}
	}
	return peel_addr_from_sockaddr(h->msg_name, &msg->remote) == 0;
}

static inline void
rewind_header(struct msghdr *h)
{
	h->msg_namelen = sizeof(struct sockaddr_storage);
	h->msg_controllen = sizeof(union sock_control);
}

/* One message in one piece. Returns messages taken, 0 when there is none, or -errno. */
static int
receive_flat(struct sock_queue *q, const struct sock_source *source)
{
	struct sock_rx *rx = &q->rx;
	struct msghdr *h = &rx->message[0].msg_hdr;
	struct iovec iov = {.iov_base = rx->overflow, .iov_len = SOCK_SUPER_MAX};
	struct message msg = {.source = source,
		.slot = rx->slot + rx->first,
		.n_slots = SOCK_SLOTS - rx->first,
		.flat = true,
		.overflow = rx->overflow};
	ssize_t len;

	h->msg_iov = &iov;
	h->msg_iovlen = 1;
	rewind_header(h);
	len = recvmsg(source->fd, h, 0);
	if (len < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (describe(h, (uint32_t)len, &msg))
		rx->first += slice(q, &msg);
	return 1;
}

/* Up to `want` messages over one mbuf each. */
static int
receive_narrow(struct sock_queue *q, const struct sock_source *source, unsigned int want)
{
	struct sock_rx *rx = &q->rx;
	unsigned int first = rx->first, n = RTE_MIN(want, (unsigned int)SOCK_MESSAGES);
	int got;

	n = RTE_MIN(n, SOCK_SLOTS - first);
	for (unsigned int i = 0; i < n; i++) {
		struct msghdr *h = &rx->message[i].msg_hdr;

		h->msg_iov = rx->narrow[first + i];
		h->msg_iovlen = 2;
		rewind_header(h);
	}
	got = recvmmsg(source->fd, rx->message, n, 0, NULL);
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	rx->first = (uint16_t)(first + (unsigned int)got);
	for (unsigned int i = 0; i < (unsigned int)got; i++) {
		struct message msg = {
			.source = source,
			.slot = rx->slot + first + i,
			.n_slots = 1,
			.overflow = rx->narrow[first + i][1].iov_base,
		};

		if (!describe(&rx->message[i].msg_hdr, rx->message[i].msg_len, &msg) ||
			slice(q, &msg) == 0)
			rte_pktmbuf_free(rx->slot[first + i]);
	}
	return got;
}

static inline unsigned int
n_pending(const struct sock_rx *rx)
{
	return rx->tail - rx->head;
}

/* Receive from a socket until `limit` datagrams are pending, it is empty, or `calls` calls were
 * made. */
static void
receive(struct sock_queue *q, const struct sock_source *source, unsigned int limit,
	unsigned int calls)
{
	struct sock_rx *rx = &q->rx;

	while (n_pending(rx) < limit && calls-- > 0) {
		unsigned int want = limit - n_pending(rx);
		int rc;

		refill(rx, q->port->pool);
		/* Without mbufs the flat shape still takes everything, to be counted and
		 * dropped. */
		if (source->hint->average >= FLAT_FROM || rx->first == SOCK_SLOTS) {
			rc = receive_flat(q, source);
			/* Whole messages only, if they are of a kind: what comes as one can leave
			 * as one. */
			if (rc == 0 || n_pending(rx) + source->hint->average / 16u > limit)
				return;
		} else {
			rc = receive_narrow(q, source, want);
			if (rc == 0 ||
				(rc > 0 && (unsigned int)rc <
						   RTE_MIN(want, (unsigned int)SOCK_MESSAGES)))
				return;
		}
		/* Any other error belongs to a datagram sent earlier (ICMP): it is gone now, go
		 * on. */
	}
}

/* Serve exit sockets. Events may be left over from the last call; a look at the epoll set is a
 * system call, so without traffic it is taken only now and then. */
static void
receive_exits(struct sock_queue *q, unsigned int limit)
{
	struct sock_rx *rx = &q->rx;

	if (rx->next_event == rx->n_events) {
		uint64_t now = rte_rdtsc();

		if (!rx->exits_hot && now - rx->exits_tsc < q->port->exit_period_tsc)
			return;

		int n = epoll_wait(q->exit_epoll, rx->events, SOCK_EVENTS, 0);

		rx->exits_tsc = now;
		rx->n_events = n > 0 ? (uint16_t)n : 0;
		rx->next_event = 0;
		rx->exits_hot = rx->n_events > 0;
	}
	/* Level-triggered: a socket with more to give comes again, after the others. */
	while (rx->next_event < rx->n_events && n_pending(rx) < limit) {
		struct sock_source source;

		if (socket_exit_source(
			    q->port->exits, rx->events[rx->next_event++].data.u64, &source))
			receive(q, &source, limit, 1);
	}
}

static uint16_t
take(struct sock_rx *rx, struct rte_mbuf **pkts, uint16_t n)
{
	n = (uint16_t)RTE_MIN((unsigned int)n, n_pending(rx));
	memcpy(pkts, rx->pending + rx->head, n * sizeof(*pkts));
	rx->head += n;
	if (rx->head == rx->tail)
		rx->head = rx->tail = 0;
	return n;
}

static inline void
move(struct peel_stats *stats, enum peel_counter c, uint64_t *n)
{
	if (*n > 0) {
		peel_stats_add(stats, c, *n);
		*n = 0;
	}
}

uint16_t
socket_rx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct sock_queue *q = port->queue[queue];
	struct sock_rx *rx = &q->rx;

	if (n_pending(rx) < n) {
		struct sock_source main_socket = {.fd = q->fd, .hint = &rx->hint};

		/* Keep the room of one more burst behind the tail, which only a run of short calls
		 * uses up. */
		if (rx->head > 0) {
			memmove(rx->pending, rx->pending + rx->head,
				n_pending(rx) * sizeof(*rx->pending));
			rx->tail -= rx->head;
			rx->head = 0;
		}
		/* At most half a burst from exits, so that neither side starves the other. */
		if (__atomic_load_n(&q->n_exits, __ATOMIC_RELAXED) > 0 ||
			rx->next_event < rx->n_events)
			receive_exits(q, n_pending(rx) + (n - n_pending(rx) + 1) / 2);
		receive(q, &main_socket, n, MAX_CALLS);
		move(q->stats, PEEL_RX_DATAGRAMS, &rx->datagrams);
		move(q->stats, PEEL_RX_IPV6, &rx->ipv6);
		move(q->stats, PEEL_RX_BYTES, &rx->bytes);
		move(q->stats, PEEL_DROP_NO_BUFFER, &rx->no_buffer);
		move(q->stats, PEEL_DROP_OVERSIZE, &rx->oversize);
	}
	return take(rx, pkts, n);
}

void
socket_wait(struct peel_port *port, uint16_t queue, unsigned int timeout_us)
{
	struct sock_queue *q = port->queue[queue];
	struct sock_rx *rx = &q->rx;
	struct timespec timeout = {
		.tv_sec = timeout_us / 1000000, .tv_nsec = (long)(timeout_us % 1000000) * 1000};
	/* poll, not a standing epoll set: nothing to maintain per datagram while the worker is
	 * busy. */
	struct pollfd fds[] = {
		{.fd = q->fd, .events = POLLIN},
		{.fd = q->event_fd, .events = POLLIN},
		{.fd = q->exit_epoll, .events = POLLIN},
	};

	if (n_pending(rx) > 0 || rx->next_event < rx->n_events)
		return;
	if (ppoll(fds, PEEL_ARRAY_LEN(fds), &timeout, NULL) <= 0)
		return;
	if (fds[1].revents != 0) {
		eventfd_t value;

		(void)eventfd_read(q->event_fd, &value);
		/* Acquire-release, as in socket_wake: who finds `woken` set there and writes
		 * nothing has published its work to us by that exchange, and we look for work after
		 * this one. */
		(void)__atomic_exchange_n(&q->woken, false, __ATOMIC_ACQ_REL);
	}
	if (fds[2].revents != 0)
		rx->exits_hot = true;
}

void
socket_wake(struct peel_port *port, uint16_t queue)
{
	struct sock_queue *q = port->queue[queue];

	if (!__atomic_exchange_n(&q->woken, true, __ATOMIC_ACQ_REL))
		(void)eventfd_write(q->event_fd, 1);
}
