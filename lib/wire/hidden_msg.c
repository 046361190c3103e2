/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_hidden_msg.h"

int
peel_establish_intro_parse(const uint8_t *body, size_t len, struct peel_msg_establish_intro *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = peel_read_u16(&r);
	out->info_hash = peel_read_bytes(&r, PEEL_INFO_HASH_LEN);
	out->seeder_pk = peel_read_pk(&r);
	return r.bad ? -EBADMSG : 0;
}

int
peel_establish_intro_build(uint8_t *out, size_t size, const struct peel_msg_establish_intro *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_ESTABLISH_INTRO);
	peel_write_u16(&w, m->identifier);
	peel_write_bytes(&w, m->info_hash, PEEL_INFO_HASH_LEN);
	peel_write_varlen(&w, m->seeder_pk.p, m->seeder_pk.len);
	return peel_writer_len(&w);
}

int
peel_cookie_parse(const uint8_t *body, size_t len, struct peel_msg_cookie *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = peel_read_u16(&r);
	out->cookie = peel_read_bytes(&r, PEEL_COOKIE_LEN);
	return r.bad ? -EBADMSG : 0;
}

int
peel_cookie_build(uint8_t *out, size_t size, uint8_t id, const struct peel_msg_cookie *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, id);
	peel_write_u16(&w, m->identifier);
	peel_write_bytes(&w, m->cookie, PEEL_COOKIE_LEN);
	return peel_writer_len(&w);
}

int
peel_rendezvous_established_parse(
	const uint8_t *body, size_t len, struct peel_msg_rendezvous_established *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = peel_read_u16(&r);
	out->address = peel_read_ip_address(&r);
	return r.bad ? -EBADMSG : 0;
}

int
peel_rendezvous_established_build(
	uint8_t *out, size_t size, const struct peel_msg_rendezvous_established *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_RENDEZVOUS_ESTABLISHED);
	peel_write_u16(&w, m->identifier);
	peel_write_ip_address(&w, &m->address);
	return peel_writer_len(&w);
}

int
peel_create_e2e_parse(const uint8_t *body, size_t len, struct peel_msg_create_e2e *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = peel_read_u16(&r);
	out->info_hash = peel_read_bytes(&r, PEEL_INFO_HASH_LEN);
	out->seeder_pk = peel_read_pk(&r);
	out->x = peel_read_point(&r);
	return r.bad ? -EBADMSG : 0;
}

int
peel_create_e2e_build(uint8_t *out, size_t size, const struct peel_msg_create_e2e *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_CREATE_E2E);
	peel_write_u16(&w, m->identifier);
	peel_write_bytes(&w, m->info_hash, PEEL_INFO_HASH_LEN);
	peel_write_varlen(&w, m->seeder_pk.p, m->seeder_pk.len);
	peel_write_varlen(&w, m->x.p, m->x.len);
	return peel_writer_len(&w);
}

/* ---- looking for peers ----------------------------------------------------------------------- */

int
peel_peers_request_parse(
	const uint8_t *body, size_t len, bool datagram, struct peel_msg_peers_request *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->cid = datagram ? peel_read_u32(&r) : 0;
	out->identifier = peel_read_u16(&r);
	out->info_hash = peel_read_bytes(&r, PEEL_INFO_HASH_LEN);
	return r.bad ? -EBADMSG : 0;
}

int
peel_peers_request_build(
	uint8_t *out, size_t size, bool datagram, const struct peel_msg_peers_request *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_PEERS_REQUEST);
	if (datagram)
		peel_write_u32(&w, m->cid);
	peel_write_u16(&w, m->identifier);
	peel_write_bytes(&w, m->info_hash, PEEL_INFO_HASH_LEN);
	return peel_writer_len(&w);
}

/* Read a `payload`: a length, and a structure of exactly that length. */
static struct peel_introduction
read_introduction(struct peel_reader *r)
{
	struct peel_span nested = peel_read_varlen(r);
	struct peel_reader in = peel_reader_init(nested.p, nested.len);
	struct peel_introduction i;

	i.address = peel_read_ip_address(&in);
	i.pk = peel_read_varlen(&in);
	i.seeder_pk = peel_read_varlen(&in);
	i.source = peel_read_u8(&in);
	r->bad |= in.bad || peel_reader_left(&in) > 0;
	return i;
}

