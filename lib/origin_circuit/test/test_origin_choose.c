/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Who becomes a hop, and who never. */
#include <errno.h>

#include "world.h"

static peel_origin_id
begin(const struct peel_origin_spec *spec)
{
	peel_origin_id id;

	assert_int_equal(peel_origin_create(world_origin(), spec, &id), 0);
	return id;
}

static bool
failed(peel_origin_id id)
{
	return peel_origin_info(world_origin(), id, &(struct peel_origin_info){0}) == -ENOENT;
}

static struct relay *
hop(peel_origin_id id, unsigned int i)
{
	struct peel_origin_info info = world_info(id);

	assert_true(i < info.hops);
	return world_find(info.hop[i].pk);
}

/* ---- a first hop whose candidate list is ours to write --------------------------------------- */

static struct packet create;

static bool
catch_create(struct packet *p)
{
	if (p->data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL || !p->data[PEEL_CELL_OFF_PLAIN])
		return true;
	create = *p;
	return false;
}

/* What it would answer. The circuit goes no further than to extend: nobody holds its keys. */
static int
answer_create(struct relay *r, const uint8_t *list, size_t len)
{
	uint8_t y[32], auth[32], sealed[PEEL_DATAGRAM_MAX], out[PEEL_DATAGRAM_MAX];
	struct peel_session_keys keys;
	struct peel_msg_create m;

	assert_int_equal(
		peel_create_parse(create.data + PEEL_CELL_MIN, create.len - PEEL_CELL_MIN, &m), 0);
	assert_memory_equal(m.pk.p, world->client.node.id.pk, PEEL_PK_LEN);
	assert_int_equal(
		peel_handshake_respond(&r->node.env, &r->node.id, m.x.p, y, auth, &keys), 0);
	peel_seal_one(&keys.forward, keys.salt_forward, UINT64_MAX, list, len, sealed);
	const struct peel_msg_created answer = {
		.identifier = m.identifier,
		.y = {y, sizeof(y)},
		.auth = {auth, sizeof(auth)},
		.candidates_enc = {sealed, len + PEEL_SEAL_OVERHEAD},
	};
	int n = peel_created_build(out + PEEL_CELL_HEADER_LEN, sizeof(out) - PEEL_CELL_HEADER_LEN,
		PEEL_MSG_CREATED, &answer);

	assert_true(n > 0);
	peel_cell_header(
		out, world_prefix, peel_get_be32(create.data + PEEL_CELL_OFF_CID), true, false);
	return world_inject(&r->node.addr, out, PEEL_CELL_HEADER_LEN + (size_t)n);
}

static uint8_t list[PEEL_DATAGRAM_MAX];
static size_t list_len;

static void
list_begin(uint8_t n)
{
	list[0] = n;
	list_len = 1;
}

static void
list_add(const uint8_t *pk, size_t len)
{
	peel_put_be16(list + list_len, (uint16_t)len);
	memcpy(list + list_len + 2, pk, len);
	list_len += 2 + len;
}

/* One of two relays to begin with, 2 hops wanted. */
static struct relay *
world_with_list(void)
{
	world_new(NULL, 16);
	world_relays(1, RELAY);
	world->tap = catch_create;
	begin(&(struct peel_origin_spec){.hops = 2});
	return world->relay[0];
}

static void
test_nobody_suitable_in_the_list(void **state)
{
	uint8_t legacy[64] = {0x30, 0x40, 0x30}, odd[PEEL_PK_LEN];
	struct relay *r = world_with_list();

	(void)state;
	memcpy(odd, r->node.id.pk, PEEL_PK_LEN);
	odd[0] ^= 1; /* a key of the right length and the wrong kind */
	list_begin(6);
	list_add(r->node.id.pk, PEEL_PK_LEN);
	list_add(r->node.id.pk, PEEL_PK_LEN);
	list_add(world->client.node.id.pk, PEEL_PK_LEN);
	list_add(legacy, sizeof(legacy));
	list_add(odd, PEEL_PK_LEN);
	list_add(odd, PEEL_PK_LEN);
	assert_int_equal(answer_create(r, list, list_len), 0);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_FAILED), 1);
	assert_int_equal(world->client.n_cells, 1);
	world_free();
}

