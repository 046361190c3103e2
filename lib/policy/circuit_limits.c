/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * An account is the time at which everything sent so far is paid for (the generic cell rate
 * algorithm of ITU-T I.371), and the set of hosts: an open hash table of 16 bits for each. Two
 * workers that have the same circuit at the same time may lose what the other writes: a few
 * datagrams.
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_circuit_limits.h"

#define LINE 64

/* Relaxed atomics. */
struct account {
	uint64_t circuit;      /* whose it is */
	uint64_t paid;	       /* all that was sent, at the rate */
	uint64_t counts_until; /* hosts, then they are forgotten */
	uint32_t n_hosts;
	uint16_t host[]; /* [table] 0: free */
};

struct peel_circuit_limits {
	uint64_t each, at_once; /* cycles of a datagram, and of the burst beside it; 0: no limit */
	uint64_t counts;	/* cycles for which hosts count */
	uint32_t destinations, n_exits;
	uint32_t table; /* places for hosts, a power of two: at most half of them are taken */
	uint64_t seed;
	size_t stride;
	char *account;
};

bool
peel_circuit_limits_any(const struct peel_circuit_limits_settings *s)
{
	return s->packets != 0 || s->destinations != 0;
}

/* Places for hosts. */
static uint32_t
table_of(const struct peel_circuit_limits_settings *s)
{
	uint32_t table = 0;

	while (table < 2 * s->destinations)
		table = table == 0 ? LINE / sizeof(uint16_t) : 2 * table;
	return table;
}

/* From one account to the next. */
static size_t
stride_of(const struct peel_circuit_limits_settings *s)
{
	size_t bytes = sizeof(struct account) + table_of(s) * sizeof(uint16_t);

	return (bytes + LINE - 1) / LINE * LINE;
}

size_t
peel_circuit_limits_bytes(const struct peel_circuit_limits_settings *s, uint32_t n_exits)
{
	return peel_circuit_limits_any(s) ? n_exits * stride_of(s) : 0;
}

int
peel_circuit_limits_new(const struct peel_circuit_limits_settings *s, uint32_t n_exits, uint64_t hz,
	uint64_t seed, struct peel_circuit_limits **out)
{
	struct peel_circuit_limits *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	l->each = s->packets != 0 ? hz / s->packets : 0;
	l->at_once = hz - l->each;
	l->counts = hz * PEEL_CIRCUIT_LIMITS_HOSTS_SECONDS;
	l->destinations = s->destinations;
	l->n_exits = n_exits;
	l->seed = seed;
	l->table = table_of(s);
	l->stride = stride_of(s);
	l->account = calloc(n_exits, l->stride);
	if (l->account == NULL) {
		free(l);
		return -ENOMEM;
	}
	*out = l;
	return 0;
}

void
peel_circuit_limits_free(struct peel_circuit_limits *l)
{
	if (l == NULL)
		return;
	free(l->account);
	free(l);
}

static inline uint64_t
get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void
set(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static void
forget_hosts(const struct peel_circuit_limits *l, struct account *a, uint64_t now)
{
	set(&a->counts_until, now + l->counts);
	if (__atomic_exchange_n(&a->n_hosts, 0, __ATOMIC_RELAXED) == 0)
		return;
	for (uint32_t i = 0; i < l->table; i++)
		__atomic_store_n(&a->host[i], 0, __ATOMIC_RELAXED);
}

static uint64_t
hash_of(const struct peel_circuit_limits *l, const struct peel_host *to)
{
	if (to->type == PEEL_HOST_NAME)
		return peel_hash_bytes(to->name.p, to->name.len, l->seed);
	return peel_hash_bytes(to->addr.ip, peel_addr_bits(&to->addr) / 8, l->seed);
}

/* Whether the host is counted, or can be. */
static bool
count_host(const struct peel_circuit_limits *l, struct account *a, uint64_t hash)
{
	uint16_t mark = (uint16_t)(hash >> 48 | 1), there;
	uint32_t at = (uint32_t)hash, n = __atomic_load_n(&a->n_hosts, __ATOMIC_RELAXED);

	for (uint32_t tries = 0; tries < l->table; tries++, at++) {
		uint16_t *place = &a->host[at & (l->table - 1)];

		there = __atomic_load_n(place, __ATOMIC_RELAXED);
		if (there == mark)
			return true;
		if (there != 0)
			continue;
		if (n >= l->destinations)
			return false;
		__atomic_store_n(place, mark, __ATOMIC_RELAXED);
		__atomic_store_n(&a->n_hosts, n + 1, __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

enum peel_circuit_limits_verdict
peel_circuit_limits_take(struct peel_circuit_limits *l, uint32_t endpoint, uint64_t circuit,
	const struct peel_host *to, uint64_t now)
{
	struct account *a = (struct account *)(l->account + (size_t)(endpoint - 1) * l->stride);
	uint64_t paid = get(&a->paid);

	if (get(&a->circuit) != circuit) {
		set(&a->circuit, circuit);
		forget_hosts(l, a, now);
		paid = now;
	}
	if (paid < now)
		paid = now;
	if (l->each != 0 && paid - now > l->at_once)
		return PEEL_CIRCUIT_LIMITS_PACKETS;
	if (l->destinations != 0) {
		if (now >= get(&a->counts_until))
			forget_hosts(l, a, now);
		if (!count_host(l, a, hash_of(l, to)))
			return PEEL_CIRCUIT_LIMITS_DESTINATIONS;
	}
	set(&a->paid, paid + l->each);
	return PEEL_CIRCUIT_LIMITS_MAY;
}
