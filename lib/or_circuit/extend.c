/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "or_internal.h"
#include "peel_discovery.h"
#include "peel_policy.h"

/* Extends a circuit that ends here: extend in, create out, created in, extended out. Sections 16.2
 * and 16.3. */

/* A node on the Internet must not make us send into our own networks. */
static bool
trespasses(const struct peel_or_circuits *c, const struct or_circuit *ci,
	const struct peel_addr *target)
{
	static const struct peel_policy internet; /* allows public addresses only */

	return !peel_policy_destination(&internet, target) &&
	       peel_policy_destination(&internet, or_addr(c, ci, PREVIOUS));
}

static bool
was_offered(struct peel_or_circuits *c, const struct or_circuit *ci, const uint8_t *pk,
	struct peel_addr *addr)
{
	if (ci->offer == PEEL_NONE)
		return false;
	const struct offer *o = &c->offers.offer[ci->offer];

	for (uint32_t i = 0; i < o->n; i++) {
		if (or_keys_equal(&c->keys, o->key[i], pk)) {
			*addr = o->addr[i];
			return true;
		}
	}
	return false;
}

/*
 * Where the next node is, section 16.2 steps 3 and 4. A key from our own list is at the address it
 * had when we listed it, and we need no further proof that we can reach it. Any other key is where
 * the originator says, who has a view of its own. So a node that made us believe a wrong address of
 * a key, or that has moved it since, cannot draw circuits to itself (W6).
 */
static int
resolve(struct peel_or_circuits *c, const struct or_circuit *ci, const struct peel_msg_extend *m,
	struct peel_addr *addr, bool *reach)
{
	struct peel_target peer = {0};

	*reach = false;
	if (was_offered(c, ci, m->pk.p, addr))
		return peel_addr_usable(addr) ? 0 : -EPROTO;
	if (peel_addr_is_none(&m->address))
		return -EPROTO;
	*addr = m->address;
	bool known = c->conf.find_peer != NULL && c->conf.find_peer(c->conf.arg, m->pk.p, &peer);

	/* An address in the originator's own network means nothing here, unless we are in that
	 * network and know the node. */
	if (trespasses(c, ci, addr)) {
		if (!known)
			return -EPROTO;
		*addr = peer.addr;
	}
	if (!peel_addr_usable(addr))
		return -EPROTO;
	*reach = !known || !peel_addr_equal(addr, &peer.addr) || peer.last_heard_ms == 0 ||
		 peel_now_ms(c->env) - peer.last_heard_ms >= REACH_AFTER_MS;
	return 0;
}

static void
send_create(struct peel_or_circuits *c, struct pending *p)
{
	uint8_t out[PEEL_CELL_HEADER_LEN + 128];
	const struct peel_msg_create m = {
		.identifier = p->identifier,
		.pk = {c->conf.identity->pk, PEEL_PK_LEN},
		.x = {p->x, sizeof(p->x)},
	};
	int len = peel_create_build(
		out + PEEL_CELL_HEADER_LEN, sizeof(out) - PEEL_CELL_HEADER_LEN, &m);

	if (len < 0)
		return; /* cannot happen: 113 bytes */
	peel_cell_header(out, c->conf.prefix, p->cid, true, false);
	p->sent = true;
	c->n_pending++;
	pending_renew(c, p);
	count(c, PEEL_EXTEND_ACCEPTED);
	c->conf.send(c->conf.arg, &p->addr, out, PEEL_CELL_HEADER_LEN + (size_t)len);
}

static bool
may_extend(const struct peel_or_circuits *c, const struct or_circuit *ci, bool early)
{
	const struct peel_or_settings *s = &c->conf.settings;
	uint64_t age_ms = peel_now_ms(c->env) - ci->joined_ms;

	return early && (s->peer_flags & PEEL_FLAG_RELAY) != 0 && s->max_relay_early > 0 &&
	       ci->kind == KIND_EXIT && !ci->removing &&
	       age_ms <= (uint64_t)s->unstable_timeout * 1000;
}

int
or_extend(struct peel_or_circuits *c, struct or_circuit *ci, bool early, const uint8_t *body,
	size_t len)
{
	struct peel_msg_extend m;
	struct peel_addr addr;
	bool reach;

	if (!may_extend(c, ci, early))
		return -EPROTO;
	if (peel_extend_parse(body, len, &m) != 0)
		return -EBADMSG;
	if (memcmp(m.pk.p, c->conf.identity->pk, PEEL_PK_LEN) == 0)
		return -EPROTO; /* to ourselves */
	int ret = resolve(c, ci, &m, &addr, &reach);

	if (ret != 0)
		return ret;
	if (or_is_banned(c, &addr, m.pk.p))
		return -EPROTO;
	uint32_t key = or_keys_get(&c->keys, m.pk.p);
	struct pending *p = key != PEEL_NONE ? pending_new(c, ci, key) : NULL;

	if (p == NULL) {
		or_keys_put(&c->keys, key);
		return -ENOSPC;
	}
	p->addr = addr;
	p->extend_identifier = m.identifier;
	memcpy(p->x, m.x.p, sizeof(p->x));
	/* The callback may answer at once, and p may be sent or even gone by then: use the token
	 * from here on. */
	uint64_t token = pending_token(c, p);

	if (!reach || c->conf.reach == NULL ||
		c->conf.reach(c->conf.arg, &addr, m.pk.p, token) != 0)
		peel_or_reached(c, token, NULL);
	return 0;
}

