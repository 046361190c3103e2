/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "fixture.h"

#define RX_WAIT_US 100000

struct fix_fault fix_send, fix_receive;
unsigned int fix_send_calls;
static struct rte_mempool *pool;

static bool
fails(struct fix_fault *fault)
{
	if (fault->count == 0)
		return false;
	fault->count--;
	errno = fault->error;
	return true;
}

/* As the kernel does: an error counts only for the first message, behind others it ends the
 * call. */
int
sendmmsg(int fd, struct mmsghdr *m, unsigned int n, int flags)
{
	fix_send_calls++;
	if (fix_send.at_most > 0 && n > fix_send.at_most)
		n = fix_send.at_most;
	if (fix_send.segmented_only && fix_send.count > 0) {
		for (unsigned int i = 0; i < n; i++) {
			if (m[i].msg_hdr.msg_control == NULL)
				continue;
			if (i == 0 && fails(&fix_send))
				return -1;
			n = i;
		}
	} else if (fails(&fix_send)) {
		return -1;
	}
	return (int)syscall(SYS_sendmmsg, fd, m, n, flags);
}

ssize_t
recvmsg(int fd, struct msghdr *m, int flags)
{
	return fails(&fix_receive) ? -1 : syscall(SYS_recvmsg, fd, m, flags);
}

int
recvmmsg(int fd, struct mmsghdr *m, unsigned int n, int flags, struct timespec *timeout)
{
	return fails(&fix_receive) ? -1 : (int)syscall(SYS_recvmmsg, fd, m, n, flags, timeout);
}

int
fix_setup(void **state)
{
	char *args[] = {"test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
		"128", "-l", "0", "--log-level=3", NULL};

	(void)state;
	if (rte_eal_init((int)PEEL_ARRAY_LEN(args) - 1, args) < 0)
		return -1;
	pool = peel_port_pool_new("test", FIX_MBUFS, false, SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

void
fix_open(struct fix *f, const char *listen, uint16_t n_queues, uint32_t endpoints)
{
	struct peel_stats *stats[FIX_QUEUES] = {&f->stats[0], &f->stats[1]};
	struct peel_port_conf conf = {
		.n_queues = n_queues,
		.stats = stats,
		.max_endpoints = endpoints,
	};
	char why[256] = "";

	memset(f, 0, sizeof(*f));
	memset(&fix_send, 0, sizeof(fix_send));
	memset(&fix_receive, 0, sizeof(fix_receive));
	f->n_queues = n_queues;
	f->pool = conf.pool = pool;
	assert_int_equal(peel_rcu_new(FIX_QUEUES, &f->rcu), 0);
	conf.rcu = f->rcu;
	assert_int_equal(peel_addr_parse(listen, 0, &conf.listen), 0);

	int rc = peel_port_socket.open(&conf, &f->port, why, sizeof(why));

	if (rc != 0)
		fail_msg("open: %d %s", rc, why);
	peel_port_socket.local(f->port, &f->local);
	assert_int_not_equal(f->local.port, 0);
}

void
fix_close(struct fix *f)
{
	peel_port_socket.close(f->port);
	peel_rcu_free(f->rcu);
	assert_int_equal(rte_mempool_avail_count(f->pool), FIX_MBUFS);
}

uint64_t
fix_count(const struct fix *f, enum peel_counter c)
{
	return peel_stats_get(&f->stats[0], c) + peel_stats_get(&f->stats[1], c);
}

struct wanted {
	const char *name;
	uint64_t value;
	bool found;
};

static void
on_line(void *arg, const char *name, uint64_t value)
{
	struct wanted *w = arg;

	if (strcmp(w->name, name) == 0) {
		w->value = value;
		w->found = true;
	}
}

uint64_t
fix_detail(const struct fix *f, const char *name)
{
	struct wanted w = {.name = name};

	peel_port_socket.dump(f->port, on_line, &w);
	assert_true(w.found);
	return w.value;
}

unsigned int
fix_rx(struct fix *f, uint16_t queue, struct rte_mbuf **pkts, unsigned int want)
{
	unsigned int n = 0, idle = 0;

	while (n < want && idle < 2) {
		unsigned int room = want - n;
		uint16_t got = peel_port_socket.rx(f->port, queue, pkts + n,
			(uint16_t)(room < PEEL_PORT_BURST ? room : PEEL_PORT_BURST));

		idle = got > 0 ? 0 : idle + 1;
		if (got == 0)
			peel_port_socket.wait(f->port, queue, RX_WAIT_US);
		for (unsigned int i = n; i < n + got; i++) {
			assert_int_equal(pkts[i]->nb_segs, 1);
			assert_int_equal(pkts[i]->pkt_len, pkts[i]->data_len);
			assert_true(rte_pktmbuf_headroom(pkts[i]) >= PEEL_PORT_HEADROOM);
			assert_true(rte_pktmbuf_tailroom(pkts[i]) >= PEEL_PORT_TAILROOM);
		}
		n += got;
	}
	return n;
}

void
fix_echo(struct fix *f, uint16_t queue, struct rte_mbuf **pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i += PEEL_PORT_BURST) {
		unsigned int part = n - i < PEEL_PORT_BURST ? n - i : PEEL_PORT_BURST;

		peel_port_socket.tx(f->port, queue, pkts + i, (uint16_t)part);
	}
	peel_port_socket.flush(f->port, queue);
}

int
fix_client(const struct peel_addr *to)
{
	struct sockaddr_storage ss;
	struct peel_addr address = *to;
	struct timeval limit = {.tv_sec = 1};
	int bytes = 4 << 20;
	int fd = socket(to->family == PEEL_FAMILY_IPV6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);

	if (address.family == PEEL_FAMILY_IPV4 && address.ip[0] == 0)
		address = peel_addr_ipv4(127, 0, 0, 1, to->port);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));

	socklen_t len = peel_addr_to_sockaddr(&address, &ss);

	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

