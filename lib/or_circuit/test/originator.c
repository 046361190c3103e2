/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "world.h"

static void
originator_random(void *arg, void *out, size_t len)
{
	world_prng(&((struct originator *)arg)->random_state, out, len);
}

void
originator_init(struct originator *o, struct peel_addr addr, uint64_t seed)
{
	memset(o, 0, sizeof(*o));
	o->env = (struct peel_env){.now_ms = world_time, .random = originator_random, .arg = o};
	o->random_state = seed;
	o->addr = addr;
	assert_int_equal(peel_identity_generate(&o->env, &o->id), 0);
}

size_t
originator_create(struct originator *o, const struct node *first, uint32_t cid, uint8_t *out)
{
	uint8_t x[32];
	struct peel_msg_create m = {.pk = {o->id.pk, PEEL_PK_LEN}, .x = {x, 32}};

	o->cid = cid;
	o->first = first->addr;
	o->n_hops = 0;
	o->identifier = m.identifier = peel_random_u16(&o->env);
	memcpy(o->next_pk, first->id.pk, PEEL_PK_LEN);
	assert_int_equal(peel_handshake_start(&o->env, o->x_secret, x), 0);
	peel_cell_header(out, world_prefix, cid, true, true);
	int len = peel_create_build(out + PEEL_CELL_HEADER_LEN, 256, &m);

	assert_int_equal(len, 113);
	return PEEL_CELL_HEADER_LEN + (size_t)len;
}

size_t
originator_seal(struct originator *o, const uint8_t *msg, size_t len, bool early, uint8_t *out)
{
	uint8_t in[PEEL_DATAGRAM_MAX];

	memcpy(out + PEEL_CELL_HEADER_LEN, msg, len);
	for (unsigned int i = o->n_hops; i-- > 0;) {
		memcpy(in, out + PEEL_CELL_HEADER_LEN, len);
		peel_seal_one(&o->hop[i].forward, o->hop[i].salt_forward, ++o->counter[i], in, len,
			out + PEEL_CELL_HEADER_LEN);
		len += PEEL_SEAL_OVERHEAD;
	}
	peel_cell_header(out, world_prefix, o->cid, false, early);
	return PEEL_CELL_HEADER_LEN + len;
}

size_t
originator_extend(
	struct originator *o, const uint8_t *pk, const struct peel_addr *address, uint8_t *out)
{
	uint8_t x[32], msg[256];
	struct peel_msg_extend m = {.pk = {pk, PEEL_PK_LEN}, .x = {x, 32}};

	if (address != NULL)
		m.address = *address;
	o->identifier = m.identifier = peel_random_u16(&o->env);
	memcpy(o->next_pk, pk, PEEL_PK_LEN);
	assert_int_equal(peel_handshake_start(&o->env, o->x_secret, x), 0);
	int len = peel_extend_build(msg, sizeof(msg), &m);

	assert_true(len > 0);
	return originator_seal(o, msg, (size_t)len, true, out);
}

int
originator_open(struct originator *o, const uint8_t *data, size_t len, uint8_t *msg)
{
	struct peel_cell cell;
	uint8_t in[PEEL_DATAGRAM_MAX];
	int got;

	assert_int_equal(peel_cell_parse(data, len, &cell), 0);
	assert_int_equal(cell.cid, o->cid);
	got = (int)cell.message.len;
	memcpy(msg, cell.message.p, cell.message.len);
	for (unsigned int i = 0; i < o->n_hops && !cell.plain; i++) {
		memcpy(in, msg, (size_t)got);
		got = peel_open_one(
			&o->hop[i].backward, o->hop[i].salt_backward, in, (size_t)got, msg);
		if (got < 0)
			return got;
	}
	return got;
}

int
originator_hop(struct originator *o, const uint8_t *msg, size_t len)
{
	struct peel_session_keys keys;
	struct peel_msg_created m;

	assert_int_equal(msg[0], o->n_hops == 0 ? PEEL_MSG_CREATED : PEEL_MSG_EXTENDED);
	if (peel_created_parse(msg + 1, len - 1, &m) != 0 || m.identifier != o->identifier)
		return -EBADMSG;
	int ret = peel_handshake_finish(o->x_secret, o->next_pk, m.y.p, m.auth.p, &keys);

	if (ret != 0)
		return ret;
	/* W1: never a salt that this side would use. */
	assert_true((m.candidates_enc.p[0] & 0x80) != 0);
	ret = peel_open_one(&keys.forward, keys.salt_forward, m.candidates_enc.p,
		m.candidates_enc.len, o->list);
	if (ret < 0)
		return ret;
	assert_int_equal(peel_candidates_parse(o->list, (size_t)ret, &o->candidates), 0);
	o->counter[o->n_hops] = peel_random_u64(&o->env) >> 2;
	o->hop[o->n_hops++] = keys;
	return 0;
}

