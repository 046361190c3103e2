/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_dhtmsg.h"

/* Bodies must be consumed exactly. */
static int
finish(const struct peel_reader *r)
{
	return r->bad || peel_reader_left(r) > 0 ? -EBADMSG : 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Read the length of a list; more than @p max is bad. */
static uint8_t
read_count(struct peel_reader *r, uint8_t max)
{
	uint8_t n = peel_read_u8(r);

	if (n <= max)
		return n;
	r->bad = true;
	return 0;
}

static void
read_values(struct peel_reader *r, struct peel_dht_values *values)
{
	values->n = read_count(r, PEEL_DHT_VALUES_MAX);
	for (uint8_t i = 0; i < values->n; i++)
		values->value[i] = peel_read_varlen(r);
}

static void
write_values(struct peel_writer *w, const struct peel_dht_values *values)
{
	peel_write_u8(w, values->n);
	for (uint8_t i = 0; i < values->n; i++)
		peel_write_varlen(w, values->value[i].p, values->value[i].len);
}

static void
read_contacts(struct peel_reader *r, struct peel_dht_contacts *contacts)
{
	contacts->n = read_count(r, PEEL_DHT_NODES_MAX);
	for (uint8_t i = 0; i < contacts->n; i++) {
		contacts->contact[i].addr = peel_read_ip_address(r);
		contacts->contact[i].pk = peel_read_varlen(r);
	}
}

static void
write_contacts(struct peel_writer *w, const struct peel_dht_contacts *contacts)
{
	peel_write_u8(w, contacts->n);
	for (uint8_t i = 0; i < contacts->n; i++) {
		peel_write_ip_address(w, &contacts->contact[i].addr);
		peel_write_varlen(w, contacts->contact[i].pk.p, contacts->contact[i].pk.len);
	}
}

/* ---- an identifier alone --------------------------------------------------------------------- */

int
peel_dht_plain_parse(struct peel_span body, uint32_t *identifier)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	*identifier = peel_read_u32(&r);
	return finish(&r);
}

void
peel_dht_plain_write(struct peel_writer *w, uint32_t identifier)
{
	peel_write_u32(w, identifier);
}

/* ---- store-request --------------------------------------------------------------------------- */

int
peel_dht_store_request_parse(struct peel_span body, struct peel_dht_store_request *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->identifier = peel_read_u32(&r);
	out->token = peel_read_bytes(&r, PEEL_DHT_TOKEN_LEN);
	out->target = peel_read_bytes(&r, PEEL_DHT_KEY_LEN);
	read_values(&r, &out->values);
	return finish(&r);
}

void
peel_dht_store_request_write(struct peel_writer *w, const struct peel_dht_store_request *m)
{
	peel_write_u32(w, m->identifier);
	peel_write_bytes(w, m->token, PEEL_DHT_TOKEN_LEN);
	peel_write_bytes(w, m->target, PEEL_DHT_KEY_LEN);
	write_values(w, &m->values);
}

/* ---- find-request, find-response ------------------------------------------------------------- */

int
peel_dht_find_request_parse(struct peel_span body, struct peel_dht_find_request *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->identifier = peel_read_u32(&r);
	out->lan = peel_read_ip_address(&r);
	out->target = peel_read_bytes(&r, PEEL_DHT_KEY_LEN);
	out->offset = peel_read_u32(&r);
	out->force_nodes = peel_read_u8(&r) != 0;
	return finish(&r);
}

void
peel_dht_find_request_write(struct peel_writer *w, const struct peel_dht_find_request *m)
{
	peel_write_u32(w, m->identifier);
	peel_write_ip_address(w, &m->lan);
	peel_write_bytes(w, m->target, PEEL_DHT_KEY_LEN);
	peel_write_u32(w, m->offset);
	peel_write_u8(w, m->force_nodes);
}

int
peel_dht_find_response_parse(struct peel_span body, struct peel_dht_find_response *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->identifier = peel_read_u32(&r);
	out->token = peel_read_bytes(&r, PEEL_DHT_TOKEN_LEN);
	read_values(&r, &out->values);
	read_contacts(&r, &out->nodes);
	return finish(&r);
}

void
peel_dht_find_response_write(struct peel_writer *w, const struct peel_dht_find_response *m)
{
	peel_write_u32(w, m->identifier);
	peel_write_bytes(w, m->token, PEEL_DHT_TOKEN_LEN);
	write_values(w, &m->values);
	write_contacts(w, &m->nodes);
}

/* ---- store-peer-request, connect-peer-request and -response ---------------------------------- */

int
peel_dht_store_peer_request_parse(struct peel_span body, struct peel_dht_store_peer_request *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->identifier = peel_read_u32(&r);
	out->token = peel_read_bytes(&r, PEEL_DHT_TOKEN_LEN);
	out->target = peel_read_bytes(&r, PEEL_DHT_KEY_LEN);
	return finish(&r);
}

