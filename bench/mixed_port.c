/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The port: its rx and tx are what the clock sees, flush makes the next batch.
 */
#include <stdatomic.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "bench.h"
#include "mixed_port.h"
#include "relay_rig.h"

static struct {
	struct peel_port_conf conf;
	struct peel_port *load;
	uint32_t batch, prepared;
	/* the worker's */
	struct mixed_script *script;
	struct rte_mbuf *mail[PEEL_PORT_BURST]; /* of the script, for the next rx */
	struct mixed_message *mail_of[PEEL_PORT_BURST];
	uint16_t n_mail;
	struct rte_mbuf *answer[4 * PEEL_PORT_BURST]; /* sent in this batch */
	uint64_t answer_tsc[4 * PEEL_PORT_BURST];
	uint16_t n_answers;
	uint64_t begun;
	long preempted;
	/* the worker writes, others read */
	_Atomic(struct mixed_script *) wanted, playing;
	_Atomic uint64_t cells, cycles;
} m;

static int
mixed_open(const struct peel_port_conf *conf, struct peel_port **out, char *why, size_t why_size)
{
	(void)why;
	(void)why_size;
	m.conf = *conf;
	*out = (struct peel_port *)&m; /* each driver has a struct of its own behind this name */
	return 0;
}

static void
mixed_close(struct peel_port *port)
{
	(void)port;
	peel_port_load.close(m.load);
}

static void
mixed_local(const struct peel_port *port, struct peel_addr *out)
{
	(void)port;
	*out = m.conf.listen;
}

void
mixed_port_load(const struct peel_load_conf *conf)
{
	struct peel_load_conf load = *conf;

	load.pool = m.conf.pool;
	m.batch = load.batch;
	bench_must(peel_load_new(&load, &m.load), "load port");
	bench_must(peel_load_publish(m.load, 0), "circuits");
}

/* ---- what the clock sees --------------------------------------------------------------------- */

static uint16_t
mixed_rx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t mail = peel_load_left(m.load, queue) > 0 ? m.n_mail : 0;

	(void)port;
	for (uint16_t i = 0; i < mail; i++) {
		pkts[i] = m.mail[i];
		m.mail_of[i]->handed = rte_rdtsc();
	}
	m.n_mail = (uint16_t)(m.n_mail - mail);
	return mail + peel_port_load.rx(m.load, queue, pkts + mail, (uint16_t)(n - mail));
}

/* The neighbours of the load are no strangers to it; to others the node has nothing to say. */
static void
mixed_tx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mbuf *load[PEEL_PORT_BURST];
	uint16_t n_load = 0;

	(void)port;
	for (uint16_t i = 0; i < n; i++) {
		uint8_t net = peel_pkt(pkts[i])->remote.ip[0];

		if (net == 45 || net == 46) {
			load[n_load++] = pkts[i];
			continue;
		}
		if (net == MIXED_NET && m.n_answers < PEEL_ARRAY_LEN(m.answer)) {
			m.answer_tsc[m.n_answers] = rte_rdtsc();
			m.answer[m.n_answers++] = pkts[i];
		} else {
			rte_pktmbuf_free(pkts[i]);
		}
	}
	peel_port_load.tx(m.load, queue, load, n_load);
}

/* ---- between two batches --------------------------------------------------------------------- */

static void
log_answer(struct mixed_script *s, struct rte_mbuf *pkt, uint64_t tsc)
{
	const struct peel_addr *to = &peel_pkt(pkt)->remote;
	struct mixed_answer *answer = &s->answer[s->n_answers];

	if (s->n_answers == s->answers_max || pkt->data_len > sizeof(answer->data))
		return;
	answer->sent = tsc;
	answer->neighbour = (uint32_t)to->ip[1] << 16 | (uint32_t)to->ip[2] << 8 | to->ip[3];
	answer->len = pkt->data_len;
	memcpy(answer->data, rte_pktmbuf_mtod(pkt, uint8_t *), pkt->data_len);
	atomic_fetch_add_explicit(&s->n_answers, 1, memory_order_release);
}

static void
log_answers(void)
{
	for (uint16_t i = 0; m.script != NULL && i < m.n_answers; i++)
		log_answer(m.script, m.answer[i], m.answer_tsc[i]);
	rte_pktmbuf_free_bulk(m.answer, m.n_answers);
	m.n_answers = 0;
}

static void
take_mail(void)
{
	struct mixed_script *s = m.script;

	while (s != NULL && m.n_mail < PEEL_PORT_BURST / 2 &&
		s->taken < atomic_load_explicit(&s->released, memory_order_acquire)) {
		struct rte_mbuf *pkt = rte_pktmbuf_alloc(m.conf.pool);
		struct mixed_message *message = &s->message[s->taken];

		if (pkt == NULL)
			bench_fail("no packet buffers");
		memcpy(rte_pktmbuf_append(pkt, message->len), message->data, message->len);
		peel_pkt(pkt)->remote = message->from;
		peel_pkt(pkt)->endpoint = PEEL_ENDPOINT_MAIN;
		m.mail_of[m.n_mail] = message;
		m.mail[m.n_mail++] = pkt;
		s->taken++;
	}
}

static void
mixed_flush(struct peel_port *port, uint16_t queue)
{
	uint64_t now = rte_rdtsc();
	long preempted;

	(void)port;
	/* The worker keeps nothing from one round to the next. */
	if (peel_load_left(m.load, queue) > 0)
		return;
	preempted = relay_rig_preemptions();
	if (m.begun != 0 && preempted == m.preempted) {
		m.cells += m.prepared;
		m.cycles += now - m.begun;
	}
	peel_load_collect(m.load, queue);
	log_answers();
	if (m.n_mail == 0) {
		m.script = atomic_load(&m.wanted);
		atomic_store(&m.playing, m.script);
	}
	take_mail();
	/* All batches are of one length, so that the worker's last group is no shorter. */
	m.prepared = m.batch - m.n_mail;
	if (peel_load_prepare(m.load, queue, m.prepared) < m.prepared)
		bench_fail("no packet buffers");
	m.preempted = relay_rig_preemptions();
	m.begun = rte_rdtsc();
}

/* ---- for the program ------------------------------------------------------------------------- */

void
mixed_port_play(struct mixed_script *script)
{
	if (script != NULL)
		script->released = script->n_answers = script->taken = 0;
	atomic_store(&m.wanted, script);
	while (atomic_load(&m.playing) != script)
		usleep(100);
}

struct mixed_work
mixed_port_work(void)
{
	return (struct mixed_work){.cells = m.cells, .cycles = m.cycles};
}

uint64_t
mixed_port_wrong(void)
{
	const struct peel_load_count *n = peel_load_count(m.load, 0);

	return n->wrong + n->out_of_order + (n->checked == 0);
}

static bool
mixed_can_reach(const struct peel_port *port, bool exit, const struct peel_addr *to)
{
	(void)port;
	(void)exit;
	(void)to;
	return true;
}

const struct peel_port_ops mixed_port = {
	.name = "mixed",
	.open = mixed_open,
	.close = mixed_close,
	.local = mixed_local,
	.rx = mixed_rx,
	.tx = mixed_tx,
	.flush = mixed_flush,
	.can_reach = mixed_can_reach,
};
