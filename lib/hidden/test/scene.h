/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* A node of lib/or_circuit's tests that serves hidden services, and circuits that end there. */

#include <errno.h>

#include "peel_hidden.h"
#include "peel_pex.h"
#include "rules.h"

struct scene {
	struct node *n;
	struct peel_hidden *h;
	struct peel_overlay *overlay; /* with a puppet of the test as bootstrap server */
	struct peel_pex *pex;
	struct packet told;    /* the last datagram of an overlay */
	struct peel_addr here; /* port 0: not known */
	struct packet sent;    /* the last bare datagram */
	unsigned int n_sent;
	unsigned int n_look_ups, n_cancelled, n_announced, n_withdrawn;
	int dht_result; /* what the DHT says to what it is asked */
	uint8_t looked_up[PEEL_INFO_HASH_LEN], cancelled[PEEL_INFO_HASH_LEN];
	uint8_t announced_hash[PEEL_INFO_HASH_LEN], announced_seeder[PEEL_PK_LEN];
	size_t gone_seen;
};

static inline bool
scene_public(void *arg, struct peel_addr *out)
{
	const struct scene *s = arg;

	*out = s->here;
	return s->here.port != 0;
}

static inline void
scene_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct scene *s = arg;

	assert_true(len <= sizeof(s->sent.data));
	s->sent.to = *to;
	s->sent.len = len;
	memcpy(s->sent.data, data, len);
	s->n_sent++;
}

static inline int
scene_announce(
	void *arg, const uint8_t *info_hash, const struct peel_dht_introduction *here, uint32_t *id)
{
	struct scene *s = arg;

	assert_true(peel_addr_equal(&here->address, &s->here));
	assert_memory_equal(here->pk, s->n->id.pk, PEEL_PK_LEN);
	memcpy(s->announced_hash, info_hash, PEEL_INFO_HASH_LEN);
	memcpy(s->announced_seeder, here->seeder_pk, PEEL_PK_LEN);
	*id = 100 + s->n_announced;
	s->n_announced += s->dht_result == 0;
	return s->dht_result;
}

static inline void
scene_withdraw(void *arg, uint32_t id)
{
	struct scene *s = arg;

	assert_in_range(id, 100, 99 + s->n_announced);
	s->n_withdrawn++;
}

static inline int
scene_look_up(void *arg, const uint8_t *info_hash)
{
	struct scene *s = arg;

	memcpy(s->looked_up, info_hash, sizeof(s->looked_up));
	s->n_look_ups++;
	return s->dht_result;
}

static inline void
scene_cancel(void *arg, const uint8_t *info_hash)
{
	struct scene *s = arg;

	memcpy(s->cancelled, info_hash, sizeof(s->cancelled));
	s->n_cancelled++;
}

/* In these tests exits reach all but 10.0.0.0/8. */
static inline bool
scene_may_ask(void *arg, const struct peel_addr *addr)
{
	(void)arg;
	return addr->ip[0] != 10;
}

/* ---- PEX overlays ---------------------------------------------------------------------------- */

static inline void
scene_tell(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct scene *s = arg;

	s->told.to = *to;
	s->told.len = len;
	memcpy(s->told.data, data, len);
}

static inline void
scene_keys(void *arg, const uint8_t *info_hash, struct peel_pex_keys *out)
{
	const struct scene *s = arg;

	peel_hidden_keys(s->h, info_hash, out);
}

static inline int
scene_pex_start(void *arg, const uint8_t *info_hash)
{
	const struct scene *s = arg;

	return peel_pex_start(s->pex, info_hash);
}

static inline void
scene_pex_stop(void *arg, const uint8_t *info_hash)
{
	const struct scene *s = arg;

	peel_pex_stop(s->pex, info_hash);
}

static inline size_t
scene_pex_list(void *arg, const uint8_t *info_hash, struct peel_dht_introduction *out)
{
	const struct scene *s = arg;

	return peel_pex_list(s->pex, info_hash, out);
}

static inline struct peel_addr
scene_puppet(void)
{
	return peel_addr_ipv4(203, 0, 113, 200, 8090);
}

