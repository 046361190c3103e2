/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "or_internal.h"

/* Joining two circuits that end here: what comes over one goes back over the other, sections 13.4
 * and 19.5. */

struct or_circuit *
or_partner(const struct peel_or_circuits *c, const struct or_circuit *ci)
{
	return ci->kind == KIND_RENDEZVOUS ? circuit_at(c, ci->partner) : NULL;
}

/* An exit with a place of its own, through which nothing has left. Others may have ended. */
static int
may_join(struct peel_or_circuits *c, uint32_t session, uint32_t generation)
{
	struct or_circuit *ci = or_by_session(c, session, generation);

	if (ci == NULL || ci->kind != KIND_EXIT || ci->removing)
		return -ENOENT;
	if (ci->exited)
		return -EPERM;
	return or_prove(c, ci) ? 0 : -ENOENT;
}

/* Takes the place of the EXIT route. */
static int
publish(struct peel_or_circuits *c, struct or_circuit *ci, const struct or_circuit *to)
{
	uint32_t max_early = c->conf.settings.max_relay_early;
	const struct peel_route route = {
		.in = *or_addr(c, ci, PREVIOUS),
		.in_cid = ci->cid[PREVIOUS],
		.out = *or_addr(c, to, PREVIOUS),
		.out_cid = to->cid[PREVIOUS],
		.session = ci->session,
		.peer = to->session,
		.kind = PEEL_ROUTE_RENDEZVOUS,
		.n_early = 1, /* as when a circuit is extended, section 13.6 */
		.max_early = max_early < UINT8_MAX ? (uint8_t)max_early : UINT8_MAX,
	};

	return peel_route_publish(c->conf.routes, &route, &ci->route[PREVIOUS]);
}

static void
settle(struct peel_or_circuits *c, struct or_circuit *ci, const struct or_circuit *partner)
{
	or_unoffer(c, ci);
	ci->kind = KIND_RENDEZVOUS;
	ci->partner = circuit_index(c, partner);
	c->n_exits--;
	c->n_rendezvous++;
	or_delay(c, ci, DELAY_EXIT);
}

int
peel_or_rendezvous(struct peel_or_circuits *c, uint32_t session, uint32_t generation,
	uint32_t with_session, uint32_t with_generation)
{
	int ret = may_join(c, session, generation);

	if (ret == 0)
		ret = may_join(c, with_session, with_generation);
	if (ret == 0) /* the first one may have made room for the second */
		ret = may_join(c, session, generation);
	if (ret != 0)
		return ret;
	struct or_circuit *a = or_by_session(c, session, generation);
	struct or_circuit *b = or_by_session(c, with_session, with_generation);
	uint32_t exit_a = a->route[PREVIOUS];

	if (a == b)
		return -EINVAL;
	ret = publish(c, a, b);
	if (ret != 0) {
		a->route[PREVIOUS] = exit_a; /* still there */
		return ret;
	}
	uint32_t exit_b = b->route[PREVIOUS];

	ret = publish(c, b, a);
	if (ret != 0) { /* half joined is nothing: the cells of one would go astray */
		b->route[PREVIOUS] = exit_b;
		or_destroy_send(c, a, PREVIOUS, PEEL_DESTROY_UNKNOWN);
		or_end(c, a);
		return ret;
	}
	settle(c, a, b);
	settle(c, b, a);
	return 0;
}
