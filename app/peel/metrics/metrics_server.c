/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A request without the key, or from a page in somebody's browser that has another name for this
 * machine, learns nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "metrics_answers.h"
#include "metrics_server.h"
#include "peel_internal.h"
#include "process_figures.h"
#include "web_server.h"

struct metrics_server {
	char key[sizeof(((struct metrics_conf *)0)->key)]; /* empty: none is asked for */
	pthread_mutex_t key_lock;
	struct metrics_source source;
	struct web_server *web;
};

/* ---- who may ask ----------------------------------------------------------------------------- */

static bool
is_key(const char *key, const char *text)
{
	return text != NULL && strlen(text) == strlen(key) &&
	       peel_equal_ct(text, key, strlen(text));
}

static bool
has_key(const char *key, struct MHD_Connection *c)
{
	static const char bearer[] = "Bearer ";
	const char *authorization =
		MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);

	if (authorization != NULL && strncmp(authorization, bearer, strlen(bearer)) == 0)
		return is_key(key, authorization + strlen(bearer));
	return is_key(key, MHD_lookup_connection_value(c, MHD_HEADER_KIND, "X-Api-Key")) ||
	       is_key(key, MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "apikey"));
}

/* A page from elsewhere may have a name that leads here; then the browser sends that name. */
static bool
names_this_machine(const char *host)
{
	struct peel_addr addr;

	if (host == NULL || strncmp(host, "localhost", strlen("localhost")) == 0)
		return host == NULL || host[strlen("localhost")] == '\0' ||
		       host[strlen("localhost")] == ':';
	return peel_addr_parse(host, 0, &addr) == 0 && peel_addr_is_loopback(&addr);
}

static bool
may_ask(struct metrics_server *s, struct MHD_Connection *c)
{
	char key[sizeof(s->key)];
	bool may;

	pthread_mutex_lock(&s->key_lock);
	memcpy(key, s->key, sizeof(key));
	pthread_mutex_unlock(&s->key_lock);
	may = key[0] != '\0' ? has_key(key, c)
			     : names_this_machine(MHD_lookup_connection_value(
				       c, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST));
	peel_wipe(key, sizeof(key));
	return may;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *path)
{
	struct metrics_server *s = arg;
	enum MHD_Result result;

	if (metrics_page(c, path, &result))
		return result;
	if (!may_ask(s, c))
		return web_refuse(c, MHD_HTTP_UNAUTHORIZED, "Unauthorized access");
	return metrics_answer(&s->source, c, path);
}

/* ---- life ------------------------------------------------------------------------------------ */

void
metrics_server_key(struct metrics_server *s, const char *key)
{
	pthread_mutex_lock(&s->key_lock);
	snprintf(s->key, sizeof(s->key), "%s", key);
	pthread_mutex_unlock(&s->key_lock);
}

int
metrics_server_start(const struct metrics_conf *conf, struct peel *peel,
	struct metrics_server **out, char *why, size_t why_size)
{
	struct metrics_server *s = calloc(1, sizeof(*s));
	const struct web_conf web = {.setting = "[metrics] listen",
		.listen = conf->listen,
		.answer = on_request,
		.arg = s};
	int rc;

	if (s == NULL)
		return -ENOMEM;
	pthread_mutex_init(&s->key_lock, NULL);
	metrics_server_key(s, conf->key);
	s->source.node = peel_get_node(peel);
	s->source.started = process_wall_clock();
	rc = web_server_start(&web, &s->web, why, why_size);
	if (rc != 0)
		metrics_server_stop(s);
	else
		*out = s;
	return rc;
}

void
metrics_server_stop(struct metrics_server *s)
{
	if (s == NULL)
		return;
	web_server_stop(s->web);
	peel_wipe(s->key, sizeof(s->key));
	pthread_mutex_destroy(&s->key_lock);
	free(s);
}
