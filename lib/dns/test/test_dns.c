/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Look-ups at small resolvers on loopback that answer, refuse, keep silent or know nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "peel_dns.h"
#include "system.h"

#define TIMEOUT_MS 1400
#define TYPE_A 1
#define TYPE_AAAA 28

/* ---- a resolver ------------------------------------------------------------------------------ */

enum habit {
	ANSWERS,
	DROPS_ALL,
	DROPS_A,
	DROPS_AAAA,
	FAILS,
	KNOWS_NOTHING,
	HAS_NO_AAAA
};

struct resolver {
	uv_udp_t udp;
	struct peel_addr addr;
	enum habit habit;
	unsigned int asked;
	char last_name[256];
	uint8_t last_byte; /* of the addresses it gives */
};

static void
on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	static char room[2048];

	(void)handle;
	(void)size;
	*buf = uv_buf_init(room, sizeof(room));
}

/* The question's name as text; @return where its type is. */
static size_t
read_name(const uint8_t *d, size_t len, char *out)
{
	size_t at = 12, n = 0;

	while (at < len && d[at] != 0) {
		memcpy(out + n, d + at + 1, d[at]);
		n += d[at];
		out[n++] = '.';
		at += 1u + d[at];
	}
	out[n > 0 ? n - 1 : 0] = '\0';
	return at + 1;
}

static void
on_question(uv_udp_t *udp, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
	unsigned int flags)
{
	struct resolver *r = udp->data;
	uint8_t d[512];
	size_t at, end;
	uint8_t type;

	(void)flags;
	if (len < 12 || from == NULL)
		return;
	assert_true((size_t)len < sizeof(d) - 32);
	memcpy(d, buf->base, (size_t)len);
	at = read_name(d, (size_t)len, r->last_name);
	type = d[at + 1];
	end = at + 4;
	r->asked++;
	if (r->habit == DROPS_ALL || (r->habit == DROPS_A && type == TYPE_A) ||
		(r->habit == DROPS_AAAA && type == TYPE_AAAA))
		return;
	d[2] = 0x81;
	d[3] = r->habit == FAILS ? 0x82 : r->habit == KNOWS_NOTHING ? 0x83 : 0x80;
	memset(d + 6, 0, 6);
	if (r->habit != FAILS && r->habit != KNOWS_NOTHING &&
		!(r->habit == HAS_NO_AAAA && type == TYPE_AAAA)) {
		static const uint8_t head[] = {0xc0, 0x0c, 0, 0, 0, 1, 0, 0, 0, 30, 0};
		uint8_t size = type == TYPE_A ? 4 : 16;

		d[7] = 1;
		memcpy(d + end, head, sizeof(head));
		d[end + 3] = type;
		d[end + 11] = size;
		end += 12;
		memset(d + end, 0, size);
		memcpy(d + end, type == TYPE_A ? "\xc0\x00\x02" : "\x20\x01\x0d", 3);
		d[end + size - 1] = r->last_byte;
		end += size;
	}
	uv_buf_t out = uv_buf_init((char *)d, (unsigned int)end);

	assert_true(uv_udp_try_send(udp, &out, 1, from) > 0);
}

static void
resolver_start(uv_loop_t *loop, struct resolver *r, enum habit habit, uint8_t last_byte)
{
	struct sockaddr_storage ss;
	struct sockaddr_in any;
	int len = sizeof(ss);

	r->habit = habit;
	r->last_byte = last_byte;
	r->udp.data = r;
	uv_ip4_addr("127.0.0.1", 0, &any);
	assert_int_equal(uv_udp_init(loop, &r->udp), 0);
	assert_int_equal(uv_udp_bind(&r->udp, (struct sockaddr *)&any, 0), 0);
	assert_int_equal(uv_udp_getsockname(&r->udp, (struct sockaddr *)&ss, &len), 0);
	assert_int_equal(peel_addr_from_sockaddr(&ss, &r->addr), 0);
	assert_int_equal(uv_udp_recv_start(&r->udp, on_alloc, on_question), 0);
}

