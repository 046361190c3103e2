/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What stands at which path.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "console_files.h"
#include "metrics_answers.h"
#include "peel_metrics.h"
#include "peel_node_document.h"
#include "peel_rest.h"
#include "process_figures.h"
#include "web_server.h"

#define REPLY_BYTES 8192 /* of an answer in parts at a time */

/* Nothing from elsewhere. */
#define POLICY "script-src 'self'; style-src 'self'; connect-src 'self'"

static enum MHD_Result
metrics(const struct metrics_source *s, struct MHD_Connection *c)
{
	enum peel_metrics_form form = peel_metrics_accepted(
		MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
	json_t *status, *process = process_figures();
	char *text;

	peel_node_lock(s->node);
	status = peel_node_document(s->node);
	peel_node_unlock_unchanged(s->node);
	json_object_set_new(process, "start_time_seconds", json_real(s->started));
	json_object_set_new(status, "process", process);
	text = peel_metrics_text(status, form);
	json_decref(status);
	return web_text(c, MHD_HTTP_OK, peel_metrics_type[form], POLICY, text);
}

/* As `peel status`. */
static enum MHD_Result
status(const struct metrics_source *s, struct MHD_Connection *c)
{
	json_t *document;
	char *text;

	peel_node_lock(s->node);
	document = peel_node_document(s->node);
	peel_node_unlock_unchanged(s->node);
	text = json_dumps(document, JSON_REAL_PRECISION(9) | JSON_COMPACT);
	json_decref(document);
	return web_text(c, MHD_HTTP_OK, "application/json", POLICY, text);
}

/* A file of the console page. @return NULL: there is none of that name. */
static const struct console_file *
console_file(const char *path)
{
	const char *name = strcmp(path, "/") == 0 ? "console.html" : path + 1;

	for (const struct console_file *f = console_files; f->name != NULL; f++) {
		if (path[0] == '/' && strcmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}

static enum MHD_Result
console(struct MHD_Connection *c, const struct console_file *f)
{
	static const char *const types[][2] = {
		{".html", "text/html; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
	};
	const char *end = strrchr(f->name, '.'), *type = types[0][1];
	struct MHD_Response *r = MHD_create_response_from_buffer(
		f->len, (void *)(uintptr_t)f->data, MHD_RESPMEM_PERSISTENT);

	if (r == NULL)
		return MHD_NO;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(types); i++) {
		if (strcmp(types[i][0], end) == 0)
			type = types[i][1];
	}
	return web_queue(c, MHD_HTTP_OK, type, POLICY, r);
}

/* An answer in parts: made while the reader takes it. */
struct reply {
	struct peel_rest *rest;
	char *text; /* a part, of which `at` bytes are gone */
	size_t at, len;
};

static ssize_t
on_read(void *arg, uint64_t position, char *out, size_t size)
{
	struct reply *reply = arg;
	int rc;

	(void)position;
	while (reply->at == reply->len) {
		free(reply->text);
		reply->text = NULL;
		reply->at = reply->len = 0;
		rc = peel_rest_next(reply->rest, &reply->text);
		if (rc <= 0)
			return rc == 0 ? MHD_CONTENT_READER_END_OF_STREAM
				       : MHD_CONTENT_READER_END_WITH_ERROR;
		reply->len = strlen(reply->text);
	}
	if (size > reply->len - reply->at)
		size = reply->len - reply->at;
	memcpy(out, reply->text + reply->at, size);
	reply->at += size;
	return (ssize_t)size;
}

static void
on_reply_end(void *arg)
{
	struct reply *reply = arg;

	peel_rest_close(reply->rest);
	free(reply->text);
	free(reply);
}

static enum MHD_Result
rest(const struct metrics_source *s, struct MHD_Connection *c, const char *path)
{
	struct reply *reply = calloc(1, sizeof(*reply));
	struct MHD_Response *r;
	int rc = reply == NULL ? -ENOMEM
			       : peel_rest_open(s->node, path, process_wall_clock(), &reply->rest);

	if (rc != 0) {
		free(reply);
		return rc == -ENOENT ? web_refuse(c, MHD_HTTP_NOT_FOUND, "not found") : MHD_NO;
	}
	r = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, REPLY_BYTES, on_read, reply, on_reply_end);
	if (r == NULL) {
		on_reply_end(reply);
		return MHD_NO;
	}
	return web_queue(c, MHD_HTTP_OK, "application/json", POLICY, r);
}

bool
metrics_page(struct MHD_Connection *c, const char *path, enum MHD_Result *out)
{
	const struct console_file *f = console_file(path);

	if (f != NULL)
		*out = console(c, f);
	return f != NULL;
}

enum MHD_Result
metrics_answer(const struct metrics_source *s, struct MHD_Connection *c, const char *path)
{
	if (strcmp(path, "/metrics") == 0)
		return metrics(s, c);
	if (strcmp(path, "/status") == 0)
		return status(s, c);
	return rest(s, c, path);
}
