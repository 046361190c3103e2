/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* What becomes of circuits: limits, pings, destroys. */
#include <errno.h>

#include "world.h"

static const uint8_t hello[] = {PEEL_MSG_DATA, 'h', 'e', 'l', 'l', 'o'};

/* ---- limits ---------------------------------------------------------------------------------- */

static void
test_age_without_replacement(void **state)
{
	struct peel_origin_settings s = world_defaults();

	(void)state;
	s.max_time = 100;
	s.max_time_ip = 300;
	world_usual(&s);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 2);
	peel_origin_id ip = world_circuit(PEEL_ORIGIN_IP_SEEDER, 2);

	world_run(95500);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	world_run(2000);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_CLOSING);
	assert_int_equal(peel_origin_send(world_origin(), id, hello, sizeof(hello)), -ENOENT);
	assert_int_equal(world_stat(PEEL_DESTROY_SENT), 0); /* time-outs are silent */
	world_run(200000);
	assert_int_equal(world_info(ip).state, PEEL_ORIGIN_READY);
	world_run(4000);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_AGE), 2);
	world_free();
}

/* Also: its entry opens what comes for remove_tunnel_delay. */
static void
test_idle(void **state)
{
	(void)state;
	world_usual(NULL);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 2);
	struct relay *first = world_find(world_info(id).hop[0].pk);
	struct relay *last = world_find(world_info(id).hop[1].pk);

	world_run(100000); /* pings keep it alive */
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	assert_true(world_info(id).idle_ms < 9000);
	assert_int_equal(peel_origin_send(world_origin(), id, hello, sizeof(hello)), 0);
	world_run(100);
	assert_int_equal(world_answer(last, hello, sizeof(hello)), 0);
	world_run(100);
	first->misdeed = MUTE;
	world_run(19000);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	world_run(3500);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_CLOSING);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_SILENT), 1);
	first->misdeed = HONEST;
	world->client.message_len = 0;
	assert_int_equal(world_answer(last, hello, sizeof(hello)), 0);
	world_run(100);
	assert_int_equal(world->client.message_len, sizeof(hello));
	world_run(5000);
	assert_int_equal(
		peel_origin_info(world_origin(), id, &(struct peel_origin_info){0}), -ENOENT);
	world_check();
	world_free();
}

/* A first hop that passes nothing, but sends cells of its own, whose inner layers do not open. */
static void
test_kept_alive_by_first_hop(void **state)
{
	struct peel_direction *direction;

	(void)state;
	world_usual(NULL);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 3);

	world_run(1000);
	world_find(world_info(id).hop[0].pk)->misdeed = MUTE;
	direction = &peel_session_at(world->client.node.routes,
		peel_path_at(world->client.paths, (uint32_t)id)->session[0])
			     ->backward;
	for (int i = 0; i < 23; i++) {
		peel_direction_account(direction, (uint32_t)(world->now_ms / 1000), 100);
		world_run(1000);
	}
	assert_int_equal(world_ends(PEEL_ORIGIN_END_SILENT), 1);
	world_free();
}

/* An answer may come to light a moment after the tick began. */
static void
test_time_passes_within_a_tick(void **state)
{
	(void)state;
	world_usual(NULL);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 3);

	world->reading_ms = 1;
	world_run(60000);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_SILENT), 0);
	world_free();
}

static void
test_traffic(void **state)
{
	struct peel_origin_settings s = world_defaults();
	uint8_t big[1900] = {PEEL_MSG_DATA};

	(void)state;
	s.max_circuits = 1;
	s.max_traffic = 100000;
	world_usual(&s);
	assert_int_equal(peel_origin_build(world_origin(), 1), 0);
	peel_origin_id id, pooled;

	world_run(1000);
	assert_int_equal(peel_origin_active(world_origin(), 1, &pooled, 1), 1);
	id = world_circuit(PEEL_ORIGIN_DATA, 2);
	const struct peel_origin_info before = world_info(pooled); /* pings */

	for (int i = 0; i < 47; i++) /* 47 * 1953 = 91791, beyond 90 % */
		assert_int_equal(peel_origin_send(world_origin(), pooled, big, sizeof(big)), 0);
	assert_int_equal(world_info(pooled).bytes_up, before.bytes_up + 47 * 1953);
	assert_int_equal(world_info(pooled).cells_up, before.cells_up + 47);
	world_run(2500);
	assert_int_equal(world_stat(PEEL_OWN_REPLACED), 1);
	for (int i = 0; i < 51; i++) {
		assert_int_equal(peel_origin_send(world_origin(), id, big, sizeof(big)), 0);
		world_run(20);
	}
	world_run(1500);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_TRAFFIC), 1);
	struct relay *first = world_find(world_info(id).hop[0].pk);

	world_run(100);
	assert_int_equal(first->destroy_reason, PEEL_DESTROY_UNKNOWN);
	world_free();
}

