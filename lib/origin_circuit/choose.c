/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "origin_internal.h"
#include "peel_policy.h"

/* Chooses the next hop: sections 15.1, 15.3 and 15.4. */

bool
origin_usable(const struct peel_addr *a)
{
	return a->port != 0 && (a->family == PEEL_FAMILY_IPV4 || a->family == PEEL_FAMILY_IPV6);
}

/* Local addresses say nothing about a node's operator: every network has the same ones. */
static bool
is_public(const struct peel_addr *a)
{
	static const struct peel_policy internet; /* allows public addresses only */

	return peel_policy_destination(&internet, a);
}

/* Nodes in the same network are likely to have the same operator, who would see both ends of the
 * traffic. */
bool
origin_same_network(const struct peel_addr *a, const struct peel_addr *b)
{
	size_t n = a->family == PEEL_FAMILY_IPV4 ? 2 : 4;

	return a->family == b->family && memcmp(a->ip, b->ip, n) == 0 && is_public(a) &&
	       is_public(b);
}

static bool
near_a_hop(const struct peel_origin_circuits *t, const struct origin_circuit *tn,
	const struct peel_addr *a)
{
	const struct build *b = tn->build;

	if (t->conf.settings.allow_same_network)
		return false;
	if (b->exit_required && origin_same_network(a, &b->exit.addr))
		return true;
	for (unsigned int i = 0; i < tn->n_hops; i++) {
		if (origin_same_network(a, &tn->hop[i].addr))
			return true;
	}
	return false;
}

static bool
same_key(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, PEEL_PK_LEN) == 0;
}

static bool
is_last(const struct origin_circuit *tn)
{
	return tn->n_hops + 1 == tn->goal;
}

static bool
is_avoided(const uint8_t (*avoid)[PEEL_PK_LEN], size_t n, const uint8_t *pk)
{
	for (size_t i = 0; i < n; i++) {
		if (same_key(pk, avoid[i]))
			return true;
	}
	return false;
}

static bool
to_avoid(const struct origin_circuit *tn, const uint8_t *pk)
{
	return is_avoided(tn->build->avoid, tn->build->n_avoid, pk);
}

bool
origin_is_banned(
	const struct peel_origin_circuits *t, const struct peel_addr *addr, const uint8_t *pk)
{
	return t->conf.banned != NULL && t->conf.banned(t->conf.arg, addr, pk);
}

/* Exclude ourselves, banned nodes, nodes used or tried already, and nodes that lately did not
 * answer; the required exit has its place already. */
static bool
key_excluded(
	const struct peel_origin_circuits *t, const struct origin_circuit *tn, const uint8_t *pk)
{
	const struct build *b = tn->build;

	if (!peel_pk_valid((struct peel_span){pk, PEEL_PK_LEN}) ||
		same_key(pk, t->conf.identity->pk) || origin_is_banned(t, NULL, pk) ||
		(b->exit_required && same_key(pk, b->exit.pk)) || (is_last(tn) && to_avoid(tn, pk)))
		return true;
	for (unsigned int i = 0; i < b->n_tried; i++) { /* includes all hops */
		if (same_key(pk, b->tried[i]))
			return true;
	}
	return false;
}

static bool
target_excluded(const struct peel_origin_circuits *t, const struct origin_circuit *tn,
	const struct peel_target *target)
{
	return !origin_usable(&target->addr) || key_excluded(t, tn, target->pk) ||
	       origin_is_banned(t, &target->addr, NULL) || near_a_hop(t, tn, &target->addr);
}

/* ---- the end, before it is chosen ------------------------------------------------------------ */

static uint16_t
end_flags(const struct origin_circuit *tn)
{
	return tn->build->exit_flags != 0 ? tn->build->exit_flags : PEEL_FLAG_EXIT_BT;
}

static bool
may_be_last(const struct origin_circuit *tn, const struct peel_target *target)
{
	return (target->flags & end_flags(tn)) == end_flags(tn);
}

