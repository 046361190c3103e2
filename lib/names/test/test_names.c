/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Names of circuits, with a clock and a resolver of our own: what steady traffic and what strangers
 * get. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <rte_eal.h>

#include "peel_names.h"

#define BUFFERS 8191
#define SESSIONS 1000
#define ENDPOINT 7
#define GIVES_UP_MS 4000
#define PENDING_MAX 20000

struct pending {
	bool used;
	uint64_t due_ms;
	enum peel_dns_result result;
	peel_dns_fn fn;
	void *arg;
};

struct world {
	struct peel_names *names;
	struct peel_stats stats;
	struct peel_env env;
	uint64_t now;
	struct pending *pending; /* [PENDING_MAX] */
	unsigned int n_pending;
	unsigned int asked;
	char last_name[256];
	uint64_t delay_ms;	     /* of names that are answered */
	enum peel_dns_result result; /* of all names but "slow..." */
	uint8_t last_byte;	     /* of the address */
	unsigned int sent[SESSIONS]; /* by session */
	struct peel_addr last_sent;
	unsigned int called;
	struct peel_addr last_called;
};

static struct world *current;
static struct rte_mempool *pool;

/* ---- what a node would do ------------------------------------------------------------------ */

void
peel_dns_resolve(struct peel_dns *dns, const char *name, peel_dns_usable_fn usable, peel_dns_fn fn,
	void *arg)
{
	struct world *w = current;
	struct peel_addr a = peel_addr_ipv4(192, 0, 2, 1, 0);

	(void)dns;
	assert_true(usable(arg, &a));
	w->asked++;
	snprintf(w->last_name, sizeof(w->last_name), "%s", name);
	assert_true(w->n_pending < PENDING_MAX);

	bool slow = strncmp(name, "slow", 4) == 0;
	bool none = strncmp(name, "none", 4) == 0;

	for (struct pending *p = w->pending;; p++) {
		if (p->used)
			continue;
		*p = (struct pending){.used = true,
			.due_ms = w->now + (slow ? GIVES_UP_MS : w->delay_ms),
			.result = slow	 ? PEEL_DNS_FAILED
				  : none ? PEEL_DNS_NONE
					 : w->result,
			.fn = fn,
			.arg = arg};
		w->n_pending++;
		return;
	}
}

static void
sent(void *arg, struct rte_mbuf *m)
{
	assert_ptr_equal(arg, current);
	current->sent[peel_pkt(m)->session]++;
	current->last_sent = peel_pkt(m)->remote;
	rte_pktmbuf_free(m);
}

