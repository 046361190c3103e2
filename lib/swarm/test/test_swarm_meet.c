/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Seeders and downloaders meet, over one to three hops, and talk. */
#include "swarm_world.h"

static void
expect_data(struct user *to, struct peer *p, const char *text)
{
	(void)to;
	assert_int_equal(p->data_len, strlen(text));
	assert_memory_equal(p->data, text, p->data_len);
}

static void
meet_over(unsigned int hops)
{
	struct peer *there = NULL, *here = NULL;

	net_new(16);
	struct user *seeder = net_user(NULL, NULL, 64), *downloader = net_user(NULL, NULL, 64);
	uint32_t seeding = net_join(seeder, 1, hops, true, false);

	net_run(5000);
	assert_int_equal(net_info(seeder, seeding).introductions, 3);
	uint32_t finding = net_join(downloader, 1, hops, false, true);

	net_wait_peers(downloader, finding, 1, 5000);
	/* The seeder is not told: the first ping tells it. */
	net_wait_peers(seeder, seeding, 1, 500);
	assert_int_equal(net_peers(downloader, finding, &there), 1);
	assert_int_equal(net_peers(seeder, seeding, &here), 1);
	net_data(downloader, there, "hello");
	net_run(500);
	expect_data(seeder, here, "hello");
	net_data(seeder, here, "welcome");
	net_run(500);
	expect_data(downloader, there, "welcome");
	net_check(seeder);
	net_check(downloader);
	net_run(120000); /* pings keep it alive */
	assert_int_equal(net_peers(downloader, finding, NULL), 1);
	assert_int_equal(net_peers(seeder, seeding, NULL), 1);
	assert_int_equal(net_info(downloader, finding).seeders, 1);
	assert_int_equal(peel_swarm_leave(seeder->swarms, seeding), 0);
	assert_true(here->gone);
	net_check(seeder);
	net_wait_peers(downloader, finding, 0, 1000); /* destroys */
	net_check(downloader);
	net_free();
}

static void
test_meet(void **state)
{
	(void)state;
	for (unsigned int hops = 1; hops <= 3; hops++)
		meet_over(hops);
}

/* Until it has arrived: cells get lost on the way. */
static void
say(struct user *from, struct peer *to, const struct peer *there, const char *text)
{
	for (int i = 0; i < 100; i++) {
		net_data(from, to, text);
		net_run(300);
		if (there->data_len == strlen(text) &&
			memcmp(there->data, text, there->data_len) == 0)
			return;
	}
	fail_msg("%s did not arrive", text);
}

static void
meet_in_bad_weather(unsigned int hops, unsigned int other_hops, unsigned int loss)
{
	struct peer *there = NULL, *here = NULL;

	net_new(16);
	net->loss_percent = loss;
	net->repeat_percent = 10;
	net->delay_max_ms = 150;
	struct user *seeder = net_user(NULL, NULL, 64), *downloader = net_user(NULL, NULL, 64);
	uint32_t seeding = net_join(seeder, 1, hops, true, false);
	uint32_t finding = net_join(downloader, 1, other_hops, false, true);

	for (int i = 0; i < 600 && (here == NULL || there == NULL); i++) {
		net_run(500);
		here = there = NULL;
		net_peers(downloader, finding, &there);
		net_peers(seeder, seeding, &here);
	}
	assert_non_null(here);
	assert_non_null(there);
	say(downloader, there, here, "hello");
	say(seeder, here, there, "welcome");
	say(downloader, there, here, "goodbye");
	net_check(seeder);
	net_check(downloader);
	net_free();
}

static void
test_meet_in_bad_weather(void **state)
{
	(void)state;
	for (unsigned int hops = 1; hops <= 3; hops++) {
		for (unsigned int other_hops = 1; other_hops <= 3; other_hops++)
			meet_in_bad_weather(hops, other_hops, hops + other_hops);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meet),
		cmocka_unit_test(test_meet_in_bad_weather),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
