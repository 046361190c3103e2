/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "swarm_world.h"

#define RELAY_SESSIONS 512
#define USER_SESSIONS 2048
#define DHT_MS 300 /* a look-up takes */

struct net *net;
const uint8_t net_prefix[PEEL_PREFIX_LEN] = {0x00, 0x02, 0x81, 0xde, 0xd0, 0x73, 0x32, 0xbd, 0xc7,
	0x75, 0xaa, 0x5a, 0x46, 0xf9, 0x6d, 0xe9, 0xf8, 0xf3, 0x90, 0xbb, 0xc9, 0xf3};

static uint64_t
net_time(void *arg)
{
	(void)arg;
	return net->now_ms;
}

static void
net_random(void *arg, void *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)peel_splitmix(arg);
}

uint64_t
net_below(uint64_t n)
{
	return peel_splitmix(&net->random_state) % n;
}

/* ---- directory and DHT ----------------------------------------------------------------------- */

static struct peel_target
target_of(const struct relay *r)
{
	struct peel_target t = {.addr = r->addr, .flags = r->flags, .last_heard_ms = net->now_ms};

	memcpy(t.pk, r->id.pk, PEEL_PK_LEN);
	return t;
}

static size_t
on_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	uint32_t start = net->n_relays > 0 ? (uint32_t)net_below(net->n_relays) : 0;
	size_t found = 0;

	for (unsigned int i = 0; i < net->n_relays && found < n; i++) {
		const struct relay *r = net->relay[(start + i) % net->n_relays];

		if (r != arg && (r->flags & all) == all && (r->flags & none) == 0)
			out[found++] = target_of(r);
	}
	return found;
}

struct relay *
net_relay_with(const uint8_t *pk)
{
	for (unsigned int i = 0; i < net->n_relays; i++) {
		if (memcmp(net->relay[i]->id.pk, pk, PEEL_PK_LEN) == 0)
			return net->relay[i];
	}
	return NULL;
}

static bool
on_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	const struct relay *r = net_relay_with(pk);

	(void)arg;
	if (r != NULL)
		*out = target_of(r);
	return r != NULL;
}

static bool
on_proved(void *arg, const struct peel_addr *addr)
{
	(void)arg;
	(void)addr;
	return true;
}

static bool
on_public(void *arg, struct peel_addr *out)
{
	const struct relay *r = arg;

	*out = r->addr;
	return !r->secretive;
}

static int
on_announce(
	void *arg, const uint8_t *info_hash, const struct peel_dht_introduction *here, uint32_t *id)
{
	(void)arg;
	for (uint32_t i = 0; i < DHT_MAX; i++) {
		struct published *p = &net->dht[i];

		if (p->used)
			continue;
		*p = (struct published){.used = true, .introduction = *here};
		memcpy(p->info_hash, info_hash, PEEL_INFO_HASH_LEN);
		*id = i;
		return 0;
	}
	return -ENOSPC;
}

static void
on_withdraw(void *arg, uint32_t id)
{
	(void)arg;
	assert_true(net->dht[id].used);
	net->dht[id].used = false;
}

static int
on_look_up(void *arg, const uint8_t *info_hash)
{
	struct relay *r = arg;

	if (r->looking)
		return -EAGAIN;
	memcpy(r->looked_up, info_hash, PEEL_INFO_HASH_LEN);
	return r->looking = true, 0;
}

static void
on_cancel(void *arg, const uint8_t *info_hash)
{
	struct relay *r = arg;

	assert_true(r->looking);
	assert_memory_equal(r->looked_up, info_hash, PEEL_INFO_HASH_LEN);
	r->looking = false;
}

static void
dht_answer(struct relay *r)
{
	struct peel_dht_introduction found[DHT_MAX > PEEL_PEERS_MAX ? DHT_MAX : PEEL_PEERS_MAX];
	size_t n = 0;

	r->looking = false;
	if (r->lie != NULL)
		n = r->lie(r, r->looked_up, found);
	for (size_t i = 0; r->lie == NULL && i < DHT_MAX; i++) {
		const struct published *p = &net->dht[i];

		if (p->used && memcmp(p->info_hash, r->looked_up, PEEL_INFO_HASH_LEN) == 0)
			found[n++] = p->introduction;
	}
	peel_hidden_found(r->hidden, r->looked_up, found, n);
	peel_hidden_searched(r->hidden, r->looked_up);
}

