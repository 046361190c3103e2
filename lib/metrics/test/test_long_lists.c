/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A list of many circuits, at the management socket and as py-ipv8's REST tells it: how long it
 * holds the control thread at a time, and that it is never in memory. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lists.h"
#include "peel_rest.h"
#include "status.h"
#include "world.h"

/* In an ordinary build a part takes well below a millisecond. A whole list would take more than a
 * second, and hundreds of megabytes. */
#if defined(__SANITIZE_ADDRESS__)
#define MANY 20000
#else
#define MANY 100000
#endif
#define FEW 100
#define GAPS 9000  /* more places than a part looks at */
#define BATCH 200  /* creates that may wait */
#define HOLD_MS 25 /* of processor time, so a loaded machine does not matter */
#define GROWTH ((size_t)4 << 20)

static struct node *world;
static struct peel_node *node; /* its tables, its answers; no threads */

static uint64_t
cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- a node with circuits -------------------------------------------------------------------- */

static void
no_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)to;
	(void)data;
	(void)len;
}

static bool
no_address(void *arg, struct peel_addr *out)
{
	(void)arg;
	(void)out;
	return false;
}

static struct peel_addr
source(uint32_t i)
{
	struct peel_addr a = {.family = PEEL_FAMILY_IPV4, .port = 4000};

	peel_put_be32(a.ip, 0x0b000000 + i);
	return a;
}

/* Circuits of one originator's handshake, each from another address, and each used. */
static void
join_many(uint32_t from, uint32_t to)
{
	static struct originator o;
	uint8_t out[PEEL_DATAGRAM_MAX];
	size_t len;

	originator_init(&o, source(0), 1);
	len = originator_create(&o, world, 1, out);
	world->joins_wait = true;
	for (uint32_t i = from; i < to; i++) {
		struct peel_addr a = source(i);

		peel_put_be32(out + PEEL_CELL_OFF_CID, i + 1);
		assert_int_equal(node_input(world, &a, out, len), 0);
	}
	assert_int_equal(node_join(world), to - from);
	for (uint32_t i = from; i < to; i++) {
		o.addr = source(i);
		o.cid = i + 1;
		exit_use(world, &o);
	}
	node_run(world, 6000, 100); /* looks at all of them */
}

static void
make_node(uint32_t n_circuits)
{
	struct peel_or_settings s;
	struct peel_addr here = {.family = PEEL_FAMILY_IPV4, .ip = {192, 0, 2, 1}, .port = 1};

	peel_or_settings_init(&s);
	s.peer_flags = PEEL_FLAG_RELAY;
	s.max_joined_circuits = 2 * MANY;
	s.create_rate = s.create_rate_per_source = 0;
	s.max_time = s.max_time_inactive = 1000000;
	world = node_new(here, NULL, &s, peel_or_sessions(&s));
	for (uint32_t i = 0; i < n_circuits; i += BATCH)
		join_many(i, i + BATCH < n_circuits ? i + BATCH : n_circuits);
	node = calloc(1, sizeof(*node));
	assert_non_null(node);
	node->env = &world->env;
	node->or_circuits = world->circuits;
	const struct peel_overlay_conf oc = {.env = &world->env,
		.identity = &world->id,
		.stats = &world->stats,
		.send = no_send};
	const struct peel_hidden_conf hc = {.env = &world->env,
		.identity = &world->id,
		.stats = &world->stats,
		.or_circuits = world->circuits,
		.send = no_send,
		.public_address = no_address};

	assert_int_equal(peel_overlay_new(&oc, &node->overlay), 0);
	assert_int_equal(peel_hidden_new(&hc, &node->hidden), 0);
	assert_int_equal(uv_loop_init(&node->loop), 0);
	assert_int_equal(pthread_mutex_init(&node->lock, NULL), 0);
}

static void
free_node(void)
{
	peel_hidden_free(node->hidden);
	peel_overlay_free(node->overlay);
	uv_run(&node->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&node->loop), 0);
	free(node);
	node_free(world);
}

/* ---- asking ---------------------------------------------------------------------------------- */

static char path[PEEL_MANAGEMENT_PATH_MAX];

static struct peel_management *
listen_here(void)
{
	const struct peel_management_conf conf = {
		.loop = &node->loop, .path = path, .answer = node_answer, .arg = node};
	struct peel_management *m;
	char why[256] = "";

	snprintf(path, sizeof(path), "/tmp/peel-lists-%d.sock", (int)getpid());
	assert_int_equal(peel_management_new(&conf, &m, why, sizeof(why)), 0);
	return m;
}

static int
ask(const char *line)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(to.sun_path, path, strlen(path) + 1);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

struct measured {
	uint64_t longest_ns; /* of one round of the loop */
	size_t growth;	     /* of memory in use */
	unsigned int rounds;
};

static void
round_of(struct measured *m, size_t before)
{
	uint64_t begun = cpu_ns(), took;
	size_t used;

	uv_run(&node->loop, UV_RUN_NOWAIT);
	took = cpu_ns() - begun;
	if (took > m->longest_ns)
		m->longest_ns = took;
	used = mallinfo2().uordblks + mallinfo2().hblkhd;
	if (used > before && used - before > m->growth)
		m->growth = used - before;
	m->rounds++;
}

/* Read what there is. @return false: that was the end. */
static bool
take(int fd, FILE *out)
{
	char part[65536];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0)
		assert_int_equal(fwrite(part, 1, (size_t)n, out), n);
	assert_true(n == 0 || errno == EAGAIN);
	return n < 0;
}

