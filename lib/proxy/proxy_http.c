/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * An exit without a resolver or behind a firewall is silent. So is an exit whose tracker is down.
 * Only another exit shows which of the two it is.
 */
#include <errno.h>
#include <stdlib.h>

#include <sys/queue.h>

#include "peel_http.h"
#include "proxy_internal.h"

#define TRY_MS PEEL_HTTP_WAIT_MS
#define TRIES 3
#define FAILURES 3 /* in a row without an answer: an exit is not asked any more */
#define KNOWN 8	   /* circuits */

struct request {
	TAILQ_ENTRY(request) entry;
	struct proxy_http *http;  /* NULL: freed */
	struct peel_socks *socks; /* the server that wants the answer */
	uint64_t id, begun_ms;
	uint64_t circuit;	/* under way on it */
	uint64_t failed[TRIES]; /* tried before in vain */
	unsigned int n_failed;
	bool gone; /* nobody waits for its answer */
	struct peel_socks_target target;
	size_t len;
	uint8_t bytes[];
};

/* One that did not answer lately. */
struct failing {
	uint64_t circuit;
	unsigned int failures; /* in a row */
};

struct proxy_http {
	const struct peel_proxy_conf *conf;
	TAILQ_HEAD(requests, request) waiting, asked;
	struct failing failing[KNOWN];
	unsigned int next;
};

struct proxy_http *
proxy_http_new(const struct peel_proxy_conf *conf)
{
	struct proxy_http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->conf = conf;
	TAILQ_INIT(&h->waiting);
	TAILQ_INIT(&h->asked);
	return h;
}

/* The answers to those that were asked are still to come. */
void
proxy_http_free(struct proxy_http *h)
{
	struct request *r;

	if (h == NULL)
		return;
	while ((r = TAILQ_FIRST(&h->waiting)) != NULL) {
		TAILQ_REMOVE(&h->waiting, r, entry);
		free(r);
	}
	TAILQ_FOREACH (r, &h->asked, entry)
		r->http = NULL;
	free(h);
}

/* ---- which exits answer ---------------------------------------------------------------------- */

static struct failing *
find(struct proxy_http *h, uint64_t circuit)
{
	for (unsigned int i = 0; i < KNOWN; i++) {
		if (h->failing[i].circuit == circuit)
			return &h->failing[i];
	}
	return NULL;
}

static void
note_failures(struct proxy_http *h, uint64_t circuit, unsigned int n)
{
	struct failing *f = find(h, circuit);

	if (f == NULL) {
		f = &h->failing[h->next++ % KNOWN];
		*f = (struct failing){.circuit = circuit};
	}
	f->failures += n;
}

/* A circuit whose exit answers, as far as is known. 0: there is none. */
static uint64_t
choose(struct proxy_http *h, const uint64_t *failed, unsigned int n_failed)
{
	const struct peel_proxy_circuits *c = &h->conf->circuits;
	uint64_t avoid[KNOWN + TRIES], circuit;
	size_t n = 0;

	for (unsigned int i = 0; i < KNOWN; i++) {
		if (h->failing[i].failures >= FAILURES)
			avoid[n++] = h->failing[i].circuit;
	}
	for (unsigned int i = 0; i < n_failed; i++)
		avoid[n++] = failed[i];
	circuit = c->http(c->arg, avoid, n);
	if (circuit == 0 && n_failed == 0 && !h->conf->isolate)
		circuit = c->http(c->arg, NULL, 0); /* all trackers may be down */
	return circuit;
}

