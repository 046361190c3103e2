/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A list of many circuits at the management socket: how long it holds the control thread at a time,
 * and that it is never in memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "node_of_many.h"
#include "status.h"

#define FEW 100
#define GAPS 9000 /* more places than a part looks at */

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
	used = memory_in_use();
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
	before = memory_in_use();
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
		cmocka_unit_test(test_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
