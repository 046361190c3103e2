/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Life of a DHT node, and what the other files share: sending, budgets, where datagrams go.
 */
#include <errno.h>
#include <stdlib.h>

#include "lookups.h"

#define WINDOW_MS 5000
#define QUERIES_PER_NODE 10 /* per window, as every node of the DHT does */
/* What we ask of one node stays below that, as others may count a window that began earlier. */
#define QUERIES_TO_NODE 8
/*
 * Verifications cost about 100,000 cycles each: limits per source and over all. One signed request
 * can be sent again from any number of forged addresses, so addresses that have not answered us yet
 * have limits of their own.
 */
#define VERIFY_PER_SOURCE 200
#define VERIFY_PER_STRANGER 40
#define VERIFY_TOTAL 5000
#define VERIFY_STRANGERS 2500
/* For punctures; their cost is 10, so that a stranger gets one in 10 s. */
#define PUNCTURE_RATE 1
#define PUNCTURE_BURST 10
#define PUNCTURE_SOURCES 1024
#define PUNCTURES_BURST 100

/* ---- life ------------------------------------------------------------------------------------ */

static int
init_tables(struct peel_dht *dht)
{
	const struct {
		struct dht_limit *limit;
		uint32_t per_window;
	} limits[] = {
		{&dht->by_node, QUERIES_PER_NODE},
		{&dht->by_peer_query, QUERIES_PER_NODE},
		{&dht->by_source, VERIFY_PER_SOURCE},
		{&dht->by_stranger, VERIFY_PER_STRANGER},
		{&dht->by_newcomer, 1},
		{&dht->to_node, QUERIES_TO_NODE},
	};
	int rc = 0;

	for (size_t i = 0; i < PEEL_ARRAY_LEN(limits) && rc == 0; i++)
		rc = dht_limit_init(limits[i].limit, limits[i].per_window, WINDOW_MS);
	if (rc == 0)
		rc = peel_rate_new(dht->conf.env, PUNCTURE_RATE, PUNCTURE_BURST, PUNCTURE_SOURCES,
			&dht->puncture_stranger);
	if (rc == 0)
		rc = dht_storage_init(&dht->storage, dht->seed);
	if (rc == 0)
		rc = dht_peers_init(&dht->peers);
	if (rc == 0)
		rc = dht_requests_init(&dht->requests);
	if (rc == 0)
		rc = dht_publish_init(&dht->publish);
	dht->lookup = calloc(DHT_LOOKUPS_OF_USERS + DHT_LOOKUPS_OWN, sizeof(*dht->lookup));
	return rc == 0 && dht->lookup == NULL ? -ENOMEM : rc;
}

int
peel_dht_new(const struct peel_dht_conf *conf, struct peel_dht **out)
{
	struct peel_dht *dht = calloc(1, sizeof(*dht));
	int rc;

	*out = NULL;
	if (dht == NULL)
		return -ENOMEM;
	dht->conf = *conf;
	if (peel_addr_is_any(&conf->lan)) /* bound to all interfaces: "no address" to the others */
		dht->conf.lan = (struct peel_addr){0};
	dht->seed = peel_random_u64(conf->env);
	peel_prefix_build(dht->prefix, conf->community);
	dht_tokens_init(&dht->tokens, conf->env);
	peel_bucket_init(&dht->puncture_strangers, PUNCTURES_BURST, dht_now(dht));
	rc = init_tables(dht);
	if (rc != 0) {
		peel_dht_free(dht);
		return rc;
	}
	*out = dht;
	return 0;
}

void
peel_dht_free(struct peel_dht *dht)
{
	if (dht == NULL)
		return;
	dht_limit_fini(&dht->by_node);
	dht_limit_fini(&dht->by_peer_query);
	dht_limit_fini(&dht->by_source);
	dht_limit_fini(&dht->by_stranger);
	dht_limit_fini(&dht->by_newcomer);
	dht_limit_fini(&dht->to_node);
	peel_rate_free(dht->puncture_stranger);
	dht_storage_fini(&dht->storage);
	dht_peers_fini(&dht->peers);
	dht_requests_fini(&dht->requests);
	dht_publish_fini(&dht->publish);
	dht_remembered_fini(&dht->remembered);
	free(dht->lookup);
	peel_wipe(&dht->tokens, sizeof(dht->tokens));
	free(dht);
}

uint64_t
peel_dht_tick(struct peel_dht *dht)
{
	uint64_t now = dht_now(dht);

	dht_tokens_tick(&dht->tokens, dht->conf.env);
	dht_storage_tick(&dht->storage, now);
	dht_peers_tick(&dht->peers, now);
	dht_requests_tick(dht, now);
	dht_churn_tick(dht, now);
	dht_remembered_tick(dht);
	dht_refresh_tick(dht, now);
	dht_storers_tick(dht, now);
	dht_publish_tick(dht, now);
	dht_lookups_tick(dht);
	return DHT_TICK_MS;
}

