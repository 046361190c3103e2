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
#define INTRO_MAX 1280 /* with the keys of a PEX overlay, section 20 */

/* One of the node's own communities, as seen here. */
static struct ov_community
community_of(struct peel_overlay *ov, enum peel_community c)
{
	return (struct ov_community){
		.prefix = ov->prefix[c],
		.extra = {ov->own_flags, c == PEEL_COMMUNITY_TUNNEL ? sizeof(ov->own_flags) : 0},
		.kind = (uint16_t)c,
		.requests = &ov->requests,
	};
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
remember(struct peel_overlay *ov, const struct ov_community *c, const struct peel_addr *to,
	uint16_t identifier, enum ov_asking why)
{
	uint64_t now = overlay_now(ov);
	struct ov_requests *t = why == PEEL_ASK_STRANGER ? &ov->asked_back : c->requests;

	return overlay_requests_add(t, to, c->kind, identifier, why == PEEL_ASK_WALK, now) == 0;
}

static struct peel_writer
write_request(struct peel_overlay *ov, const struct ov_community *c, bool new_style,
	const struct peel_intro_request *m, uint8_t *buffer, size_t size)
{
	struct peel_writer w = overlay_begin(ov, c->prefix,
		new_style ? PEEL_MSG_INTRO_REQUEST_NEW : PEEL_MSG_INTRO_REQUEST,
		++ov->clock & 0xffff, buffer, size);

	peel_intro_request_write(&w, new_style, m);
	return w;
}

size_t
overlay_community_ask(struct peel_overlay *ov, const struct ov_community *c,
	const struct peel_addr *to, bool new_style, enum ov_asking why, size_t at_most)
{
	uint64_t now = overlay_now(ov);
	uint8_t buffer[INTRO_MAX];
	struct peel_intro_request m = {
		.dest = *to,
		.src_lan = ov->conf.lan,
		.src_wan = ov->public_address,
		.identifier = peel_random_u16(ov->conf.env),
		.extra = c->extra,
	};

	/*
	 * The walk waits for an answer. Asking back does not: a node that asks us now may have been
	 * down when we asked it, and would otherwise have to wait for seconds to become a
	 * candidate.
	 */
	uint64_t pause = why == PEEL_ASK_WALK ? PEEL_OVERLAY_LOST_MS : PEEL_OVERLAY_REPEAT_MS;

	if (overlay_requests_recent(c->requests, to, c->kind, now, pause) ||
		overlay_requests_recent(&ov->asked_back, to, c->kind, now, pause))
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

size_t
overlay_intro_send(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *to,
	bool new_style, enum ov_asking why, size_t at_most)
{
	const struct ov_community community = community_of(ov, c);

	return overlay_community_ask(ov, &community, to, new_style, why, at_most);
}

void
overlay_intro_probe(struct peel_overlay *ov, struct ov_peer *p, enum peel_community c, uint64_t now)
{
	p->probed_ms = now;
	p->probes++;
	overlay_intro_send(ov, c, &p->addr, p->new_style, PEEL_ASK_PEER, SIZE_MAX);
}

/* ---- answering ------------------------------------------------------------------------------- */

bool
overlay_introducible(const struct peel_overlay *ov, const struct peel_addr *addr,
	const struct peel_addr *to, bool new_style)
{
	if (peel_addr_equal(addr, to) || (!new_style && addr->family != PEEL_FAMILY_IPV4))
		return false;
	/* From outside, a neighbour in our network is reachable only through our public address. */
	if (peel_addr_is_local(addr) && !peel_addr_is_local(to))
		return ov->public_address.family == addr->family &&
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

		if (memcmp(p->pk, pk, PEEL_PK_LEN) != 0 &&
			overlay_introducible(ov, &p->addr, to, new_style))
			return p;
	}
	return NULL;
}

/* The addresses at which the introduced peer can be reached. */
static void
fill_introduction(
	const struct peel_overlay *ov, const struct ov_contact *p, struct peel_intro_response *m)
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
write_response(struct peel_overlay *ov, const struct ov_community *c, bool new_style,
	const struct peel_intro_response *m, uint8_t *buffer, size_t size)
{
	struct peel_writer w = overlay_begin(ov, c->prefix,
		new_style ? PEEL_MSG_INTRO_RESPONSE_NEW : PEEL_MSG_INTRO_RESPONSE,
		++ov->clock & 0xffff, buffer, size);

	peel_intro_response_write(&w, new_style, m);
	return w;
}

/* The introduced peer's NAT has to let the walker in. */
static void
ask_for_puncture(struct peel_overlay *ov, const struct ov_community *c,
	const struct peel_addr *walker, const struct peel_intro_request *request, bool new_style,
	const struct ov_contact *introduced)
{
	struct peel_puncture_request ask = {
		.lan_walker =
			peel_addr_is_local(&request->src_lan) ? request->src_lan : request->dest,
		.wan_walker = *walker,
		.identifier = request->identifier,
	};

	overlay_puncture_ask(ov, c->prefix, new_style, &introduced->addr, &ask);
}

size_t
overlay_community_answer(struct peel_overlay *ov, const struct ov_community *c,
	const struct peel_addr *from, const struct peel_intro_request *request, bool new_style,
	const struct ov_contact *introduced, size_t at_most)
{
	uint8_t buffer[INTRO_MAX];
	struct peel_intro_response m = {
		.dest = *from,
		.src_lan = ov->conf.lan,
		.src_wan = ov->public_address,
		.identifier = request->identifier,
		.bits = new_style ? 0 : PEEL_BITS_RESPONSE_NEW_STYLE,
		.extra = c->extra,
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

static size_t
answer(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_intro_request *request, bool new_style, const struct ov_peer *introduced,
	size_t at_most)
{
	const struct ov_community community = community_of(ov, c);
	struct ov_contact contact;

	if (introduced != NULL)
		contact = (struct ov_contact){
			introduced->addr, introduced->lan, introduced->new_style};
	return overlay_community_answer(ov, &community, from, request, new_style,
		introduced != NULL ? &contact : NULL, at_most);
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

/* A request of a node that is no peer yet. */
struct visit {
	struct peel_overlay *ov;
	enum peel_community c;
	const struct peel_addr *from;
	const struct peel_signed *s;
	const struct peel_intro_request *m;
	bool speaks_new;
};

static size_t
answer_stranger(void *arg, size_t at_most)
{
	const struct visit *v = arg;
	const struct ov_peer *introduced = pick(v->ov, v->c, v->from, v->s->pk.p, v->speaks_new);

	if (introduced != NULL && !overlay_may_introduce(v->ov, v->from, false))
		introduced = NULL;
	return answer(v->ov, v->c, v->from, v->m, v->speaks_new, introduced, at_most);
}

static size_t
ask_stranger(void *arg, size_t at_most)
{
	const struct visit *v = arg;
	const struct ov_peer *elsewhere = overlay_peers_by_key(&v->ov->peers, v->s->pk.p);
	bool useful = elsewhere != NULL ? may_move(v->ov, elsewhere)
					: overlay_peers_room(&v->ov->peers, v->from);

	if (!useful || !overlay_may_ask_back(v->ov, v->from))
		return 0;
	return overlay_intro_send(v->ov, v->c, v->from, v->s->id == PEEL_MSG_INTRO_REQUEST_NEW,
		PEEL_ASK_STRANGER, at_most);
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
	struct visit visit = {ov, c, from, s, &m,
		new_style || (m.bits & PEEL_BITS_REQUEST_NEW_STYLE) != 0 ||
			from->family == PEEL_FAMILY_IPV6};

	if (p != NULL)
		serve_peer(ov, c, p, &m, visit.speaks_new);
	else
		overlay_strangers_serve(ov, from, s->covered.len + s->signature.len,
			&(struct ov_stranger_service){answer_stranger, ask_stranger, &visit});
	return 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

int
overlay_intro_match(struct peel_overlay *ov, struct ov_requests *t, const struct peel_addr *from,
	const struct peel_signed *s, uint16_t kind, uint16_t identifier, bool *found)
{
	uint64_t now = overlay_now(ov);
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
	int rc = overlay_intro_match(ov, &ov->requests, from, s, (uint16_t)c, m.identifier, &found);

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
