/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Finding peers: ask the addresses that others told us one by one, ask known peers for more, and
 * ask bootstrap servers if there is nobody else. Source: protocol sections 8.2 (3, 4), 8.4, 8.6.
 */
#include "overlay_internal.h"

#define OUTSTANDING_MAX 5
#define WALKABLE_CHANCE 206 /* of 256: a new address rather than a known peer */
#define BOOTSTRAP_CHANCE 13 /* of 256: a bootstrap server rather than a known peer */
#define BOOTSTRAP_FIRST_MS 5000
#define BOOTSTRAP_INTERVAL_MS 30000
/* With enough peers nothing new is needed, but flags, public address and NAT mappings must stay
 * fresh. */
#define REFRESH_MS 10000

int
overlay_walk_init(struct ov_walk *w)
{
	w->bootstrap_wait_ms = BOOTSTRAP_FIRST_MS;
	return peel_chains_init(&w->by_addr, PEEL_OVERLAY_WALKABLE, PEEL_LINKS(w->entry, next));
}

void
overlay_walk_fini(struct ov_walk *w)
{
	peel_chains_fini(&w->by_addr);
}

/* ---- walkable addresses ---------------------------------------------------------------------- */

static uint64_t
hash(const struct peel_overlay *ov, const struct peel_addr *a)
{
	return peel_addr_hash(a, 4, ov->seed);
}

static bool
known(const struct peel_overlay *ov, const struct ov_walk *w, const struct peel_addr *a)
{
	uint32_t slot;

	PEEL_CHAIN_FOREACH (slot, &w->by_addr, hash(ov, a)) {
		if (peel_addr_equal(&w->entry[slot].addr, a))
			return true;
	}
	return false;
}

static void
take_out(struct peel_overlay *ov, struct ov_walk *w, uint32_t slot)
{
	uint32_t last = --w->n;

	peel_chains_del(&w->by_addr, hash(ov, &w->entry[slot].addr), slot);
	if (slot == last)
		return;
	peel_chains_del(&w->by_addr, hash(ov, &w->entry[last].addr), last);
	w->entry[slot] = w->entry[last];
	peel_chains_add(&w->by_addr, hash(ov, &w->entry[slot].addr), slot);
}

static bool
has_family(const struct peel_overlay *ov, uint8_t family)
{
	return ov->conf.lan.family == family || ov->public_address.family == family;
}

/* A stranger on the Internet must not make us probe our own network (@p local_ok). */
static bool
worth_asking(const struct peel_overlay *ov, const struct peel_addr *addr, bool local_ok)
{
	return peel_addr_usable(addr) && has_family(ov, addr->family) &&
	       !overlay_is_self(ov, addr) && !overlay_is_bootstrap(ov, addr) &&
	       (local_ok || !peel_addr_is_local(addr));
}

void
overlay_walk_offer(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *addr,
	bool new_style, bool local_ok)
{
	struct ov_walk *w = &ov->walk[c];

	if (!worth_asking(ov, addr, local_ok) || known(ov, w, addr) ||
		overlay_peers_member_at(&ov->peers, addr, c) != NULL)
		return;
	if (w->n == PEEL_OVERLAY_WALKABLE)
		take_out(ov, w, peel_random_below(ov->conf.env, w->n));
	w->entry[w->n] = (struct ov_walkable){.addr = *addr, .new_style = new_style};
	peel_chains_add(&w->by_addr, hash(ov, addr), w->n);
	w->n++;
}

/* The responder has an address in another family of ours. */
static bool
has_other_family(const struct peel_overlay *ov, const struct peel_addr *from,
	const struct peel_intro_response *m, bool new_style)
{
	return new_style && m->src_wan.family != from->family &&
	       worth_asking(ov, &m->src_wan, false);
}

size_t
overlay_walk_introduced(const struct peel_overlay *ov, const struct peel_addr *from,
	const struct peel_intro_response *m, bool new_style, struct ov_walkable *out)
{
	bool intro_new = (m->bits & (new_style ? PEEL_BITS_INTRO_NEW_233
					       : PEEL_BITS_RESPONSE_INTRO_NEW)) != 0;
	const struct peel_addr *lan = &m->lan_intro, *wan = &m->wan_intro;
	bool local_ok = peel_addr_is_local(from), local_lan = local_ok;
	struct peel_addr at_lan = *lan;
	size_t n = 0;

	if (ov->public_address.family != PEEL_FAMILY_NONE &&
		peel_addr_same_ip(wan, &ov->public_address)) {
		/* Local addresses make sense only behind our own NAT. */
		local_lan = overlay_in_local_network(ov);
		if (peel_addr_is_none(lan)) {
			at_lan = ov->conf.lan;
			at_lan.port = wan->port;
		} else {
			wan = NULL;
		}
	}
	if (worth_asking(ov, &at_lan, local_lan))
		out[n++] = (struct ov_walkable){.addr = at_lan, .new_style = intro_new};
	if (wan != NULL && worth_asking(ov, wan, local_ok))
		out[n++] = (struct ov_walkable){.addr = *wan, .new_style = intro_new};
	if (has_other_family(ov, from, m, new_style))
		out[n++] = (struct ov_walkable){.addr = m->src_wan, .new_style = true};
	return n;
}

