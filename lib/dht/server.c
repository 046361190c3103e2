/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Requests of others. Source: protocol sections 21.1, 21.4 to 21.7 and 21.9.
 *
 * Whoever has not shown that it receives what goes to its address gets little more than it sent,
 * so that a forged address makes no good target.
 */
#include <errno.h>

#include "dht_internal.h"
#include "peel_discovery.h"

#define CLOSER_LOOKED_AT 20
#define CLOSER_FREE 7 /* nodes that may be closer to a value than we are */

/* Answers may be longer than an Ethernet frame: eight values of the largest size. */
#define ANSWER_MAX PEEL_DATAGRAM_MAX
/* Of the bytes that came, in tenths, what may go to an address that has not answered us. */
#define STRANGER_TENTHS 21
#define PUNCTURE_COST 10 /* tokens, of which a stranger gets one in a second */
#define PUNCTURES_PER_SECOND 50
#define PUNCTURES_BURST 100

struct asker {
	const struct peel_signed *s;
	struct peel_dht_node node;
	uint8_t mid[PEEL_MID_LEN];
	bool proved; /* answered us at its address */
	size_t room; /* bytes that may go there now */
};

/* ---- what goes back -------------------------------------------------------------------------- */

static void
answer(struct peel_dht *dht, struct asker *a, struct peel_writer *w)
{
	size_t len = dht_send(dht, &a->node.addr, w);

	a->room -= len < a->room ? len : a->room;
}

static void
answer_plain(struct peel_dht *dht, struct asker *a, uint8_t id, uint32_t identifier)
{
	uint8_t buffer[256];
	struct peel_writer w = dht_begin(dht, id, buffer, sizeof(buffer));

	peel_dht_plain_write(&w, identifier);
	answer(dht, a, &w);
}

/* Room for lists in an answer that has @p fixed bytes of body besides. */
static size_t
room_for_lists(const struct asker *a, size_t fixed)
{
	size_t frame = PEEL_HEADER_LEN + 2 + PEEL_PK_LEN + PEEL_SIGNATURE_LEN + fixed;

	return a->room > frame ? a->room - frame : 0;
}

static void
cut_values(struct peel_dht_values *values, size_t *room)
{
	for (uint8_t i = 0; i < values->n; i++) {
		size_t len = 2 + values->value[i].len;

		if (len > *room)
			values->n = i;
		else
			*room -= len;
	}
}

/* What fits of @p node into @p out. */
static void
list_nodes(const struct peel_dht_node *const *node, size_t n, struct peel_dht_contacts *out,
	size_t room)
{
	for (out->n = 0; out->n < n; out->n++) {
		const struct peel_dht_node *from = node[out->n];
		size_t len = 2 + PEEL_PK_LEN +
			     (from->addr.family == PEEL_FAMILY_IPV6 ? 1 + 16 + 2 : 1 + 4 + 2);

		if (len > room)
			return;
		room -= len;
		out->contact[out->n] = (struct peel_dht_contact){
			.addr = from->addr,
			.pk = {from->pk, PEEL_PK_LEN},
		};
	}
}

/* ---- punctures ------------------------------------------------------------------------------- */

static bool
may_puncture(struct peel_dht *dht, const struct asker *a)
{
	struct peel_addr source = peel_addr_sender(&a->node.addr);

	return a->proved || (peel_rate_take_port(dht->puncture_stranger, &source, PUNCTURE_COST) &&
				    peel_bucket_take(&dht->puncture_strangers, PUNCTURES_PER_SECOND,
					    PUNCTURES_BURST, 1, dht_now(dht)));
}

/* Ask @p to to let the asker in through its NAT. */
static void
ask_for_puncture(struct peel_dht *dht, const struct peel_addr *to, const struct asker *a,
	const struct peel_addr *lan, uint32_t identifier)
{
	uint8_t buffer[128];
	struct peel_writer w = peel_writer_init(buffer, sizeof(buffer));
	bool new_style = a->node.addr.family == PEEL_FAMILY_IPV6;
	struct peel_puncture_request m = {
		.lan_walker = *lan,
		.wan_walker = a->node.addr,
		.identifier = (uint16_t)identifier,
	};

	peel_unsigned_begin(&w, dht->prefix,
		new_style ? PEEL_MSG_PUNCTURE_REQUEST_NEW : PEEL_MSG_PUNCTURE_REQUEST,
		++dht->clock);
	peel_puncture_request_write(&w, new_style, &m);
	dht->conf.send(dht->conf.arg, to, buffer, (size_t)peel_writer_len(&w));
}

/* ---- find ------------------------------------------------------------------------------------ */

