/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "world.h"

#define CLIENT_SESSIONS 1024
#define RELAY_SESSIONS 256

struct world *world;
const uint8_t world_prefix[PEEL_PREFIX_LEN] = {0x00, 0x02, 0x81, 0xde, 0xd0, 0x73, 0x32, 0xbd, 0xc7,
	0x75, 0xaa, 0x5a, 0x46, 0xf9, 0x6d, 0xe9, 0xf8, 0xf3, 0x90, 0xbb, 0xc9, 0xf3};

static uint64_t
world_time(void *arg)
{
	(void)arg;
	world->ahead_ms += world->reading_ms;
	return world->now_ms + world->ahead_ms;
}

static void
node_random(void *arg, void *out, size_t len)
{
	struct node *n = arg;

	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)peel_splitmix(&n->random_state);
}

static uint64_t
world_below(uint64_t n)
{
	return peel_splitmix(&world->random_state) % n;
}

/* ---- directory ------------------------------------------------------------------------------- */

struct peel_target
world_target(const struct relay *r)
{
	struct peel_target t = {
		.addr = r->node.addr, .flags = r->node.flags, .last_heard_ms = world->now_ms};

	memcpy(t.pk, r->node.id.pk, PEEL_PK_LEN);
	return t;
}

static size_t
directory(const struct node *asking, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	uint32_t start = world->n_relays > 0 ? (uint32_t)world_below(world->n_relays) : 0;
	size_t found = 0;

	for (unsigned int i = 0; i < world->n_relays && found < n; i++) {
		const struct relay *r = world->relay[(start + i) % world->n_relays];

		if (&r->node == asking || (r->node.flags & all) != all ||
			(r->node.flags & none) != 0)
			continue;
		if (asking == &world->client.node && !r->node.known)
			continue;
		out[found++] = world_target(r);
	}
	return found;
}

static size_t
client_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	return directory(arg, all, none, out, n);
}

static size_t
relay_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	struct relay *r = arg;
	size_t found = 0;

	if (r->n_list == 0)
		return directory(&r->node, all, none, out, n);
	for (size_t i = 0; i < r->n_list && found < n; i++) {
		if ((r->list[i].flags & all) == all && (r->list[i].flags & none) == 0)
			out[found++] = r->list[i];
	}
	return found;
}

struct relay *
world_find(const uint8_t *pk)
{
	for (unsigned int i = 0; i < world->n_relays; i++) {
		if (memcmp(world->relay[i]->node.id.pk, pk, PEEL_PK_LEN) == 0)
			return world->relay[i];
	}
	return NULL;
}

static bool
client_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	const struct relay *r = world_find(pk);

	(void)arg;
	if (r == NULL || !r->node.known)
		return false;
	*out = world_target(r);
	return true;
}

static bool
client_banned(void *arg, const struct peel_addr *addr, const uint8_t *pk)
{
	const struct client *c = arg;

	return (addr != NULL && c->banned_addr != NULL && peel_addr_equal(addr, c->banned_addr)) ||
	       (pk != NULL && c->banned_pk != NULL && memcmp(pk, c->banned_pk, PEEL_PK_LEN) == 0);
}

/* All know each other. */
static bool
relay_proved(void *arg, const struct peel_addr *addr)
{
	(void)arg;
	(void)addr;
	return true;
}

static bool
relay_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	const struct relay *r = world_find(pk);

	(void)arg;
	if (r != NULL)
		*out = world_target(r);
	return r != NULL;
}

/* ---- network --------------------------------------------------------------------------------- */

static void
launch(struct packet *p)
{
	assert_true(world->n_flying < MAX_FLYING);
	p->due_ms = world->now_ms + world->delay_min_ms;
	if (world->delay_max_ms > world->delay_min_ms)
		p->due_ms += world_below(world->delay_max_ms - world->delay_min_ms + 1);
	p->order = world->order++;
	world->flying[world->n_flying++] = *p;
}

void
world_send(
	const struct peel_addr *from, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	static struct packet p;

	assert_true(len <= PEEL_DATAGRAM_MAX);
	assert_true(to->port != 0 && to->family != PEEL_FAMILY_NONE);
	p = (struct packet){.from = *from, .to = *to, .len = len};
	memcpy(p.data, data, len);
	if (world->tap != NULL && !world->tap(&p))
		return;
	if (world_below(100) < world->loss_percent)
		return;
	launch(&p);
	if (world_below(100) < world->repeat_percent)
		launch(&p);
}

void
world_node_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct node *n = arg;

	world_send(&n->addr, to, data, len);
}

