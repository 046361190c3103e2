/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */

/* The main socket: sizes, coalescing, order, bulk traffic. */

#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

#define MAX_PKTS 2048

static uint8_t buffer[65536];
static struct rte_mbuf *pkts[MAX_PKTS];

static void
expect_echo(int client, size_t len, uint32_t flow, uint32_t seq)
{
	static uint8_t in[4096];
	ssize_t got = recv(client, in, sizeof(in), 0);

	assert_int_equal(got, len);
	assert_true(fix_matches(in, len, flow, seq));
}

static void
test_echo_all_sizes(void **state)
{
	struct fix f;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);

	int client = fix_client(&f.local);
	struct peel_addr from = fix_name(client);
	uint64_t bytes = 0;

	for (uint32_t base = 0; base <= PEEL_PORT_RX_MAX; base += 32) {
		uint32_t end = base + 32 <= PEEL_PORT_RX_MAX ? base + 32 : PEEL_PORT_RX_MAX + 1;

		for (uint32_t size = base; size < end; size++) {
			fix_fill(buffer, size, 1, size);
			assert_int_equal(send(client, buffer, size, 0), size);
			bytes += size;
		}
		assert_int_equal(fix_rx(&f, 0, pkts, end - base), end - base);
		for (uint32_t i = 0; i < end - base; i++) {
			assert_int_equal(pkts[i]->data_len, base + i);
			assert_true(peel_addr_equal(&peel_pkt(pkts[i])->remote, &from));
			assert_int_equal(peel_pkt(pkts[i])->endpoint, PEEL_ENDPOINT_MAIN);
		}
		fix_echo(&f, 0, pkts, end - base);
		for (uint32_t size = base; size < end; size++)
			expect_echo(client, size, 1, size);
	}
	assert_int_equal(fix_count(&f, PEEL_RX_DATAGRAMS), PEEL_PORT_RX_MAX + 1);
	assert_int_equal(fix_count(&f, PEEL_TX_DATAGRAMS), PEEL_PORT_RX_MAX + 1);
	assert_int_equal(fix_count(&f, PEEL_RX_BYTES), bytes);
	assert_int_equal(fix_count(&f, PEEL_TX_BYTES), bytes);
	close(client);
	fix_close(&f);
}

static void
test_oversize_is_dropped_and_counted(void **state)
{
	static const size_t sizes[] = {2049, 2112, 2113, 5000, 65507};
	struct fix f;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);

	int client = fix_client(&f.local);

	/* Twice: received over one mbuf each, then, after coalesced traffic, over many. */
	for (unsigned int round = 0; round < 2; round++) {
		for (size_t i = 0; i < PEEL_ARRAY_LEN(sizes); i++) {
			assert_int_equal(send(client, buffer, sizes[i], 0), sizes[i]);
			assert_int_equal(send(client, buffer, 100, 0), 100);
			assert_int_equal(fix_rx(&f, 0, pkts, 1), 1);
			assert_int_equal(pkts[0]->data_len, 100);
			rte_pktmbuf_free(pkts[0]);
			assert_int_equal(fix_count(&f, PEEL_DROP_OVERSIZE),
				round * (PEEL_ARRAY_LEN(sizes) + 7) + i + 1);
		}
		/* Segments that are too large, but for the last. */
		assert_true(fix_send_segments(client, buffer, 7 * 3000 + 50, 3000));
		assert_int_equal(fix_rx(&f, 0, pkts, 1), 1);
		assert_int_equal(pkts[0]->data_len, 50);
		rte_pktmbuf_free(pkts[0]);
		for (unsigned int i = 0; i < 4; i++) {
			assert_true(fix_send_segments(client, buffer, 64 * 500, 500));
			assert_int_equal(fix_rx(&f, 0, pkts, 64), 64);
			rte_pktmbuf_free_bulk(pkts, 64);
		}
	}
	close(client);
	fix_close(&f);
}

/* Send messages of segments and check that the same datagrams come out, with any burst size. */
static void
check_segments(struct fix *f, int client, size_t len, uint16_t segment, uint16_t burst)
{
	unsigned int n = (unsigned int)((len + segment - 1) / segment), got = 0;

	for (unsigned int i = 0; i < n; i++) {
		size_t at = (size_t)i * segment;

		fix_fill(buffer + at, len - at < segment ? len - at : segment, segment, i);
	}
	assert_true(fix_send_segments(client, buffer, len, segment));
	while (got < n) {
		unsigned int part = n - got < burst ? n - got : burst;

		assert_int_equal(fix_rx(f, 0, pkts, part), part);
		for (unsigned int i = 0; i < part; i++) {
			size_t at = (size_t)(got + i) * segment;
			size_t expect = len - at < segment ? len - at : segment;

			assert_int_equal(pkts[i]->data_len, expect);
			assert_true(fix_matches(
				rte_pktmbuf_mtod(pkts[i], uint8_t *), expect, segment, got + i));
		}
		rte_pktmbuf_free_bulk(pkts, part);
		got += part;
	}
	assert_int_equal(peel_port_socket.rx(f->port, 0, pkts, PEEL_PORT_BURST), 0);
}

