/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The port: rx makes what is due, tx looks at what the node says.
 */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "flood_port.h"
#include "peel_dhtmsg.h"
#include "peel_discovery.h"
#include "peel_overlay.h"
#include "relay_rig.h"

#define KEYS 64	       /* identities and points that creates are made of */
#define NET 10	       /* neighbours are 10.1.x.x, strangers 11.x.x.x, the target 10.2.0.1 */
#define RING 1024      /* strangers' creates that a card would hold for a late worker */
#define REPLIES_MAX 64 /* of the target, until the next rx */
#define WAIT_MS 20000
#define PATIENCE_MS 200 /* after the last question, and after a flood */
#define BODY (PEEL_CELL_HEADER_LEN + 256)

const char *const flood_ask_name[FLOOD_N_ASKS] = {"ping", "extend", "create"};

enum work {
	IDLE,
	JOIN,  /* neighbours' circuits */
	FLOOD, /* and then the neighbours' questions */
};

struct neighbour {
	struct peel_addr addr;
	uint32_t cid, second_cid; /* of its circuit, and of what it creates during the flood */
	struct peel_session_keys keys;
	uint64_t counter;
	uint64_t asked[FLOOD_N_ASKS], answered[FLOOD_N_ASKS]; /* TSC; 0: not yet */
	long preempted[FLOOD_N_ASKS];			      /* then; 0 if not meanwhile */
	bool joined, used;
};

struct reply {
	uint8_t data[512];
	size_t len;
};

static struct {
	struct peel_port_conf conf;
	struct flood_node node;
	struct peel_identity identity[KEYS], target;
	uint8_t secret[KEYS][PEEL_X_LEN], point[KEYS][PEEL_X_LEN];
	struct peel_addr target_addr;
	/* the program's, while the worker is IDLE; otherwise the worker's */
	struct neighbour neighbour[FLOOD_NEIGHBOURS];
	double cycles_per_create, cycles_per_ask;
	uint64_t begun;
	uint64_t n_creates;
	uint32_t n_asked, n_joined, serial;
	struct reply reply[REPLIES_MAX];
	unsigned int n_replies;
	_Atomic enum work work;
} f;

/* ---- messages -------------------------------------------------------------------------------- */

static size_t
build_create(uint8_t *out, uint32_t cid, unsigned int key)
{
	const struct peel_msg_create m = {
		.identifier = (uint16_t)cid,
		.pk = {f.identity[key].pk, PEEL_PK_LEN},
		.x = {f.point[key], PEEL_X_LEN},
	};
	int len = peel_create_build(out + PEEL_CELL_HEADER_LEN, BODY - PEEL_CELL_HEADER_LEN, &m);

	peel_cell_header(out, f.node.prefix[PEEL_COMMUNITY_TUNNEL], cid, true, true);
	return PEEL_CELL_HEADER_LEN + (size_t)len;
}

static size_t
seal(struct neighbour *nb, const uint8_t *msg, size_t len, bool early, uint8_t *out)
{
	peel_cell_header(out, f.node.prefix[PEEL_COMMUNITY_TUNNEL], nb->cid, false, early);
	peel_seal_one(&nb->keys.forward, nb->keys.salt_forward, ++nb->counter, msg, len,
		out + PEEL_CELL_HEADER_LEN);
	return PEEL_CELL_HEADER_LEN + len + PEEL_SEAL_OVERHEAD;
}

static size_t
build_extend(struct neighbour *nb, uint8_t *out)
{
	const struct peel_msg_extend m = {
		.identifier = 1,
		.pk = {f.target.pk, PEEL_PK_LEN},
		.x = {f.point[0], PEEL_X_LEN},
		.address = f.target_addr,
	};
	uint8_t msg[256];
	int len = peel_extend_build(msg, sizeof(msg), &m);

	return seal(nb, msg, (size_t)len, true, out);
}

/* A message that the worker answers: the circuit is used now. */
static size_t
build_use(struct neighbour *nb, uint8_t *out)
{
	const uint8_t ping[] = {PEEL_MSG_PING, 0, 1};

	return seal(nb, ping, sizeof(ping), false, out);
}

static size_t
build_ping(uint32_t i, uint8_t *out)
{
	struct peel_writer w = peel_writer_init(out, BODY);

	peel_unsigned_begin(
		&w, f.node.prefix[PEEL_COMMUNITY_DISCOVERY], PEEL_MSG_DISCOVERY_PING, 1);
	peel_write_u16(&w, (uint16_t)i);
	return peel_writer_len(&w);
}

