/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "peel_flows.h"

static uint64_t clock_ms;

static uint64_t
test_now(void *arg)
{
	(void)arg;
	return clock_ms;
}

static void
test_random(void *arg, void *out, size_t len)
{
	(void)arg;
	memset(out, 0x5a, len);
}

static const struct peel_env env = {.now_ms = test_now, .random = test_random};

static struct peel_socks_target
host(unsigned int n)
{
	return (struct peel_socks_target){
		.addr = peel_addr_ipv4(192, 0, (uint8_t)(n >> 8), (uint8_t)n, 80)};
}

static struct peel_stats stats;

static uint64_t
count(enum peel_counter c)
{
	return peel_stats_get(&stats, c);
}

static size_t
owned(const struct peel_flows *f, unsigned int user)
{
	return peel_flows_circuits(f, user, NULL, 0);
}

static unsigned int shared; /* datagrams for hosts that were another's on all circuits */

static struct peel_flows *
new_flows(bool isolate, unsigned int circuits)
{
	struct peel_flows *f = peel_flows_new(&env, &stats, isolate);

	memset(&stats, 0, sizeof(stats));
	shared = 0;
	assert_non_null(f);
	for (unsigned int i = 0; i < circuits; i++)
		assert_int_equal(peel_flows_add(f, 100 + i), 0);
	return f;
}

/* The circuit, 0: none. */
static uint64_t
out(struct peel_flows *f, unsigned int user, const struct peel_socks_target *to)
{
	uint64_t circuit;
	int ret = peel_flows_out(f, user, to, &circuit);

	shared += ret == -EBUSY;
	return ret == 0 ? circuit : 0;
}

static void
test_hosts_keep_their_circuit(void **state)
{
	struct peel_flows *f = new_flows(false, 4);
	int user = peel_flows_join(f);
	uint64_t first[200], used = 0;

	(void)state;
	assert_int_equal(user, 0);
	for (unsigned int i = 0; i < 200; i++) {
		struct peel_socks_target t = host(i);

		first[i] = out(f, 0, &t);
		assert_in_range(first[i], 100, 103);
		used |= 1u << (first[i] - 100);
		t.addr.port = 81; /* another port of the same host */
		assert_int_equal(out(f, 0, &t), first[i]);
	}
	assert_int_equal(used, 15);
	/* New circuits move nobody; the end of one moves only who used it. */
	assert_int_equal(peel_flows_add(f, 104), 0);
	peel_flows_del(f, 101);
	for (unsigned int i = 0; i < 200; i++) {
		struct peel_socks_target t = host(i);
		uint64_t now = out(f, 0, &t);

		assert_int_not_equal(now, 101);
		if (first[i] != 101)
			assert_int_equal(now, first[i]);
	}
	peel_flows_free(f);
}

static void
test_names_are_hosts(void **state)
{
	struct peel_flows *f = new_flows(false, 8);
	struct peel_socks_target t = {.addr.port = 1};
	uint64_t used = 0;

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(t.name, sizeof(t.name), "a.long.name.of.a.host.number-%d.example", i);
		uint64_t c = out(f, 0, &t);

		assert_int_equal(out(f, 0, &t), c);
		used |= 1u << (c - 100);
	}
	assert_int_equal(used, 255);
	peel_flows_free(f);
}

static void
test_isolated_hosts_take_turns(void **state)
{
	struct peel_flows *f = new_flows(true, 4);
	uint64_t used = 0;

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct peel_socks_target t = host(i);

		used |= 1u << (out(f, 0, &t) - 100);
	}
	assert_int_equal(used, 15);
	peel_flows_free(f);
}

