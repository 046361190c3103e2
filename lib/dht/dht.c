/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "limit.h"
#include "peel_dht.h"
#include "peel_dhtmsg.h"

/* a power of two: the low bits of an identifier are the place in the table */
#define PINGS_MAX 256
#define PING_TIMEOUT_MS 5000
#define TICK_MS 250

#define QUERIES_PER_NODE 10 /* per window, as every node of the DHT does */
#define WINDOW_MS 5000
/*
 * Verifications cost about 100,000 cycles each: limits per source and over all. One signed request
 * can be sent again from any number of forged addresses, so addresses that have not answered us yet
 * have limits of their own.
 */
#define VERIFY_PER_SOURCE 200
#define VERIFY_PER_STRANGER 40
#define VERIFY_TOTAL 5000
#define VERIFY_STRANGERS 2500

struct ping {
	struct peel_addr to;
	uint32_t identifier;
	bool live;
	uint64_t sent_ms;
	peel_dht_ping_fn fn;
	void *arg;
	uint64_t token;
};

struct peel_dht {
	struct peel_dht_conf conf;
	uint8_t prefix[PEEL_PREFIX_LEN];
	uint64_t seed;
	struct ping ping[PINGS_MAX];
	uint16_t free_slot[PINGS_MAX]; /* a queue: a place rests as long as possible before reuse */
	uint16_t free_first, n_free;
	struct dht_limit by_node, by_source, by_stranger;
	struct dht_window verify_proved, verify_strangers, verify_answers;
};

