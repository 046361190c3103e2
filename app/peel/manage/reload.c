/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The file is read and checked whole, as at the start, and compared with what is in force.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf_table.h"
#include "log_output.h"
#include "metrics_server.h"
#include "notice_page.h"
#include "peel_internal.h"
#include "reload.h"
#include "reread.h"
#include "supervision.h"

#define WHY_MAX (PATH_MAX + 2048)

static void
collect(void *arg, const char *text)
{
	char *why = arg;
	size_t used = strlen(why);

	snprintf(why + used, WHY_MAX - used, "%s%s", used > 0 ? "\n" : "", text);
}

static json_t *
refuse(const char *why)
{
	peel_log(PEEL_LOG_ERROR, "not reloaded: %s", why);
	return json_pack("{s:s}", "error", why);
}

static bool
differs(const struct conf *a, const struct conf *b, enum conf_id id)
{
	const struct conf_setting *k = &conf_settings[id];
	const char *x = (const char *)a + k->offset, *y = (const char *)b + k->offset;

	if (k->type == CONF_FLAG)
		return ((*(const uint16_t *)x ^ *(const uint16_t *)y) & k->min) != 0;
	if (k->type < CONF_FLAG)
		return memcmp(x, y, k->size) != 0;
	return a->text[id] != b->text[id];
}

/* Tables are as large as the configuration of the start asked for. A listener that others reach
 * keeps its key until it listens elsewhere, which takes a restart, as does a first notice. */
static bool
possible(const struct session *s, const struct conf *fresh, enum conf_id id)
{
	const struct metrics_conf *metrics = &s->in_force.metrics;

	if (id == CONF_tunnel_max_joined_circuits)
		return peel_or_sessions(&fresh->node.tunnel) <=
		       peel_or_sessions(&s->conf.node.tunnel);
	if (id == CONF_metrics_key)
		return fresh->metrics.key[0] != '\0' || s->metrics == NULL ||
		       peel_addr_is_loopback(&metrics->listen);
	if (id == CONF_exit_notice)
		return s->notice != NULL && fresh->notice.file[0] != '\0';
	return conf_reloads(id);
}

/* Note what differs, and give @p fresh back the value in force where that cannot change. */
static void
sort(const struct session *s, struct conf *fresh, json_t *changed, json_t *restart)
{
	for (enum conf_id id = 0; id < CONF_N; id++) {
		const struct conf_setting *k = &conf_settings[id];
		bool now = possible(s, fresh, id);

		if (!differs(&s->in_force, fresh, id))
			continue;
		json_array_append_new(
			now ? changed : restart, json_sprintf("[%s] %s", k->section, k->name));
		if (now)
			continue;
		memcpy((char *)fresh + k->offset, (const char *)&s->in_force + k->offset, k->size);
		fresh->text[id] = s->in_force.text[id];
	}
}

static void
take_over(struct session *s, const struct conf *fresh)
{
	struct conf *mine = &s->in_force;

	for (enum conf_id id = 0; id < CONF_N; id++) {
		const struct conf_setting *k = &conf_settings[id];

		if (!conf_reloads(id))
			continue;
		memcpy((char *)mine + k->offset, (const char *)fresh + k->offset, k->size);
		mine->text[id] = fresh->text[id];
	}
	log_output_change(mine);
	if (s->metrics != NULL)
		metrics_server_key(s->metrics, mine->metrics.key);
}

static void
log_list(const char *what, const json_t *list)
{
	char text[400] = "";
	const json_t *name;
	size_t i;

	json_array_foreach ((json_t *)list, i, name)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			i > 0 ? ", " : "", json_string_value(name));
	if (text[0] != '\0')
		peel_log(PEEL_LOG_INFO, "%s: %s", what, text);
}

static char *
read_notice(const struct session *s, const char *path, char *why, size_t why_size)
{
	int n = snprintf(why, why_size, "[exit] notice: cannot show ");

	if (!reread_possible(s, path, why + n, why_size - (size_t)n))
		return NULL;
	why[0] = '\0';
	return notice_page_read(path, why, why_size);
}

/* All that may fail: it changes, or nothing does. 0, or -errno, perhaps with @p why. */
static int
change(struct session *s, const struct conf *fresh, char *why, size_t why_size)
{
	char *notice = NULL;
	int rc;

	if (!conf_accounts_fit(fresh, why, why_size))
		return -EINVAL;
	if (s->notice != NULL) {
		notice = read_notice(s, fresh->notice.file, why, why_size);
		if (notice == NULL)
			return -EINVAL;
	}
	rc = peel_node_reload(peel_get_node(s->peel), &fresh->node);
	if (rc != 0)
		free(notice);
	else if (notice != NULL)
		notice_page_show(s->notice, notice);
	return rc;
}

static json_t *
apply(struct session *s, struct conf *fresh)
{
	json_t *changed = json_array(), *restart = json_array();
	char why[1024] = "";
	int rc;

	sort(s, fresh, changed, restart);
	rc = change(s, fresh, why, sizeof(why));
	if (rc != 0) {
		json_decref(changed);
		json_decref(restart);
		return refuse(why[0] != '\0' ? why : strerror(-rc));
	}
	take_over(s, fresh);
	peel_log(PEEL_LOG_INFO, "reloaded %s", s->conf.path);
	log_list("changed", changed);
	log_list("left as it was until a restart", restart);
	return json_pack("{s:o, s:o}", "changed", changed, "restart", restart);
}

static json_t *
read_again(struct session *s)
{
	char why[WHY_MAX] = "";
	struct conf *fresh;
	json_t *answer;

	log_output_reopen(&s->in_force); /* in any case: logrotate does not look at the answer */
	if (s->conf.path[0] == '\0')
		return refuse("this node has no configuration file");
	if (!reread_possible(s, s->conf.path, why, WHY_MAX))
		return refuse(why);
	fresh = malloc(sizeof(*fresh));
	if (fresh == NULL)
		return refuse(strerror(ENOMEM));
	answer = conf_load(s->conf.use, s->conf.path, fresh, collect, why) == 0 ? apply(s, fresh)
										: refuse(why);
	free(fresh);
	return answer;
}

json_t *
reload(struct session *s)
{
	json_t *answer;

	supervision_reloading();
	answer = read_again(s);
	supervision_ready(s);
	return answer;
}
