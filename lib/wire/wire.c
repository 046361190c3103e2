/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_wire.h"

/* Replaces the NULL of an empty input, so that pointer arithmetic stays defined. */
static const uint8_t nothing;

struct peel_reader
peel_reader_init(const void *p, size_t len)
{
	const uint8_t *start = p != NULL ? p : &nothing;

	return (struct peel_reader){.p = start, .end = start + (p != NULL ? len : 0)};
}

size_t
peel_reader_left(const struct peel_reader *r)
{
	return (size_t)(r->end - r->p);
}

/* After a failed read nothing is left, so every later read fails too and `bad` stays set. */
static void
set_bad(struct peel_reader *r)
{
	r->bad = true;
	r->p = r->end;
}

const uint8_t *
peel_read_bytes(struct peel_reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > peel_reader_left(r)) {
		set_bad(r);
		return NULL;
	}
	r->p += n;
	return p;
}

uint8_t
peel_read_u8(struct peel_reader *r)
{
	const uint8_t *p = peel_read_bytes(r, 1);

	return p != NULL ? p[0] : 0;
}

uint16_t
peel_read_u16(struct peel_reader *r)
{
	const uint8_t *p = peel_read_bytes(r, 2);

	return p != NULL ? peel_get_be16(p) : 0;
}

uint32_t
peel_read_u32(struct peel_reader *r)
{
	const uint8_t *p = peel_read_bytes(r, 4);

	return p != NULL ? peel_get_be32(p) : 0;
}

uint64_t
peel_read_u64(struct peel_reader *r)
{
	const uint8_t *p = peel_read_bytes(r, 8);

	return p != NULL ? peel_get_be64(p) : 0;
}

struct peel_span
peel_read_varlen(struct peel_reader *r)
{
	size_t len = peel_read_u16(r);
	const uint8_t *p = peel_read_bytes(r, len);

	return p != NULL ? (struct peel_span){p, len} : (struct peel_span){NULL, 0};
}

struct peel_span
peel_read_rest(struct peel_reader *r)
{
	struct peel_span rest = {r->p, peel_reader_left(r)};

	if (r->bad)
		return (struct peel_span){NULL, 0};
	r->p = r->end;
	return rest;
}

struct peel_writer
peel_writer_init(void *p, size_t size)
{
	return (struct peel_writer){.start = p, .p = p, .end = (uint8_t *)p + size};
}

int
peel_writer_len(const struct peel_writer *w)
{
	return w->full ? -ENOSPC : (int)(w->p - w->start);
}

/* Room for n more bytes, or NULL. */
static uint8_t *
claim(struct peel_writer *w, size_t n)
{
	uint8_t *p = w->p;

	if (w->full || n > (size_t)(w->end - w->p)) {
		w->full = true;
		return NULL;
	}
	w->p += n;
	return p;
}

void
peel_write_u8(struct peel_writer *w, uint8_t v)
{
	uint8_t *p = claim(w, 1);

	if (p != NULL)
		*p = v;
}

void
peel_write_u16(struct peel_writer *w, uint16_t v)
{
	uint8_t *p = claim(w, 2);

	if (p != NULL)
		peel_put_be16(p, v);
}

void
peel_write_u32(struct peel_writer *w, uint32_t v)
{
	uint8_t *p = claim(w, 4);

	if (p != NULL)
		peel_put_be32(p, v);
}

void
peel_write_u64(struct peel_writer *w, uint64_t v)
{
	uint8_t *p = claim(w, 8);

	if (p != NULL)
		peel_put_be64(p, v);
}

void
peel_write_bytes(struct peel_writer *w, const void *p, size_t n)
{
	uint8_t *to = claim(w, n);

	if (to != NULL && n > 0)
		memcpy(to, p, n);
}

void
peel_write_varlen(struct peel_writer *w, const void *p, size_t n)
{
	if (n > UINT16_MAX) {
		w->full = true;
		return;
	}
	peel_write_u16(w, (uint16_t)n);
	peel_write_bytes(w, p, n);
}
