/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "internal.h"

/* Entry points for datagrams and opened messages, and what the control side of exits needs. */

int
peel_circuits_datagram(
	struct peel_circuits *c, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	struct peel_cell cell;

	if (len < PEEL_HEADER_LEN || memcmp(data, c->conf.prefix, PEEL_PREFIX_LEN) != 0)
		return -ENOENT;
	if (data[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY)
		return peel_circuit_destroy(c, from, data, len);
	if (data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL)
		return -ENOENT;
	if (peel_cell_parse(data, len, &cell) != 0) {
		count(c, PEEL_DROP_SHORT);
		return -EBADMSG;
	}
	if (!cell.plain)
		return -ENOENT;
	switch (cell.message.p[0]) {
	case PEEL_MSG_CREATE:
		return peel_circuit_join(c, from, &cell);
	case PEEL_MSG_CREATED:
		return peel_circuit_extended(c, from, &cell);
	default:
		count(c, PEEL_DROP_PLAIN);
		return -EBADMSG;
	}
}

int
peel_circuits_message(struct peel_circuits *c, uint32_t session, uint32_t generation, bool early,
	const uint8_t *msg, size_t len)
{
	if (len == 0)
		return -EBADMSG;
	if (msg[0] != PEEL_MSG_EXTEND)
		return -ENOENT;
	struct circuit *ci = peel_circuit_by_session(c, session, generation);

	if (ci == NULL || !peel_circuit_prove(c, ci) ||
		peel_circuit_extend(c, ci, early, msg + 1, len - 1) != 0) {
		count(c, PEEL_EXTEND_REFUSED);
		return -EBADMSG;
	}
	return 0;
}

static struct circuit *
exit_by_session(const struct peel_circuits *c, uint32_t session, uint32_t generation)
{
	struct circuit *ci = peel_circuit_by_session(c, session, generation);

	return ci != NULL && ci->kind == KIND_EXIT ? ci : NULL;
}

int
peel_circuits_exit(
	struct peel_circuits *c, uint32_t session, uint32_t generation, struct peel_exit_info *out)
{
	const struct circuit *ci = exit_by_session(c, session, generation);

	if (ci == NULL)
		return -ENOENT;
	*out = (struct peel_exit_info){
		.route = ci->route[PREVIOUS],
		.endpoint = ci->endpoint,
		.previous = *peel_circuit_addr(c, ci, PREVIOUS),
		.cid = ci->cid[PREVIOUS],
	};
	return 0;
}

int
peel_circuits_exit_opened(
	struct peel_circuits *c, uint32_t session, uint32_t generation, uint32_t endpoint)
{
	struct circuit *ci = exit_by_session(c, session, generation);

	if (ci == NULL)
		return -ENOENT;
	ci->endpoint = endpoint;
	peel_route_set_endpoint(c->conf.routes, ci->route[PREVIOUS], endpoint);
	return 0;
}

int
peel_circuits_exit_introduction(
	struct peel_circuits *c, uint32_t session, uint32_t generation, bool introduction)
{
	struct circuit *ci = exit_by_session(c, session, generation);

	if (ci == NULL)
		return -ENOENT;
	ci->introduction = introduction;
	return 0;
}

int
peel_circuit_seal(struct peel_circuits *c, struct circuit *ci, const uint8_t *msg, size_t len)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	struct peel_half *half = &peel_session_at(c->conf.routes, ci->session)->backward;

	if (len == 0 || len > sizeof(out) - PEEL_CELL_HEADER_LEN - PEEL_SEAL_OVERHEAD)
		return -EINVAL;
	peel_cell_header(out, c->conf.prefix, ci->cid[PREVIOUS], false, false);
	peel_seal_one(
		&half->key, half->salt, peel_half_next(half), msg, len, out + PEEL_CELL_HEADER_LEN);
	c->conf.send(c->conf.arg, peel_circuit_addr(c, ci, PREVIOUS), out,
		PEEL_CELL_HEADER_LEN + len + PEEL_SEAL_OVERHEAD);
	return 0;
}

int
peel_circuits_answer(struct peel_circuits *c, uint32_t session, const uint8_t *msg, size_t len)
{
	if (session >= c->n_by_session || c->by_session[session] == NONE)
		return -ENOENT;
	struct circuit *ci = circuit_at(c, c->by_session[session]);

	/* A former exit still answers what it was asked as one. */
	return ci->exit_open ? peel_circuit_seal(c, ci, msg, len) : -ENOENT;
}
