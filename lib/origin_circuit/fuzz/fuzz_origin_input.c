/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * A client with one circuit half built, driven by a list of operations taken from the input:
 * datagrams of strangers, answers of hops that are honest except in their candidate list, opened
 * messages, destroys, time, wishes. Whatever happens, paths, routes and sessions must agree with
 * what is said to be there.
 */
#include "fuzz_world.h"
#include "peel_discovery.h"
#include "peel_origin_circuit.h"

#define N_KEYS 5	/* the client's own and four nodes' */
#define OPS_MAX 16	/* short runs are many; a circuit of three hops needs five */
#define TIME_STEP_MS 40 /* up to 10 s at once: one time-out, two circuits' ends in all */
#define N_PATHS 6
#define LIST_MAX 1024

static struct peel_identity keys[N_KEYS];
static struct peel_target nodes[N_KEYS];
static const uint8_t prefix[PEEL_PREFIX_LEN] = {0, 2, 'f', 'u', 'z', 'z'};
static unsigned int n_ended;

/* The last create or extend sent. */
static struct {
	uint32_t cid;
	struct peel_addr to;
	uint16_t identifier;
	uint8_t x[32];
	const struct peel_identity *asked;
	bool extend;
} last;

struct fuzz {
	struct peel_reader in;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_paths *paths;
	struct peel_origin_circuits *t;
	peel_origin_id id; /* of the circuit that was looked at last */
};

static struct fuzz *fuzz;

static struct peel_addr
addr_of(unsigned int key)
{
	return peel_addr_ipv4(20, (uint8_t)key, 0, 1, 8090);
}

static struct peel_target
target_of(unsigned int key)
{
	struct peel_target t = {.addr = addr_of(key),
		.flags = key < 3 ? PEEL_FLAG_RELAY : PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT};

	memcpy(t.pk, keys[key].pk, PEEL_PK_LEN);
	return t;
}

static size_t
on_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	size_t found = 0;

	(void)arg;
	for (unsigned int i = 0; i < N_KEYS && found < n; i++) { /* ourselves, too */
		if ((nodes[i].flags & all) == all && (nodes[i].flags & none) == 0)
			out[found++] = nodes[i];
	}
	return found;
}

static bool
on_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	(void)arg;
	for (unsigned int i = 0; i < N_KEYS; i++) {
		if (memcmp(pk, keys[i].pk, PEEL_PK_LEN) == 0) {
			*out = nodes[i];
			return i != 3; /* one is not known */
		}
	}
	return false;
}

static const struct peel_identity *
identity_of(const uint8_t *pk)
{
	for (unsigned int i = 0; i < N_KEYS; i++) {
		if (memcmp(pk, keys[i].pk, PEEL_PK_LEN) == 0)
			return &keys[i];
	}
	abort(); /* only what we offered is asked, lists hold nothing else */
}

/* What the end of the circuit reads; its path is found by the id of the circuit. */
static size_t
open_all_layers(const struct peel_path *p, const struct peel_cell *cell, uint8_t *msg)
{
	uint8_t in[PEEL_DATAGRAM_MAX];
	int len = (int)cell->message.len;

	memcpy(msg, cell->message.p, cell->message.len);
	for (unsigned int i = 0; i < peel_path_n_layers(p); i++) {
		const struct peel_direction *direction =
			&peel_session_at(fuzz->routes, p->session[i])->forward;

		memcpy(in, msg, (size_t)len);
		len = peel_open_one(&direction->key, direction->salt, in, (size_t)len, msg);
		if (len < 0)
			abort();
	}
	return (size_t)len;
}

