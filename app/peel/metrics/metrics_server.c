/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Only GET and HEAD, without a body. A request without the key, or from a page in somebody's
 * browser that has another name for this machine, learns nothing.
 */
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "metrics_answers.h"
#include "metrics_places.h"
#include "metrics_server.h"
#include "peel_internal.h"
#include "process_figures.h"

#define IDLE_S 20 /* a connection ends after so long without a byte; Prometheus asks every 15 s */
#define BACKLOG 64
#define CONNECTION_BYTES ((size_t)16 * 1024) /* headers and the like */
#define STACK_BYTES ((size_t)512 * 1024)

struct metrics_server {
	char key[sizeof(((struct metrics_conf *)0)->key)]; /* empty: none is asked for */
	pthread_mutex_t key_lock;
	struct metrics_source source;
	struct MHD_Daemon *daemon;
	struct metrics_places places;
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

static bool
has_body(struct MHD_Connection *c)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) !=
		       NULL ||
	       MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH) !=
		       NULL;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *c, const char *path, const char *method,
	const char *version, const char *body, size_t *body_len, void **request)
{
	struct metrics_server *s = arg;
	enum MHD_Result result;

	(void)version;
	(void)body;
	(void)body_len;
	(void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return metrics_refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
	if (has_body(c))
		return metrics_refuse(c, MHD_HTTP_BAD_REQUEST, "a body is not expected");
	if (metrics_page(c, path, &result))
		return result;
	if (!may_ask(s, c))
		return metrics_refuse(c, MHD_HTTP_UNAUTHORIZED, "Unauthorized access");
	return metrics_answer(&s->source, c, path);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void
on_connection(
	void *arg, struct MHD_Connection *c, void **own, enum MHD_ConnectionNotificationCode what)
{
	struct metrics_server *s = arg;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	int fd = info->connect_fd, other;
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct peel_addr from = {0};

	(void)own;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		metrics_places_leave(&s->places, fd);
		return;
	}
	if (getpeername(fd, (struct sockaddr *)&name, &len) == 0)
		(void)!peel_addr_from_sockaddr(&name, &from);
	other = metrics_places_enter(&s->places, fd, &from);
	if (other >= 0)
		(void)shutdown(other, SHUT_RDWR); /* the server then closes it */
}

static void
log_nothing(void *arg, const char *format, va_list ap)
{
	(void)arg;
	(void)format;
	(void)ap;
}

/* @return a listening socket or -errno. */
static int
listen_at(const struct peel_addr *addr)
{
	struct sockaddr_storage name;
	socklen_t len = peel_addr_to_sockaddr(addr, &name);
	int fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, rc;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&name, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static struct MHD_Daemon *
serve(struct metrics_server *s, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, s,
		MHD_OPTION_EXTERNAL_LOGGER, log_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)METRICS_PLACES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_THREAD_STACK_SIZE,
		STACK_BYTES, MHD_OPTION_END);
}

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
	char text[PEEL_ADDR_TEXT_MAX];
	int fd;

	if (s == NULL)
		return -ENOMEM;
	pthread_mutex_init(&s->key_lock, NULL);
	metrics_server_key(s, conf->key);
	s->source.node = peel_get_node(peel);
	s->source.started = process_wall_clock();
	metrics_places_init(&s->places);
	fd = listen_at(&conf->listen);
	if (fd >= 0) {
		s->daemon = serve(s, fd);
		if (s->daemon != NULL) {
			*out = s;
			return 0;
		}
		close(fd);
		fd = -ENOMEM;
	}
	pthread_mutex_destroy(&s->key_lock);
	free(s);
	return peel_fail(why, why_size, fd, "[metrics] listen: cannot listen on %s: %s",
		peel_addr_text(&conf->listen, text), strerror(-fd));
}

void
metrics_server_stop(struct metrics_server *s)
{
	if (s == NULL)
		return;
	MHD_stop_daemon(s->daemon); /* closes the socket */
	peel_wipe(s->key, sizeof(s->key));
	pthread_mutex_destroy(&s->key_lock);
	free(s);
}
