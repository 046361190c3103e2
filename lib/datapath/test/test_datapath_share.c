/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Two workers that share one flow, and the times of a worker's stages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "peel_aead_engines.h"
#include "rig.h"

#define CIRCUITS 60 /* ids 1..60 */

static struct rig rig;
static struct peel_addr previous, next;

/* Backward routes: their cells need no keys to be good. */
static void
start(bool two)
{
	if (two)
		rig_start_two(&rig, peel_aead_engine_best(), PEEL_FLAG_RELAY);
	else
		rig_start(&rig, peel_aead_engine_best(), PEEL_FLAG_RELAY);
	previous = peel_addr_ipv4(192, 0, 2, 10, 8090);
	next = peel_addr_ipv4(192, 0, 2, 12, 8090);
	for (uint32_t cid = 1; cid <= CIRCUITS; cid++) {
		struct peel_key key = {.b = {(uint8_t)cid}};
		uint8_t salt[4] = {0};
		uint32_t session;

		assert_int_equal(
			peel_session_add(rig.routes, &key, salt, &key, salt, 0, &session), 0);
		struct peel_route r = {.in = next,
			.in_cid = cid,
			.out = previous,
			.out_cid = 1000 + cid,
			.session = session,
			.kind = PEEL_ROUTE_BACKWARD,
			.max_early = 8};

		assert_int_equal(peel_route_publish(rig.routes, &r, NULL), 0);
	}
}

static void
feed(uint32_t cid)
{
	uint8_t cell[100] = {0};

	peel_cell_header(cell, rig_prefix, cid, false, false);
	rig_feed(&rig, &next, cell, sizeof(cell));
}

static void
test_busy_worker_shares_by_circuit(void **state)
{
	unsigned int first;

	(void)state;
	start(true);
	for (uint32_t cid = 1; cid <= CIRCUITS; cid++)
		feed(cid);
	rig_poll(&rig);
	first = rig.n_out;
	for (unsigned int i = 0; i < first; i++)
		assert_int_equal(
			peel_fan_worker(
				peel_get_be32(rig.out[i].data + PEEL_CELL_OFF_CID) - 1000, 2),
			0);
	assert_in_range(first, CIRCUITS / 4, CIRCUITS * 3 / 4);
	assert_int_equal(rig_count(&rig, PEEL_HANDED_ON), CIRCUITS - first);
	rig.n_out = 0;
	assert_int_equal(peel_worker_poll(rig.worker2), CIRCUITS - first);
	assert_int_equal(rig.n_out, CIRCUITS - first);
	assert_int_equal(peel_stats_get(&rig.stats2, PEEL_CELLS_BACKWARD), CIRCUITS - first);
	assert_int_equal(rig.port_wakes, 0);
	rig_stop(&rig);
}

static void
test_idle_worker_keeps_its_cells(void **state)
{
	(void)state;
	start(true);
	for (uint32_t cid = 1; cid <= 20; cid++)
		feed(cid);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 20);
	assert_int_equal(rig_count(&rig, PEEL_HANDED_ON), 0);
	rig_stop(&rig);
}

static void
test_full_ring_loses_nothing(void **state)
{
	unsigned int sent = 0, fed = 0;

	(void)state;
	start(true);
	for (int round = 0; round < 10; round++) {
		for (uint32_t cid = 1; cid <= CIRCUITS; cid++, fed++)
			feed(cid);
		rig_poll(&rig);
		sent += rig.n_out;
	}
	/* the other one slept through it: its ring holds 63, the rest was done here */
	assert_int_equal(rig_count(&rig, PEEL_HANDED_ON), 63);
	assert_int_equal(sent, fed - 63);
	rig.n_out = 0;
	assert_int_equal(peel_worker_poll(rig.worker2), 63);
	assert_int_equal(rig.n_out, 63);
	rig_stop(&rig);
}

static void
test_sleeper_is_woken(void **state)
{
	(void)state;
	start(true);
	assert_false(peel_fan_doze(rig.fan, 1));
	for (uint32_t cid = 1; cid <= CIRCUITS; cid++)
		feed(cid);
	rig_poll(&rig);
	assert_int_equal(rig.port_wakes, 1);
	assert_true(peel_fan_doze(rig.fan, 1)); /* there is something: do not sleep */
	rig_stop(&rig);
}

static void
test_stages_are_timed_on_request(void **state)
{
	uint64_t before[PEEL_N_STAGES], after[PEEL_N_STAGES];

	(void)state;
	start(false);
	feed(1);
	rig_poll(&rig);
	peel_worker_times(rig.worker, before);
	for (int i = 0; i < PEEL_N_STAGES; i++)
		assert_int_equal(before[i], 0);
	peel_worker_time(rig.worker, true);
	feed(1);
	rig_poll(&rig);
	peel_worker_times(rig.worker, after);
	assert_true(after[PEEL_STAGE_RX] > 0 && after[PEEL_STAGE_FIND] > 0 &&
		    after[PEEL_STAGE_SEAL] > 0 && after[PEEL_STAGE_TX] > 0);
	assert_int_equal(after[PEEL_STAGE_OPEN], 0);
	rig_poll(&rig);
	peel_worker_times(rig.worker, before);
	assert_true(before[PEEL_STAGE_IDLE] > after[PEEL_STAGE_IDLE]);
	peel_worker_time(rig.worker, false);
	rig_poll(&rig);
	peel_worker_times(rig.worker, after);
	assert_memory_equal(before, after, sizeof(before));
	for (int i = 0; i < PEEL_N_STAGES; i++)
		assert_non_null(peel_stage_name[i]);
	rig_stop(&rig);
}

static void
test_load_is_the_time_with_work(void **state)
{
	uint64_t before, after;

	(void)state;
	start(false);
	rig_poll(&rig);
	rig_poll(&rig);
	assert_int_equal(peel_worker_busy(rig.worker), 0); /* nothing to do */
	feed(1);
	rig_poll(&rig);
	rig_poll(&rig);
	before = peel_worker_busy(rig.worker);
	assert_true(before > 0);
	rig_poll(&rig);
	rig_poll(&rig);
	after = peel_worker_busy(rig.worker);
	assert_int_equal(before, after);
	rig_stop(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_busy_worker_shares_by_circuit),
		cmocka_unit_test(test_idle_worker_keeps_its_cells),
		cmocka_unit_test(test_full_ring_loses_nothing),
		cmocka_unit_test(test_sleeper_is_woken),
		cmocka_unit_test(test_stages_are_timed_on_request),
		cmocka_unit_test(test_load_is_the_time_with_work),
	};

	return rig_eal(NULL) != 0 || cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
