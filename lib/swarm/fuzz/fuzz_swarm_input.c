/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * A user of two swarms, one that it seeds and looks for and one that it looks for, among nodes that
 * build circuits as they should, and what strangers say over them. The first byte: whether the ends
 * of circuits do their part, too. Then pieces: what it is, its length, its bytes.
 */
#include <errno.h>

#include "fuzz_world.h"
#include "peel_discovery.h"
#include "peel_swarm.h"

#define NODES 5
#define CIRCUITS 24
#define HOPS 2
#define ASKED 16

static const uint8_t prefix[PEEL_PREFIX_LEN] = {0, 2, 'f', 'u', 'z', 'z'};
static struct peel_identity me, service, node[NODES];

/* Of the nodes, for a circuit of ours. */
struct half {
	uint32_t cid;
	unsigned int n;
	struct peel_session_keys keys[HOPS];
	bool sealed; /* what comes now may be sealed end to end */
};

static struct half half[CIRCUITS];
static unsigned int n_halves;
static bool helpful;
static uint16_t asked[ASKED]; /* identifiers of requests */
static unsigned int n_asked;

static struct peel_rcu *rcu;
static struct peel_route_table *routes;
static struct peel_paths *paths;
static struct peel_origin_circuits *origin;
static struct peel_swarms *swarms;
static unsigned int n_peers;

/* What the nodes answer comes after the call that asked. */
static struct {
	bool cell;
	uint32_t half;
	size_t len;
	uint8_t data[PEEL_DATAGRAM_MAX];
} answer[64];
static unsigned int n_answers;

static struct peel_addr
addr_of(unsigned int i)
{
	return peel_addr_ipv4(20, (uint8_t)(1 + i), 3, 4, 8090);
}

/* ---- the nodes ------------------------------------------------------------------------------- */

static void
queue(uint32_t at, bool cell, const uint8_t *data, size_t len)
{
	if (n_answers == PEEL_ARRAY_LEN(answer))
		return;
	answer[n_answers].cell = cell;
	answer[n_answers].half = at;
	answer[n_answers].len = len;
	memcpy(answer[n_answers++].data, data, len);
}

/* created or extended; the list of candidates is empty. */
static void
join_hop(struct half *h, const struct peel_identity *id, uint8_t say, uint16_t identifier,
	const uint8_t *x)
{
	static const uint8_t nobody[1];
	uint8_t y[32], auth[32], list[1 + PEEL_SEAL_OVERHEAD], out[256];
	struct peel_session_keys *keys = &h->keys[h->n];
	const struct peel_msg_created m = {.identifier = identifier,
		.y = {y, 32},
		.auth = {auth, 32},
		.candidates_enc = {list, sizeof(list)}};

	if (h->n == HOPS || peel_handshake_respond(&fuzz_env, id, x, y, auth, keys) != 0)
		return;
	peel_seal_one(&keys->forward, keys->salt_forward, UINT64_MAX, nobody, 1, list);
	h->n++;
	queue((uint32_t)(h - half), say == PEEL_MSG_EXTENDED, out,
		(size_t)peel_created_build(out, sizeof(out), say, &m));
}

static void
extend(struct half *h, const uint8_t *msg, size_t len)
{
	struct peel_msg_extend m;

	if (peel_extend_parse(msg + 1, len - 1, &m) != 0)
		abort();
	for (unsigned int i = 0; i < NODES; i++) {
		if (memcmp(node[i].pk, m.pk.p, PEEL_PK_LEN) == 0)
			join_hop(h, &node[i], PEEL_MSG_EXTENDED, m.identifier, m.x.p);
	}
}

static void
remember(const uint8_t *at)
{
	asked[n_asked++ % ASKED] = peel_get_be16(at);
}

/* node[3] seeds, too: node[2] introduces it, and node[4] is its rendezvous point. */
static void
tell_peers(uint32_t at, const uint8_t *msg)
{
	uint8_t out[256];
	const struct peel_msg_peers_response m = {.identifier = peel_get_be16(msg + 1),
		.info_hash = msg + 3,
		.n = 1,
		.peer = {{.address = addr_of(2),
			.pk = {node[2].pk, PEEL_PK_LEN},
			.seeder_pk = {node[3].pk, PEEL_PK_LEN},
			.source = PEEL_SOURCE_DHT}}};

	queue(at, true, out, (size_t)peel_peers_response_build(out, sizeof(out), false, &m));
}

