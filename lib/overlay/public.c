/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Our own address as others see it, and whether an answer that names one is meant for us. Only
 * matched answers vote, with one vote per subnet, and a majority of at least two decides; a single
 * vote counts only while it is the only one. Counter-measures W6, W7.
 */
#include "overlay_internal.h"

#define VOTE_LIFE_MS (10 * 60 * 1000)

static void
forget_old(struct peel_overlay *ov, uint64_t now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < ov->n_votes; i++) {
		if (now - ov->vote[i].at_ms < VOTE_LIFE_MS)
			ov->vote[kept++] = ov->vote[i];
	}
	ov->n_votes = kept;
}

static uint32_t
votes_for(const struct peel_overlay *ov, const struct peel_addr *a)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < ov->n_votes; i++)
		n += peel_addr_equal(&ov->vote[i].seen, a);
	return n;
}

/* The winning address among local or among global ones, or NULL. */
static const struct peel_addr *
winner(const struct peel_overlay *ov, bool local)
{
	const struct peel_addr *best = NULL;
	uint32_t best_n = 0, voices = 0;

	for (uint32_t i = 0; i < ov->n_votes; i++) {
		const struct peel_addr *a = &ov->vote[i].seen;

		if (peel_addr_is_local(a) != local)
			continue;
		uint32_t n = votes_for(ov, a);

		voices++;
		if (n > best_n || (n == best_n && peel_addr_equal(a, &ov->public_address))) {
			best = a;
			best_n = n;
		}
	}
	return best_n >= 2 || voices == 1 ? best : NULL;
}

static void
decide(struct peel_overlay *ov)
{
	char text[PEEL_ADDR_TEXT_MAX];
	const struct peel_addr *a = winner(ov, false);

	/* A local address is used only until a global one is known. */
	if (a == NULL && (ov->public_address.family == PEEL_FAMILY_NONE ||
				 peel_addr_is_local(&ov->public_address)))
		a = winner(ov, true);
	if (a == NULL || peel_addr_equal(a, &ov->public_address))
		return;
	ov->public_address = *a;
	peel_log(PEEL_LOG_INFO, "overlay: public address is %s", peel_addr_text(a, text));
	if (ov->conf.public_changed != NULL)
		ov->conf.public_changed(ov->conf.arg, &ov->public_address);
}

static void
vote(struct peel_overlay *ov, const struct peel_addr *voter, const struct peel_addr *seen,
	uint64_t now)
{
	struct peel_addr subnet = overlay_addr_subnet(voter);
	struct ov_vote *v = NULL;

	forget_old(ov, now);
	for (uint32_t i = 0; i < ov->n_votes && v == NULL; i++) {
		if (peel_addr_equal(&ov->vote[i].voter, &subnet))
			v = &ov->vote[i];
	}
	if (v == NULL && ov->n_votes < PEEL_OVERLAY_VOTES)
		v = &ov->vote[ov->n_votes++];
	if (v == NULL) {
		v = &ov->vote[0];
		for (uint32_t i = 1; i < ov->n_votes; i++) {
			if (ov->vote[i].at_ms < v->at_ms)
				v = &ov->vote[i];
		}
	}
	*v = (struct ov_vote){.voter = subnet, .seen = *seen, .at_ms = now};
	if (ov->conf.public_address.family == PEEL_FAMILY_NONE)
		decide(ov);
}

/* ---- is an answer for us? -------------------------------------------------------------------- */

static bool
same_kind(const struct peel_addr *a, const struct peel_addr *b)
{
	return a->family == b->family && peel_addr_is_local(a) == peel_addr_is_local(b);
}

/* A NAT that gives us other ports than our own may give each peer a different one. */
static bool
agree(const struct peel_overlay *ov, const struct peel_addr *a, const struct peel_addr *b)
{
	return peel_addr_same_ip(a, b) &&
	       (a->port == b->port || (a->port != ov->port && b->port != ov->port));
}

/* Two subnets that agree are enough if they are a third of all: a node may have several public
 * addresses. */
static bool
agreed_on(const struct peel_overlay *ov, const struct peel_addr *seen)
{
	uint32_t n = 0, all = 0;

	for (uint32_t i = 0; i < ov->n_votes; i++) {
		all += same_kind(&ov->vote[i].seen, seen);
		n += agree(ov, &ov->vote[i].seen, seen);
	}
	return n >= 2 && 3 * n >= all;
}

static bool
listens_everywhere(const struct peel_overlay *ov)
{
	return ov->conf.lan.port == 0;
}

bool
overlay_public_settled(const struct peel_overlay *ov, const struct peel_addr *peer)
{
	const struct peel_addr *lan = &ov->conf.lan;

	if (same_kind(&ov->conf.public_address, peer))
		return true;
	/* There is no NAT between us and the others. */
	if (!listens_everywhere(ov) && same_kind(lan, peer) &&
		(!peel_addr_is_local(lan) ||
			(peel_addr_is_loopback(lan) && peel_addr_is_loopback(peer))))
		return true;
	for (uint32_t i = 0; i < ov->n_votes; i++) {
		if (same_kind(&ov->vote[i].seen, peer) && agreed_on(ov, &ov->vote[i].seen))
			return true;
	}
	return false;
}

enum ov_dest
overlay_public_judge(
	const struct peel_overlay *ov, const struct peel_addr *voter, const struct peel_addr *seen)
{
	/* The voter handed our question on: another node saw it come from the voter's address. */
	if (!peel_addr_usable(seen) || peel_addr_equal(seen, voter))
		return PEEL_DEST_FOREIGN;
	if (peel_addr_equal(seen, &ov->conf.public_address) ||
		peel_addr_equal(seen, &ov->conf.lan) || agreed_on(ov, seen))
		return PEEL_DEST_OURS;
	if (listens_everywhere(ov) && peel_addr_is_loopback(voter) && peel_addr_is_loopback(seen) &&
		seen->port == ov->port)
		return PEEL_DEST_OURS;
	if (overlay_public_settled(ov, seen) || peel_overlay_proved(ov, seen))
		return PEEL_DEST_FOREIGN;
	return PEEL_DEST_PLAUSIBLE;
}

enum ov_dest
overlay_public_heard(struct peel_overlay *ov, const struct peel_addr *voter,
	const struct peel_addr *seen, uint64_t now)
{
	/* Nobody on the Internet sees us at a local address. */
	if (peel_addr_usable(seen) && !peel_addr_equal(seen, voter) &&
		(!peel_addr_is_local(seen) || peel_addr_is_local(voter)))
		vote(ov, voter, seen, now);
	return overlay_public_judge(ov, voter, seen);
}

bool
peel_overlay_public(const struct peel_overlay *ov, struct peel_addr *out)
{
	*out = ov->public_address;
	return out->family != PEEL_FAMILY_NONE;
}
