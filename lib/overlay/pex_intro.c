/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Introductions in a PEX overlay: those of every overlay, with seeder keys as extra bytes. Only an
 * answer to a question of ours says what a node introduces; a request may be an old one, replayed,
 * so it leads to a question at most.
 */
#include <errno.h>

#include "pex_internal.h"

/* A request from a node that is no peer yet. */
struct visit {
	struct peel_pex *p;
	struct pex_overlay *o;
	const struct peel_addr *from;
	const struct peel_signed *s;
	const struct peel_intro_request *m;
	bool speaks_new;
};

/* ---- our keys -------------------------------------------------------------------------------- */

/* An overlay with at most n of our keys as extra bytes. */
static struct ov_community
with_keys(struct peel_pex *p, const struct pex_overlay *o, struct peel_pex_keys *keys, size_t n,
	uint8_t extra[PEX_EXTRA_MAX])
{
	if (keys->n > n)
		keys->n = n;
	int len = peel_pex_keys_build(extra, PEX_EXTRA_MAX, keys);

	return (struct ov_community){
		.prefix = o->prefix,
		.extra = {extra, len < 0 ? 0 : (size_t)len},
		.kind = (uint16_t)(PEEL_REQUEST_PEX + (o - p->overlay)),
		.requests = &p->requests,
	};
}

/* With as many keys as fit. */
size_t
pex_ask(struct peel_pex *p, struct pex_overlay *o, const struct peel_addr *to, bool new_style,
	enum ov_asking why, size_t at_most)
{
	uint8_t extra[PEX_EXTRA_MAX];
	struct peel_pex_keys keys;
	size_t sent = 0;

	p->conf.keys(p->conf.arg, o->info_hash, &keys);
	for (size_t n = keys.n + 1; n-- > 0 && sent == 0;) {
		const struct ov_community c = with_keys(p, o, &keys, n, extra);

		sent = overlay_community_ask(p->ov, &c, to, new_style, why, at_most);
		if (at_most == SIZE_MAX)
			break;
	}
	return sent;
}

static size_t
answer(struct peel_pex *p, struct pex_overlay *o, const struct peel_addr *to,
	const struct peel_intro_request *m, bool new_style, const struct ov_contact *introduced,
	size_t at_most)
{
	uint8_t extra[PEX_EXTRA_MAX];
	struct peel_pex_keys keys;
	size_t sent = 0;

	p->conf.keys(p->conf.arg, o->info_hash, &keys);
	for (size_t n = keys.n + 1; n-- > 0 && sent == 0;) {
		const struct ov_community c = with_keys(p, o, &keys, n, extra);

		sent = overlay_community_answer(p->ov, &c, to, m, new_style, introduced, at_most);
	}
	return sent;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* @return false if there is nobody, or the asker has been introduced to enough. */
static bool
pick(const struct peel_pex *p, const struct pex_overlay *o, const struct peel_addr *to,
	const uint8_t *pk, bool new_style, bool proved, struct ov_contact *out)
{
	uint32_t n = o->known != NULL ? o->known->n_peers : 0;
	uint32_t first = n > 0 ? peel_random_below(p->ov->conf.env, n) : 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct pex_peer *peer = &o->known->peer[(first + i) % n];

		if (memcmp(peer->pk, pk, PEEL_PK_LEN) == 0 ||
			!overlay_introducible(p->ov, &peer->addr, to, new_style))
			continue;
		*out = (struct ov_contact){peer->addr, peer->lan, peer->new_style};
		return overlay_may_introduce(p->ov, to, proved);
	}
	return false;
}

static bool
lists_new_keys(
	const struct pex_overlay *o, const struct pex_peer *peer, const struct peel_pex_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++) {
		if (peel_pk_valid(keys->key[i]) && !pex_list_has(o, peer, keys->key[i].p))
			return true;
	}
	return false;
}

static void
serve_peer(struct peel_pex *p, struct pex_overlay *o, struct pex_peer *peer,
	const struct peel_intro_request *m, const struct peel_pex_keys *keys, bool speaks_new)
{
	struct ov_contact introduced;

	peer->lan = m->src_lan;
	peer->new_style |= speaks_new;
	bool any = pick(p, o, &peer->addr, peer->pk, peer->new_style, true, &introduced);

	(void)answer(p, o, &peer->addr, m, peer->new_style, any ? &introduced : NULL, SIZE_MAX);
	if (!lists_new_keys(o, peer, keys) || !pex_may_ask(p))
		return;
	peer->asked_ms = overlay_now(p->ov);
	(void)pex_ask(p, o, &peer->addr, peer->new_style, PEEL_ASK_PEER, SIZE_MAX);
}

static size_t
answer_stranger(void *arg, size_t at_most)
{
	const struct visit *v = arg;
	struct ov_contact introduced;
	bool any = pick(v->p, v->o, v->from, v->s->pk.p, v->speaks_new, false, &introduced);

	return answer(v->p, v->o, v->from, v->m, v->speaks_new, any ? &introduced : NULL, at_most);
}