static void
seed(uint32_t at, const struct peel_msg_create_e2e *m)
{
	static const uint8_t cookie[PEEL_COOKIE_LEN] = {7};
	const struct peel_rendezvous_info info = {
		.address = addr_of(4), .pk = {node[4].pk, PEEL_PK_LEN}, .cookie = cookie};
	uint8_t y[32], auth[32], plain[128], sealed[160], d[PEEL_PREFIX_LEN + 256], out[512];
	struct peel_msg_created created = {
		.identifier = m->identifier, .y = {y, 32}, .auth = {auth, 32}};
	struct peel_session_keys keys;
	int len = peel_rendezvous_info_build(plain, sizeof(plain), &info);

	if (memcmp(m->seeder_pk.p, node[3].pk, PEEL_PK_LEN) != 0 ||
		peel_handshake_respond(&fuzz_env, &node[3], m->x.p, y, auth, &keys) != 0)
		return;
	peel_seal_one(&keys.forward, keys.salt_forward, 1, plain, (size_t)len, sealed);
	created.candidates_enc = (struct peel_span){sealed, (size_t)len + PEEL_SEAL_OVERHEAD};
	memcpy(d, prefix, PEEL_PREFIX_LEN);
	len = peel_created_build(d + PEEL_PREFIX_LEN, 256, PEEL_MSG_CREATED_E2E, &created);
	const struct peel_msg_data data = {.origin = {.type = PEEL_HOST_IPV4, .addr = addr_of(2)},
		.destination = {.type = PEEL_HOST_IPV4},
		.payload = {d, PEEL_PREFIX_LEN + (size_t)len}};

	queue(at, true, out, (size_t)peel_data_build(out, sizeof(out), &data));
}

static void
at_outside(uint32_t at, const struct peel_span *datagram)
{
	const uint8_t *body = datagram->p + PEEL_HEADER_LEN;
	struct peel_msg_create_e2e m;

	if (datagram->len < PEEL_HEADER_LEN + 6)
		abort();
	remember(body + (datagram->p[PEEL_PREFIX_LEN] == PEEL_MSG_PEERS_REQUEST ? 4 : 0));
	if (helpful && datagram->p[PEEL_PREFIX_LEN] == PEEL_MSG_CREATE_E2E &&
		peel_create_e2e_parse(body, datagram->len - PEEL_HEADER_LEN, &m) == 0)
		seed(at, &m);
}

/* The end of a circuit. */
static void
at_end(struct half *h, const uint8_t *msg, size_t len)
{
	struct peel_msg_rendezvous_established m = {.address = addr_of(1)};
	struct peel_msg_data data;
	uint8_t out[64];
	uint32_t at = (uint32_t)(h - half);

	switch (msg[0]) {
	case PEEL_MSG_EXTEND:
		extend(h, msg, len);
		break;
	case PEEL_MSG_ESTABLISH_INTRO:
	case PEEL_MSG_LINK_E2E:
		remember(msg + 1);
		h->sealed = msg[0] == PEEL_MSG_LINK_E2E;
		if (helpful)
			queue(at, true, out,
				(size_t)peel_identifier_build(out, sizeof(out),
					(uint8_t)(msg[0] + 1), peel_get_be16(msg + 1)));
		break;
	case PEEL_MSG_ESTABLISH_RENDEZVOUS:
		remember(msg + 1);
		h->sealed = true;
		m.identifier = peel_get_be16(msg + 1);
		if (helpful)
			queue(at, true, out,
				(size_t)peel_rendezvous_established_build(out, sizeof(out), &m));
		break;
	case PEEL_MSG_PEERS_REQUEST:
		remember(msg + 1);
		if (helpful)
			tell_peers(at, msg);
		break;
	case PEEL_MSG_DATA:
		if (peel_data_parse(msg + 1, len - 1, &data) == 0)
			at_outside(at, &data.payload);
		break;
	}
}

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	uint8_t msg[PEEL_DATAGRAM_MAX], in[PEEL_DATAGRAM_MAX];
	struct peel_msg_create m;
	struct peel_cell cell;
	struct half *h = NULL;

	(void)arg;
	if (len > PEEL_DATAGRAM_MAX || to->port == 0)
		abort();
	if (peel_cell_parse(data, len, &cell) != 0)
		return; /* destroy */
	for (unsigned int i = 0; i < n_halves && i < CIRCUITS; i++) {
		if (half[i].cid == cell.cid)
			h = &half[i];
	}
	if (cell.plain) {
		if (h == NULL)
			h = &half[n_halves++ % CIRCUITS];
		*h = (struct half){.cid = cell.cid};
		if (peel_create_parse(cell.message.p + 1, cell.message.len - 1, &m) != 0)
			abort();
		join_hop(h, &node[(to->ip[1] - 1) % NODES], PEEL_MSG_CREATED, m.identifier, m.x.p);
		return;
	}
	if (h == NULL || h->n == 0)
		return;
	int got = (int)cell.message.len;

	memcpy(msg, cell.message.p, cell.message.len);
	for (unsigned int i = 0; i < h->n && got > 0; i++) {
		memcpy(in, msg, (size_t)got);
		got = peel_open_one(
			&h->keys[i].forward, h->keys[i].salt_forward, in, (size_t)got, msg);
	}
	if (got <= 0)
		abort(); /* sealed with other keys */
	if (!h->sealed)
		at_end(h, msg, (size_t)got);
}

