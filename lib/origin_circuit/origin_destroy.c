/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "origin_internal.h"

/* Destroy, section 17: from the first hop, and to it. */

int
origin_destroy(struct peel_origin_circuits *t, const struct peel_addr *from, const uint8_t *data,
	size_t len)
{
	struct peel_signed frame;
	struct peel_msg_destroy m;

	/* Leave it to others to count what does not parse. */
	if (peel_signed_parse(data, len, false, false, &frame) != 0 ||
		peel_destroy_parse(frame.body.p, frame.body.len, &m) != 0)
		return -ENOENT;
	struct origin_circuit *tn = origin_by_cid(t, m.cid);

	if (tn == NULL)
		return -ENOENT;
	if (tn->n_hops == 0 || tn->state == PEEL_ORIGIN_CLOSING ||
		!peel_addr_equal(from, &tn->hop[0].addr) ||
		memcmp(frame.pk.p, tn->hop[0].pk, PEEL_PK_LEN) != 0)
		return refuse(t, PEEL_DESTROY_REFUSED);
	/* Any node that sees id and key on the wire can make us verify. */
	if (!peel_bucket_take(&t->verify, VERIFY_PER_SECOND, VERIFY_PER_SECOND, 1, origin_now(t)))
		return refuse(t, PEEL_CONTROL_RATE);
	if (!peel_signed_verify(&frame))
		return refuse(t, PEEL_BAD_SIGNATURE);
	count(t, PEEL_DESTROY_RECEIVED);
	if (origin_now(t) - tn->begun_ms < FAILED_MS)
		origin_first_failed(t, tn->hop[0].pk);
	origin_close(t, tn, PEEL_ORIGIN_END_DESTROYED, 0);
	return 0;
}

void
origin_destroy_send(
	struct peel_origin_circuits *t, const struct origin_circuit *tn, uint16_t reason)
{
	uint8_t out[PEEL_DESTROY_LEN];

	peel_destroy_build(out, t->conf.prefix, t->conf.identity, tn->cid, reason);
	t->conf.send(t->conf.arg, &tn->hop[0].addr, out, sizeof(out));
	count(t, PEEL_DESTROY_SENT);
}

int
peel_origin_close(struct peel_origin_circuits *t, peel_origin_id id)
{
	struct origin_circuit *tn = origin_by_id(t, id);

	if (tn == NULL || tn->state == PEEL_ORIGIN_CLOSING)
		return -ENOENT;
	origin_close(t, tn, PEEL_ORIGIN_END_CLOSED, PEEL_DESTROY_UNNEEDED);
	return 0;
}

/* A hop, the node that is asked to become the next one, or the end that is wanted. */
static bool
needs_banned(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	const struct build *b = tn->build;

	for (unsigned int i = 0; i < tn->n_hops; i++) {
		if (origin_is_banned(t, &tn->hop[i].addr, tn->hop[i].pk))
			return true;
	}
	return b != NULL &&
	       (origin_is_banned(t, &b->target.addr, b->target.pk) ||
		       (b->exit_required && origin_is_banned(t, &b->exit.addr, b->exit.pk)));
}

void
peel_origin_banned(struct peel_origin_circuits *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (t->list[i]->state != PEEL_ORIGIN_CLOSING && needs_banned(t, t->list[i]))
			origin_close(t, t->list[i], PEEL_ORIGIN_END_CLOSED, PEEL_DESTROY_UNNEEDED);
	}
}

unsigned int
peel_origin_shutdown(struct peel_origin_circuits *t)
{
	uint64_t until_ms = origin_now(t) + SHUTDOWN_MS;
	unsigned int n = 0;

	for (unsigned int hops = 0; hops <= PEEL_HOPS_MAX; hops++)
		t->pool[hops].wanted = false;
	while (t->n > 0) {
		struct origin_circuit *tn = t->list[t->n - 1];
		bool tell = tn->n_hops > 0 && tn->state != PEEL_ORIGIN_CLOSING &&
			    origin_now(t) <= until_ms;

		n += tell;
		origin_close(t, tn, PEEL_ORIGIN_END_CLOSED, tell ? PEEL_DESTROY_SHUTDOWN : 0);
		origin_remove(t, tn);
	}
	return n;
}