static void
build_ask(struct neighbour *nb, enum flood_ask ask, uint8_t *out, size_t *len)
{
	uint32_t i = (uint32_t)(nb - f.neighbour);

	switch (ask) {
	case FLOOD_PING:
		*len = build_ping(i, out);
		break;
	case FLOOD_EXTEND:
		*len = build_extend(nb, out);
		break;
	default:
		nb->second_cid = ++f.serial * 2654435761u;
		*len = build_create(out, nb->second_cid, i % KEYS);
	}
}

/* ---- what the target answers ----------------------------------------------------------------- */

static struct reply *
reply_new(void)
{
	if (f.n_replies == REPLIES_MAX)
		bench_fail("the target has too much to say");
	return &f.reply[f.n_replies++];
}

static void
reply_pong(const uint8_t *data, size_t len)
{
	struct peel_signed s;
	uint32_t identifier;

	if (peel_signed_parse(data, len, false, false, &s) != 0 ||
		s.id != PEEL_MSG_DHT_PING_REQUEST || peel_dht_plain_parse(s.body, &identifier) != 0)
		return;
	struct reply *r = reply_new();
	struct peel_writer w = peel_writer_init(r->data, sizeof(r->data));

	peel_signed_begin(&w, f.node.prefix[PEEL_COMMUNITY_DHT], PEEL_MSG_DHT_PING_RESPONSE,
		f.target.pk, false, 0);
	peel_dht_plain_write(&w, identifier);
	peel_sign(&w, &f.target);
	r->len = peel_writer_len(&w);
}

static void
reply_created(const struct peel_cell *cell)
{
	uint8_t y[32] = {1}, auth[32] = {2}, enc[PEEL_SEAL_OVERHEAD + 1] = {3};
	struct peel_msg_create in;

	if (peel_create_parse(cell->message.p + 1, cell->message.len - 1, &in) != 0)
		bench_fail("a wrong create");
	const struct peel_msg_created m = {
		.identifier = in.identifier,
		.y = {y, sizeof(y)},
		.auth = {auth, sizeof(auth)},
		.candidates_enc = {enc, sizeof(enc)},
	};
	struct reply *r = reply_new();
	int len = peel_created_build(r->data + PEEL_CELL_HEADER_LEN,
		sizeof(r->data) - PEEL_CELL_HEADER_LEN, PEEL_MSG_CREATED, &m);

	peel_cell_header(r->data, f.node.prefix[PEEL_COMMUNITY_TUNNEL], cell->cid, true, false);
	r->len = PEEL_CELL_HEADER_LEN + (size_t)len;
}

static void
at_target(const uint8_t *data, size_t len)
{
	struct peel_cell cell;

	if (memcmp(data, f.node.prefix[PEEL_COMMUNITY_DHT], PEEL_PREFIX_LEN) == 0)
		reply_pong(data, len);
	else if (peel_cell_parse(data, len, &cell) == 0 && cell.plain &&
		 cell.message.p[0] == PEEL_MSG_CREATE)
		reply_created(&cell);
}

/* Of the worker, which this is, and of the control thread. */
static long
preemptions(void)
{
	return relay_rig_preemptions() + *f.node.preemptions;
}

/* ---- what neighbours hear -------------------------------------------------------------------- */

static void
answered(struct neighbour *nb, enum flood_ask ask)
{
	if (nb->asked[ask] == 0 || nb->answered[ask] != 0)
		return;
	nb->answered[ask] = rte_rdtsc();
	nb->preempted[ask] = preemptions() - nb->preempted[ask];
}

static void
joined(struct neighbour *nb, const struct peel_cell *cell)
{
	uint32_t i = (uint32_t)(nb - f.neighbour);
	struct peel_msg_created m;

	if (peel_created_parse(cell->message.p + 1, cell->message.len - 1, &m) != 0 ||
		peel_handshake_finish(f.secret[i % KEYS], f.node.pk, m.y.p, m.auth.p, &nb->keys) !=
			0)
		bench_fail("a wrong created");
	nb->counter = peel_random_u64(&peel_env_system) >> 2;
	nb->joined = true;
	f.n_joined++;
}

