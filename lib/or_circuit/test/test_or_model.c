/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * 10^5 random operations on one node beside a model of plain arrays: who exists, who may do what,
 * when it ends. Idleness and age are left out (their moment is only "about every 5 s");
 * test_or_expire has them.
 */
#include <errno.h>
#include <stdlib.h>

#include "rules.h"

#define N_OPS 100000
#define N_ADDRS 6
#define N_CIDS 30
#define N_KEYS 4
#define LIMIT 12       /* places of circuits that are used */
#define N_CIRCUITS 160 /* with those that are not */
#define N_PENDING 64

struct m_circuit {
	bool used, proved, relay, removing, exit_open;
	struct peel_addr addr[2];
	uint32_t cid[2];
	unsigned int key[2];
	uint64_t joined_ms, removed_ms, relay_ms;
	uint32_t session, generation, serial;
	uint64_t salt;
};

struct m_pending {
	bool used;
	unsigned int circuit, serial, key;
	struct peel_addr addr;
	uint32_t cid;
	uint16_t identifier;
	uint64_t due_ms;
};

static struct node *n;
static struct peel_or_settings settings;
static struct peel_addr addrs[N_ADDRS];
static struct peel_identity keys[N_KEYS];
static struct m_circuit circuits[N_CIRCUITS];
static struct m_pending pendings[N_PENDING];
static uint64_t last_join[N_ADDRS][N_CIDS];
static uint64_t dice = 12345;
static unsigned int n_exit_gone, n_serial;
static unsigned int n_joined, n_relayed, n_destroyed, n_displaced;

static unsigned int
roll(unsigned int below)
{
	uint32_t v;

	world_prng(&dice, (uint8_t *)&v, sizeof(v));
	return v % below;
}

/* Mostly one that is in use. */
static unsigned int
pick(void)
{
	unsigned int i = roll(N_CIRCUITS), tries = roll(8) * N_CIRCUITS;

	while (!circuits[i].used && tries-- > 0)
		i = (i + 1) % N_CIRCUITS;
	return i;
}

static bool
model_in_use(const struct peel_addr *a, uint32_t cid)
{
	for (unsigned int i = 0; i < N_CIRCUITS; i++) {
		const struct m_circuit *m = &circuits[i];

		for (int s = 0; m->used && s <= m->relay; s++) {
			if (m->cid[s] == cid && peel_addr_equal(&m->addr[s], a))
				return true;
		}
	}
	for (unsigned int i = 0; i < N_PENDING; i++) {
		if (pendings[i].used && pendings[i].cid == cid &&
			peel_addr_equal(&pendings[i].addr, a))
			return true;
	}
	return false;
}

static unsigned int
count_of(const struct peel_addr *source, bool proved)
{
	unsigned int found = 0;

	for (unsigned int i = 0; i < N_CIRCUITS; i++)
		found += circuits[i].used && circuits[i].proved == proved &&
			 peel_addr_same_ip(&circuits[i].addr[0], source);
	return found;
}

static bool
model_full(const struct peel_addr *source)
{
	unsigned int places = count_of(source, false);

	for (unsigned int i = 0; i < N_CIRCUITS; i++)
		places += circuits[i].used && circuits[i].proved ? 1 + circuits[i].relay : 0;
	return places >= LIMIT;
}

/* Has it more than its share, and more than twice as much as the other one? */
static bool
model_rich(const struct peel_addr *source, const struct peel_addr *asking)
{
	unsigned int all = 0, own = count_of(source, true);

	for (unsigned int i = 0; i < N_CIRCUITS; i++)
		all += circuits[i].used && circuits[i].proved;
	return own > all / 4 && own / 2 > count_of(asking, true);
}

static bool
model_any_rich(const struct peel_addr *asking)
{
	for (unsigned int i = 0; i < N_ADDRS; i++) {
		if (model_rich(&addrs[i], asking))
			return true;
	}
	return false;
}

/* At once, except relays whose grace period as an exit is not over. */
static void
model_make_room(struct m_circuit *m)
{
	if (m->relay && m->exit_open) {
		m->removing = true;
		m->removed_ms = world_now;
		return;
	}
	n_exit_gone += m->exit_open;
	m->used = false;
}