static void
test_strange_lists(void **state)
{
	static const uint8_t empty[] = {0}, cut[] = {3, 0, 74, 1};
	struct peel_identity id;

	(void)state;
	struct relay *r = world_with_list();

	assert_int_equal(answer_create(r, empty, sizeof(empty)), 0); /* nobody, but true */
	assert_int_equal(world_ends(PEEL_ORIGIN_END_FAILED), 1);
	assert_int_equal(world_stat(PEEL_OWN_HOP_BAD), 0);
	world_free();
	r = world_with_list();
	assert_int_equal(answer_create(r, cut, sizeof(cut)), -EBADMSG);
	assert_int_equal(world_stat(PEEL_OWN_HOP_BAD), 1);
	world_free();
	r = world_with_list();
	assert_int_equal(answer_create(r, empty, 0), -EBADMSG); /* sealed, but no list */
	world_free();
	r = world_with_list();
	list_begin(25); /* as many as there may be: one exit many times */
	assert_int_equal(peel_identity_generate(&r->node.env, &id), 0);
	for (int i = 0; i < 25; i++)
		list_add(id.pk, PEEL_PK_LEN);
	assert_int_equal(answer_create(r, list, list_len), 0);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_FAILED), 0);
	assert_int_equal(world->client.n_cells, 2); /* extend to it */
	world_run(11000);
	assert_int_equal(world->client.n_cells, 3); /* a ping, but not to the same one again */
	assert_int_equal(world_ends(PEEL_ORIGIN_END_FAILED), 1);
	world_free();
}

/* ---- a first hop that has friends ------------------------------------------------------------ */

#define FRIENDS 6 /* relays 1 to 6: three relays, three exits; relay 0 is their boss */

static bool
is_friend(const struct peel_addr *a)
{
	for (unsigned int i = 0; i <= FRIENDS; i++) {
		if (peel_addr_equal(a, &world->relay[i]->node.addr))
			return true;
	}
	return false;
}

/* What they shall pass on to others is lost. */
static bool
among_friends(struct packet *p)
{
	bool is_create = p->data[PEEL_PREFIX_LEN] == PEEL_MSG_CELL &&
			 p->data[PEEL_CELL_OFF_PLAIN] &&
			 p->data[PEEL_CELL_HEADER_LEN] == PEEL_MSG_CREATE;

	return !is_create || !is_friend(&p->from) || is_friend(&p->to);
}

static void
world_with_friends(bool known)
{
	static const uint16_t flags[] = {RELAY, RELAY, RELAY, RELAY, EXIT, EXIT, EXIT};

	world_new(NULL, 64);
	for (unsigned int i = 0; i <= FRIENDS; i++)
		world->relay[world_relays(1, flags[i])]->node.known = i == 0 || known;
	for (unsigned int i = 0; i <= FRIENDS; i++) {
		for (unsigned int k = 1; k <= FRIENDS; k++)
			world->relay[i]->list[world->relay[i]->n_list++] =
				world_target(world->relay[k]);
	}
	world_relays(8, RELAY);
	world_relays(6, EXIT);
}

struct share {
	unsigned int begun; /* circuits that began at the boss */
	unsigned int owned; /* READY, and all of their hops are friends */
};

static struct share
count_owned(unsigned int hops, unsigned int n)
{
	struct share s = {0};

	while (s.begun < n) {
		peel_origin_id id = begin(&(struct peel_origin_spec){.hops = hops});
		struct peel_origin_info info;
		unsigned int friends = 0;

		world_run(1000);
		info = world_info(id);
		assert_true(info.hops > 0);
		if (world_find(info.hop[0].pk) == world->relay[0]) {
			s.begun++;
			world_run(45000);
			if (peel_origin_info(world_origin(), id, &info) == 0) {
				assert_int_equal(info.state, PEEL_ORIGIN_READY);
				for (unsigned int i = 0; i < hops; i++)
					friends +=
						is_friend(&world_find(info.hop[i].pk)->node.addr);
				s.owned += friends == hops;
			}
		}
		if (peel_origin_info(world_origin(), id, &info) == 0)
			assert_int_equal(peel_origin_close(world_origin(), id), 0);
		world_run(61000); /* whatever failed is forgotten */
	}
	return s;
}