static void
at_neighbour(struct neighbour *nb, const uint8_t *data, size_t len)
{
	struct peel_cell cell;

	if (memcmp(data, f.node.prefix[PEEL_COMMUNITY_DISCOVERY], PEEL_PREFIX_LEN) == 0) {
		answered(nb, FLOOD_PING);
		return;
	}
	if (peel_cell_parse(data, len, &cell) != 0)
		return;
	if (!cell.plain && cell.cid == nb->cid)
		answered(nb, FLOOD_EXTEND);
	else if (cell.plain && cell.cid == nb->second_cid)
		answered(nb, FLOOD_CREATE);
	else if (cell.plain && cell.cid == nb->cid && !nb->joined)
		joined(nb, &cell);
}

static void
flood_tx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	(void)port;
	(void)queue;
	for (uint16_t i = 0; i < n; i++) {
		const struct peel_addr *to = &peel_pkt(pkts[i])->remote;
		const uint8_t *data = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		uint32_t k = (uint32_t)to->ip[2] << 8 | to->ip[3];

		if (peel_addr_equal(to, &f.target_addr))
			at_target(data, pkts[i]->data_len);
		else if (to->ip[0] == NET && to->ip[1] == 1 && k < FLOOD_NEIGHBOURS)
			at_neighbour(&f.neighbour[k], data, pkts[i]->data_len);
	}
	rte_pktmbuf_free_bulk(pkts, n);
}

/* ---- what arrives ---------------------------------------------------------------------------- */

static struct rte_mbuf *
packet(const struct peel_addr *from, uint8_t **data)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(f.conf.pool);

	if (m == NULL)
		bench_fail("no packet buffers");
	peel_pkt(m)->remote = *from;
	peel_pkt(m)->endpoint = PEEL_ENDPOINT_MAIN;
	*data = rte_pktmbuf_mtod(m, uint8_t *);
	return m;
}

static struct rte_mbuf *
packet_end(struct rte_mbuf *m, size_t len)
{
	rte_pktmbuf_append(m, (uint16_t)len);
	return m;
}

static uint16_t
replies(struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got = 0;

	for (uint8_t *data; got < n && f.n_replies > 0; got++) {
		const struct reply *r = &f.reply[--f.n_replies];
		struct rte_mbuf *m = packet(&f.target_addr, &data);

		memcpy(data, r->data, r->len);
		pkts[got] = packet_end(m, r->len);
	}
	return got;
}

/* One at a time: first all join, then all use their circuits. */
static uint16_t
join_one(struct rte_mbuf **pkts)
{
	struct neighbour *nb;
	struct rte_mbuf *m;
	uint8_t *data;

	if (f.n_asked < FLOOD_NEIGHBOURS && f.n_asked == f.n_joined) {
		nb = &f.neighbour[f.n_asked];
		m = packet(&nb->addr, &data);
		pkts[0] = packet_end(m, build_create(data, nb->cid, f.n_asked % KEYS));
		f.n_asked++;
		return 1;
	}
	if (f.n_asked > f.n_joined)
		return 0;
	nb = &f.neighbour[f.n_asked - FLOOD_NEIGHBOURS];
	m = packet(&nb->addr, &data);
	pkts[0] = packet_end(m, build_use(nb, data));
	f.n_joined = ++f.n_asked;
	if (f.n_asked == 2 * FLOOD_NEIGHBOURS)
		atomic_store(&f.work, IDLE);
	return 1;
}

static uint16_t
ask_one(struct rte_mbuf **pkts, uint64_t now)
{
	if (f.n_asked >= FLOOD_N_ASKS * FLOOD_NEIGHBOURS ||
		(double)(now - f.begun) < f.n_asked * f.cycles_per_ask)
		return 0;
	enum flood_ask ask = (enum flood_ask)(f.n_asked % FLOOD_N_ASKS);
	struct neighbour *nb = &f.neighbour[f.n_asked++ / FLOOD_N_ASKS];
	uint8_t *data;
	struct rte_mbuf *m = packet(&nb->addr, &data);
	size_t len;

	build_ask(nb, ask, data, &len);
	pkts[0] = packet_end(m, len);
	nb->preempted[ask] = preemptions();
	nb->asked[ask] = rte_rdtsc();
	return 1;
}

/* Each from another address, with another id. */
static uint16_t
strangers(struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	uint64_t due;
	uint16_t got = 0;

	due = (uint64_t)((double)(now - f.begun) / f.cycles_per_create);
	if (due > f.n_creates + RING)
		f.n_creates = due - RING;
	for (uint8_t *data; got < n && f.n_creates < due; got++, f.n_creates++) {
		uint32_t serial = ++f.serial;
		const struct peel_addr from = peel_addr_ipv4(NET + 1, (uint8_t)(serial >> 16),
			(uint8_t)(serial >> 8), (uint8_t)serial, 7000);
		struct rte_mbuf *m = packet(&from, &data);

		pkts[got] = packet_end(m, build_create(data, serial * 2654435761u, serial % KEYS));
	}
	return got;
}

