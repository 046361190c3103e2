/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * A live instance with an exit and a relay, driven by a list of operations taken from the input:
 * datagrams of strangers, well-formed messages with some wrong fields, opened messages, time.
 * Whatever happens, the tables must agree.
 */
#include "fuzz_world.h"
#include "peel_or_circuit.h"

#define N_ADDRS 4
#define N_KEYS 3
#define OPS_MAX 200

static uint64_t reach_token;
static int reach_result;
static uint32_t create_cid; /* of the last create sent */
static uint16_t create_identifier;
static struct peel_addr create_to;
static unsigned int n_gone, n_joined;
static struct peel_identity keys[N_KEYS];
static const uint8_t prefix[PEEL_PREFIX_LEN] = {0, 2, 'f', 'u', 'z', 'z'};

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	(void)arg;
	if (len > PEEL_DATAGRAM_MAX || len < PEEL_CELL_MIN || to->port == 0)
		abort();
	if (data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL || data[PEEL_CELL_OFF_PLAIN] == 0)
		return;
	if (data[PEEL_CELL_HEADER_LEN] == PEEL_MSG_CREATED) {
		n_joined++;
		return;
	}
	create_cid = peel_get_be32(data + PEEL_CELL_OFF_CID);
	create_identifier = peel_get_be16(data + PEEL_CELL_HEADER_LEN + 1);
	create_to = *to;
}

static size_t
on_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	(void)arg;
	(void)all;
	(void)none;
	if (n == 0)
		return 0;
	memset(out, 0, sizeof(*out));
	memcpy(out->pk, keys[2].pk, PEEL_PK_LEN);
	out->addr = peel_addr_ipv4(10, 0, 0, 3, 3);
	return 1;
}

static bool
on_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	(void)arg;
	if (memcmp(pk, keys[1].pk, PEEL_PK_LEN) != 0)
		return false;
	memset(out, 0, sizeof(*out));
	out->addr = peel_addr_ipv4(10, 0, 0, 2, 2);
	return true;
}

static bool
on_proved(void *arg, const struct peel_addr *addr)
{
	(void)arg;
	return addr->ip[3] >= 2;
}

static int
on_reach(void *arg, const struct peel_addr *to, const uint8_t *pk, uint64_t token)
{
	(void)pk;
	(void)arg;
	(void)to;
	reach_token = token;
	return reach_result;
}

static void
on_exit_gone(void *arg, uint32_t session, uint32_t endpoint)
{
	(void)arg;
	(void)session;
	(void)endpoint;
	n_gone++;
}

/* ---- operations ------------------------------------------------------------------------------ */

struct fuzz {
	struct peel_reader in;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_or_circuits *c;
};

static struct peel_addr
fuzz_addr(struct fuzz *f)
{
	uint8_t i = (uint8_t)(peel_read_u8(&f->in) % N_ADDRS);

	return peel_addr_ipv4(10, 0, 0, i, i);
}

static uint32_t
fuzz_cid(struct fuzz *f)
{
	uint8_t i = peel_read_u8(&f->in);

	return i < 16 ? i : create_cid ^ (i & 1);
}

static void
op_datagram(struct fuzz *f, size_t head_len, const uint8_t *head)
{
	struct peel_addr from = fuzz_addr(f);
	size_t len;
	uint8_t *data = fuzz_bytes(&f->in, head, head_len, &len);

	peel_or_datagram(f->c, &from, data, len);
	peel_or_join(f->c);
	free(data);
}

static void
op_cell(struct fuzz *f)
{
	uint8_t head[PEEL_CELL_HEADER_LEN];

	peel_cell_header(head, prefix, fuzz_cid(f), true, false);
	op_datagram(f, sizeof(head), head);
}