/* ---- network --------------------------------------------------------------------------------- */

static void
launch(struct flying *p)
{
	assert_true(net->n_flying < FLYING_MAX);
	p->due_ms = net->now_ms + net->delay_min_ms;
	if (net->delay_max_ms > net->delay_min_ms)
		p->due_ms += net_below(net->delay_max_ms - net->delay_min_ms + 1);
	p->order = net->order++;
	net->flying[net->n_flying++] = *p;
}

void
net_send(const struct peel_addr *from, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	static struct flying p;

	assert_true(len <= PEEL_DATAGRAM_MAX);
	assert_true(to->port != 0 && to->family != PEEL_FAMILY_NONE);
	p = (struct flying){.from = *from, .to = *to, .len = len};
	memcpy(p.data, data, len);
	if ((net->tap != NULL && !net->tap(&p)) || net_below(100) < net->loss_percent)
		return;
	launch(&p);
	if (net_below(100) < net->repeat_percent)
		launch(&p);
}

static void
relay_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct relay *r = arg;

	if (!r->dead)
		net_send(&r->addr, to, data, len);
}

static void
user_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct user *u = arg;

	net_send(&u->addr, to, data, len);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void
on_exit_gone(void *arg, uint32_t session, uint32_t endpoint)
{
	struct relay *r = arg;

	(void)endpoint;
	peel_hidden_exit_gone(r->hidden, session);
}

struct relay *
net_relay(struct peel_addr addr, uint16_t flags)
{
	struct relay *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_true(net->n_relays < RELAYS_MAX);
	net->relay[net->n_relays++] = r;
	r->addr = addr;
	r->flags = flags;
	r->random_state = peel_splitmix(&net->random_state);
	r->env = (struct peel_env){net_time, net_random, &r->random_state};
	assert_int_equal(peel_identity_generate(&r->env, &r->id), 0);
	assert_int_equal(peel_rcu_new(1, &r->rcu), 0);
	const struct peel_route_conf rc = {
		.max_sessions = RELAY_SESSIONS, .rcu = r->rcu, .env = &r->env, .heap = true};

	assert_int_equal(peel_route_table_new(&rc, &r->routes), 0);
	struct peel_or_conf oc = {.env = &r->env,
		.identity = &r->id,
		.stats = &r->stats,
		.routes = r->routes,
		.send = relay_send,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.proved = on_proved,
		.exit_gone = on_exit_gone,
		.arg = r};

	memcpy(oc.prefix, net_prefix, PEEL_PREFIX_LEN);
	peel_or_settings_init(&oc.settings);
	oc.settings.peer_flags = flags;
	assert_int_equal(peel_or_new(&oc, &r->circuits), 0);
	struct peel_hidden_conf hc = {.env = &r->env,
		.identity = &r->id,
		.stats = &r->stats,
		.or_circuits = r->circuits,
		.max_joined_circuits = oc.settings.max_joined_circuits,
		.send = relay_send,
		.public_address = on_public,
		.announce = on_announce,
		.withdraw = on_withdraw,
		.look_up = on_look_up,
		.cancel = on_cancel,
		.arg = r};

	memcpy(hc.prefix, net_prefix, PEEL_PREFIX_LEN);
	assert_int_equal(peel_hidden_new(&hc, &r->hidden), 0);
	return r;
}

static void
on_ready(void *arg, peel_origin_id id)
{
	struct user *u = arg;

	peel_swarms_circuit_ready(u->swarms, id);
}

static void
on_ended(void *arg, peel_origin_id id, enum peel_origin_end why)
{
	struct user *u = arg;

	(void)why;
	peel_swarms_circuit_ended(u->swarms, id);
}