static void
test_cells_of_a_key_are_limited(void **state)
{
	(void)state;
	world_usual(NULL);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 2);
	uint32_t session = peel_path_at(world->client.paths, (uint32_t)id)->session[0];

	peel_session_at(world->client.node.routes, session)->forward.cells = UINT32_MAX - 1u;
	world_run(1500);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	assert_int_equal(peel_origin_send(world_origin(), id, hello, sizeof(hello)), 0);
	world_run(1500);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_TRAFFIC), 1);
	world_free();
}

/* ---- pings ----------------------------------------------------------------------------------- */

static void
test_ping_and_pong(void **state)
{
	uint8_t msg[3] = {PEEL_MSG_PONG, 1, 2};

	(void)state;
	world_usual(NULL);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 3);
	struct relay *end = world_find(world_info(id).hop[2].pk);

	assert_int_equal(world_info(id).rtt_ms, 0);
	world_run(8000);
	assert_int_equal(world_info(id).rtt_ms, 60); /* 3 links of 10 ms, both ways */
	unsigned int cells = world->client.n_cells;

	world_run(75000);
	assert_in_range(world->client.n_cells - cells, 9, 11);
	/* Nobody asked for these. */
	end->misdeed = DEAD;
	world_run(8000);
	for (msg[1] = 0; msg[1] < 10; msg[1]++)
		assert_int_equal(peel_origin_message(world_origin(), id, msg, 3), -EBADMSG);
	end->misdeed = HONEST;
	world_run(8000);
	assert_int_equal(peel_origin_message(world_origin(), id, msg, 3), -EBADMSG);
	assert_int_equal(peel_origin_message(world_origin(), id, msg, 2), -EBADMSG);
	msg[0] = PEEL_MSG_PING;
	assert_int_equal(peel_origin_message(world_origin(), id, msg, 2), -EBADMSG);
	end->message_len = 0;
	assert_int_equal(peel_origin_message(world_origin(), id, msg, 3), 0);
	world_run(100);
	msg[0] = PEEL_MSG_PONG;
	assert_int_equal(end->message_len, 3);
	assert_memory_equal(end->message, msg, 3);
	msg[0] = PEEL_MSG_TEST_RESPONSE;
	/* not ours */
	assert_int_equal(peel_origin_message(world_origin(), id, msg, 3), -ENOENT);
	world_free();
}

static struct {
	uint32_t cid;
	uint64_t first_ms, last_ms;
	unsigned int n;
} rhythm[8];
static unsigned int n_rhythms;

static bool
note_pings(struct packet *p)
{
	unsigned int i = 0;

	if (!peel_addr_equal(&p->from, &world->client.node.addr) ||
		p->data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL || p->data[PEEL_CELL_OFF_PLAIN])
		return true; /* circuits of one hop: there are no extends */
	uint32_t cid = peel_get_be32(p->data + PEEL_CELL_OFF_CID);

	while (i < n_rhythms && rhythm[i].cid != cid)
		i++;
	assert_true(i < 8);
	if (i == n_rhythms) {
		rhythm[i].cid = cid;
		rhythm[i].first_ms = world->now_ms;
		n_rhythms++;
	} else {
		assert_in_range(world->now_ms - rhythm[i].last_ms, 7500, 7505);
	}
	rhythm[i].last_ms = world->now_ms;
	rhythm[i].n++;
	return true;
}

