/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "or_internal.h"

/* Entry points for datagrams and opened messages, and what the control side of exits needs. */

int
peel_or_datagram(
	struct peel_or_circuits *c, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	struct peel_cell cell;

	if (len < PEEL_HEADER_LEN || memcmp(data, c->conf.prefix, PEEL_PREFIX_LEN) != 0)
		return -ENOENT;
	if (data[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY)
		return or_destroy(c, from, data, len);
	if (data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL)
		return -ENOENT;
	if (peel_cell_parse(data, len, &cell) != 0)
		return refuse(c, PEEL_DROP_SHORT);
	if (!cell.plain)
		return -ENOENT;
	switch (cell.message.p[0]) {
	case PEEL_MSG_CREATE:
		return or_join(c, from, &cell);
	case PEEL_MSG_CREATED:
		return or_extended(c, from, &cell);
	default:
		return refuse(c, PEEL_DROP_PLAIN);
	}
}

int
peel_or_message(struct peel_or_circuits *c, uint32_t session, uint32_t generation, bool early,
	const uint8_t *msg, size_t len)
{
	if (len == 0)
		return -EBADMSG;
	if (msg[0] != PEEL_MSG_EXTEND)
		return -ENOENT;
	struct or_circuit *ci = or_by_session(c, session, generation);

	if (ci == NULL || !or_prove(c, ci) || or_extend(c, ci, early, msg + 1, len - 1) != 0)
		return refuse(c, PEEL_EXTEND_REFUSED);
	return 0;
}

static struct or_circuit *
exit_by_session(const struct peel_or_circuits *c, uint32_t session, uint32_t generation)
{
	struct or_circuit *ci = or_by_session(c, session, generation);

	return ci != NULL && ci->kind == KIND_EXIT ? ci : NULL;
}

int
peel_or_exit(struct peel_or_circuits *c, uint32_t session, uint32_t generation,
	struct peel_exit_info *out)
{
	const struct or_circuit *ci = exit_by_session(c, session, generation);

	if (ci == NULL)
		return -ENOENT;
	*out = (struct peel_exit_info){
		.route = ci->route[PREVIOUS],
		.endpoint = ci->endpoint,
		.previous = *or_addr(c, ci, PREVIOUS),
		.cid = ci->cid[PREVIOUS],
	};
	return 0;
}

int
peel_or_exit_opened(
	struct peel_or_circuits *c, uint32_t session, uint32_t generation, uint32_t endpoint)
{
	struct or_circuit *ci = exit_by_session(c, session, generation);

	if (ci == NULL)
		return -ENOENT;
	ci->endpoint = endpoint;
	ci->exited = true;
	peel_route_set_endpoint(c->conf.routes, ci->route[PREVIOUS], endpoint);
	return 0;
}

int
peel_or_exit_used(struct peel_or_circuits *c, uint32_t session, uint32_t generation)
{
	struct or_circuit *ci = exit_by_session(c, session, generation);

	if (ci == NULL)
		return -ENOENT;
	ci->exited = true;
	return 0;
}

int
peel_or_exit_introduction(
	struct peel_or_circuits *c, uint32_t session, uint32_t generation, bool introduction)
{
	struct or_circuit *ci = exit_by_session(c, session, generation);

	if (ci == NULL)
		return -ENOENT;
	ci->introduction = introduction;
	return 0;
}

int
or_seal(struct peel_or_circuits *c, struct or_circuit *ci, bool limited, const uint8_t *msg,
	size_t len)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	struct peel_direction *direction = &peel_session_at(c->conf.routes, ci->session)->backward;
	const struct peel_addr *to = or_addr(c, ci, PREVIOUS);

	if (len == 0 || len > sizeof(out) - PEEL_CELL_HEADER_LEN - PEEL_SEAL_OVERHEAD)
		return -EINVAL;
	peel_cell_header(out, c->conf.prefix, ci->cid[PREVIOUS], false, false);
	peel_seal_one(&direction->key, direction->salt, peel_direction_next(direction), msg, len,
		out + PEEL_CELL_HEADER_LEN);
	len += PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD;
	if (limited && c->conf.send_limited != NULL)
		c->conf.send_limited(c->conf.arg, ci->session, to, out, len);
	else
		c->conf.send(c->conf.arg, to, out, len);
	return 0;
}

static int
answer(struct peel_or_circuits *c, uint32_t session, bool limited, const uint8_t *msg, size_t len)
{
	if (session >= c->n_by_session || c->by_session[session] == PEEL_NONE)
		return -ENOENT;
	struct or_circuit *ci = circuit_at(c, c->by_session[session]);

	/* A former exit still answers what it was asked as an exit. */
	return ci->exit_open ? or_seal(c, ci, limited, msg, len) : -ENOENT;
}

int
peel_or_answer(struct peel_or_circuits *c, uint32_t session, const uint8_t *msg, size_t len)
{
	return answer(c, session, false, msg, len);
}

int
peel_or_answer_limited(struct peel_or_circuits *c, uint32_t session, const uint8_t *msg, size_t len)
{
	return answer(c, session, true, msg, len);
}
