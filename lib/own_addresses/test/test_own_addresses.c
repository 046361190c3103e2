/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Which addresses are ours: own_addresses.c with a kernel and an RCU that are stand-ins. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "netlink.h"
#include "peel_own_addresses.h"

static struct world {
	struct peel_own_addresses_conf conf;
	struct peel_own_addresses *own;
	const struct peel_policy *policy; /* published last */
	uv_loop_t loop;
	uint64_t now;
	struct peel_network local[64]; /* what the kernel has */
	size_t n_local;
	int result; /* what it answers */
	int open_result;
	bool with_errors; /* notices come with an error of the socket */
	int notice[2];
	unsigned int reads;
	peel_rcu_fn deferred[64];
	void *deferred_arg[64];
	unsigned int n_deferred;
	int defer_result;
	unsigned int n_logged;
} w;

/* ---- stand-ins ------------------------------------------------------------------------------- */

/* A socket that has an error to tell after each thing that is written to it. */
static void
open_refused(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(to);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	/* To itself for a moment, so that the port is one that nobody has. */
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&to, &len), 0);
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(dup2(fd, w.notice[0]), w.notice[0]);
	assert_int_equal(dup2(fd, w.notice[1]), w.notice[1]);
	close(fd);
}

int
netlink_open(struct netlink *nl)
{
	if (w.open_result != 0)
		return w.open_result;
	assert_int_equal(pipe(w.notice), 0);
	if (w.with_errors)
		open_refused();
	*nl = (struct netlink){.changes = w.notice[0], .dump = w.notice[0]};
	return 0;
}

void
netlink_close(struct netlink *nl)
{
	if (nl->changes >= 0) {
		close(w.notice[0]);
		close(w.notice[1]);
	}
}

bool
netlink_drain(const struct netlink *nl)
{
	char bytes[64];

	return read(nl->changes, bytes, sizeof(bytes)) > 0;
}

int
netlink_local(struct netlink *nl, struct peel_network **net, size_t *n)
{
	(void)nl;
	w.reads++;
	if (w.result != 0)
		return w.result;
	*net = malloc(sizeof(w.local));
	assert_non_null(*net);
	memcpy(*net, w.local, sizeof(w.local));
	*n = w.n_local;
	return 0;
}

static void
publish(void *arg, const struct peel_policy *policy)
{
	assert_ptr_equal(arg, &w);
	w.policy = policy;
}

int
peel_rcu_defer(struct peel_rcu *rcu, peel_rcu_fn fn, void *arg, uint64_t value)
{
	(void)rcu;
	(void)value;
	if (w.defer_result != 0)
		return w.defer_result;
	w.deferred[w.n_deferred] = fn;
	w.deferred_arg[w.n_deferred++] = arg;
	return 0;
}

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return w.now;
}

static void
changed(void *arg)
{
	assert_ptr_equal(arg, &w);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static const struct peel_env env = {.now_ms = now_ms};

static struct peel_addr
addr(const char *text)
{
	struct peel_addr a;

	assert_int_equal(peel_addr_parse(text, 1, &a), 0);
	return a;
}

static void
kernel_has(const char *ip, uint8_t prefix_len)
{
	w.local[w.n_local++] = (struct peel_network){addr(ip), prefix_len};
}

static void
notify(void)
{
	assert_int_equal(write(w.notice[1], "x", 1), 1);
	uv_run(&w.loop, UV_RUN_NOWAIT);
}

static bool
may_reach(const char *ip)
{
	struct peel_addr a = addr(ip);

	return peel_policy_destination(w.policy, &a);
}

static int
setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.now = 1000;
	w.conf = (struct peel_own_addresses_conf){
		.loop = &w.loop,
		.env = &env,
		.named[0] = {addr("203.0.113.1:8090"), "listen"},
		.publish = publish,
		.changed = changed,
		.arg = &w,
	};
	assert_int_equal(uv_loop_init(&w.loop), 0);
	kernel_has("127.0.0.0", 8);
	kernel_has("::1", 128);
	kernel_has("203.0.113.1", 32);
	return 0;
}

static void
start(void)
{
	assert_int_equal(peel_own_addresses_new(&w.conf, &w.own), 0);
}

static void
run_deferred(void)
{
	for (unsigned int i = 0; i < w.n_deferred; i++)
		w.deferred[i](w.deferred_arg[i], 0);
	w.n_deferred = 0;
}

