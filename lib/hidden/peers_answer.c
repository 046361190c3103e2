/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "hidden_internal.h"

/* Saying where a service has introduction points, section 19.3. */

/*
 * An answer to a datagram may be 25 times as long as the question, and the address of the question
 * may be forged: so a few for each address, and all together no more than a slow line.
 */
#define PEERS_PER_SECOND 50
#define PEERS_BURST 100

/* One more of which seven are told, each with the same chance. */
static void
offer(struct peel_hidden *h, struct peel_msg_peers_response *m, uint32_t *seen,
	const struct peel_addr *address, const uint8_t *pk, const uint8_t *seeder_pk)
{
	size_t at = *seen < PEEL_PEERS_MAX ? m->n++ : peel_random_below(h->conf.env, *seen + 1);

	++*seen;
	if (at < PEEL_PEERS_MAX)
		m->peer[at] = (struct peel_introduction){
			.address = *address,
			.pk = {pk, PEEL_PK_LEN},
			.seeder_pk = {seeder_pk, PEEL_PK_LEN},
			.source = PEEL_SOURCE_PEX,
		};
}

/* Those that this node is itself, and those that the PEX overlay knows. */
static void
known_introductions(struct peel_hidden *h, const struct peel_addr *here,
	struct peel_dht_introduction others[PEEL_PEX_LIST_MAX], struct peel_msg_peers_response *m)
{
	const struct promises *p = &h->introductions;
	uint32_t slot = promise_first_of_hash(p, m->info_hash), seen = 0;
	size_t n =
		h->conf.pex_list != NULL ? h->conf.pex_list(h->conf.arg, m->info_hash, others) : 0;

	m->n = 0;
	for (; slot != PEEL_NONE; slot = promise_next_of_hash(p, slot, m->info_hash))
		offer(h, m, &seen, here, h->conf.identity->pk, p->promise[slot].key);
	for (size_t i = 0; i < n; i++)
		offer(h, m, &seen, &others[i].address, others[i].pk, others[i].seeder_pk);
}

static int
answer_cell(struct peel_hidden *h, uint32_t session, const struct peel_msg_peers_response *m)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	int n = peel_peers_response_build(out, sizeof(out), false, m);

	if (n < 0 || peel_or_answer(h->conf.or_circuits, session, out, (size_t)n) != 0)
		return hidden_refuse(h);
	peel_stats_add(h->conf.stats, PEEL_HIDDEN_PEERS, 1);
	return 0;
}

/* An answer is as much longer than the question over a circuit, too, and costs relays that. */
static bool
may_ask_by_cell(struct peel_hidden *h, uint32_t session, const struct peel_addr *previous)
{
	struct peel_addr circuit = *previous;

	circuit.port = (uint16_t)session;
	return peel_rate_take_port(h->cells, &circuit, 1);
}

int
peers_asked_by_cell(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *body, size_t len)
{
	struct peel_dht_introduction others[PEEL_PEX_LIST_MAX];
	struct search_asker asker = {.session = session, .generation = generation};
	struct peel_msg_peers_response response;
	struct peel_msg_peers_request m;
	struct peel_exit_info exit;
	struct peel_addr here;

	if (peel_peers_request_parse(body, len, false, &m) != 0 ||
		peel_or_exit(h->conf.or_circuits, session, generation, &exit) != 0)
		return hidden_refuse(h);
	if (!may_ask_by_cell(h, session, &exit.previous)) {
		peel_stats_add(h->conf.stats, PEEL_CONTROL_RATE, 1);
		return 0;
	}
	response.identifier = m.identifier;
	response.info_hash = m.info_hash;
	if (promise_first_of_hash(&h->introductions, m.info_hash) != PEEL_NONE &&
		h->conf.public_address(h->conf.arg, &here)) {
		known_introductions(h, &here, others, &response);
		return answer_cell(h, session, &response);
	}
	asker.identifier = m.identifier;
	search_ask(h, m.info_hash, &asker, &exit.previous);
	return 0;
}

void
peers_found(struct peel_hidden *h, const struct search *s, const struct search_asker *asker)
{
	struct peel_msg_peers_response response = {
		.identifier = asker->identifier, .info_hash = s->info_hash, .n = s->n_found};
	struct peel_exit_info exit;

	if (peel_or_exit(h->conf.or_circuits, asker->session, asker->generation, &exit) != 0)
		return; /* gone meanwhile */
	for (size_t i = 0; i < response.n; i++)
		response.peer[i] = (struct peel_introduction){
			.address = s->found[i].address,
			.pk = {s->found[i].pk, PEEL_PK_LEN},
			.seeder_pk = {s->found[i].seeder_pk, PEEL_PK_LEN},
			.source = PEEL_SOURCE_DHT,
		};
	(void)answer_cell(h, asker->session, &response);
}

int
peers_answer(struct peel_hidden *h, const struct asked_limits *limits,
	const struct peel_addr *source, const uint8_t *body, size_t len, uint8_t *out, size_t size)
{
	struct peel_dht_introduction others[PEEL_PEX_LIST_MAX];
	struct peel_msg_peers_response response;
	struct peel_msg_peers_request m;
	struct peel_addr here;

	if (peel_peers_request_parse(body, len, true, &m) != 0 ||
		promise_first_of_hash(&h->introductions, m.info_hash) == PEEL_NONE ||
		!h->conf.public_address(h->conf.arg, &here))
		return hidden_refuse(h);
	if (!peel_rate_take(limits->all, source, 1) ||
		(limits == &h->datagrams && !peel_bucket_take(&h->peers, PEERS_PER_SECOND,
						    PEERS_BURST, 1, peel_now_ms(h->conf.env)))) {
		peel_stats_add(h->conf.stats, PEEL_CONTROL_RATE, 1);
		return 0;
	}
	response.cid = m.cid;
	response.identifier = m.identifier;
	response.info_hash = m.info_hash;
	known_introductions(h, &here, others, &response);
	memcpy(out, h->conf.prefix, PEEL_PREFIX_LEN);
	int n = peel_peers_response_build(
		out + PEEL_PREFIX_LEN, size - PEEL_PREFIX_LEN, true, &response);

	if (n < 0)
		return hidden_refuse(h); /* cannot be: 7 of 162 bytes */
	peel_stats_add(h->conf.stats, PEEL_HIDDEN_PEERS, 1);
	return PEEL_PREFIX_LEN + n;
}

int
peers_asked_by_datagram(
	struct peel_hidden *h, const struct peel_addr *from, const uint8_t *body, size_t len)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	int n = from->port != 0 ? peers_answer(h, &h->datagrams, from, body, len, out, sizeof(out))
				: hidden_refuse(h);

	if (n <= 0)
		return n;
	h->conf.send(h->conf.arg, from, out, (size_t)n);
	return 0;
}
