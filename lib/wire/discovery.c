/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_discovery.h"

static struct peel_addr
read_addr(struct peel_reader *r, bool new_style)
{
	return new_style ? peel_read_ip_address(r) : peel_read_ipv4(r);
}

static void
write_addr(struct peel_writer *w, bool new_style, const struct peel_addr *a)
{
	if (new_style)
		peel_write_ip_address(w, a);
	else
		peel_write_ipv4(w, a);
}

/* The two styles order these fields differently. */
static void
read_bits_and_identifier(struct peel_reader *r, bool new_style, uint8_t *bits, uint16_t *identifier)
{
	if (!new_style)
		*bits = peel_read_u8(r);
	*identifier = peel_read_u16(r);
	if (new_style)
		*bits = peel_read_u8(r);
}

static void
write_bits_and_identifier(struct peel_writer *w, bool new_style, uint8_t bits, uint16_t identifier)
{
	if (!new_style)
		peel_write_u8(w, bits);
	peel_write_u16(w, identifier);
	if (new_style)
		peel_write_u8(w, bits);
}

/* Plain messages must be consumed exactly. */
static int
finish(const struct peel_reader *r)
{
	return r->bad || peel_reader_left(r) > 0 ? -EBADMSG : 0;
}

int
peel_intro_request_parse(struct peel_span body, bool new_style, struct peel_intro_request *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->dest = read_addr(&r, new_style);
	out->src_lan = read_addr(&r, new_style);
	out->src_wan = read_addr(&r, new_style);
	read_bits_and_identifier(&r, new_style, &out->bits, &out->identifier);
	out->extra = peel_read_rest(&r);
	return finish(&r);
}

void
peel_intro_request_write(struct peel_writer *w, bool new_style, const struct peel_intro_request *m)
{
	write_addr(w, new_style, &m->dest);
	write_addr(w, new_style, &m->src_lan);
	write_addr(w, new_style, &m->src_wan);
	write_bits_and_identifier(w, new_style, m->bits, m->identifier);
	peel_write_bytes(w, m->extra.p, m->extra.len);
}

int
peel_intro_response_parse(struct peel_span body, bool new_style, struct peel_intro_response *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->dest = read_addr(&r, new_style);
	out->src_lan = read_addr(&r, new_style);
	out->src_wan = read_addr(&r, new_style);
	out->lan_intro = read_addr(&r, new_style);
	out->wan_intro = read_addr(&r, new_style);
	read_bits_and_identifier(&r, new_style, &out->bits, &out->identifier);
	out->extra = peel_read_rest(&r);
	return finish(&r);
}

void
peel_intro_response_write(
	struct peel_writer *w, bool new_style, const struct peel_intro_response *m)
{
	write_addr(w, new_style, &m->dest);
	write_addr(w, new_style, &m->src_lan);
	write_addr(w, new_style, &m->src_wan);
	write_addr(w, new_style, &m->lan_intro);
	write_addr(w, new_style, &m->wan_intro);
	write_bits_and_identifier(w, new_style, m->bits, m->identifier);
	peel_write_bytes(w, m->extra.p, m->extra.len);
}

int
peel_puncture_parse(struct peel_span body, bool new_style, struct peel_puncture *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->src_lan = read_addr(&r, new_style);
	out->src_wan = read_addr(&r, new_style);
	out->identifier = peel_read_u16(&r);
	return finish(&r);
}

void
peel_puncture_write(struct peel_writer *w, bool new_style, const struct peel_puncture *m)
{
	write_addr(w, new_style, &m->src_lan);
	write_addr(w, new_style, &m->src_wan);
	peel_write_u16(w, m->identifier);
}

int
peel_puncture_request_parse(const uint8_t *data, size_t len, struct peel_puncture_request *out)
{
	struct peel_reader r = peel_reader_init(data, len);
	uint8_t id;
	bool new_style;

	peel_read_bytes(&r, PEEL_PREFIX_LEN);
	id = peel_read_u8(&r);
	new_style = id == PEEL_MSG_PUNCTURE_REQUEST_NEW;
	if (!new_style && id != PEEL_MSG_PUNCTURE_REQUEST)
		return -EBADMSG;
	peel_read_u64(&r); /* clock: not used */
	out->lan_walker = read_addr(&r, new_style);
	out->wan_walker = read_addr(&r, new_style);
	out->identifier = peel_read_u16(&r);
	return finish(&r);
}

void
peel_puncture_request_write(
	struct peel_writer *w, bool new_style, const struct peel_puncture_request *m)
{
	write_addr(w, new_style, &m->lan_walker);
	write_addr(w, new_style, &m->wan_walker);
	peel_write_u16(w, m->identifier);
}
