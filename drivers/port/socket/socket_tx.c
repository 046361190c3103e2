/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */

/*
 * Sending. Datagrams are held back until flush, then grouped by (endpoint, destination). Within a
 * group, in order, each run of equal sizes (the last may be shorter) becomes one message that the
 * kernel or the NIC cuts up (UDP_SEGMENT); all messages of one socket go out by one sendmmsg. Order
 * between groups is not kept, within a group it is.
 */

#include <errno.h>

#include <rte_cycles.h>

#include "socket_internal.h"

#define END UINT16_MAX

void
socket_tx_init(struct sock_tx *tx, bool gso)
{
	tx->gso = gso;
	for (unsigned int i = 0; i < SOCK_TX_SEGMENTS; i++)
		tx->single[i].msg_hdr.msg_iovlen = 1;
}

void
socket_tx_fini(struct sock_tx *tx)
{
	rte_pktmbuf_free_bulk(tx->mbuf, tx->n);
	tx->n = 0;
}

/* ---- groups ---------------------------------------------------------------------------------- */

/* The kernel's form of a destination for a socket of the given family; 0 when they do not fit. */
static socklen_t
make_name(const struct peel_addr *a, bool v6_socket, union sock_name *out)
{
	if (a->family == PEEL_FAMILY_IPV4 && !v6_socket) {
		out->in4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(a->port)};
		memcpy(&out->in4.sin_addr, a->ip, 4);
		return sizeof(out->in4);
	}
	if (!v6_socket || a->family == PEEL_FAMILY_NONE)
		return 0;
	out->in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
	if (a->family == PEEL_FAMILY_IPV6) {
		memcpy(&out->in6.sin6_addr, a->ip, 16);
	} else {
		out->in6.sin6_addr.s6_addr[10] = out->in6.sin6_addr.s6_addr[11] = 0xff;
		memcpy(out->in6.sin6_addr.s6_addr + 12, a->ip, 4);
	}
	return sizeof(out->in6);
}

static void
init_group(
	const struct sock_queue *q, struct sock_group *g, const struct peel_pkt *pkt, uint64_t hash)
{
	const struct peel_port *port = q->port;
	bool v6_socket = pkt->remote.family == PEEL_FAMILY_IPV6;

	g->remote = pkt->remote;
	g->endpoint = pkt->endpoint;
	g->hash = hash;
	g->done = false;
	if (pkt->endpoint == PEEL_ENDPOINT_MAIN) {
		g->fd = q->fd;
		v6_socket = port->local.family == PEEL_FAMILY_IPV6;
	} else {
		g->fd = socket_exit_fd(port->exits, pkt->endpoint, pkt->remote.family);
	}
	g->name_len = make_name(&pkt->remote, v6_socket, &g->name);
	if (g->name_len == 0)
		g->fd = -1;
}

static struct sock_group *
find_group(struct sock_queue *q, const struct peel_pkt *pkt)
{
	struct sock_tx *tx = &q->tx;
	uint64_t hash = peel_addr_hash(&pkt->remote, pkt->endpoint, q->port->seed);
	unsigned int b = hash & (SOCK_BUCKETS - 1);

	for (; tx->bucket[b] != 0; b = (b + 1) & (SOCK_BUCKETS - 1)) {
		struct sock_group *g = &tx->group[tx->bucket[b] - 1];

		if (g->hash == hash && g->endpoint == pkt->endpoint &&
			peel_addr_equal(&g->remote, &pkt->remote))
			return g;
	}

	struct sock_group *g = &tx->group[tx->n_groups++];

	init_group(q, g, pkt, hash);
	g->head = END;
	tx->bucket[b] = tx->n_groups;
	return g;
}

static void
make_groups(struct sock_queue *q)
{
	struct sock_tx *tx = &q->tx;
	struct sock_group *g = NULL;

	tx->n_groups = 0;
	memset(tx->bucket, 0, sizeof(tx->bucket));
	for (uint16_t i = 0; i < tx->n; i++) {
		const struct peel_pkt *pkt = peel_pkt(tx->mbuf[i]);

		if (g == NULL || g->endpoint != pkt->endpoint ||
			!peel_addr_equal(&g->remote, &pkt->remote))
			g = find_group(q, pkt);
		tx->next[i] = END;
		if (g->head == END)
			g->head = i;
		else
			tx->next[g->tail] = i;
		g->tail = i;
	}
}

/* ---- messages -------------------------------------------------------------------------------- */

static struct sock_no_gso *
no_gso_entry(struct sock_tx *tx, const struct sock_group *g)
{
	return &tx->no_gso[g->hash >> 8 & (SOCK_NO_GSO - 1)];
}

/* The largest segment worth trying towards a group's destination; 0: none. */
static uint32_t
largest_segment(struct sock_tx *tx, const struct sock_group *g)
{
	const struct sock_no_gso *e = no_gso_entry(tx, g);

	if (!tx->gso)
		return 0;
	if (e->until_tsc > tx->now_tsc && e->tag == (uint32_t)(g->hash >> 32))
		return e->size - 1u;
	return SOCK_TX_BYTES;
}

