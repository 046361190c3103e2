/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "notice_file.h"
#include "notice_page.h"
#include "web_server.h"

/* Its own style and images, nothing else. */
#define POLICY "style-src 'unsafe-inline'; img-src data:"

struct notice_page {
	pthread_mutex_t lock; /* of the text */
	char *text;
	struct web_server *server;
};

static char *
copy_of(struct notice_page *p)
{
	char *copy;

	pthread_mutex_lock(&p->lock);
	copy = strdup(p->text);
	pthread_mutex_unlock(&p->lock);
	return copy;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *path)
{
	if (strcmp(path, "/") != 0)
		return web_refuse(c, MHD_HTTP_NOT_FOUND, "not found");
	return web_text(c, MHD_HTTP_OK, "text/html; charset=utf-8", POLICY, copy_of(arg));
}

char *
notice_page_read(const char *path, char *why, size_t why_size)
{
	char wrong[384];
	char *text = notice_file_read(path, wrong, sizeof(wrong));

	if (text == NULL)
		snprintf(why, why_size, "[exit] notice: %s", wrong);
	return text;
}

void
notice_page_show(struct notice_page *p, char *text)
{
	char *before;

	pthread_mutex_lock(&p->lock);
	before = p->text;
	p->text = text;
	pthread_mutex_unlock(&p->lock);
	free(before);
}

int
notice_page_start(
	const struct notice_conf *conf, struct notice_page **out, char *why, size_t why_size)
{
	struct notice_page *p = calloc(1, sizeof(*p));
	const struct web_conf web = {.setting = "[exit] notice_listen",
		.listen = conf->listen,
		.answer = on_request,
		.arg = p};
	int rc = -EINVAL;

	if (p == NULL)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	p->text = notice_page_read(conf->file, why, why_size);
	if (p->text != NULL)
		rc = web_server_start(&web, &p->server, why, why_size);
	if (rc != 0)
		notice_page_stop(p);
	else
		*out = p;
	return rc;
}

void
notice_page_stop(struct notice_page *p)
{
	if (p == NULL)
		return;
	web_server_stop(p->server);
	pthread_mutex_destroy(&p->lock);
	free(p->text);
	free(p);
}