/* One true, then one false, for each circuit. */
static void
on_peer(void *arg, uint32_t swarm, peel_origin_id circuit, bool connected)
{
	struct user *u = arg;

	for (unsigned int i = 0; i < u->n_peers; i++) {
		struct peer *p = &u->peer[i];

		if (p->circuit != circuit)
			continue;
		assert_false(connected);
		assert_false(p->gone);
		assert_int_equal(p->swarm, swarm);
		p->gone = true;
		p->gone_ms = net->now_ms;
		return;
	}
	assert_true(connected);
	assert_true(u->n_peers < PEERS_MAX);
	u->peer[u->n_peers++] =
		(struct peer){.swarm = swarm, .circuit = circuit, .since_ms = net->now_ms};
}

struct user *
net_user(const struct peel_swarm_settings *swarm, const struct peel_origin_settings *origin,
	uint32_t paths)
{
	struct user *u = calloc(1, sizeof(*u));

	assert_non_null(u);
	assert_true(net->n_users < USERS_MAX);
	u->addr = peel_addr_ipv4(21, (uint8_t)(1 + net->n_users), 3, 4, 7000);
	net->user[net->n_users++] = u;
	u->random_state = peel_splitmix(&net->random_state);
	u->env = (struct peel_env){net_time, net_random, &u->random_state};
	u->tick_ms = net->now_ms;
	assert_int_equal(peel_identity_generate(&u->env, &u->id), 0);
	assert_int_equal(peel_rcu_new(1, &u->rcu), 0);
	const struct peel_route_conf rc = {
		.max_sessions = USER_SESSIONS, .rcu = u->rcu, .env = &u->env, .heap = true};

	assert_int_equal(peel_route_table_new(&rc, &u->routes), 0);
	assert_int_equal(peel_paths_new(paths, u->rcu, &u->paths), 0);
	struct peel_origin_conf oc = {.env = &u->env,
		.identity = &u->id,
		.stats = &u->stats,
		.routes = u->routes,
		.paths = u->paths,
		.send = user_send,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.ready = on_ready,
		.ended = on_ended,
		.arg = u};

	memcpy(oc.prefix, net_prefix, PEEL_PREFIX_LEN);
	peel_origin_settings_init(&oc.settings);
	if (origin != NULL)
		oc.settings = *origin;
	assert_int_equal(peel_origin_new(&oc, &u->origin), 0);
	struct peel_swarms_conf sc = {.env = &u->env,
		.identity = &u->id,
		.stats = &u->stats,
		.origin_circuits = u->origin,
		.peer = on_peer,
		.arg = u};

	memcpy(sc.prefix, net_prefix, PEEL_PREFIX_LEN);
	peel_swarm_settings_init(&sc.settings);
	if (swarm != NULL)
		sc.settings = *swarm;
	assert_int_equal(peel_swarms_new(&sc, &u->swarms), 0);
	return u;
}

void
net_new(unsigned int relays)
{
	assert_int_equal(peel_keys_init(), 0);
	net = calloc(1, sizeof(*net));
	assert_non_null(net);
	net->now_ms = net->relays_ms = 1000000;
	net->random_state = 42;
	net->delay_min_ms = net->delay_max_ms = 10;
	for (unsigned int i = 0; i < relays; i++)
		net_relay(peel_addr_ipv4(20, (uint8_t)(1 + i), 3, 4, 8090),
			(uint16_t)(PEEL_FLAG_RELAY | (i % 2 == 0 ? PEEL_FLAG_EXIT_BT : 0)));
}

static void
user_free(struct user *u)
{
	peel_swarms_free(u->swarms);
	peel_origin_free(u->origin);
	peel_rcu_poll(u->rcu);
	assert_int_equal(peel_session_count(u->routes), 0);
	peel_paths_free(u->paths);
	peel_route_table_free(u->routes);
	peel_rcu_free(u->rcu);
	free(u);
}

void
net_free(void)
{
	for (unsigned int i = 0; i < net->n_users; i++)
		user_free(net->user[i]);
	for (unsigned int i = 0; i < net->n_relays; i++) {
		struct relay *r = net->relay[i];

		peel_or_free(r->circuits);
		peel_hidden_free(r->hidden);
		peel_rcu_poll(r->rcu);
		peel_route_table_free(r->routes);
		peel_rcu_free(r->rcu);
		free(r);
	}
	free(net);
	net = NULL;
}