static void
served(void *arg)
{
	assert_ptr_equal(arg, current);
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

static void
draw(void *arg, void *out, size_t len)
{
	(void)arg;
	memset(out, 0x5a, len);
}

/* ---- a world --------------------------------------------------------------------------------- */

static int
setup_eal(void **state)
{
	char *argv[] = {"test", "--no-pci", "--no-huge", "-m", "128", "-l", "0", "--no-shconf",
		"--no-telemetry", "--log-level=3", NULL};

	(void)state;
	if (rte_eal_init((int)PEEL_ARRAY_LEN(argv) - 1, argv) < 0)
		return -1;
	pool = peel_port_pool_new("names", BUFFERS, false, SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->env = (struct peel_env){.now_ms = now_ms, .random = draw, .arg = w};
	w->now = 1000000;
	w->delay_ms = 50;
	w->last_byte = 1;
	w->pending = calloc(PENDING_MAX, sizeof(w->pending[0]));
	assert_non_null(w->pending);
	assert_int_equal(peel_names_new(&(struct peel_names_conf){.env = &w->env,
						.stats = &w->stats,
						.n_sessions = SESSIONS,
						.queue_max = 64,
						.waiting_max = BUFFERS / 8,
						.usable = usable,
						.send = sent,
						.served = served,
						.arg = w},
				 &w->names),
		0);
	*state = current = w;
	return 0;
}

/* Answer what is due. */
static void
answer(struct world *w)
{
	for (unsigned int i = 0, left = w->n_pending; left > 0; i++) {
		struct pending *p = &w->pending[i];
		struct peel_addr a = peel_addr_ipv4(192, 0, 2, w->last_byte, 0);

		if (!p->used)
			continue;
		left--;
		if (p->due_ms > w->now)
			continue;
		p->used = false;
		w->n_pending--;
		p->fn(p->arg, p->result, p->result == PEEL_DNS_FOUND ? &a : NULL);
	}
}

static void
pass(struct world *w, uint64_t ms)
{
	for (uint64_t end = w->now + ms; w->now < end;) {
		w->now += 5;
		answer(w);
	}
}

static int
teardown(void **state)
{
	struct world *w = *state;

	w->now += 100000;
	answer(w);
	peel_names_free(w->names);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	free(w->pending);
	free(w);
	return 0;
}

static void
send_as(struct world *w, uint32_t session, uint32_t generation, const char *name)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct peel_span span = {(const uint8_t *)name, strlen(name)};

	assert_non_null(m);
	peel_pkt(m)->session = session;
	peel_pkt(m)->generation = generation;
	peel_pkt(m)->endpoint = ENDPOINT;
	peel_names_send(w->names, m, span, 80);
}

static void
send_to(struct world *w, uint32_t session, const char *name)
{
	send_as(w, session, 1, name);
}

static uint64_t
count(const struct world *w, enum peel_counter c)
{
	return peel_stats_get(&w->stats, c);
}

/* ---- a name in steady use -------------------------------------------------------------------- */

static void
test_no_loss_at_expiry(void **state)
{
	struct world *w = *state;
	unsigned int sent = 0;

	w->delay_ms = 2000; /* a resolver that drops something */
	for (; sent < 20; sent++) {
		send_to(w, 1, "tracker.test");
		pass(w, 100);
	}
	for (; sent < 2000; sent++) { /* three minutes */
		send_to(w, 1, "tracker.test");
		pass(w, 100);
	}
	pass(w, 2000);
	assert_int_equal(w->sent[1], sent);
	assert_in_range(w->asked, 3, 5); /* and once a minute it is asked for */
}

static void
test_address_changes(void **state)
{
	struct world *w = *state;

	send_to(w, 1, "tracker.test");
	pass(w, 100);
	w->last_byte = 2;
	pass(w, 61000);
	send_to(w, 1, "tracker.test"); /* still to where it was */
	assert_int_equal(w->last_sent.ip[3], 1);
	assert_int_equal(w->last_sent.port, 80);
	pass(w, 100);
	send_to(w, 1, "tracker.test");
	assert_int_equal(w->last_sent.ip[3], 2);
	assert_int_equal(w->sent[1], 3);
}

static void
test_resolver_away(void **state)
{
	struct world *w = *state;
	unsigned int sent = 0;

	send_to(w, 1, "tracker.test");
	pass(w, 100);
	w->result = PEEL_DNS_FAILED;
	for (; sent < 500; sent++) { /* more than eight minutes without an answer */
		send_to(w, 1, "tracker.test");
		pass(w, 1000);
	}
	assert_int_equal(w->sent[1], 1 + sent);
	assert_in_range(w->asked, 10, 100);
	/* But not for ever. */
	pass(w, 200000);
	send_to(w, 1, "tracker.test");
	pass(w, 5000);
	assert_int_equal(w->sent[1], 1 + sent);
	assert_int_equal(count(w, PEEL_DROP_RESOLVE), 1);
	assert_int_equal(count(w, PEEL_NAME_LOOKUPS), w->asked);
	assert_int_equal(count(w, PEEL_NAME_FAILURES), w->asked - 1);
}

static void
test_name_is_gone(void **state)
{
	struct world *w = *state;

	send_to(w, 1, "tracker.test");
	pass(w, 100);
	w->result = PEEL_DNS_NONE;
	pass(w, 61000);
	send_to(w, 1, "tracker.test");
	pass(w, 100);
	send_to(w, 1, "tracker.test");
	assert_int_equal(w->sent[1], 2);
	assert_int_equal(count(w, PEEL_DROP_RESOLVE), 1);
	assert_int_equal(count(w, PEEL_NAME_FAILURES), 0);
}

static void
test_one_spelling(void **state)
{
	struct world *w = *state;

	send_to(w, 1, "Tracker.TEST.");
	assert_string_equal(w->last_name, "tracker.test");
	pass(w, 100);
	send_to(w, 1, "tracker.test");
	send_to(w, 1, "TRACKER.test");
	assert_int_equal(w->asked, 1);
	assert_int_equal(w->sent[1], 3);
	send_to(w, 1, ".");
	send_to(w, 1, "");
	assert_int_equal(count(w, PEEL_DROP_RESOLVE), 2);
}

/* ---- strangers ------------------------------------------------------------------------------- */

#define ATTACKERS 600
#define HONEST 30

/*
 * Attackers send `per_step` datagrams each every 20 ms, each to a name of its own; honest circuits
 * that come one after the other send one to a name that is answered in 50 ms. How many arrive?
 */
static unsigned int
honest_served(struct world *w, const char *prefix, unsigned int per_step)
{
	unsigned int n = 0, served = 0;
	char name[64];

	for (unsigned int h = 0; h < HONEST; h++) {
		for (unsigned int step = 0; step < 15; step++) {
			for (uint32_t a = 0; a < ATTACKERS; a++) {
				for (unsigned int i = 0; i < per_step; i++) {
					snprintf(name, sizeof(name), "%s%u.test", prefix, n++);
					send_to(w, a, name);
				}
			}
			if (step == 7) {
				snprintf(name, sizeof(name), "honest%u.test", h);
				send_to(w, ATTACKERS + h, name);
			}
			pass(w, 20);
		}
	}
	pass(w, 200);
	for (unsigned int h = 0; h < HONEST; h++)
		served += w->sent[ATTACKERS + h] > 0;
	print_message(
		"%u of %u honest look-ups answered, %u asked in all\n", served, HONEST, w->asked);
	return served;
}

static void
test_slow_names_of_strangers(void **state)
{
	assert_true(100 * honest_served(*state, "slow", 2) >= 95 * HONEST);
}

static void
test_names_without_end(void **state)
{
	/* Answered at once, so nothing is held against them but their number. */
	assert_true(100 * honest_served(*state, "fast", 2) >= 95 * HONEST);
}

/* Circuits are cheap: 200 new ones per second ask for eight unanswerable names each, and vanish. */
static void
test_circuits_come_and_go(void **state)
{
	struct world *w = *state;
	unsigned int n = 0, served = 0;
	char name[64];

	for (unsigned int step = 0; step < 15 * HONEST; step++) {
		for (unsigned int i = 0; i < 4; i++, n++) {
			for (unsigned int k = 0; k < 8; k++) {
				snprintf(name, sizeof(name), "slow%u-%u.test", n, k);
				send_as(w, n % ATTACKERS, 1 + 2 * (n / ATTACKERS), name);
			}
		}
		if (step % 15 == 7) {
			snprintf(name, sizeof(name), "honest%u.test", step);
			send_to(w, ATTACKERS + step / 15, name);
		}
		pass(w, 20);
	}
	pass(w, 200);
	for (unsigned int h = 0; h < HONEST; h++)
		served += w->sent[ATTACKERS + h];
	print_message(
		"%u of %u honest look-ups answered, %u asked in all\n", served, HONEST, w->asked);
	assert_true(100 * served >= 95 * HONEST);
}

/* All to a few names that are never answered: what waits is bounded, and everybody has a place in
 * it. */
static void
test_datagrams_of_strangers(void **state)
{
	struct world *w = *state;
	char name[64];

	for (unsigned int round = 0; round < 40; round++) {
		for (uint32_t a = 0; a < ATTACKERS; a++) {
			snprintf(name, sizeof(name), "slow%u.test", round % 4);
			send_to(w, a, name);
		}
		if (round % 4 == 3) {
			snprintf(name, sizeof(name), "honest%u.test", round);
			send_to(w, ATTACKERS + round, name);
			send_to(w, ATTACKERS + round, name);
		}
		assert_true(rte_mempool_in_use_count(pool) <= BUFFERS / 8);
		pass(w, 20);
	}
	pass(w, 200);
	for (unsigned int round = 3; round < 40; round += 4)
		assert_true(w->sent[ATTACKERS + round] > 0);
}

/* Places of a circuit: half as many after each unanswered name, one more after each answer. */
static void
test_places_of_a_circuit(void **state)
{
	struct world *w = *state;
	char name[64];
	unsigned int n = 0, before;

	for (unsigned int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "slow%u.test", n++);
		send_to(w, 1, name);
	}
	assert_int_equal(w->n_pending, 8);
	pass(w, GIVES_UP_MS + 10);
	for (unsigned int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "slow%u.test", 100 + n++);
		send_to(w, 1, name);
	}
	assert_int_equal(w->n_pending, 2);
	pass(w, GIVES_UP_MS + 10);
	for (unsigned int round = 0; round < 30; round++) {
		snprintf(name, sizeof(name), "good%u.test", n++);
		send_to(w, 1, name);
		pass(w, 100);
	}
	before = count(w, PEEL_DROP_RATE);
	for (unsigned int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "slow%u.test", 1000 + n++);
		send_to(w, 1, name);
	}
	assert_int_equal(w->n_pending, 16);
	assert_int_equal(count(w, PEEL_DROP_RATE) - before, 14);
	/* The next circuit in this place begins anew. */
	send_as(w, 1, 3, "another.test");
	assert_int_equal(w->n_pending, 17);
	pass(w, 100);
	assert_int_equal(w->sent[1], 31);
	pass(w, GIVES_UP_MS);
	send_as(w, 1, 3, "slow-another.test");
	assert_int_equal(w->n_pending, 1);
}

