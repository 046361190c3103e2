/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "peel_wire.h"

static struct peel_addr
read_ip(struct peel_reader *r, uint8_t family)
{
	struct peel_addr a = {.family = family};
	size_t n = family == PEEL_FAMILY_IPV4 ? 4 : 16;
	const uint8_t *ip = peel_read_bytes(r, n);
	uint16_t port = peel_read_u16(r);

	if (r->bad)
		return (struct peel_addr){0};
	memcpy(a.ip, ip, n);
	a.port = port;
	return a;
}

struct peel_addr
peel_read_ipv4(struct peel_reader *r)
{
	return read_ip(r, PEEL_FAMILY_IPV4);
}

void
peel_write_ipv4(struct peel_writer *w, const struct peel_addr *a)
{
	static const struct peel_addr none;

	if (a->family != PEEL_FAMILY_IPV4)
		a = &none;
	peel_write_bytes(w, a->ip, 4);
	peel_write_u16(w, a->port);
}

struct peel_addr
peel_read_ip_address(struct peel_reader *r)
{
	switch (peel_read_u8(r)) {
	case PEEL_HOST_IPV4:
		return read_ip(r, PEEL_FAMILY_IPV4);
	case PEEL_HOST_IPV6:
		return read_ip(r, PEEL_FAMILY_IPV6);
	default:
		r->bad = true;
		r->p = r->end;
		return (struct peel_addr){0};
	}
}

void
peel_write_ip_address(struct peel_writer *w, const struct peel_addr *a)
{
	if (a->family != PEEL_FAMILY_IPV6) {
		peel_write_u8(w, PEEL_HOST_IPV4);
		peel_write_ipv4(w, a);
		return;
	}
	peel_write_u8(w, PEEL_HOST_IPV6);
	peel_write_bytes(w, a->ip, 16);
	peel_write_u16(w, a->port);
}

static struct peel_host
read_name(struct peel_reader *r)
{
	struct peel_host h = {.type = PEEL_HOST_NAME};

	peel_read_u8(r);
	h.name = peel_read_varlen(r);
	h.addr.port = peel_read_u16(r);
	if (!r->bad && !peel_utf8_valid(h.name.p, h.name.len)) {
		r->bad = true;
		r->p = r->end;
	}
	return r->bad ? (struct peel_host){0} : h;
}

struct peel_host
peel_read_address(struct peel_reader *r)
{
	struct peel_host h = {0};

	if (!r->bad && peel_reader_left(r) > 0 && r->p[0] == PEEL_HOST_NAME)
		return read_name(r);
	h.addr = peel_read_ip_address(r);
	if (!r->bad)
		h.type = h.addr.family == PEEL_FAMILY_IPV4 ? PEEL_HOST_IPV4 : PEEL_HOST_IPV6;
	return h;
}

void
peel_write_address(struct peel_writer *w, const struct peel_host *h)
{
	if (h->type != PEEL_HOST_NAME) {
		peel_write_ip_address(w, &h->addr);
		return;
	}
	peel_write_u8(w, PEEL_HOST_NAME);
	peel_write_varlen(w, h->name.p, h->name.len);
	peel_write_u16(w, h->addr.port);
}

/* The length of the UTF-8 sequence that starts with `first`, and the smallest code point that needs
 * that many bytes; 0: not a start byte. */
static size_t
utf8_sequence(uint8_t first, uint32_t *smallest)
{
	if (first < 0x80) {
		*smallest = 0;
		return 1;
	}
	if ((first & 0xe0) == 0xc0) {
		*smallest = 0x80;
		return 2;
	}
	if ((first & 0xf0) == 0xe0) {
		*smallest = 0x800;
		return 3;
	}
	if ((first & 0xf8) == 0xf0) {
		*smallest = 0x10000;
		return 4;
	}
	return 0;
}

bool
peel_utf8_valid(const uint8_t *p, size_t len)
{
	static const uint8_t first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};

	for (size_t i = 0; i < len;) {
		uint32_t smallest, code;
		size_t n = utf8_sequence(p[i], &smallest);

		if (n == 0 || n > len - i)
			return false;
		code = p[i] & first_bits[n];
		for (size_t k = 1; k < n; k++) {
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (p[i + k] & 0x3f);
		}
		/* Reject overlong forms, UTF-16 surrogates and numbers beyond Unicode. */
		if (code < smallest || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
			return false;
		i += n;
	}
	return true;
}
