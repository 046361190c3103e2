/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "hidden_internal.h"

/* Rendezvous points, section 19.5: a seeder leaves a cookie at the end of its circuit, and a
 * downloader who knows the cookie has its own circuit joined to that one. */

int
rendezvous_establish(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *body, size_t len)
{
	struct peel_msg_rendezvous_established answer;
	struct peel_msg_cookie m;
	struct peel_exit_info exit;
	uint8_t out[32];

	if (peel_cookie_parse(body, len, &m) != 0 ||
		!h->conf.public_address(h->conf.arg, &answer.address) ||
		peel_or_exit(h->conf.or_circuits, session, generation, &exit) != 0 ||
		exit.endpoint != 0)
		return hidden_refuse(h);
	const struct promise *there = promise_get(&h->rendezvous, m.cookie, PEEL_COOKIE_LEN);

	/* Cookies are drawn from 2^160: who has one twice has not drawn it (W12). The same circuit
	 * may have lost our answer. */
	if (there != NULL && (there->session != session || there->generation != generation))
		return hidden_refuse(h);
	if (there == NULL) {
		if (promise_add(&h->rendezvous, m.cookie, PEEL_COOKIE_LEN, session, generation,
			    &exit.previous) == NULL)
			return hidden_refuse(h);
		peel_stats_add(h->conf.stats, PEEL_HIDDEN_RENDEZVOUS, 1);
	}
	answer.identifier = m.identifier;
	int n = peel_rendezvous_established_build(out, sizeof(out), &answer);

	return peel_or_answer(h->conf.or_circuits, session, out, (size_t)n);
}

int
rendezvous_link(struct peel_hidden *h, uint32_t session, uint32_t generation, const uint8_t *body,
	size_t len)
{
	struct peel_msg_cookie m;
	uint8_t answer[3];

	if (peel_cookie_parse(body, len, &m) != 0)
		return hidden_refuse(h);
	struct promise *p = promise_get(&h->rendezvous, m.cookie, PEEL_COOKIE_LEN);

	/* A circuit that others are introduced over is nobody's rendezvous. */
	if (p == NULL || promise_of_session(&h->introductions, session) != NULL ||
		promise_of_session(&h->introductions, p->session) != NULL ||
		peel_or_rendezvous(
			h->conf.or_circuits, session, generation, p->session, p->generation) != 0)
		return hidden_refuse(h);
	/* Neither waits for anybody any more. */
	peel_hidden_exit_gone(h, p->session);
	peel_hidden_exit_gone(h, session);
	peel_stats_add(h->conf.stats, PEEL_HIDDEN_LINKED, 1);
	int n = peel_identifier_build(answer, sizeof(answer), PEEL_MSG_LINKED_E2E, m.identifier);

	return peel_or_answer(h->conf.or_circuits, session, answer, (size_t)n);
}
