/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Inside lib/provider. */

#include "peel_links.h"
#include "peel_providers.h"

#define LOOKUPS_MAX 16
#define ANNOUNCED_MAX 1024 /* as many as lib/dht publishes */

/* One of them, as its callbacks name it. */
struct provider {
	struct peel_providers *all;
	const struct peel_provider_ops *ops;
	void *self; /* NULL: not open */
	uint8_t bit;
};

struct provider_lookup {
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	uint8_t under_way; /* a bit for each provider; 0: this place is free */
};

struct announced {
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	struct peel_dht_introduction point;
	bool live;
	uint16_t generation;
	uint8_t told; /* a bit for each provider that took it */
	uint32_t id[PEEL_PROVIDERS_MAX];
	uint64_t due_ms[PEEL_PROVIDERS_MAX];
};

struct peel_providers {
	struct peel_providers_conf conf;
	struct provider provider[PEEL_PROVIDERS_MAX];
	struct provider_lookup lookup[LOOKUPS_MAX];
	struct announced *announced; /* [ANNOUNCED_MAX] */
	uint32_t n_announced;
	uint32_t cursor; /* whose turn it is to be repeated */
};

/* announcements.c */
/* Repeat what is due, and try again what failed. @return milliseconds until it wants to look
 * again. */
uint64_t announcements_tick(struct peel_providers *p);
