/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A bucket is one number that workers change: the bytes used so far. What the rate has given since
 * the start follows from the clock, so nobody has to fill it up.
 *
 * While a bucket is at least half full, everybody may send, and well above that nobody counts what
 * circuits send. Below half, a circuit may if it has had less lately than a threshold that
 * falls with the level: to half of itself with every 32nd of the bucket. So a circuit that wants
 * more than the others drains the bucket to where the threshold stops it, and those that have had
 * less go on. The level settles where all that want more than their share get equally much, however
 * many they are; nobody counts them. (The idea is that of dynamic thresholds for shared buffers:
 * Choudhury and Hahne, IEEE/ACM Transactions on Networking, 1998.)
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "peel_bandwidth.h"

#define FRACTION_BITS 40 /* of the bytes per cycle */
#define TICKS 64	 /* per second: what a circuit has had fades by as much in each of them */
#define TICK_BITS 6
#define TICKS_BEHIND_MAX (60 * TICKS) /* a round that lasts longer is taken for a later one */
#define STEPS 16		      /* from half full to empty, the threshold halves with each */
#define FINE_BITS 10		      /* of the way from one step to the next */
#define LARGE_PAGE ((size_t)2 << 20)
#define N_BUCKETS PEEL_BANDWIDTH_CIRCUIT

_Static_assert(1 << TICK_BITS == TICKS, "shifts instead of divisions");
_Static_assert(PEEL_BANDWIDTH_BURST_MIN / (2 * STEPS) >= 1 << FINE_BITS, "a step is long enough");

struct bucket {
	uint64_t per_cycle; /* bytes, times 2^FRACTION_BITS; 0: no limit */
	int64_t burst;
	uint64_t a_second; /* bytes of the rate: what a circuit alone has had lately */
	int64_t half;	   /* STEPS steps: a quarter to a half of the burst */
	uint8_t step_bits;
	/* relaxed atomic, changed by all workers */
	uint64_t used __attribute__((aligned(64)));
} __attribute__((aligned(64)));

/* Of a circuit, relaxed atomics. Workers that have the same circuit at the same time may each lose
 * what the other writes: a few cells. */
struct account {
	uint64_t used;	 /* of the limit per circuit */
	uint32_t lately; /* bytes, which fade with a time constant of a second */
	uint32_t tick;	 /* when */
};

struct peel_bandwidth {
	uint64_t start, ticks_per_cycle;	 /* times 2^FRACTION_BITS */
	struct bucket bucket[PEEL_N_BANDWIDTHS]; /* the last one: without `used` */
	bool concerned[N_BUCKETS];		 /* kinds of datagrams that a limit holds for */
	struct account account[];
};

const char *const peel_bandwidth_name[PEEL_N_BANDWIDTHS] = {
	[PEEL_BANDWIDTH_ALL] = "all",
	[PEEL_BANDWIDTH_RELAY] = "relay",
	[PEEL_BANDWIDTH_EXIT] = "exit",
	[PEEL_BANDWIDTH_CIRCUIT] = "circuit",
};

/* ---- making them ----------------------------------------------------------------------------- */

bool
peel_bandwidth_any(const struct peel_bandwidth_settings *s)
{
	for (int i = 0; i < PEEL_N_BANDWIDTHS; i++) {
		if (s->limit[i].rate != 0)
			return true;
	}
	return false;
}

uint64_t
peel_bandwidth_burst(const struct peel_bandwidth_limit *limit)
{
	uint64_t burst = limit->burst != 0 ? limit->burst : limit->rate;

	return burst > PEEL_BANDWIDTH_BURST_MIN ? burst : PEEL_BANDWIDTH_BURST_MIN;
}

static uint64_t
per_cycle(uint64_t per_second, uint64_t hz)
{
	return (uint64_t)(((unsigned __int128)per_second << FRACTION_BITS) / hz);
}

static void
bucket_init(struct bucket *k, const struct peel_bandwidth_limit *limit, uint64_t hz)
{
	uint64_t burst = peel_bandwidth_burst(limit);

	if (limit->rate == 0)
		return;
	k->per_cycle = per_cycle(limit->rate, hz);
	k->burst = (int64_t)burst;
	k->a_second = limit->rate;
	while (burst >> (k->step_bits + 1) >= 2 * STEPS)
		k->step_bits++;
	k->half = (int64_t)STEPS << k->step_bits;
}