static void
op_create(struct fuzz *f)
{
	struct peel_addr from = fuzz_addr(f);
	uint8_t out[256], x[32] = {9};
	struct peel_msg_create m = {.identifier = 1, .x = {x, 32}};

	peel_cell_header(out, prefix, fuzz_cid(f), true, true);
	uint8_t choice = peel_read_u8(&f->in);

	m.pk = (struct peel_span){keys[choice % N_KEYS].pk, PEEL_PK_LEN};
	int len = peel_create_build(out + PEEL_CELL_HEADER_LEN, 200, &m);

	peel_or_datagram(f->c, &from, out, PEEL_CELL_HEADER_LEN + (size_t)len);
	if (choice < 0x80)
		peel_or_join(f->c); /* otherwise it waits for other steps */
}

static void
op_message(struct fuzz *f)
{
	uint32_t session = peel_read_u8(&f->in) % 32;
	uint32_t generation = 0;
	uint8_t flags = peel_read_u8(&f->in);
	size_t len;
	uint8_t *msg = fuzz_bytes(&f->in, NULL, 0, &len);

	if (session < 16)
		generation = peel_session_generation(f->routes, session) + (flags >> 7);
	peel_or_message(f->c, session, generation, flags & 1, msg, len);
	free(msg);
}

static void
op_extend(struct fuzz *f)
{
	uint32_t session = peel_read_u8(&f->in) % 16;
	uint8_t msg[256], x[32] = {9}, flags = peel_read_u8(&f->in);
	struct peel_msg_extend m = {.identifier = flags, .x = {x, 32}, .address = fuzz_addr(f)};

	m.pk = (struct peel_span){keys[flags % N_KEYS].pk, PEEL_PK_LEN};
	reach_result = flags & 0x40 ? 0 : -1;
	if (flags & 0x80)
		memset(&m.address, 0, sizeof(m.address));
	int len = peel_extend_build(msg, sizeof(msg), &m);

	peel_or_message(
		f->c, session, peel_session_generation(f->routes, session), true, msg, (size_t)len);
}

static void
op_created(struct fuzz *f)
{
	uint8_t lie = peel_read_u8(&f->in), out[PEEL_DATAGRAM_MAX] = {0};
	struct peel_addr from = create_to;

	peel_cell_header(out, prefix, create_cid, true, false);
	out[PEEL_CELL_HEADER_LEN] = PEEL_MSG_CREATED;
	peel_put_be16(out + PEEL_CELL_HEADER_LEN + 1, (uint16_t)(create_identifier ^ (lie == 1)));
	out[PEEL_CELL_HEADER_LEN + 4] = 32;
	from.port ^= lie == 2;
	peel_or_datagram(
		f->c, &from, out, lie == 3 ? sizeof(out) : (size_t)(PEEL_CELL_HEADER_LEN + lie));
}

static void
op_destroy(struct fuzz *f)
{
	struct peel_addr from = fuzz_addr(f);
	const struct peel_msg_destroy m = {.cid = fuzz_cid(f), .reason = peel_read_u8(&f->in)};
	const struct peel_identity *id = &keys[peel_read_u8(&f->in) % N_KEYS];
	uint8_t out[256], body[PEEL_DESTROY_BODY_LEN];
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	peel_destroy_body(body, &m);
	peel_signed_begin(&w, prefix, PEEL_MSG_DESTROY, id->pk, false, 0);
	peel_write_bytes(&w, body, sizeof(body));
	peel_sign(&w, id);
	peel_or_datagram(f->c, &from, out, (size_t)peel_writer_len(&w));
}

static void
op_exit(struct fuzz *f)
{
	uint8_t choice = peel_read_u8(&f->in);
	uint32_t session = choice % 16;
	uint32_t generation = peel_session_generation(f->routes, session);
	struct peel_exit_info info;

	if (choice & 0x10 && generation % 2 == 1) /* a cell came */
		peel_session_at(f->routes, session)->forward.cells++;
	if (choice & 0x40 && peel_or_exit(f->c, session, generation, &info) == 0 &&
		peel_or_exit_opened(f->c, session, generation, 5) != 0)
		abort();
	peel_or_answer(f->c, session, (const uint8_t *)"\7\0\1", 3);
	if (choice & 0x20) {
		uint32_t with = peel_read_u8(&f->in) % 16;

		(void)!peel_or_rendezvous(
			f->c, session, generation, with, peel_session_generation(f->routes, with));
	}
}