/* The nodes that the circuit may end at, as long as that is open. */
struct ends {
	struct peel_target list[CANDIDATES_ASKED];
	size_t n;
};

static void
find_ends(struct peel_origin_circuits *t, const struct origin_circuit *tn, struct ends *out)
{
	size_t n = 0;

	out->n = 0;
	if (!is_last(tn) && !tn->build->exit_required)
		n = t->conf.candidates(
			t->conf.arg, end_flags(tn), 0, out->list, PEEL_ARRAY_LEN(out->list));
	/* Those to avoid are kept in mind only while there is no other. */
	for (int avoid = 1; avoid >= 0 && out->n == 0; avoid--) {
		for (size_t i = 0; i < n; i++) {
			if (!target_excluded(t, tn, &out->list[i]) &&
				!(avoid && to_avoid(tn, out->list[i].pk)))
				out->list[out->n++] = out->list[i];
		}
	}
}

#define TOLD (PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT) /* shown by the place in a candidate list */

/* Lists do not say which nodes can do more. */
static bool
only_we_know_ends(const struct origin_circuit *tn)
{
	return !tn->build->exit_required && (end_flags(tn) & ~TOLD) != 0;
}

/* A path through the only exit, or through the only network with exits, cannot end. */
static bool
leaves_an_end(const struct peel_origin_circuits *t, const struct origin_circuit *tn,
	const struct ends *ends, const struct peel_target *target)
{
	if (is_last(tn) || tn->build->exit_required)
		return true;
	for (size_t i = 0; i < ends->n; i++) {
		const struct peel_target *end = &ends->list[i];

		if (!same_key(end->pk, target->pk) &&
			(t->conf.settings.allow_same_network ||
				!origin_same_network(&end->addr, &target->addr)))
			return true;
	}
	return false;
}

/* ---- first hop ------------------------------------------------------------------------------- */

void
origin_first_failed(struct peel_origin_circuits *t, const uint8_t pk[PEEL_PK_LEN])
{
	struct failed *f = &t->failed[t->failed_at++ % FAILED_MAX];

	memcpy(f->pk, pk, PEEL_PK_LEN);
	f->until_ms = origin_now(t) + FAILED_MS;
}

static bool
failed_lately(const struct peel_origin_circuits *t, const uint8_t *pk)
{
	uint64_t now = origin_now(t);

	/* Newest first: once one has expired, so have all older ones. */
	for (uint64_t i = t->failed_at; i > 0 && t->failed_at - i < FAILED_MAX; i--) {
		const struct failed *f = &t->failed[(i - 1) % FAILED_MAX];

		if (f->until_ms <= now)
			break;
		if (same_key(f->pk, pk))
			return true;
	}
	return false;
}

/* Circuits of the same type that begin, or try to begin, at that node. */
static uint32_t
uses(const struct peel_origin_circuits *t, const struct origin_circuit *tn, const uint8_t *pk)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct origin_circuit *other = t->list[i];

		if (other == tn || other->type != tn->type || other->state == PEEL_ORIGIN_CLOSING)
			continue;
		n += same_key(pk, other->n_hops > 0 ? other->hop[0].pk : other->build->target.pk);
	}
	return n;
}

/* What speaks against a first hop. Each of these outweighs all before it, and the number of
 * circuits that use the node already, which counts one each. */
enum against {
	AGAINST_FAILED_LATELY = 1 << 24,
	AGAINST_MAY_BE_LAST = 1 << 25,
	AGAINST_LEADS_NOWHERE = 1 << 26,
};