int
peel_bandwidth_new(const struct peel_bandwidth_settings *s, uint32_t n_sessions, uint64_t hz,
	uint64_t now, struct peel_bandwidth **out)
{
	size_t size = sizeof(struct peel_bandwidth) + n_sessions * sizeof(struct account);
	size_t align = size >= LARGE_PAGE ? LARGE_PAGE : 64;
	struct peel_bandwidth *b;

	/* Accounts are looked up at random: in large pages, most are found without a page walk. */
	size = (size + align - 1) / align * align;
	b = aligned_alloc(align, size);
	if (b == NULL)
		return -ENOMEM;
	if (align == LARGE_PAGE)
		(void)madvise(b, size, MADV_HUGEPAGE);
	memset(b, 0, size);
	b->start = now;
	b->ticks_per_cycle = per_cycle(TICKS, hz);
	for (int i = 0; i < PEEL_N_BANDWIDTHS; i++)
		bucket_init(&b->bucket[i], &s->limit[i], hz);
	for (int i = 0; i < N_BUCKETS; i++)
		b->concerned[i] = s->limit[i].rate != 0 || s->limit[PEEL_BANDWIDTH_ALL].rate != 0 ||
				  s->limit[PEEL_BANDWIDTH_CIRCUIT].rate != 0;
	*out = b;
	return 0;
}

void
peel_bandwidth_free(struct peel_bandwidth *b)
{
	free(b);
}

/* ---- levels ---------------------------------------------------------------------------------- */

/* A product of two such numbers may have more than 64 bits. */
static uint64_t
times(uint64_t cycles, uint64_t each)
{
	return (uint64_t)((unsigned __int128)cycles * each >> FRACTION_BITS);
}

/* Other workers' clocks may be a little behind. */
static uint64_t
since_start(const struct peel_bandwidth *b, uint64_t now)
{
	return now > b->start ? now - b->start : 0;
}

static int64_t
level_at(const struct bucket *k, uint64_t granted, uint64_t used)
{
	return (int64_t)(granted + (uint64_t)k->burst - used);
}

int64_t
peel_bandwidth_level(const struct peel_bandwidth *b, enum peel_bandwidth_kind kind, uint64_t now)
{
	const struct bucket *k = &b->bucket[kind];
	int64_t level = level_at(k, times(since_start(b, now), k->per_cycle),
		__atomic_load_n(&k->used, __ATOMIC_RELAXED));

	return level < k->burst ? level : k->burst;
}

bool
peel_bandwidth_scarce(const struct peel_bandwidth *b, uint64_t now)
{
	const struct bucket *k = &b->bucket[PEEL_BANDWIDTH_ALL];

	return k->per_cycle != 0 && peel_bandwidth_level(b, PEEL_BANDWIDTH_ALL, now) < k->half / 2;
}

/* What is beyond the burst is lost. If another worker changes the bucket meanwhile, that one or the
 * next round sees to it. */
