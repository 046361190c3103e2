/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Servers known by name, on a machine whose network comes late and whose servers move. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_bootstrap.h"

#define SERVERS_MAX 8
#define QUESTIONS_MAX 128

struct world {
	struct peel_bootstrap *bootstrap;
	struct peel_bootstrap_conf conf;
	struct peel_env env;
	struct peel_addr fixed;
	uint64_t now;
	unsigned int changes;
	/* the resolver */
	bool network, silent;
	uint8_t last_byte;
	unsigned int asked;
	peel_dns_fn fn;
	void *arg[QUESTIONS_MAX]; /* silent: of questions without an answer */
	unsigned int n_unanswered;
	/* the overlay */
	struct peel_addr server[SERVERS_MAX];
	unsigned int n;
};

static struct world *current;

unsigned int
peel_dns_refresh(struct peel_dns *dns)
{
	(void)dns;
	return current->changes;
}

void
peel_dns_resolve(struct peel_dns *dns, const char *name, peel_dns_usable_fn usable, peel_dns_fn fn,
	void *arg)
{
	struct world *w = current;
	struct peel_addr a = peel_addr_ipv4(192, 0, 2, w->last_byte, 0);

	(void)dns;
	assert_int_equal(strncmp(name, "server", 6), 0);
	assert_true(usable(arg, &a));
	w->asked++;
	if (w->silent) {
		assert_true(w->n_unanswered < QUESTIONS_MAX);
		w->fn = fn;
		w->arg[w->n_unanswered++] = arg;
	} else if (w->network) {
		fn(arg, PEEL_DNS_FOUND, &a);
	} else {
		fn(arg, PEEL_DNS_FAILED, NULL);
	}
}

void
peel_overlay_add_bootstrap(struct peel_overlay *ov, const struct peel_addr *addr)
{
	(void)ov;
	for (unsigned int i = 0; i < current->n; i++) {
		if (peel_addr_equal(&current->server[i], addr))
			return;
	}
	assert_true(current->n < SERVERS_MAX);
	current->server[current->n++] = *addr;
}

void
peel_overlay_remove_bootstrap(struct peel_overlay *ov, const struct peel_addr *addr)
{
	struct world *w = current;

	(void)ov;
	for (unsigned int i = 0; i < w->n; i++) {
		if (peel_addr_equal(&w->server[i], addr)) {
			w->server[i] = w->server[--w->n];
			return;
		}
	}
	fail();
}

static bool
usable(void *arg, const struct peel_addr *addr)
{
	(void)addr;
	return arg == current;
}

static uint64_t
now_ms(void *arg)
{
	return ((struct world *)arg)->now;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->env = (struct peel_env){.now_ms = now_ms, .arg = w};
	w->conf = (struct peel_bootstrap_conf){
		.env = &w->env, .fixed = &w->fixed, .n_fixed = 1, .usable = usable, .arg = w};
	w->now = 1000000;
	w->last_byte = 1;
	assert_int_equal(peel_bootstrap_new(&w->conf, &w->bootstrap), 0);
	*state = current = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	peel_bootstrap_free(w->bootstrap);
	while (w->n_unanswered > 0)
		w->fn(w->arg[--w->n_unanswered], PEEL_DNS_FAILED, NULL);
	free(w);
	return 0;
}

static void
start(struct world *w, const char *name)
{
	assert_int_equal(peel_bootstrap_add(w->bootstrap, name), 0);
}

/* As the loop does: not later than it wants to, and twice a second in any case. */
static void
pass(struct world *w, uint64_t ms)
{
	for (uint64_t end = w->now + ms; w->now < end;) {
		uint64_t next = peel_bootstrap_tick(w->bootstrap);

		w->now += next < 500 ? (next > 0 ? next : 1) : 500;
	}
}

static void
test_network_comes_late(void **state)
{
	struct world *w = *state;

	start(w, "server.test:6421");
	pass(w, 600000);
	assert_int_equal(w->n, 0);
	assert_in_range(w->asked, 10, 20); /* 5, 10, 20 ... 60 s apart */
	w->network = true;
	pass(w, 61000);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->server[0].port, 6421);
	assert_int_equal(w->server[0].ip[3], 1);
}

static void
test_resolvers_come_late(void **state)
{
	struct world *w = *state;
	unsigned int asked;

	start(w, "server.test:6421");
	pass(w, 600000);
	asked = w->asked;
	w->network = true;
	w->changes++;
	pass(w, 1000);
	assert_int_equal(w->asked, asked + 1);
	assert_int_equal(w->n, 1);
}

static void
test_server_moves(void **state)
{
	struct world *w = *state;

	w->network = true;
	start(w, "server.test:6421");
	pass(w, 1000);
	w->last_byte = 2;
	pass(w, 600000);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->server[0].ip[3], 2);
	assert_int_equal(w->server[0].port, 6421);
	/* Without an answer it stays where it was. */
	w->network = false;
	pass(w, 3600000);
	assert_int_equal(w->n, 1);
}