/* As py-ipv8 has it: every 7.5 s, the first at any moment of them; and no two circuits together. */
static void
test_rhythm_of_pings(void **state)
{
	unsigned int apart = 0;
	uint64_t start;

	(void)state;
	world_usual(NULL);
	n_rhythms = 0;
	world->tap = note_pings;
	start = world->now_ms;
	assert_int_equal(peel_origin_build(world_origin(), 1), 0);
	world_run(100000);
	assert_int_equal(n_rhythms, 8);
	for (unsigned int i = 0; i < 8; i++) {
		assert_in_range(rhythm[i].n, 12, 14);
		assert_in_range(rhythm[i].first_ms - start, 0, 7600);
		for (unsigned int k = 0; k < i; k++)
			apart += rhythm[i].first_ms / 500 != rhythm[k].first_ms / 500;
	}
	assert_in_range(apart, 22, 28); /* of 28 pairs */
	world_free();
}

static void
test_no_pings_at_rendezvous_points(void **state)
{
	(void)state;
	world_usual(NULL);
	struct peel_target rp = world_target(world->relay[0]);
	const struct peel_origin_spec spec = {
		.type = PEEL_ORIGIN_RP_DOWNLOADER, .hops = 2, .exit = &rp};
	const struct peel_session_keys keys = {.forward = {{1}}, .backward = {{2}}};
	peel_origin_id down;
	unsigned int cells;

	(void)world_circuit(PEEL_ORIGIN_RP_SEEDER, 1);
	cells = world->client.n_cells;

	world_run(15000);
	assert_int_equal(world->client.n_cells, cells);
	assert_int_equal(peel_origin_create(world_origin(), &spec, &down), 0);
	world_run(1000);
	assert_int_equal(world_info(down).state, PEEL_ORIGIN_READY);
	cells = world->client.n_cells;
	world_run(10000);
	assert_int_equal(world->client.n_cells, cells);
	assert_int_equal(world_active(0), 0);
	/* linked: its other end answers */
	assert_int_equal(peel_origin_e2e(world_origin(), down, &keys), 0);
	assert_int_equal(world->client.n_cells, cells + 1);
	world_run(8000);
	assert_int_equal(world->client.n_cells, cells + 2);
	world_free();
}

static void
test_end_to_end_layer(void **state)
{
	const struct peel_session_keys keys = {.forward = {{1}}, .backward = {{2}}};
	const struct peel_path *path;
	peel_origin_id data, seed;

	(void)state;
	world_usual(NULL);
	data = world_circuit(PEEL_ORIGIN_DATA, 1);
	seed = world_circuit(PEEL_ORIGIN_RP_SEEDER, 2);
	assert_int_equal(peel_origin_e2e(world_origin(), data, &keys), -EINVAL);
	assert_int_equal(peel_origin_e2e(world_origin(), seed + 1, &keys), -ENOENT);
	assert_false(world_info(seed).e2e);
	assert_int_equal(peel_origin_e2e(world_origin(), seed, &keys), 0);
	assert_int_equal(peel_origin_e2e(world_origin(), seed, &keys), -EEXIST);
	assert_true(world_info(seed).e2e);
	path = peel_path_at(world->client.paths, (uint32_t)seed);
	assert_int_equal(peel_path_n_layers(path), 3);
	struct peel_session *s = peel_session_at(world->client.node.routes, path->session[2]);

	assert_memory_equal(&s->forward.key, &keys.forward, sizeof(keys.forward));
	assert_int_not_equal(s->forward.seal, 0); /* W1 */
	assert_int_not_equal(s->forward.seal, s->backward.seal);
	/* Only what opens with it counts. */
	assert_false(peel_origin_e2e_heard(world_origin(), seed));
	peel_direction_seen(&peel_session_at(world->client.node.routes, path->session[1])->backward,
		(uint32_t)(world->now_ms / 1000));
	world_run(15000);
	assert_false(peel_origin_e2e_heard(world_origin(), seed));
	peel_direction_seen(&s->backward, (uint32_t)(world->now_ms / 1000));
	assert_true(peel_origin_e2e_heard(world_origin(), seed));
	world_run(15000);
	assert_int_equal(world_info(seed).state, PEEL_ORIGIN_READY);
	peel_direction_seen(&peel_session_at(world->client.node.routes, path->session[1])->backward,
		(uint32_t)(world->now_ms / 1000));
	world_run(10000);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_SILENT), 1);
	assert_int_equal(peel_origin_e2e(world_origin(), seed, &keys), -ENOENT);
	world_free();
}