/* A destroy that nobody asked for: a circuit made room for the one just proved. */
static bool
model_displaced(const struct packet *p, const struct m_circuit *proved)
{
	uint32_t cid = peel_get_be32(p->data + 99);

	if (p->data[PEEL_PREFIX_LEN] != PEEL_MSG_DESTROY)
		return false;
	for (unsigned int i = 0; i < N_CIRCUITS; i++) {
		struct m_circuit *m = &circuits[i];

		for (int s = 0; m->used && s <= m->relay; s++) {
			if (m->cid[s] != cid || !peel_addr_equal(&m->addr[s], &p->to))
				continue;
			if (s == 0) {
				assert_true(
					m == proved || model_rich(&m->addr[0], &proved->addr[0]));
				n_displaced++;
			}
			if (s == m->relay)
				model_make_room(m);
			return true;
		}
	}
	fail_msg("a destroy of no circuit");
	return false;
}

static void
model_join(unsigned int a, uint32_t cid, unsigned int key)
{
	struct m_circuit *m = circuits;

	while (m->used)
		m++;
	const struct peel_route *route = peel_route_at(n->routes, node_route(n, &addrs[a], cid));

	*m = (struct m_circuit){.used = true, .exit_open = true, .joined_ms = world_now};
	m->addr[0] = addrs[a];
	m->cid[0] = cid;
	m->key[0] = key;
	m->serial = ++n_serial;
	m->session = route->session;
	m->generation = peel_session_generation(n->routes, route->session);
	m->salt = 0;
	last_join[a][cid] = world_now;
	n_joined++;
}

static void
op_create(void)
{
	/* Mostly from one host, so that it has more than its share. */
	unsigned int a = roll(roll(3) ? 2 : N_ADDRS), cid = roll(N_CIDS), key = roll(N_KEYS);
	uint8_t out[256], x[32] = {9};
	const struct peel_msg_create m = {
		.identifier = 7, .pk = {keys[key].pk, PEEL_PK_LEN}, .x = {x, 32}};
	uint64_t age = world_now - last_join[a][cid];
	bool used = model_in_use(&addrs[a], cid), full = model_full(&addrs[a]);
	struct packet p;

	peel_cell_header(out, world_prefix, cid, true, roll(2));
	assert_int_equal(peel_create_build(out + PEEL_CELL_HEADER_LEN, 200, &m), 113);
	bool ok = node_input(n, &addrs[a], out, 142) == 0;

	assert_int_equal(node_pop(n, &p), ok);
	if (used || age < 60000 || (full && !model_any_rich(&addrs[a])))
		assert_false(ok);
	else if (!full && age > 61000) /* in between: whole seconds */
		assert_true(ok);
	if (ok)
		model_join(a, cid, key);
}

static void
op_extend(void)
{
	unsigned int i = pick(), key = roll(N_KEYS), outstanding = 0;
	struct m_circuit *m = &circuits[i];
	uint8_t msg[256], x[32] = {9};
	bool stale = roll(8) == 0, early = roll(8) != 0;
	const struct peel_msg_extend e = {.identifier = (uint16_t)roll(65536),
		.pk = {keys[key].pk, PEEL_PK_LEN},
		.x = {x, 32},
		.address = addrs[roll(N_ADDRS)]};
	int len = peel_extend_build(msg, sizeof(msg), &e);
	struct packet p;

	assert_true(len > 0);
	if (m->serial == 0)
		return; /* never used so far */
	for (unsigned int k = 0; k < N_PENDING; k++)
		outstanding += pendings[k].used && pendings[k].circuit == i &&
			       pendings[k].serial == m->serial;
	int ret = peel_or_message(
		n->circuits, m->session, m->generation + stale, early, msg, (size_t)len);
	bool sent = node_pop(n, &p);

	if (m->used && !m->proved && !stale) {
		m->proved = true;
		while (sent && model_displaced(&p, m))
			sent = node_pop(n, &p);
	}
	bool want = m->used && !m->relay && !m->removing && !stale && early &&
		    world_now - m->joined_ms <= 60000 && outstanding < 8;

	assert_int_equal(ret == 0, want);
	assert_int_equal(sent, want);
	if (!want)
		return;
	struct m_pending *q = pendings;

	while (q->used)
		q++;
	assert_true(peel_addr_equal(&p.to, &e.address));
	*q = (struct m_pending){.used = true,
		.circuit = i,
		.serial = m->serial,
		.key = key,
		.addr = p.to,
		.cid = peel_get_be32(p.data + PEEL_CELL_OFF_CID),
		.identifier = peel_get_be16(p.data + PEEL_CELL_HEADER_LEN + 1),
		.due_ms = world_now + 10000};
	/* No two links with one neighbour share an id. */
	q->used = false;
	assert_false(model_in_use(&q->addr, q->cid));
	q->used = true;
}