static uint16_t
flood_rx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	enum work work = atomic_load_explicit(&f.work, memory_order_acquire);
	uint16_t got = replies(pkts, n / 2);
	uint64_t now = rte_rdtsc();

	(void)port;
	(void)queue;
	if (work == JOIN)
		return got + join_one(pkts + got);
	if (work != FLOOD)
		return got;
	got += ask_one(pkts + got, now);
	return got + strangers(pkts + got, (uint16_t)(n - got), now);
}

/* ---- the rest of a port ---------------------------------------------------------------------- */

static int
flood_open(const struct peel_port_conf *conf, struct peel_port **out, char *why, size_t why_size)
{
	(void)why;
	(void)why_size;
	f.conf = *conf;
	*out = (struct peel_port *)&f; /* each driver has a struct of its own behind this name */
	return 0;
}

static void
flood_close(struct peel_port *port)
{
	(void)port;
}

static void
flood_local(const struct peel_port *port, struct peel_addr *out)
{
	(void)port;
	*out = f.conf.listen;
}

static void
flood_flush(struct peel_port *port, uint16_t queue)
{
	(void)port;
	(void)queue;
}

static bool
flood_can_reach(const struct peel_port *port, bool exit, const struct peel_addr *to)
{
	(void)port;
	(void)exit;
	(void)to;
	return true;
}

const struct peel_port_ops flood_port = {
	.name = "flood",
	.open = flood_open,
	.close = flood_close,
	.local = flood_local,
	.rx = flood_rx,
	.tx = flood_tx,
	.flush = flood_flush,
	.can_reach = flood_can_reach,
};

/* ---- for the program ------------------------------------------------------------------------- */

void
flood_port_init(const struct flood_node *node)
{
	f.node = *node;
	f.target_addr = peel_addr_ipv4(NET, 2, 0, 1, 7000);
	bench_must(peel_identity_generate(&peel_env_system, &f.target), "identity");
	for (unsigned int i = 0; i < KEYS; i++) {
		bench_must(peel_identity_generate(&peel_env_system, &f.identity[i]), "identity");
		bench_must(peel_handshake_start(&peel_env_system, f.secret[i], f.point[i]),
			"handshake");
	}
}

static void
work(enum work what, unsigned int ms)
{
	f.begun = rte_rdtsc();
	f.n_creates = 0;
	f.n_asked = f.n_joined = 0;
	atomic_store_explicit(&f.work, what, memory_order_release);
	for (unsigned int waited = 0; what == JOIN && atomic_load(&f.work) != IDLE; waited++) {
		if (waited > WAIT_MS)
			bench_fail("the node does not join circuits");
		usleep(1000);
	}
	usleep(ms * 1000);
	atomic_store_explicit(&f.work, IDLE, memory_order_release);
}

void
flood_port_circuits(void)
{
	for (uint32_t i = 0; i < FLOOD_NEIGHBOURS; i++) {
		f.neighbour[i] = (struct neighbour){
			.addr = peel_addr_ipv4(NET, 1, (uint8_t)(i >> 8), (uint8_t)i, 7000),
			.cid = ++f.serial * 2654435761u,
		};
	}
	usleep(PATIENCE_MS * 1000); /* what is left of a flood */
	work(JOIN, 0);
}

void
flood_port_flood(double creates_per_s, double asks_per_s)
{
	f.cycles_per_create = bench_tsc_hz() / creates_per_s;
	f.cycles_per_ask = bench_tsc_hz() / asks_per_s;
	work(FLOOD,
		(unsigned int)(1000 * FLOOD_N_ASKS * FLOOD_NEIGHBOURS / asks_per_s) + PATIENCE_MS);
}

void
flood_port_waits(enum flood_ask ask, struct flood_waits *out)
{
	out->n = out->answered = 0;
	for (uint32_t i = 0; i < FLOOD_NEIGHBOURS; i++) {
		const struct neighbour *nb = &f.neighbour[i];

		if (nb->answered[ask] == 0)
			continue;
		out->answered++;
		if (nb->preempted[ask] == 0)
			out->cycles[out->n++] = (double)(nb->answered[ask] - nb->asked[ask]);
	}
}