static size_t
on_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	size_t i;

	(void)arg;
	(void)all;
	(void)none;
	for (i = 0; i < NODES && i < n; i++) {
		out[i] = (struct peel_target){.addr = addr_of((unsigned int)i),
			.flags = PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT};
		memcpy(out[i].pk, node[i].pk, PEEL_PK_LEN);
	}
	return i;
}

static bool
on_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	(void)arg;
	(void)pk;
	(void)out;
	return false;
}

static void
on_ready(void *arg, peel_origin_id id)
{
	(void)arg;
	peel_swarms_circuit_ready(swarms, id);
}

static void
on_ended(void *arg, peel_origin_id id, enum peel_origin_end why)
{
	(void)arg;
	(void)why;
	if (swarms != NULL)
		peel_swarms_circuit_ended(swarms, id);
}

static void
on_peer(void *arg, uint32_t swarm, peel_origin_id circuit, bool connected)
{
	(void)arg;
	(void)swarm;
	if (circuit == 0 || (!connected && n_peers == 0))
		abort();
	n_peers += connected ? 1u : -1u;
}

/* ---- the user -------------------------------------------------------------------------------- */

static peel_origin_id
circuit_of(const struct half *h)
{
	for (unsigned int i = 0; i < NODES; i++) {
		struct peel_addr from = addr_of(i);
		uint32_t slot = peel_route_lookup(routes, &from, h->cid);

		if (slot == PEEL_NONE)
			continue;
		uint32_t path = peel_route_at(routes, slot)->peer;

		return peel_origin_make_id(path, peel_path_generation(paths, path));
	}
	return 0;
}

static void
deliver(unsigned int i)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	const struct half *h = &half[answer[i].half];

	if (answer[i].cell) {
		peel_origin_id id = circuit_of(h);
		struct peel_msg_data m;

		if (answer[i].data[0] == PEEL_MSG_DATA) {
			if (peel_data_parse(answer[i].data + 1, answer[i].len - 1, &m) != 0)
				abort();
			(void)peel_swarms_datagram(
				swarms, id, &m.origin, m.payload.p, m.payload.len);
			return;
		}

		if (peel_origin_message(origin, id, answer[i].data, answer[i].len) == -ENOENT)
			(void)peel_swarms_message(swarms, id, answer[i].data, answer[i].len);
		return;
	}
	peel_cell_header(out, prefix, h->cid, true, false);
	memcpy(out + PEEL_CELL_HEADER_LEN, answer[i].data, answer[i].len);
	for (unsigned int k = 0; k < NODES; k++) {
		struct peel_addr from = addr_of(k);

		(void)peel_origin_datagram(
			origin, &from, out, PEEL_CELL_HEADER_LEN + answer[i].len);
	}
}

static void
settle(void)
{
	for (unsigned int round = 0; round < 8; round++) {
		(void)peel_origin_tick(origin);
		(void)peel_swarms_tick(swarms);
		for (unsigned int i = 0; i < n_answers; i++)
			deliver(i);
		n_answers = 0;
	}
	peel_rcu_poll(rcu);
}

static void
join(uint8_t hash, bool seed)
{
	struct peel_swarm_spec spec = {
		.info_hash = {hash}, .hops = 1, .seed = seed, .find = true, .key = &service};
	uint32_t swarm;

	int ret = peel_swarm_join(swarms, &spec, &swarm);

	/* The key serves one service at a time. */
	if (ret != 0 && ret != -EEXIST && ret != -EKEYREJECTED)
		abort();
}

