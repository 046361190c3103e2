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
#include "peel_internal.h"
#include "proxy_http.h"

#define TRY_MS PEEL_HTTP_WAIT_MS
#define TRIES 3
#define FAILURES 3 /* in a row without an answer: an exit is not asked any more */
#define KNOWN 8	   /* circuits */

struct request {
	TAILQ_ENTRY(request) entry;
	struct proxy_http *http;
	uint64_t id, begun_ms;
	peel_circuit circuit;	    /* under way on it */
	peel_circuit failed[TRIES]; /* tried before in vain */
	unsigned int n_failed;
	bool gone; /* nobody waits for its answer */
	struct peel_address target;
	size_t len;
	uint8_t bytes[];
};

/* One that did not answer lately. */
struct failing {
	peel_circuit circuit;
	unsigned int failures; /* in a row */
};

struct proxy_http {
	struct session *session;
	struct peel_socks *socks;
	unsigned int hops;
	bool isolate; /* one circuit does all requests, and nothing else */
	TAILQ_HEAD(requests, request) waiting, asked;
	struct failing failing[KNOWN];
	unsigned int next;
};

struct proxy_http *
proxy_http_new(struct session *session, unsigned int hops)
{
	struct proxy_http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->session = session;
	h->hops = hops;
	h->isolate = session->conf.client.isolate_destinations;
	TAILQ_INIT(&h->waiting);
	TAILQ_INIT(&h->asked);
	return h;
}

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
	free(h);
}

void
proxy_http_answer_to(struct proxy_http *h, struct peel_socks *socks)
{
	h->socks = socks;
}

/* ---- which exits answer ---------------------------------------------------------------------- */

static struct failing *
find(struct proxy_http *h, peel_circuit circuit)
{
	for (unsigned int i = 0; i < KNOWN; i++) {
		if (h->failing[i].circuit == circuit)
			return &h->failing[i];
	}
	return NULL;
}

static void
note_failures(struct proxy_http *h, peel_circuit circuit, unsigned int n)
{
	struct failing *f = find(h, circuit);

	if (f == NULL) {
		f = &h->failing[h->next++ % KNOWN];
		*f = (struct failing){.circuit = circuit};
	}
	f->failures += n;
}

/* A circuit whose exit answers, as far as is known. 0: there is none. */
static peel_circuit
choose(struct proxy_http *h, const peel_circuit *failed, unsigned int n_failed)
{
	peel_circuit avoid[KNOWN + TRIES], circuit;
	size_t n = 0;

	for (unsigned int i = 0; i < KNOWN; i++) {
		if (h->failing[i].failures >= FAILURES)
			avoid[n++] = h->failing[i].circuit;
	}
	for (unsigned int i = 0; i < n_failed; i++)
		avoid[n++] = failed[i];
	circuit = peel_http_circuit_but(h->session->peel, h->hops, avoid, n);
	if (circuit == 0 && n_failed == 0 && !h->isolate)
		/* all trackers may be down */
		circuit = peel_http_circuit(h->session->peel, h->hops);
	return circuit;
}

enum peel_socks_ready
proxy_http_ready(struct proxy_http *h)
{
	peel_circuit any;

	if (choose(h, NULL, 0) != 0)
		return PEEL_SOCKS_READY;
	return peel_active_data_circuits_of(h->session->peel, h->hops, &any, 1) == 0
		       ? PEEL_SOCKS_NO_CIRCUIT
		       : PEEL_SOCKS_NO_EXIT;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Shall another exit try? With isolation there is only one circuit, which a dead tracker must not
 * cost it. */
static bool
try_elsewhere(const struct proxy_http *h, const struct request *r)
{
	return r->n_failed < TRIES - 1 && !h->isolate && h->socks != NULL && !r->gone &&
	       uv_now(&h->session->loop) - r->begun_ms < PROXY_HTTP_MS - TRY_MS;
}

static void
on_answer(void *arg, int result, const void *answer, size_t len)
{
	struct request *r = arg;
	struct proxy_http *h = r->http;
	struct failing *f = find(h, r->circuit);

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
		if (h->socks != NULL)
			peel_socks_answer(h->socks, r->id, result >= 0 ? answer : NULL, len);
		free(r);
	}
	proxy_http_try(h);
}

/* 0: it is under way; -EAGAIN: not now; else it has failed. */
static int
try_request(struct proxy_http *h, struct request *r)
{
	if (uv_now(&h->session->loop) - r->begun_ms >= PROXY_HTTP_MS)
		return -ETIMEDOUT;
	r->circuit = choose(h, r->failed, r->n_failed);
	if (r->circuit == 0)
		return r->n_failed > 0 ? -EAGAIN : -ENOENT; /* another one was begun */
	return peel_http_request(
		h->session->peel, r->circuit, &r->target, r->bytes, r->len, on_answer, r);
}

void
proxy_http_try(struct proxy_http *h)
{
	struct request *r, *next;

	for (r = TAILQ_FIRST(&h->waiting); h->socks != NULL && r != NULL; r = next) {
		int rc = try_request(h, r);

		next = TAILQ_NEXT(r, entry);
		if (rc == -EAGAIN)
			continue;
		TAILQ_REMOVE(&h->waiting, r, entry);
		if (rc == 0) {
			TAILQ_INSERT_TAIL(&h->asked, r, entry);
			continue;
		}
		peel_socks_answer(h->socks, r->id, NULL, 0);
		free(r);
	}
}

static struct request *
find_request(struct requests *list, uint64_t id)
{
	struct request *r;

	TAILQ_FOREACH (r, list, entry) {
		if (r->id == id)
			break;
	}
	return r;
}

void
proxy_http_gone(struct proxy_http *h, uint64_t id)
{
	struct request *r = find_request(&h->waiting, id);

	if (r != NULL) {
		TAILQ_REMOVE(&h->waiting, r, entry);
		free(r);
		return;
	}
	r = find_request(&h->asked, id);
	if (r != NULL)
		r->gone = true;
}

int
proxy_http_ask(struct proxy_http *h, uint64_t id, const struct peel_address *to,
	const uint8_t *request, size_t len)
{
	struct request *r = calloc(1, sizeof(*r) + len);

	if (r == NULL)
		return -ENOMEM;
	r->http = h;
	r->id = id;
	r->begun_ms = uv_now(&h->session->loop);
	r->target = *to;
	r->len = len;
	memcpy(r->bytes, request, len);
	/* Try those before it as well: they may have waited for a circuit, not for answers. */
	TAILQ_INSERT_TAIL(&h->waiting, r, entry);
	proxy_http_try(h);
	return 0;
}
