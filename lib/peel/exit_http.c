/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * HTTP requests by exits.
 */
#include <errno.h>

#include "handle.h"
#include "peel_discovery.h"
#include "peel_http_ask.h"

#define HTTP_LOOK_AT 64
#define HTTP_PAUSE_MS 500 /* after a circuit was begun in vain, doubled ... */
#define HTTP_PAUSE_MAX_MS 5000

int
peel_http_request(struct peel *p, peel_circuit circuit, const struct peel_address *target,
	const void *request, size_t len,
	void (*done)(void *arg, int result, const void *answer, size_t len), void *arg)
{
	struct peel_host host;
	int rc = address_to_host(target, &host);

	if (rc != 0)
		return rc;
	if (peers_own(target))
		return error_text(-EINVAL, "peers of hidden services answer no requests of exits");
	rc = peel_http_ask_request(
		peel_node_http(p->node), circuit, &host, request, len, done, arg);
	switch (rc) {
	case 0:
		return 0;
	case -ENOENT:
		return error_no_circuit();
	case -ENOTCONN:
		return error_text(rc, "the circuit is not complete yet");
	case -EAGAIN:
		return error_text(rc, "five requests are under way on this circuit, or more is "
				      "queued than can be sent: try later");
	case -EMSGSIZE:
		return error_text(rc, "the request is longer than one cell carries");
	default:
		return error_text(rc, NULL);
	}
}

/* Holding the node's lock. */
static bool
does_http(struct peel_origin_circuits *t, peel_circuit circuit)
{
	struct peel_origin_info info;

	return peel_origin_info(t, circuit, &info) == 0 && info.state == PEEL_ORIGIN_READY &&
	       (info.exit_flags & PEEL_FLAG_EXIT_HTTP) != 0;
}

static bool
is_among(peel_circuit circuit, const peel_circuit *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == circuit)
			return true;
	}
	return false;
}

/* Holding the node's lock. With isolation, only the circuit that data avoids: otherwise one exit
 * would see both the tracker and a peer. */
static peel_circuit
find_http(struct peel *p, struct peel_origin_circuits *t, unsigned int hops,
	const peel_circuit *avoid, size_t n_avoid)
{
	peel_origin_id id[HTTP_LOOK_AT];
	size_t n;

	if (sticky_isolates(p->sticky)) {
		peel_circuit own = p->http[hops - 1].circuit;

		if (!does_http(t, own))
			return 0;
		if (!is_among(own, avoid, n_avoid))
			return own;
		(void)peel_origin_close(t, own); /* data shall not get it */
		return 0;
	}
	n = peel_origin_active(t, hops, id, HTTP_LOOK_AT);
	for (size_t i = 0; i < n && i < HTTP_LOOK_AT; i++) {
		if (does_http(t, id[i]) && !is_among(id[i], avoid, n_avoid))
			return id[i];
	}
	return 0;
}

bool
peel_is_reserved(struct peel *p, peel_circuit circuit)
{
	bool is = false;

	if (!sticky_isolates(p->sticky))
		return false;
	peel_node_lock(p->node);
	for (unsigned int i = 0; i < PEEL_HOPS_LIMIT; i++)
		is |= p->http[i].circuit == circuit;
	peel_node_unlock_unchanged(p->node);
	return is;
}

/* Holding the node's lock. Begins one at a time, and less and less often while they fail. 0 or
 * -errno. */
static int
begin_http(struct peel *p, struct peel_origin_circuits *t, unsigned int hops)
{
	const struct peel_origin_spec spec = {
		.type = PEEL_ORIGIN_DATA, .hops = hops, .exit_flags = PEEL_FLAG_EXIT_HTTP};
	uint64_t now = peel_now_ms(&peel_env_system);
	uint32_t *pause = &p->http[hops - 1].pause_ms;
	struct peel_origin_info info;
	int rc;

	if (now < p->http[hops - 1].due_ms ||
		(peel_origin_info(t, p->http[hops - 1].circuit, &info) == 0 &&
			info.state == PEEL_ORIGIN_EXTENDING))
		return 0;
	rc = peel_origin_create(t, &spec, &p->http[hops - 1].circuit);
	if (rc != 0)
		return rc; /* nothing was sent */
	*pause = *pause == 0 ? HTTP_PAUSE_MS : 2 * *pause;
	if (*pause > HTTP_PAUSE_MAX_MS)
		*pause = HTTP_PAUSE_MAX_MS;
	p->http[hops - 1].due_ms = now + *pause;
	return 0;
}

peel_circuit
peel_http_circuit(struct peel *p, unsigned int hops)
{
	return peel_http_circuit_but(p, hops, NULL, 0);
}

peel_circuit
peel_http_circuit_but(struct peel *p, unsigned int hops, const peel_circuit *avoid, size_t n_avoid)
{
	struct peel_origin_circuits *t;
	peel_circuit circuit;
	int rc = 0;

	if (hops == 0 || hops > PEEL_HOPS_LIMIT) {
		error_format(-EINVAL, "a circuit has 1 to %d hops, not %u", PEEL_HOPS_LIMIT, hops);
		return 0;
	}
	peel_node_lock(p->node);
	t = peel_node_origin(p->node);
	circuit = find_http(p, t, hops, avoid, n_avoid);
	if (circuit == 0)
		rc = begin_http(p, t, hops);
	else
		p->http[hops - 1].pause_ms = 0;
	peel_node_unlock(p->node);
	if (rc == -EAGAIN)
		error_text(rc, "no peer is known that does HTTP requests");
	return circuit;
}
