/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "origin_internal.h"

/* Sends our own messages into a circuit, as workers do with data: sections 13.1 and 13.6. */

static struct peel_direction *
sealing_direction(const struct peel_origin_circuits *t, const struct peel_path *path,
	unsigned int layer, unsigned int n)
{
	struct peel_session *s = peel_session_at(t->conf.routes, path->session[layer]);
	const uint8_t reversed = PEEL_PATH_E2E | PEEL_PATH_REVERSED;

	if (layer + 1 == n && (peel_path_flags(path) & reversed) == reversed)
		return &s->backward;
	return &s->forward;
}

int
origin_seal(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *msg, size_t len)
{
	uint8_t buffer[2][PEEL_DATAGRAM_MAX];
	struct peel_path *path = path_of(t, tn);
	unsigned int n = peel_path_n_layers(path);
	size_t total = PEEL_CELL_HEADER_LEN + len + (size_t)n * PEEL_SEAL_OVERHEAD;

	if (tn->n_hops == 0 || n == 0 || tn->state == PEEL_ORIGIN_CLOSING)
		return -ENOENT;
	if (len == 0 || total > PEEL_DATAGRAM_MAX)
		return -EMSGSIZE;
	memcpy(buffer[n % 2] + PEEL_CELL_HEADER_LEN, msg, len);
	for (unsigned int layer = n; layer-- > 0; len += PEEL_SEAL_OVERHEAD) {
		struct peel_direction *direction = sealing_direction(t, path, layer, n);

		peel_seal_one(&direction->key, direction->salt, peel_direction_next(direction),
			buffer[(layer + 1) % 2] + PEEL_CELL_HEADER_LEN, len,
			buffer[layer % 2] + PEEL_CELL_HEADER_LEN);
	}
	/* extend is always early, and counts like any other early cell. */
	bool early = peel_path_take_early(path) || msg[0] == PEEL_MSG_EXTEND;

	peel_cell_header(buffer[0], t->conf.prefix, tn->cid, false, early);
	peel_direction_account(&session_of(t, tn)->forward, now_s(t), (uint32_t)total);
	t->conf.send(t->conf.arg, &path->first, buffer[0], total);
	return 0;
}

int
peel_origin_send(struct peel_origin_circuits *t, peel_origin_id id, const uint8_t *msg, size_t len)
{
	struct origin_circuit *tn = origin_by_id(t, id);

	return tn == NULL ? -ENOENT : origin_seal(t, tn, msg, len);
}