static void
mixed_segments(struct fix *f)
{
	static const uint16_t sizes[] = {1400, 1400, 1400, 150, 150, 150, 1490, 1490, 1, 2048, 2048,
		700, 64, 64, 64, 1024, 1000, 1001, 1000, 1001, 1000, 1001, 3, 3};
	static const uint16_t bursts[] = {64, 7, 1};
	int client = fix_client(&f->local);

	for (size_t b = 0; b < PEEL_ARRAY_LEN(bursts); b++) {
		for (size_t i = 0; i < PEEL_ARRAY_LEN(sizes); i++) {
			size_t most = 65507 / sizes[i] < 64 ? 65507 / sizes[i] : 64;

			check_segments(f, client, most * sizes[i], sizes[i], bursts[b]);
			if (sizes[i] > 2) /* with a last one that is smaller */
				check_segments(f, client, (most - 1) * sizes[i] + sizes[i] / 2,
					sizes[i], bursts[b]);
			check_segments(f, client, sizes[i], sizes[i], bursts[b]);
		}
		for (unsigned int i = 0; i < 12; i++) /* back to datagrams on their own */
			check_segments(f, client, 1200 + i, 2048, bursts[b]);
	}
	/* Newer kernels pass on 128 segments; the message that they refuse is no failure. */
	if (fix_send_segments(client, buffer, 128 * 100, 100)) {
		assert_int_equal(fix_rx(f, 0, pkts, 128), 128);
		rte_pktmbuf_free_bulk(pkts, 128);
		for (unsigned int i = 0; i < 8; i++)
			check_segments(f, client, 128 * 100, 100, 64);
	}
	close(client);
}

static void
test_segments_of_mixed_sizes(void **state)
{
	struct fix f;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);
	mixed_segments(&f);
	if (fix_detail(&f, "receive_coalescing")) {
		assert_true(fix_detail(&f, "rx_coalesced_messages") > 0);
		assert_true(fix_detail(&f, "rx_copied_datagrams") > 0);
	}
	fix_close(&f);
}

static void
test_steady_segments_are_expected(void **state)
{
	struct fix f;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);
	if (!fix_detail(&f, "receive_coalescing"))
		print_message("kernel without UDP_GRO: nothing to see\n");

	int client = fix_client(&f.local);

	check_segments(&f, client, 40 * 1400, 1400, 64);

	uint64_t copied = fix_detail(&f, "rx_copied_datagrams");

	for (unsigned int i = 0; i < 100; i++)
		check_segments(&f, client, 40 * 1400 - i, 1400, 64);
	assert_int_equal(fix_detail(&f, "rx_copied_datagrams"), copied);
	/* Two flows of different sizes in turn. */
	for (unsigned int i = 0; i < 100; i++)
		check_segments(&f, client, 30 * 1000, i % 2 ? 1000 : 1001, 64);
	assert_int_equal(fix_detail(&f, "rx_copied_datagrams"), copied);
	close(client);
	fix_close(&f);
}

#define FLOWS 5
#define PER_FLOW 600

static uint16_t
size_of(uint32_t flow, uint32_t seq)
{
	/* Long runs of one size, then disorder; nothing shorter than the sequence number. */
	return (uint16_t)(seq % 100 < 60 ? 300 + 200 * flow : 8 + (seq * 7919 + flow * 131) % 2040);
}

static void
send_round(const int *client, uint32_t *next, unsigned int per_round)
{
	for (uint32_t flow = 0; flow < FLOWS; flow++) {
		for (uint32_t stop = next[flow] + per_round; next[flow] < stop;) {
			uint16_t size = size_of(flow, next[flow]);
			size_t len = 0;

			/* Runs of equal size go out as one message. */
			do {
				fix_fill(buffer + len, size, flow, next[flow]++);
				len += size;
			} while (next[flow] < stop && size_of(flow, next[flow]) == size &&
				 len + size < 60000);
			assert_true(fix_send_segments(client[flow], buffer, len, size));
		}
	}
}