void
peel_or_reached(struct peel_or_circuits *c, uint64_t token, const struct peel_addr *instead)
{
	struct pending *p = pending_by_token(c, token);

	if (p == NULL || p->sent)
		return;
	const struct or_circuit *ci = pending_circuit(c, p);

	if (ci == NULL || ci->kind != KIND_EXIT || ci->removing) {
		pending_end(c, p); /* gone by now, or extended by another attempt */
		return;
	}
	if (instead != NULL && peel_addr_usable(instead) && !trespasses(c, ci, instead) &&
		!or_is_banned(c, instead, NULL))
		p->addr = *instead;
	send_create(c, p);
}

/* ---- created --------------------------------------------------------------------------------- */

/* Backward first: once the previous hop hears "extended", cells of the next hop must find their
 * way. */
static int
publish(struct peel_or_circuits *c, struct or_circuit *ci, const struct pending *p)
{
	uint32_t max_early = c->conf.settings.max_relay_early;
	struct peel_route route = {
		.in = p->addr,
		.in_cid = p->cid,
		.out = *or_addr(c, ci, PREVIOUS),
		.out_cid = ci->cid[PREVIOUS],
		.session = ci->session,
		.peer = PEEL_NONE,
		.kind = PEEL_ROUTE_BACKWARD,
		.n_early = 1, /* the extend counts, section 13.6 */
		.max_early = max_early < UINT8_MAX ? (uint8_t)max_early : UINT8_MAX,
	};
	uint32_t backward, forward;

	/* The id was free when we chose it, but another library may have taken it since. */
	if (peel_route_lookup(c->conf.routes, &p->addr, p->cid) != PEEL_NONE)
		return -EEXIST;
	int ret = peel_route_publish(c->conf.routes, &route, &backward);

	if (ret != 0)
		return ret;
	route.in = route.out;
	route.in_cid = route.out_cid;
	route.out = p->addr;
	route.out_cid = p->cid;
	route.kind = PEEL_ROUTE_FORWARD;
	ret = peel_route_publish(c->conf.routes, &route, &forward); /* replaces EXIT */
	if (ret != 0) {
		peel_route_retire(c->conf.routes, backward);
		return ret;
	}
	ci->route[PREVIOUS] = forward;
	ci->route[NEXT] = backward;
	return 0;
}

/* The session stays the same, and so does its seal counter. */
static int
become_relay(struct peel_or_circuits *c, struct or_circuit *ci, struct pending *p)
{
	int ret = publish(c, ci, p);

	if (ret != 0)
		return ret;
	ci->kind = KIND_RELAY;
	ci->cid[NEXT] = p->cid;
	ci->key[NEXT] = p->key;
	p->key = PEEL_NONE; /* moved */
	or_unoffer(c, ci);
	c->n_exits--;
	c->n_relays++;
	or_delay(c, ci, DELAY_EXIT);
	return 0;
}

/* Write the next hop's created with two fields replaced, section 14.3. */
static void
send_extended(struct peel_or_circuits *c, struct or_circuit *ci, uint16_t identifier,
	const struct peel_cell *created)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];

	memcpy(msg, created->message.p, created->message.len);
	msg[0] = PEEL_MSG_EXTENDED;
	peel_put_be16(msg + 1, identifier);
	if (or_seal(c, ci, false, msg, created->message.len) == 0)
		count(c, PEEL_EXTENDED);
}

int
or_extended(struct peel_or_circuits *c, const struct peel_addr *from, const struct peel_cell *cell)
{
	struct pending *p = pending_get(c, cell->cid);
	struct peel_msg_created m;

	if (p == NULL || !p->sent)
		return -ENOENT; /* may belong to an origin circuit */
	if (peel_created_parse(cell->message.p + 1, cell->message.len - 1, &m) != 0 ||
		cell->message.len + PEEL_CELL_HEADER_LEN > DATAGRAM_EXTENDED_MAX)
		return refuse(c, PEEL_CONTROL_MALFORMED);
	/* W5: all three must match, or any node could complete the attempt. */
	if (m.identifier != p->identifier || !peel_addr_equal(&p->addr, from))
		return refuse(c, PEEL_CONTROL_UNKNOWN);
	struct or_circuit *ci = pending_circuit(c, p);
	uint16_t identifier = p->extend_identifier;
	int ret = -EPROTO;

	/* If it is no longer an exit, another attempt of the same circuit was faster. The node may
	 * have been banned since it was asked. */
	if (ci != NULL && ci->kind == KIND_EXIT && !ci->removing &&
		!or_neighbour_banned(c, &p->addr, p->key))
		ret = become_relay(c, ci, p);
	pending_end(c, p);
	if (ret != 0)
		return refuse(c, PEEL_EXTEND_REFUSED);
	send_extended(c, ci, identifier, cell);
	return 0;
}
