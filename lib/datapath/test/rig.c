/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <rte_eal.h>

#include "rig.h"

const uint8_t rig_prefix[PEEL_PREFIX_LEN] = {0x00, 0x02, 0x81, 0xde, 0xd0, 0x73, 0x32, 0xbd, 0xc7,
	0x75, 0xaa, 0x5a, 0x46, 0xf9, 0x6d, 0xe9, 0xf8, 0xf3, 0x90, 0xbb, 0xc9, 0xf3};

static uint16_t
rig_rx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct rig *rig = (struct rig *)port;
	uint16_t got = 0;

	void (*on_rx)(void) = rig->on_rx;

	if (queue != 0)
		return 0;
	rig->on_rx = NULL;
	if (on_rx != NULL)
		on_rx();
	while (got < n && got < rig->n_in) {
		pkts[got] = rig->in[got];
		got++;
	}
	rig->n_in -= got;
	memmove(rig->in, rig->in + got, rig->n_in * sizeof(rig->in[0]));
	return got;
}

static void
rig_tx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct rig *rig = (struct rig *)port;

	(void)queue;
	for (uint16_t i = 0; i < n; i++) {
		struct rig_packet *p = &rig->out[rig->n_out++];

		assert_true(rig->n_out <= RIG_OUT_MAX);
		p->remote = peel_pkt(pkts[i])->remote;
		p->endpoint = peel_pkt(pkts[i])->endpoint;
		p->len = pkts[i]->data_len;
		assert_int_equal(pkts[i]->data_len, pkts[i]->pkt_len);
		assert_true(p->len <= sizeof(p->data));
		memcpy(p->data, rte_pktmbuf_mtod(pkts[i], void *), p->len);
		rte_pktmbuf_free(pkts[i]);
	}
}

static void
rig_flush(struct peel_port *port, uint16_t queue)
{
	(void)port;
	(void)queue;
}

static void
rig_wait(struct peel_port *port, uint16_t queue, unsigned int timeout_us)
{
	(void)queue;
	(void)timeout_us;
	((struct rig *)port)->waits++;
}

static void
rig_port_wake(struct peel_port *port, uint16_t queue)
{
	if (queue == 1)
		((struct rig *)port)->port_wakes++;
}

static void
rig_vouch(struct peel_port *port, const struct peel_addr *remote)
{
	struct rig *rig = (struct rig *)port;

	rig->vouches++;
	rig->vouched = *remote;
}

static const struct peel_port_ops rig_ops = {.name = "rig",
	.rx = rig_rx,
	.tx = rig_tx,
	.flush = rig_flush,
	.wait = rig_wait,
	.wake = rig_port_wake,
	.vouch = rig_vouch};

static void
rig_wake(void *arg)
{
	((struct rig *)arg)->wakes++;
}

int
rig_eal(void **state)
{
	char *argv[] = {"test", "--no-pci", "--no-huge", "-m", "128", "-l", "0", "--no-shconf",
		"--no-telemetry", "--log-level=3", NULL};

	(void)state;
	return rte_eal_init((int)PEEL_ARRAY_LEN(argv) - 1, argv) < 0;
}

static void
rig_wake_guest(void *arg)
{
	((struct rig *)arg)->guest_wakes++;
}

static void
make_guest(struct rig *rig, struct peel_worker_conf *wc)
{
	assert_int_equal(peel_submit_queue_new(128, &rig->guest), 0);
	rig->guest_counts = calloc(1, sizeof(*rig->guest_counts));
	rig->overlays = calloc(1, sizeof(*rig->overlays));
	assert_true(rig->guest_counts != NULL && rig->overlays != NULL);
	rig->overlays->version = 1;
	rig->overlays->n = 1;
	memcpy(rig->overlays->prefix[0], rig_prefix, PEEL_PREFIX_LEN);
	rig->overlays->bucket[peel_guest_overlay_bucket(rig->overlays, rig_prefix)] = 1;
	wc->guest = rig->guest;
	wc->guest_counts = rig->guest_counts;
	wc->wake_guest = rig_wake_guest;
}