/* What another name, or the configuration, still says is kept. */
static void
test_shared_address(void **state)
{
	struct world *w = *state;

	w->network = true;
	w->fixed = peel_addr_ipv4(192, 0, 2, 2, 6421);
	peel_bootstrap_fix(w->bootstrap, &w->fixed, 1);
	start(w, "server-a.test:6421");
	start(w, "server-b.test:6421");
	pass(w, 1000);
	assert_int_equal(w->n, 2);
	w->last_byte = 2;
	pass(w, 600000);
	w->last_byte = 3;
	pass(w, 600000);
	assert_int_equal(w->n, 2); /* the configured one and the new one */
	for (unsigned int i = 0; i < w->n; i++)
		assert_int_not_equal(w->server[i].ip[3], 1);
}

static void
test_added_later(void **state)
{
	struct world *w = *state;
	char name[] = "server-00.test:1";

	w->network = w->silent = true;
	start(w, "server.test:6421");
	assert_int_equal(peel_bootstrap_add(w->bootstrap, "server.test:6421"), 0);
	pass(w, 1000);
	assert_int_equal(w->asked, 1);
	assert_int_equal(peel_bootstrap_add(w->bootstrap, "server.test"), -EINVAL);
	assert_int_equal(peel_bootstrap_add(w->bootstrap, ":1"), -EINVAL);
	assert_int_equal(peel_bootstrap_add(w->bootstrap, "server.test:65536"), -EINVAL);
	pass(w, 100000);
	assert_int_equal(w->asked, 1); /* one question at a time */
	w->silent = false;
	w->fn(w->arg[--w->n_unanswered], PEEL_DNS_FAILED, NULL);
	pass(w, 10000);
	assert_int_equal(w->n, 1);
	w->silent = true;
	for (unsigned int i = 1; i < 128; i++) {
		name[7] = (char)('a' + i / 16);
		name[8] = (char)('a' + i % 16);
		assert_int_equal(peel_bootstrap_add(w->bootstrap, name), 0);
	}
	assert_int_equal(peel_bootstrap_add(w->bootstrap, "server-more.test:1"), -ENOSPC);
}

/* The configuration has changed: a name goes, others stay, addresses are others. */
static void
test_changed(void **state)
{
	struct world *w = *state;
	struct peel_addr fixed[2];
	unsigned int servers, unknown;

	w->network = true;
	start(w, "server-a.test:1");
	start(w, "server-b.test:2");
	fixed[0] = peel_addr_ipv4(192, 0, 2, 9, 3);
	fixed[1] = peel_addr_ipv4(192, 0, 2, 1, 1); /* server-a's */
	peel_bootstrap_fix(w->bootstrap, fixed, 2);
	peel_bootstrap_count(w->bootstrap, &servers, &unknown);
	assert_int_equal(servers, 4);
	assert_int_equal(unknown, 2);
	pass(w, 1000);
	assert_int_equal(w->n, 3);
	peel_bootstrap_count(w->bootstrap, &servers, &unknown);
	assert_int_equal(unknown, 0);
	peel_bootstrap_remove(w->bootstrap, "server-a.test:1");
	assert_int_equal(w->n, 3); /* still configured as an address */
	peel_bootstrap_fix(w->bootstrap, fixed, 1);
	assert_int_equal(w->n, 2);
	peel_bootstrap_fix(w->bootstrap, NULL, 0);
	peel_bootstrap_remove(w->bootstrap, "server-b.test:1"); /* another port */
	assert_int_equal(w->n, 1);
	assert_int_equal(w->server[0].port, 2);
	peel_bootstrap_remove(w->bootstrap, "server-b.test:2");
	assert_int_equal(w->n, 0);
	peel_bootstrap_count(w->bootstrap, &servers, &unknown);
	assert_int_equal(servers, 0);
}

/* A name that goes while it is looked up, and comes back. */
static void
test_removed_while_asked(void **state)
{
	struct world *w = *state;
	struct peel_addr a = peel_addr_ipv4(192, 0, 2, 1, 0);

	w->silent = true;
	start(w, "server.test:1");
	pass(w, 1000);
	peel_bootstrap_remove(w->bootstrap, "server.test:1");
	start(w, "server.test:1");
	pass(w, 1000);
	assert_int_equal(w->asked, 2);
	w->fn(w->arg[0], PEEL_DNS_FOUND, &a);
	assert_int_equal(w->n, 0);
	w->fn(w->arg[1], PEEL_DNS_FOUND, &a);
	assert_int_equal(w->n, 1);
	w->n_unanswered = 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_network_comes_late),
		TEST(test_resolvers_come_late),
		TEST(test_server_moves),
		TEST(test_shared_address),
		TEST(test_added_later),
		TEST(test_changed),
		TEST(test_removed_while_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
