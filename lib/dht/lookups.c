/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Look-ups from beginning to end: crawl, then store or ask at the closest nodes if that was the
 * goal, then tell.
 */
#include <errno.h>

#include "lookups.h"

#define LOOKUP_MAX_MS (60 * DHT_SECOND)
#define FIND_MAX_MS (9 * DHT_SECOND) /* who asks for values waits no longer */
#define ACT_TIMEOUT_MS 5000

/* ---- which one ------------------------------------------------------------------------------- */

uint64_t
dht_lookup_token(const struct peel_dht *dht, const struct dht_lookup *l, unsigned int family)
{
	return (uint64_t)l->generation << 16 | family << 8 | (uint64_t)(l - dht->lookup);
}

struct dht_lookup *
dht_lookup_of(struct peel_dht *dht, uint64_t token)
{
	struct dht_lookup *l = &dht->lookup[token & 0xff];

	return l->live && !l->told && l->generation == (uint16_t)(token >> 16) ? l : NULL;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void
collect_nodes(const struct dht_lookup *l, struct peel_dht_result *out,
	struct peel_dht_node node[DHT_N_FAMILIES * DHT_CLOSEST])
{
	for (unsigned int f = 0; f < DHT_N_FAMILIES; f++) {
		size_t n = 0;

		out->n_asked += l->crawl[f].n_asked;
		for (uint8_t i = 0; i < l->crawl[f].n && n < DHT_CLOSEST; i++) {
			const struct dht_candidate *c = &l->crawl[f].candidate[i];

			if (c->state != DHT_CANDIDATE_ANSWERED)
				continue;
			node[out->n_nodes++] = c->is;
			n++;
		}
	}
	out->node = node;
}

/* Genuine ones; of a signer the newest. */
static void
collect_values(const struct dht_lookup *l, struct peel_dht_result *out,
	struct peel_dht_value value[DHT_LOOKUP_VALUES])
{
	for (uint8_t i = 0; i < l->n_values; i++) {
		struct peel_span blob = {l->value[i].bytes, l->value[i].len};
		struct peel_dht_value v;
		size_t k = 0;

		if (peel_dht_value_parse(blob, &v) != 0 || !dht_value_genuine(&v))
			continue;
		while (k < out->n_values && !(v.is_signed && value[k].is_signed &&
						    memcmp(v.pk.p, value[k].pk.p, v.pk.len) == 0))
			k++;
		if (k == out->n_values)
			value[out->n_values++] = v;
		else if (v.version > value[k].version)
			value[k] = v;
	}
	out->value = value;
}

static void
finish(struct dht_lookup *l)
{
	struct peel_dht_node node[DHT_N_FAMILIES * DHT_CLOSEST];
	struct peel_dht_value value[DHT_LOOKUP_VALUES];
	struct peel_dht_result result = {
		.target = l->target,
		.n_stored = l->n_stored,
		.peer = l->peer,
		.n_peers = l->n_peers,
	};

	collect_nodes(l, &result, node);
	if (l->goal == DHT_FIND_VALUES)
		collect_values(l, &result, value);
	/* What it tells lies in it: its place is free only afterwards. */
	l->told = true;
	if (l->fn != NULL)
		l->fn(l->arg, l->token, &result);
	l->live = false;
}

/* ---- after the crawls ------------------------------------------------------------------------ */

static void
take_peers(struct dht_lookup *l, const struct peel_dht_contacts *nodes)
{
	for (uint8_t i = 0; i < nodes->n && l->n_peers < DHT_LOOKUP_PEERS; i++) {
		const struct peel_dht_contact *contact = &nodes->contact[i];
		uint8_t mid[PEEL_MID_LEN], k = 0;

		if (!peel_pk_valid(contact->pk) || !peel_addr_usable(&contact->addr))
			continue;
		peel_mid(contact->pk.p, contact->pk.len, mid);
		if (memcmp(mid, l->target, PEEL_MID_LEN) != 0)
			continue; /* somebody else */
		while (k < l->n_peers && !peel_addr_equal(&l->peer[k].addr, &contact->addr))
			k++;
		if (k == l->n_peers)
			l->peer[l->n_peers++] = dht_node_make(&contact->addr, contact->pk.p);
	}
}

static void
on_act(struct peel_dht *dht, const struct dht_request *request, const struct peel_span *body)
{
	struct dht_lookup *l = dht_lookup_of(dht, request->token);
	struct peel_dht_connect_peer_response m;

	if (l == NULL)
		return;
	l->n_acts--;
	l->n_stored += body != NULL;
	if (body != NULL && l->goal == DHT_CONNECT_PEER &&
		peel_dht_connect_peer_response_parse(*body, &m) == 0)
		take_peers(l, &m.nodes);
	if (body != NULL && l->goal == DHT_STORE_PEER)
		dht_storers_add(dht, &request->to);
	if (l->n_acts == 0)
		finish(l);
}

static void
write_act(const struct peel_dht *dht, const struct dht_lookup *l, const struct dht_candidate *to,
	uint32_t identifier, struct peel_writer *w)
{
	struct peel_dht_store_request store = {
		.identifier = identifier,
		.token = to->token,
		.target = l->target,
	};

	switch (l->goal) {
	case DHT_STORE_PEER:
		peel_dht_store_peer_request_write(w, &(struct peel_dht_store_peer_request){
							     .identifier = identifier,
							     .token = to->token,
							     .target = l->target,
						     });
		return;
	case DHT_CONNECT_PEER:
		peel_dht_connect_peer_request_write(w, &(struct peel_dht_connect_peer_request){
							       .identifier = identifier,
							       .lan = dht->conf.lan,
							       .target = l->target,
						       });
		return;
	default: /* a value to store, or those found */
		for (; store.values.n < l->n_values && store.values.n < PEEL_DHT_VALUES_MAX;
			store.values.n++)
			store.values.value[store.values.n] = (struct peel_span){
				l->value[store.values.n].bytes, l->value[store.values.n].len};
		peel_dht_store_request_write(w, &store);
	}
}

/* @return true when it was sent. */
static bool
act(struct peel_dht *dht, const struct dht_lookup *l, unsigned int family,
	const struct dht_candidate *to, dht_done_fn done)
{
	uint8_t msg = l->goal == DHT_STORE_PEER	    ? PEEL_MSG_DHT_STORE_PEER_REQUEST
		      : l->goal == DHT_CONNECT_PEER ? PEEL_MSG_DHT_CONNECT_PEER_REQUEST
						    : PEEL_MSG_DHT_STORE_REQUEST;
	struct dht_request like = {
		.to = to->is,
		.done = done,
		.token = dht_lookup_token(dht, l, family),
	};
	struct dht_request *r = dht_request_new(dht, DHT_POOL_LOOKUPS, msg, ACT_TIMEOUT_MS, &like);
	uint8_t buffer[PEEL_DATAGRAM_MAX];
	struct peel_writer w = dht_begin(dht, msg, buffer, sizeof(buffer));

	if (r == NULL)
		return false;
	(void)dht_limit_take(&dht->to_node, dht_hash(dht, &to->is.addr, 0), dht_now(dht));
	write_act(dht, l, to, r->identifier, &w);
	dht_send(dht, &to->is.addr, &w);
	return true;
}

/* For the next who asks: the closest node that answered without values gets them. */
static void
cache(struct peel_dht *dht, const struct dht_lookup *l, unsigned int family)
{
	for (uint8_t i = 0; i < l->crawl[family].n; i++) {
		const struct dht_candidate *c = &l->crawl[family].candidate[i];

		if (c->state == DHT_CANDIDATE_ANSWERED && c->without_values) {
			(void)act(dht, l, family, c, NULL);
			return;
		}
	}
}

/* Are we one of the closest ourselves? */
static bool
is_ours(const struct peel_dht *dht, const struct dht_lookup *l, unsigned int family)
{
	const struct dht_crawl *c = &l->crawl[family];
	unsigned int closer = 0;

	for (uint8_t i = 0; i < c->n; i++)
		closer += c->candidate[i].state == DHT_CANDIDATE_ANSWERED &&
			  dht_closer(c->candidate[i].is.id, dht->routing[family].own_id, l->target);
	return closer < DHT_CLOSEST;
}

static void
store_here(struct peel_dht *dht, const struct dht_lookup *l)
{
	struct peel_span blob = {l->value[0].bytes, l->value[0].len};
	uint8_t identity[PEEL_MID_LEN];
	struct peel_dht_value value;

	if (peel_dht_value_parse(blob, &value) != 0)
		return;
	dht_value_identity(&value, blob, identity);
	(void)dht_storage_put(&dht->storage, dht->conf.env,
		&(struct dht_item){
			.key = l->target,
			.identity = identity,
			.blob = blob,
			.version = value.version,
			.source = dht_source(dht, &dht->own),
			.expires_ms = dht_now(dht) + DHT_VALUE_LIFE_MS,
		});
}

static void
act_everywhere(struct peel_dht *dht, struct dht_lookup *l)
{
	bool here = false;

	for (unsigned int f = 0; f < DHT_N_FAMILIES; f++) {
		const struct dht_crawl *c = &l->crawl[f];
		unsigned int n = 0;

		if (l->goal == DHT_FIND_VALUES && l->n_values > 0)
			cache(dht, l, f);
		if (l->goal == DHT_FIND_VALUES || l->goal == DHT_FIND_NODES)
			continue;
		here |= c->n > 0 && is_ours(dht, l, f);
		for (uint8_t i = 0; i < c->n && n < DHT_CLOSEST; i++) {
			if (c->candidate[i].state != DHT_CANDIDATE_ANSWERED ||
				!act(dht, l, f, &c->candidate[i], on_act))
				continue;
			l->n_acts++;
			n++;
		}
	}
	if (l->goal == DHT_STORE && here)
		store_here(dht, l);
}

void
dht_lookup_advance(struct peel_dht *dht, struct dht_lookup *l)
{
	bool over = true;

	if (l->acting)
		return;
	for (unsigned int f = 0; f < DHT_N_FAMILIES; f++)
		over &= dht_crawl_step(dht, l, f);
	if (!over && dht_now(dht) < l->until_ms)
		return;
	l->acting = true;
	act_everywhere(dht, l);
	if (l->n_acts == 0)
		finish(l);
}

void
dht_lookups_tick(struct peel_dht *dht)
{
	for (unsigned int i = 0; i < DHT_LOOKUPS_OF_USERS + DHT_LOOKUPS_OWN; i++) {
		if (dht->lookup[i].live && !dht->lookup[i].told)
			dht_lookup_advance(dht, &dht->lookup[i]);
	}
}

/* ---- the beginning --------------------------------------------------------------------------- */

void
dht_lookup_value(struct dht_lookup *l, struct peel_span blob)
{
	if (blob.len == 0 || blob.len > PEEL_DHT_VALUE_MAX || l->n_values == DHT_LOOKUP_VALUES)
		return;
	for (uint8_t i = 0; i < l->n_values; i++) {
		if (l->value[i].len == blob.len && memcmp(l->value[i].bytes, blob.p, blob.len) == 0)
			return;
	}
	l->value[l->n_values].len = (uint8_t)blob.len;
	memcpy(l->value[l->n_values++].bytes, blob.p, blob.len);
}

static int
begin(struct peel_dht *dht, unsigned int first, unsigned int n, enum dht_goal goal,
	const uint8_t target[PEEL_DHT_KEY_LEN], struct dht_lookup **out)
{
	struct dht_lookup *l = &dht->lookup[first];
	size_t known = 0;

	while (n > 0 && l->live) {
		l++;
		n--;
	}
	if (n == 0)
		return -ENOSPC;
	uint16_t generation = l->generation + 1;

	memset(l, 0, sizeof(*l));
	l->generation = generation;
	l->goal = (uint8_t)goal;
	memcpy(l->target, target, sizeof(l->target));
	l->until_ms = dht_now(dht) + (goal == DHT_FIND_VALUES ? FIND_MAX_MS : LOOKUP_MAX_MS);
	for (unsigned int f = 0; f < DHT_N_FAMILIES; f++)
		known += dht_crawl_begin(dht, l, f);
	if (known == 0)
		return -EHOSTUNREACH;
	l->live = true;
	*out = l;
	return 0;
}

int
dht_lookup_own(struct peel_dht *dht, enum dht_goal goal, const uint8_t target[PEEL_DHT_KEY_LEN],
	struct peel_span blob, peel_dht_done_fn fn, void *arg, uint64_t token)
{
	struct dht_lookup *l;
	int rc = begin(dht, DHT_LOOKUPS_OF_USERS, DHT_LOOKUPS_OWN, goal, target, &l);

	if (rc != 0)
		return rc;
	dht_lookup_value(l, blob);
	l->fn = fn;
	l->arg = arg;
	l->token = token;
	dht_lookup_advance(dht, l);
	return 0;
}

static int
begin_of_user(struct peel_dht *dht, enum dht_goal goal, const uint8_t target[PEEL_DHT_KEY_LEN],
	peel_dht_done_fn fn, void *arg, uint64_t token, struct dht_lookup **out)
{
	int rc = begin(dht, 0, DHT_LOOKUPS_OF_USERS, goal, target, out);

	if (rc != 0)
		return rc;
	(*out)->fn = fn;
	(*out)->arg = arg;
	(*out)->token = token;
	peel_stats_add(dht->conf.stats, PEEL_DHT_LOOKUPS, 1);
	return 0;
}

int
peel_dht_find_nodes(struct peel_dht *dht, const uint8_t target[PEEL_DHT_KEY_LEN],
	peel_dht_done_fn fn, void *arg, uint64_t token)
{
	struct dht_lookup *l;
	int rc = begin_of_user(dht, DHT_FIND_NODES, target, fn, arg, token, &l);

	if (rc == 0)
		dht_lookup_advance(dht, l);
	return rc;
}

int
peel_dht_find(struct peel_dht *dht, const uint8_t key[PEEL_DHT_KEY_LEN], uint32_t offset,
	peel_dht_done_fn fn, void *arg, uint64_t token)
{
	struct peel_dht_values here;
	struct dht_lookup *l;
	int rc = begin_of_user(dht, DHT_FIND_VALUES, key, fn, arg, token, &l);

	if (rc != 0)
		return rc;
	l->offset = offset;
	dht_storage_get(&dht->storage, key, offset, dht_now(dht), &here);
	for (uint8_t i = 0; i < here.n; i++)
		dht_lookup_value(l, here.value[i]);
	dht_lookup_advance(dht, l);
	return 0;
}

int
peel_dht_store(struct peel_dht *dht, const uint8_t key[PEEL_DHT_KEY_LEN], struct peel_span data,
	uint32_t version, peel_dht_done_fn fn, void *arg, uint64_t token)
{
	uint8_t blob[PEEL_DHT_VALUE_MAX];
	struct dht_lookup *l;
	int len = dht_value_make(dht->conf.identity, data, version, blob), rc;

	if (len < 0)
		return len;
	rc = begin_of_user(dht, DHT_STORE, key, fn, arg, token, &l);
	if (rc != 0)
		return rc;
	dht_lookup_value(l, (struct peel_span){blob, (size_t)len});
	dht_lookup_advance(dht, l);
	return 0;
}

int
peel_dht_connect_peer(struct peel_dht *dht, const uint8_t mid[PEEL_MID_LEN], peel_dht_done_fn fn,
	void *arg, uint64_t token)
{
	const struct peel_dht_node *peer[PEEL_DHT_NODES_MAX];
	struct dht_lookup *l;
	int rc = begin_of_user(dht, DHT_CONNECT_PEER, mid, fn, arg, token, &l);

	if (rc != 0)
		return rc;
	/* What we tell others we know ourselves. */
	l->n_peers =
		(uint8_t)dht_peers_get(&dht->peers, mid, dht_now(dht), peer, PEEL_DHT_NODES_MAX);
	for (uint8_t i = 0; i < l->n_peers; i++)
		l->peer[i] = *peer[i];
	dht_lookup_advance(dht, l);
	return 0;
}

void
peel_dht_cancel(struct peel_dht *dht, const uint8_t target[PEEL_DHT_KEY_LEN], peel_dht_done_fn fn,
	const void *arg)
{
	for (unsigned int i = 0; i < DHT_LOOKUPS_OF_USERS; i++) {
		struct dht_lookup *l = &dht->lookup[i];

		/* One that is being told is over in a moment anyway. */
		if (l->live && !l->told && l->fn == fn && l->arg == arg &&
			memcmp(l->target, target, PEEL_DHT_KEY_LEN) == 0)
			l->live = false;
	}
}