static void
open_all(void)
{
	static struct peel_stats stats;
	const struct peel_route_conf rc = {
		.max_sessions = 128, .rcu = rcu, .env = &fuzz_env, .heap = true};
	struct peel_origin_conf oc = {.env = &fuzz_env,
		.identity = &me,
		.stats = &stats,
		.send = on_send,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.ready = on_ready,
		.ended = on_ended};
	struct peel_swarms_conf sc = {
		.env = &fuzz_env, .identity = &me, .stats = &stats, .peer = on_peer};

	memcpy(oc.prefix, prefix, sizeof(prefix));
	memcpy(sc.prefix, prefix, sizeof(prefix));
	peel_origin_settings_init(&oc.settings);
	peel_swarm_settings_init(&sc.settings);
	if (peel_route_table_new(&rc, &routes) != 0 || peel_paths_new(CIRCUITS, rcu, &paths) != 0)
		abort();
	oc.routes = routes;
	oc.paths = paths;
	if (peel_origin_new(&oc, &origin) != 0)
		abort();
	sc.origin_circuits = origin;
	if (peel_swarms_new(&sc, &swarms) != 0)
		abort();
	join(1, true);
	join(2, false);
	settle();
}

static void
check(void *arg, uint32_t swarm, const struct peel_swarm_info *info)
{
	uint32_t *connections = arg;

	(void)swarm;
	*connections += info->connections;
	if (info->known > 64 || info->seeders > info->known || info->introductions > 4 ||
		info->pending > 8 + 24)
		abort();
}

static void
step(uint8_t what, uint8_t *p, size_t len)
{
	const struct peel_host from = {
		.type = PEEL_HOST_IPV4, .addr = peel_addr_ipv4(203, 0, 113, what, 7)};
	peel_origin_id id = circuit_of(&half[what / 8 % CIRCUITS]);
	uint8_t d[PEEL_PREFIX_LEN + 256];
	uint32_t connections = 0;

	/* Half of the time the identifier is one that somebody waits for. */
	if ((what & 1) != 0 && len >= 7)
		peel_put_be16(p + ((what & 2) != 0 && p[0] == PEEL_MSG_PEERS_RESPONSE ? 5 : 1),
			asked[p[1] % ASKED]);
	/* What nobody can guess. */
	if (len >= 3 + PEEL_INFO_HASH_LEN + 2 + PEEL_PK_LEN && p[0] == PEEL_MSG_CREATE_E2E)
		memcpy(p + 3 + PEEL_INFO_HASH_LEN + 2, service.pk, PEEL_PK_LEN);
	memcpy(d, prefix, PEEL_PREFIX_LEN);
	memcpy(d + PEEL_PREFIX_LEN, p, len);
	switch (what % 8) {
	case 0 ... 1:
		(void)peel_swarms_message(swarms, id, p, len);
		break;
	case 2 ... 3:
		(void)peel_swarms_datagram(swarms, id, &from, d, PEEL_PREFIX_LEN + len);
		break;
	case 4:
		(void)peel_swarms_heard(swarms, id);
		break;
	case 5:
		(void)peel_origin_close(origin, id);
		break;
	case 6:
		if (peel_swarm_leave(swarms, what / 8) != 0)
			join((uint8_t)(1 + what / 8 % 3), what / 8 % 2 != 0);
		break;
	default:
		fuzz_now_ms += 50 * (uint64_t)what;
	}
	settle();
	peel_swarm_dump(swarms, check, &connections);
	if (connections != n_peers)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_now_ms = 1000000;
	fuzz_random_state = 1;
	n_halves = n_asked = n_answers = n_peers = 0;
	memset(half, 0, sizeof(half));
	if (size == 0)
		return 0;
	helpful = data[0] % 2 == 0;
	if (peel_keys_init() != 0 || peel_identity_generate(&fuzz_env, &me) != 0 ||
		peel_identity_generate(&fuzz_env, &service) != 0 || peel_rcu_new(1, &rcu) != 0)
		abort();
	for (unsigned int i = 0; i < NODES; i++) {
		if (peel_identity_generate(&fuzz_env, &node[i]) != 0)
			abort();
	}
	open_all();
	for (size_t at = 1; at + 2 <= size;) {
		size_t len = data[at + 1];

		if (len > size - at - 2)
			len = size - at - 2;
		uint8_t *exact = malloc(len > 0 ? len : 1);

		if (exact == NULL)
			abort();
		memcpy(exact, data + at + 2, len);
		step(data[at], exact, len);
		free(exact);
		at += 2 + len;
	}
	peel_swarms_free(swarms);
	swarms = NULL;
	peel_origin_free(origin);
	peel_rcu_poll(rcu);
	peel_paths_free(paths);
	peel_route_table_free(routes);
	peel_rcu_free(rcu);
	return 0;
}