/* Every cell sealed on a session has a higher explicit salt than the one before. */
static void
check_salt(struct m_circuit *m, const struct packet *p)
{
	uint64_t salt = peel_get_be64(p->data + PEEL_CELL_HEADER_LEN);

	assert_true(peel_addr_equal(&p->to, &m->addr[0]));
	assert_int_equal(peel_get_be32(p->data + PEEL_CELL_OFF_CID), m->cid[0]);
	assert_true(salt > m->salt);
	m->salt = salt;
}

static void
op_created(void)
{
	struct m_pending *q = &pendings[roll(N_PENDING)];
	uint8_t out[256];
	unsigned int lie = roll(6);
	struct packet p;

	for (unsigned int i = 0; i < N_PENDING && !q->used; i++)
		q = q + 1 < pendings + N_PENDING ? q + 1 : pendings;
	if (!q->used)
		return;
	struct m_circuit *m = &circuits[q->circuit];
	size_t len =
		created_build(q->cid ^ (lie == 1), (uint16_t)(q->identifier ^ (lie == 2)), out);
	struct peel_addr from = q->addr;

	from.port ^= lie == 3;
	bool alive = m->used && m->serial == q->serial && !m->relay && !m->removing;
	bool want = alive && (lie == 0 || lie > 3);

	assert_int_equal(node_input(n, &from, out, len) == 0, want);
	assert_int_equal(node_pop(n, &p), want);
	if (lie >= 1 && lie <= 3)
		return;
	q->used = false;
	if (!want)
		return;
	check_salt(m, &p);
	m->relay = true;
	m->relay_ms = world_now;
	m->addr[1] = q->addr;
	m->cid[1] = q->cid;
	m->key[1] = q->key;
	n_relayed++;
}

static void
op_destroy(void)
{
	struct m_circuit *m = &circuits[pick()];
	unsigned int side = roll(2), signer = roll(3) == 0 ? roll(N_KEYS) : m->key[side];
	uint16_t reason = (uint16_t)roll(3);
	uint8_t out[256];
	struct m_circuit *hit = NULL;
	struct packet p;

	if (!m->used || side > m->relay)
		return;
	size_t len = destroy_build(&keys[signer], m->cid[side], reason, out);
	int hit_side = 0;

	/* The source address decides only between circuits with the same id and key. */
	for (unsigned int i = 0; i < N_CIRCUITS; i++) {
		for (int s = 0; circuits[i].used && s <= circuits[i].relay; s++) {
			if (circuits[i].cid[s] != m->cid[side] || circuits[i].key[s] != signer ||
				circuits[i].removing)
				continue;
			if (hit == NULL || &circuits[i] == m) {
				hit = &circuits[i];
				hit_side = s;
			} else if (hit != m) {
				return; /* ambiguous: any of them */
			}
		}
	}
	int ret = node_input(n, &m->addr[side], out, len);

	assert_int_equal(ret == 0, hit != NULL);
	bool told = hit != NULL && hit->relay && reason != 0;

	assert_int_equal(node_pop(n, &p), told);
	if (told)
		assert_true(peel_addr_equal(&p.to, &hit->addr[!hit_side]));
	if (hit == NULL)
		return;
	n_destroyed++;
	if (!hit->proved) { /* nobody ever used it */
		hit->used = false;
		n_exit_gone++;
		return;
	}
	hit->removing = true;
	hit->removed_ms = world_now;
}

