/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Budgets for work that strangers can cause: checking signatures, questions, introductions and
 * punctures. A verification costs about 100,000 cycles, so these are shares of a core. Nodes that
 * we know, nodes that we asked, and nodes that we asked only because they came have separate
 * budgets: a flood from invented addresses does not keep us from our peers.
 */
#include "overlay_internal.h"

struct budget {
	uint32_t per_second, burst;
};

static const struct budget verify_source = {.per_second = 50, .burst = 200};
static const struct budget verify_stranger = {.per_second = 10, .burst = 50};
static const struct budget verify_strangers = {.per_second = 1000, .burst = 2000};
static const struct budget verify_their_answers = {.per_second = 1000, .burst = 2000};
static const struct budget verify_known = {.per_second = 1000, .burst = 2000};
static const struct budget verify_legacy = {.per_second = 10, .burst = 60};
static const struct budget ask_source = {.per_second = 2, .burst = 8};
/* For work that sends datagrams to third nodes: one in 10 s for a stranger, which is its cost
 * divided by its rate. */
static const struct budget third_stranger = {.per_second = 1, .burst = 10};
#define THIRD_STRANGER_COST 10
static const struct budget third_peer = {.per_second = 2, .burst = 20};
static const struct budget introduce_strangers = {.per_second = 50, .burst = 100};
/* An address gets at most two punctures at once, and one in 10 s. */
static const struct budget puncture_target = {.per_second = 1, .burst = 20};
#define PUNCTURE_TARGET_COST 10
static const struct budget puncture_strangers = {.per_second = 20, .burst = 40};
static const struct budget puncture_known = {.per_second = 200, .burst = 400};

int
overlay_limits_init(struct ov_limits *l, const struct peel_env *env, uint32_t n_sources)
{
	const struct {
		struct peel_rate **rate;
		struct budget budget;
	} by_source[] = {
		{&l->verify_source, verify_source},
		{&l->verify_stranger, verify_stranger},
		{&l->ask_source, ask_source},
		{&l->introduce_stranger, third_stranger},
		{&l->introduce_peer, third_peer},
		{&l->puncture_stranger, third_stranger},
		{&l->puncture_peer, third_peer},
		{&l->puncture_target, puncture_target},
	};
	uint64_t now = peel_now_ms(env);

	for (size_t i = 0; i < PEEL_ARRAY_LEN(by_source); i++) {
		int rc = peel_rate_new(env, by_source[i].budget.per_second,
			by_source[i].budget.burst, n_sources, by_source[i].rate);

		if (rc != 0)
			return rc;
	}
	peel_bucket_init(&l->verify_strangers, verify_strangers.burst, now);
	peel_bucket_init(&l->verify_their_answers, verify_their_answers.burst, now);
	peel_bucket_init(&l->verify_known, verify_known.burst, now);
	peel_bucket_init(&l->verify_legacy, verify_legacy.burst, now);
	peel_bucket_init(&l->introduce_strangers, introduce_strangers.burst, now);
	peel_bucket_init(&l->puncture_strangers, puncture_strangers.burst, now);
	peel_bucket_init(&l->puncture_known, puncture_known.burst, now);
	return 0;
}

void
overlay_limits_fini(struct ov_limits *l)
{
	peel_rate_free(l->verify_source);
	peel_rate_free(l->verify_stranger);
	peel_rate_free(l->ask_source);
	peel_rate_free(l->introduce_stranger);
	peel_rate_free(l->introduce_peer);
	peel_rate_free(l->puncture_stranger);
	peel_rate_free(l->puncture_peer);
	peel_rate_free(l->puncture_target);
}

static bool
take(struct peel_bucket *bucket, struct budget b, uint64_t now)
{
	return peel_bucket_take(bucket, b.per_second, b.burst, 1, now);
}

/* The budgets over all sources apply to local addresses too, where each port counts as a source. */
static bool
take_of(struct peel_rate *r, const struct peel_addr *a, uint32_t cost)
{
	struct peel_addr source = peel_addr_sender(a);

	return peel_rate_take_port(r, &source, cost);
}

bool
overlay_may_verify(
	struct peel_overlay *ov, const struct peel_addr *from, bool legacy, enum ov_trust trust)
{
	struct ov_limits *l = &ov->limits;
	uint64_t now = overlay_now(ov);

	if (legacy)
		return take(&l->verify_legacy, verify_legacy, now);
	switch (trust) {
	case PEEL_TRUST_STRANGER:
		return take_of(l->verify_stranger, from, 1) &&
		       take(&l->verify_strangers, verify_strangers, now);
	case PEEL_TRUST_KNOWN:
		return take_of(l->verify_source, from, 1) &&
		       take(&l->verify_known, verify_known, now);
	case PEEL_TRUST_ASKED_BACK:
		return take(&l->verify_their_answers, verify_their_answers, now);
	default:
		return take(&l->verify_known, verify_known, now);
	}
}

bool
overlay_may_ask_back(struct peel_overlay *ov, const struct peel_addr *from)
{
	return take_of(ov->limits.ask_source, from, 1);
}

bool
overlay_may_introduce(struct peel_overlay *ov, const struct peel_addr *from, bool proved)
{
	struct ov_limits *l = &ov->limits;

	if (proved)
		return take_of(l->introduce_peer, from, 1);
	return take_of(l->introduce_stranger, from, THIRD_STRANGER_COST) &&
	       take(&l->introduce_strangers, introduce_strangers, overlay_now(ov));
}

bool
overlay_may_puncture(struct peel_overlay *ov, const struct peel_addr *from, bool proved)
{
	struct ov_limits *l = &ov->limits;
	uint64_t now = overlay_now(ov);

	if (proved)
		return take_of(l->puncture_peer, from, 1) &&
		       take(&l->puncture_known, puncture_known, now);
	return take_of(l->puncture_stranger, from, THIRD_STRANGER_COST) &&
	       take(&l->puncture_strangers, puncture_strangers, now);
}

bool
overlay_puncture_due(struct peel_overlay *ov, const struct peel_addr *walker)
{
	return take_of(ov->limits.puncture_target, walker, PUNCTURE_TARGET_COST);
}
