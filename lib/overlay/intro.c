/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Introductions: asking, answering, and what an answer proves. Source: protocol sections
 * 7, 8.1, 8.2, 10.
 */
#include <errno.h>

#include "overlay_internal.h"

#define PICK_TRIES 16
#define FAILURES_MAX 3

static struct peel_span
own_extra(const struct peel_overlay *ov, enum peel_community c, uint8_t flags[2])
{
	if (c != PEEL_COMMUNITY_TUNNEL)
		return (struct peel_span){flags, 0};
	peel_put_be16(flags, ov->conf.flags);
	return (struct peel_span){flags, 2};
}

/* @return false if the extra bytes carry no flags. */
static bool
announced_flags(enum peel_community c, struct peel_span extra, uint16_t *flags)
{
	if (c != PEEL_COMMUNITY_TUNNEL || extra.len == 1)
		return false;
	*flags = extra.len >= 2 ? peel_get_be16(extra.p) : 0;
	return true;
}

/* Whether a message still fits once its signature is appended. */
static bool
fits(const struct peel_writer *w, size_t at_most)
{
	return (size_t)peel_writer_len(w) + PEEL_SIGNATURE_LEN <= at_most;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool
remember(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *to,
	uint16_t identifier, enum ov_asking why)
{
	uint64_t now = overlay_now(ov);
	struct ov_requests *t = why == PEEL_ASK_STRANGER ? &ov->asked_back : &ov->requests;

	return overlay_requests_add(t, to, (uint8_t)c, identifier, why == PEEL_ASK_WALK, now) == 0;
}

static struct peel_writer
write_request(struct peel_overlay *ov, enum peel_community c, bool new_style,
	const struct peel_intro_request *m, uint8_t *buffer, size_t size)
{
	struct peel_writer w = overlay_begin(ov, c,
		new_style ? PEEL_MSG_INTRO_REQUEST_NEW : PEEL_MSG_INTRO_REQUEST,
		++ov->clock & 0xffff, buffer, size);

	peel_intro_request_write(&w, new_style, m);
	return w;
}

size_t
overlay_intro_send(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *to,
	bool new_style, enum ov_asking why, size_t at_most)
{
	uint64_t now = overlay_now(ov);
	uint8_t buffer[512], flags[2];
	struct peel_intro_request m = {
		.dest = *to,
		.src_lan = ov->conf.lan,
		.src_wan = ov->public_address,
		.identifier = peel_random_u16(ov->conf.env),
		.extra = own_extra(ov, c, flags),
	};

	/*
	 * The walk waits for an answer. Asking back does not: a node that asks us now may have been
	 * down when we asked it, and would otherwise have to wait for seconds to become a
	 * candidate.
	 */
	uint64_t pause = why == PEEL_ASK_WALK ? PEEL_OVERLAY_LOST_MS : PEEL_OVERLAY_REPEAT_MS;

	if (overlay_requests_recent(&ov->requests, to, (uint8_t)c, now, pause) ||
		overlay_requests_recent(&ov->asked_back, to, (uint8_t)c, now, pause))
		return 0;
	new_style |= to->family == PEEL_FAMILY_IPV6;
	if (!new_style)
		m.bits = PEEL_BITS_ADVICE;
	struct peel_writer w = write_request(ov, c, new_style, &m, buffer, sizeof(buffer));

	if (!fits(&w, at_most)) { /* IPv6: without addresses of ours, which can wait */
		m.src_lan = m.src_wan = (struct peel_addr){0};
		w = write_request(ov, c, new_style, &m, buffer, sizeof(buffer));
	}
	if (!fits(&w, at_most) || !remember(ov, c, to, m.identifier, why))
		return 0;
	overlay_send_signed(ov, to, &w);
	return (size_t)peel_writer_len(&w);
}

void
overlay_intro_probe(struct peel_overlay *ov, struct ov_peer *p, enum peel_community c, uint64_t now)
{
	p->probed_ms = now;
	p->probes++;
	overlay_intro_send(ov, c, &p->addr, p->new_style, PEEL_ASK_PEER, SIZE_MAX);
}

/* ---- answering ------------------------------------------------------------------------------- */

static bool
introducible(const struct peel_overlay *ov, const struct ov_peer *p, const struct peel_addr *to,
	const uint8_t *pk, bool new_style)
{
	if (peel_addr_equal(&p->addr, to) || memcmp(p->pk, pk, PEEL_PK_LEN) == 0)
		return false;
	if (!new_style && p->addr.family != PEEL_FAMILY_IPV4)
		return false;
	/* From outside, a neighbour in our network is reachable only through our public address. */
	if (peel_addr_is_local(&p->addr) && !peel_addr_is_local(to))
		return ov->public_address.family == p->addr.family &&
		       !peel_addr_is_local(&ov->public_address);
	return true;
}

/* A random member to introduce, or NULL: try a random place in the list, then the next few. */
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

/* The addresses at which the introduced peer can be reached. */
static void
fill_introduction(
	const struct peel_overlay *ov, const struct ov_peer *p, struct peel_intro_response *m)
{
	m->wan_intro = p->addr;
	if (!peel_addr_is_local(&p->addr)) {
		/* Any node can claim any local address; at least it must be one. */
		if (peel_addr_usable(&p->lan) && peel_addr_is_local(&p->lan))
			m->lan_intro = p->lan;
	} else if (ov->public_address.family == p->addr.family &&
		   !peel_addr_is_local(&ov->public_address)) {
		m->lan_intro = p->addr;
		m->wan_intro = ov->public_address;
		m->wan_intro.port = p->addr.port;
	}
}

static struct peel_writer
write_response(struct peel_overlay *ov, enum peel_community c, bool new_style,
	const struct peel_intro_response *m, uint8_t *buffer, size_t size)
{
	struct peel_writer w = overlay_begin(ov, c,
		new_style ? PEEL_MSG_INTRO_RESPONSE_NEW : PEEL_MSG_INTRO_RESPONSE,
		++ov->clock & 0xffff, buffer, size);

	peel_intro_response_write(&w, new_style, m);
	return w;
}

/* The introduced peer's NAT has to let the walker in. */
static void
ask_for_puncture(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *walker,
	const struct peel_intro_request *request, bool new_style, const struct ov_peer *introduced)
{
	struct peel_puncture_request ask = {
		.lan_walker =
			peel_addr_is_local(&request->src_lan) ? request->src_lan : request->dest,
		.wan_walker = *walker,
		.identifier = request->identifier,
	};

	overlay_puncture_ask(ov, c, new_style, &introduced->addr, &ask);
}

/* @return its length, or 0 if it would have been longer than @p at_most and was not sent. */
static size_t
answer(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_intro_request *request, bool new_style, const struct ov_peer *introduced,
	size_t at_most)
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
		fill_introduction(ov, introduced, &m);
		if (introduced->new_style)
			m.bits |=
				new_style ? PEEL_BITS_INTRO_NEW_233 : PEEL_BITS_RESPONSE_INTRO_NEW;
	}
	struct peel_writer w = write_response(ov, c, new_style, &m, buffer, sizeof(buffer));

	if (!fits(&w, at_most)) { /* IPv6: without addresses that can wait */
		struct peel_addr none = {0};

		introduced = NULL;
		m.bits = 0;
		m.src_lan = m.src_wan = m.lan_intro = m.wan_intro = none;
		w = write_response(ov, c, new_style, &m, buffer, sizeof(buffer));
	}
	if (!fits(&w, at_most))
		return 0;
	if (introduced != NULL)
		ask_for_puncture(ov, c, from, request, new_style, introduced);
	overlay_send_signed(ov, from, &w);
	peel_stats_add(ov->conf.stats, PEEL_INTRO_REQUESTS, 1);
	return (size_t)peel_writer_len(&w);
}