static void
test_circuits_are_spread(void **state)
{
	struct peel_flows *f = new_flows(false, 7);

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(owned(f, 0), 7);
	assert_int_equal(peel_flows_join(f), 1);
	assert_int_equal(peel_flows_join(f), 2);
	assert_int_equal(owned(f, 0) + owned(f, 1) + owned(f, 2), 7);
	for (unsigned int i = 0; i < 3; i++)
		assert_in_range(owned(f, i), 2, 3);
	peel_flows_leave(f, 0);
	peel_flows_leave(f, 0); /* twice does no harm */
	assert_in_range(owned(f, 1), 3, 4);
	for (uint64_t c = 100; c < 106; c++)
		peel_flows_del(f, c);
	assert_int_equal(owned(f, 1) + owned(f, 2), 1);
	for (uint64_t c = 200; c < 202; c++)
		assert_int_equal(peel_flows_add(f, c), 0);
	assert_in_range(owned(f, 1), 1, 2);
	peel_flows_free(f);
}

static void
test_own_circuits_only(void **state)
{
	struct peel_flows *f = new_flows(false, 4);

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(peel_flows_join(f), 1);
	for (unsigned int i = 0; i < 100; i++) {
		struct peel_socks_target t = host(i), stranger = host(1000 + i);
		uint64_t a = out(f, 0, &t), b = out(f, 1, &t);

		assert_int_not_equal(a, b);
		/* Both talk to the same host, and each hears its own answers; strangers go to the
		 * owner. */
		assert_int_equal(peel_flows_in(f, a, &t), 0);
		assert_int_equal(peel_flows_in(f, b, &t), 1);
		assert_int_equal(peel_flows_in(f, a, &stranger), 0);
	}
	peel_flows_free(f);
}

static void
test_more_users_than_circuits(void **state)
{
	struct peel_flows *f = new_flows(false, 2);
	unsigned int owners = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(peel_flows_join(f), i);
	for (unsigned int i = 0; i < 5; i++)
		owners += owned(f, i);
	assert_int_equal(owners, 2);
	for (unsigned int i = 0; i < 5; i++) {
		struct peel_socks_target t = host(i);
		uint64_t c = out(f, i, &t);

		assert_int_not_equal(c, 0);
		assert_int_equal(peel_flows_in(f, c, &t), i);
	}
	peel_flows_free(f);
}

/* The exit resolves names, so their answers come from addresses that nobody sent to. */
static void
test_answers_of_names(void **state)
{
	struct peel_flows *f = new_flows(false, 1);
	struct peel_socks_target name = {.name = "tracker.example", .addr.port = 6969},
				 back = host(7), stranger = host(8);
	unsigned int owner, guest;

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(peel_flows_join(f), 1);
	owner = owned(f, 0) == 1 ? 0 : 1;
	guest = 1 - owner;
	back.addr.port = 6969;
	assert_int_equal(out(f, guest, &name), 100);
	/* Of another port, it may be for the owner, or because of the guest: for neither. */
	assert_int_equal(peel_flows_in(f, 100, &stranger), -ENOTUNIQ);
	assert_int_equal(peel_flows_in(f, 100, &back), guest);
	/* From then on it is the guest's: nobody else can ask at that port meanwhile, by name or
	 * address. */
	assert_int_equal(out(f, owner, &name), 0);
	assert_int_equal(out(f, owner, &back), 0);
	assert_int_equal(shared, 2);
	name.addr.port = back.addr.port = 80;
	assert_int_equal(out(f, owner, &back), 0); /* the same host */
	/* another one, whose port was not asked at */
	assert_int_equal(out(f, owner, &stranger), 100);
	assert_int_equal(peel_flows_in(f, 100, &stranger), owner);
	/* The other way round: a name at a port that somebody sends to. */
	assert_int_equal(out(f, guest, &name), 0);
	back.addr.port = 6969;
	clock_ms += 40000;
	assert_int_equal(peel_flows_in(f, 100, &back), guest); /* late, and nobody else asked */
	back = host(9);
	back.addr.port = 6969;
	/* too late for an unknown address */
	assert_int_equal(peel_flows_in(f, 100, &back), -ENOTUNIQ);
	clock_ms += 40000;
	assert_int_equal(peel_flows_in(f, 100, &back), owner); /* nobody was at it lately */
	peel_flows_free(f);
}

