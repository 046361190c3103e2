/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * HTTP requests by exits, and hidden services.
 */
#include <errno.h>

#include "internal.h"

int
peel_http_request(struct peel *p, peel_circuit circuit, const struct peel_address *target,
	const void *request, size_t len,
	void (*done)(void *arg, int result, const void *answer, size_t len), void *arg)
{
	(void)p;
	(void)circuit;
	(void)target;
	(void)request;
	(void)len;
	(void)done;
	(void)arg;
	return error_text(-ENOTSUP, "HTTP requests over circuits are not part of this version");
}

peel_circuit
peel_http_circuit(struct peel *p, unsigned int hops)
{
	(void)p;
	(void)hops;
	error_text(-ENOTSUP, "HTTP requests over circuits are not part of this version");
	return 0;
}

int
peel_register_service(struct peel *p, const uint8_t info_hash[20], unsigned int hops,
	void (*on_peer)(void *arg, struct peel *p, const struct peel_address *peer), void *arg)
{
	(void)p;
	(void)info_hash;
	(void)hops;
	(void)on_peer;
	(void)arg;
	return error_text(-ENOTSUP, "hidden services are not part of this version");
}
