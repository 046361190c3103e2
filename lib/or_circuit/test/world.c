/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "world.h"

uint64_t world_now = 1000000;
const uint8_t world_prefix[PEEL_PREFIX_LEN] = {0x00, 0x02, 0x81, 0xde, 0xd0, 0x73, 0x32, 0xbd, 0xc7,
	0x75, 0xaa, 0x5a, 0x46, 0xf9, 0x6d, 0xe9, 0xf8, 0xf3, 0x90, 0xbb, 0xc9, 0xf3};

uint64_t
world_time(void *arg)
{
	(void)arg;
	return world_now;
}

void
world_prng(uint64_t *state, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)peel_splitmix(state);
}

static void
node_random(void *arg, void *out, size_t len)
{
	struct node *n = arg;
	size_t left = n->script_len - n->script_at;

	if (left > 0) {
		assert_true(len <= left); /* the script fits the calls */
		memcpy(out, n->script + n->script_at, len);
		n->script_at += len;
		return;
	}
	world_prng(&n->random_state, out, len);
}

void
node_script(struct node *n, const void *bytes, size_t len)
{
	if (n->script_at == n->script_len)
		n->script_at = n->script_len = 0;
	assert_true(n->script_len + len <= sizeof(n->script));
	memcpy(n->script + n->script_len, bytes, len);
	n->script_len += len;
}

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct node *n = arg;

	assert_true(len <= PEEL_DATAGRAM_MAX);
	assert_true(to->port != 0 && to->family != PEEL_FAMILY_NONE);
	n->sent_total++;
	if (n->n_sent == MAX_SENT) { /* nobody looks: keep the newest */
		memmove(&n->sent[0], &n->sent[1], (MAX_SENT - 1) * sizeof(n->sent[0]));
		n->n_sent--;
	}
	struct packet *p = &n->sent[n->n_sent++];

	p->to = *to;
	p->len = len;
	memcpy(p->data, data, len);
}

static void
on_send_limited(
	void *arg, uint32_t session, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct node *n = arg;

	n->limited_session = session;
	on_send(arg, to, data, len);
}

static size_t
on_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	struct node *node = arg;
	bool exits = (all & PEEL_FLAG_EXIT_BT) != 0;
	const struct peel_target *list = exits ? node->exits : node->relays;
	size_t have = exits ? node->n_exits : node->n_relays;

	assert_true((all & PEEL_FLAG_RELAY) != 0);
	assert_int_equal(none, exits ? 0 : PEEL_FLAG_EXIT_BT);
	if (have < n)
		n = have;
	memcpy(out, list, n * sizeof(*out));
	return n;
}

static bool
on_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	struct node *n = arg;

	for (size_t i = 0; i < n->n_peers; i++) {
		if (memcmp(n->peers[i].pk, pk, PEEL_PK_LEN) == 0) {
			*out = n->peers[i];
			return true;
		}
	}
	return false;
}

static bool
on_proved(void *arg, const struct peel_addr *addr)
{
	const struct node *n = arg;

	(void)addr;
	return !n->strangers;
}

static bool
on_banned(void *arg, const struct peel_addr *addr, const uint8_t *pk)
{
	const struct node *n = arg;

	return (addr != NULL && n->banned_addr != NULL && peel_addr_equal(addr, n->banned_addr)) ||
	       (pk != NULL && n->banned_pk != NULL && memcmp(pk, n->banned_pk, PEEL_PK_LEN) == 0);
}

static bool
on_scarce(void *arg)
{
	return ((const struct node *)arg)->scarce;
}

static int
on_reach(void *arg, const struct peel_addr *to, const uint8_t *pk, uint64_t token)
{
	(void)pk;
	struct node *n = arg;

	n->n_reach++;
	n->reach_addr = *to;
	n->reach_token = token;
	if (n->reach_at_once)
		peel_or_reached(n->circuits, token, NULL);
	return n->reach_result;
}

static void
on_exit_gone(void *arg, uint32_t session, uint32_t endpoint)
{
	struct node *n = arg;

	n->gone[n->n_gone++ % 64] = (struct gone){session, endpoint};
}