static int
on_find(struct peel_dht *dht, struct asker *a)
{
	const struct dht_node *node[PEEL_DHT_NODES_MAX];
	const struct peel_dht_node *list[PEEL_DHT_NODES_MAX];
	uint8_t buffer[ANSWER_MAX], token[PEEL_DHT_TOKEN_LEN];
	struct peel_dht_find_request m;
	struct peel_dht_find_response out = {.token = token};
	size_t room = room_for_lists(a, 4 + PEEL_DHT_TOKEN_LEN + 2), n = 0;

	if (peel_dht_find_request_parse(a->s->body, &m) != 0)
		return -EBADMSG;
	out.identifier = m.identifier;
	dht_token_make(&dht->tokens, &a->node.addr, a->mid, token);
	if (!m.force_nodes)
		dht_storage_get(&dht->storage, m.target, m.offset, dht_now(dht), &out.values);
	cut_values(&out.values, &room);
	if (out.values.n == 0) {
		n = dht_routing_closest(dht_routing_of(dht, &a->node.addr), m.target, a->node.id,
			node, PEEL_DHT_NODES_MAX);
		for (size_t i = 0; i < n; i++)
			list[i] = &node[i]->is;
		list_nodes(list, n, &out.nodes, room);
	}
	if (out.nodes.n > 0 && may_puncture(dht, a))
		ask_for_puncture(dht, &list[0]->addr, a, &m.lan, m.identifier);
	struct peel_writer w = dht_begin(dht, PEEL_MSG_DHT_FIND_RESPONSE, buffer, sizeof(buffer));

	peel_dht_find_response_write(&w, &out);
	answer(dht, a, &w);
	peel_stats_add(dht->conf.stats, PEEL_DHT_FINDS, 1);
	return 0;
}

/* ---- store ----------------------------------------------------------------------------------- */

/* Halved for each node beyond a few that is closer to the key than we are: against storing
 * everywhere what is asked for anywhere. */
static uint64_t
life_ms(struct peel_dht *dht, const struct asker *a, const uint8_t target[PEEL_DHT_KEY_LEN])
{
	const struct dht_node *node[CLOSER_LOOKED_AT];
	struct dht_routing *routing = dht_routing_of(dht, &a->node.addr);
	size_t n = dht_routing_closest(routing, target, NULL, node, CLOSER_LOOKED_AT), closer = 0;

	while (closer < n && dht_closer(node[closer]->is.id, routing->own_id, target))
		closer++;
	return DHT_VALUE_LIFE_MS >> (closer > CLOSER_FREE ? closer - CLOSER_FREE : 0);
}

/* 0, or -ENOSPC when it is not stored for lack of room; what is no value counts as done. */
static int
store(struct peel_dht *dht, const struct asker *a, const uint8_t target[PEEL_DHT_KEY_LEN],
	struct peel_span blob, uint64_t expires_ms)
{
	uint8_t identity[PEEL_MID_LEN];
	struct peel_dht_value value;
	struct dht_item item = {
		.key = target,
		.identity = identity,
		.blob = blob,
		.source = dht_source(dht, &a->node.addr),
		.expires_ms = expires_ms,
	};

	if (peel_dht_value_parse(blob, &value) != 0)
		return 0;
	/* What is stored already was checked when it came. The token proves the address. */
	if (value.is_signed && !dht_storage_has(&dht->storage, target, blob)) {
		if (!dht_may_verify(dht, &a->node.addr, true))
			return -ENOSPC;
		if (!dht_value_genuine(&value)) {
			peel_stats_add(dht->conf.stats, PEEL_BAD_SIGNATURE, 1);
			return 0;
		}
	}
	dht_value_identity(&value, blob, identity);
	item.version = value.version;
	int rc = dht_storage_put(&dht->storage, dht->conf.env, &item);

	if (rc == 0)
		peel_stats_add(dht->conf.stats, PEEL_DHT_STORED, 1);
	return rc == -EEXIST ? 0 : rc;
}

static int
refused(struct peel_dht *dht)
{
	peel_stats_add(dht->conf.stats, PEEL_DHT_REFUSED, 1);
	return 0;
}

static int
on_store(struct peel_dht *dht, struct asker *a)
{
	struct peel_dht_store_request m;
	bool room = true;

	if (peel_dht_store_request_parse(a->s->body, &m) != 0)
		return -EBADMSG;
	if (!dht_token_valid(&dht->tokens, &a->node.addr, a->mid, m.token))
		return refused(dht);
	for (uint8_t i = 0; i < m.values.n; i++) {
		if (m.values.value[i].len > PEEL_DHT_VALUE_MAX)
			return refused(dht);
	}
	uint64_t expires_ms = dht_now(dht) + life_ms(dht, a, m.target);

	/* Backwards, so that the first one is the newest. */
	for (uint8_t i = m.values.n; i-- > 0;)
		room &= store(dht, a, m.target, m.values.value[i], expires_ms) == 0;
	/* Silence: its owner should ask somebody else. */
	if (!room)
		return refused(dht);
	answer_plain(dht, a, PEEL_MSG_DHT_STORE_RESPONSE, m.identifier);
	return 0;
}

/* ---- peers ----------------------------------------------------------------------------------- */