/* ---- time ------------------------------------------------------------------------------------ */

static void
tick_relays(void)
{
	net->relays_ms = net->now_ms + DHT_MS;
	for (unsigned int i = 0; i < net->n_relays; i++) {
		struct relay *r = net->relay[i];

		if (r->looking)
			dht_answer(r);
		(void)peel_or_tick(r->circuits);
		(void)peel_hidden_tick(r->hidden);
		peel_rcu_poll(r->rcu);
	}
}

static void
tick_user(struct user *u)
{
	uint64_t origin = peel_origin_tick(u->origin), swarm = peel_swarms_tick(u->swarms);

	assert_in_range(swarm, 1, 1000);
	u->tick_ms = net->now_ms + (origin < swarm ? origin : swarm);
	peel_rcu_poll(u->rcu);
}

static void
deliver(struct flying *flying)
{
	static struct flying p;

	p = *flying;
	*flying = net->flying[--net->n_flying];
	for (unsigned int i = 0; i < net->n_users; i++) {
		struct user *u = net->user[i];

		if (!peel_addr_equal(&u->addr, &p.to))
			continue;
		user_input(u, &p);
		uint64_t at = net->now_ms + peel_swarms_tick(u->swarms);

		if (at < u->tick_ms)
			u->tick_ms = at;
		return;
	}
	for (unsigned int i = 0; i < net->n_relays; i++) {
		if (peel_addr_same_ip(&net->relay[i]->addr, &p.to))
			relay_input(net->relay[i], &p);
	}
}

static struct flying *
first_flying(void)
{
	struct flying *first = NULL;

	for (unsigned int i = 0; i < net->n_flying; i++) {
		struct flying *p = &net->flying[i];

		if (first == NULL || p->due_ms < first->due_ms ||
			(p->due_ms == first->due_ms && p->order < first->order))
			first = p;
	}
	return first;
}

void
net_run(uint64_t ms)
{
	uint64_t until = net->now_ms + ms;

	for (;;) {
		struct flying *p = first_flying();
		struct user *u = NULL;
		uint64_t at = net->relays_ms;

		for (unsigned int i = 0; i < net->n_users; i++) {
			if (net->user[i]->tick_ms < at) {
				u = net->user[i];
				at = u->tick_ms;
			}
		}
		bool packet = p != NULL && p->due_ms <= at;

		if (packet)
			at = p->due_ms;
		if (at > until)
			break;
		if (at > net->now_ms)
			net->now_ms = at;
		if (packet)
			deliver(p);
		else if (u != NULL)
			tick_user(u);
		else
			tick_relays();
	}
	net->now_ms = until;
}

/* ---- what tests ask -------------------------------------------------------------------------- */

const uint8_t *
net_hash(uint8_t n)
{
	static uint8_t hash[PEEL_INFO_HASH_LEN];

	memset(hash, 0xa0, sizeof(hash));
	hash[0] = n;
	return hash;
}

uint32_t
net_join(struct user *u, uint8_t hash, unsigned int hops, bool seed, bool find)
{
	struct peel_swarm_spec spec = {.hops = hops, .seed = seed, .find = find};
	uint32_t swarm = 0;

	memcpy(spec.info_hash, net_hash(hash), PEEL_INFO_HASH_LEN);
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), 0);
	u->tick_ms = net->now_ms;
	return swarm;
}

struct peel_swarm_info
net_info(const struct user *u, uint32_t swarm)
{
	struct peel_swarm_info info;

	assert_int_equal(peel_swarm_info(u->swarms, swarm, &info), 0);
	return info;
}

unsigned int
net_peers(struct user *u, uint32_t swarm, struct peer **first)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < u->n_peers; i++) {
		if (u->peer[i].gone || u->peer[i].swarm != swarm)
			continue;
		if (n++ == 0 && first != NULL)
			*first = &u->peer[i];
	}
	return n;
}