/* ---- a world --------------------------------------------------------------------------------- */

struct world {
	uv_loop_t loop;
	uv_timer_t timer;
	struct resolver r[2];
	struct peel_dns *dns;
	char path[64]; /* of a resolv.conf or a hosts file */
	bool no_ipv4, no_ipv6;
	/* the last answer */
	unsigned int answers;
	enum peel_dns_result result;
	struct peel_addr addr;
};

static bool
usable(void *arg, const struct peel_addr *addr)
{
	struct world *w = arg;

	assert_int_equal(addr->port, 0);
	return addr->family == PEEL_FAMILY_IPV4 ? !w->no_ipv4 : !w->no_ipv6;
}

static void
on_answer(void *arg, enum peel_dns_result result, const struct peel_addr *addr)
{
	struct world *w = arg;

	assert_true((result == PEEL_DNS_FOUND) == (addr != NULL));
	w->answers++;
	w->result = result;
	w->addr = addr != NULL ? *addr : (struct peel_addr){0};
}

static void
on_timer(uv_timer_t *timer)
{
	(void)timer;
}

/* Let time pass. */
static void
run_for(struct world *w, uint64_t ms)
{
	uint64_t end;

	uv_update_time(&w->loop);
	end = uv_now(&w->loop) + ms;
	while (uv_now(&w->loop) < end) {
		uv_timer_start(&w->timer, on_timer, end - uv_now(&w->loop), 0);
		uv_run(&w->loop, UV_RUN_ONCE);
	}
}

/* Look a name up and wait for the answer. @return milliseconds that it took. */
static uint64_t
resolve(struct world *w, const char *name)
{
	unsigned int before = w->answers;
	uint64_t start;

	uv_update_time(&w->loop);
	start = uv_now(&w->loop);
	peel_dns_resolve(w->dns, name, usable, on_answer, w);
	while (w->answers == before) {
		assert_true(uv_now(&w->loop) < start + 20000);
		run_for(w, 5);
	}
	assert_int_equal(w->answers, before + 1);
	return uv_now(&w->loop) - start;
}

static void
expect_text(const struct world *w, const char *text)
{
	char got[PEEL_ADDR_TEXT_MAX];

	assert_int_equal(w->result, PEEL_DNS_FOUND);
	assert_string_equal(peel_addr_text(&w->addr, got), text);
}

/* Resolvers with these habits, the configured ones in this order. */
static void
configure(struct world *w, enum habit first, enum habit second)
{
	struct peel_addr servers[2];
	struct peel_dns_conf conf = {
		.loop = &w->loop, .servers = servers, .n_servers = 2, .timeout_ms = TIMEOUT_MS};

	resolver_start(&w->loop, &w->r[0], first, 1);
	resolver_start(&w->loop, &w->r[1], second, 2);
	servers[0] = w->r[0].addr;
	servers[1] = w->r[1].addr;
	assert_int_equal(peel_dns_new(&conf, &w->dns), 0);
}