/* Friends that only the boss knows: no circuit is theirs, whether it extends to others or not. */
static void
test_first_hop_offers_its_friends(void **state)
{
	(void)state;
	for (unsigned int hops = 2; hops <= 3; hops++) {
		for (int strict = 0; strict < 2; strict++) {
			world_with_friends(false);
			world->tap = strict ? among_friends : NULL;
			struct share s = count_owned(hops, 40);

			print_message("unknown friends, %u hops, %s: %u of %u\n", hops,
				strict ? "others get lost" : "others are served", s.owned, s.begun);
			assert_int_equal(s.owned, 0);
			world_free();
		}
	}
}

/* Friends that we know as well as others: chance alone picks them, twice when the boss loses the
 * first one it is asked for. */
static void
test_first_hop_with_known_friends(void **state)
{
	(void)state;
	for (int strict = 0; strict < 2; strict++) {
		world_with_friends(true);
		world->tap = strict ? among_friends : NULL;
		struct share s = count_owned(2, 60);

		print_message("known friends, 2 hops, %s: %u of %u\n",
			strict ? "others get lost" : "others are served", s.owned, s.begun);
		/* 3 of 9 exits: 20 expected; 33 when there are two draws. All 60 when the list
		 * counts. */
		assert_in_range(s.owned, strict ? 20 : 10, strict ? 46 : 32);
		world_free();
	}
}

static unsigned int n_to_boss;

static bool
count_creates(struct packet *p)
{
	n_to_boss += p->data[PEEL_PREFIX_LEN] == PEEL_MSG_CELL && p->data[PEEL_CELL_OFF_PLAIN] &&
		     peel_addr_equal(&p->from, &world->client.node.addr) &&
		     peel_addr_equal(&p->to, &world->relay[0]->node.addr);
	return true;
}

/* One that loses circuits is the least used one, but not the first hop of everything that
 * follows. */
static void
test_spoiler_does_not_attract(void **state)
{
	struct peel_origin_settings settings;

	(void)state;
	peel_origin_settings_init(&settings);
	settings.next_hop_timeout = 2;
	settings.circuit_timeout = 12;
	world_new(&settings, 64);
	world_relays(7, RELAY);
	world_relays(3, EXIT);
	world->relay[0]->misdeed = MUTE;
	world->tap = count_creates;
	n_to_boss = 0;
	assert_int_equal(peel_origin_build(world_origin(), 3), 0);
	world_run(120000);
	print_message("%u of %u creates to the one that loses circuits\n", n_to_boss,
		world->client.n_creates);
	assert_true(n_to_boss * 2 < world->client.n_creates);
	assert_int_equal(peel_origin_active(world_origin(), 3, NULL, 0), 8);
	world_free();
}

/* What cannot be reached from where the circuit ends is no choice, unless it says it knows the
 * way. */
static void
test_own_candidates_in_reach(void **state)
{
	(void)state;
	world_new(NULL, 16);
	world_relays(1, RELAY);
	struct relay *near = world_relay_at(peel_addr_ipv4(192, 168, 1, 9, 8090), EXIT);

	world->relay[0]->list[world->relay[0]->n_list++] = world_target(world->relay[0]);
	peel_origin_id id = begin(&(struct peel_origin_spec){.hops = 2});

	world_run(1000);
	assert_true(failed(id));
	world->relay[0]->list[0] = world_target(near);
	id = begin(&(struct peel_origin_spec){.hops = 2});
	world_run(1000);
	assert_true(hop(id, 1) == near);
	world_free();
}