struct peel_addr
fix_name(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct peel_addr a;

	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(peel_addr_from_sockaddr(&ss, &a), 0);
	return a;
}

bool
fix_send_segments(int fd, const void *data, size_t len, uint16_t segment)
{
	union {
		struct cmsghdr h;
		uint8_t room[CMSG_SPACE(sizeof(uint16_t))];
	} control = {.h = {.cmsg_level = SOL_UDP,
			     .cmsg_type = UDP_SEGMENT,
			     .cmsg_len = CMSG_LEN(sizeof(uint16_t))}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(CMSG_DATA(&control.h), &segment, sizeof(segment));
	if (len > segment) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	return sendmsg(fd, &m, 0) == (ssize_t)len;
}

static uint8_t
pattern(uint32_t flow, uint32_t seq, size_t i)
{
	if (i < 4)
		return (uint8_t)(flow >> 8 * i);
	if (i < 8)
		return (uint8_t)(seq >> 8 * (i - 4));
	return (uint8_t)(flow * 31 + seq * 7 + i * 13 + (i >> 8));
}

void
fix_fill(uint8_t *p, size_t len, uint32_t flow, uint32_t seq)
{
	for (size_t i = 0; i < len; i++)
		p[i] = pattern(flow, seq, i);
}

bool
fix_matches(const uint8_t *p, size_t len, uint32_t flow, uint32_t seq)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] != pattern(flow, seq, i))
			return false;
	}
	return true;
}

struct rte_mbuf *
fix_datagram(const struct fix *f, uint32_t endpoint, const struct peel_addr *to, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(f->pool);

	assert_non_null(m);
	fix_fill((uint8_t *)rte_pktmbuf_append(m, len), len, endpoint, 0);
	peel_pkt(m)->remote = *to;
	peel_pkt(m)->endpoint = endpoint;
	return m;
}

void
fix_send_one(struct fix *f, uint32_t endpoint, const struct peel_addr *to, uint16_t len)
{
	struct rte_mbuf *m = fix_datagram(f, endpoint, to, len);

	peel_port_socket.tx(f->port, 0, &m, 1);
	peel_port_socket.flush(f->port, 0);
}