static void
count_row(void *arg, const struct peel_or_row *row)
{
	(void)row;
	++*(unsigned int *)arg;
}

static void
check(struct fuzz *f)
{
	struct peel_or_count count;
	unsigned int rows = 0;

	peel_or_count(f->c, &count);
	peel_or_dump(f->c, count_row, &rows);
	if (rows != count.exits + count.relays + count.rendezvous || count.removing > rows ||
		count.unproved > count.exits || count.rendezvous % 2 != 0 ||
		peel_route_count(f->routes) != count.exits + 2 * count.relays + count.rendezvous ||
		peel_session_count(f->routes) != rows || n_gone > n_joined)
		abort();
}

static void
step(struct fuzz *f)
{
	switch (peel_read_u8(&f->in) % 12) {
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
		op_extend(f);
		break;
	case 5:
		op_created(f);
		break;
	case 6:
		op_destroy(f);
		break;
	case 7:
		fuzz_now_ms += peel_read_u16(&f->in);
		peel_or_tick(f->c);
		peel_rcu_poll(f->rcu);
		break;
	case 8:
		peel_or_reached(f->c, reach_token + peel_read_u8(&f->in) % 2, NULL);
		break;
	case 9:
		op_exit(f);
		break;
	case 10:
		op_create(f);
		break;
	default:
		peel_or_shutdown(f->c);
		break;
	}
}

static void
open_all(struct fuzz *f)
{
	static struct peel_stats stats;
	const struct peel_route_conf rc = {
		.max_sessions = 64, .rcu = f->rcu, .env = &fuzz_env, .heap = true};
	struct peel_or_conf conf = {
		.env = &fuzz_env,
		.identity = &keys[0],
		.stats = &stats,
		.send = on_send,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.proved = on_proved,
		.reach = on_reach,
		.exit_gone = on_exit_gone,
	};

	peel_or_settings_init(&conf.settings);
	conf.settings.max_joined_circuits = 8;
	conf.settings.create_rate_per_source = 50;
	memcpy(conf.prefix, prefix, sizeof(prefix));
	if (peel_route_table_new(&rc, &f->routes) != 0)
		abort();
	conf.routes = f->routes;
	if (peel_or_new(&conf, &f->c) != 0)
		abort();
}

/* A run frees a megabyte of tables: kept for long, each run would touch fresh memory, which costs
 * more than the run. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "quarantine_size_mb=2";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* An exit for 10.0.0.1 with id 1, one with id 2 that becomes a relay to 10.0.0.2. */
	static const uint8_t start[] = {10, 1, 1, 1, 10, 1, 2, 1, 4, 1, 1, 2, 5, 93};
	struct fuzz f = {.in = peel_reader_init(start, sizeof(start))};

	fuzz_now_ms = 1000000;
	fuzz_random_state = reach_token = create_cid = n_gone = n_joined = 0;
	create_to = peel_addr_ipv4(10, 0, 0, 2, 2);
	if (peel_keys_init() != 0 || peel_rcu_new(1, &f.rcu) != 0)
		abort();
	for (int i = 0; i < N_KEYS; i++) {
		if (peel_identity_generate(&fuzz_env, &keys[i]) != 0)
			abort();
	}
	open_all(&f);
	while (peel_reader_left(&f.in) > 0)
		step(&f);
	f.in = peel_reader_init(data, size);
	for (int i = 0; i < OPS_MAX && peel_reader_left(&f.in) > 0; i++) {
		step(&f);
		check(&f);
	}
	peel_or_shutdown(f.c);
	check(&f);
	if (peel_route_count(f.routes) != 0 || n_gone != n_joined)
		abort();
	peel_or_free(f.c);
	peel_route_table_free(f.routes);
	peel_rcu_free(f.rcu);
	return 0;
}