static void
write_introduction(struct peel_writer *w, const struct peel_introduction *i)
{
	size_t address = i->address.family == PEEL_FAMILY_IPV6 ? 19 : 7;
	size_t len = address + 2 + i->pk.len + 2 + i->seeder_pk.len + 1;

	peel_write_u16(w, (uint16_t)len);
	peel_write_ip_address(w, &i->address);
	peel_write_varlen(w, i->pk.p, i->pk.len);
	peel_write_varlen(w, i->seeder_pk.p, i->seeder_pk.len);
	peel_write_u8(w, i->source);
}

int
peel_peers_response_parse(
	const uint8_t *body, size_t len, bool datagram, struct peel_msg_peers_response *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->cid = datagram ? peel_read_u32(&r) : 0;
	out->identifier = peel_read_u16(&r);
	out->info_hash = peel_read_bytes(&r, PEEL_INFO_HASH_LEN);
	out->n = 0;
	for (size_t count = peel_read_u8(&r); count > 0 && !r.bad; count--) {
		struct peel_introduction i = read_introduction(&r);

		if (out->n < PEEL_PEERS_MAX)
			out->peer[out->n++] = i;
	}
	return r.bad ? -EBADMSG : 0;
}

int
peel_peers_response_build(
	uint8_t *out, size_t size, bool datagram, const struct peel_msg_peers_response *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_PEERS_RESPONSE);
	if (datagram)
		peel_write_u32(&w, m->cid);
	peel_write_u16(&w, m->identifier);
	peel_write_bytes(&w, m->info_hash, PEEL_INFO_HASH_LEN);
	peel_write_u8(&w, (uint8_t)m->n);
	for (size_t i = 0; i < m->n; i++)
		write_introduction(&w, &m->peer[i]);
	return peel_writer_len(&w);
}

/* ---- rendezvous info ------------------------------------------------------------------------- */

int
peel_rendezvous_info_parse(const uint8_t *info, size_t len, struct peel_rendezvous_info *out)
{
	struct peel_reader r = peel_reader_init(info, len);
	struct peel_span nested = peel_read_varlen(&r);
	struct peel_reader in = peel_reader_init(nested.p, nested.len);

	out->address = peel_read_ip_address(&in);
	out->pk = peel_read_pk(&in);
	out->cookie = peel_read_bytes(&in, PEEL_COOKIE_LEN);
	return r.bad || in.bad || peel_reader_left(&in) > 0 ? -EBADMSG : 0;
}

int
peel_rendezvous_info_build(uint8_t *out, size_t size, const struct peel_rendezvous_info *m)
{
	struct peel_writer w = peel_writer_init(out, size);
	size_t address = m->address.family == PEEL_FAMILY_IPV6 ? 19 : 7;

	peel_write_u16(&w, (uint16_t)(address + 2 + m->pk.len + PEEL_COOKIE_LEN));
	peel_write_ip_address(&w, &m->address);
	peel_write_varlen(&w, m->pk.p, m->pk.len);
	peel_write_bytes(&w, m->cookie, PEEL_COOKIE_LEN);
	return peel_writer_len(&w);
}

/* ---- PEX overlays ---------------------------------------------------------------------------- */

bool
peel_pex_community(
	const uint8_t info_hash[PEEL_INFO_HASH_LEN], uint8_t community[PEEL_COMMUNITY_LEN])
{
	size_t i = PEEL_COMMUNITY_LEN;

	memcpy(community, info_hash, PEEL_COMMUNITY_LEN);
	while (i > 0) { /* add one to the hash, as a 160-bit number */
		if (++community[--i] != 0)
			return true;
	}
	return false;
}

int
peel_pex_keys_parse(const uint8_t *extra, size_t len, struct peel_pex_keys *out)
{
	struct peel_reader r = peel_reader_init(extra, len);

	out->n = 0;
	if (len == 0)
		return 0;
	for (size_t count = peel_read_u8(&r); count > 0 && !r.bad; count--) {
		struct peel_span key = peel_read_varlen(&r);

		if (out->n < PEEL_PEX_KEYS_MAX)
			out->key[out->n++] = key;
	}
	return r.bad ? -EBADMSG : 0;
}

int
peel_pex_keys_build(uint8_t *out, size_t size, const struct peel_pex_keys *keys)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, (uint8_t)keys->n);
	for (size_t i = 0; i < keys->n; i++)
		peel_write_varlen(&w, keys->key[i].p, keys->key[i].len);
	return peel_writer_len(&w);
}
