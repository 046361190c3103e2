/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "or_internal.h"
#include "peel_discovery.h"

/* The answer to a create: created, with the candidates that the circuit may be extended to. */

#define N_EACH 4 /* relays, and as many exits, in the candidate list: section 14.5 */
/* For a stranger: with the first exit twice, this makes 455 bytes on the network in answer to 170,
 * which go to a possibly forged address. */
#define N_RELAYS_STRANGER 2
#define N_EXITS_STRANGER 1
#define LIST_MAX (1 + PEEL_CANDIDATES_MAX * (2 + PEEL_PK_LEN))

/* Choose up to max candidates, and remember what is needed to extend the circuit to them later. */
static size_t
offer(struct peel_or_circuits *c, struct or_circuit *ci, uint16_t all, uint16_t none, size_t max,
	struct peel_target out[N_EACH])
{
	size_t n = 0, got = 0;

	if (ci->offer == PEEL_NONE)
		ci->offer = or_offer_new(&c->offers);
	if (ci->offer == PEEL_NONE)
		return 0; /* do not offer candidates that we cannot remember */
	if (c->conf.candidates != NULL)
		got = c->conf.candidates(c->conf.arg, all, none, out, max);
	struct offer *o = &c->offers.offer[ci->offer];

	for (size_t i = 0; i < got && i < max; i++) {
		if (!peel_pk_valid((struct peel_span){out[i].pk, PEEL_PK_LEN}))
			continue;
		uint32_t key = or_keys_get(&c->keys, out[i].pk);

		if (key == PEEL_NONE)
			break;
		o->key[o->n] = key;
		o->addr[o->n++] = out[i].addr;
		out[n++] = out[i];
	}
	return n;
}

/* Seal the candidate list. W1: with the originator's own sealing key, hence with a salt that no
 * originator uses. */
static size_t
candidates_enc(struct peel_or_circuits *c, struct or_circuit *ci,
	const struct peel_session_keys *keys, uint8_t out[LIST_MAX + PEEL_SEAL_OVERHEAD])
{
	struct peel_target relay[N_EACH], exit[N_EACH];
	const uint8_t *relays[N_EACH], *exits[N_EACH];
	uint8_t list[LIST_MAX];
	bool stranger = ci->standing == STRANGER;
	size_t n_relays = offer(c, ci, PEEL_FLAG_RELAY, PEEL_FLAG_EXIT_BT,
		stranger ? N_RELAYS_STRANGER : N_EACH, relay);
	size_t n_exits = offer(c, ci, PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT, 0,
		stranger ? N_EXITS_STRANGER : N_EACH, exit);

	for (size_t i = 0; i < N_EACH; i++) {
		relays[i] = relay[i].pk;
		exits[i] = exit[i].pk;
	}
	int len = peel_candidates_build(list, sizeof(list), relays, n_relays, exits, n_exits);

	if (len < 0)
		return 0; /* cannot happen: the list has room for the maximum */
	peel_seal_one(&keys->forward, keys->salt_forward, peel_random_u64(c->env) | 1ull << 63,
		list, (size_t)len, out);
	return (size_t)len + PEEL_SEAL_OVERHEAD;
}

void
or_created_send(struct peel_or_circuits *c, struct or_circuit *ci, const struct peel_addr *to,
	uint16_t identifier, const struct peel_handshake *h)
{
	uint8_t enc[LIST_MAX + PEEL_SEAL_OVERHEAD];
	uint8_t out[PEEL_CELL_HEADER_LEN + 128 + sizeof(enc)];
	struct peel_msg_created m = {
		.identifier = identifier,
		.y = {h->y, sizeof(h->y)},
		.auth = {h->auth, sizeof(h->auth)},
		.candidates_enc = {enc, candidates_enc(c, ci, &h->keys, enc)},
	};
	int len = peel_created_build(out + PEEL_CELL_HEADER_LEN, sizeof(out) - PEEL_CELL_HEADER_LEN,
		PEEL_MSG_CREATED, &m);

	peel_cell_header(out, c->conf.prefix, ci->cid[PREVIOUS], true, false);
	if (len > 0)
		c->conf.send(c->conf.arg, to, out, PEEL_CELL_HEADER_LEN + (size_t)len);
}
