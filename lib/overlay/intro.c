/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Introductions: asking, answering, and what an answer proves. Source: protocol sections 7, 8.1, 8.2, 10.
 */
#include <errno.h>

#include "internal.h"

#define PICK_TRIES 16

static struct peel_span
own_extra(const struct peel_overlay *ov, enum peel_community c, uint8_t flags[2])
{
	if (c != PEEL_COMMUNITY_TUNNEL)
		return (struct peel_span){flags, 0};
	peel_put_be16(flags, ov->conf.flags);
	return (struct peel_span){flags, 2};
}

/* @return false when the extra bytes say nothing about flags. */
static bool
announced_flags(enum peel_community c, struct peel_span extra, uint16_t *flags)
{
	if (c != PEEL_COMMUNITY_TUNNEL || extra.len == 1)
		return false;
	*flags = extra.len >= 2 ? peel_get_be16(extra.p) : 0;
	return true;
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

bool
peel_overlay_intro_send(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *to,
	bool new_style, bool walk)
{
	uint64_t now = peel_overlay_now(ov);
	uint8_t buffer[512], flags[2];
	struct peel_intro_request m = {
		.dest = *to,
		.src_lan = ov->conf.lan,
		.src_wan = ov->public_address,
		.identifier = peel_random_u16(ov->conf.env),
		.extra = own_extra(ov, c, flags),
	};

	/*
	 * The walk waits for an answer. Asking back does not: who asks us now may have been down when it was asked
	 * before, and would otherwise not be a candidate for seconds.
	 */
	uint64_t pause = walk ? PEEL_OVERLAY_LOST_MS : PEEL_OVERLAY_REPEAT_MS;

	if (peel_overlay_requests_recent(&ov->requests, to, (uint8_t)c, now, pause) ||
		peel_overlay_requests_add(&ov->requests, to, (uint8_t)c, m.identifier, walk, now) !=
			0)
		return false;
	new_style |= to->family == PEEL_FAMILY_IPV6;
	if (!new_style)
		m.bits = PEEL_BITS_ADVICE;
	struct peel_writer w = peel_overlay_begin(ov, c,
		new_style ? PEEL_MSG_INTRO_REQUEST_NEW : PEEL_MSG_INTRO_REQUEST,
		++ov->clock & 0xffff, buffer, sizeof(buffer));

	peel_intro_request_write(&w, new_style, &m);
	peel_overlay_send_signed(ov, to, &w);
	return true;
}

void
peel_overlay_intro_probe(
	struct peel_overlay *ov, struct ov_peer *p, enum peel_community c, uint64_t now)
{
	p->probed_ms = now;
	p->probes++;
	peel_overlay_intro_send(ov, c, &p->addr, p->new_style, false);
}

/* ---- answering ------------------------------------------------------------------------------------------------------------- */

static bool
introducible(const struct peel_overlay *ov, const struct ov_peer *p, const struct peel_addr *to,
	const uint8_t *pk, bool new_style)
{
	/* Only who answered: an introduction sends two nodes' datagrams to that address. */
	if (!p->confirmed || peel_addr_equal(&p->addr, to) || memcmp(p->pk, pk, PEEL_PK_LEN) == 0)
		return false;
	if (!new_style && p->addr.family != PEEL_FAMILY_IPV4)
		return false;
	/* A neighbour in our own network is reachable from outside through our public address only. */
	if (peel_overlay_addr_local(&p->addr) && !peel_overlay_addr_local(to))
		return ov->public_address.family == p->addr.family &&
		       !peel_overlay_addr_local(&ov->public_address);
	return true;
}

/* A random member to introduce, or NULL: a random place in the list, then the next few. */
static const struct ov_peer *
pick(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *to, const uint8_t *pk,
	bool new_style)
{
	uint32_t n = ov->peers.n[c];

	if (n == 0)
		return NULL;
	uint32_t at = peel_random_below(ov->conf.env, n);

	for (uint32_t i = 0; i < PICK_TRIES && i < n; i++) {
		const struct ov_peer *p = &ov->peers.peer[ov->peers.list[c][(at + i) % n].slot];

		if (introducible(ov, p, to, pk, new_style))
			return p;
	}
	return NULL;
}

/* Where the introduced peer can be reached. */
static void
fill_introduction(
	const struct peel_overlay *ov, const struct ov_peer *p, struct peel_intro_response *m)
{
	m->wan_intro = p->addr;
	if (!peel_overlay_addr_local(&p->addr)) {
		/* Anybody can claim any local address; at least it must be one. */
		if (peel_overlay_addr_usable(&p->lan) && peel_overlay_addr_local(&p->lan))
			m->lan_intro = p->lan;
	} else if (ov->public_address.family == p->addr.family &&
		   !peel_overlay_addr_local(&ov->public_address)) {
		m->lan_intro = p->addr;
		m->wan_intro = ov->public_address;
		m->wan_intro.port = p->addr.port;
	}
}

static void
answer(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_intro_request *request, bool new_style, const struct ov_peer *introduced)
{
	uint8_t buffer[512], flags[2];
	struct peel_intro_response m = {
		.dest = *from,
		.src_lan = ov->conf.lan,
		.src_wan = ov->public_address,
		.identifier = request->identifier,
		.bits = new_style ? 0 : PEEL_BITS_RESPONSE_NEW_STYLE,
		.extra = own_extra(ov, c, flags),
	};

	if (introduced != NULL) {
		struct peel_puncture_request ask = {
			.lan_walker = peel_overlay_addr_local(&request->src_lan) ? request->src_lan
										 : request->dest,
			.wan_walker = *from,
			.identifier = request->identifier,
		};

		fill_introduction(ov, introduced, &m);
		if (introduced->new_style)
			m.bits |=
				new_style ? PEEL_BITS_INTRO_NEW_233 : PEEL_BITS_RESPONSE_INTRO_NEW;
		peel_overlay_puncture_ask(ov, c, new_style, &introduced->addr, &ask);
	}
	struct peel_writer w = peel_overlay_begin(ov, c,
		new_style ? PEEL_MSG_INTRO_RESPONSE_NEW : PEEL_MSG_INTRO_RESPONSE,
		++ov->clock & 0xffff, buffer, sizeof(buffer));

	peel_intro_response_write(&w, new_style, &m);
	peel_overlay_send_signed(ov, from, &w);
	peel_stats_add(ov->conf.stats, PEEL_INTRO_REQUESTS, 1);
}

/* A bootstrap server checks that we are still there: answer, and keep it out of every table. */
static int
answer_bootstrap(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_signed *s, const struct peel_intro_request *m, bool new_style)
{
	int rc = peel_overlay_authenticate(ov, from, s, PEEL_TRUST_KNOWN);

	if (rc != 0)
		return rc == -EAGAIN ? 0 : rc;
	answer(ov, c, from, m, new_style, NULL);
	return 0;
}

/*
 * What a request tells about its sender. It may be an old one, replayed from anywhere: it can make a new entry and say
 * that there is something to ask, but change nothing that an answer has settled (W6).
 * @return true when a request of our own is due.
 */
static bool
learn(struct peel_overlay *ov, enum peel_community c, struct ov_peer *p,
	const struct peel_addr *from, const struct peel_intro_request *m, bool speaks_new)
{
	bool at_home = peel_addr_equal(&p->addr, from), changed = false;
	uint16_t flags;

	peel_overlay_peers_join(&ov->peers, p, c);
	if (at_home || !p->confirmed)
		p->lan = m->src_lan;
	if (at_home && speaks_new)
		p->new_style = true;
	if (announced_flags(c, m->extra, &flags)) {
		changed = !p->flags_known || p->flags != flags;
		if (!p->flags_known)
			p->flags = flags;
	}
	if (!p->confirmed)
		return true;
	if (at_home)
		return changed;
	return peel_overlay_now(ov) - p->answered_ms >= PEEL_OVERLAY_STICKY_MS;
}

int
peel_overlay_intro_request(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const struct peel_signed *s)
{
	bool new_style = s->id == PEEL_MSG_INTRO_REQUEST_NEW;
	struct peel_intro_request m;

	if (peel_intro_request_parse(s->body, new_style, &m) != 0)
		return peel_overlay_malformed(ov);
	if (s->legacy)
		return answer_bootstrap(ov, c, from, s, &m, new_style);
	struct ov_peer *p = peel_overlay_peers_by_key(&ov->peers, s->pk.p);
	bool member = p != NULL && (p->member & 1 << c) != 0;

	if (!member && ov->conf.max_peers >= 0 && ov->peers.n[c] > (uint32_t)ov->conf.max_peers) {
		peel_stats_add(ov->conf.stats, PEEL_CONTROL_RATE, 1);
		return 0;
	}
	bool at_home = p != NULL && peel_addr_equal(&p->addr, from);
	int rc = peel_overlay_authenticate(
		ov, from, s, at_home ? PEEL_TRUST_KNOWN : PEEL_TRUST_STRANGER);

	if (rc != 0)
		return rc == -EAGAIN ? 0 : rc;
	if (p == NULL)
		p = peel_overlay_peers_add(&ov->peers, s->pk.p, from, peel_overlay_now(ov));
	if (p == NULL) {
		peel_stats_add(ov->conf.stats, PEEL_CONTROL_RATE, 1); /* table full */
		return 0;
	}
	bool speaks_new = new_style || (m.bits & PEEL_BITS_REQUEST_NEW_STYLE) != 0 ||
			  from->family == PEEL_FAMILY_IPV6;
	bool ask_back = learn(ov, c, p, from, &m, speaks_new);

	new_style = speaks_new || p->new_style;
	answer(ov, c, from, &m, new_style, pick(ov, c, from, s->pk.p, new_style));
	/* A stranger becomes a candidate by answering (W8): ask at once, to the address it claims. */
	if (ask_back) {
		p->probed_ms = peel_overlay_now(ov);
		peel_overlay_intro_send(ov, c, from, p->new_style, false);
	}
	return 0;
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------- */

struct ov_peer *
peel_overlay_intro_confirm(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const uint8_t pk[PEEL_PK_LEN], uint64_t now)
{
	struct ov_peer *p = peel_overlay_peers_by_key(&ov->peers, pk), *q;

	if (p == NULL)
		p = peel_overlay_peers_add(&ov->peers, pk, from, now);
	if (p == NULL)
		return NULL;
	peel_overlay_peers_join(&ov->peers, p, c);
	p->probes = 0;
	if (p->confirmed && !peel_addr_equal(&p->addr, from) &&
		now - p->answered_ms < PEEL_OVERLAY_STICKY_MS)
		return p;
	peel_overlay_peers_confirm(&ov->peers, p, from, now);
	/* One socket has one key in a community: any other entry there is a predecessor or a lie. */
	q = peel_overlay_peers_at(&ov->peers, from, NULL);
	while (q != NULL) {
		if (q != p && (q->member & 1 << c) != 0) {
			peel_overlay_peers_leave(&ov->peers, q, c);
			q = NULL; /* it may be gone: begin again */
		}
		q = peel_overlay_peers_at(&ov->peers, from, q);
	}
	return p;
}

int
peel_overlay_intro_response(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const struct peel_signed *s)
{
	bool new_style = s->id == PEEL_MSG_INTRO_RESPONSE_NEW;
	uint64_t now = peel_overlay_now(ov);
	struct peel_intro_response m;
	uint16_t flags;

	if (peel_intro_response_parse(s->body, new_style, &m) != 0)
		return peel_overlay_malformed(ov);
	struct ov_request *r =
		peel_overlay_requests_match(&ov->requests, from, (uint8_t)c, m.identifier, now);

	if (r == NULL) {
		peel_stats_add(ov->conf.stats, PEEL_INTRO_UNSOLICITED, 1);
		return 0;
	}
	int rc = peel_overlay_authenticate(ov, from, s, PEEL_TRUST_ASKED);

	if (rc != 0)
		return rc == -EAGAIN ? 0 : rc;
	peel_overlay_requests_del(&ov->requests, r);
	peel_stats_add(ov->conf.stats, PEEL_INTRO_RESPONSES, 1);
	struct ov_peer *p = NULL;

	if (!s->legacy) /* bootstrap servers are no peers */
		p = peel_overlay_intro_confirm(ov, c, from, s->pk.p, now);
	if (p != NULL) {
		if (peel_addr_equal(&p->addr, from))
			p->lan = m.src_lan;
		if (new_style || (m.bits & PEEL_BITS_RESPONSE_NEW_STYLE) != 0)
			p->new_style = true;
		if (announced_flags(c, m.extra, &flags))
			peel_overlay_peers_flags(&ov->peers, p, flags);
		if (c == PEEL_COMMUNITY_DISCOVERY)
			peel_overlay_similarity_send(ov, from);
	}
	peel_overlay_public_vote(ov, from, &m.dest, now);
	peel_overlay_walk_response(ov, c, from, &m, new_style);
	return 0;
}