/* ---- exits ----------------------------------------------------------------------------------- */

static void
test_required_exit(void **state)
{
	(void)state;
	for (unsigned int hops = 1; hops <= 3; hops++) {
		world_new(NULL, 64);
		world_relays(4, RELAY);
		world_relays(4, EXIT);
		struct relay *last = world->relay[world_relays(1, RELAY)];
		struct peel_target exit = world_target(last);
		peel_origin_id id[12];

		last->node.known = hops != 2; /* need not be a candidate of ours */
		for (size_t i = 0; i < PEEL_ARRAY_LEN(id); i++)
			id[i] = begin(&(struct peel_origin_spec){
				.hops = hops, .exit = &exit, .type = PEEL_ORIGIN_RP_DOWNLOADER});
		world_run(2000);
		for (size_t i = 0; i < PEEL_ARRAY_LEN(id); i++) {
			assert_int_equal(world_info(id[i]).state, PEEL_ORIGIN_READY);
			assert_true(hop(id[i], hops - 1) == last);
		}
		world_check();
		world_free();
	}
}

static void
test_required_exit_one_attempt(void **state)
{
	(void)state;
	for (unsigned int hops = 1; hops <= 2; hops++) {
		world_new(NULL, 16);
		world_relays(3, RELAY);
		world_relays(3, EXIT);
		struct peel_target exit = world_target(world->relay[3]);

		world->relay[3]->misdeed = DEAD;
		peel_origin_id id = begin(&(struct peel_origin_spec){.hops = hops, .exit = &exit});

		world_run(9500);
		assert_int_equal(world_info(id).state, PEEL_ORIGIN_EXTENDING);
		world_run(2000);
		assert_true(failed(id));
		assert_int_equal(world_stat(PEEL_OWN_HOP_TIMEOUT), 1);
		world_free();
	}
}

static void
test_required_exit_address_looked_up(void **state)
{
	peel_origin_id id;

	(void)state;
	world_new(NULL, 16);
	world_relays(2, EXIT);
	struct peel_target exit = world_target(world->relay[0]);
	const struct peel_origin_spec spec = {.hops = 1, .exit = &exit};

	exit.addr = (struct peel_addr){0};
	world->relay[0]->node.known = false;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EAGAIN);
	world->relay[0]->node.known = true;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), 0);
	world_run(1000);
	assert_true(hop(id, 0) == world->relay[0]);
	world_free();
}

static void
test_exit_flags(void **state)
{
	const uint16_t ipv8 = PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_IPV8;

	(void)state;
	for (unsigned int hops = 1; hops <= 3; hops++) {
		world_new(NULL, 64);
		world_relays(3, RELAY);
		world_relays(3, EXIT);
		struct relay *special = world->relay[world_relays(1, ipv8)];

		world->relay[4]->node.known = false; /* may have it or not: not taken */
		for (int i = 0; i < 10; i++) {
			peel_origin_id id = begin(&(struct peel_origin_spec){
				.hops = hops, .exit_flags = PEEL_FLAG_EXIT_IPV8});

			world_run(2500);
			assert_true(hop(id, hops - 1) == special);
		}
		/* Nobody can be found on the way: nothing is begun. */
		special->node.known = false;
		assert_int_equal(peel_origin_create(world_origin(),
					 &(struct peel_origin_spec){
						 .hops = hops, .exit_flags = PEEL_FLAG_EXIT_IPV8},
					 &(peel_origin_id){0}),
			-EAGAIN);
		world_free();
	}
}

static void
test_backup_exits_last(void **state)
{
	(void)state;
	for (unsigned int hops = 1; hops <= 2; hops++) {
		world_new(NULL, 64);
		world_relays(3, RELAY);
		world_relays(4, EXIT | PEEL_FLAG_EXIT_BACKUP);
		peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, hops); /* better than nobody */

		assert_true(hop(id, hops - 1)->node.flags & PEEL_FLAG_EXIT_BACKUP);
		world_relays(1, EXIT);
		for (int i = 0; i < 10; i++) {
			id = world_circuit(PEEL_ORIGIN_DATA, hops);
			if (hops == 1 || hop(id, 0) != world->relay[7])
				assert_int_equal(hop(id, hops - 1)->node.flags, EXIT);
		}
		world_free();
	}
}