static void
test_who_comes_in_is_answered_there(void **state)
{
	struct peel_flows *f = new_flows(false, 8);

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	for (unsigned int i = 0; i < 50; i++) {
		struct peel_socks_target t = host(i);

		assert_int_equal(peel_flows_in(f, 100 + i % 8, &t), 0);
		assert_int_equal(out(f, 0, &t), 100 + i % 8);
		/* A second way in does not move a live conversation, but a silent one. */
		assert_int_equal(peel_flows_in(f, 100 + (i + 1) % 8, &t), 0);
		assert_int_equal(out(f, 0, &t), 100 + i % 8);
		clock_ms += 31000;
		assert_int_equal(peel_flows_in(f, 100 + (i + 1) % 8, &t), 0);
		assert_int_equal(out(f, 0, &t), 100 + (i + 1) % 8);
	}
	peel_flows_free(f);
}

/* Who sent to a name and left does not stand between a host and another one who talks to it. */
static void
test_other_ports_after_a_name(void **state)
{
	struct peel_flows *f = new_flows(false, 1);
	struct peel_socks_target name = {.name = "tracker.example", .addr.port = 6969},
				 back = host(7);

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(peel_flows_join(f), 1);
	assert_int_equal(out(f, 0, &name), 100);
	back.addr.port = 80;
	assert_int_equal(out(f, 1, &back), 100);
	back.addr.port = 81; /* nobody asked there; the host may be the name's */
	assert_int_equal(peel_flows_in(f, 100, &back), -ENOTUNIQ);
	peel_flows_leave(f, 0);
	assert_int_equal(peel_flows_in(f, 100, &back), 1);
	/* At the name's port it is still a late answer to who left. */
	back.addr.port = 6969;
	assert_int_equal(peel_flows_in(f, 100, &back), -ENOTUNIQ);
	peel_flows_free(f);
}

static void
test_nobody_inherits(void **state)
{
	struct peel_flows *f = new_flows(false, 1);
	struct peel_socks_target t = host(1), u = host(2);

	(void)state;
	assert_int_equal(peel_flows_in(f, 100, &t), -ENOENT); /* no users */
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(peel_flows_join(f), 1);
	assert_int_equal(out(f, 1, &t), 100);
	assert_int_equal(peel_flows_in(f, 100, &t), 1);
	peel_flows_leave(f, 1);
	assert_int_equal(peel_flows_join(f), 2);		/* the slot rests */
	assert_int_equal(peel_flows_in(f, 100, &t), -ENOTUNIQ); /* late, and for who left */
	assert_int_equal(peel_flows_in(f, 100, &u), 0); /* the owner's, not the newcomer's */
	assert_int_equal(out(f, 2, &t), 100);		/* who left does not keep others away */
	assert_int_equal(peel_flows_in(f, 100, &t), 2);
	assert_int_equal(peel_flows_in(f, 999, &t), -ENOENT);
	peel_flows_del(f, 100);
	assert_int_equal(out(f, 2, &t), 0);
	assert_int_equal(shared, 0); /* there was no circuit */
	peel_flows_free(f);
}

/* More associations than circuits, all with one host: on each circuit one of them has it. */
static void
test_a_host_is_one_users(void **state)
{
	struct peel_flows *f = new_flows(false, 8);
	struct peel_socks_target t = host(1);
	uint64_t circuit[12], used = 0;
	unsigned int served = 0, last = 0;

	(void)state;
	for (int i = 0; i < 12; i++)
		assert_int_equal(peel_flows_join(f), i);
	for (int round = 0; round < 50; round++) {
		served = 0;
		for (unsigned int i = 0; i < 12; i++) {
			uint64_t c = out(f, i, &t);

			if (round > 0)
				assert_int_equal(c, circuit[i]);
			circuit[i] = c;
			if (c == 0)
				continue;
			served++;
			last = i;
			used |= 1u << (c - 100);
		}
		assert_int_equal(served, 8);
		for (unsigned int i = 0; i < 12; i++) {
			if (circuit[i] != 0)
				assert_int_equal(peel_flows_in(f, circuit[i], &t), i);
		}
		clock_ms += 1000;
	}
	assert_int_equal(used, 255);
	assert_int_equal(shared, 50 * 4);
	/* A silent user makes room. */
	for (int s = 0; s < 31; s++) {
		clock_ms += 1000;
		for (unsigned int i = 0; i < 12; i++) {
			if (circuit[i] != 0 && i != last)
				assert_int_equal(out(f, i, &t), circuit[i]);
		}
	}
	for (unsigned int i = 0; i < 12; i++) {
		if (circuit[i] != 0)
			continue;
		assert_int_equal(out(f, i, &t), circuit[last]);
		assert_int_equal(peel_flows_in(f, circuit[last], &t), i);
		break;
	}
	peel_flows_free(f);
}

