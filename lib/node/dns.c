/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <ares.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "dns.h"

#define TRIES 2

/* One of c-ares' sockets, watched by the loop; lives until the loop closed its handle. */
struct watch {
	uv_poll_t poll;
	struct dns *dns;
	ares_socket_t fd;
	struct watch *next;
};

struct dns {
	uv_loop_t *loop;
	uv_timer_t timer;
	ares_channel channel;
	struct watch *watches;
	bool closing;
};

struct query {
	dns_fn fn;
	void *arg;
};

static void arm_timer(struct dns *dns);

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct dns *dns = watch->dns;
	ares_socket_t fd = watch->fd;
	bool any = status < 0;

	ares_process_fd(dns->channel, any || events & UV_READABLE ? fd : ARES_SOCKET_BAD,
		any || events & UV_WRITABLE ? fd : ARES_SOCKET_BAD);
	arm_timer(dns);
}

static void
on_timer(uv_timer_t *timer)
{
	struct dns *dns = timer->data;

	ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer(dns);
}

static void
arm_timer(struct dns *dns)
{
	struct timeval tv, *next = ares_timeout(dns->channel, NULL, &tv);

	if (next == NULL)
		uv_timer_stop(&dns->timer);
	else
		uv_timer_start(&dns->timer, on_timer,
			(uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1, 0);
}

static void
free_watch(uv_handle_t *handle)
{
	free(handle->data);
}

static void
unwatch(struct dns *dns, ares_socket_t fd)
{
	for (struct watch **p = &dns->watches; *p != NULL; p = &(*p)->next) {
		if ((*p)->fd == fd) {
			struct watch *watch = *p;

			*p = watch->next;
			uv_poll_stop(&watch->poll);
			uv_close((uv_handle_t *)&watch->poll, free_watch);
			return;
		}
	}
}

static struct watch *
watch_of(struct dns *dns, ares_socket_t fd)
{
	struct watch *watch;

	for (watch = dns->watches; watch != NULL; watch = watch->next) {
		if (watch->fd == fd)
			return watch;
	}
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return NULL;
	if (uv_poll_init(dns->loop, &watch->poll, fd) != 0) {
		free(watch);
		return NULL;
	}
	watch->poll.data = watch;
	watch->dns = dns;
	watch->fd = fd;
	watch->next = dns->watches;
	dns->watches = watch;
	return watch;
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns *dns = arg;
	struct watch *watch;

	if (!readable && !writable) {
		unwatch(dns, fd);
		return;
	}
	watch = watch_of(dns, fd);
	if (watch != NULL) /* else the query ends by its time-out */
		uv_poll_start(&watch->poll,
			(readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_readable);
}

static void
on_addrinfo(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct query *q = arg;
	struct peel_addr v4 = {0}, v6 = {0};

	(void)timeouts;
	if (status == ARES_SUCCESS && info != NULL) {
		for (struct ares_addrinfo_node *n = info->nodes; n != NULL; n = n->ai_next) {
			struct sockaddr_storage ss = {0};
			struct peel_addr a;

			memcpy(&ss, n->ai_addr, n->ai_addrlen);
			if (peel_addr_from_sockaddr(&ss, &a) != 0)
				continue;
			if (a.family == PEEL_FAMILY_IPV4 && v4.family == PEEL_FAMILY_NONE)
				v4 = a;
			if (a.family == PEEL_FAMILY_IPV6 && v6.family == PEEL_FAMILY_NONE)
				v6 = a;
		}
	}
	if (info != NULL)
		ares_freeaddrinfo(info);
	q->fn(q->arg, v4.family != PEEL_FAMILY_NONE   ? &v4
		      : v6.family != PEEL_FAMILY_NONE ? &v6
						      : NULL);
	free(q);
}

void
dns_resolve(struct dns *dns, const char *name, dns_fn fn, void *arg)
{
	static const struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
	struct query *q = malloc(sizeof(*q));

	if (q == NULL || dns->closing) {
		free(q);
		fn(arg, NULL);
		return;
	}
	q->fn = fn;
	q->arg = arg;
	ares_getaddrinfo(dns->channel, name, NULL, &hints, on_addrinfo, q);
	arm_timer(dns);
}

static int
set_servers(struct dns *dns, const struct peel_addr *servers, size_t n)
{
	char list[1024] = "", text[PEEL_ADDR_TEXT_MAX];
	size_t len = 0;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i > 0 ? "," : "",
			peel_addr_text(&servers[i], text));
	return ares_set_servers_ports_csv(dns->channel, list) == ARES_SUCCESS ? 0 : -EINVAL;
}

int
dns_new(uv_loop_t *loop, const struct peel_addr *servers, size_t n, uint32_t timeout_ms,
	struct dns **out)
{
	struct dns *dns = calloc(1, sizeof(*dns));
	struct ares_options options = {
		.timeout = (int)timeout_ms,
		.tries = TRIES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = dns,
	};
	int rc;

	if (dns == NULL)
		return -ENOMEM;
	dns->loop = loop;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(dns);
		return -ENOMEM;
	}
	rc = ares_init_options(&dns->channel, &options,
		ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (rc != ARES_SUCCESS) {
		ares_library_cleanup();
		free(dns);
		return rc == ARES_ENOMEM ? -ENOMEM : -EINVAL;
	}
	uv_timer_init(loop, &dns->timer);
	dns->timer.data = dns;
	rc = set_servers(dns, servers, n);
	if (rc != 0) {
		dns_free(dns);
		return rc;
	}
	*out = dns;
	return 0;
}

static void
free_dns(uv_handle_t *handle)
{
	free(handle->data);
}

void
dns_free(struct dns *dns)
{
	if (dns == NULL)
		return;
	dns->closing = true;
	ares_destroy(dns->channel); /* ends look-ups, closes sockets through on_socket_state */
	ares_library_cleanup();
	uv_close((uv_handle_t *)&dns->timer, free_dns);
}
