/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * Messages of hidden services as in cells (first byte even) and as datagrams, rendezvous info and
 * lists of PEX keys. What parses must build again to the same bytes.
 */
#include <stdlib.h>

#include "peel_hidden_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[1 << 17];

static int
rebuild(uint8_t id, const uint8_t *body, size_t len, bool datagram)
{
	union {
		struct peel_msg_establish_intro establish_intro;
		struct peel_msg_cookie cookie;
		struct peel_msg_rendezvous_established established;
		struct peel_msg_create_e2e create_e2e;
		struct peel_msg_peers_request request;
		struct peel_msg_peers_response response;
	} m;

	switch (id) {
	case PEEL_MSG_ESTABLISH_INTRO:
		if (peel_establish_intro_parse(body, len, &m.establish_intro) != 0)
			return 0;
		return peel_establish_intro_build(out, sizeof(out), &m.establish_intro);
	case PEEL_MSG_ESTABLISH_RENDEZVOUS:
	case PEEL_MSG_LINK_E2E:
		if (peel_cookie_parse(body, len, &m.cookie) != 0)
			return 0;
		return peel_cookie_build(out, sizeof(out), id, &m.cookie);
	case PEEL_MSG_RENDEZVOUS_ESTABLISHED:
		if (peel_rendezvous_established_parse(body, len, &m.established) != 0)
			return 0;
		return peel_rendezvous_established_build(out, sizeof(out), &m.established);
	case PEEL_MSG_CREATE_E2E:
		if (peel_create_e2e_parse(body, len, &m.create_e2e) != 0)
			return 0;
		return peel_create_e2e_build(out, sizeof(out), &m.create_e2e);
	case PEEL_MSG_PEERS_REQUEST:
		if (peel_peers_request_parse(body, len, datagram, &m.request) != 0)
			return 0;
		return peel_peers_request_build(out, sizeof(out), datagram, &m.request);
	case PEEL_MSG_PEERS_RESPONSE:
		if (peel_peers_response_parse(body, len, datagram, &m.response) != 0)
			return 0;
		/* The number that was told may be larger than the one that is kept. */
		if (body[datagram ? 26 : 22] != m.response.n)
			return m.response.n == PEEL_PEERS_MAX ? 0 : -1;
		return peel_peers_response_build(out, sizeof(out), datagram, &m.response);
	default:
		return 0;
	}
}

static void
check(int n, const uint8_t *want, size_t len)
{
	if (n < 0 || (size_t)n > len || (n > 0 && memcmp(out, want, (size_t)n) != 0))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_rendezvous_info info;
	struct peel_pex_keys keys;

	if (size < 2)
		return 0;
	uint8_t *exact = malloc(size - 1);

	if (exact == NULL)
		return 0;
	memcpy(exact, data + 1, size - 1);
	check(rebuild(exact[0], exact + 1, size - 2, data[0] & 1), exact, size - 1);
	if (peel_rendezvous_info_parse(exact, size - 1, &info) == 0)
		check(peel_rendezvous_info_build(out, sizeof(out), &info), exact, size - 1);
	if (peel_pex_keys_parse(exact, size - 1, &keys) == 0 && exact[0] == keys.n)
		check(peel_pex_keys_build(out, sizeof(out), &keys), exact, size - 1);
	free(exact);
	return 0;
}