static void
start(struct rig *rig, const struct peel_aead_engine *engine, uint16_t flags,
	unsigned int n_workers, bool guest)
{
	static unsigned int n;
	char name[32];

	memset(rig, 0, sizeof(*rig));
	snprintf(name, sizeof(name), "rig%u", n++);
	rig->pool = peel_port_pool_new(name, 1024, false, SOCKET_ID_ANY);
	assert_non_null(rig->pool);
	assert_int_equal(peel_rcu_new(n_workers, &rig->rcu), 0);
	struct peel_route_conf rc = {
		.max_sessions = 64, .rcu = rig->rcu, .env = &peel_env_system, .heap = true};

	assert_int_equal(peel_route_table_new(&rc, &rig->routes), 0);
	assert_int_equal(peel_replay_new(4096, &peel_env_system, true, 0, &rig->replay), 0);
	assert_int_equal(peel_paths_new(16, rig->rcu, &rig->paths), 0);
	assert_int_equal(peel_mailbox_new(64, &rig->mailbox), 0);
	assert_int_equal(peel_submit_queue_new(128, &rig->submit_queue), 0);
	assert_int_equal(peel_listen_new(&peel_env_system, &rig->listen), 0);
	rig->policy.flags = flags;
	memcpy(rig->policy.prefix, rig_prefix, PEEL_PREFIX_LEN);

	struct peel_worker_conf wc = {
		.ops = &rig_ops,
		.port = (struct peel_port *)rig,
		.pool = rig->pool,
		.engine = engine,
		.routes = rig->routes,
		.replay = rig->replay,
		.rcu = rig->rcu,
		.mailbox = rig->mailbox,
		.paths = rig->paths,
		.submit_queue = rig->submit_queue,
		.stats = &rig->stats,
		.policy = &rig->policy,
		.n_prefixes = 2,
		.listen = rig->listen,
		.test_response_max = 1400,
		.test_rate = 100,
		.sleep = true,
		.idle_spins = 1,
		.wake_control = rig_wake,
		.wake_arg = rig,
		.env = &peel_env_system,
	};
	memcpy(wc.prefix[0], rig_prefix, PEEL_PREFIX_LEN);
	memcpy(wc.prefix[1], rig_prefix, PEEL_PREFIX_LEN);
	wc.prefix[1][5] ^= 0xff;
	if (guest)
		make_guest(rig, &wc);
	if (n_workers > 1) {
		assert_int_equal(peel_fan_new(n_workers, 64, &rig->fan), 0);
		wc.fan = rig->fan;
		wc.n_workers = n_workers;
	}
	assert_int_equal(peel_worker_new(&wc, &rig->worker), 0);
	peel_rcu_online(rig->rcu, 0);
	if (n_workers == 1)
		return;
	assert_int_equal(peel_mailbox_new(64, &rig->mailbox2), 0);
	wc.id = 1;
	wc.mailbox = rig->mailbox2;
	wc.submit_queue = NULL;
	wc.stats = &rig->stats2;
	assert_int_equal(peel_worker_new(&wc, &rig->worker2), 0);
	peel_rcu_online(rig->rcu, 1);
}

void
rig_start(struct rig *rig, const struct peel_aead_engine *engine, uint16_t flags)
{
	start(rig, engine, flags, 1, false);
}

void
rig_start_two(struct rig *rig, const struct peel_aead_engine *engine, uint16_t flags)
{
	start(rig, engine, flags, 2, false);
}

void
rig_start_guest(struct rig *rig, const struct peel_aead_engine *engine, uint16_t flags)
{
	start(rig, engine, flags, 1, true);
	peel_worker_set_overlays(rig->worker, rig->overlays);
}

void
rig_stop(struct rig *rig)
{
	peel_rcu_offline(rig->rcu, 0);
	if (rig->worker2 != NULL)
		peel_rcu_offline(rig->rcu, 1);
	peel_worker_free(rig->worker);
	peel_worker_free(rig->worker2);
	peel_fan_free(rig->fan);
	peel_mailbox_free(rig->mailbox);
	peel_mailbox_free(rig->mailbox2);
	peel_submit_queue_free(rig->submit_queue);
	peel_submit_queue_free(rig->guest);
	free(rig->guest_counts);
	free(rig->overlays);
	assert_int_equal(rte_mempool_in_use_count(rig->pool), 0);
	while (peel_rcu_poll(rig->rcu) > 0)
		;
	peel_listen_free(rig->listen);
	peel_replay_free(rig->replay);
	peel_paths_free(rig->paths);
	peel_route_table_free(rig->routes);
	peel_rcu_free(rig->rcu);
	rte_mempool_free(rig->pool);
}

void
rig_feed_endpoint(struct rig *rig, uint32_t endpoint, uint64_t cookie, const struct peel_addr *from,
	const void *data, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig->pool);
	void *p;

	assert_non_null(m);
	assert_true(rig->n_in < PEEL_PORT_BURST);
	p = rte_pktmbuf_append(m, (uint16_t)len);
	assert_non_null(p);
	memcpy(p, data, len);
	peel_pkt(m)->remote = *from;
	peel_pkt(m)->endpoint = endpoint;
	peel_pkt(m)->cookie = cookie;
	peel_pkt(m)->in_parts = rig->in_parts;
	rig->in[rig->n_in++] = m;
}

void
rig_feed(struct rig *rig, const struct peel_addr *from, const void *data, size_t len)
{
	rig_feed_endpoint(rig, PEEL_ENDPOINT_MAIN, 0, from, data, len);
}

void
rig_poll(struct rig *rig)
{
	rig->n_out = 0;
	peel_worker_poll(rig->worker);
	assert_int_equal(rig->n_in, 0);
}

struct rte_mbuf *
rig_pop(struct rig *rig, enum peel_msg_class cls)
{
	struct rte_mbuf *m;

	return peel_mailbox_pop_control(rig->mailbox, cls, &m, 1) == 1 ? m : NULL;
}

struct rte_mbuf *
rig_pop_guest(struct rig *rig)
{
	struct rte_mbuf *m;

	return peel_submit_queue_pop(rig->guest, &m, 1) == 1 ? m : NULL;
}

uint64_t
rig_count(const struct rig *rig, enum peel_counter c)
{
	return peel_stats_get(&rig->stats, c);
}

uint64_t
rig_drops(const struct rig *rig)
{
	uint64_t sum = 0;

	for (int c = PEEL_DROP_SHORT; c <= PEEL_DROP_RESOLVE; c++)
		sum += rig_count(rig, c);
	return sum;
}