static void
write_conf(const struct world *w, const char *before, const struct resolver *r, const char *after)
{
	char text[PEEL_ADDR_TEXT_MAX];
	FILE *file = fopen(w->path, "w");

	assert_non_null(file);
	fprintf(file, "%snameserver %s%s\n", before, peel_addr_text(&r->addr, text), after);
	fclose(file);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	uv_timer_init(&w->loop, &w->timer);
	snprintf(w->path, sizeof(w->path), "test-resolv.%d", getpid());
	*state = w;
	return 0;
}

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static int
teardown(void **state)
{
	struct world *w = *state;

	peel_dns_free(w->dns);
	uv_walk(&w->loop, close_handle, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	unlink(w->path);
	free(w);
	return 0;
}

/* ---- families -------------------------------------------------------------------------------- */

static void
test_ipv4_is_enough(void **state)
{
	struct world *w = *state;

	configure(w, ANSWERS, ANSWERS);
	resolve(w, "both.test");
	expect_text(w, "192.0.2.1:0");
	assert_string_equal(w->r[0].last_name, "both.test");
	assert_int_equal(w->r[1].asked, 0);
}

static void
test_dropped_aaaa_delays_nobody(void **state)
{
	struct world *w = *state;

	configure(w, DROPS_AAAA, DROPS_AAAA);
	assert_true(resolve(w, "both.test") < TIMEOUT_MS / 2);
	expect_text(w, "192.0.2.1:0");
	run_for(w, 2 * TIMEOUT_MS); /* the rest of it ends, without another callback */
	assert_int_equal(w->answers, 1);
}

static void
test_dropped_a_leaves_ipv6(void **state)
{
	struct world *w = *state;

	configure(w, DROPS_A, DROPS_A);
	assert_true(resolve(w, "both.test") < TIMEOUT_MS / 2);
	expect_text(w, "[2001:d00::1]:0");
}

static void
test_the_family_that_is_of_use(void **state)
{
	struct world *w = *state;

	configure(w, ANSWERS, ANSWERS);
	w->no_ipv4 = true;
	resolve(w, "both.test");
	expect_text(w, "[2001:d00::1]:0");
	/* none: better a wrong one than none */
	w->no_ipv6 = true;
	resolve(w, "both.test");
	expect_text(w, "192.0.2.1:0");
	w->r[0].habit = HAS_NO_AAAA;
	w->no_ipv6 = false;
	resolve(w, "four.test");
	expect_text(w, "192.0.2.1:0");
}

/* ---- resolvers ------------------------------------------------------------------------------- */

static void
test_no_such_name(void **state)
{
	struct world *w = *state;

	configure(w, KNOWS_NOTHING, ANSWERS);
	assert_true(resolve(w, "none.test") < TIMEOUT_MS / 2);
	assert_int_equal(w->result, PEEL_DNS_NONE);
	assert_int_equal(w->r[1].asked, 0);
}

static void
test_failure_is_asked_elsewhere(void **state)
{
	struct world *w = *state;

	configure(w, FAILS, ANSWERS);
	assert_true(resolve(w, "both.test") < TIMEOUT_MS / 2);
	expect_text(w, "192.0.2.2:0");
	w->r[1].habit = FAILS;
	resolve(w, "both.test");
	assert_int_equal(w->result, PEEL_DNS_FAILED);
}

static void
test_dead_first_resolver(void **state)
{
	struct world *w = *state;
	unsigned int asked;

	configure(w, DROPS_ALL, ANSWERS);
	assert_true(resolve(w, "one.test") < TIMEOUT_MS);
	expect_text(w, "192.0.2.2:0");
	/* It is remembered, and asked beside the other now and then. */
	asked = w->r[0].asked;
	for (unsigned int i = 0; i < 20; i++) {
		resolve(w, "more.test");
		expect_text(w, "192.0.2.2:0");
	}
	assert_in_range(w->r[0].asked - asked, 0, 2 + 3 + 3); /* one probe, and what is repeated */
	/* It is back. */
	w->r[0].habit = ANSWERS;
	for (unsigned int i = 0; i < 200 && w->addr.ip[3] != 1; i++) {
		resolve(w, "back.test");
		run_for(w, 50);
	}
	expect_text(w, "192.0.2.1:0");
}

static void
test_closed_first_resolver(void **state)
{
	struct world *w = *state;

	configure(w, ANSWERS, ANSWERS);
	uv_close((uv_handle_t *)&w->r[0].udp, NULL);
	run_for(w, 1);
	assert_true(resolve(w, "both.test") < TIMEOUT_MS);
	assert_int_equal(w->result, PEEL_DNS_FOUND);
}

static void
test_nobody_answers(void **state)
{
	struct world *w = *state;

	configure(w, DROPS_ALL, DROPS_ALL);
	resolve(w, "slow.test");
	assert_int_equal(w->result, PEEL_DNS_FAILED);
	/* Unanswered names say nothing about a resolver that answers others. */
	w->r[0].habit = ANSWERS;
	assert_true(resolve(w, "both.test") < TIMEOUT_MS / 2);
}

/* What is under way goes on; what comes later asks the new resolvers. */
static void
test_changed_resolvers(void **state)
{
	struct world *w = *state;
	unsigned int changes;

	configure(w, DROPS_ALL, DROPS_ALL);
	changes = peel_dns_refresh(w->dns);
	peel_dns_resolve(w->dns, "slow.test", usable, on_answer, w);
	run_for(w, 20);
	w->r[1].habit = ANSWERS;
	assert_int_equal(peel_dns_change(w->dns, &w->r[1].addr, 1, TIMEOUT_MS), 0);
	assert_int_equal(peel_dns_refresh(w->dns), changes + 1);
	w->r[0].asked = 0;
	assert_true(resolve(w, "both.test") < TIMEOUT_MS / 2);
	expect_text(w, "192.0.2.2:0");
	assert_in_range(w->answers, 1, 2);
	run_for(w, 2 * TIMEOUT_MS);
	assert_int_equal(w->answers, 2); /* the old one too */
}

/* A shorter patience holds for a resolver that stays. */
static void
test_changed_timeout(void **state)
{
	struct world *w = *state;

	configure(w, DROPS_ALL, DROPS_ALL);
	assert_int_equal(peel_dns_change(w->dns, &w->r[0].addr, 1, 140), 0);
	assert_true(resolve(w, "slow.test") < TIMEOUT_MS / 2);
	assert_int_equal(w->result, PEEL_DNS_FAILED);
	assert_int_equal(w->r[1].asked, 0);
}

static void
test_end_with_lookups(void **state)
{
	struct world *w = *state;

	configure(w, DROPS_ALL, DROPS_ALL);
	for (unsigned int i = 0; i < 3; i++)
		peel_dns_resolve(w->dns, "slow.test", usable, on_answer, w);
	run_for(w, 20);
	peel_dns_free(w->dns);
	w->dns = NULL;
	assert_int_equal(w->answers, 3);
	assert_int_equal(w->result, PEEL_DNS_FAILED);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void
test_names_are_absolute(void **state)
{
	struct world *w = *state;
	struct peel_dns_conf conf = {
		.loop = &w->loop, .resolv_conf = w->path, .timeout_ms = TIMEOUT_MS};

	resolver_start(&w->loop, &w->r[0], KNOWS_NOTHING, 1);
	write_conf(
		w, "# ours\nsearch example.test\noptions ndots:3\n", &w->r[0], " # the only one");
	assert_int_equal(peel_dns_new(&conf, &w->dns), 0);
	resolve(w, "printer");
	assert_int_equal(w->result, PEEL_DNS_NONE);
	assert_int_equal(w->r[0].asked, 2);
	assert_string_equal(w->r[0].last_name, "printer");
	w->r[0].habit = ANSWERS;
	resolve(w, "dot.test.");
	expect_text(w, "192.0.2.1:0");
	assert_string_equal(w->r[0].last_name, "dot.test");
}

static void
test_numbers_are_no_names(void **state)
{
	static const char *const wrong[] = {"127.1", "2130706433", "0x7f000001", "1.2.3.4.5",
		"a.0x1", "", ".", "a..b", "256.1.1.1"};
	struct world *w = *state;

	configure(w, ANSWERS, ANSWERS);
	resolve(w, "192.0.2.77");
	expect_text(w, "192.0.2.77:0");
	resolve(w, "2001:db8::7");
	expect_text(w, "[2001:db8::7]:0");
	for (size_t i = 0; i < PEEL_ARRAY_LEN(wrong); i++) {
		resolve(w, wrong[i]);
		assert_int_not_equal(w->result, PEEL_DNS_FOUND);
	}
	assert_int_equal(w->r[0].asked + w->r[1].asked, 0);
}

/* ---- the hosts file -------------------------------------------------------------------------- */

static void
write_hosts(const struct world *w, const char *text, unsigned int n_more)
{
	FILE *file = fopen(w->path, "w");

	assert_non_null(file);
	fputs(text, file);
	for (unsigned int i = 0; i < n_more; i++)
		fprintf(file, "0.0.0.0 blocked%u.test\n", i);
	fclose(file);
}

/* No other resolver is asked. */
static void
with_hosts(struct world *w, const char *text, unsigned int n_more)
{
	struct peel_addr nobody = peel_addr_ipv4(127, 0, 0, 1, 1);
	struct peel_dns_conf conf = {.loop = &w->loop,
		.servers = &nobody,
		.n_servers = 1,
		.hosts = w->path,
		.timeout_ms = TIMEOUT_MS};

	write_hosts(w, text, n_more);
	assert_int_equal(peel_dns_new(&conf, &w->dns), 0);
}

static void
test_hosts(void **state)
{
	struct world *w = *state;

	with_hosts(w,
		"# 192.0.2.9 commented.test\n\n  192.0.2.1\tOne.test one # two.test\n"
		"2001:db8::3 three.test\r\n192.0.2.3 three.test\n192.0.2.4 three.test\n"
		"192.0.2.5\nnobody four.test\nfe80::1%lo four.test\n192.0.2.6 last.test",
		0);
	resolve(w, "oNE.TEST");
	expect_text(w, "192.0.2.1:0");
	resolve(w, "one");
	expect_text(w, "192.0.2.1:0");
	resolve(w, "last.test.");
	expect_text(w, "192.0.2.6:0");
	resolve(w, "three.test");
	expect_text(w, "192.0.2.3:0");
	w->no_ipv4 = true;
	resolve(w, "three.test");
	expect_text(w, "[2001:db8::3]:0");
	w->no_ipv6 = true; /* none is of use */
	resolve(w, "three.test");
	expect_text(w, "192.0.2.3:0");
	w->no_ipv4 = w->no_ipv6 = false;
	resolve(w, "two.test");
	assert_int_not_equal(w->result, PEEL_DNS_FOUND);
	resolve(w, "four.test");
	assert_int_not_equal(w->result, PEEL_DNS_FOUND);
	resolve(w, "commented.test");
	assert_int_not_equal(w->result, PEEL_DNS_FOUND);

	/* It changes, and is gone. */
	write_hosts(w, "192.0.2.7 one.test\n", 0);
	for (unsigned int i = 0; i < 200 && w->addr.ip[3] != 7; i++) {
		run_for(w, 20);
		resolve(w, "one.test");
	}
	expect_text(w, "192.0.2.7:0");
	unlink(w->path);
	for (unsigned int i = 0; i < 200 && w->result == PEEL_DNS_FOUND; i++) {
		run_for(w, 20);
		resolve(w, "one.test");
	}
	assert_int_not_equal(w->result, PEEL_DNS_FOUND);
}

/* Strangers look up what they like: a long file must not cost its length each time. */
static void
test_long_hosts(void **state)
{
	struct world *w = *state;
	unsigned int done = 0;
	uint64_t end;

	with_hosts(w, "192.0.2.1 first.test\n", 200000);
	uv_update_time(&w->loop);
	end = uv_now(&w->loop) + 10000;
	for (; done < 10000 && uv_now(&w->loop) < end; done++) {
		resolve(w, done % 2 == 0 ? "blocked199999.test" : "first.test");
		assert_int_equal(w->result, PEEL_DNS_FOUND);
		uv_update_time(&w->loop);
	}
	assert_int_equal(done, 10000);
}

/* ---- the system's resolvers ------------------------------------------------------------------ */

static void
test_resolvers_change(void **state)
{
	struct world *w = *state;
	struct peel_dns_conf conf = {
		.loop = &w->loop, .resolv_conf = w->path, .timeout_ms = 10 * TIMEOUT_MS};
	unsigned int before;

	resolver_start(&w->loop, &w->r[0], DROPS_ALL, 1);
	resolver_start(&w->loop, &w->r[1], ANSWERS, 2);
	write_conf(w, "", &w->r[0], "");
	assert_int_equal(peel_dns_new(&conf, &w->dns), 0);
	before = peel_dns_refresh(w->dns);
	peel_dns_resolve(w->dns, "under-way.test", usable, on_answer, w);
	run_for(w, 20);
	/* By another file of the same length. */
	unlink(w->path);
	write_conf(w, "", &w->r[1], "");
	for (unsigned int i = 0; i < 200 && peel_dns_refresh(w->dns) == before; i++)
		run_for(w, 20);
	assert_int_equal(peel_dns_refresh(w->dns), before + 1);
	/* What was asked of the old one is still waited for. */
	assert_int_equal(w->answers, 0);
	w->r[0].habit = ANSWERS;
	run_for(w, 5 * TIMEOUT_MS);
	expect_text(w, "192.0.2.1:0");
	resolve(w, "both.test");
	expect_text(w, "192.0.2.2:0");
	/* A file that is gone means this host. */
	unlink(w->path);
	for (unsigned int i = 0; i < 200 && peel_dns_refresh(w->dns) == before + 1; i++)
		run_for(w, 20);
	assert_int_equal(peel_dns_refresh(w->dns), before + 2);
}

static void
test_resolv_conf(void **state)
{
	struct world *w = *state;
	struct dns_place place[PEEL_DNS_SERVERS_MAX];
	struct dns_stamp stamp = {0};
	char text[PEEL_ADDR_TEXT_MAX];
	FILE *file;

	assert_int_equal(dns_system_read(w->path, place, PEEL_DNS_SERVERS_MAX), 1);
	assert_string_equal(peel_addr_text(&place[0].addr, text), "127.0.0.1:53");
	assert_false(dns_system_changed(w->path, &stamp));
	file = fopen(w->path, "w");
	assert_non_null(file);
	fputs("domain x\n#nameserver 1.1.1.1\nnameserver\nnameserver \nnameserver nowhere\n"
	      "nameserver\t192.0.2.1\nnameserver 2001:db8::1 \nnameserver  fe80::1%eth0\n"
	      "nameserver fe80::2%an-interface-with-a-long-name\nnameservers 192.0.2.9\n"
	      "nameserver 192.0.2.3;comment\nnameserver 192.0.2.4",
		file);
	fclose(file);
	assert_true(dns_system_changed(w->path, &stamp));
	assert_false(dns_system_changed(w->path, &stamp));
	assert_int_equal(dns_system_read(w->path, place, PEEL_DNS_SERVERS_MAX), 5);
	assert_string_equal(peel_addr_text(&place[0].addr, text), "192.0.2.1:53");
	assert_string_equal(peel_addr_text(&place[1].addr, text), "[2001:db8::1]:53");
	assert_string_equal(place[1].interface, "");
	assert_string_equal(peel_addr_text(&place[2].addr, text), "[fe80::1]:53");
	assert_string_equal(place[2].interface, "eth0");
	assert_string_equal(peel_addr_text(&place[4].addr, text), "192.0.2.4:53");
	assert_int_equal(dns_system_read(w->path, place, 2), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ipv4_is_enough),
		TEST(test_dropped_aaaa_delays_nobody),
		TEST(test_dropped_a_leaves_ipv6),
		TEST(test_the_family_that_is_of_use),
		TEST(test_no_such_name),
		TEST(test_failure_is_asked_elsewhere),
		TEST(test_dead_first_resolver),
		TEST(test_closed_first_resolver),
		TEST(test_nobody_answers),
		TEST(test_changed_resolvers),
		TEST(test_changed_timeout),
		TEST(test_end_with_lookups),
		TEST(test_names_are_absolute),
		TEST(test_numbers_are_no_names),
		TEST(test_hosts),
		TEST(test_long_hosts),
		TEST(test_resolvers_change),
		TEST(test_resolv_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
