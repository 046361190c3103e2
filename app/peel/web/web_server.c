/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web_places.h"
#include "web_server.h"

#define IDLE_S 20 /* a connection ends after so long without a byte; Prometheus asks every 15 s */
#define BACKLOG 64
#define CONNECTION_BYTES ((size_t)16 * 1024) /* headers and the like */
#define STACK_BYTES ((size_t)512 * 1024)
#define NOTHING_ELSE "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

struct web_server {
	struct web_conf conf;
	struct MHD_Daemon *daemon;
	struct web_places places;
};

/* ---- answers --------------------------------------------------------------------------------- */

enum MHD_Result
web_queue(struct MHD_Connection *c, unsigned int status, const char *type, const char *policy,
	struct MHD_Response *r)
{
	char text[256];
	enum MHD_Result result;

	snprintf(text, sizeof(text), "default-src 'none'; %s%s" NOTHING_ELSE, policy,
		policy[0] != '\0' ? "; " : "");
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	(void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	(void)MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
	(void)MHD_add_response_header(r, "Content-Security-Policy", text);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

enum MHD_Result
web_text(struct MHD_Connection *c, unsigned int status, const char *type, const char *policy,
	char *text)
{
	struct MHD_Response *r;

	if (text == NULL)
		return MHD_NO;
	r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (r == NULL) {
		free(text);
		return MHD_NO;
	}
	return web_queue(c, status, type, policy, r);
}

enum MHD_Result
web_refuse(struct MHD_Connection *c, unsigned int status, const char *why)
{
	char text[128];

	snprintf(text, sizeof(text), "{\"error\": \"%s\"}", why);
	return web_text(c, status, "application/json", "", strdup(text));
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
	const struct web_server *s = arg;

	(void)version;
	(void)body;
	(void)body_len;
	(void)request;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return web_refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD");
	if (has_body(c))
		return web_refuse(c, MHD_HTTP_BAD_REQUEST, "a body is not expected");
	return s->conf.answer(s->conf.arg, c, path);
}

/* ---- connections ----------------------------------------------------------------------------- */

static void
on_connection(
	void *arg, struct MHD_Connection *c, void **own, enum MHD_ConnectionNotificationCode what)
{
	struct web_server *s = arg;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	int fd = info->connect_fd, other;
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	struct peel_addr from = {0};

	(void)own;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		web_places_leave(&s->places, fd);
		return;
	}
	if (getpeername(fd, (struct sockaddr *)&name, &len) == 0)
		(void)!peel_addr_from_sockaddr(&name, &from);
	other = web_places_enter(&s->places, fd, &from);
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
serve(struct web_server *s, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, s,
		MHD_OPTION_EXTERNAL_LOGGER, log_nothing, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)WEB_PLACES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_THREAD_STACK_SIZE,
		STACK_BYTES, MHD_OPTION_END);
}

/* ---- life ------------------------------------------------------------------------------------ */

int
web_server_start(const struct web_conf *conf, struct web_server **out, char *why, size_t why_size)
{
	struct web_server *s = calloc(1, sizeof(*s));
	char text[PEEL_ADDR_TEXT_MAX];
	int fd;

	if (s == NULL)
		return -ENOMEM;
	s->conf = *conf;
	web_places_init(&s->places);
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
	free(s);
	return peel_fail(why, why_size, fd, "%s: cannot listen on %s: %s", conf->setting,
		peel_addr_text(&conf->listen, text), strerror(-fd));
}

void
web_server_stop(struct web_server *s)
{
	if (s == NULL)
		return;
	MHD_stop_daemon(s->daemon); /* closes the socket */
	free(s);
}