static int
teardown(void **state)
{
	(void)state;
	peel_own_addresses_free(w.own);
	run_deferred();
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	return 0;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_addresses_come_and_go(void **state)
{
	(void)state;
	start();
	assert_false(may_reach("203.0.113.1"));
	assert_true(may_reach("203.0.113.2"));
	assert_true(may_reach("2001:db8::2"));

	kernel_has("203.0.113.2", 32);
	kernel_has("2001:db8::2", 128);
	kernel_has("198.51.100.0", 24); /* a network routed to lo */
	w.now += 1000;
	notify();
	assert_false(may_reach("203.0.113.2"));
	assert_false(may_reach("::ffff:0:203.0.113.2"));
	assert_false(may_reach("2001:db8::2"));
	assert_false(may_reach("198.51.100.77"));
	assert_true(may_reach("203.0.113.3"));
	assert_int_equal(w.n_deferred, 1); /* workers may still hold the first */

	w.n_local = 3;
	w.now += 1000;
	notify();
	assert_true(may_reach("203.0.113.2"));
	assert_true(may_reach("198.51.100.77"));
	assert_int_equal(w.n_deferred, 2);

	/* A notice that changes nothing, as most of them, publishes nothing. */
	w.now += 1000;
	notify();
	assert_int_equal(w.n_deferred, 2);
	assert_int_equal(peel_own_addresses_tick(w.own), UINT64_MAX);
}

/* What libuv makes of a socket that lost notices. */
static void
test_lost_notices_do_not_end_it(void **state)
{
	(void)state;
	w.with_errors = true;
	start();
	for (uint8_t i = 2; i < 5; i++) {
		w.local[w.n_local++] = (struct peel_network){peel_addr_ipv4(203, 0, 113, i, 0), 32};
		w.now += 1000;
		notify();
	}
	assert_false(may_reach("203.0.113.2"));
	assert_false(may_reach("203.0.113.4"));
}

static void
test_many_changes_are_read_ten_times_a_second(void **state)
{
	(void)state;
	start();
	w.reads = 0;
	for (unsigned int ms = 0; ms < 2000; ms++) {
		w.now++;
		notify();
		peel_own_addresses_tick(w.own);
	}
	assert_in_range(w.reads, 19, 21);
	/* The last one is not forgotten. */
	kernel_has("203.0.113.2", 32);
	notify();
	uint64_t left = peel_own_addresses_tick(w.own);

	assert_in_range(left, 1, 100);
	w.now += left;
	assert_int_equal(peel_own_addresses_tick(w.own), UINT64_MAX);
	assert_false(may_reach("203.0.113.2"));
}

static void
test_loopback_has_its_own_switch(void **state)
{
	(void)state;
	w.conf.policy.allow_loopback = true;
	w.conf.named[0].addr = addr("127.0.0.1:8090");
	start();
	assert_true(may_reach("127.0.0.1"));
	assert_true(may_reach("127.1.2.3"));
	assert_true(may_reach("::1"));
	peel_own_addresses_public(w.own, &w.conf.named[0].addr);
	assert_true(may_reach("127.0.0.1"));
}

static void
test_configured_and_learnt_addresses(void **state)
{
	struct peel_addr first = addr("192.0.2.9"), second = addr("192.0.2.10");

	(void)state;
	w.conf.named[1] = (struct peel_own_named){addr("203.0.113.50"), "exit_address"};
	w.conf.named[2] = (struct peel_own_named){addr("2001:db8::50"), "exit_address6"};
	w.conf.named[3].addr = addr("2001:db8::51");
	w.conf.named[4].addr = addr("192.0.2.8");
	start();
	assert_false(may_reach("203.0.113.50"));
	assert_false(may_reach("2001:db8::50"));
	assert_false(may_reach("2001:db8::51"));
	assert_false(may_reach("192.0.2.8"));
	/* Learnt: closed at once, and with the next one open again. */
	assert_true(may_reach("192.0.2.9"));
	peel_own_addresses_public(w.own, &first);
	assert_false(may_reach("192.0.2.9"));
	peel_own_addresses_public(w.own, &second);
	assert_true(may_reach("192.0.2.9"));
	assert_false(may_reach("192.0.2.10"));
	assert_false(may_reach("192.0.2.8"));
}

static void
test_allow_own(void **state)
{
	(void)state;
	w.conf.policy.allow_own = true;
	start();
	assert_true(may_reach("203.0.113.1"));
}

/* Another policy with the same addresses: published, and the old one is kept for workers. */
static void
test_the_policy_changes(void **state)
{
	struct peel_policy policy = w.conf.policy;
	const struct peel_policy *before;

	(void)state;
	start();
	before = w.policy;
	assert_false(may_reach("203.0.113.1"));
	policy.allow_own = true;
	policy.deny[policy.n_deny++] = (struct peel_network){addr("198.51.100.0"), 24};
	assert_true(may_reach("198.51.100.9"));
	w.result = -EAGAIN; /* it waits until the addresses can be read */
	peel_own_addresses_change(w.own, &policy);
	assert_ptr_equal(w.policy, before);
	w.result = 0;
	w.now += 1000;
	(void)peel_own_addresses_tick(w.own);
	assert_ptr_not_equal(w.policy, before);
	assert_int_equal(w.n_deferred, 1);
	assert_true(may_reach("203.0.113.1"));
	assert_false(may_reach("198.51.100.9"));
}

static void
on_log(void *arg, const struct peel_log_line *line)
{
	(void)arg;
	w.n_logged += line->level <= PEEL_LOG_INFO;
}

static void
test_a_lost_address_is_told(void **state)
{
	(void)state;
	w.conf.named[2] = (struct peel_own_named){
		addr("2001:db8::50"), "exit_address6"}; /* never the kernel's: ethdev */
	start();
	peel_log_set(on_log, NULL, PEEL_LOG_INFO);
	assert_false(peel_own_addresses_lost(w.own));
	for (unsigned int i = 0; i < 4; i++) {
		w.n_local = i < 2 ? 2 : 3; /* without the one that it listens at */
		w.now += 1000;
		notify();
		assert_int_equal(peel_own_addresses_lost(w.own), i < 2);
		assert_int_equal(w.n_logged, i < 2 ? 1 : 2);
		assert_false(may_reach("203.0.113.1")); /* named, so ours in any case */
	}
	peel_log_set(NULL, NULL, PEEL_LOG_INFO);
}

static void
test_without_a_kernel_that_tells(void **state)
{
	(void)state;
	w.open_result = -EAFNOSUPPORT;
	start();
	assert_int_equal(w.reads, 0);
	assert_false(may_reach("203.0.113.1"));
	assert_true(may_reach("203.0.113.2"));
}

static void
test_what_cannot_be_read_is_read_again(void **state)
{
	(void)state;
	start();
	kernel_has("203.0.113.2", 32);
	w.result = -EAGAIN;
	w.now += 1000;
	notify();
	assert_false(may_reach("203.0.113.1")); /* of before */
	assert_true(may_reach("203.0.113.2"));
	w.result = 0;
	w.now += 100;
	assert_int_equal(peel_own_addresses_tick(w.own), UINT64_MAX);
	assert_false(may_reach("203.0.113.2"));
}

/* RCU has no memory: nothing is freed too early, and nothing is lost. */
static void
test_replaced_policies_wait_for_memory(void **state)
{
	(void)state;
	start();
	w.defer_result = -ENOMEM;
	for (uint8_t i = 2; i < 5; i++) {
		w.local[w.n_local++] = (struct peel_network){peel_addr_ipv4(203, 0, 113, i, 0), 32};
		w.now += 1000;
		notify();
	}
	assert_false(may_reach("203.0.113.4"));
	assert_int_equal(w.n_deferred, 0);
	w.defer_result = 0;
	w.n_local = 3;
	w.now += 1000;
	notify();
	assert_int_equal(w.n_deferred, 4);
	run_deferred();
	assert_true(may_reach("203.0.113.4"));
	w.defer_result = -ENOMEM; /* and one is left at the end */
	kernel_has("203.0.113.9", 32);
	w.now += 1000;
	notify();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_addresses_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_notices_do_not_end_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_many_changes_are_read_ten_times_a_second, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loopback_has_its_own_switch, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_configured_and_learnt_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allow_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_policy_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_lost_address_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_a_kernel_that_tells, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_what_cannot_be_read_is_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_replaced_policies_wait_for_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