static inline void
scene_pex_open(struct scene *s)
{
	const struct peel_addr puppet = scene_puppet();
	struct peel_overlay_conf oc = {
		.env = &s->n->env,
		.identity = &s->n->id,
		.stats = &s->n->stats,
		.max_peers = -1,
		.peers_max = 16,
		.strangers_max = 64,
		.lan = s->here,
		.bootstrap = &puppet,
		.n_bootstrap = 1,
		.send = scene_tell,
		.arg = s,
	};

	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++)
		memset(oc.community[c], 0xc0 + (int)c, PEEL_COMMUNITY_LEN);
	assert_int_equal(peel_overlay_new(&oc, &s->overlay), 0);
}

static inline uint32_t
scene_pex_overlays(const struct scene *s)
{
	struct peel_pex_count count;

	peel_pex_count(s->pex, &count);
	return count.overlays;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static inline void
scene_serve(struct scene *s, const struct peel_or_settings *settings)
{
	struct peel_hidden_conf conf = {
		.env = &s->n->env,
		.identity = &s->n->id,
		.stats = &s->n->stats,
		.or_circuits = s->n->circuits,
		.max_joined_circuits = settings->max_joined_circuits,
		.send = scene_send,
		.public_address = scene_public,
		.announce = scene_announce,
		.withdraw = scene_withdraw,
		.look_up = scene_look_up,
		.cancel = scene_cancel,
		.may_ask = scene_may_ask,
		.pex_start = scene_pex_start,
		.pex_stop = scene_pex_stop,
		.pex_list = scene_pex_list,
		.arg = s,
	};

	const struct peel_pex_conf pc = {
		.overlay = s->overlay,
		.max = PEEL_HIDDEN_INTRODUCTIONS_MAX,
		.keys = scene_keys,
		.arg = s,
	};

	assert_int_equal(peel_pex_new(&pc, &s->pex), 0);
	memcpy(conf.prefix, world_prefix, PEEL_PREFIX_LEN);
	assert_int_equal(peel_hidden_new(&conf, &s->h), 0);
}

/* sk NULL: a random identity. */
static inline void
scene_open(struct scene *s, struct peel_addr here, const uint8_t *sk,
	const struct peel_or_settings *settings, uint32_t max_sessions)
{
	struct peel_or_settings defaults;

	peel_or_settings_init(&defaults);
	if (settings == NULL)
		settings = &defaults;
	memset(s, 0, sizeof(*s));
	s->here = here;
	s->n = node_new(here, sk, settings, max_sessions);
	s->n->reach_result = -ENOTSUP;
	scene_pex_open(s);
	scene_serve(s, settings);
}

static inline void
scene_close(struct scene *s)
{
	peel_hidden_free(s->h);
	peel_pex_free(s->pex);
	peel_overlay_free(s->overlay);
	node_free(s->n);
}

/* Word of what the circuits have told. */
static inline void
scene_settle(struct scene *s)
{
	assert_true(s->n->n_gone - s->gone_seen <= PEEL_ARRAY_LEN(s->n->gone));
	while (s->gone_seen < s->n->n_gone)
		peel_hidden_exit_gone(s->h, s->n->gone[s->gone_seen++ % 64].session);
	peel_hidden_tick(s->h);
}

static inline void
scene_run(struct scene *s, uint64_t ms)
{
	for (uint64_t at = 0; at < ms; at += 500) {
		node_run(s->n, 500, 500);
		scene_settle(s);
	}
}

static inline uint32_t
scene_session(const struct scene *s, const struct originator *o)
{
	uint32_t slot = node_route(s->n, &o->addr, o->cid);

	assert_int_not_equal(slot, PEEL_NONE);
	return peel_route_at(s->n->routes, slot)->session;
}

/* A message that the originator's circuit brought. */
static inline int
scene_message(struct scene *s, const struct originator *o, const uint8_t *msg, size_t len)
{
	uint32_t session = scene_session(s, o);

	return peel_hidden_message(
		s->h, session, peel_session_generation(s->n->routes, session), msg, len);
}

/* What came back over the originator's circuit; its length. */
static inline int
scene_answer(struct scene *s, struct originator *o, uint8_t msg[PEEL_DATAGRAM_MAX])
{
	struct packet p;

	if (!node_pop(s->n, &p))
		return -ENOENT;
	assert_true(peel_addr_equal(&p.to, &o->addr));
	return originator_open(o, p.data, p.len, msg);
}

static inline struct peel_hidden_count
scene_count(const struct scene *s)
{
	struct peel_hidden_count count;

	peel_hidden_count(s->h, &count);
	return count;
}

/* The last look-up has found these, and that is all. */
static inline void
scene_found(struct scene *s, const struct peel_dht_introduction *found, size_t n)
{
	peel_hidden_found(s->h, s->looked_up, found, n);
	peel_hidden_searched(s->h, s->looked_up);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The magic, then this byte. */
static inline void
seeder_key(uint32_t i, uint8_t out[PEEL_PK_LEN])
{
	memcpy(out, "LibNaCLPK:", 10);
	memset(out + 10, 0x5e, PEEL_PK_LEN - 10);
	peel_put_be32(out + 10, i);
}

static inline int
say_establish_intro_hash(
	struct scene *s, const struct originator *o, uint32_t key, const uint8_t *info_hash)
{
	uint8_t pk[PEEL_PK_LEN], msg[256];
	const struct peel_msg_establish_intro m = {
		.identifier = 7, .info_hash = info_hash, .seeder_pk = {pk, sizeof(pk)}};

	seeder_key(key, pk);
	int len = peel_establish_intro_build(msg, sizeof(msg), &m);

	return scene_message(s, o, msg, (size_t)len);
}

static inline int
say_establish_intro(struct scene *s, const struct originator *o, uint32_t key, uint8_t hash)
{
	uint8_t info_hash[PEEL_INFO_HASH_LEN];

	memset(info_hash, hash, sizeof(info_hash));
	return say_establish_intro_hash(s, o, key, info_hash);
}

static inline int
say_cookie(struct scene *s, const struct originator *o, uint8_t id, uint32_t cookie)
{
	uint8_t bytes[PEEL_COOKIE_LEN] = {0}, msg[64];
	const struct peel_msg_cookie m = {.identifier = 9, .cookie = bytes};

	peel_put_be32(bytes, cookie);
	int len = peel_cookie_build(msg, sizeof(msg), id, &m);

	return scene_message(s, o, msg, (size_t)len);
}

static inline int
say_create_e2e(struct scene *s, const struct peel_addr *from, uint32_t key, uint8_t hash)
{
	uint8_t pk[PEEL_PK_LEN], info_hash[PEEL_INFO_HASH_LEN], x[PEEL_X_LEN] = {9}, out[256];
	const struct peel_msg_create_e2e m = {.identifier = 3,
		.info_hash = info_hash,
		.seeder_pk = {pk, sizeof(pk)},
		.x = {x, sizeof(x)}};

	seeder_key(key, pk);
	memset(info_hash, hash, sizeof(info_hash));
	memcpy(out, world_prefix, PEEL_PREFIX_LEN);
	int len = peel_create_e2e_build(out + PEEL_PREFIX_LEN, sizeof(out) - PEEL_PREFIX_LEN, &m);

	return peel_hidden_datagram(s->h, from, out, PEEL_PREFIX_LEN + (size_t)len);
}

static inline int
say_peers_request(struct scene *s, const struct peel_addr *from, uint8_t hash)
{
	uint8_t info_hash[PEEL_INFO_HASH_LEN], out[64];
	const struct peel_msg_peers_request m = {
		.cid = 0x01020304, .identifier = 5, .info_hash = info_hash};

	memset(info_hash, hash, sizeof(info_hash));
	memcpy(out, world_prefix, PEEL_PREFIX_LEN);
	int len = peel_peers_request_build(
		out + PEEL_PREFIX_LEN, sizeof(out) - PEEL_PREFIX_LEN, true, &m);

	return peel_hidden_datagram(s->h, from, out, PEEL_PREFIX_LEN + (size_t)len);
}

/* As a cell; the hash begins with this number. */
static inline int
say_peers_cell(struct scene *s, const struct originator *o, uint32_t hash)
{
	uint8_t info_hash[PEEL_INFO_HASH_LEN] = {0}, msg[64];
	const struct peel_msg_peers_request m = {.identifier = 9, .info_hash = info_hash};

	peel_put_be32(info_hash, hash);
	int len = peel_peers_request_build(msg, sizeof(msg), false, &m);

	return scene_message(s, o, msg, (size_t)len);
}