uint64_t
net_wait_peers(struct user *u, uint32_t swarm, unsigned int n, uint64_t ms)
{
	uint64_t since = net->now_ms;

	while (net_peers(u, swarm, NULL) != n) {
		if (net->now_ms - since >= ms)
			fail_msg("%u peers instead of %u after %llu ms", net_peers(u, swarm, NULL),
				n, (unsigned long long)ms);
		net_run(10);
	}
	return net->now_ms - since;
}

void
net_data(struct user *u, const struct peer *p, const char *text)
{
	uint8_t msg[128];
	const struct peel_msg_data m = {
		.destination = {.type = PEEL_HOST_IPV4, .addr = peel_addr_ipv4(1, 2, 3, 4, 1024)},
		.origin = {.type = PEEL_HOST_IPV4, .addr.family = PEEL_FAMILY_IPV4},
		.payload = {(const uint8_t *)text, strlen(text)},
	};
	int len = peel_data_build(msg, sizeof(msg), &m);

	assert_true(len > 0);
	assert_int_equal(peel_origin_send(u->origin, p->circuit, msg, (size_t)len), 0);
}

struct wanted {
	struct user *u;
	uint32_t swarm;
	enum peel_origin_type type;
	peel_origin_id *out;
	unsigned int n, found;
};

static void
collect(void *arg, peel_origin_id id, const struct peel_origin_info *info)
{
	struct wanted *w = arg;
	bool peer;

	if (info->type != w->type || info->state == PEEL_ORIGIN_CLOSING ||
		peel_swarm_of_circuit(w->u->swarms, id, &peer) != w->swarm)
		return;
	if (w->found < w->n)
		w->out[w->found] = id;
	w->found++;
}

unsigned int
net_circuits(struct user *u, uint32_t swarm, enum peel_origin_type type, peel_origin_id *out,
	unsigned int n)
{
	struct wanted w = {u, swarm, type, out, n, 0};

	peel_origin_dump(u->origin, collect, &w);
	return w.found;
}

peel_origin_id
net_questions(struct user *u, uint32_t swarm)
{
	struct peel_origin_info info;
	peel_origin_id id = 0;

	for (int i = 0; i < 1000; i++) {
		if (net_circuits(u, swarm, PEEL_ORIGIN_DATA, &id, 1) == 1 &&
			peel_origin_info(u->origin, id, &info) == 0 &&
			info.state == PEEL_ORIGIN_READY)
			return id;
		net_run(10);
	}
	fail_msg("no circuit for questions");
	return 0;
}

struct relay *
net_end(struct user *u, peel_origin_id id)
{
	uint8_t pk[PEEL_PK_LEN];

	assert_int_equal(peel_origin_end_key(u->origin, id, pk), 0);
	return net_relay_with(pk);
}

uint64_t
net_stat(const struct user *u, enum peel_counter c)
{
	return peel_stats_get(&u->stats, c);
}

struct seen {
	struct user *u;
	uint32_t sessions, routes;
};

static void
check_one(void *arg, peel_origin_id id, const struct peel_origin_info *info)
{
	struct seen *seen = arg;
	bool peer;

	(void)peel_swarm_of_circuit(seen->u->swarms, id, &peer);
	assert_true(!peer || info->e2e);
	seen->sessions += info->hops + info->e2e;
	seen->routes += info->hops > 0;
	assert_int_equal(peel_path_n_layers(peel_path_at(seen->u->paths, (uint32_t)id)),
		info->hops + info->e2e);
}

void
net_check(struct user *u)
{
	struct seen seen = {.u = u};

	peel_origin_dump(u->origin, check_one, &seen);
	assert_int_equal(peel_session_count(u->routes), seen.sessions);
	assert_int_equal(peel_route_count(u->routes), seen.routes);
	for (unsigned int i = 0; i < u->n_peers; i++) {
		bool peer;
		uint32_t swarm = peel_swarm_of_circuit(u->swarms, u->peer[i].circuit, &peer);

		assert_int_equal(peer, !u->peer[i].gone);
		assert_true(!peer || swarm == u->peer[i].swarm);
	}
}
