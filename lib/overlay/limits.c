/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Budgets of work that strangers can ask for: checking signatures, and punctures. A verification costs about 100,000
 * cycles, so these are shares of a core. Those we know or asked have a budget of their own: a flood from invented
 * addresses does not keep us from our friends.
 */
#include "internal.h"

#define SOURCES 4096

struct budget {
	uint32_t per_second, burst;
};

static const struct budget verify_source = {.per_second = 50, .burst = 200};
static const struct budget verify_strangers = {.per_second = 1000, .burst = 2000};
static const struct budget verify_known = {.per_second = 1000, .burst = 2000};
static const struct budget verify_legacy = {.per_second = 10, .burst = 60};
static const struct budget puncture_source = {.per_second = 20, .burst = 40};
static const struct budget puncture_target = {.per_second = 10, .burst = 20};
static const struct budget puncture_all = {.per_second = 200, .burst = 400};

static int
rate_new(const struct peel_env *env, struct budget b, struct peel_rate **out)
{
	return peel_rate_new(env, b.per_second, b.burst, SOURCES, out);
}

int
peel_overlay_limits_init(struct ov_limits *l, const struct peel_env *env)
{
	uint64_t now = peel_now_ms(env);
	int rc = rate_new(env, verify_source, &l->verify_source);

	if (rc == 0)
		rc = rate_new(env, puncture_source, &l->puncture_source);
	if (rc == 0)
		rc = rate_new(env, puncture_target, &l->puncture_target);
	peel_bucket_init(&l->verify_strangers, verify_strangers.burst, now);
	peel_bucket_init(&l->verify_known, verify_known.burst, now);
	peel_bucket_init(&l->verify_legacy, verify_legacy.burst, now);
	peel_bucket_init(&l->puncture_all, puncture_all.burst, now);
	return rc;
}

void
peel_overlay_limits_fini(struct ov_limits *l)
{
	peel_rate_free(l->verify_source);
	peel_rate_free(l->puncture_source);
	peel_rate_free(l->puncture_target);
}

static bool
take(struct peel_bucket *bucket, struct budget b, uint64_t now)
{
	return peel_bucket_take(bucket, b.per_second, b.burst, 1, now);
}

/* Test networks have many nodes on one local address; the budgets over all sources hold for them too. */
static bool
take_of(struct peel_rate *r, const struct peel_addr *a)
{
	return peel_overlay_addr_local(a) ? peel_rate_take_port(r, a, 1) : peel_rate_take(r, a, 1);
}

bool
peel_overlay_may_verify(
	struct peel_overlay *ov, const struct peel_addr *from, bool legacy, enum ov_trust trust)
{
	struct ov_limits *l = &ov->limits;
	uint64_t now = peel_overlay_now(ov);

	if (legacy)
		return take(&l->verify_legacy, verify_legacy, now);
	if (trust != PEEL_TRUST_ASKED && !take_of(l->verify_source, from))
		return false;
	return trust != PEEL_TRUST_STRANGER ? take(&l->verify_known, verify_known, now)
					    : take(&l->verify_strangers, verify_strangers, now);
}

bool
peel_overlay_may_puncture(
	struct peel_overlay *ov, const struct peel_addr *from, const struct peel_addr *walker)
{
	struct ov_limits *l = &ov->limits;

	return take_of(l->puncture_source, from) && take_of(l->puncture_target, walker) &&
	       take(&l->puncture_all, puncture_all, peel_overlay_now(ov));
}
