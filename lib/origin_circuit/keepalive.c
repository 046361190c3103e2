/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "origin_internal.h"

/* Pings over origin circuits, section 15.5: they keep the relays' entries alive, and show which
 * circuits answer. */

#define IDENTIFIER_LEN 3

bool
origin_silent(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	uint64_t limit = (uint64_t)t->conf.settings.next_hop_timeout * 1000;

	return tn->silent_ms != 0 &&
	       origin_now(t) - tn->silent_ms > (limit < PONG_MS ? limit : PONG_MS);
}

/* Nothing answers at a rendezvous point before the circuits are joined, and the other end keeps a
 * seeder's circuit alive. */
bool
origin_pings(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	if (tn->n_hops == 0 || tn->state == PEEL_ORIGIN_CLOSING ||
		tn->type == PEEL_ORIGIN_RP_SEEDER)
		return false;
	return tn->type != PEEL_ORIGIN_RP_DOWNLOADER || has_e2e(t, tn);
}

void
origin_ping_later(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	tn->ping_ms = origin_now(t) + PING_MS;
}

/* The rhythm that the end of one of py-ipv8's circuits sees. But py-ipv8 pings all its circuits at
 * once, so that an observer of two can tell that they belong together; we do not copy that. */
void
origin_ping_begin(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	tn->ping_ms = origin_now(t) + 1 + peel_random_below(t->env, PING_MS);
}

void
origin_ping(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	uint8_t msg[IDENTIFIER_LEN];

	tn->ping_identifier = peel_random_u16(t->env);
	if (peel_identifier_build(msg, sizeof(msg), PEEL_MSG_PING, tn->ping_identifier) < 0 ||
		origin_seal(t, tn, msg, sizeof(msg)) != 0)
		return;
	tn->ping_sent_ms = origin_now(t);
	if (tn->silent_ms == 0)
		tn->silent_ms = tn->ping_sent_ms;
}

int
origin_ping_received(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *body, size_t len)
{
	uint8_t msg[IDENTIFIER_LEN];
	uint16_t identifier;

	if (peel_identifier_parse(body, len, &identifier) != 0)
		return refuse(t, PEEL_CONTROL_MALFORMED);
	if (peel_identifier_build(msg, sizeof(msg), PEEL_MSG_PONG, identifier) < 0)
		return -EBADMSG;
	(void)origin_seal(t, tn, msg, sizeof(msg)); /* a closing circuit does not answer */
	return 0;
}

int
origin_pong_received(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *body, size_t len)
{
	uint16_t identifier;

	if (peel_identifier_parse(body, len, &identifier) != 0)
		return refuse(t, PEEL_CONTROL_MALFORMED);
	/* The first answer clears ping_sent_ms: a second one means nothing. */
	if (tn->ping_sent_ms == 0 || identifier != tn->ping_identifier)
		return refuse(t, PEEL_CONTROL_UNKNOWN);
	tn->rtt_ms = (uint32_t)(origin_now(t) - tn->ping_sent_ms);
	if (tn->rtt_ms == 0)
		tn->rtt_ms = 1; /* 0 means "none yet" */
	tn->ping_sent_ms = 0;
	tn->silent_ms = 0;
	return 0;
}
