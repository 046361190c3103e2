/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Seeders: the part of the protocol that a node sees of them.
 */
#include <string.h>

#include "bench.h"
#include "seeders.h"

#define KEYS 64 /* identities and points that circuits are made with */
#define ASKERS_FROM (1u << 16)

const char *const seeder_ask_name[SEEDER_N_ASKS] = {
	"create", "establish-intro", "peers-request", "create-e2e"};

static uint8_t prefix[PEEL_PREFIX_LEN], node_pk[PEEL_PK_LEN];
static struct peel_identity identity[KEYS];
static uint8_t secret[KEYS][PEEL_X_LEN], point[KEYS][PEEL_X_LEN];

void
seeders_init(const uint8_t tunnel_prefix[PEEL_PREFIX_LEN], const uint8_t pk[PEEL_PK_LEN])
{
	memcpy(prefix, tunnel_prefix, sizeof(prefix));
	memcpy(node_pk, pk, sizeof(node_pk));
	for (unsigned int i = 0; i < KEYS; i++) {
		bench_must(peel_identity_generate(&peel_env_system, &identity[i]), "identity");
		bench_must(
			peel_handshake_start(&peel_env_system, secret[i], point[i]), "handshake");
	}
}

void
seeder_new(struct seeder *s, uint32_t neighbour)
{
	static uint32_t serial;

	serial++;
	*s = (struct seeder){.neighbour = neighbour, .serial = serial, .cid = serial * 2654435761u};
}

static void
seeder_hash(const struct seeder *s, uint8_t out[PEEL_INFO_HASH_LEN])
{
	memset(out, 0x5e, PEEL_INFO_HASH_LEN);
	peel_put_be32(out, s->serial);
}

/* Of the form of a key; nobody computes with it. */
static void
seeder_key(const struct seeder *s, uint8_t out[PEEL_PK_LEN])
{
	memcpy(out, node_pk, PEEL_PK_LEN);
	peel_put_be32(out + PEEL_PK_LEN - 4, s->serial);
}

/* ---- questions ------------------------------------------------------------------------------- */

static int
build(const struct seeder *s, enum seeder_ask ask, const struct seeder *of, uint8_t *out,
	size_t size)
{
	uint8_t hash[PEEL_INFO_HASH_LEN], key[PEEL_PK_LEN];
	uint32_t k = s->serial % KEYS;
	const struct peel_span x = {point[k], PEEL_X_LEN};

	seeder_hash(of, hash);
	seeder_key(of, key);
	switch (ask) {
	case SEEDER_CREATE:
		return peel_create_build(out, size,
			&(struct peel_msg_create){
				.identifier = 1, .pk = {identity[k].pk, PEEL_PK_LEN}, .x = x});
	case SEEDER_ESTABLISH:
		return peel_establish_intro_build(out, size,
			&(struct peel_msg_establish_intro){.identifier = 2,
				.info_hash = hash,
				.seeder_pk = {key, sizeof(key)}});
	case SEEDER_LOOK_UP:
		return peel_peers_request_build(out, size, false,
			&(struct peel_msg_peers_request){.identifier = 3, .info_hash = hash});
	default:
		return peel_create_e2e_build(out, size,
			&(struct peel_msg_create_e2e){.identifier = 4,
				.info_hash = hash,
				.seeder_pk = {key, sizeof(key)},
				.x = x});
	}
}

void
seeder_ask(struct seeder *s, enum seeder_ask ask, const struct seeder *of,
	struct mixed_message *message, uint8_t buffer[SEEDER_MESSAGE_MAX])
{
	uint8_t msg[SEEDER_MESSAGE_MAX];
	size_t front = 0;
	int len;

	*message = (struct mixed_message){.from = mixed_address(s->neighbour), .data = buffer};
	if (ask == SEEDER_DESTROY) {
		peel_destroy_build(
			buffer, prefix, &identity[s->serial % KEYS], s->cid, PEEL_DESTROY_UNNEEDED);
		message->len = PEEL_DESTROY_LEN;
		return;
	}
	len = build(s, ask, of, msg, sizeof(msg));
	if (len <= 0 || len + PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD > SEEDER_MESSAGE_MAX)
		bench_fail("%s cannot be built", seeder_ask_name[ask]);
	if (ask == SEEDER_CREATE_E2E) { /* from who looks for it */
		message->from = mixed_address(ASKERS_FROM + s->neighbour);
		memcpy(buffer, prefix, PEEL_PREFIX_LEN);
		front = PEEL_PREFIX_LEN;
	} else {
		peel_cell_header(buffer, prefix, s->cid, ask == SEEDER_CREATE, false);
		front = PEEL_CELL_HEADER_LEN;
	}
	if (ask == SEEDER_ESTABLISH || ask == SEEDER_LOOK_UP) {
		peel_seal_one(&s->keys.forward, s->keys.salt_forward, ++s->counter, msg,
			(size_t)len, buffer + front);
		len += PEEL_SEAL_OVERHEAD;
	} else {
		memcpy(buffer + front, msg, (size_t)len);
	}
	message->len = (uint16_t)(front + (size_t)len);
	s->asked[ask] = message;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
join(struct seeder *s, const struct peel_cell *cell)
{
	struct peel_msg_created m;

	if (peel_created_parse(cell->message.p + 1, cell->message.len - 1, &m) != 0 ||
		peel_handshake_finish(
			secret[s->serial % KEYS], node_pk, m.y.p, m.auth.p, &s->keys) != 0)
		bench_fail("a wrong created");
	s->counter = peel_random_u64(&peel_env_system) >> 2;
}

/* To which question. */
static enum seeder_ask
answer_to(const uint8_t *msg, size_t len)
{
	struct peel_msg_peers_response peers;

	switch (msg[0]) {
	case PEEL_MSG_INTRO_ESTABLISHED:
		return SEEDER_ESTABLISH;
	case PEEL_MSG_PEERS_RESPONSE:
		if (peel_peers_response_parse(msg + 1, len - 1, false, &peers) != 0 || peers.n != 1)
			bench_fail("a wrong peers-response");
		return SEEDER_LOOK_UP;
	case PEEL_MSG_DATA:
		return SEEDER_CREATE_E2E;
	default:
		bench_fail("an answer with the id %u", msg[0]);
	}
}

void
seeder_answer(struct seeder *s, const struct mixed_answer *answer)
{
	uint8_t msg[sizeof(answer->data)];
	struct peel_cell cell;
	int len;

	if (peel_cell_parse(answer->data, answer->len, &cell) != 0)
		return; /* a destroy, or of another overlay */
	if (cell.cid != s->cid)
		return; /* of a seeder that had the address before */
	if (cell.plain) {
		join(s, &cell);
		s->answered[SEEDER_CREATE] = answer->sent;
		return;
	}
	len = peel_open_one(
		&s->keys.backward, s->keys.salt_backward, cell.message.p, cell.message.len, msg);
	if (len <= 0)
		bench_fail("an answer does not open");
	s->answered[answer_to(msg, (size_t)len)] = answer->sent;
}
