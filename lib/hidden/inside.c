/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "hidden_internal.h"

/*
 * When an exit is the introduction point itself: what its circuits send to its own main address is
 * not sent, but handed round here. A create-e2e needs an address at which the seeder finds the
 * circuit that asked: it is ours, with a port that nobody has, and leads from that seeder's circuit
 * to the one that asked, once.
 */

#define VISIT_PORT 2048 /* of the first visit */
/* Who asks waits for 10 s. */
#define VISIT_LIFE_MS 15000

/* The datagram in a data message over a circuit, as if it came from this address. */
static int
tell(struct peel_hidden *h, uint32_t session, const struct peel_addr *from, const uint8_t *data,
	size_t len)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	int n = hidden_data(out, sizeof(out), from, data, len);

	return n < 0 ? n : peel_or_answer(h->conf.or_circuits, session, out, (size_t)n);
}

static uint16_t
visit_port(struct peel_hidden *h, uint32_t session, uint32_t generation, const struct promise *to)
{
	struct visit *v = NULL;

	/* Who asks again has given up on its first question. */
	for (uint32_t i = 0; i < VISITS && v == NULL; i++) {
		if (h->visit[i].open && h->visit[i].session == session &&
			h->visit[i].seeder == to->session)
			v = &h->visit[i];
	}
	if (v == NULL)
		v = &h->visit[h->next_visit++ % VISITS];
	*v = (struct visit){
		.session = session,
		.generation = generation,
		.seeder = to->session,
		.seeder_generation = to->generation,
		.since_ms = peel_now_ms(h->conf.env),
		.open = true,
	};
	return (uint16_t)(VISIT_PORT + (v - h->visit));
}

static int
create_e2e(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const struct peel_addr *here, const struct peel_addr *previous, struct peel_span datagram)
{
	struct promise *p = introduction_asked(h, datagram.p, datagram.len);
	struct peel_addr origin = *here;

	if (p == NULL || p->session == session)
		return hidden_refuse(h);
	if (!introduction_may_ask(h, p, &h->inside, previous))
		return 0;
	origin.port = visit_port(h, session, generation, p);
	return introduction_hand_on(h, p, &origin, datagram.p);
}

/* The seeder's answer, over the circuit that it was asked over. */
static int
created_e2e(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const struct peel_addr *here, uint16_t port, struct peel_span datagram)
{
	struct visit *v = &h->visit[port - VISIT_PORT];
	struct peel_msg_created m;
	struct peel_exit_info exit;

	if (!v->open || v->seeder != session || v->seeder_generation != generation ||
		peel_now_ms(h->conf.env) - v->since_ms >= VISIT_LIFE_MS)
		return -ENOENT;
	if (peel_created_parse(datagram.p + PEEL_HEADER_LEN, datagram.len - PEEL_HEADER_LEN, &m) !=
			0 ||
		peel_or_exit(h->conf.or_circuits, v->session, v->generation, &exit) != 0)
		return hidden_refuse(h);
	v->open = false;
	return tell(h, v->session, here, datagram.p, datagram.len) == 0 ? 0 : hidden_refuse(h);
}

static int
peers_request(struct peel_hidden *h, uint32_t session, const struct peel_addr *here,
	const struct peel_addr *previous, struct peel_span datagram)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	int n = peers_answer(h, &h->inside, previous, datagram.p + PEEL_HEADER_LEN,
		datagram.len - PEEL_HEADER_LEN, out, sizeof(out));

	if (n <= 0)
		return n;
	return tell(h, session, here, out, (size_t)n);
}

int
peel_hidden_inside(struct peel_hidden *h, uint32_t session, uint32_t generation, const uint8_t *msg,
	size_t len)
{
	struct peel_exit_info exit;
	struct peel_msg_data m;
	struct peel_addr here;

	if (len == 0 || peel_data_parse(msg + 1, len - 1, &m) != 0 ||
		m.payload.len < PEEL_HEADER_LEN)
		return hidden_refuse(h);
	const struct peel_addr *to = &m.destination.addr;

	if (!h->conf.public_address(h->conf.arg, &here) || !peel_addr_same_ip(to, &here) ||
		peel_or_exit(h->conf.or_circuits, session, generation, &exit) != 0)
		return -ENOENT;
	uint8_t id = m.payload.p[PEEL_PREFIX_LEN];
	int ret = -ENOENT;

	if (to->port == here.port && id == PEEL_MSG_CREATE_E2E)
		ret = create_e2e(h, session, generation, &here, &exit.previous, m.payload);
	else if (to->port == here.port && id == PEEL_MSG_PEERS_REQUEST)
		ret = peers_request(h, session, &here, &exit.previous, m.payload);
	else if (to->port >= VISIT_PORT && to->port - VISIT_PORT < VISITS &&
		 id == PEEL_MSG_CREATED_E2E)
		ret = created_e2e(h, session, generation, &here, to->port, m.payload);
	/* As if it had left: this circuit is not joined to another one. */
	if (ret == 0)
		ret = peel_or_exit_used(h->conf.or_circuits, session, generation);
	return ret;
}