/* ---- whoever sends, whatever comes back, and when -------------------------------------------- */

#define PEOPLE 10
#define WAYS_OUT 6
#define HOSTS 12
#define NAMES 6 /* the first hosts have them, too */

struct answer {
	uint64_t circuit, at_ms;
	int user;
	struct peel_socks_target origin;
};

static uint32_t dice = 1;

static uint32_t
roll(uint32_t n)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % n;
}

static struct peel_socks_target
any_target(struct peel_socks_target *origin)
{
	unsigned int n = roll(HOSTS);
	struct peel_socks_target t = host(n);

	t.addr.port = (uint16_t)(80 + roll(3));
	*origin = t;
	if (n < NAMES && roll(2) == 0) {
		snprintf(t.name, sizeof(t.name), "name-%u.example", n);
		t.addr = (struct peel_addr){.port = t.addr.port};
	}
	if (roll(20) == 0)
		origin->addr.port = 99; /* some answer from another port */
	return t;
}

static bool
is_among(const int *slot, unsigned int n, int user)
{
	for (unsigned int i = 0; i < n; i++) {
		if (slot[i] == user)
			return true;
	}
	return false;
}

/* Nobody gets what another one asked for, with hosts that have names and addresses, with answers
 * that are late, and circuits and users that come and go. Returns the share of datagrams that were
 * answered, in percent. */
static unsigned int
play(unsigned int people, unsigned int ways_out, bool leaving)
{
	static struct answer answer[4096];
	struct peel_flows *f = new_flows(false, ways_out);
	unsigned int n = 0, sent = 0, answered = 0;
	uint64_t next = 1000;
	int slot[PEOPLE];
	uint64_t way[WAYS_OUT];

	for (unsigned int i = 0; i < people; i++)
		slot[i] = peel_flows_join(f);
	for (unsigned int i = 0; i < ways_out; i++)
		way[i] = 100 + i;
	for (int step = 0; step < 60000; step++) {
		clock_ms += roll(40);
		if (roll(3000) == 0) { /* a circuit ends, another one begins */
			unsigned int i = roll(ways_out);

			peel_flows_del(f, way[i]);
			way[i] = next++;
			assert_int_equal(peel_flows_add(f, way[i]), 0);
		}
		if (leaving && roll(2000) == 0) { /* a user leaves, another one comes */
			unsigned int i = roll(people);

			peel_flows_leave(f, (unsigned int)slot[i]);
			slot[i] = peel_flows_join(f);
		}
		if (n < PEEL_ARRAY_LEN(answer)) {
			struct answer *a = &answer[n];
			struct peel_socks_target to = any_target(&a->origin);

			a->user = slot[roll(people)];
			a->circuit = out(f, (unsigned int)a->user, &to);
			a->at_ms = clock_ms + (roll(10) == 0 ? roll(25000) : roll(2000));
			n += a->circuit != 0;
			sent++;
		}
		for (unsigned int i = 0; i < n;) {
			int user;

			if (answer[i].at_ms > clock_ms) {
				i++;
				continue;
			}
			user = peel_flows_in(f, answer[i].circuit, &answer[i].origin);
			if (user >= 0 && is_among(slot, people, answer[i].user))
				assert_int_equal(user, answer[i].user);
			answered += user >= 0;
			answer[i] = answer[--n];
		}
	}
	peel_flows_free(f);
	return answered * 100 / sent;
}