/* Many more names than are remembered. */
static void
test_memory_is_bounded(void **state)
{
	struct world *w = *state;
	char name[64];

	for (unsigned int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "none%u.test", i);
		send_to(w, i % SESSIONS, name);
		if (i % 10 == 0) {
			w->delay_ms = 5;
			pass(w, 5);
		}
		if (i % 1000 == 0) {
			send_to(w, 1, "kept.test");
			pass(w, 5);
		}
	}
	assert_int_equal(w->sent[1], 20);
}

/* ---- for HTTP -------------------------------------------------------------------------------- */

static void
on_called(void *arg, const struct peel_addr *addr)
{
	struct world *w = arg;

	w->called++;
	w->last_called = addr != NULL ? *addr : (struct peel_addr){0};
}

static int
look_up(struct world *w, const char *name)
{
	struct peel_span span = {(const uint8_t *)name, strlen(name)};

	return peel_names_lookup(w->names, 1, 1, span, on_called, w);
}

static void
test_lookups(void **state)
{
	struct world *w = *state;

	assert_int_equal(look_up(w, ""), -EINVAL);
	send_to(w, 2, "tracker.test");
	assert_int_equal(look_up(w, "tracker.test"), 0); /* joins */
	assert_int_equal(w->asked, 1);
	assert_int_equal(w->called, 0);
	pass(w, 100);
	assert_int_equal(w->called, 1);
	assert_int_equal(w->last_called.ip[3], 1);
	assert_int_equal(look_up(w, "tracker.test"), 0);
	assert_int_equal(w->called, 2);
	pass(w, 61000);
	assert_int_equal(look_up(w, "tracker.test"), 0); /* asked for again, but known */
	assert_int_equal(w->called, 3);
	assert_int_equal(w->asked, 2);
	w->result = PEEL_DNS_NONE;
	assert_int_equal(look_up(w, "nobody.test"), 0);
	pass(w, 100);
	assert_int_equal(w->called, 4);
	assert_int_equal(w->last_called.family, PEEL_FAMILY_NONE);
	assert_int_equal(look_up(w, "nobody.test"), -ENOENT);
	for (unsigned int i = 0; i < 30; i++) {
		char name[32];

		snprintf(name, sizeof(name), "slow%u.test", i);
		assert_int_equal(look_up(w, name), i < 10 ? 0 : -EAGAIN);
	}
	assert_int_equal(w->called, 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_loss_at_expiry),
		TEST(test_address_changes),
		TEST(test_resolver_away),
		TEST(test_name_is_gone),
		TEST(test_one_spelling),
		TEST(test_slow_names_of_strangers),
		TEST(test_names_without_end),
		TEST(test_circuits_come_and_go),
		TEST(test_datagrams_of_strangers),
		TEST(test_places_of_a_circuit),
		TEST(test_memory_is_bounded),
		TEST(test_lookups),
	};

	return cmocka_run_group_tests(tests, setup_eal, NULL);
}