/* A bootstrap server checks that we are still there: answer, and keep it out of every table. */
static int
answer_bootstrap(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_signed *s, const struct peel_intro_request *m, bool new_style)
{
	int rc = overlay_authenticate(ov, from, s, PEEL_TRUST_KNOWN);

	if (rc != 0)
		return rc == -EAGAIN ? 0 : rc;
	answer(ov, c, from, m, new_style, NULL, SIZE_MAX);
	return 0;
}

/*
 * What a peer's request from its own address tells. It may be an old one, replayed. So it can show
 * that there is something to ask, but it changes nothing that an answer has settled (W6).
 */
static void
serve_peer(struct peel_overlay *ov, enum peel_community c, struct ov_peer *p,
	const struct peel_intro_request *m, bool speaks_new)
{
	bool changed = false;
	uint16_t flags;

	overlay_peers_join(&ov->peers, p, c);
	p->lan = m->src_lan;
	p->new_style |= speaks_new;
	if (announced_flags(c, m->extra, &flags))
		changed = !p->flags_known || p->flags != flags;
	const struct ov_peer *introduced = pick(ov, c, &p->addr, p->pk, p->new_style);

	if (introduced != NULL && !overlay_may_introduce(ov, &p->addr, true))
		introduced = NULL;
	answer(ov, c, &p->addr, m, p->new_style, introduced, SIZE_MAX);
	if (!changed)
		return;
	p->probed_ms = overlay_now(ov);
	overlay_intro_send(ov, c, &p->addr, p->new_style, PEEL_ASK_PEER, SIZE_MAX);
}