void
peel_dht_store_peer_request_write(
	struct peel_writer *w, const struct peel_dht_store_peer_request *m)
{
	peel_write_u32(w, m->identifier);
	peel_write_bytes(w, m->token, PEEL_DHT_TOKEN_LEN);
	peel_write_bytes(w, m->target, PEEL_DHT_KEY_LEN);
}

int
peel_dht_connect_peer_request_parse(
	struct peel_span body, struct peel_dht_connect_peer_request *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->identifier = peel_read_u32(&r);
	out->lan = peel_read_ip_address(&r);
	out->target = peel_read_bytes(&r, PEEL_DHT_KEY_LEN);
	return finish(&r);
}

void
peel_dht_connect_peer_request_write(
	struct peel_writer *w, const struct peel_dht_connect_peer_request *m)
{
	peel_write_u32(w, m->identifier);
	peel_write_ip_address(w, &m->lan);
	peel_write_bytes(w, m->target, PEEL_DHT_KEY_LEN);
}

int
peel_dht_connect_peer_response_parse(
	struct peel_span body, struct peel_dht_connect_peer_response *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->identifier = peel_read_u32(&r);
	read_contacts(&r, &out->nodes);
	return finish(&r);
}

void
peel_dht_connect_peer_response_write(
	struct peel_writer *w, const struct peel_dht_connect_peer_response *m)
{
	peel_write_u32(w, m->identifier);
	write_contacts(w, &m->nodes);
}

/* ---- stored values --------------------------------------------------------------------------- */

enum {
	VALUE_UNSIGNED = 0,
	VALUE_SIGNED = 1,
};

int
peel_dht_value_parse(struct peel_span blob, struct peel_dht_value *out)
{
	struct peel_reader r = peel_reader_init(blob.p, blob.len);
	uint8_t type = peel_read_u8(&r);

	memset(out, 0, sizeof(*out));
	out->is_signed = type == VALUE_SIGNED;
	if (r.bad || type > VALUE_SIGNED)
		return -EBADMSG;
	if (!out->is_signed) {
		out->data = peel_read_rest(&r);
		return 0;
	}
	out->data = peel_read_varlen(&r);
	out->version = peel_read_u32(&r);
	out->pk = peel_read_varlen(&r);
	if (r.bad || !peel_pk_valid(out->pk) || peel_reader_left(&r) != PEEL_SIGNATURE_LEN)
		return -EBADMSG;
	out->covered = (struct peel_span){blob.p, blob.len - PEEL_SIGNATURE_LEN};
	out->signature = peel_read_rest(&r);
	return 0;
}

void
peel_dht_value_write_unsigned(struct peel_writer *w, struct peel_span data)
{
	peel_write_u8(w, VALUE_UNSIGNED);
	peel_write_bytes(w, data.p, data.len);
}

void
peel_dht_value_begin_signed(struct peel_writer *w, struct peel_span data, uint32_t version,
	const uint8_t pk[PEEL_PK_LEN])
{
	peel_write_u8(w, VALUE_SIGNED);
	peel_write_varlen(w, data.p, data.len);
	peel_write_u32(w, version);
	peel_write_varlen(w, pk, PEEL_PK_LEN);
}

/* ---- introduction points, section 21.8 ------------------------------------------------------- */

/* Keys are stored without what they all begin with, as a value must be short. */
#define MAGIC "LibNaCLPK:"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define BARE_LEN (PEEL_PK_LEN - MAGIC_LEN)

static void
read_bare_pk(struct peel_reader *r, uint8_t pk[PEEL_PK_LEN])
{
	struct peel_span bare = peel_read_varlen(r);

	r->bad |= bare.len != BARE_LEN;
	if (r->bad)
		return;
	memcpy(pk, MAGIC, MAGIC_LEN);
	memcpy(pk + MAGIC_LEN, bare.p, BARE_LEN);
}

int
peel_dht_introduction_parse(struct peel_span data, struct peel_dht_introduction *out)
{
	struct peel_reader r = peel_reader_init(data.p, data.len);

	out->address = peel_read_ip_address(&r);
	out->last_seen = peel_read_u32(&r);
	read_bare_pk(&r, out->pk);
	read_bare_pk(&r, out->seeder_pk);
	return r.bad || out->address.port == 0 ? -EBADMSG : 0;
}

void
peel_dht_introduction_write(struct peel_writer *w, const struct peel_dht_introduction *m)
{
	peel_write_ip_address(w, &m->address);
	peel_write_u32(w, m->last_seen);
	peel_write_varlen(w, m->pk + MAGIC_LEN, BARE_LEN);
	peel_write_varlen(w, m->seeder_pk + MAGIC_LEN, BARE_LEN);
}