static int
on_store_peer(struct peel_dht *dht, struct asker *a)
{
	struct peel_dht_store_peer_request m;
	struct dht_stored_peer peer = {
		.is = a->node,
		.source = dht_source(dht, &a->node.addr),
		.asked_ms = dht_now(dht),
	};

	if (peel_dht_store_peer_request_parse(a->s->body, &m) != 0)
		return -EBADMSG;
	memcpy(peer.mid, a->mid, sizeof(peer.mid));
	if (!dht_token_valid(&dht->tokens, &a->node.addr, a->mid, m.token) ||
		memcmp(m.target, a->mid, PEEL_MID_LEN) != 0 ||
		dht_peers_put(&dht->peers, dht->conf.env, &peer) != 0)
		return refused(dht);
	answer_plain(dht, a, PEEL_MSG_DHT_STORE_PEER_RESPONSE, m.identifier);
	return 0;
}

static int
on_connect_peer(struct peel_dht *dht, struct asker *a)
{
	const struct peel_dht_node *peer[PEEL_DHT_NODES_MAX];
	struct peel_dht_connect_peer_request m;
	struct peel_dht_connect_peer_response out;
	uint8_t buffer[ANSWER_MAX];

	if (peel_dht_connect_peer_request_parse(a->s->body, &m) != 0)
		return -EBADMSG;
	size_t n = dht_peers_get(&dht->peers, m.target, dht_now(dht), peer, PEEL_DHT_NODES_MAX);

	out.identifier = m.identifier;
	list_nodes(peer, n, &out.nodes, room_for_lists(a, 4 + 1));
	for (uint8_t i = 0; i < out.nodes.n && may_puncture(dht, a); i++)
		ask_for_puncture(dht, &peer[i]->addr, a, &m.lan, m.identifier);
	struct peel_writer w =
		dht_begin(dht, PEEL_MSG_DHT_CONNECT_PEER_RESPONSE, buffer, sizeof(buffer));

	peel_dht_connect_peer_response_write(&w, &out);
	answer(dht, a, &w);
	return 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int
on_ping(struct peel_dht *dht, struct asker *a)
{
	uint32_t identifier;

	if (peel_dht_plain_parse(a->s->body, &identifier) != 0)
		return -EBADMSG;
	answer_plain(dht, a, PEEL_MSG_DHT_PING_RESPONSE, identifier);
	peel_stats_add(dht->conf.stats, PEEL_LIVENESS_PINGS, 1);
	return 0;
}

static bool
is_proved(struct peel_dht *dht, const struct peel_dht_node *node)
{
	const struct dht_node *known = dht_routing_find(dht_routing_of(dht, &node->addr), node->id);

	if (known != NULL && peel_addr_equal(&known->is.addr, &node->addr) &&
		memcmp(known->is.pk, node->pk, PEEL_PK_LEN) == 0)
		return true;
	return dht->conf.proved != NULL && dht->conf.proved(dht->conf.arg, &node->addr, node->pk);
}

static int
dispatch(struct peel_dht *dht, struct asker *a)
{
	switch (a->s->id) {
	case PEEL_MSG_DHT_PING_REQUEST:
		return on_ping(dht, a);
	case PEEL_MSG_DHT_STORE_REQUEST:
		return on_store(dht, a);
	case PEEL_MSG_DHT_FIND_REQUEST:
		return on_find(dht, a);
	case PEEL_MSG_DHT_STORE_PEER_REQUEST:
		return on_store_peer(dht, a);
	default:
		return on_connect_peer(dht, a);
	}
}

int
dht_on_request(
	struct peel_dht *dht, const struct peel_addr *from, const struct peel_signed *s, size_t len)
{
	struct asker a = {.s = s, .node = dht_node_make(from, s->pk.p)};
	bool about_peers = s->id >= PEEL_MSG_DHT_STORE_PEER_REQUEST;
	uint64_t now = dht_now(dht);

	a.proved = is_proved(dht, &a.node);
	a.room = a.proved ? ANSWER_MAX : len * STRANGER_TENTHS / 10;
	if (!dht_may_verify(dht, from, a.proved))
		return dht_over_limit(dht);
	/* Only after the check: otherwise anybody could use up another node's share. */
	if (!peel_signed_verify(s)) {
		peel_stats_add(dht->conf.stats, PEEL_BAD_SIGNATURE, 1);
		return -EBADMSG;
	}
	/* The reference has no limit for what is about peers, and so none in common with the rest.
	 */
	if (!dht_limit_take(about_peers ? &dht->by_peer_query : &dht->by_node,
		    dht_hash(dht, a.node.id, 1), now))
		return dht_over_limit(dht);
	peel_mid(s->pk.p, s->pk.len, a.mid);
	dht_peers_came(&dht->peers, a.mid, now);
	int rc = dispatch(dht, &a);

	if (rc != 0)
		peel_stats_add(dht->conf.stats, PEEL_CONTROL_MALFORMED, 1);
	else if (a.room >= DHT_PING_LEN)
		dht_newcomer(dht, &a.node, a.proved);
	return rc;
}