static void
set_segment(struct msghdr *h, union sock_control *control, uint16_t size)
{
	struct cmsghdr *c = &control->align;

	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(sizeof(size));
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
}

/* Many small buffers cost the kernel more than a copy costs us: lay a message of small datagrams
 * out in one piece. The room of datagrams is at their place in iov[], so it always suffices. */
static struct iovec *
flatten(struct sock_tx *tx, unsigned int message, unsigned int first, unsigned int n)
{
	uint8_t *start = tx->flat_room + (size_t)first * SOCK_FLAT_MAX, *p = start;
	struct iovec *flat = &tx->flat[message];

	for (unsigned int i = first; i < first + n; i++) {
		memcpy(p, tx->iov[i].iov_base, tx->iov[i].iov_len);
		p += tx->iov[i].iov_len;
	}
	*flat = (struct iovec){.iov_base = start, .iov_len = (size_t)(p - start)};
	return flat;
}

/* Append a group's messages, n being used already (iov[] runs ahead in step with the datagrams). */
static unsigned int
add_messages(struct sock_tx *tx, const struct sock_group *g, unsigned int n, unsigned int *n_iov)
{
	uint32_t largest = largest_segment(tx, g);

	for (uint16_t i = g->head; i != END; n++) {
		struct msghdr *h = &tx->message[n].msg_hdr;
		uint32_t size = tx->mbuf[i]->data_len, len = size, total = 0;
		unsigned int first = *n_iov;

		do {
			tx->iov[(*n_iov)++] = (struct iovec){
				.iov_base = rte_pktmbuf_mtod(tx->mbuf[i], void *), .iov_len = len};
			total += len;
			i = tx->next[i];
			/* A shorter one ends the run; an empty one would vanish in it. */
			if (i == END || len < size || size > largest)
				break;
			len = tx->mbuf[i]->data_len;
		} while (len > 0 && len <= size && total + len <= SOCK_TX_BYTES &&
			 *n_iov - first < SOCK_TX_SEGMENTS);

		h->msg_name = (void *)(uintptr_t)&g->name;
		h->msg_namelen = g->name_len;
		h->msg_iov = &tx->iov[first];
		h->msg_iovlen = *n_iov - first;
		h->msg_control = NULL;
		h->msg_controllen = 0;
		tx->segment[n] = h->msg_iov;
		tx->n_segments[n] = (uint16_t)h->msg_iovlen;
		if (h->msg_iovlen > 1) {
			set_segment(h, &tx->control[n], (uint16_t)size);
			if (size <= SOCK_FLAT_MAX) {
				h->msg_iov = flatten(tx, n, first, *n_iov - first);
				h->msg_iovlen = 1;
			}
		}
		tx->owner[n] = g;
	}
	return n;
}

/* ---- system calls ---------------------------------------------------------------------------- */

/* IPv4 through a socket of IPv6 is IPv4. */
static bool
goes_over_ipv6(const struct msghdr *h)
{
	const union sock_name *name = h->msg_name;

	return name->in6.sin6_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&name->in6.sin6_addr);
}

static void
count_sent(
	struct sock_queue *q, const struct mmsghdr *m, const uint16_t *n_segments, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		unsigned int segments = n_segments != NULL ? n_segments[i] : 1;

		q->tx.datagrams += segments;
		if (goes_over_ipv6(&m[i].msg_hdr))
			q->tx.ipv6 += segments;
		q->tx.bytes += m[i].msg_len;
		if (segments > 1) {
			sock_count(&q->details.tx_gso, 1);
			sock_count(&q->details.tx_gso_segments, segments);
		}
	}
	sock_count(&q->details.tx_messages, n);
}

static void
count_dropped(struct sock_tx *tx, const uint16_t *n_segments, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		tx->dropped += n_segments[i];
}

