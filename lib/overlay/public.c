/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Our own public address, as the others see it. Only matched answers vote, one vote per subnet, and a majority of at
 * least two decides; a single voice counts only while it is the only one. Counter-measure W7.
 */
#include "internal.h"

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

/* The address that wins among local or among global ones, or NULL. */
static const struct peel_addr *
winner(const struct peel_overlay *ov, bool local)
{
	const struct peel_addr *best = NULL;
	uint32_t best_n = 0, voices = 0;

	for (uint32_t i = 0; i < ov->n_votes; i++) {
		const struct peel_addr *a = &ov->vote[i].seen;

		if (peel_overlay_addr_local(a) != local)
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
				 peel_overlay_addr_local(&ov->public_address)))
		a = winner(ov, true);
	if (a == NULL || peel_addr_equal(a, &ov->public_address))
		return;
	ov->public_address = *a;
	peel_log(PEEL_LOG_INFO, "overlay: public address is %s", peel_addr_text(a, text));
	if (ov->conf.public_changed != NULL)
		ov->conf.public_changed(ov->conf.arg, &ov->public_address);
}

void
peel_overlay_public_vote(struct peel_overlay *ov, const struct peel_addr *voter,
	const struct peel_addr *seen, uint64_t now)
{
	struct peel_addr subnet = peel_overlay_addr_subnet(voter);
	struct ov_vote *v = NULL;

	if (ov->conf.public_address.family != PEEL_FAMILY_NONE || !peel_overlay_addr_usable(seen))
		return;
	/* Nobody on the Internet sees us under a local address. */
	if (peel_overlay_addr_local(seen) && !peel_overlay_addr_local(voter))
		return;
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
	decide(ov);
}

bool
peel_overlay_public(const struct peel_overlay *ov, struct peel_addr *out)
{
	*out = ov->public_address;
	return out->family != PEEL_FAMILY_NONE;
}