static void
note_extend(const struct peel_cell *cell)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct peel_msg_extend m;

	for (uint32_t i = 0; i < N_PATHS; i++) {
		const struct peel_path *p = peel_path_at(fuzz->paths, i);

		if (p->cid != cell->cid || peel_path_generation(fuzz->paths, i) % 2 == 0)
			continue;
		size_t len = open_all_layers(p, cell, msg);

		if (len < 2 || msg[0] != PEEL_MSG_EXTEND) /* op_wish sends one byte */
			return;
		if (!cell->early || peel_extend_parse(msg + 1, len - 1, &m) != 0)
			abort();
		fuzz->id = peel_origin_make_id(i, peel_path_generation(fuzz->paths, i));
		last.extend = true;
		last.identifier = m.identifier;
		last.asked = identity_of(m.pk.p);
		memcpy(last.x, m.x.p, 32);
		return;
	}
	abort(); /* a cell of no circuit */
}

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct peel_cell cell;
	struct peel_msg_create m;

	(void)arg;
	if (len > PEEL_DATAGRAM_MAX || to->port == 0)
		abort();
	if (data[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY)
		return;
	if (peel_cell_parse(data, len, &cell) != 0)
		abort();
	if (!cell.plain) {
		note_extend(&cell);
		return;
	}
	if (peel_create_parse(cell.message.p + 1, cell.message.len - 1, &m) != 0)
		abort();
	last.extend = false;
	last.cid = cell.cid;
	last.to = *to;
	last.identifier = m.identifier;
	last.asked = &keys[to->ip[1]];
	memcpy(last.x, m.x.p, 32);
}

static void
on_ended(void *arg, peel_origin_id id, enum peel_origin_end why)
{
	(void)arg;
	(void)id;
	(void)why;
	n_ended++;
}

/* ---- operations ------------------------------------------------------------------------------ */

static void
op_datagram(struct fuzz *f, size_t head_len, const uint8_t *head)
{
	struct peel_addr from = addr_of(peel_read_u8(&f->in) % N_KEYS);
	size_t len;
	uint8_t *data = fuzz_bytes(&f->in, head, head_len, &len);

	peel_origin_datagram(f->t, &from, data, len);
	free(data);
}

/* created to the last create, whatever is in it. */
static void
op_cell(struct fuzz *f)
{
	uint8_t head[PEEL_CELL_HEADER_LEN + 5];
	size_t len;

	peel_cell_header(head, prefix, last.cid, true, false);
	head[PEEL_CELL_HEADER_LEN] = PEEL_MSG_CREATED;
	peel_put_be16(head + PEEL_CELL_HEADER_LEN + 1, last.identifier);
	peel_put_be16(head + PEEL_CELL_HEADER_LEN + 3, 32);
	uint8_t *data = fuzz_bytes(&f->in, head, sizeof(head), &len);

	peel_origin_datagram(f->t, &last.to, data, len);
	free(data);
}

static void
op_message(struct fuzz *f)
{
	uint8_t which = peel_read_u8(&f->in);
	peel_origin_id id = f->id + ((uint64_t)(which & 3) << 32) + (which >> 2) % N_PATHS;
	size_t len;
	uint8_t *msg = fuzz_bytes(&f->in, NULL, 0, &len);

	peel_origin_message(f->t, id, msg, len);
	free(msg);
}

/* Keys of nodes as the input says, or any bytes for a list. */
static size_t
make_list(struct fuzz *f, uint8_t *list)
{
	uint8_t kind = peel_read_u8(&f->in), n = kind % 8;
	size_t len = 1;

	if (kind >= 0x80) { /* raw */
		size_t raw =
			peel_reader_left(&f->in) < LIST_MAX ? peel_reader_left(&f->in) : LIST_MAX;

		raw = raw < kind ? raw : kind;
		memcpy(list, peel_read_bytes(&f->in, raw), raw);
		return raw;
	}
	list[0] = n;
	for (uint8_t i = 0; i < n; i++, len += 2 + PEEL_PK_LEN) {
		peel_put_be16(list + len, PEEL_PK_LEN);
		memcpy(list + len + 2, keys[peel_read_u8(&f->in) % N_KEYS].pk, PEEL_PK_LEN);
	}
	return len;
}

