/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "peel_base.h"

static uint64_t
system_now_ms(void *arg)
{
	struct timespec ts;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
system_random(void *arg, void *out, size_t len)
{
	uint8_t *p = out;

	(void)arg;
	while (len > 0) {
		ssize_t got = getrandom(p, len, 0);

		if (got < 0 && errno != EINTR)
			abort(); /* no randomness, no security: nothing sensible can go on */
		if (got > 0) {
			p += got;
			len -= (size_t)got;
		}
	}
}

const struct peel_env peel_env_system = {
	.now_ms = system_now_ms,
	.random = system_random,
};

uint16_t
peel_random_u16(const struct peel_env *env)
{
	uint16_t v;

	peel_random(env, &v, sizeof(v));
	return v;
}

uint32_t
peel_random_u32(const struct peel_env *env)
{
	uint32_t v;

	peel_random(env, &v, sizeof(v));
	return v;
}

uint64_t
peel_random_u64(const struct peel_env *env)
{
	uint64_t v;

	peel_random(env, &v, sizeof(v));
	return v;
}

uint32_t
peel_random_below(const struct peel_env *env, uint32_t n)
{
	uint32_t limit = UINT32_MAX - UINT32_MAX % n, v;

	do {
		v = peel_random_u32(env);
	} while (v >= limit);
	return v % n;
}