size_t
destroy_build(const struct peel_identity *id, uint32_t cid, uint16_t reason, uint8_t *out)
{
	struct peel_writer w = peel_writer_init(out, 169);
	const struct peel_msg_destroy m = {.cid = cid, .reason = reason};
	uint8_t body[PEEL_DESTROY_BODY_LEN];

	peel_destroy_body(body, &m);
	peel_signed_begin(&w, world_prefix, PEEL_MSG_DESTROY, id->pk, false, 0);
	peel_write_bytes(&w, body, sizeof(body));
	peel_sign(&w, id);
	assert_int_equal(peel_writer_len(&w), 169);
	return 169;
}

size_t
ping_build(uint16_t identifier, uint8_t *out)
{
	int len = peel_identifier_build(out, 3, PEEL_MSG_PING, identifier);

	assert_int_equal(len, 3);
	return 3;
}

size_t
created_build(uint32_t cid, uint16_t identifier, uint8_t *out)
{
	uint8_t y[32], auth[32], enc[PEEL_SEAL_OVERHEAD + 1];
	const struct peel_msg_created m = {
		.identifier = identifier,
		.y = {y, sizeof(y)},
		.auth = {auth, sizeof(auth)},
		.candidates_enc = {enc, sizeof(enc)},
	};

	memset(y, 0x11, sizeof(y));
	memset(auth, 0x22, sizeof(auth));
	memset(enc, 0x33, sizeof(enc));
	peel_cell_header(out, world_prefix, cid, true, false);
	int len = peel_created_build(out + PEEL_CELL_HEADER_LEN, 256, PEEL_MSG_CREATED, &m);

	assert_true(len > 0);
	return PEEL_CELL_HEADER_LEN + (size_t)len;
}

void
exit_make(struct node *n, struct originator *o, uint32_t cid)
{
	uint8_t out[PEEL_DATAGRAM_MAX], msg[PEEL_DATAGRAM_MAX];
	struct packet p;
	size_t len = originator_create(o, n, cid, out);

	assert_int_equal(node_input(n, &o->addr, out, len), 0);
	assert_true(node_pop(n, &p));
	assert_true(peel_addr_equal(&p.to, &o->addr));
	int got = originator_open(o, p.data, p.len, msg);

	assert_true(got > 0);
	assert_int_equal(originator_hop(o, msg, (size_t)got), 0);
	exit_use(n, o);
}

void
exit_use(struct node *n, const struct originator *o)
{
	uint32_t slot = node_route(n, &o->addr, o->cid);

	assert_int_not_equal(slot, PEEL_NONE);
	peel_direction_account(
		&peel_session_at(n->routes, peel_route_at(n->routes, slot)->session)->forward,
		(uint32_t)(world_now / 1000), 1);
}

uint32_t
relay_make(struct node *n, struct originator *o, const uint8_t *next_pk, struct peel_addr next)
{
	uint8_t out[PEEL_DATAGRAM_MAX], msg[PEEL_DATAGRAM_MAX];
	struct packet p;
	size_t len = originator_extend(o, next_pk, &next, out);

	assert_int_equal(node_input(n, &o->addr, out, len), 0);
	assert_true(node_pop(n, &p));
	assert_true(peel_addr_equal(&p.to, &next));
	uint32_t cid = peel_get_be32(p.data + PEEL_CELL_OFF_CID);

	len = created_build(cid, peel_get_be16(p.data + PEEL_CELL_HEADER_LEN + 1), out);
	assert_int_equal(node_input(n, &next, out, len), 0);
	assert_true(node_pop(n, &p));
	assert_true(peel_addr_equal(&p.to, &o->addr));
	assert_true(originator_open(o, p.data, p.len, msg) > 0);
	assert_int_equal(msg[0], PEEL_MSG_EXTENDED);
	assert_int_equal(peel_get_be16(msg + 1), o->identifier);
	return cid;
}