void
overlay_walk_response(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const struct peel_intro_response *m, bool new_style)
{
	struct ov_walkable introduced[PEEL_OVERLAY_INTRODUCED];
	size_t n = overlay_walk_introduced(ov, from, m, new_style, introduced);

	for (size_t i = 0; i < n; i++)
		overlay_walk_offer(ov, c, &introduced[i].addr, introduced[i].new_style, true);
	/* It is reachable there once its other interface expects us. */
	if (has_other_family(ov, from, m, new_style) &&
		ov->public_address.family == m->src_wan.family) {
		struct peel_puncture_request ask = {
			.lan_walker = ov->conf.lan,
			.wan_walker = ov->public_address,
			.identifier = m->identifier,
		};

		overlay_puncture_ask(ov, ov->prefix[c], true, from, &ask);
	}
}

/* ---- walking --------------------------------------------------------------------------------- */

static bool
ask_walkable(struct peel_overlay *ov, enum peel_community c)
{
	struct ov_walk *w = &ov->walk[c];

	while (w->n > 0) {
		uint32_t slot = peel_random_below(ov->conf.env, w->n);
		struct ov_walkable e = w->entry[slot];

		/* Remove it in any case: an answer makes it a peer, and a silent address is not
		 * asked again. */
		take_out(ov, w, slot);
		if (overlay_peers_member_at(&ov->peers, &e.addr, c) == NULL &&
			overlay_intro_send(ov, c, &e.addr, e.new_style, PEEL_ASK_WALK, SIZE_MAX) >
				0)
			return true;
	}
	return false;
}

static bool
ask_peer(struct peel_overlay *ov, enum peel_community c)
{
	uint32_t n = ov->peers.n[c];

	if (n == 0)
		return false;
	uint32_t slot = ov->peers.list[c][peel_random_below(ov->conf.env, n)].slot;
	const struct ov_peer *p = &ov->peers.peer[slot];

	overlay_intro_send(ov, c, &p->addr, p->new_style, PEEL_ASK_WALK, SIZE_MAX);
	return true;
}

/* Ask all of them, with growing pauses at first, so that a newly started network comes together
 * quickly. */
static void
bootstrap(struct peel_overlay *ov, enum peel_community c, uint64_t now)
{
	struct ov_walk *w = &ov->walk[c];

	if (now < w->bootstrap_at)
		return;
	w->bootstrap_at = now + w->bootstrap_wait_ms;
	w->bootstrap_wait_ms *= 2;
	if (w->bootstrap_wait_ms > BOOTSTRAP_INTERVAL_MS)
		w->bootstrap_wait_ms = BOOTSTRAP_INTERVAL_MS;
	for (size_t i = 0; i < ov->n_bootstrap; i++) {
		const struct peel_addr *to = &ov->bootstrap[i];

		if (!overlay_is_self(ov, to))
			overlay_intro_send(
				ov, c, to, to->family == PEEL_FAMILY_IPV6, PEEL_ASK_PEER, SIZE_MAX);
	}
}

void
overlay_walk_tick(struct peel_overlay *ov, enum peel_community c, uint64_t now)
{
	struct ov_walk *w = &ov->walk[c];
	uint32_t n_peers = ov->peers.n[c];
	const struct peel_env *env = ov->conf.env;
	bool enough = ov->conf.walk_target >= 0 && n_peers >= (uint32_t)ov->conf.walk_target;

	if (n_peers == 0)
		bootstrap(ov, c, now);
	if (enough) {
		if (now >= w->refresh_at && n_peers > 0) {
			w->refresh_at = now + REFRESH_MS;
			ask_peer(ov, c);
		}
		return;
	}
	if (overlay_requests_walking(&ov->requests, (uint16_t)c, now) >= OUTSTANDING_MAX)
		return;
	if (peel_random_below(env, 256) < WALKABLE_CHANCE && ask_walkable(ov, c))
		return;
	if (ov->n_bootstrap > 0 && n_peers > 0 && peel_random_below(env, 256) < BOOTSTRAP_CHANCE) {
		const struct peel_addr *to =
			&ov->bootstrap[peel_random_below(env, (uint32_t)ov->n_bootstrap)];

		if (!overlay_is_self(ov, to))
			overlay_intro_send(
				ov, c, to, to->family == PEEL_FAMILY_IPV6, PEEL_ASK_WALK, SIZE_MAX);
		return;
	}
	ask_peer(ov, c);
}