static void
client_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct client *c = arg;

	if (data[PEEL_PREFIX_LEN] == PEEL_MSG_CELL) {
		c->n_cells++;
		c->n_early += data[PEEL_CELL_OFF_EARLY];
		c->n_creates += data[PEEL_CELL_OFF_PLAIN];
	}
	world_send(&c->node.addr, to, data, len);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void
node_init(struct node *n, struct peel_addr addr, uint32_t sessions)
{
	n->addr = addr;
	n->random_state = peel_splitmix(&world->random_state);
	n->env = (struct peel_env){.now_ms = world_time, .random = node_random, .arg = n};
	assert_int_equal(peel_identity_generate(&n->env, &n->id), 0);
	assert_int_equal(peel_rcu_new(1, &n->rcu), 0);
	const struct peel_route_conf rc = {
		.max_sessions = sessions,
		.rcu = n->rcu,
		.env = &n->env,
		.heap = true,
	};

	assert_int_equal(peel_route_table_new(&rc, &n->routes), 0);
}

static void
node_fini(struct node *n)
{
	peel_route_table_free(n->routes);
	peel_rcu_free(n->rcu);
}

struct relay *
world_relay_at(struct peel_addr addr, uint16_t flags)
{
	struct relay *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_true(world->n_relays < MAX_RELAYS);
	world->relay[world->n_relays++] = r;
	node_init(&r->node, addr, RELAY_SESSIONS);
	r->node.flags = flags;
	r->node.known = true;
	struct peel_or_conf conf = {
		.env = &r->node.env,
		.identity = &r->node.id,
		.stats = &r->node.stats,
		.routes = r->node.routes,
		.send = world_node_send,
		.candidates = relay_candidates,
		.find_peer = relay_find_peer,
		.proved = relay_proved,
		.arg = r,
	};

	memcpy(conf.prefix, world_prefix, PEEL_PREFIX_LEN);
	peel_or_settings_init(&conf.settings);
	conf.settings.peer_flags = flags;
	assert_int_equal(peel_or_new(&conf, &r->circuits), 0);
	return r;
}

unsigned int
world_relays(unsigned int n, uint16_t flags)
{
	unsigned int first = world->n_relays;

	for (unsigned int i = 0; i < n; i++)
		world_relay_at(
			peel_addr_ipv4(20, (uint8_t)(1 + world->n_relays), 3, 4, 8090), flags);
	return first;
}

static void
note(struct client *c, peel_origin_id id, int end)
{
	assert_true(c->n_events < MAX_EVENTS);
	for (size_t i = 0; i < c->n_events; i++) /* once each, and nothing after the end */
		assert_false(
			c->event[i].id == id && (c->event[i].end == end || c->event[i].end >= 0));
	c->event[c->n_events++] = (struct event){id, end, world->now_ms};
}

static void
on_ready(void *arg, peel_origin_id id)
{
	note(arg, id, -1);
}

static void
on_ended(void *arg, peel_origin_id id, enum peel_origin_end why)
{
	note(arg, id, (int)why);
}

void
world_new(const struct peel_origin_settings *settings, uint32_t n_paths)
{
	assert_int_equal(peel_keys_init(), 0);
	world = calloc(1, sizeof(*world));
	assert_non_null(world);
	world->now_ms = world->next_tick_ms = world->relays_tick_ms = 1000000;
	world->random_state = 42;
	world->delay_min_ms = world->delay_max_ms = 10;
	struct client *c = &world->client;

	node_init(&c->node, peel_addr_ipv4(20, 0, 0, 1, 7000), CLIENT_SESSIONS);
	assert_int_equal(peel_paths_new(n_paths, c->node.rcu, &c->paths), 0);
	struct peel_origin_conf conf = {
		.env = &c->node.env,
		.identity = &c->node.id,
		.stats = &c->node.stats,
		.routes = c->node.routes,
		.paths = c->paths,
		.send = client_send,
		.candidates = client_candidates,
		.find_peer = client_find_peer,
		.banned = client_banned,
		.ready = on_ready,
		.ended = on_ended,
		.arg = c,
	};

	memcpy(conf.prefix, world_prefix, PEEL_PREFIX_LEN);
	peel_origin_settings_init(&conf.settings);
	if (settings != NULL)
		conf.settings = *settings;
	assert_int_equal(peel_origin_new(&conf, &c->origin_circuits), 0);
}

void
world_usual(const struct peel_origin_settings *settings)
{
	world_new(settings, 64);
	world_relays(6, RELAY);
	world_relays(3, EXIT);
}

struct peel_origin_settings
world_defaults(void)
{
	struct peel_origin_settings s;

	peel_origin_settings_init(&s);
	return s;
}