static void
make_identity(struct node *n, const uint8_t *sk)
{
	if (sk != NULL)
		assert_int_equal(peel_identity_parse(sk, PEEL_SK_LEN, &n->id), 0);
	else
		assert_int_equal(peel_identity_generate(&n->env, &n->id), 0);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static void
on_done(void *arg)
{
	(void)arg; /* whoever waits looks again and again */
}

static void *
helper_main(void *arg)
{
	peel_handshake_queue_run(arg);
	return NULL;
}

void
node_start_helpers(struct node *n)
{
	for (; n->n_helpers < world_helpers.n; n->n_helpers++)
		assert_int_equal(pthread_create(&n->helper[n->n_helpers], NULL, helper_main,
					 n->handshake_queue),
			0);
}

void
node_stop_helpers(struct node *n)
{
	if (n->handshake_queue != NULL)
		peel_handshake_queue_stop(n->handshake_queue);
	while (n->n_helpers > 0)
		pthread_join(n->helper[--n->n_helpers], NULL);
}

/* They draw random numbers only while the node waits for them. */
static void
make_queue(struct node *n)
{
	const struct peel_handshake_queue_conf conf = {
		.threads = world_helpers.n,
		.env = &n->env,
		.identity = &n->id,
		.done = on_done,
	};

	if (conf.threads == 0)
		return;
	assert_true(conf.threads <= MAX_HELPERS);
	assert_int_equal(peel_handshake_queue_new(&conf, &n->handshake_queue), 0);
	if (!world_helpers.late)
		node_start_helpers(n);
}

unsigned int
node_join(struct node *n)
{
	struct peel_or_count count;
	unsigned int n_joined = 0;

	for (;;) {
		n_joined += peel_or_join(n->circuits);
		peel_or_count(n->circuits, &count);
		if (count.waiting + count.computing == 0)
			return n_joined;
		if (n->handshake_queue != NULL)
			usleep(20);
	}
}

/* ---- nodes ----------------------------------------------------------------------------------- */

struct node *
node_new(struct peel_addr addr, const uint8_t *sk, const struct peel_or_settings *settings,
	uint32_t max_sessions)
{
	struct node *n = calloc(1, sizeof(*n));

	assert_non_null(n);
	assert_int_equal(peel_keys_init(), 0);
	n->addr = addr;
	n->limited_session = PEEL_NONE;
	n->random_state = peel_addr_hash(&addr, 1, 2);
	n->env = (struct peel_env){.now_ms = world_time, .random = node_random, .arg = n};
	make_identity(n, sk);
	assert_int_equal(peel_rcu_new(1, &n->rcu), 0);
	const struct peel_route_conf rc = {
		.max_sessions = max_sessions,
		.rcu = n->rcu,
		.env = &n->env,
		.heap = true,
	};
	struct peel_or_conf conf = {
		.env = &n->env,
		.identity = &n->id,
		.stats = &n->stats,
		.send = on_send,
		.send_limited = on_send_limited,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.proved = on_proved,
		.banned = on_banned,
		.scarce = on_scarce,
		.reach = on_reach,
		.exit_gone = on_exit_gone,
		.arg = n,
	};

	assert_int_equal(peel_route_table_new(&rc, &n->routes), 0);
	make_queue(n);
	conf.handshake_queue = n->handshake_queue;
	conf.routes = n->routes;
	memcpy(conf.prefix, world_prefix, PEEL_PREFIX_LEN);
	peel_or_settings_init(&conf.settings);
	if (settings != NULL)
		conf.settings = *settings;
	assert_int_equal(peel_or_new(&conf, &n->circuits), 0);
	return n;
}

void
node_free(struct node *n)
{
	node_stop_helpers(n);
	peel_or_free(n->circuits);
	peel_handshake_queue_free(n->handshake_queue);
	peel_rcu_poll(n->rcu);
	peel_route_table_free(n->routes);
	peel_rcu_free(n->rcu);
	free(n);
}

struct peel_target
node_target(const struct node *n)
{
	struct peel_target t = {.addr = n->addr, .last_heard_ms = world_now};

	memcpy(t.pk, n->id.pk, PEEL_PK_LEN);
	return t;
}

bool
node_pop(struct node *n, struct packet *out)
{
	if (n->n_sent == 0)
		return false;
	*out = n->sent[0];
	memmove(&n->sent[0], &n->sent[1], --n->n_sent * sizeof(n->sent[0]));
	return true;
}

uint64_t
node_stat(const struct node *n, enum peel_counter c)
{
	return peel_stats_get(&n->stats, c);
}

uint32_t
node_route(const struct node *n, const struct peel_addr *from, uint32_t cid)
{
	return peel_route_lookup(n->routes, from, cid);
}

void
node_run(struct node *n, uint64_t ms, uint64_t step)
{
	for (uint64_t at = 0; at < ms; at += step) {
		world_now += step < ms - at ? step : ms - at;
		peel_or_tick(n->circuits);
		peel_rcu_poll(n->rcu);
	}
}

/* ---- the worker ------------------------------------------------------------------------------ */

static int
at_exit(struct node *n, const struct peel_route *route, bool early, int len)
{
	uint32_t generation = peel_session_generation(n->routes, route->session);
	uint8_t pong[3];

	n->message_len = (size_t)len;
	n->session = route->session;
	if (len == 3 && n->message[0] == PEEL_MSG_PING) {
		memcpy(pong, n->message, 3);
		pong[0] = PEEL_MSG_PONG;
		return peel_or_answer(n->circuits, route->session, pong, 3);
	}
	n->message_result = peel_or_message(
		n->circuits, route->session, generation, early, n->message, (size_t)len);
	return n->message_result;
}

/* At a rendezvous: sealed again, for the other circuit. */
static int
join(struct node *n, struct peel_route *route, const uint8_t *text, size_t len)
{
	struct peel_direction *direction = &peel_session_at(n->routes, route->peer)->backward;
	uint8_t out[PEEL_DATAGRAM_MAX];

	peel_direction_account(direction, (uint32_t)(world_now / 1000), (uint32_t)len);
	peel_cell_header(out, world_prefix, route->out_cid, false, false);
	peel_seal_one(&direction->key, direction->salt, peel_direction_next(direction), text, len,
		out + PEEL_CELL_HEADER_LEN);
	on_send(n, &route->out, out, PEEL_CELL_HEADER_LEN + len + PEEL_SEAL_OVERHEAD);
	return 0;
}

static int
forward(struct node *n, struct peel_route *route, const struct peel_cell *cell)
{
	struct peel_direction *direction = &peel_session_at(n->routes, route->session)->forward;
	uint8_t out[PEEL_DATAGRAM_MAX];
	int len =
		peel_open_one(&direction->key, direction->salt, cell->message.p, cell->message.len,
			route->kind == PEEL_ROUTE_EXIT ? n->message : out + PEEL_CELL_HEADER_LEN);

	if (len < 0)
		return -EBADMSG;
	peel_direction_account(
		direction, (uint32_t)(world_now / 1000), (uint32_t)cell->message.len);
	if (route->kind == PEEL_ROUTE_RENDEZVOUS)
		return join(n, route, out + PEEL_CELL_HEADER_LEN, (size_t)len);
	if (route->kind == PEEL_ROUTE_EXIT)
		return len > 0 ? at_exit(n, route, cell->early, len) : -EBADMSG;
	peel_cell_header(out, world_prefix, route->out_cid, false, cell->early);
	on_send(n, &route->out, out, PEEL_CELL_HEADER_LEN + (size_t)len);
	return 0;
}

static int
backward(struct node *n, struct peel_route *route, const struct peel_cell *cell)
{
	struct peel_direction *direction = &peel_session_at(n->routes, route->session)->backward;
	uint8_t out[PEEL_DATAGRAM_MAX];
	size_t len = cell->message.len + PEEL_SEAL_OVERHEAD;

	peel_direction_account(
		direction, (uint32_t)(world_now / 1000), (uint32_t)cell->message.len);
	peel_cell_header(out, world_prefix, route->out_cid, false, cell->early);
	peel_seal_one(&direction->key, direction->salt, peel_direction_next(direction),
		cell->message.p, cell->message.len, out + PEEL_CELL_HEADER_LEN);
	on_send(n, &route->out, out, PEEL_CELL_HEADER_LEN + len);
	return 0;
}

/* Creates that are taken are joined at once. */
static int
control_input(struct node *n, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	int ret = peel_or_datagram(n->circuits, from, data, len);
	bool waits = ret == 0 && data[PEEL_PREFIX_LEN] == PEEL_MSG_CELL &&
		     data[PEEL_CELL_HEADER_LEN] == PEEL_MSG_CREATE;

	if (waits && !n->joins_wait && node_join(n) == 0)
		return -EBADMSG;
	return ret;
}

int
node_input(struct node *n, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	struct peel_cell cell;

	n->message_len = 0;
	if (len < PEEL_CELL_MIN || data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL ||
		memcmp(data, world_prefix, PEEL_PREFIX_LEN) != 0 ||
		peel_cell_parse(data, len, &cell) != 0 || cell.plain)
		return control_input(n, from, data, len);
	uint32_t slot = node_route(n, from, cell.cid);

	if (slot == PEEL_NONE)
		slot = peel_route_lookup_any(n->routes, cell.cid);
	if (slot == PEEL_NONE)
		return -ENOENT;
	struct peel_route *route = peel_route_at(n->routes, slot);

	if (cell.early && route->kind != PEEL_ROUTE_EXIT && route->n_early >= route->max_early)
		return -EBADMSG;
	route->n_early += cell.early;
	return route->kind == PEEL_ROUTE_BACKWARD ? backward(n, route, &cell)
						  : forward(n, route, &cell);
}
