/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* The order in which `peel client` starts and ends its session and its proxy. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cmd.h"
#include "proxy.h"

static struct {
	int proxy_rc, session_rc;
	bool interrupted;
	char done[128];
} world;

static void
did(const char *what)
{
	strcat(world.done, what);
}

int
command_node(
	const struct command *command, enum conf_use use, int argc, char **argv, struct conf *conf)
{
	(void)command;
	(void)use;
	(void)argc;
	(void)argv;
	(void)conf;
	return -1;
}

int
session_open(struct session *s)
{
	(void)s;
	did("open ");
	return 0;
}

int
session_run(struct session *s)
{
	did("run ");
	s->interrupted = world.interrupted;
	return world.session_rc;
}

void
session_print_ready(const struct session *s)
{
	(void)s;
	did("ready ");
}

void
session_close(struct session *s)
{
	(void)s;
	did("close ");
}

int
proxy_open(struct session *s, struct proxy **out, char *why, size_t why_size)
{
	(void)s;
	(void)why;
	(void)why_size;
	*out = NULL; /* as when there is no memory for it */
	return world.proxy_rc;
}

void
proxy_print(const struct proxy *p)
{
	(void)p;
}

void
proxy_close(struct proxy *p)
{
	(void)p;
	did("proxy_close ");
}

void
proxy_free(struct proxy *p)
{
	(void)p;
	did("proxy_free");
}

static void
expect(int proxy_rc, int session_rc, bool interrupted, int code, const char *done)
{
	memset(&world, 0, sizeof(world));
	world.proxy_rc = proxy_rc;
	world.session_rc = session_rc;
	world.interrupted = interrupted;
	assert_int_equal(command_client.run(0, NULL), code);
	assert_string_equal(world.done, done);
}

static void
test_order(void **state)
{
	(void)state;
	expect(0, 0, true, EXIT_OK, "open ready run close proxy_free");
	expect(0, 0, false, EXIT_FAILED, "open ready run proxy_close close proxy_free");
	expect(0, -EPERM, false, EXIT_FAILED, "open ready run proxy_close close proxy_free");
	/* A session without a proxy would run on, and serve nobody. */
	expect(-ENOMEM, 0, false, EXIT_FAILED, "open proxy_close close proxy_free");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