static void
test_types(void **state)
{
	(void)state;
	world_new(NULL, 64);
	world_relays(3, RELAY);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_RP_SEEDER, 1);

	assert_int_equal(hop(id, 0)->node.flags, RELAY);
	assert_int_equal(peel_path_flags(peel_path_at(world->client.paths, (uint32_t)id)),
		PEEL_PATH_READY | PEEL_PATH_HIDDEN);
	id = world_circuit(PEEL_ORIGIN_IP_SEEDER, 2);
	assert_int_equal(peel_path_flags(peel_path_at(world->client.paths, (uint32_t)id)),
		PEEL_PATH_READY | PEEL_PATH_HIDDEN | PEEL_PATH_INTRODUCTION);
	world_relays(1, EXIT);
	id = world_circuit(PEEL_ORIGIN_IP_SEEDER, 1);
	assert_int_equal(hop(id, 0)->node.flags, EXIT);
	id = world_circuit(PEEL_ORIGIN_DATA, 1);
	assert_int_equal(hop(id, 0)->node.flags, EXIT);
	assert_int_equal(
		peel_path_flags(peel_path_at(world->client.paths, (uint32_t)id)), PEEL_PATH_READY);
	world_free();
	world_new(NULL, 8);
	world_relays(2, PEEL_FLAG_EXIT_BT); /* no relays at all */
	world_circuit(PEEL_ORIGIN_RP_SEEDER, 1);
	assert_int_equal(
		peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 2}, &id),
		-EAGAIN);
	world_free();
}

/* ---- networks -------------------------------------------------------------------------------- */

static struct peel_addr
addr_of(const char *text)
{
	struct peel_addr a;

	assert_int_equal(peel_addr_parse(text, 0, &a), 0);
	return a;
}

static const struct {
	const char *relay, *exit;
	bool together; /* may share a circuit */
} pairs[] = {
	{"20.5.1.1:1", "20.5.200.9:2", false},
	{"20.5.1.1:1", "20.6.1.1:1", true},
	{"10.0.0.1:1", "10.0.0.1:2", true}, /* local ones say nothing */
	{"127.0.0.1:1", "127.0.0.1:2", true},
	{"100.64.0.1:1", "100.64.0.2:1", true},
	{"192.168.1.1:1", "192.168.1.2:1", true},
	{"169.254.1.1:1", "169.254.1.2:1", true},
	{"[2a02:1:2::1]:1", "[2a02:1:3::1]:1", false},
	{"[2a02:1:2::1]:1", "[2a02:2:2::1]:1", true},
	{"[fc00:1:2::1]:1", "[fc00:1:2::2]:1", true},
	{"[fe80::1]:1", "[fe80::2]:1", true},
};

static void
pair(size_t i, bool allow, bool required, bool known)
{
	struct peel_origin_settings s;
	struct peel_target exit;
	struct peel_origin_spec spec = {.hops = 2};
	peel_origin_id id;

	peel_origin_settings_init(&s);
	s.allow_same_network = allow;
	world_new(&s, 16);
	world_relay_at(addr_of(pairs[i].relay), RELAY);
	exit = world_target(world_relay_at(addr_of(pairs[i].exit), EXIT));
	world->relay[1]->node.known = known;
	if (required)
		spec.exit = &exit;
	int ret = peel_origin_create(world_origin(), &spec, &id);

	world_run(1000);
	if (allow || pairs[i].together || (!known && !required)) {
		assert_int_equal(ret, 0);
		assert_int_equal(world_ends(-1), 1);
		if (!required)
			assert_true(known == !peel_addr_is_none(&world_info(id).hop[1].addr));
	} else {
		assert_int_equal(world_ends(-1), 0);
		assert_true(required ? ret == -EAGAIN : failed(id));
	}
	world_free();
}