/* The best of @p n, at random among equals. 0 or -EAGAIN. */
static int
pick_first(struct peel_origin_circuits *t, const struct origin_circuit *tn,
	const struct peel_target *list, size_t n, struct peel_target *out)
{
	/* The past can mislead: when an exit disappears, the hops before it get the blame. Then
	 * another exit, least used and never blamed, comes first in all new circuits and last in
	 * none. So when circuits fail, exits are kept for the end, but only half of the time, at
	 * random. */
	bool unlucky = tn->pooled && t->pool[tn->goal].backoff_ms != 0;
	bool chance = unlucky && peel_random_below(t->env, 2) == 0;
	bool keep_exits = unlucky && !chance;
	uint32_t best = UINT32_MAX, equals = 0;
	struct ends ends;

	find_ends(t, tn, &ends);
	for (size_t i = 0; i < n; i++) {
		bool leads_on = leaves_an_end(t, tn, &ends, &list[i]);

		if (target_excluded(t, tn, &list[i]) || (!leads_on && only_we_know_ends(tn)))
			continue;
		uint32_t score = 0;

		if (!chance)
			score += uses(t, tn, list[i].pk) +
				 ((list[i].flags & PEEL_FLAG_EXIT_BT) != 0) +
				 (failed_lately(t, list[i].pk) ? AGAINST_FAILED_LATELY : 0);
		if (keep_exits && may_be_last(tn, &list[i]))
			score += AGAINST_MAY_BE_LAST;
		if (!leads_on)
			score += AGAINST_LEADS_NOWHERE;
		if (score < best) {
			best = score;
			equals = 0;
		}
		if (score == best && peel_random_below(t->env, ++equals) == 0)
			*out = list[i];
	}
	return equals > 0 ? 0 : -EAGAIN;
}

static int
ask_first(struct peel_origin_circuits *t, const struct origin_circuit *tn, uint16_t all,
	uint16_t none, struct peel_target *out)
{
	struct peel_target list[CANDIDATES_ASKED];
	size_t n = t->conf.candidates(t->conf.arg, all, none, list, CANDIDATES_ASKED);

	return pick_first(t, tn, list, n, out);
}

/* The exit itself. */
static int
choose_only(
	struct peel_origin_circuits *t, const struct origin_circuit *tn, struct peel_target *out)
{
	const struct build *b = tn->build;
	uint16_t flags = b->exit_flags;
	int ret = -EAGAIN;

	if (b->exit_required) {
		*out = b->exit;
		/* Only one attempt. */
		return b->n_tried == 0 && origin_usable(&out->addr) ? 0 : -EAGAIN;
	}
	if (flags == 0 && tn->type == PEEL_ORIGIN_RP_SEEDER)
		ret = ask_first(t, tn, PEEL_FLAG_RELAY, 0, out);
	if (flags == 0)
		flags = PEEL_FLAG_EXIT_BT;
	if (ret != 0)
		ret = ask_first(t, tn, flags, PEEL_FLAG_EXIT_BACKUP, out);
	return ret == 0 ? 0 : ask_first(t, tn, flags, 0, out);
}

int
origin_choose_first(
	struct peel_origin_circuits *t, const struct origin_circuit *tn, struct peel_target *out)
{
	if (tn->goal == 1)
		return choose_only(t, tn, out);
	return ask_first(t, tn, PEEL_FLAG_RELAY, 0, out);
}

static bool
may_be_point(const struct peel_origin_circuits *t, const struct peel_origin_spec *spec,
	const struct peel_target *target)
{
	return peel_pk_valid((struct peel_span){target->pk, PEEL_PK_LEN}) &&
	       !same_key(target->pk, t->conf.identity->pk) && origin_usable(&target->addr) &&
	       !origin_is_banned(t, &target->addr, target->pk) &&
	       !is_avoided(spec->avoid, spec->n_avoid, target->pk);
}

int
origin_choose_point(struct peel_origin_circuits *t, const struct peel_origin_spec *spec,
	struct peel_target *out)
{
	static const uint16_t flags[] = {PEEL_FLAG_EXIT_BT, PEEL_FLAG_EXIT_IPV8, PEEL_FLAG_RELAY};
	struct peel_target list[CANDIDATES_ASKED];