static void
interleaved(struct fix *f)
{
	struct peel_addr name[FLOWS];
	int client[FLOWS];
	uint32_t sent[FLOWS] = {0}, seen[FLOWS] = {0};
	const unsigned int per_round = 20;

	for (uint32_t i = 0; i < FLOWS; i++) {
		client[i] = fix_client(&f->local);
		name[i] = fix_name(client[i]);
	}
	for (unsigned int round = 0; round < PER_FLOW / per_round; round++) {
		send_round(client, sent, per_round);
		assert_int_equal(fix_rx(f, 0, pkts, FLOWS * per_round), FLOWS * per_round);
		for (unsigned int i = 0; i < FLOWS * per_round; i++) {
			uint32_t flow = rte_pktmbuf_mtod(pkts[i], uint8_t *)[0];

			assert_true(flow < FLOWS);
			assert_int_equal(pkts[i]->data_len, size_of(flow, seen[flow]));
			assert_true(fix_matches(rte_pktmbuf_mtod(pkts[i], uint8_t *),
				pkts[i]->data_len, flow, seen[flow]++));
			assert_true(peel_addr_equal(&peel_pkt(pkts[i])->remote, &name[flow]));
		}
		/* Shuffle the flows together: the order within each is all that must stay. */
		for (unsigned int i = 0, at = 0; i < per_round; i++) {
			for (unsigned int flow = 0; flow < FLOWS; flow++)
				pkts[FLOWS * per_round + at++] = pkts[flow * per_round + i];
		}
		fix_echo(f, 0, pkts + FLOWS * per_round, FLOWS * per_round);
		for (uint32_t flow = 0; flow < FLOWS; flow++) {
			for (uint32_t seq = sent[flow] - per_round; seq < sent[flow]; seq++)
				expect_echo(client[flow], size_of(flow, seq), flow, seq);
		}
	}
	assert_int_equal(fix_count(f, PEEL_TX_DATAGRAMS), FLOWS * PER_FLOW);
	assert_int_equal(fix_count(f, PEEL_DROP_TX), 0);
	for (uint32_t i = 0; i < FLOWS; i++)
		close(client[i]);
}

static void
test_interleaved_flows_keep_order(void **state)
{
	struct fix f;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);
	interleaved(&f);
	if (fix_detail(&f, "send_segmentation"))
		assert_true(fix_detail(&f, "tx_segmented_messages") > 0);
	fix_close(&f);
}

static void
test_without_offloads(void **state)
{
	struct fix f;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);
	peel_port_socket_disable_offloads(f.port, true, true);
	interleaved(&f);
	mixed_segments(&f);
	assert_int_equal(fix_detail(&f, "rx_coalesced_messages"), 0);
	assert_int_equal(fix_detail(&f, "tx_segmented_messages"), 0);
	fix_close(&f);
}

static void
test_two_queues_share_the_port(void **state)
{
	enum {
		CLIENTS = 64
	};
	struct fix f;
	int client[CLIENTS];
	unsigned int got[2];

	(void)state;
	fix_open(&f, "127.0.0.1:0", 2, 0);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		client[i] = fix_client(&f.local);
		fix_fill(buffer, 500, i, 0);
		assert_int_equal(send(client[i], buffer, 500, 0), 500);
	}
	for (uint16_t q = 0; q < 2; q++) {
		got[q] = fix_rx(&f, q, pkts, CLIENTS);
		assert_true(got[q] > 0); /* fails by chance once in 2^63 runs */
		fix_echo(&f, q, pkts, got[q]);
		assert_int_equal(peel_stats_get(&f.stats[q], PEEL_RX_DATAGRAMS), got[q]);
		assert_int_equal(peel_stats_get(&f.stats[q], PEEL_TX_DATAGRAMS), got[q]);
	}
	assert_int_equal(got[0] + got[1], CLIENTS);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		expect_echo(client[i], 500, i, 0);
		close(client[i]);
	}
	fix_close(&f);
}