static void
test_never_anothers(void **state)
{
	(void)state;
	/* Answers that are under way when a circuit goes are lost. */
	assert_in_range(play(1, 4, false), 96, 100);
	assert_in_range(play(3, 6, false), 95, 100);
	assert_in_range(play(6, 6, false), 95, 100);
	/* Circuits that become another's keep the conversations that go on. */
	assert_in_range(play(3, 6, true), 80, 100);
	assert_in_range(play(6, 6, true), 40, 100);
	/* More than circuits, all with the same few hosts: some have to wait. */
	assert_in_range(play(10, 6, true), 15, 100);
	assert_in_range(play(10, 1, true), 2, 100);
}

/* ---- exits that cannot ----------------------------------------------------------------------- */

static struct peel_socks_target
host6(unsigned int n)
{
	struct peel_socks_target t = {
		.addr = {.ip = {0x20, 1}, .family = PEEL_FAMILY_IPV6, .port = 80}};

	t.addr.ip[15] = (uint8_t)n;
	return t;
}

/* A datagram each second until it is answered, where only circuit @p good is able; seconds, or
 * -1. */
static int
seconds_until(struct peel_flows *f, const struct peel_socks_target *t, uint64_t good, int most)
{
	for (int s = 0; s <= most; s++) {
		uint64_t c = out(f, 0, t);

		if (c == good) {
			assert_int_equal(peel_flows_in(f, c, t), 0);
			return s;
		}
		clock_ms += 1000;
	}
	return -1;
}

static void
test_away_from_exits_that_cannot(void **state)
{
	int first, moved = 0;

	(void)state;
	for (uint64_t good = 100; good < 108; good++) {
		struct peel_flows *f = new_flows(false, 8);
		struct peel_socks_target t = host6(1);

		assert_int_equal(peel_flows_join(f), 0);
		first = seconds_until(f, &t, good, 100);
		assert_in_range(first, 0, 80); /* seven in vain, with growing pauses */
		moved += first > 0;
		assert_int_equal(count(PEEL_SOCKS_MOVED) > 0, first > 0);
		/* What was learnt is not asked again: those it left are avoided, the other ones
		 * found in the same way. */
		for (unsigned int n = 2; n < 40; n++) {
			t = host6(n);
			assert_in_range(seconds_until(f, &t, good, 100), 0, 80);
		}
		for (unsigned int n = 40; n < 80; n++) {
			t = host6(n);
			assert_int_equal(seconds_until(f, &t, good, 0), 0);
		}
		/* IPv4 is spread as before. */
		uint64_t used = 0;
		for (unsigned int n = 0; n < 100; n++) {
			t = host(n);
			used |= 1u << (out(f, 0, &t) - 100);
		}
		assert_int_equal(used, 255);
		peel_flows_free(f);
	}
	assert_in_range(moved, 7, 8);
}

static void
test_names_move_too(void **state)
{
	struct peel_flows *f = new_flows(false, 2);
	struct peel_socks_target t = {.name = "a.example", .addr.port = 80}, back = host(1);
	uint64_t c, bad;

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	bad = out(f, 0, &t);
	clock_ms += 5000;
	c = out(f, 0, &t);
	assert_int_not_equal(c, bad);
	assert_int_equal(peel_flows_in(f, c, &back), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(t.name, sizeof(t.name), "%d.example", i);
		assert_int_equal(out(f, 0, &t), c);
	}
	peel_flows_free(f);
}

/* Hosts that are gone, and protocols without answers: a few moves, no more, and nobody else is
 * hurt. */
static void
test_silence_is_no_storm(void **state)
{
	struct peel_flows *f = new_flows(false, 8);
	struct peel_socks_target t = host(1), u = host(2);
	uint64_t home, last = 0;
	unsigned int moves = 0;

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	home = out(f, 0, &u);
	assert_int_equal(peel_flows_in(f, home, &u), 0);
	for (int s = 0; s < 3600; s++) {
		uint64_t c = out(f, 0, &t);

		moves += c != last;
		last = c;
		assert_int_equal(out(f, 0, &u), home);
		assert_int_equal(peel_flows_in(f, home, &u), 0);
		clock_ms += 1000;
	}
	assert_in_range(moves, 2, 17);
	/* One that is answered stays, with pauses, and through a lost answer or two. */
	for (int s = 0; s < 100; s++) {
		assert_int_equal(out(f, 0, &u), home);
		clock_ms += 20000;
		assert_int_equal(peel_flows_in(f, home, &u), 0);
		clock_ms += 100000;
	}
	/* An answer that is late brings the flow back to where it came through. */
	t = host(3);
	home = out(f, 0, &t);
	clock_ms += 5000;
	last = out(f, 0, &t);
	assert_int_not_equal(last, home);
	assert_int_equal(peel_flows_in(f, home, &t), 0);
	assert_int_equal(out(f, 0, &t), home);
	peel_flows_free(f);
}

