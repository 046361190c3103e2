/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_cell.h"

int
peel_candidates_build(uint8_t *out, size_t size, const uint8_t *const *relays, size_t n_relays,
	const uint8_t *const *exits, size_t n_exits)
{
	struct peel_writer w = peel_writer_init(out, size);
	size_t count = n_relays + n_exits + (n_exits > 0);

	if (count > UINT8_MAX)
		return -ENOSPC;
	peel_write_u8(&w, (uint8_t)count);
	for (size_t i = 0; i < n_relays; i++)
		peel_write_varlen(&w, relays[i], PEEL_PK_LEN);
	if (n_exits > 0)
		peel_write_varlen(&w, exits[0], PEEL_PK_LEN); /* the separator */
	for (size_t i = 0; i < n_exits; i++)
		peel_write_varlen(&w, exits[i], PEEL_PK_LEN);
	return peel_writer_len(&w);
}

static bool
span_equal(const struct peel_span *a, const struct peel_span *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->p, b->p, a->len) == 0);
}

int
peel_candidates_parse(const uint8_t *list, size_t len, struct peel_candidates *out)
{
	struct peel_reader r = peel_reader_init(list, len);
	size_t count = peel_read_u8(&r);
	bool separated = false;

	out->n = 0;
	for (size_t i = 0; i < count; i++) {
		struct peel_span key = peel_read_varlen(&r);

		if (r.bad)
			return -EBADMSG;
		/* Only the first pair of equal neighbours separates; later ones are plain entries.
		 */
		if (!separated && out->n > 0 && span_equal(&key, &out->key[out->n - 1])) {
			separated = true;
			out->n_relays = out->n - 1;
			continue;
		}
		out->key[out->n++] = key;
	}
	if (!separated)
		out->n_relays = out->n;
	return r.bad ? -EBADMSG : 0;
}