/* The node that was asked answers; lie: a little wrong. */
static void
op_answer(struct fuzz *f)
{
	uint8_t lie = peel_read_u8(&f->in), list[LIST_MAX], out[PEEL_DATAGRAM_MAX], y[32], auth[32];
	uint8_t sealed[LIST_MAX + PEEL_SEAL_OVERHEAD];
	size_t list_len = make_list(f, list);
	struct peel_session_keys k;
	struct peel_addr from = last.to;

	if (last.asked == NULL ||
		peel_handshake_respond(&fuzz_env, last.asked, last.x, y, auth, &k) != 0)
		return;
	auth[0] ^= lie == 1;
	k.forward.b[0] ^= lie == 2;
	from.port ^= lie == 3;
	peel_seal_one(&k.forward, k.salt_forward, UINT64_MAX, list, list_len, sealed);
	const struct peel_msg_created m = {
		.identifier = (uint16_t)(last.identifier ^ (lie == 4)),
		.y = {y, 32},
		.auth = {auth, 32},
		.candidates_enc = {sealed, list_len + PEEL_SEAL_OVERHEAD},
	};
	int len = peel_created_build(out + PEEL_CELL_HEADER_LEN, sizeof(out) - PEEL_CELL_HEADER_LEN,
		last.extend ? PEEL_MSG_EXTENDED : PEEL_MSG_CREATED, &m);

	if (len < 0)
		abort();
	peel_cell_header(out, prefix, last.cid, true, false);
	if (last.extend)
		peel_origin_message(f->t, f->id, out + PEEL_CELL_HEADER_LEN, (size_t)len);
	else
		peel_origin_datagram(f->t, &from, out, PEEL_CELL_HEADER_LEN + (size_t)len);
}

static void
op_destroy(struct fuzz *f)
{
	unsigned int key = peel_read_u8(&f->in) % N_KEYS;
	struct peel_addr from = addr_of(key);
	const struct peel_msg_destroy m = {.cid = last.cid, .reason = peel_read_u8(&f->in)};
	uint8_t out[256], body[PEEL_DESTROY_BODY_LEN];
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	peel_destroy_body(body, &m);
	peel_signed_begin(&w, prefix, PEEL_MSG_DESTROY, keys[key].pk, false, 0);
	peel_write_bytes(&w, body, sizeof(body));
	peel_sign(&w, &keys[key]);
	peel_origin_datagram(f->t, &from, out, (size_t)peel_writer_len(&w));
}

static void
op_create(struct fuzz *f)
{
	uint8_t what = peel_read_u8(&f->in);
	struct peel_target exit = nodes[what % N_KEYS];
	const struct peel_origin_spec spec = {
		.type = (enum peel_origin_type)(what >> 3 & 7),
		.hops = what >> 6,
		.exit = what & 0x20 ? &exit : NULL,
	};

	if (peel_origin_create(f->t, &spec, &f->id) != 0)
		return;
}

static void
op_wish(struct fuzz *f)
{
	uint8_t what = peel_read_u8(&f->in), hops = (uint8_t)(what % 4);
	peel_origin_id ids[4];
	size_t n = peel_origin_active(f->t, hops, ids, 4);

	if (what & 0x80)
		(void)peel_origin_build(f->t, hops);
	else if (what & 0x40)
		(void)peel_origin_stop(f->t, hops);
	else if (n > 0 && (what & 0x20))
		(void)peel_origin_close(f->t, ids[0]);
	else if (n > 0 && peel_origin_send(f->t, ids[n < 4 ? n - 1 : 3], &what, 1) != 0)
		abort();
}

static void
op_time(struct fuzz *f)
{
	fuzz_now_ms += peel_read_u8(&f->in) * TIME_STEP_MS;
	if (peel_origin_tick(f->t) == 0)
		abort();
	peel_rcu_poll(f->rcu);
}

/* ---- the whole ------------------------------------------------------------------------------- */

struct seen {
	uint32_t circuits, routes, sessions;
};

