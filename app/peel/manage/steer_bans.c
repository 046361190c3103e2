/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "peel_ban.h"
#include "peel_internal.h"
#include "steer_bans.h"
#include "steering.h"

static json_t *
refuse(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

json_t *
steer_ban(struct session *s, const char *argument)
{
	struct peel_node *node = peel_get_node(s->peel);
	char what[PEEL_BAN_TEXT_MAX], why[128], text[PEEL_BAN_TEXT_MAX], rest;
	unsigned int seconds = 0;
	struct peel_ban ban;
	int n = sscanf(argument, " %63s %9u%c", what, &seconds, &rest), rc;

	if (n != 1 && (n != 2 || seconds == 0 || seconds > STEERING_BAN_SECONDS_MAX))
		return refuse("ban takes an address, network or key, and perhaps seconds");
	if (peel_ban_parse(what, &ban, why, sizeof(why)) != 0)
		return refuse(why);
	if (n == 2)
		ban.until_ms = peel_node_now(node) + (uint64_t)seconds * 1000;
	rc = peel_node_ban(node, &ban);
	if (rc == -ENOSPC)
		return refuse("there are 1024 bans already: lift some, or ban networks");
	if (rc != 0)
		return refuse(strerror(-rc));
	return json_pack("{s:s, s:o}", "banned", peel_ban_text(&ban, text), "for_s",
		n == 2 ? json_integer(seconds) : json_null());
}

json_t *
steer_unban(struct session *s, const char *argument)
{
	char what[PEEL_BAN_TEXT_MAX], why[128], text[PEEL_BAN_TEXT_MAX], rest;
	struct peel_ban ban;
	int rc;

	if (sscanf(argument, " %63s %c", what, &rest) != 1)
		return refuse("unban takes an address, network or key");
	if (peel_ban_parse(what, &ban, why, sizeof(why)) != 0)
		return refuse(why);
	rc = peel_node_unban(peel_get_node(s->peel), &ban);
	if (rc == -ENOENT)
		return refuse("there is no such ban; `peel ban --list` lists those there are");
	return rc != 0 ? refuse(strerror(-rc))
		       : json_pack("{s:s}", "unbanned", peel_ban_text(&ban, text));
}

struct rows {
	json_t *list;
	uint64_t now_ms;
};

static void
add_row(void *arg, const struct peel_ban *ban)
{
	struct rows *rows = arg;
	char text[PEEL_BAN_TEXT_MAX];
	uint64_t until = ban->until_ms, now = rows->now_ms;

	json_array_append_new(rows->list,
		json_pack("{s:s, s:o}", "what", peel_ban_text(ban, text), "left_s",
			until == PEEL_BAN_FOR_EVER
				? json_null()
				: json_integer((json_int_t)(until > now ? (until - now + 999) / 1000
									: 0))));
}

json_t *
steer_bans(struct session *s, const char *argument)
{
	struct peel_node *node = peel_get_node(s->peel);
	struct rows rows = {.now_ms = peel_node_now(node)};

	if (argument[0] != '\0')
		return refuse("bans takes nothing");
	rows.list = json_array();
	peel_bans_dump(peel_node_bans(node), add_row, &rows);
	return json_pack("{s:o}", "bans", rows.list);
}