static int64_t
level_of(struct bucket *k, uint64_t cycles)
{
	uint64_t used = __atomic_load_n(&k->used, __ATOMIC_RELAXED);
	int64_t level = level_at(k, times(cycles, k->per_cycle), used);

	if (level <= k->burst)
		return level;
	(void)__atomic_compare_exchange_n(&k->used, &used, used + (uint64_t)(level - k->burst),
		false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return k->burst;
}

/* Half as much again as where circuits begin to be held back: nobody needs to be counted yet. */
static inline bool
plenty(const struct bucket *k, int64_t level)
{
	return k->per_cycle == 0 || level >= k->half + k->half / 2;
}

void
peel_bandwidth_begin(struct peel_bandwidth_round *r, struct peel_bandwidth *limits, uint64_t now)
{
	uint64_t cycles;

	r->limits = limits;
	if (limits == NULL)
		return;
	cycles = since_start(limits, now);
	for (int i = 0; i < N_BUCKETS; i++) {
		if (limits->bucket[i].per_cycle != 0)
			r->level[i] = level_of(&limits->bucket[i], cycles);
		r->spent[i] = 0;
	}
	r->accounts = limits->bucket[PEEL_BANDWIDTH_CIRCUIT].per_cycle != 0;
	for (int i = 0; i < N_BUCKETS; i++)
		r->accounts |= !plenty(&limits->bucket[i], r->level[i]);
	r->circuit_granted = times(cycles, limits->bucket[PEEL_BANDWIDTH_CIRCUIT].per_cycle);
	r->tick = (uint32_t)times(cycles, limits->ticks_per_cycle);
}

void
peel_bandwidth_end(struct peel_bandwidth_round *r)
{
	if (r->limits == NULL)
		return;
	for (int i = 0; i < N_BUCKETS; i++) {
		if (r->spent[i] != 0)
			__atomic_add_fetch(
				&r->limits->bucket[i].used, r->spent[i], __ATOMIC_RELAXED);
	}
	r->limits = NULL;
}

/* ---- circuits -------------------------------------------------------------------------------- */

void
peel_bandwidth_forget(struct peel_bandwidth *b, uint32_t session)
{
	struct account *a = &b->account[session];

	__atomic_store_n(&a->used, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&a->lately, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&a->tick, 0, __ATOMIC_RELAXED);
}

void
peel_bandwidth_prefetch(const struct peel_bandwidth_round *r, uint32_t session)
{
	if (r->accounts)
		__builtin_prefetch(&r->limits->account[session], 1);
}

/* Does the bucket hold back a circuit that has had so many bytes lately? */
static inline bool
holds_back(const struct bucket *k, int64_t level, uint64_t lately)
{
	uint64_t below, allowed, fine;

	if (k->per_cycle == 0 || level >= k->half)
		return false;
	if (level <= 0)
		return true;
	below = (uint64_t)(k->half - level);
	allowed = k->a_second >> (below >> k->step_bits);
	fine = (below >> (k->step_bits - FINE_BITS)) & ((1 << FINE_BITS) - 1);
	return lately > allowed - (allowed / 2 * fine >> FINE_BITS);
}

static inline void
spend(struct peel_bandwidth_round *r, enum peel_bandwidth_kind kind, uint32_t bytes)
{
	if (r->limits->bucket[kind].per_cycle == 0)
		return;
	r->level[kind] -= bytes;
	r->spent[kind] += bytes;
}

static inline void
spend_both(struct peel_bandwidth_round *r, enum peel_bandwidth_kind kind, uint32_t bytes)
{
	spend(r, PEEL_BANDWIDTH_ALL, bytes);
	if (kind != PEEL_BANDWIDTH_ALL)
		spend(r, kind, bytes);
}

void
peel_bandwidth_spend(struct peel_bandwidth_round *r, uint32_t bytes)
{
	spend(r, PEEL_BANDWIDTH_ALL, bytes);
}

/* Linear between two looks, and so nearly exponential where a circuit sends often. */
static inline uint32_t
faded(uint32_t lately, uint32_t ticks)
{
	return ticks >= TICKS ? 0 : lately - (uint32_t)((uint64_t)lately * ticks >> TICK_BITS);
}

/* Ticks since then: none if another worker, whose round began later, has been there. A larger
 * distance is that of a circuit not heard for months: ticks turn round in two years. */
static inline uint32_t
ticks_since(uint32_t now, uint32_t then)
{
	return then - now <= TICKS_BEHIND_MAX ? 0 : now - then;
}

enum peel_bandwidth_kind
peel_bandwidth_take(struct peel_bandwidth_round *r, uint32_t session, enum peel_bandwidth_kind kind,
	uint32_t bytes)
{
	const struct bucket *bucket = r->limits->bucket, *own = &bucket[PEEL_BANDWIDTH_CIRCUIT];
	struct account *a = &r->limits->account[session];
	uint64_t used;
	uint32_t lately, tick, ticks;

	if (!r->limits->concerned[kind])
		return PEEL_N_BANDWIDTHS;
	if (own->per_cycle == 0 &&
		plenty(&bucket[PEEL_BANDWIDTH_ALL], r->level[PEEL_BANDWIDTH_ALL]) &&
		plenty(&bucket[kind], r->level[kind])) {
		spend_both(r, kind, bytes);
		return PEEL_N_BANDWIDTHS;
	}
	tick = __atomic_load_n(&a->tick, __ATOMIC_RELAXED);
	ticks = ticks_since(r->tick, tick);
	lately = faded(__atomic_load_n(&a->lately, __ATOMIC_RELAXED), ticks);
	if (holds_back(&bucket[PEEL_BANDWIDTH_ALL], r->level[PEEL_BANDWIDTH_ALL], lately))
		return PEEL_BANDWIDTH_ALL;
	if (kind != PEEL_BANDWIDTH_ALL && holds_back(&bucket[kind], r->level[kind], lately))
		return kind;
	if (own->per_cycle != 0) {
		used = __atomic_load_n(&a->used, __ATOMIC_RELAXED);
		if (level_at(own, r->circuit_granted, used) > own->burst)
			used = r->circuit_granted;
		if (level_at(own, r->circuit_granted, used) <= 0)
			return PEEL_BANDWIDTH_CIRCUIT;
		__atomic_store_n(&a->used, used + bytes, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&a->lately, lately > UINT32_MAX - bytes ? UINT32_MAX : lately + bytes,
		__ATOMIC_RELAXED);
	__atomic_store_n(&a->tick, tick + ticks, __ATOMIC_RELAXED); /* never an older one */
	spend_both(r, kind, bytes);
	return PEEL_N_BANDWIDTHS;
}