	for (size_t i = 0; i < PEEL_ARRAY_LEN(flags); i++) {
		size_t n = t->conf.candidates(t->conf.arg, flags[i], 0, list, CANDIDATES_ASKED);
		uint32_t equals = 0;

		for (size_t k = 0; k < n; k++) {
			if (may_be_point(t, spec, &list[k]) &&
				peel_random_below(t->env, ++equals) == 0)
				*out = list[k];
		}
		if (equals > 0)
			return 0;
	}
	return -EAGAIN;
}

/* ---- further hops ---------------------------------------------------------------------------- */

void
origin_offered(struct origin_circuit *tn, const struct peel_candidates *list)
{
	struct build *b = tn->build;
	bool last = is_last(tn);
	/* Exits at the end, relays before; exits also serve as relays if there are no others. */
	size_t from = last || list->n_relays == 0 ? list->n_relays : 0;
	size_t to = last || list->n_relays == 0 ? list->n : list->n_relays;

	b->n_offered = b->n_own = 0;
	for (size_t i = from; i < to && b->n_offered < OFFERED_MAX; i++) {
		if (peel_pk_valid(list->key[i]))
			memcpy(b->offered[b->n_offered++], list->key[i].p, PEEL_PK_LEN);
	}
}

static bool
is_offered(const struct build *b, const uint8_t *pk)
{
	for (unsigned int i = 0; i < b->n_offered; i++) {
		if (same_key(pk, b->offered[i]))
			return true;
	}
	return false;
}

/* How the hop before can find it: if it offers this node itself, it knows the address; otherwise it
 * gets the address as we know it. */
static bool
within_reach(const struct origin_circuit *tn, const struct peel_target *target)
{
	const struct peel_addr *from = &tn->hop[tn->n_hops - 1].addr;

	if (is_offered(tn->build, target->pk) || peel_addr_is_none(from))
		return true;
	return from->family == target->addr.family &&
	       (is_public(&target->addr) || !is_public(from));
}

/* At random among our candidates, or among those that the hop before offers too. Prefer a choice
 * that leaves an exit for the end. */
static int
pick_own(struct peel_origin_circuits *t, const struct origin_circuit *tn, uint16_t all,
	uint16_t none, bool offered, struct peel_target *out)
{
	struct peel_target list[CANDIDATES_ASKED];
	size_t n = t->conf.candidates(t->conf.arg, all, none, list, CANDIDATES_ASKED);
	uint32_t equals = 0;
	bool best = false;
	struct ends ends;

	find_ends(t, tn, &ends);
	for (size_t i = 0; i < n; i++) {
		if (target_excluded(t, tn, &list[i]) || !within_reach(tn, &list[i]) ||
			(offered && !is_offered(tn->build, list[i].pk)))
			continue;
		bool good = leaves_an_end(t, tn, &ends, &list[i]);

		if (good && !best)
			equals = 0;
		best |= good;
		if (good == best && peel_random_below(t->env, ++equals) == 0)
			*out = list[i];
	}
	return equals > 0 ? 0 : -EAGAIN;
}

static int
pick_own_hop(struct peel_origin_circuits *t, const struct origin_circuit *tn, bool offered,
	struct peel_target *out)
{
	uint16_t flags = tn->build->exit_flags != 0 ? tn->build->exit_flags
						    : PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT;

	if (is_last(tn))
		return pick_own(t, tn, flags, PEEL_FLAG_EXIT_BACKUP, offered, out) == 0
			       ? 0
			       : pick_own(t, tn, flags, 0, offered, out);
	/* In the middle exits would do as well, but they are few, and the end needs one. */
	return pick_own(t, tn, PEEL_FLAG_RELAY, PEEL_FLAG_EXIT_BT, offered, out) == 0
		       ? 0
		       : pick_own(t, tn, PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT, 0, offered, out);
}

/*
 * The hop before must not choose its successor, nor wait until chance names a friend of its. So we
 * choose, and ask it twice; nodes that it alone knows are used only if we know none. In the middle,
 * the second attempt names a node that it claims to reach, as the first may be behind a NAT. The
 * end, which sees the data, stays our choice.
 */