/* No room at the kernel: the messages that follow would meet the same. */
static bool
is_full(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

/* Send datagrams, one each message; each that fails twice is dropped. An error may be a late answer
 * to an earlier datagram (ICMP), in which case the second try goes through. Returns how many
 * went. */
static unsigned int
send_plain(struct sock_queue *q, int fd, struct mmsghdr *m, unsigned int n)
{
	unsigned int done = 0, sent = 0;
	bool again = false;

	while (done < n) {
		int rc = sendmmsg(fd, m + done, n - done, 0);

		if (rc > 0) {
			count_sent(q, m + done, NULL, (unsigned int)rc);
			done += (unsigned int)rc;
			sent += (unsigned int)rc;
			again = false;
		} else if (!again) {
			again = true;
		} else if (is_full(errno)) {
			q->tx.dropped += n - done;
			break;
		} else {
			q->tx.dropped++;
			done++;
			again = false;
		}
	}
	return sent;
}

/* A message to be cut was refused: send its segments one by one. */
static void
send_segments(struct sock_queue *q, int fd, unsigned int message)
{
	struct sock_tx *tx = &q->tx;
	const struct msghdr *h = &tx->message[message].msg_hdr;
	unsigned int n = tx->n_segments[message];

	for (unsigned int i = 0; i < n; i++) {
		struct msghdr *s = &tx->single[i].msg_hdr;

		s->msg_name = h->msg_name;
		s->msg_namelen = h->msg_namelen;
		s->msg_iov = &tx->segment[message][i];
	}
	sock_count(&q->details.tx_resent, n);
	send_plain(q, fd, tx->single, n);
}

/* What a refused UDP_SEGMENT message says about the next ones. */
static void
learn_refusal(struct sock_queue *q, unsigned int message, int error)
{
	struct sock_tx *tx = &q->tx;
	const struct sock_group *g = tx->owner[message];

	if (error == EIO || error == EOPNOTSUPP || error == ENOPROTOOPT) {
		/* The device cannot fill in checksums, so it cannot cut either. */
		__atomic_store_n(&tx->gso, false, __ATOMIC_RELAXED);
		return;
	}
	/* A segment must fit the path's MTU, a datagram of its own may be fragmented. */
	*no_gso_entry(tx, g) = (struct sock_no_gso){
		.tag = (uint32_t)(g->hash >> 32),
		.size = (uint16_t)tx->segment[message]->iov_len,
		.until_tsc = tx->now_tsc + q->port->no_gso_period_tsc,
	};
}

static bool
is_refusal(int error)
{
	return error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP ||
	       error == ENOPROTOOPT;
}

static void
send_messages(struct sock_queue *q, int fd, unsigned int n)
{
	struct sock_tx *tx = &q->tx;
	unsigned int done = 0;
	bool again = false;

	while (done < n) {
		struct mmsghdr *m = tx->message + done;
		int rc = sendmmsg(fd, m, n - done, 0);

		if (rc > 0) {
			count_sent(q, m, tx->n_segments + done, (unsigned int)rc);
			done += (unsigned int)rc;
			again = false;
			continue;
		}
		if (is_refusal(errno) && tx->n_segments[done] > 1) {
			learn_refusal(q, done, errno);
			send_segments(q, fd, done);
		} else if (!again) {
			again = true; /* an ICMP answer to something older, or full for a moment */
			continue;
		} else if (is_full(errno)) {
			count_dropped(tx, tx->n_segments + done, n - done);
			return;
		} else {
			count_dropped(tx, tx->n_segments + done, 1);
		}
		done++;
		again = false;
	}
}

/* All groups of one socket, beginning with the first. */
static void
send_socket(struct sock_queue *q, unsigned int first)
{
	struct sock_tx *tx = &q->tx;
	int fd = tx->group[first].fd;
	unsigned int n = 0, n_iov = 0;

	for (unsigned int i = first; i < tx->n_groups; i++) {
		struct sock_group *g = &tx->group[i];

		if (g->done || g->fd != fd)
			continue;
		g->done = true;
		n = add_messages(tx, g, n, &n_iov);
	}
	if (fd >= 0)
		send_messages(q, fd, n);
	else
		tx->dropped += n_iov; /* no such endpoint any more, or not that family */
}

void
socket_flush(struct peel_port *port, uint16_t queue)
{
	struct sock_queue *q = port->queue[queue];
	struct sock_tx *tx = &q->tx;

	if (tx->n == 0)
		return;
	tx->now_tsc = rte_rdtsc();
	make_groups(q);
	for (unsigned int i = 0; i < tx->n_groups; i++) {
		if (!tx->group[i].done)
			send_socket(q, i);
	}
	rte_pktmbuf_free_bulk(tx->mbuf, tx->n);
	tx->n = 0;
	peel_stats_add(q->stats, PEEL_TX_DATAGRAMS, tx->datagrams);
	peel_stats_add(q->stats, PEEL_TX_IPV6, tx->ipv6);
	peel_stats_add(q->stats, PEEL_TX_BYTES, tx->bytes);
	if (tx->dropped > 0)
		peel_stats_add(q->stats, PEEL_DROP_TX, tx->dropped);
	tx->datagrams = tx->ipv6 = tx->bytes = tx->dropped = 0;
}

void
socket_tx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct sock_queue *q = port->queue[queue];
	struct sock_tx *tx = &q->tx;

	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(pkts[i]->nb_segs > 1 && rte_pktmbuf_linearize(pkts[i]) != 0)) {
			rte_pktmbuf_free(pkts[i]);
			peel_stats_add(q->stats, PEEL_DROP_TX, 1);
			continue;
		}
		if (tx->n == SOCK_TX_MAX)
			socket_flush(port, queue);
		tx->mbuf[tx->n++] = pkts[i];
	}
}