enum peel_socks_ready
proxy_http_ready(struct proxy_http *h)
{
	const struct peel_proxy_circuits *c = &h->conf->circuits;

	if (choose(h, NULL, 0) != 0)
		return PEEL_SOCKS_READY;
	return c->usable(c->arg, NULL, 0) == 0 ? PEEL_SOCKS_NO_CIRCUIT : PEEL_SOCKS_NO_EXIT;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Shall another exit try? With isolation there is only one circuit, which a dead tracker must not
 * cost it. */
static bool
try_elsewhere(const struct proxy_http *h, const struct request *r)
{
	return r->n_failed < TRIES - 1 && !h->conf->isolate && !r->gone &&
	       uv_now(h->conf->loop) - r->begun_ms < PEEL_PROXY_HTTP_MS - TRY_MS;
}

static void
on_answer(void *arg, int result, const void *answer, size_t len)
{
	struct request *r = arg;
	struct proxy_http *h = r->http;
	struct failing *f;

	if (h == NULL) {
		free(r);
		return;
	}
	f = find(h, r->circuit);
	TAILQ_REMOVE(&h->asked, r, entry);
	if (result >= 0 && f != NULL)
		f->failures = 0;
	for (unsigned int i = 0; i < r->n_failed && result >= 0; i++)
		note_failures(h, r->failed[i], FAILURES); /* here it works */
	if (result == -ETIMEDOUT)
		note_failures(h, r->circuit, 1);
	if (result == -ETIMEDOUT && try_elsewhere(h, r)) {
		r->failed[r->n_failed++] = r->circuit;
		TAILQ_INSERT_HEAD(&h->waiting, r, entry);
	} else {
		if (!r->gone)
			peel_socks_answer(r->socks, r->id, result >= 0 ? answer : NULL, len);
		free(r);
	}
	proxy_http_try(h);
}

/* 0: it is under way; -EAGAIN: not now; else it has failed. */
static int
try_request(struct proxy_http *h, struct request *r)
{
	const struct peel_proxy_circuits *c = &h->conf->circuits;

	if (uv_now(h->conf->loop) - r->begun_ms >= PEEL_PROXY_HTTP_MS)
		return -ETIMEDOUT;
	r->circuit = choose(h, r->failed, r->n_failed);
	if (r->circuit == 0)
		return r->n_failed > 0 ? -EAGAIN : -ENOENT; /* another one was begun */
	return c->request(c->arg, r->circuit, &r->target, r->bytes, r->len, on_answer, r);
}

void
proxy_http_try(struct proxy_http *h)
{
	struct request *r, *next;

	for (r = TAILQ_FIRST(&h->waiting); r != NULL; r = next) {
		int rc = try_request(h, r);

		next = TAILQ_NEXT(r, entry);
		if (rc == -EAGAIN)
			continue;
		TAILQ_REMOVE(&h->waiting, r, entry);
		if (rc == 0) {
			TAILQ_INSERT_TAIL(&h->asked, r, entry);
			continue;
		}
		peel_socks_answer(r->socks, r->id, NULL, 0);
		free(r);
	}
}

static struct request *
find_request(struct requests *list, const struct peel_socks *socks, uint64_t id)
{
	struct request *r;

	TAILQ_FOREACH (r, list, entry) {
		if (r->socks == socks && r->id == id)
			break;
	}
	return r;
}

void
proxy_http_gone(struct proxy_http *h, const struct peel_socks *socks, uint64_t id)
{
	struct request *r = find_request(&h->waiting, socks, id);

	if (r != NULL) {
		TAILQ_REMOVE(&h->waiting, r, entry);
		free(r);
		return;
	}
	r = find_request(&h->asked, socks, id);
	if (r != NULL)
		r->gone = true;
}

int
proxy_http_ask(struct proxy_http *h, struct peel_socks *socks, uint64_t id,
	const struct peel_socks_target *to, const uint8_t *request, size_t len)
{
	struct request *r = calloc(1, sizeof(*r) + len);

	if (r == NULL)
		return -ENOMEM;
	r->http = h;
	r->socks = socks;
	r->id = id;
	r->begun_ms = uv_now(h->conf->loop);
	r->target = *to;
	r->len = len;
	memcpy(r->bytes, request, len);
	/* Try those before it as well: they may have waited for a circuit, not for answers. */
	TAILQ_INSERT_TAIL(&h->waiting, r, entry);
	proxy_http_try(h);
	return 0;
}