/* Whether an answer with this key would be accepted from another address than its own. */
static bool
may_move(const struct peel_overlay *ov, const struct ov_peer *p)
{
	return p->weak || overlay_now(ov) - p->answered_ms >= PEEL_OVERLAY_STICKY_MS;
}

static size_t
answer_stranger(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_signed *s, const struct peel_intro_request *m, bool new_style,
	size_t at_most)
{
	const struct ov_peer *introduced = pick(ov, c, from, s->pk.p, new_style);

	if (introduced != NULL && !overlay_may_introduce(ov, from, false))
		introduced = NULL;
	return answer(ov, c, from, m, new_style, introduced, at_most);
}

static size_t
ask_stranger(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_signed *s, size_t at_most)
{
	const struct ov_peer *elsewhere = overlay_peers_by_key(&ov->peers, s->pk.p);
	bool useful =
		elsewhere != NULL ? may_move(ov, elsewhere) : overlay_peers_room(&ov->peers, from);

	if (!useful || !overlay_may_ask_back(ov, from))
		return 0;
	return overlay_intro_send(
		ov, c, from, s->id == PEEL_MSG_INTRO_REQUEST_NEW, PEEL_ASK_STRANGER, at_most);
}

/*
 * A node becomes a peer only by its answer, so we remember nothing but the question. At first
 * contact our answer leaves room for a question as long as the request; afterwards questions and
 * answers take turns.
 */
static void
serve_stranger(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_signed *s, const struct peel_intro_request *m, bool speaks_new)
{
	size_t len = s->covered.len + s->signature.len, sent = 0;
	struct ov_allowance may = overlay_strangers_came(&ov->strangers, from, len);

	if (may.first_contact) {
		sent = answer_stranger(ov, c, from, s, m, speaks_new, may.bytes - len);
		sent += ask_stranger(ov, c, from, s, may.bytes - sent);
	} else {
		if (!*may.asked)
			sent = ask_stranger(ov, c, from, s, may.bytes);
		*may.asked = sent > 0;
		if (sent == 0)
			sent = answer_stranger(ov, c, from, s, m, speaks_new, may.bytes);
	}
	if (sent == 0)
		peel_stats_add(ov->conf.stats, PEEL_CONTROL_RATE, 1);
}

