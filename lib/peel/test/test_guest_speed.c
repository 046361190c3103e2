/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Speed tests over real circuits among nodes of guests.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest_world.h"

/* What the library told; atomic but for the requests, which belong to the last report. */
static struct {
	unsigned int reports, done;
	bool close; /* try to close the node from the callback */
	size_t n;
	struct peel_guest_test_answer *request;
} told;

static void
on_answers(void *arg, const struct peel_guest_test_answer *a, size_t n, bool done)
{
	assert_ptr_equal(arg, &told);
	assert_int_equal(__atomic_load_n(&told.done, __ATOMIC_ACQUIRE), 0);
	assert_true(n > told.n); /* all so far, and one that is new */
	told.request = realloc(told.request, n * sizeof(*a) + 1);
	memcpy(told.request, a, n * sizeof(*a));
	told.n = n;
	__atomic_add_fetch(&told.reports, 1, __ATOMIC_RELEASE);
	if (told.close)
		peel_guest_close(w.node[ORIGIN]); /* does nothing here */
	if (done)
		__atomic_add_fetch(&told.done, 1, __ATOMIC_RELEASE);
}

static int
setup(void **state)
{
	free(told.request);
	memset(&told, 0, sizeof(told));
	return guest_world_start(state);
}

static void
start(uint32_t cid, uint32_t duration_ms, uint32_t interval_ms)
{
	const struct peel_guest_test t = {.cid = cid,
		.duration_ms = duration_ms,
		.request_size = 100,
		.response_size = 900,
		.target_rtt_ms = 100,
		.interval_ms = interval_ms};

	assert_int_equal(peel_guest_speedtest(w.node[ORIGIN], &t, on_answers, &told), 0);
}

/* @return after how many milliseconds. */
static uint64_t
wait_until_done(void)
{
	uint64_t begun = now_ms();

	while (now_ms() - begun < PATIENCE_MS && __atomic_load_n(&told.done, __ATOMIC_ACQUIRE) == 0)
		usleep(1000);
	assert_int_equal(told.done, 1);
	return now_ms() - begun;
}

static void
check_requests(uint32_t cid)
{
	uint64_t now = (uint64_t)time(NULL) * 1000, sent = 0, received = 0;
	struct peel_guest_stats stats;

	for (size_t i = 0; i < told.n; i++) {
		const struct peel_guest_test_answer *a = &told.request[i];

		assert_int_equal(a->id, i);
		assert_in_range(a->sent_ms, now - 60000, now + 60000);
		assert_true(
			a->received_ms == 0 ? a->n_received == 0 : a->received_ms >= a->sent_ms);
		sent += a->n_sent;
		received += a->n_received;
	}
	/* They are the cells of the link; a busy machine loses answers behind it. */
	assert_int_equal(peel_guest_get_stats(w.node[ORIGIN], PEEL_GUEST_CIRCUIT, cid, &stats), 0);
	assert_int_equal(stats.bytes_up, sent);
	assert_in_range(received, 1, stats.bytes_down);
}

static void
test_answers(void **state)
{
	uint32_t cid = guest_circuit(2, 0);
	size_t answered = 0;
	uint64_t took;

	(void)state;
	start(cid, 500, 100);
	took = wait_until_done();
	assert_true(took >= 500 + 2 * 100 - 50);
	assert_true(told.reports >= 3);
	for (size_t i = 0; i < told.n; i++)
		answered += told.request[i].received_ms != 0;
	assert_true(answered > 16); /* more than there are at first */
	check_requests(cid);
}

static void
test_only_at_the_end(void **state)
{
	(void)state;
	told.close = true;
	start(guest_circuit(1, 0), 100, 0);
	(void)wait_until_done();
	assert_int_equal(told.reports, 1);
	assert_true(told.n > 0);
}

static void
test_no_circuit(void **state)
{
	const struct peel_guest_test t = {.cid = 7, .duration_ms = 10};

	(void)state;
	assert_int_equal(peel_guest_speedtest(w.node[ORIGIN], &t, on_answers, &told), -ENOENT);
	usleep(50000);
	assert_int_equal(told.reports, 0);
}

static void
test_nobody_answers(void **state)
{
	uint32_t cid = guest_circuit(1, 0);

	(void)state;
	peel_guest_close(w.node[EXIT]);
	w.node[EXIT] = NULL;
	start(cid, 100, 0);
	(void)wait_until_done();
	assert_true(told.n > 0);
	for (size_t i = 0; i < told.n; i++)
		assert_int_equal(told.request[i].received_ms, 0);
}

static void
test_a_circuit_that_goes(void **state)
{
	uint32_t cid = guest_circuit(1, 0);

	(void)state;
	start(cid, 5 * PATIENCE_MS, 0);
	usleep(50000);
	peel_guest_remove_circuit(w.node[ORIGIN], cid);
	(void)wait_until_done();
	assert_true(told.n > 0);
}

static void
test_a_node_that_closes(void **state)
{
	(void)state;
	start(guest_circuit(1, 0), PATIENCE_MS, 0);
	usleep(50000);
	peel_guest_close(w.node[ORIGIN]);
	w.node[ORIGIN] = NULL;
	assert_int_equal(told.done, 1);
	assert_true(told.n > 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, guest_world_stop)
	static const struct CMUnitTest tests[] = {
		TEST(test_answers),
		TEST(test_only_at_the_end),
		TEST(test_no_circuit),
		TEST(test_nobody_answers),
		TEST(test_a_circuit_that_goes),
		TEST(test_a_node_that_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