static int
choose_own(struct peel_origin_circuits *t, const struct origin_circuit *tn, struct peel_target *out)
{
	struct build *b = tn->build;
	int ret = -EAGAIN;

	if (b->n_own == OWN_TRIES)
		return ret;
	if (b->n_own > 0 && !is_last(tn))
		ret = pick_own_hop(t, tn, true, out);
	if (ret != 0)
		ret = pick_own_hop(t, tn, false, out);
	b->n_own += ret == 0;
	return ret;
}

enum rank {
	RANK_KNOWN,   /* and in no other hop's network */
	RANK_UNKNOWN, /* cannot be judged */
	RANK_NEVER,
};

/* Rank a key of the candidate list; what we know about it goes to out. */
static enum rank
rank_offered(struct peel_origin_circuits *t, const struct origin_circuit *tn, const uint8_t *pk,
	struct peel_target *out)
{
	bool last = is_last(tn);
	uint16_t flags = last ? tn->build->exit_flags : PEEL_FLAG_RELAY;

	if (key_excluded(t, tn, pk))
		return RANK_NEVER;
	if (last && flags == 0)
		flags = PEEL_FLAG_EXIT_BT;
	if (!t->conf.find_peer(t->conf.arg, pk, out)) {
		memset(out, 0, sizeof(*out));
		memcpy(out->pk, pk, PEEL_PK_LEN);
		return (flags & ~TOLD) == 0 ? RANK_UNKNOWN : RANK_NEVER;
	}
	memcpy(out->pk, pk, PEEL_PK_LEN);
	if (near_a_hop(t, tn, &out->addr))
		return RANK_NEVER;
	/* Without flags on record, trust the list. */
	if (out->flags == 0)
		return (flags & ~TOLD) == 0 ? RANK_UNKNOWN : RANK_NEVER;
	if ((out->flags & flags) != flags || (last && (out->flags & PEEL_FLAG_EXIT_BACKUP) != 0))
		return RANK_NEVER;
	return RANK_KNOWN;
}

/* Choose at random: a hop gains nothing by listing its friends first. */
static int
pick_offered(
	struct peel_origin_circuits *t, const struct origin_circuit *tn, struct peel_target *out)
{
	const struct build *b = tn->build;
	enum rank best = RANK_NEVER;
	uint32_t equals = 0;

	for (unsigned int i = 0; i < b->n_offered; i++) {
		struct peel_target target;
		enum rank rank = rank_offered(t, tn, b->offered[i], &target);

		if (rank < best) {
			best = rank;
			equals = 0;
		}
		if (rank != RANK_NEVER && rank == best && peel_random_below(t->env, ++equals) == 0)
			*out = target;
	}
	return equals > 0 ? 0 : -EAGAIN;
}

static int
choose_next(struct peel_origin_circuits *t, const struct origin_circuit *tn,
	struct peel_target *out, bool *named)
{
	const struct build *b = tn->build;

	if (choose_own(t, tn, out) == 0) {
		*named = is_offered(b, out->pk);
		return 0;
	}
	if (b->n_own > 0)
		return -EAGAIN;
	*named = true;
	return pick_offered(t, tn, out);
}

int
origin_choose_next(struct peel_origin_circuits *t, const struct origin_circuit *tn,
	struct peel_target *out, bool *named)
{
	struct build *b = tn->build;
	int ret;

	*named = false;
	if (is_last(tn) && b->exit_required) {
		*out = b->exit;
		/* Only one attempt. */
		return b->n_tried > 0 && same_key(b->tried[b->n_tried - 1], b->exit.pk) ? -EAGAIN
											: 0;
	}
	ret = choose_next(t, tn, out, named);
	if (ret == 0 || !is_last(tn) || b->n_avoid == 0)
		return ret;
	b->n_avoid = 0; /* there is no other */
	return choose_next(t, tn, out, named);
}