/* W13: the first hop's counters stand for all layers, the end-to-end one included. */
static void
test_end_to_end_cell_limit(void **state)
{
	const struct peel_session_keys keys = {.forward = {{1}}, .backward = {{2}}};
	peel_origin_id seed;

	(void)state;
	world_usual(NULL);
	seed = world_circuit(PEEL_ORIGIN_RP_SEEDER, 1);
	assert_int_equal(peel_origin_e2e(world_origin(), seed, &keys), 0);
	const struct peel_path *path = peel_path_at(world->client.paths, (uint32_t)seed);

	peel_session_at(world->client.node.routes, path->session[0])->backward.cells = UINT32_MAX;
	world_run(1000);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_TRAFFIC), 1);
	world_free();
}

static void
test_overdue_come_last(void **state)
{
	peel_origin_id ids[8], best[8];
	unsigned int first[8] = {0};

	(void)state;
	world_usual(NULL);
	assert_int_equal(peel_origin_build(world_origin(), 1), 0);
	world_run(1000);
	assert_int_equal(peel_origin_active(world_origin(), 1, ids, 8), 8);
	struct relay *mute = world_find(world_info(ids[0]).hop[0].pk);
	unsigned int n_mute = 0;

	for (int i = 0; i < 8; i++)
		n_mute += world_find(world_info(ids[i]).hop[0].pk) == mute;
	mute->misdeed = DEAD;
	world_run(18500); /* ping after 8 s, 10 s to answer, 20 s till it is idle */
	for (int round = 0; round < 200; round++) {
		size_t n = peel_origin_active(world_origin(), 1, best, 8);

		assert_int_equal(n, 8);
		for (size_t i = 0; i < 8; i++) {
			bool is_mute = world_find(world_info(best[i]).hop[0].pk) == mute;

			assert_int_equal(is_mute, i >= 8 - n_mute);
		}
		for (size_t i = 0; i < 8; i++)
			first[i] += best[0] == ids[i];
		assert_int_equal(peel_origin_active(world_origin(), 1, best, 2), 8);
		assert_true(world_find(world_info(best[1]).hop[0].pk) != mute);
	}
	for (size_t i = 0; i < 8; i++) {
		if (world_find(world_info(ids[i]).hop[0].pk) != mute)
			assert_in_range(first[i], 10, 90); /* of 200, among 5 or 6 */
	}
	world_free();
}

/* ---- destroy --------------------------------------------------------------------------------- */

static void
test_destroy_received(void **state)
{
	uint8_t d[256];

	(void)state;
	world_usual(NULL);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 2);
	struct peel_origin_info info = world_info(id);
	struct relay *first = world_find(info.hop[0].pk), *second = world_find(info.hop[1].pk);
	struct peel_addr from = first->node.addr, other = from;
	size_t len = world_destroy_build(&second->node.id, info.cid, 1, d);

	other.port++;
	assert_int_equal(world_inject(&from, d, len), -EBADMSG); /* another's key */
	len = world_destroy_build(&first->node.id, info.cid, 1, d);
	assert_int_equal(world_inject(&other, d, len), -EBADMSG);
	d[len - 1] ^= 1;
	assert_int_equal(world_inject(&from, d, len), -EBADMSG);
	d[len - 1] ^= 1;
	assert_int_equal(world_inject(&from, d, len - 1), -ENOENT);
	assert_int_equal(world_stat(PEEL_DESTROY_REFUSED), 2);
	assert_int_equal(world_stat(PEEL_BAD_SIGNATURE), 1);
	len = world_destroy_build(&first->node.id, info.cid + 1, 1, d);
	assert_int_equal(world_inject(&from, d, len), -ENOENT);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	len = world_destroy_build(&first->node.id, info.cid, 4, d);
	assert_int_equal(world_inject(&from, d, len), 0);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_CLOSING);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_DESTROYED), 1);
	assert_int_equal(world_inject(&from, d, len), -EBADMSG); /* again */
	world_run(6000);
	assert_int_equal(world_count().closing, 0);
	assert_int_equal(world_stat(PEEL_DESTROY_SENT), 0);
	world_check();
	world_free();
}

