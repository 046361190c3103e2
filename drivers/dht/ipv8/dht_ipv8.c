/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "peel_dht.h"
#include "peel_dht_ipv8.h"

#define FOUND_MAX 200 /* as many values as a look-up of lib/dht tells */

struct ipv8 {
	struct peel_provider_conf conf;
	size_t n_lookups, n_announced;
};

static int
ipv8_open(const struct peel_provider_conf *conf, void **self, char *why, size_t why_size)
{
	struct ipv8 *v;

	(void)why;
	(void)why_size;
	if (conf->dht == NULL)
		return -EINVAL;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	v->conf = *conf;
	*self = v;
	return 0;
}

static void
ipv8_close(void *self)
{
	free(self); /* the DHT, which calls on_found, does not run any more */
}

static void
on_found(void *arg, uint64_t token, const struct peel_dht_result *result)
{
	struct ipv8 *v = arg;
	struct peel_dht_introduction point[FOUND_MAX];
	size_t n = 0;

	(void)token;
	for (size_t i = 0; i < result->n_values && n < FOUND_MAX; i++)
		n += peel_dht_introduction_parse(result->value[i].data, &point[n]) == 0;
	v->n_lookups--;
	v->conf.found(v->conf.arg, result->target, point, n);
	v->conf.ended(v->conf.arg, result->target);
}

static int
ipv8_look_up(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct ipv8 *v = self;
	int rc = peel_dht_find(v->conf.dht, info_hash, 0, on_found, v, 0);

	v->n_lookups += rc == 0;
	return rc;
}

static void
ipv8_cancel(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct ipv8 *v = self;

	peel_dht_cancel(v->conf.dht, info_hash, on_found, v);
	v->n_lookups--;
}

static int
ipv8_announce(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *point, uint32_t *id)
{
	struct ipv8 *v = self;
	struct peel_dht_introduction now = *point;
	uint8_t data[PEEL_DHT_VALUE_MAX];
	struct peel_writer w = peel_writer_init(data, sizeof(data));
	int rc;

	now.last_seen = (uint32_t)time(NULL);
	peel_dht_introduction_write(&w, &now);
	rc = peel_dht_publish(v->conf.dht, info_hash,
		(struct peel_span){data, (size_t)peel_writer_len(&w)}, 0, id);
	v->n_announced += rc == 0;
	return rc;
}

static void
ipv8_withdraw(void *self, uint32_t id)
{
	struct ipv8 *v = self;

	peel_dht_withdraw(v->conf.dht, id);
	v->n_announced--;
}

static void
ipv8_count(void *self, struct peel_provider_count *out)
{
	const struct ipv8 *v = self;
	struct peel_dht_count count;

	peel_dht_count(v->conf.dht, &count);
	*out = (struct peel_provider_count){
		.nodes = count.nodes_ipv4 + count.nodes_ipv6,
		.lookups = v->n_lookups,
		.announced = v->n_announced,
	};
}

/* Where a peer is that a circuit is extended to, lib/or_circuit asks lib/dht itself (21.9). */
const struct peel_provider_ops peel_dht_ipv8 = {
	.name = "ipv8",
	.open = ipv8_open,
	.close = ipv8_close,
	.look_up = ipv8_look_up,
	.cancel = ipv8_cancel,
	.announce = ipv8_announce,
	.withdraw = ipv8_withdraw,
	.count = ipv8_count,
};