static void
look(void *arg, peel_origin_id id, const struct peel_origin_info *info)
{
	const struct peel_path *p = peel_path_at(fuzz->paths, (uint32_t)id);
	struct seen *seen = arg;

	if (peel_path_n_layers(p) != info->hops || info->hops > info->goal || p->cid != info->cid)
		abort();
	for (unsigned int i = 0; i < info->hops; i++) {
		if (memcmp(info->hop[i].pk, keys[0].pk, PEEL_PK_LEN) == 0)
			abort(); /* ourselves */
	}
	seen->circuits++;
	seen->routes += info->hops > 0;
	seen->sessions += info->hops;
}

static void
check(struct fuzz *f)
{
	struct peel_origin_count n;
	struct seen seen = {0};

	peel_origin_count(f->t, &n);
	peel_origin_dump(f->t, look, &seen);
	if (seen.circuits != n.extending + n.ready + n.closing ||
		seen.routes != peel_route_count(f->routes) ||
		seen.sessions != peel_session_count(f->routes) || seen.circuits > N_PATHS)
		abort();
}

static void
step(struct fuzz *f)
{
	switch (peel_read_u8(&f->in) % 10) {
	case 0:
		op_datagram(f, 0, prefix);
		break;
	case 1:
		op_datagram(f, PEEL_PREFIX_LEN, prefix);
		break;
	case 2:
		op_cell(f);
		break;
	case 3:
		op_message(f);
		break;
	case 4:
	case 5:
		op_answer(f);
		break;
	case 6:
		op_destroy(f);
		break;
	case 7:
		op_time(f);
		break;
	case 8:
		op_create(f);
		break;
	default:
		op_wish(f);
	}
}

static void
open_all(struct fuzz *f)
{
	static struct peel_stats stats;
	const struct peel_route_conf rc = {
		.max_sessions = 32, .rcu = f->rcu, .env = &fuzz_env, .heap = true};
	struct peel_origin_conf conf = {
		.env = &fuzz_env,
		.identity = &keys[0],
		.stats = &stats,
		.send = on_send,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.ended = on_ended,
	};

	peel_origin_settings_init(&conf.settings);
	conf.settings.max_circuits = 2;
	conf.settings.max_time = 120;
	memcpy(conf.prefix, prefix, sizeof(prefix));
	if (peel_route_table_new(&rc, &f->routes) != 0 ||
		peel_paths_new(N_PATHS, f->rcu, &f->paths) != 0)
		abort();
	conf.routes = f->routes;
	conf.paths = f->paths;
	if (peel_origin_new(&conf, &f->t) != 0)
		abort();
}

/* Once: they are always the same. */
static void
make_nodes(void)
{
	static bool made;

	if (made)
		return;
	made = true;
	if (peel_keys_init() != 0)
		abort();
	for (unsigned int i = 0; i < N_KEYS; i++) {
		if (peel_identity_generate(&fuzz_env, &keys[i]) != 0)
			abort();
		nodes[i] = target_of(i);
	}
}

/* A run frees its tables: kept for long, each run would touch fresh memory. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "quarantine_size_mb=2";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A circuit of three hops, the first of which has answered with everybody as candidate. */
	static const uint8_t start[] = {8, 0xc0, 4, 0, 5, 1, 2, 3, 3, 4};
	struct fuzz f = {.in = peel_reader_init(start, sizeof(start))};

	fuzz = &f;
	fuzz_now_ms = 1000000;
	make_nodes();
	fuzz_random_state = n_ended = 0;
	memset(&last, 0, sizeof(last));
	if (peel_rcu_new(1, &f.rcu) != 0)
		abort();
	open_all(&f);
	while (peel_reader_left(&f.in) > 0)
		step(&f);
	check(&f);
	if (!last.extend)
		abort();
	f.in = peel_reader_init(data, size);
	for (int i = 0; i < OPS_MAX && peel_reader_left(&f.in) > 0; i++) {
		step(&f);
		check(&f);
	}
	peel_origin_shutdown(f.t);
	check(&f);
	if (peel_route_count(f.routes) != 0)
		abort();
	peel_origin_free(f.t);
	peel_rcu_poll(f.rcu);
	peel_paths_free(f.paths);
	peel_route_table_free(f.routes);
	peel_rcu_free(f.rcu);
	return 0;
}