static size_t
ask_stranger(void *arg, size_t at_most)
{
	const struct visit *v = arg;

	if (!pex_peer_welcome(v->o, v->from, v->s->pk.p, overlay_now(v->p->ov)) ||
		!overlay_may_ask_back(v->p->ov, v->from))
		return 0;
	return pex_ask(v->p, v->o, v->from, v->s->id == PEEL_MSG_INTRO_REQUEST_NEW,
		PEEL_ASK_STRANGER, at_most);
}

static int
on_request(struct peel_pex *p, struct pex_overlay *o, const struct peel_addr *from,
	const struct peel_signed *s)
{
	bool new_style = s->id == PEEL_MSG_INTRO_REQUEST_NEW;
	struct pex_peer *peer = pex_peer_at(o, from);
	struct peel_intro_request m;
	struct peel_pex_keys keys;

	if (peel_intro_request_parse(s->body, new_style, &m) != 0 ||
		peel_pex_keys_parse(m.extra.p, m.extra.len, &keys) != 0)
		return overlay_malformed(p->ov);
	if (peer != NULL && (s->legacy || memcmp(peer->pk, s->pk.p, PEEL_PK_LEN) != 0))
		peer = NULL;
	int rc = overlay_authenticate(
		p->ov, from, s, peer != NULL ? PEEL_TRUST_KNOWN : PEEL_TRUST_STRANGER);

	if (rc != 0)
		return rc == -EAGAIN ? 0 : rc;
	struct visit visit = {p, o, from, s, &m,
		new_style || (m.bits & PEEL_BITS_REQUEST_NEW_STYLE) != 0 ||
			from->family == PEEL_FAMILY_IPV6};

	if (peer != NULL)
		serve_peer(p, o, peer, &m, &keys, visit.speaks_new);
	else if (s->legacy) /* a bootstrap server, as elsewhere */
		(void)answer(p, o, from, &m, new_style, NULL, SIZE_MAX);
	else
		overlay_strangers_serve(p->ov, from, s->covered.len + s->signature.len,
			&(struct ov_stranger_service){answer_stranger, ask_stranger, &visit});
	return 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
learn(struct peel_pex *p, struct pex_overlay *o, const struct peel_addr *from,
	const struct peel_signed *s, const struct peel_intro_response *m,
	const struct peel_pex_keys *keys, bool new_style)
{
	uint64_t now = overlay_now(p->ov);
	struct pex_peer *peer = pex_peer_confirm(o, from, s->pk.p, now);

	if (peer == NULL)
		return;
	peer->lan = m->src_lan;
	peer->new_style |= new_style || (m->bits & PEEL_BITS_RESPONSE_NEW_STYLE) != 0;
	for (size_t i = 0; i < keys->n; i++) {
		if (peel_pk_valid(keys->key[i]))
			pex_list_add(o, peer, keys->key[i].p, now);
	}
}

static int
on_response(struct peel_pex *p, struct pex_overlay *o, const struct peel_addr *from,
	const struct peel_signed *s)
{
	bool new_style = s->id == PEEL_MSG_INTRO_RESPONSE_NEW, found;
	struct ov_walkable introduced[PEEL_OVERLAY_INTRODUCED];
	struct peel_intro_response m;
	struct peel_pex_keys keys;

	if (peel_intro_response_parse(s->body, new_style, &m) != 0 ||
		peel_pex_keys_parse(m.extra.p, m.extra.len, &keys) != 0)
		return overlay_malformed(p->ov);
	int rc = overlay_intro_match(p->ov, &p->requests, from, s,
		(uint16_t)(PEEL_REQUEST_PEX + (o - p->overlay)), m.identifier, &found);

	if (!found)
		return rc;
	bool foreign = overlay_public_judge(p->ov, from, &m.dest) == PEEL_DEST_FOREIGN;

	peel_stats_add(p->ov->conf.stats, foreign ? PEEL_INTRO_FOREIGN : PEEL_INTRO_RESPONSES, 1);
	if (foreign && !s->legacy)
		return 0;
	if (!s->legacy) /* bootstrap servers are not peers */
		learn(p, o, from, s, &m, &keys, new_style);
	size_t n = overlay_walk_introduced(p->ov, from, &m, new_style, introduced);

	for (size_t i = 0; i < n; i++)
		pex_walkable_add(o, &introduced[i], p->ov->conf.env);
	return 0;
}

int
pex_signed(struct peel_pex *p, struct pex_overlay *o, const struct peel_addr *from,
	const uint8_t *data, size_t len, bool response)
{
	struct peel_signed s;
	int rc = overlay_split(p->ov, from, data, len, &s);

	if (rc != 0)
		return rc;
	return response ? on_response(p, o, from, &s) : on_request(p, o, from, &s);
}