static void
op_time(void)
{
	world_now += roll(2500);
	peel_or_tick(n->circuits);
	peel_rcu_poll(n->rcu);
	for (unsigned int i = 0; i < N_CIRCUITS; i++) {
		struct m_circuit *m = &circuits[i];

		if (m->used && m->relay && m->exit_open && world_now - m->relay_ms >= 5000) {
			m->exit_open = false;
			n_exit_gone++;
		}
		if (m->used && m->removing && world_now - m->removed_ms >= 5000) {
			n_exit_gone += m->exit_open;
			m->used = false;
		}
	}
	for (unsigned int i = 0; i < N_PENDING; i++)
		pendings[i].used = pendings[i].used && pendings[i].due_ms > world_now;
}

static void
op_exit(void)
{
	struct m_circuit *m = &circuits[pick()];
	struct peel_exit_info info;
	static const uint8_t pong[3] = {PEEL_MSG_PONG, 0, 1};
	struct packet p;

	if (m->serial == 0)
		return;
	bool is_exit = m->used && !m->relay;
	int ret = peel_or_exit(n->circuits, m->session, m->generation, &info);

	assert_int_equal(ret, is_exit ? 0 : -ENOENT);
	if (is_exit) {
		assert_true(peel_addr_equal(&info.previous, &m->addr[0]));
		assert_int_equal(info.cid, m->cid[0]);
	}
	if (!m->used)
		return;
	ret = peel_or_answer(n->circuits, m->session, pong, sizeof(pong));
	assert_int_equal(ret, m->exit_open ? 0 : -ENOENT);
	assert_int_equal(node_pop(n, &p), m->exit_open);
	if (m->exit_open)
		check_salt(m, &p);
}

static void
check_all(void)
{
	struct peel_or_count count;
	unsigned int exits = 0, relays = 0, removing = 0, pending = 0, unproved = 0;

	for (unsigned int i = 0; i < N_CIRCUITS; i++) {
		exits += circuits[i].used && !circuits[i].relay;
		relays += circuits[i].used && circuits[i].relay;
		removing += circuits[i].used && circuits[i].removing;
		unproved += circuits[i].used && !circuits[i].proved;
	}
	for (unsigned int i = 0; i < N_PENDING; i++)
		pending += pendings[i].used;
	peel_or_count(n->circuits, &count);
	assert_int_equal(count.exits, exits);
	assert_int_equal(count.relays, relays);
	assert_int_equal(count.removing, removing);
	assert_int_equal(count.pending, pending);
	assert_int_equal(count.unproved, unproved);
	assert_int_equal(peel_route_count(n->routes), exits + 2 * relays);
	assert_int_equal(peel_session_count(n->routes), exits + relays);
	assert_int_equal(n->n_gone, n_exit_gone);
	assert_int_equal(n->n_sent, 0);
}

static void
test_model(void **state)
{
	static void (*const ops[])(void) = {op_create, op_create, op_extend, op_extend, op_created,
		op_created, op_destroy, op_time, op_time, op_exit};

	(void)state;
	peel_or_settings_init(&settings);
	settings.max_joined_circuits = LIMIT;
	settings.max_time_inactive = settings.max_time = UINT32_MAX;
	settings.create_rate = settings.create_rate_per_source = 0;
	n = node_with(&settings);
	for (uint8_t i = 0; i < N_ADDRS; i++)
		addrs[i] = peel_addr_ipv4(192, 0, 2, 30 + i / 2, 100 + i % 2);
	for (unsigned int i = 0; i < N_KEYS; i++)
		assert_int_equal(peel_identity_generate(&n->env, &keys[i]), 0);
	for (unsigned int i = 0; i < N_OPS; i++) {
		ops[roll(PEEL_ARRAY_LEN(ops))]();
		check_all();
	}
	assert_in_range(n_joined, 500, N_OPS);
	assert_in_range(n_relayed, 200, N_OPS);
	assert_in_range(n_destroyed, 200, N_OPS);
	assert_in_range(n_displaced, 50, N_OPS);
	print_message("%u joined, %u extended, %u destroyed, %u displaced\n", n_joined, n_relayed,
		n_destroyed, n_displaced);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