static void
test_same_network(void **state)
{
	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(pairs); i++) {
		for (int k = 0; k < 8; k++)
			pair(i, k & 1, k & 2, k & 4);
	}
}

static void
test_known_before_unknown(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		world_new(NULL, 16);
		world->random_state = (uint64_t)round;
		world_relays(1, RELAY);
		world_relays(4, EXIT);
		for (int i = 1; i < 4; i++)
			world->relay[i]->node.known = false;
		peel_origin_id id = begin(&(struct peel_origin_spec){.hops = 2});

		world_run(1000);
		if (!failed(id) && hop(id, 0) == world->relay[0]) /* else it was the known exit */
			assert_true(hop(id, 1) == world->relay[4]);
		world_free();
	}
}

/* ---- fairness -------------------------------------------------------------------------------- */

static void
test_first_hops_least_used(void **state)
{
	unsigned int uses[8] = {0};

	(void)state;
	world_new(NULL, 64);
	world_relays(5, RELAY);
	world_relays(3, EXIT);
	for (int i = 0; i < 13; i++) {
		peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 2);

		for (unsigned int k = 0; k < 8; k++)
			uses[k] += hop(id, 0) == world->relay[k];
	}
	for (unsigned int k = 0; k < 8; k++) /* 5 to relays, then all alike */
		assert_int_equal(uses[k], k < 5 ? 2 : 1);
	for (int i = 0; i < 5; i++) { /* counted by type */
		peel_origin_id id = world_circuit(PEEL_ORIGIN_RP_SEEDER, 2);

		assert_int_equal(hop(id, 0)->node.flags, RELAY);
	}
	world_free();
}

/* The least used one it is, but what begins there cannot end anywhere. */
static void
test_only_exit_is_for_the_end(void **state)
{
	(void)state;
	world_new(NULL, 64);
	world_relays(2, RELAY);
	world_relays(1, EXIT);
	for (int i = 0; i < 12; i++) {
		peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, i % 2 == 0 ? 2 : 3);

		assert_ptr_not_equal(hop(id, 0), world->relay[2]);
	}
	assert_int_equal(world_ends(PEEL_ORIGIN_END_FAILED), 0);
	/* A second one may be first. */
	world_relays(1, EXIT);
	bool first = false;

	for (int i = 0; i < 12; i++)
		first |= hop(world_circuit(PEEL_ORIGIN_DATA, 2), 0)->node.flags == EXIT;
	assert_true(first);
	world_free();
}

static void
test_failed_first_hop_last(void **state)
{
	(void)state;
	world_new(NULL, 64);
	world_relays(3, RELAY);
	world_relays(2, EXIT);
	world->relay[0]->misdeed = world->relay[1]->misdeed = DEAD;
	for (int i = 0; i < 3; i++)
		begin(&(struct peel_origin_spec){.hops = 2});
	world_run(32000);
	uint64_t timeouts = world_stat(PEEL_OWN_HOP_TIMEOUT);

	assert_int_equal(world_ends(-1), 3);
	for (int i = 0; i < 6; i++)
		world_circuit(PEEL_ORIGIN_DATA, 2); /* at once: they come last now */
	assert_int_equal(world_stat(PEEL_OWN_HOP_TIMEOUT), timeouts);
	world_free();
}

static void
test_choice_is_unpredictable(void **state)
{
	unsigned int chosen[6] = {0};

	(void)state;
	world_new(NULL, 256);
	world_relays(2, RELAY);
	world_relays(4, EXIT);
	struct relay *r = world->relay[0];

	for (unsigned int i = 0; i < 4; i++) /* always in the same order */
		r->list[r->n_list++] = world_target(world->relay[2 + i]);
	world->relay[1]->node.known = false;
	for (int i = 0; i < 60; i++) {
		peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 2);

		if (hop(id, 0) == r) {
			for (unsigned int k = 2; k < 6; k++)
				chosen[k] += hop(id, 1) == world->relay[k];
		}
		assert_int_equal(peel_origin_close(world_origin(), id), 0);
	}
	for (unsigned int k = 2; k < 6; k++)
		assert_in_range(chosen[k], 4, 30);
	world_free();
}