/* An association keeps to its circuits for a host that is silent, and leaves them for what they
 * cannot do. */
static void
test_others_circuits_in_need_only(void **state)
{
	struct peel_flows *f = new_flows(false, 4);
	struct peel_socks_target t = host(1);
	uint64_t own[4], c;
	unsigned int n = 0, foreign = 0;

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(peel_flows_join(f), 1);
	for (unsigned int i = 0; i < 50; i++) { /* its own are those it uses */
		struct peel_socks_target any = host(1000 + i);

		c = out(f, 0, &any);
		assert_int_equal(peel_flows_in(f, c, &any), 0);
		for (unsigned int j = 0; j < n; j++) {
			if (own[j] == c)
				c = 0;
		}
		if (c != 0)
			own[n++] = c;
	}
	assert_int_equal(n, 2);
	for (int s = 0; s < 50; s++) {
		c = out(f, 0, &t);
		assert_true(c == own[0] || c == own[1]);
		clock_ms += 1000;
	}
	for (unsigned int i = 0; i < 8 && foreign == 0; i++) {
		t = host6(i);
		for (int s = 0; s < 30; s++) {
			c = out(f, 0, &t);
			foreign += c != own[0] && c != own[1];
			clock_ms += 1000;
		}
	}
	assert_true(foreign > 0);
	peel_flows_free(f);
}

static void
test_limits(void **state)
{
	struct peel_flows *f = new_flows(false, PEEL_FLOWS_CIRCUITS);
	const uint64_t some[] = {100, 101, 7};

	(void)state;
	assert_int_equal(peel_flows_add(f, 100), 0);
	assert_int_equal(peel_flows_add(f, 999), -ENOSPC);
	for (int i = 0; i < PEEL_FLOWS_USERS; i++)
		assert_int_equal(peel_flows_join(f), i);
	assert_int_equal(peel_flows_join(f), -ENOSPC);
	for (unsigned int i = 0; i < PEEL_FLOWS_USERS; i++)
		assert_int_equal(owned(f, i), 1);
	/* Far more hosts than the table keeps. */
	for (unsigned int i = 0; i < 60000; i++) {
		struct peel_socks_target t = host(i);

		assert_int_not_equal(out(f, i % PEEL_FLOWS_USERS, &t), 0);
	}
	peel_flows_set(f, some, 3);
	for (unsigned int i = 0; i < 60000; i += 7) {
		struct peel_socks_target t = host(i);
		uint64_t c = out(f, i % PEEL_FLOWS_USERS, &t);

		assert_true(c == 100 || c == 101 || c == 7);
	}
	peel_flows_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts_keep_their_circuit),
		cmocka_unit_test(test_names_are_hosts),
		cmocka_unit_test(test_isolated_hosts_take_turns),
		cmocka_unit_test(test_circuits_are_spread),
		cmocka_unit_test(test_own_circuits_only),
		cmocka_unit_test(test_more_users_than_circuits),
		cmocka_unit_test(test_answers_of_names),
		cmocka_unit_test(test_who_comes_in_is_answered_there),
		cmocka_unit_test(test_other_ports_after_a_name),
		cmocka_unit_test(test_nobody_inherits),
		cmocka_unit_test(test_a_host_is_one_users),
		cmocka_unit_test(test_never_anothers),
		cmocka_unit_test(test_away_from_exits_that_cannot),
		cmocka_unit_test(test_names_move_too),
		cmocka_unit_test(test_silence_is_no_storm),
		cmocka_unit_test(test_others_circuits_in_need_only),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
