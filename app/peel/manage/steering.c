/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Requests that change what a node does, and the last lines of its log.
 */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>

#include "log_ring.h"
#include "peel_internal.h"
#include "reload.h"
#include "steer_bans.h"
#include "steering.h"

/* The numbers in requests; the commands say more about what is wrong. */
static bool
number(const char *text, unsigned int max, unsigned int *out)
{
	char rest;

	return text[0] >= '0' && text[0] <= '9' && sscanf(text, "%u%c", out, &rest) == 1 &&
	       *out <= max;
}

static json_t *
refuse(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

/* No circuit that ends here lives longer than max_time. */
static json_t *
drain(struct session *s, const char *argument)
{
	struct peel_node *node = peel_get_node(s->peel);
	unsigned int seconds = s->in_force.shutdown_wait > 0 ? s->in_force.shutdown_wait
							     : s->in_force.node.tunnel.max_time;

	if (strcmp(argument, " cancel") == 0) {
		if (peel_node_drained(node) || peel_node_drain_cancel(node) != 0)
			return refuse("this node does not drain");
		return json_pack("{s:b}", "draining", 0);
	}
	if (argument[0] != '\0' && !number(argument + 1, STEERING_SECONDS_MAX, &seconds))
		return refuse("drain takes seconds, or cancel");
	return json_pack("{s:b, s:I, s:I}", "draining", 1, "limit_s", (json_int_t)seconds,
		"circuits", (json_int_t)peel_node_drain(node, (uint64_t)seconds * 1000));
}

static json_t *
read_again(struct session *s, const char *argument)
{
	return argument[0] == '\0' ? reload(s) : refuse("reload takes nothing");
}

static json_t *
close_circuit(struct session *s, const char *argument)
{
	unsigned int circuit, n;

	if (argument[0] == '\0' || !number(argument + 1, UINT_MAX, &circuit))
		return refuse("close takes the id of a circuit");
	n = peel_node_close(peel_get_node(s->peel), circuit);
	return n > 0 ? json_pack("{s:I}", "closed", (json_int_t)n)
		     : refuse("there is no circuit with this id");
}

/* One that was cut within a character is left out. */
static void
add_line(void *arg, const char *line)
{
	json_array_append_new(arg, json_string(line));
}

static json_t *
tell_log(struct session *s, const char *argument)
{
	json_t *lines = json_array();

	(void)s;
	if (argument[0] != '\0') {
		json_decref(lines);
		return refuse("log takes nothing");
	}
	log_ring_dump(add_line, lines);
	return json_pack("{s:o}", "lines", lines);
}

static const struct {
	const char *name;
	json_t *(*answer)(struct session *s, const char *argument); /* "" or " ARGUMENT..." */
} requests[] = {
	{"ban", steer_ban},
	{"unban", steer_unban},
	{"bans", steer_bans},
	{"drain", drain},
	{"reload", read_again},
	{"close", close_circuit},
	{"log", tell_log},
};

json_t *
steering_answer(struct session *s, const char *request)
{
	for (size_t i = 0; i < PEEL_ARRAY_LEN(requests); i++) {
		size_t len = strlen(requests[i].name);

		if (strncmp(request, requests[i].name, len) == 0 &&
			(request[len] == '\0' || request[len] == ' '))
			return requests[i].answer(s, request + len);
	}
	return NULL;
}
