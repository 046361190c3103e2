/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "rules.h"

const uint8_t nobody_pk[PEEL_PK_LEN] =
	"LibNaCLPK:somebody who is not there, 64 bytes of anything at all .........";
struct peel_addr alice, other;

struct node *
node_with(const struct peel_or_settings *s)
{
	alice = peel_addr_ipv4(192, 0, 2, 10, 8090);
	other = peel_addr_ipv4(192, 0, 2, 66, 8090);
	struct node *n = node_new(peel_addr_ipv4(192, 0, 2, 11, 8090), NULL, s, 256);

	n->reach_result = -ENOTSUP; /* unless a test wants it: creates leave at once */
	return n;
}

struct peel_or_count
counts(const struct node *n)
{
	struct peel_or_count count;

	peel_or_count(n->circuits, &count);
	return count;
}

int
try_create(struct node *n, struct originator *o, uint32_t cid)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	size_t len = originator_create(o, n, cid, out);

	return node_input(n, &o->addr, out, len);
}

unsigned int
join_some(struct node *n)
{
	unsigned int n_joined = 0;

	while (n_joined < PEEL_HANDSHAKES && peel_or_joins_wait(n->circuits))
		n_joined += peel_or_join(n->circuits);
	return n_joined;
}

void
drain(struct node *n)
{
	n->n_sent = 0;
}

struct peel_session *
session_of(const struct node *n, const struct originator *o)
{
	uint32_t slot = node_route(n, &o->addr, o->cid);

	assert_int_not_equal(slot, PEEL_NONE);
	return peel_session_at(n->routes, peel_route_at(n->routes, slot)->session);
}

/* Cells of a living circuit, both ways. */
void
touch(const struct node *n, const struct originator *o)
{
	struct peel_session *s = session_of(n, o);

	peel_direction_account(&s->forward, (uint32_t)(world_now / 1000), 100);
	peel_direction_account(&s->backward, (uint32_t)(world_now / 1000), 100);
}

int
try_extend(struct node *n, struct originator *o, const uint8_t *pk, const struct peel_addr *to)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	size_t len = originator_extend(o, pk, to, out);

	return node_input(n, &o->addr, out, len);
}