int
peel_dht_new(const struct peel_dht_conf *conf, struct peel_dht **out)
{
	struct peel_dht *dht = calloc(1, sizeof(*dht));
	int rc;

	*out = NULL;
	if (dht == NULL)
		return -ENOMEM;
	dht->conf = *conf;
	dht->seed = peel_random_u64(conf->env);
	peel_prefix_build(dht->prefix, conf->community);
	for (uint16_t i = 0; i < PINGS_MAX; i++)
		dht->free_slot[i] = i;
	dht->n_free = PINGS_MAX;
	if ((rc = dht_limit_init(&dht->by_node, QUERIES_PER_NODE, WINDOW_MS)) != 0 ||
		(rc = dht_limit_init(&dht->by_source, VERIFY_PER_SOURCE, WINDOW_MS)) != 0 ||
		(rc = dht_limit_init(&dht->by_stranger, VERIFY_PER_STRANGER, WINDOW_MS)) != 0) {
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
	dht_limit_fini(&dht->by_source);
	dht_limit_fini(&dht->by_stranger);
	free(dht);
}

static void
send_ping(struct peel_dht *dht, const struct peel_addr *to, uint8_t id, uint32_t identifier)
{
	uint8_t buffer[256];
	struct peel_writer w = peel_writer_init(buffer, sizeof(buffer));
	int len;

	peel_signed_begin(&w, dht->prefix, id, dht->conf.identity->pk, false, 0);
	peel_dht_plain_write(&w, identifier);
	peel_sign(&w, dht->conf.identity);
	len = peel_writer_len(&w);
	if (len > 0)
		dht->conf.send(dht->conf.arg, to, buffer, (size_t)len);
}

/* ---- pings of ours --------------------------------------------------------------------------- */

int
peel_dht_ping(struct peel_dht *dht, const struct peel_addr *to, peel_dht_ping_fn fn, void *arg,
	uint64_t token)
{
	if (dht->n_free == 0)
		return -ENOSPC;
	uint16_t slot = dht->free_slot[dht->free_first];

	dht->free_first = (uint16_t)((dht->free_first + 1) % PINGS_MAX);
	dht->n_free--;
	dht->ping[slot] = (struct ping){
		.to = *to,
		.identifier = (peel_random_u32(dht->conf.env) & ~(PINGS_MAX - 1u)) | slot,
		.live = true,
		.sent_ms = peel_now_ms(dht->conf.env),
		.fn = fn,
		.arg = arg,
		.token = token,
	};
	send_ping(dht, to, PEEL_MSG_DHT_PING_REQUEST, dht->ping[slot].identifier);
	return 0;
}

/* The place is free before the callback runs, which may ping again. */
static void
finish(struct peel_dht *dht, struct ping *ping, bool answered)
{
	struct ping done = *ping;

	ping->live = false;
	dht->free_slot[(dht->free_first + dht->n_free) % PINGS_MAX] = (uint16_t)(ping - dht->ping);
	dht->n_free++;
	done.fn(done.arg, done.token, answered);
}

uint64_t
peel_dht_tick(struct peel_dht *dht)
{
	uint64_t now = peel_now_ms(dht->conf.env);

	if (dht->n_free == PINGS_MAX)
		return TICK_MS;
	for (unsigned int i = 0; i < PINGS_MAX; i++) {
		if (dht->ping[i].live && now - dht->ping[i].sent_ms >= PING_TIMEOUT_MS)
			finish(dht, &dht->ping[i], false);
	}
	return TICK_MS;
}

/* ---- input ----------------------------------------------------------------------------------- */

static int
over_limit(struct peel_dht *dht)
{
	peel_stats_add(dht->conf.stats, PEEL_CONTROL_RATE, 1);
	return 0;
}

static int
bad_signature(struct peel_dht *dht)
{
	peel_stats_add(dht->conf.stats, PEEL_BAD_SIGNATURE, 1);
	return -EBADMSG;
}

static uint64_t
source_key(const struct peel_dht *dht, const struct peel_addr *from)
{
	struct peel_addr source = peel_addr_source(from);

	return peel_addr_hash(&source, 0, dht->seed);
}

static bool
may_verify(struct peel_dht *dht, const struct peel_addr *from, uint64_t now)
{
	uint64_t key = source_key(dht, from);

	if (dht->conf.proved != NULL && dht->conf.proved(dht->conf.arg, from))
		return dht_limit_take(&dht->by_source, key, now) &&
		       dht_window_take(&dht->verify_proved, VERIFY_TOTAL, WINDOW_MS, now);
	return dht_limit_take(&dht->by_stranger, key, now) &&
	       dht_window_take(&dht->verify_strangers, VERIFY_STRANGERS, WINDOW_MS, now);
}

static uint64_t
node_key(const struct peel_dht *dht, const struct peel_addr *from, const struct peel_signed *s)
{
	uint8_t mid[PEEL_MID_LEN], id[PEEL_DHT_NODE_ID_LEN];
	struct peel_addr as_addr;

	_Static_assert(sizeof(as_addr) == sizeof(id), "a node id hashes like an address");
	peel_mid(s->pk.p, s->pk.len, mid);
	peel_dht_node_id(from, mid, id);
	memcpy(&as_addr, id, sizeof(as_addr));
	return peel_addr_hash(&as_addr, 1, dht->seed);
}

static int
on_request(struct peel_dht *dht, const struct peel_addr *from, const struct peel_signed *s,
	uint32_t identifier)
{
	uint64_t now = peel_now_ms(dht->conf.env);

	if (!may_verify(dht, from, now))
		return over_limit(dht);
	/* Only after the check: otherwise anybody could use up another node's share. */
	if (!peel_signed_verify(s))
		return bad_signature(dht);
	if (!dht_limit_take(&dht->by_node, node_key(dht, from, s), now))
		return over_limit(dht);
	send_ping(dht, from, PEEL_MSG_DHT_PING_RESPONSE, identifier);
	peel_stats_add(dht->conf.stats, PEEL_LIVENESS_PINGS, 1);
	return 0;
}

static int
on_response(struct peel_dht *dht, const struct peel_addr *from, const struct peel_signed *s,
	uint32_t identifier)
{
	struct ping *ping = &dht->ping[identifier & (PINGS_MAX - 1)];
	uint64_t now = peel_now_ms(dht->conf.env);

	if (!ping->live || ping->identifier != identifier || !peel_addr_equal(&ping->to, from)) {
		peel_stats_add(dht->conf.stats, PEEL_INTRO_UNSOLICITED, 1);
		return 0;
	}
	if (!dht_window_take(&dht->verify_answers, VERIFY_TOTAL, WINDOW_MS, now))
		return over_limit(dht);
	if (!peel_signed_verify(s))
		return bad_signature(dht);
	finish(dht, ping, true);
	return 0;
}

int
peel_dht_input(struct peel_dht *dht, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	struct peel_signed s;
	uint32_t identifier;

	if (len < PEEL_HEADER_LEN || memcmp(data, dht->prefix, PEEL_PREFIX_LEN) != 0)
		return -ENOENT;
	uint8_t id = data[PEEL_PREFIX_LEN];

	if (id != PEEL_MSG_DHT_PING_REQUEST && id != PEEL_MSG_DHT_PING_RESPONSE)
		return -ENOENT;
	if (from->port == 0 || peel_signed_parse(data, len, false, false, &s) != 0 ||
		peel_dht_plain_parse(s.body, &identifier) != 0 ||
		memcmp(s.pk.p, dht->conf.identity->pk, PEEL_PK_LEN) == 0) {
		peel_stats_add(dht->conf.stats, PEEL_CONTROL_MALFORMED, 1);
		return -EBADMSG;
	}
	return id == PEEL_MSG_DHT_PING_REQUEST ? on_request(dht, from, &s, identifier)
					       : on_response(dht, from, &s, identifier);
}