struct peel_origin_circuits *
world_origin(void)
{
	return world->client.origin_circuits;
}

size_t
world_active(unsigned int hops)
{
	return peel_origin_active(world_origin(), hops, NULL, 0);
}

void
world_free(void)
{
	struct client *c = &world->client;

	peel_origin_free(c->origin_circuits);
	peel_rcu_poll(c->node.rcu);
	assert_int_equal(peel_route_count(c->node.routes), 0);
	assert_int_equal(peel_session_count(c->node.routes), 0);
	peel_paths_free(c->paths);
	node_fini(&c->node);
	for (unsigned int i = 0; i < world->n_relays; i++) {
		peel_or_free(world->relay[i]->circuits);
		peel_rcu_poll(world->relay[i]->node.rcu);
		node_fini(&world->relay[i]->node);
		free(world->relay[i]);
	}
	free(world);
	world = NULL;
}

/* ---- looking --------------------------------------------------------------------------------- */

uint64_t
world_stat(enum peel_counter c)
{
	return peel_stats_get(&world->client.node.stats, c);
}

size_t
world_ends(int end)
{
	size_t n = 0;

	for (size_t i = 0; i < world->client.n_events; i++)
		n += world->client.event[i].end == end;
	return n;
}

struct peel_origin_info
world_info(peel_origin_id id)
{
	struct peel_origin_info info;

	assert_int_equal(peel_origin_info(world->client.origin_circuits, id, &info), 0);
	return info;
}

struct peel_origin_count
world_count(void)
{
	struct peel_origin_count n;

	peel_origin_count(world->client.origin_circuits, &n);
	return n;
}

int
world_answer(struct relay *r, const uint8_t *msg, size_t len)
{
	return peel_or_answer(r->circuits, r->session, msg, len);
}

peel_origin_id
world_circuit(enum peel_origin_type type, unsigned int hops)
{
	const struct peel_origin_spec spec = {.type = type, .hops = hops};
	peel_origin_id id;

	assert_int_equal(peel_origin_create(world->client.origin_circuits, &spec, &id), 0);
	world_run(2000);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	return id;
}

size_t
world_destroy_build(const struct peel_identity *id, uint32_t cid, uint16_t reason, uint8_t *out)
{
	struct peel_writer w = peel_writer_init(out, 169);
	const struct peel_msg_destroy m = {.cid = cid, .reason = reason};
	uint8_t body[PEEL_DESTROY_BODY_LEN];

	peel_destroy_body(body, &m);
	peel_signed_begin(&w, world_prefix, PEEL_MSG_DESTROY, id->pk, false, 0);
	peel_write_bytes(&w, body, sizeof(body));
	peel_sign(&w, id);
	assert_int_equal(peel_writer_len(&w), 169);
	return 169;
}

struct seen {
	uint32_t circuits, routes, sessions;
};

static void
check_one(void *arg, peel_origin_id id, const struct peel_origin_info *info)
{
	struct client *c = &world->client;
	const struct peel_path *path = peel_path_at(c->paths, (uint32_t)id);
	struct seen *seen = arg;

	assert_int_equal(peel_path_generation(c->paths, (uint32_t)id), id >> 32);
	assert_int_equal((id >> 32) % 2, 1);
	assert_int_equal(peel_path_n_layers(path), info->hops);
	assert_int_equal(path->cid, info->cid);
	assert_int_equal(
		(peel_path_flags(path) & PEEL_PATH_READY) != 0, info->state == PEEL_ORIGIN_READY);
	assert_true(info->hops <= info->goal);
	if (info->state == PEEL_ORIGIN_READY)
		assert_int_equal(info->hops, info->goal);
	for (unsigned int i = 0; i < info->hops; i++) {
		assert_memory_not_equal(info->hop[i].pk, c->node.id.pk, PEEL_PK_LEN);
		for (unsigned int k = 0; k < i; k++)
			assert_memory_not_equal(info->hop[i].pk, info->hop[k].pk, PEEL_PK_LEN);
	}
	if (info->hops > 0)
		assert_true(peel_addr_equal(&path->first, &info->hop[0].addr));
	seen->circuits++;
	seen->routes += info->hops > 0;
	seen->sessions += info->hops;
}

void
world_check(void)
{
	struct client *c = &world->client;
	struct peel_origin_count n = world_count();
	struct seen seen = {0};

	peel_origin_dump(c->origin_circuits, check_one, &seen);
	assert_int_equal(seen.circuits, n.extending + n.ready + n.closing);
	assert_int_equal(peel_route_count(c->node.routes), seen.routes);
	assert_int_equal(peel_session_count(c->node.routes), seen.sessions);
}