static void
test_destroys_are_limited(void **state)
{
	uint8_t d[256];

	(void)state;
	world_usual(NULL);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 1);
	struct relay *first = world_find(world_info(id).hop[0].pk);
	size_t len = world_destroy_build(&first->node.id, world_info(id).cid, 1, d);

	d[len - 1] ^= 1;
	for (int i = 0; i < 150; i++)
		assert_int_equal(world_inject(&first->node.addr, d, len), -EBADMSG);
	assert_int_equal(world_stat(PEEL_BAD_SIGNATURE), 100);
	assert_int_equal(world_stat(PEEL_CONTROL_RATE), 50);
	world_free();
}

static void
test_destroyed_by_a_hop_that_stops(void **state)
{
	(void)state;
	world_usual(NULL);
	assert_int_equal(peel_origin_build(world_origin(), 3), 0);
	world_run(20000);
	assert_int_equal(world_active(3), 8);
	unsigned int sent = peel_or_shutdown(world->relay[0]->circuits);

	world->relay[0]->node.flags = 0; /* gone for good */
	world->relay[0]->misdeed = DEAD;
	assert_true(sent > 0);
	world_run(200);
	assert_true(world_ends(PEEL_ORIGIN_END_DESTROYED) > 0);
	world_run(30000);
	assert_int_equal(world_active(3), 8);
	world_check();
	world_free();
}

static void
test_close_tells_the_first_hop(void **state)
{
	(void)state;
	world_usual(NULL);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 3);
	struct relay *first = world_find(world_info(id).hop[0].pk);
	struct relay *last = world_find(world_info(id).hop[2].pk);

	assert_int_equal(peel_origin_close(world_origin(), id), 0);
	world_run(100);
	assert_int_equal(first->n_destroys, 1);
	assert_int_equal(first->destroy_reason, PEEL_DESTROY_UNNEEDED);
	assert_int_equal(last->n_destroys, 1); /* passed on */
	world_run(6000);
	assert_int_equal(peel_route_count(last->node.routes), 0);
	world_check();
	world_free();
}

static void
test_shutdown(void **state)
{
	unsigned int told = 0;

	(void)state;
	world_usual(NULL);
	assert_int_equal(peel_origin_build(world_origin(), 2), 0);
	world_run(1000);
	assert_int_equal(peel_origin_shutdown(world_origin()), 8);
	assert_int_equal(world_count().ready + world_count().closing, 0);
	world_check();
	world_run(5000);
	for (unsigned int i = 0; i < world->n_relays; i++) {
		if (world->relay[i]->n_destroys > 0) {
			assert_int_equal(world->relay[i]->destroy_reason, PEEL_DESTROY_SHUTDOWN);
			told++;
		}
	}
	assert_true(told > 0);
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 8); /* nothing is built any more */
	assert_int_equal(world_ends(PEEL_ORIGIN_END_CLOSED), 8);
	world_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_age_without_replacement),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_kept_alive_by_first_hop),
		cmocka_unit_test(test_time_passes_within_a_tick),
		cmocka_unit_test(test_traffic),
		cmocka_unit_test(test_cells_of_a_key_are_limited),
		cmocka_unit_test(test_ping_and_pong),
		cmocka_unit_test(test_rhythm_of_pings),
		cmocka_unit_test(test_no_pings_at_rendezvous_points),
		cmocka_unit_test(test_end_to_end_layer),
		cmocka_unit_test(test_end_to_end_cell_limit),
		cmocka_unit_test(test_overdue_come_last),
		cmocka_unit_test(test_destroy_received),
		cmocka_unit_test(test_destroys_are_limited),
		cmocka_unit_test(test_destroyed_by_a_hop_that_stops),
		cmocka_unit_test(test_close_tells_the_first_hop),
		cmocka_unit_test(test_shutdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
