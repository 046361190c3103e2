/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * HTTP requests over own circuits: sent, waited for, put together. The list is guarded by the
 * node's lock; who waits is called without it.
 */
#include <errno.h>
#include <stdlib.h>

#include "http.h"
#include "peel_http.h"
#include "peel_http_msg.h"
#include "peel_node_http.h"

struct http_ask {
	struct http_ask *next;
	peel_origin_id circuit;
	uint32_t identifier;
	uint64_t deadline_ms;
	struct peel_http_parts parts;
	void (*done)(void *arg, int result, const void *answer, size_t len);
	void *arg;
};

static void
tell(struct http_ask *ask, int result)
{
	uint8_t *answer = result == 0 ? peel_http_parts_join(&ask->parts) : NULL;

	if (result == 0 && answer == NULL)
		result = -ENOMEM;
	ask->done(ask->arg, result, answer, result == 0 ? ask->parts.bytes : 0);
	free(answer);
	peel_http_parts_free(&ask->parts);
	free(ask);
}

static void
tell_all(struct http_ask *list, int result)
{
	while (list != NULL) {
		struct http_ask *ask = list;

		list = ask->next;
		tell(ask, result);
	}
}

static struct http_ask **
find(struct node_http *http, peel_origin_id circuit, uint32_t identifier)
{
	struct http_ask **p = &http->asks;

	while (*p != NULL && ((*p)->circuit != circuit || (*p)->identifier != identifier))
		p = &(*p)->next;
	return p;
}

static unsigned int
under_way(const struct node_http *http, peel_origin_id circuit)
{
	unsigned int n = 0;

	for (const struct http_ask *ask = http->asks; ask != NULL; ask = ask->next)
		n += ask->circuit == circuit;
	return n;
}

static bool
target_valid(const struct peel_host *target)
{
	if (target->addr.port == 0)
		return false;
	if (target->type == PEEL_HOST_NAME)
		return target->name.len > 0 && target->name.len <= 255 &&
		       peel_utf8_valid(target->name.p, target->name.len);
	return target->addr.family ==
	       (target->type == PEEL_HOST_IPV6 ? PEEL_FAMILY_IPV6 : PEEL_FAMILY_IPV4);
}

static int
send_request(struct node_http *http, struct http_ask *ask, const struct peel_host *target,
	struct peel_span request)
{
	uint8_t msg[PEEL_DATAGRAM_MAX], plain[PEEL_DATAGRAM_MAX + PEEL_HTTP_REQUEST_MORE];
	struct peel_msg_http_request m = {.target = *target, .request = request};
	int len = peel_http_request_take(request.p, request.len, plain);

	/* Exits drop what they cannot read, gzip for one. What is no such request is theirs to
	 * judge. */
	if (len >= 0)
		m.request = (struct peel_span){plain, (size_t)len};
	do
		m.identifier = peel_random_u32(http->node->env);
	while (*find(http, ask->circuit, m.identifier) != NULL);
	ask->identifier = m.identifier;
	len = peel_http_request_build(msg, sizeof(msg), &m);
	return len < 0 ? -EMSGSIZE
		       : peel_node_send_message(http->node, ask->circuit, msg, (size_t)len);
}

int
peel_node_http_request(struct peel_node *node, peel_origin_id circuit,
	const struct peel_host *target, const void *request, size_t len,
	void (*done)(void *arg, int result, const void *answer, size_t len), void *arg)
{
	struct node_http *http = node->http;
	struct http_ask *ask;
	int rc = -EAGAIN;

	if (len == 0 || !target_valid(target))
		return -EINVAL;
	if (len > PEEL_DATAGRAM_MAX)
		return -EMSGSIZE;
	ask = calloc(1, sizeof(*ask));
	if (ask == NULL)
		return -ENOMEM;
	ask->circuit = circuit;
	ask->deadline_ms = peel_now_ms(node->env) + PEEL_HTTP_WAIT_MS;
	ask->done = done;
	ask->arg = arg;
	peel_node_lock(node);
	if (under_way(http, circuit) < PEEL_HTTP_PER_CIRCUIT)
		rc = send_request(http, ask, target, (struct peel_span){request, len});
	if (rc == 0) {
		ask->next = http->asks;
		http->asks = ask;
	}
	peel_node_unlock(node);
	if (rc != 0)
		free(ask);
	return rc;
}

int
node_http_response(struct peel_node *node, peel_origin_id circuit, const uint8_t *msg, size_t len)
{
	struct peel_msg_http_response m;
	struct http_ask **p, *ask;
	int rc;

	if (len == 0 || peel_http_response_parse(msg + 1, len - 1, &m) != 0)
		return -ENOENT;
	pthread_mutex_lock(&node->lock);
	p = find(node->http, circuit, m.identifier);
	ask = *p;
	rc = ask == NULL ? -ENOENT
			 : peel_http_parts_add(
				   &ask->parts, m.part, m.total, m.response.p, m.response.len);
	if (rc == 1)
		*p = ask->next;
	pthread_mutex_unlock(&node->lock);
	if (rc == 1)
		tell(ask, 0);
	return ask == NULL ? -ENOENT : 0; /* a part that does not fit is nobody else's either */
}

/* Take out those of a circuit (0: of any) whose time is up at `now_ms`. */
static struct http_ask *
take(struct node_http *http, peel_origin_id circuit, uint64_t now_ms)
{
	struct http_ask *taken = NULL;

	for (struct http_ask **p = &http->asks; *p != NULL;) {
		struct http_ask *ask = *p;

		if ((circuit != 0 && ask->circuit != circuit) || ask->deadline_ms > now_ms) {
			p = &ask->next;
			continue;
		}
		*p = ask->next;
		ask->next = taken;
		taken = ask;
	}
	return taken;
}

void
node_http_ended(struct peel_node *node, peel_origin_id circuit)
{
	struct http_ask *taken;

	pthread_mutex_lock(&node->lock);
	taken = take(node->http, circuit, UINT64_MAX);
	pthread_mutex_unlock(&node->lock);
	tell_all(taken, -ENOENT);
}

void
node_http_deliver(struct peel_node *node)
{
	struct http_ask *taken;

	pthread_mutex_lock(&node->lock);
	taken = node->http->asks == NULL ? NULL : take(node->http, 0, peel_now_ms(node->env));
	pthread_mutex_unlock(&node->lock);
	tell_all(taken, -ETIMEDOUT);
}

uint64_t
node_http_ask_next(const struct node_http *http)
{
	uint64_t now, next = UINT64_MAX;

	if (http->asks == NULL)
		return next;
	now = peel_now_ms(http->node->env);
	for (const struct http_ask *ask = http->asks; ask != NULL; ask = ask->next) {
		uint64_t left = ask->deadline_ms > now ? ask->deadline_ms - now : 0;

		next = left < next ? left : next;
	}
	return next;
}

/* ---- life, of both ends ---------------------------------------------------------------------- */

int
node_http_new(struct peel_node *node, struct node_http **out)
{
	struct node_http *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return -ENOMEM;
	http->node = node;
	*out = http;
	return 0;
}

void
node_http_free(struct node_http *http)
{
	if (http == NULL)
		return;
	tell_all(take(http, 0, UINT64_MAX), -ENOENT);
	node_http_serve_end(http);
}

uint64_t
node_http_tick(struct node_http *http)
{
	uint64_t a = node_http_serve_tick(http), b = node_http_ask_next(http);

	return a < b ? a : b;
}
