/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Options and life of a node for a minute.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "tool.h"

#define MAX_CIRCUITS 2 /* one to use, and another should it end */

void
tool_init(struct tool *t, const struct command *command)
{
	memset(t, 0, sizeof(*t));
	t->command = command;
	t->hops = 3;
	t->hops_max = PEEL_HOPS_LIMIT;
	t->patience = 60;
	conf_init(&t->session.conf, CONF_FOR_CLIENT);
	t->session.conf.log_level = PEEL_LOG_ERROR;
}

static int
set(struct tool *t, const char *option, enum conf_id id, const char *value, bool more)
{
	char why[CONF_WHY_MAX] = "";

	if (conf_set(&t->session.conf, id, value, more, why) == 0)
		return EXIT_OK;
	return command_wrong(t->command, "%s: %s", option, why);
}

static int
take_config(struct tool *t, const char *path)
{
	if (t->with_bootstrap || t->with_config)
		return command_wrong(t->command, "give -c once, before other options");
	t->with_config = true;
	return command_load(CONF_FOR_CLIENT, path, &t->session.conf);
}

int
tool_option(struct tool *t, int o, const char *value)
{
	int rc;

	switch (o) {
	case 'c':
		return take_config(t, value);
	case 'b':
		rc = set(t, "--bootstrap", CONF_discovery_bootstrap, value, t->with_bootstrap);
		t->with_bootstrap = true;
		return rc;
	case 'C':
		return set(t, "--community", CONF_node_community, value, false);
	case 'n':
		return command_number(t->command, "--hops", value, 1, t->hops_max, &t->hops);
	case 't':
		return command_number(t->command, "--timeout", value, 1, 3600, &t->patience);
	case 'h':
		command_help(stdout, t->command);
		return -1;
	default:
		return command_usage_error(t->command);
	}
}

const char *
tool_hops(const struct tool *t, char out[16])
{
	snprintf(out, 16, "%u hop%s", t->hops, t->hops == 1 ? "" : "s");
	return out;
}

void
tool_fail(struct tool *t, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	output_print(OUTPUT_STDERR, "peel %s: %s\n", t->command->name, text);
	t->failed = true;
	session_stop(&t->session);
}

static void
on_deadline(uv_timer_t *timer)
{
	struct tool *t = timer->data;
	char hops[16];

	tool_fail(t, "no circuit of %s within %u s: too few relays and exits answer",
		tool_hops(t, hops), t->patience);
}

static void
wait_for_circuit(struct tool *t)
{
	t->circuit = 0;
	uv_timer_start(&t->deadline, on_deadline, (uint64_t)t->patience * 1000, 0);
}

static void
take_circuit(struct tool *t)
{
	peel_circuit circuit;

	if (peel_active_data_circuits_of(t->session.peel, t->hops, &circuit, 1) == 0)
		return;
	t->circuit = circuit;
	uv_timer_stop(&t->deadline);
	t->on_ready(t);
}

static void
on_circuit(void *arg, struct peel *peel, peel_circuit circuit, bool ready)
{
	struct tool *t = arg;

	(void)peel;
	if (!ready && circuit == t->circuit)
		wait_for_circuit(t);
	if (t->circuit == 0 && !t->failed)
		take_circuit(t);
}

void
tool_next_circuit(struct tool *t)
{
	peel_circuit old = t->circuit;

	wait_for_circuit(t);
	(void)peel_close_circuit(t->session.peel, old);
	if (t->circuit == 0)
		take_circuit(t);
}

/* A guest for a minute: see above. */
static void
adapt(struct tool *t)
{
	struct peel_node_conf *n = &t->session.conf.node;

	n->key_file[0] = '\0';
	n->management[0] = '\0';
	t->session.conf.log_file[0] = '\0';
	t->session.conf.metrics.listen.family = PEEL_FAMILY_NONE;
	t->session.conf.notice.file[0] = '\0';
	n->port_conf.listen.port = 0;
	n->tunnel.peer_flags = 0;
	n->originator.min_circuits = 1;
	n->originator.max_circuits = MAX_CIRCUITS;
	n->max_own_circuits = PEEL_OWN_EXTRA;
}

int
tool_run(struct tool *t)
{
	struct session *s = &t->session;
	int rc;

	adapt(t);
	if (session_open(s) != 0)
		return EXIT_FAILED;
	uv_timer_init(&s->loop, &t->deadline);
	t->deadline.data = t;
	wait_for_circuit(t);
	if (t->on_start != NULL)
		t->on_start(t);
	peel_on_circuit(s->peel, on_circuit, t);
	rc = peel_build_tunnels(s->peel, t->hops);
	if (rc != 0)
		tool_fail(t, "%s", peel_strerror(rc));
	if (session_run(s) != 0)
		t->failed = true;
	session_close(s);
	return t->failed || s->failed || s->interrupted ? EXIT_FAILED : EXIT_OK;
}
