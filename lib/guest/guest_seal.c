/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cells that the guest itself sends. They take their salts from the same counters as those of
 * workers.
 */
#include <errno.h>

#include "guest_internal.h"
#include "peel_guest_mail.h"

void
gc_seal_layer(struct peel_direction *direction, const uint8_t *in, size_t len, uint8_t *out)
{
	peel_seal_one(
		&direction->key, direction->salt, peel_direction_next(direction), in, len, out);
}

/* The sessions of a circuit's layers, innermost first, in turn between two buffers. */
static size_t
seal_path(const struct peel_guest_circuits *c, const struct gc_object *o, const uint8_t *msg,
	size_t len, uint8_t *out)
{
	uint8_t buffer[2][PEEL_DATAGRAM_MAX];
	unsigned int n = o->n_hops + o->e2e;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int layer = n - 1 - i;
		struct peel_session *s = gc_session_at(c, o->session[layer]);
		bool reversed =
			layer == o->n_hops && o->type == PEEL_GC_RP_DOWNLOADER; /* end to end */
		uint8_t *to = layer == 0 ? out : buffer[i % 2];

		gc_seal_layer(reversed ? &s->backward : &s->forward, msg, len, to);
		msg = to;
		len += PEEL_SEAL_OVERHEAD;
	}
	return len;
}

static bool
take_early(struct peel_guest_circuits *c, struct gc_object *o)
{
	if (o->path != PEEL_NONE)
		return peel_path_take_early(peel_path_at(c->conf.paths, o->path));
	if (o->n_early >= c->max_early)
		return false;
	o->n_early++;
	return true;
}

/* What seals a cell as exit or relay. NULL: nothing. */
static struct peel_direction *
direction_of(const struct peel_guest_circuits *c, const struct gc_object *o)
{
	struct peel_session *s = gc_session_at(c, o->session[0]);
	const struct gc_object *other;

	if (o->kind == PEEL_GC_EXIT || o->rendezvous)
		return &s->backward;
	/* It goes out over this link, as the cells do that come over the other one. */
	other = gc_find(c, PEEL_GC_RELAY, o->out_cid);
	if (other == NULL)
		return NULL;
	s = gc_session_at(c, other->session[0]);
	return other->backward ? &s->backward : &s->forward;
}

/* Whose cell is it? */
static struct gc_object *
object_of(const struct peel_guest_circuits *c, uint32_t cid)
{
	static const enum peel_gc_kind order[] = {PEEL_GC_CIRCUIT, PEEL_GC_EXIT, PEEL_GC_RELAY};
	struct gc_object *o = NULL;

	for (size_t i = 0; o == NULL && i < PEEL_ARRAY_LEN(order); i++)
		o = gc_find(c, order[i], cid);
	return o;
}

/* @return the length of the cell in @p out behind its header, or -errno. */
static int
seal(struct peel_guest_circuits *c, struct gc_object *o, const struct peel_cell *cell, uint8_t *out)
{
	const size_t room = PEEL_DATAGRAM_MAX - PEEL_CELL_HEADER_LEN, len = cell->message.len;
	bool own = o != NULL && o->kind == PEEL_GC_CIRCUIT;
	struct peel_direction *direction;

	if (cell->plain || ((o == NULL || o->kind == PEEL_GC_RELAY) &&
				   peel_guest_is_plain(cell->message.p[0]))) {
		if (len > room)
			return -EMSGSIZE;
		memcpy(out, cell->message.p, len);
		return (int)len;
	}
	if (o == NULL || (own && o->n_hops == 0))
		return -ENOENT;
	if (len + (own ? (size_t)o->n_hops + o->e2e : 1) * PEEL_SEAL_OVERHEAD > room)
		return -EMSGSIZE;
	if (own)
		return (int)seal_path(c, o, cell->message.p, len, out);
	direction = direction_of(c, o);
	if (direction == NULL)
		return -ENOENT;
	gc_seal_layer(direction, cell->message.p, len, out);
	return (int)(len + PEEL_SEAL_OVERHEAD);
}

int
peel_gc_seal(struct peel_guest_circuits *c, const uint8_t *cell, size_t len,
	uint8_t out[PEEL_DATAGRAM_MAX])
{
	struct peel_cell parsed;
	struct gc_object *o;
	int n;

	if (peel_cell_parse(cell, len, &parsed) != 0 ||
		memcmp(cell, c->prefix, PEEL_PREFIX_LEN) != 0)
		return -EBADMSG;
	o = object_of(c, parsed.cid);
	n = seal(c, o, &parsed, out + PEEL_CELL_HEADER_LEN);
	if (n < 0)
		return n;
	if (o != NULL && o->kind == PEEL_GC_CIRCUIT)
		parsed.early = take_early(c, o) || parsed.message.p[0] == PEEL_MSG_EXTEND;
	peel_cell_header(out, c->prefix, parsed.cid, parsed.plain, parsed.early);
	n += PEEL_CELL_HEADER_LEN;
	if (o != NULL)
		o->sealed += (uint64_t)n;
	return n;
}