static void
test_dual_stack(void **state)
{
	struct fix f;
	struct peel_addr v4, v6;
	int probe = socket(AF_INET6, SOCK_DGRAM, 0);

	(void)state;
	if (probe < 0) {
		print_message("no IPv6 here\n");
		return;
	}
	close(probe);
	fix_open(&f, "[::]:0", 1, 0);
	v4 = peel_addr_ipv4(127, 0, 0, 1, f.local.port);
	assert_int_equal(peel_addr_parse("[::1]", f.local.port, &v6), 0);

	int client[2] = {fix_client(&v4), fix_client(&v6)};

	for (uint32_t i = 0; i < 2; i++) {
		struct peel_addr from = fix_name(client[i]);

		fix_fill(buffer, 900, i, 7);
		assert_int_equal(send(client[i], buffer, 900, 0), 900);
		assert_int_equal(fix_rx(&f, 0, pkts, 1), 1);
		assert_int_equal(peel_pkt(pkts[0])->remote.family,
			i == 0 ? PEEL_FAMILY_IPV4 : PEEL_FAMILY_IPV6);
		assert_true(peel_addr_equal(&peel_pkt(pkts[0])->remote, &from));
		fix_echo(&f, 0, pkts, 1);
		expect_echo(client[i], 900, i, 7);
		close(client[i]);
		/* IPv4 through the same socket is IPv4. */
		assert_int_equal(fix_count(&f, PEEL_RX_IPV6), i);
		assert_int_equal(fix_count(&f, PEEL_TX_IPV6), i);
	}
	assert_int_equal(fix_count(&f, PEEL_TX_DATAGRAMS), 2);
	fix_close(&f);
}

/* ---- bulk ------------------------------------------------------------------------------------ */

struct bulk {
	int client;
	uint16_t segment, per_message;
	uint32_t n;
	/* by the test, read by the sender: keeps the kernel's buffer from overflowing */
	uint32_t received;
};

static void *
bulk_sender(void *arg)
{
	struct bulk *b = arg;
	static uint8_t out[65536];
	const uint32_t window = 128; /* fits the buffer that unprivileged users get */

	memset(out, 0xa5, sizeof(out));
	for (uint32_t seq = 0; seq < b->n;) {
		uint32_t part = b->n - seq < b->per_message ? b->n - seq : b->per_message;

		while (seq + part - __atomic_load_n(&b->received, __ATOMIC_RELAXED) > window)
			sched_yield();
		for (uint32_t i = 0; i < part; i++, seq++)
			memcpy(out + (size_t)i * b->segment, &seq, sizeof(seq));
		if (!fix_send_segments(b->client, out, (size_t)part * b->segment, b->segment))
			break;
	}
	return NULL;
}

static void
run_bulk(struct fix *f, uint16_t segment, uint16_t per_message, uint32_t n)
{
	struct bulk b = {.client = fix_client(&f->local),
		.segment = segment,
		.per_message = per_message,
		.n = n / FIX_SLOW};
	uint32_t next = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, bulk_sender, &b), 0);
	while (next < b.n) {
		unsigned int idle = 0;
		uint16_t got;

		while ((got = peel_port_socket.rx(f->port, 0, pkts, PEEL_PORT_BURST)) == 0 &&
			idle++ < 50)
			peel_port_socket.wait(f->port, 0, 100000);
		if (got == 0)
			break;
		for (uint16_t i = 0; i < got; i++) {
			uint32_t seq;

			memcpy(&seq, rte_pktmbuf_mtod(pkts[i], void *), sizeof(seq));
			assert_int_equal(seq, next);
			assert_int_equal(pkts[i]->data_len, segment);
			next++;
		}
		rte_pktmbuf_free_bulk(pkts, got);
		__atomic_store_n(&b.received, next, __ATOMIC_RELAXED);
	}
	assert_int_equal(next, b.n);
	pthread_join(thread, NULL);
	close(b.client);
}

static void
test_a_million_datagrams(void **state)
{
	struct fix f;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);
	run_bulk(&f, 150, 64, 500000);
	run_bulk(&f, 1400, 40, 350000);
	run_bulk(&f, 200, 1, 100000);
	run_bulk(&f, 1400, 3, 50000);
	assert_int_equal(fix_count(&f, PEEL_RX_DATAGRAMS), 1000000 / FIX_SLOW);
	assert_int_equal(fix_detail(&f, "rx_kernel_drops"), 0);
	fix_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_all_sizes),
		cmocka_unit_test(test_oversize_is_dropped_and_counted),
		cmocka_unit_test(test_segments_of_mixed_sizes),
		cmocka_unit_test(test_steady_segments_are_expected),
		cmocka_unit_test(test_interleaved_flows_keep_order),
		cmocka_unit_test(test_without_offloads),
		cmocka_unit_test(test_two_queues_share_the_port),
		cmocka_unit_test(test_dual_stack),
		cmocka_unit_test(test_a_million_datagrams),
	};

	return cmocka_run_group_tests(tests, fix_setup, NULL);
}