/* Rows in a text that comes in pieces. */
struct rows {
	uint64_t n;
	size_t len; /* of the text */
	char last;
};

static ssize_t
count_rows(void *cookie, const char *text, size_t len)
{
	struct rows *r = cookie;

	for (size_t i = 0; i < len; i++) {
		r->n += text[i] == '{';
		r->last = text[i];
	}
	r->len += len;
	return (ssize_t)len;
}

static FILE *
row_counter(struct rows *r)
{
	FILE *f = fopencookie(r, "w", (cookie_io_functions_t){.write = count_rows});

	assert_non_null(f);
	assert_int_equal(setvbuf(f, NULL, _IONBF, 0), 0);
	return f;
}

static void
test_many_circuits(void **state)
{
	struct rows rows = {0};
	struct measured m = {0};
	size_t before, sent;
	FILE *out;
	int fd;

	(void)state;
	make_node(MANY);
	struct peel_management *management = listen_here();

	out = row_counter(&rows);
	fd = ask("circuits\n");
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	/* Nobody reads: it waits, and makes nothing in advance. */
	for (int i = 0; i < 1000; i++)
		round_of(&m, before);
	assert_true(take(fd, out));
	sent = rows.len;
	assert_true(sent > 0 && sent < GROWTH);
	do {
		round_of(&m, before);
	} while (take(fd, out));
	printf("%d circuits: %zu bytes in %u rounds, the longest %.2f ms, memory grew by %zu "
	       "bytes\n",
		MANY, rows.len, m.rounds, (double)m.longest_ns / 1e6, m.growth);
	assert_int_equal(rows.n, MANY);
	assert_int_equal(rows.last, '\n');
	assert_true(m.longest_ns < (uint64_t)HOLD_MS * 1000000);
	assert_true(m.growth < GROWTH);
	fclose(out);
	close(fd);
	peel_management_free(management);

	/* A client that leaves in the middle. */
	uv_run(&node->loop, UV_RUN_DEFAULT);
	management = listen_here();
	fd = ask("circuits\n");
	round_of(&m, before);
	round_of(&m, before);
	peel_management_free(management);
	close(fd);
	free_node();
}

static void
test_rest_of_many(void **state)
{
	struct measured m = {0};
	struct rows rows = {0};
	struct peel_rest *rest;
	size_t before;
	char *text;
	int rc;

	(void)state;
	make_node(MANY);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	assert_int_equal(peel_rest_open(node, "/tunnel/exits", 0, &rest), 0);
	for (;;) {
		uint64_t begun = cpu_ns(), took;

		rc = peel_rest_next(rest, &text);
		took = cpu_ns() - begun;
		if (rc == 0)
			break;
		assert_int_equal(rc, 1);
		m.longest_ns = took > m.longest_ns ? took : m.longest_ns;
		count_rows(&rows, text, strlen(text));
		free(text);
		if (mallinfo2().uordblks + mallinfo2().hblkhd > before + GROWTH)
			fail_msg("memory grows with the list");
	}
	peel_rest_close(rest);
	assert_int_equal(rows.n, MANY + 1);
	assert_true(m.longest_ns < (uint64_t)HOLD_MS * 1000000);
	free_node();
}

/* ---- what is told ---------------------------------------------------------------------------- */

static json_t *
told(const char *line, char **text)
{
	struct measured m = {0};
	size_t len;
	FILE *out = open_memstream(text, &len);
	int fd = ask(line);
	json_t *o;

	do {
		round_of(&m, 0);
	} while (take(fd, out));
	fclose(out);
	close(fd);
	assert_int_equal((*text)[len - 1], '\n');
	(*text)[len - 1] = '\0';
	o = json_loads(*text, 0, NULL);
	assert_non_null(o);
	return o;
}

/* In parts it reads as it would as a whole, indented or not. */
static void
assert_told(const char *what, size_t n)
{
	char line[64], *text, *pretty, *whole;
	json_t *o, *same;

	snprintf(line, sizeof(line), "%s\n", what);
	o = told(line, &text);
	assert_true(json_is_array(o));
	assert_int_equal(json_array_size(o), n);
	snprintf(line, sizeof(line), "%s pretty\n", what);
	same = told(line, &pretty);
	whole = json_dumps(o, JSON_INDENT(2));
	assert_string_equal(pretty, whole);
	free(whole);
	whole = json_dumps(o, JSON_COMPACT);
	assert_string_equal(text, whole);
	free(whole);
	free(text);
	free(pretty);
	json_decref(o);
	json_decref(same);
}

static void
test_few_circuits(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, FEW};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(sizes); i++) {
		make_node((uint32_t)sizes[i]);
		struct peel_management *management = listen_here();

		assert_told("circuits", sizes[i]);
		assert_told("own", 0);
		assert_told("peers", 0);
		peel_management_free(management);
		free_node();
	}
}

/* Places of circuits that ended, more of them than a part looks at. */
static void
test_gaps(void **state)
{
	char *text;
	json_t *o;

	(void)state;
	make_node(GAPS);
	struct peel_management *management = listen_here();

	for (uint32_t i = 0; i + 1 < GAPS; i++)
		assert_int_equal(peel_or_close(world->circuits, i + 1), 1);
	node_run(world, 6000, 100);
	o = told("circuits\n", &text);
	assert_int_equal(json_array_size(o), 1);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(o, 0), "circuit_id")), GAPS);
	json_decref(o);
	free(text);
	peel_management_free(management);
	free_node();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_circuits),
		cmocka_unit_test(test_many_circuits),
		cmocka_unit_test(test_rest_of_many),
		cmocka_unit_test(test_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