int
overlay_intro_request(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_signed *s)
{
	bool new_style = s->id == PEEL_MSG_INTRO_REQUEST_NEW;
	struct peel_intro_request m;

	if (peel_intro_request_parse(s->body, new_style, &m) != 0)
		return overlay_malformed(ov);
	if (s->legacy)
		return answer_bootstrap(ov, c, from, s, &m, new_style);
	struct ov_peer *p = overlay_peers_at_home(&ov->peers, s->pk.p, from);
	bool full = ov->peers.slots.n == ov->peers.slots.size ||
		    (ov->conf.max_peers >= 0 && ov->peers.n[c] > (uint32_t)ov->conf.max_peers);

	if (full && overlay_peers_by_key(&ov->peers, s->pk.p) == NULL) {
		peel_stats_add(ov->conf.stats, PEEL_CONTROL_RATE, 1);
		return 0;
	}
	int rc = overlay_authenticate(
		ov, from, s, p != NULL ? PEEL_TRUST_KNOWN : PEEL_TRUST_STRANGER);

	if (rc != 0)
		return rc == -EAGAIN ? 0 : rc;
	bool speaks_new = new_style || (m.bits & PEEL_BITS_REQUEST_NEW_STYLE) != 0 ||
			  from->family == PEEL_FAMILY_IPV6;

	if (p != NULL)
		serve_peer(ov, c, p, &m, speaks_new);
	else
		serve_stranger(ov, c, from, s, &m, speaks_new);
	return 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

int
overlay_intro_match(struct peel_overlay *ov, const struct peel_addr *from,
	const struct peel_signed *s, uint8_t kind, uint16_t identifier, bool *found)
{
	uint64_t now = overlay_now(ov);
	struct ov_requests *t = &ov->requests;
	struct ov_request *r = overlay_requests_match(t, from, kind, identifier, now);
	enum ov_trust trust = PEEL_TRUST_ASKED;

	*found = false;
	if (r == NULL) {
		t = &ov->asked_back;
		r = overlay_requests_match(t, from, kind, identifier, now);
		trust = PEEL_TRUST_ASKED_BACK;
	}
	if (r == NULL) {
		peel_stats_add(ov->conf.stats, PEEL_INTRO_UNSOLICITED, 1);
		return 0;
	}
	int rc = overlay_authenticate(ov, from, s, trust);

	if (rc == -EAGAIN)
		return 0;
	/* A few wrong answers may be somebody else's guesses, but one question does not pay for any
	 * number of checks. */
	*found = rc == 0;
	if (rc == 0 || ++r->failures == FAILURES_MAX)
		overlay_requests_del(t, r);
	return rc;
}

/*
 * A matched and authentic answer proves that its sender is at @p from, if it was meant for us: an
 * answer that somebody in between hands on was meant for that node. An answer that is certainly for
 * us beats one that only may be; otherwise a peer that answers at its address keeps it for a while.
 * NULL: not for us, or no room.
 */
static struct ov_peer *
confirm(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const uint8_t pk[PEEL_PK_LEN], enum ov_dest dest)
{
	struct ov_peer *p = overlay_peers_by_key(&ov->peers, pk), *q;
	bool sure = dest == PEEL_DEST_OURS;

	if (dest == PEEL_DEST_FOREIGN)
		return NULL;
	if (p == NULL) {
		p = overlay_peers_add(&ov->peers, pk, from, overlay_now(ov));
		if (p == NULL)
			return NULL;
		p->weak = !sure;
	} else if (!peel_addr_equal(&p->addr, from)) {
		if (!may_move(ov, p) || !overlay_peers_room(&ov->peers, from))
			return NULL;
		overlay_peers_move(&ov->peers, p, from);
		p->weak = !sure;
	}
	p->weak &= !sure;
	p->probes = 0;
	p->answered_ms = overlay_now(ov);
	overlay_peers_join(&ov->peers, p, c);
	/* A socket has one key per community: any other entry there is a predecessor or a lie. */
	q = overlay_peers_at(&ov->peers, from, NULL);
	while (q != NULL) {
		if (q != p && (q->member & 1 << c) != 0) {
			overlay_peers_leave(&ov->peers, q, c);
			q = NULL; /* it may be gone: start over */
		}
		q = overlay_peers_at(&ov->peers, from, q);
	}
	return p;
}

int
overlay_intro_response(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_signed *s)
{
	bool new_style = s->id == PEEL_MSG_INTRO_RESPONSE_NEW, found;
	struct peel_intro_response m;
	uint16_t flags;

	if (peel_intro_response_parse(s->body, new_style, &m) != 0)
		return overlay_malformed(ov);
	int rc = overlay_intro_match(ov, from, s, (uint8_t)c, m.identifier, &found);

	if (!found)
		return rc;
	enum ov_dest dest = overlay_public_heard(ov, from, &m.dest, overlay_now(ov));

	peel_stats_add(ov->conf.stats,
		dest == PEEL_DEST_FOREIGN ? PEEL_INTRO_FOREIGN : PEEL_INTRO_RESPONSES, 1);
	bool known = overlay_peers_by_key(&ov->peers, s->pk.p) != NULL;
	struct ov_peer *p = NULL;

	if (!s->legacy) /* bootstrap servers are not peers */
		p = confirm(ov, c, from, s->pk.p, dest);
	if (p != NULL) {
		if (ov->conf.met != NULL)
			ov->conf.met(ov->conf.arg, c, from, s->pk.p);
		p->lan = m.src_lan;
		if (new_style || (m.bits & PEEL_BITS_RESPONSE_NEW_STYLE) != 0)
			p->new_style = true;
		if (announced_flags(c, m.extra, &flags))
			overlay_peers_flags(&ov->peers, p, flags);
		if (c == PEEL_COMMUNITY_DISCOVERY)
			overlay_similarity_send(ov, from);
		/* What it said in the tunnel overlay as a stranger is forgotten. Ask again, as it
		 * need not repeat it by itself. */
		if (!known && c != PEEL_COMMUNITY_TUNNEL)
			(void)overlay_intro_send(ov, PEEL_COMMUNITY_TUNNEL, from, p->new_style,
				PEEL_ASK_PEER, SIZE_MAX);
	}
	if (dest != PEEL_DEST_FOREIGN || s->legacy)
		overlay_walk_response(ov, c, from, &m, new_style);
	return 0;
}