/* All but one exit shall not be the end, of whatever type and length the circuit is. */
static void
test_ends_to_avoid(void **state)
{
	static const enum peel_origin_type types[] = {
		PEEL_ORIGIN_DATA, PEEL_ORIGIN_IP_SEEDER, PEEL_ORIGIN_RP_SEEDER};
	uint8_t avoid[PEEL_ORIGIN_AVOID_MAX + 1][PEEL_PK_LEN] = {{0}}, end[PEEL_PK_LEN];
	struct peel_origin_spec spec = {.avoid = (const uint8_t(*)[PEEL_PK_LEN])avoid};
	peel_origin_id id;

	(void)state;
	world_new(NULL, 64);
	world_relays(4, EXIT);
	for (unsigned int i = 1; i < 4; i++)
		memcpy(avoid[spec.n_avoid++], world->relay[i]->node.id.pk, PEEL_PK_LEN);
	for (size_t i = 0; i < 3 * 3 * 4; i++) {
		spec.type = types[i % 3];
		spec.hops = 1 + (unsigned int)(i / 3 % 3);
		id = begin(&spec);
		world_run(1000);
		assert_ptr_equal(hop(id, spec.hops - 1), world->relay[0]);
		assert_int_equal(peel_origin_end_key(world_origin(), id, end), 0);
		assert_memory_equal(end, world->relay[0]->node.id.pk, PEEL_PK_LEN);
		(void)peel_origin_close(world_origin(), id);
	}
	memcpy(avoid[spec.n_avoid++], world->relay[0]->node.id.pk, PEEL_PK_LEN);
	/* No other is left: for a longer circuit they are better than nobody. */
	for (spec.hops = 2; spec.hops <= 3; spec.hops++) {
		spec.type = PEEL_ORIGIN_RP_SEEDER;
		id = begin(&spec);
		world_run(1000);
		assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	}
	spec.hops = 1;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EAGAIN);
	spec.type = PEEL_ORIGIN_IP_SEEDER;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EAGAIN);
	spec.n_avoid = PEEL_ORIGIN_AVOID_MAX + 1;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EINVAL);
	world_free();
}

static void
test_isolated_serve_nobody_else(void **state)
{
	const struct peel_origin_spec spec = {
		.type = PEEL_ORIGIN_DATA, .hops = 2, .isolated = true};
	peel_origin_id id, active;

	(void)state;
	world_new(NULL, 64);
	world_relays(4, EXIT);
	id = begin(&spec);
	world_run(1000);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	assert_int_equal(peel_origin_active(world_origin(), 2, &active, 1), 0);
	assert_true(peel_origin_quotient(world_origin(), 2) == 0);
	world_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_suitable_in_the_list),
		cmocka_unit_test(test_strange_lists),
		cmocka_unit_test(test_first_hop_offers_its_friends),
		cmocka_unit_test(test_first_hop_with_known_friends),
		cmocka_unit_test(test_spoiler_does_not_attract),
		cmocka_unit_test(test_own_candidates_in_reach),
		cmocka_unit_test(test_required_exit),
		cmocka_unit_test(test_required_exit_one_attempt),
		cmocka_unit_test(test_required_exit_address_looked_up),
		cmocka_unit_test(test_exit_flags),
		cmocka_unit_test(test_backup_exits_last),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_same_network),
		cmocka_unit_test(test_known_before_unknown),
		cmocka_unit_test(test_first_hops_least_used),
		cmocka_unit_test(test_only_exit_is_for_the_end),
		cmocka_unit_test(test_failed_first_hop_last),
		cmocka_unit_test(test_choice_is_unpredictable),
		cmocka_unit_test(test_ends_to_avoid),
		cmocka_unit_test(test_isolated_serve_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