void
peel_dht_count(const struct peel_dht *dht, struct peel_dht_count *out)
{
	*out = (struct peel_dht_count){
		.nodes_ipv4 = dht_routing_count(&dht->routing[DHT_V4]),
		.nodes_ipv6 = dht_routing_count(&dht->routing[DHT_V6]),
		.values = dht->storage.slots.n,
		.peers = dht->peers.n,
		.storers = dht->storers.n,
		.published = dht->publish.n,
		.remembered = dht->remembered.n,
	};
	for (unsigned int i = 0; i < DHT_LOOKUPS_OF_USERS + DHT_LOOKUPS_OWN; i++)
		out->lookups += dht->lookup[i].live;
}

/* ---- shared by the files of this library ----------------------------------------------------- */

uint64_t
dht_hash(const struct peel_dht *dht, const void *bytes, uint32_t what)
{
	return peel_hash_bytes(bytes, PEEL_DHT_KEY_LEN, dht->seed + what);
}

uint64_t
dht_source(const struct peel_dht *dht, const struct peel_addr *addr)
{
	struct peel_addr source = peel_addr_sender(addr);

	return dht_hash(dht, &source, 2);
}

struct peel_dht_node
dht_node_make(const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN])
{
	struct peel_dht_node node = {.addr = *addr};
	uint8_t mid[PEEL_MID_LEN];

	memcpy(node.pk, pk, sizeof(node.pk));
	peel_mid(pk, PEEL_PK_LEN, mid);
	peel_dht_node_id(addr, mid, node.id);
	return node;
}

int
dht_over_limit(struct peel_dht *dht)
{
	peel_stats_add(dht->conf.stats, PEEL_CONTROL_RATE, 1);
	return 0;
}

bool
dht_may_verify(struct peel_dht *dht, const struct peel_addr *from, bool proved)
{
	struct peel_addr source = peel_addr_source(from);
	uint64_t key = dht_hash(dht, &source, 0), now = dht_now(dht);

	if (proved)
		return dht_limit_take(&dht->by_source, key, now) &&
		       dht_window_take(&dht->verify_proved, VERIFY_TOTAL, WINDOW_MS, now);
	return dht_limit_take(&dht->by_stranger, key, now) &&
	       dht_window_take(&dht->verify_strangers, VERIFY_STRANGERS, WINDOW_MS, now);
}

struct peel_writer
dht_begin(struct peel_dht *dht, uint8_t id, uint8_t *buffer, size_t size)
{
	struct peel_writer w = peel_writer_init(buffer, size);

	peel_signed_begin(&w, dht->prefix, id, dht->conf.identity->pk, false, 0);
	return w;
}

size_t
dht_send(struct peel_dht *dht, const struct peel_addr *to, struct peel_writer *w)
{
	peel_sign(w, dht->conf.identity);
	int len = peel_writer_len(w);

	if (len <= 0)
		return 0;
	dht->conf.send(dht->conf.arg, to, w->start, (size_t)len);
	return (size_t)len;
}

size_t
dht_send_plain(struct peel_dht *dht, const struct peel_addr *to, uint8_t id, uint32_t identifier)
{
	uint8_t buffer[256];
	struct peel_writer w = dht_begin(dht, id, buffer, sizeof(buffer));

	peel_dht_plain_write(&w, identifier);
	return dht_send(dht, to, &w);
}

/* ---- input ----------------------------------------------------------------------------------- */

int
peel_dht_input(struct peel_dht *dht, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	struct peel_signed s;

	if (len < PEEL_HEADER_LEN || memcmp(data, dht->prefix, PEEL_PREFIX_LEN) != 0)
		return -ENOENT;
	uint8_t id = data[PEEL_PREFIX_LEN];

	if (id < PEEL_MSG_DHT_PING_REQUEST || id > PEEL_MSG_DHT_CONNECT_PEER_RESPONSE)
		return -ENOENT;
	if (!peel_addr_usable(from) || peel_signed_parse(data, len, false, false, &s) != 0 ||
		memcmp(s.pk.p, dht->conf.identity->pk, PEEL_PK_LEN) == 0) {
		peel_stats_add(dht->conf.stats, PEEL_CONTROL_MALFORMED, 1);
		return -EBADMSG;
	}
	/* Requests have odd ids, their answers the even ones behind them. */
	return id % 2 == 1 ? dht_on_request(dht, from, &s, len) : dht_on_response(dht, from, &s);
}
