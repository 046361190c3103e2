/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * HTTP requests over origin circuits: sending, waiting and joining the parts. A lock guards the
 * list; callbacks run without it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "peel_http.h"
#include "peel_http_ask.h"
#include "peel_http_msg.h"

struct ask {
	struct ask *next;
	peel_origin_id circuit;
	uint32_t identifier;
	uint64_t deadline_ms;
	struct peel_http_parts parts;
	void (*done)(void *arg, int result, const void *answer, size_t len);
	void *arg;
};

struct peel_http_ask {
	struct peel_http_ask_conf conf;
	pthread_mutex_t lock;
	struct ask *list;
};

static void
tell(struct ask *ask, int result)
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
tell_all(struct ask *list, int result)
{
	while (list != NULL) {
		struct ask *ask = list;

		list = ask->next;
		tell(ask, result);
	}
}

static struct ask **
find(struct peel_http_ask *http, peel_origin_id circuit, uint32_t identifier)
{
	struct ask **p = &http->list;

	while (*p != NULL && ((*p)->circuit != circuit || (*p)->identifier != identifier))
		p = &(*p)->next;
	return p;
}

static unsigned int
under_way(const struct peel_http_ask *http, peel_origin_id circuit)
{
	unsigned int n = 0;

	for (const struct ask *ask = http->list; ask != NULL; ask = ask->next)
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
send_request(struct peel_http_ask *http, struct ask *ask, const struct peel_host *target,
	struct peel_span request)
{
	uint8_t msg[PEEL_DATAGRAM_MAX], plain[PEEL_DATAGRAM_MAX + PEEL_HTTP_REQUEST_MORE];
	struct peel_msg_http_request m = {.target = *target, .request = request};
	int len = peel_http_request_take(request.p, request.len, plain);

	/* Exits drop answers they cannot read, such as gzip. If this is not a valid GET request,
	 * let the exit judge it. */
	if (len >= 0)
		m.request = (struct peel_span){plain, (size_t)len};
	do
		m.identifier = peel_random_u32(http->conf.env);
	while (*find(http, ask->circuit, m.identifier) != NULL);
	ask->identifier = m.identifier;
	len = peel_http_request_build(msg, sizeof(msg), &m);
	return len < 0 ? -EMSGSIZE
		       : http->conf.send(http->conf.arg, ask->circuit, msg, (size_t)len);
}

int
peel_http_ask_request(struct peel_http_ask *http, peel_origin_id circuit,
	const struct peel_host *target, const void *request, size_t len,
	void (*done)(void *arg, int result, const void *answer, size_t len), void *arg)
{
	struct ask *ask;
	int rc = -EAGAIN;

	if (len == 0 || !target_valid(target))
		return -EINVAL;
	if (len > PEEL_DATAGRAM_MAX)
		return -EMSGSIZE;
	ask = calloc(1, sizeof(*ask));
	if (ask == NULL)
		return -ENOMEM;
	ask->circuit = circuit;
	ask->deadline_ms = peel_now_ms(http->conf.env) + PEEL_HTTP_WAIT_MS;
	ask->done = done;
	ask->arg = arg;
	pthread_mutex_lock(&http->lock);
	if (under_way(http, circuit) < PEEL_HTTP_PER_CIRCUIT)
		rc = send_request(http, ask, target, (struct peel_span){request, len});
	if (rc == 0) {
		ask->next = http->list;
		http->list = ask;
	}
	pthread_mutex_unlock(&http->lock);
	if (rc == 0)
		http->conf.changed(http->conf.arg);
	else
		free(ask);
	return rc;
}

int
peel_http_ask_response(
	struct peel_http_ask *http, peel_origin_id circuit, const uint8_t *msg, size_t len)
{
	struct peel_msg_http_response m;
	struct ask **p, *ask;
	int rc;

	if (len == 0 || peel_http_response_parse(msg + 1, len - 1, &m) != 0)
		return -ENOENT;
	pthread_mutex_lock(&http->lock);
	p = find(http, circuit, m.identifier);
	ask = *p;
	rc = ask == NULL ? -ENOENT
			 : peel_http_parts_add(
				   &ask->parts, m.part, m.total, m.response.p, m.response.len);
	if (rc == 1)
		*p = ask->next;
	pthread_mutex_unlock(&http->lock);
	if (rc == 1)
		tell(ask, 0);
	return ask == NULL ? -ENOENT : 0; /* a part that does not fit belongs to no other request */
}

/* Remove and return a request of a circuit (0: any circuit) whose time is up at `now_ms`. */
static struct ask *
take(struct peel_http_ask *http, peel_origin_id circuit, uint64_t now_ms)
{
	struct ask *taken = NULL;

	for (struct ask **p = &http->list; *p != NULL;) {
		struct ask *ask = *p;

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
peel_http_ask_ended(struct peel_http_ask *http, peel_origin_id circuit)
{
	struct ask *taken;

	pthread_mutex_lock(&http->lock);
	taken = take(http, circuit, UINT64_MAX);
	pthread_mutex_unlock(&http->lock);
	tell_all(taken, -ENOENT);
}

void
peel_http_ask_deliver(struct peel_http_ask *http)
{
	struct ask *taken;

	pthread_mutex_lock(&http->lock);
	taken = http->list == NULL ? NULL : take(http, 0, peel_now_ms(http->conf.env));
	pthread_mutex_unlock(&http->lock);
	tell_all(taken, -ETIMEDOUT);
}

uint64_t
peel_http_ask_next(struct peel_http_ask *http)
{
	uint64_t now = peel_now_ms(http->conf.env), next = UINT64_MAX;

	pthread_mutex_lock(&http->lock);
	for (const struct ask *ask = http->list; ask != NULL; ask = ask->next) {
		uint64_t left = ask->deadline_ms > now ? ask->deadline_ms - now : 0;

		next = left < next ? left : next;
	}
	pthread_mutex_unlock(&http->lock);
	return next;
}

int
peel_http_ask_new(const struct peel_http_ask_conf *conf, struct peel_http_ask **out)
{
	struct peel_http_ask *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return -ENOMEM;
	http->conf = *conf;
	pthread_mutex_init(&http->lock, NULL);
	*out = http;
	return 0;
}

void
peel_http_ask_free(struct peel_http_ask *http)
{
	if (http == NULL)
		return;
	tell_all(take(http, 0, UINT64_MAX), -ENOENT);
	pthread_mutex_destroy(&http->lock);
	free(http);
}
