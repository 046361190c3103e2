/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_cell.h"

#define TAGGED_IPV4_LEN 7 /* type, address, port */

struct peel_span
peel_read_point(struct peel_reader *r)
{
	struct peel_span x = peel_read_varlen(r);

	if (x.len != PEEL_X_LEN)
		r->bad = true;
	return x;
}

int
peel_create_parse(const uint8_t *body, size_t len, struct peel_msg_create *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = peel_read_u16(&r);
	out->pk = peel_read_pk(&r);
	out->x = peel_read_point(&r);
	return r.bad ? -EBADMSG : 0;
}

int
peel_create_build(uint8_t *out, size_t size, const struct peel_msg_create *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_CREATE);
	peel_write_u16(&w, m->identifier);
	peel_write_varlen(&w, m->pk.p, m->pk.len);
	peel_write_varlen(&w, m->x.p, m->x.len);
	return peel_writer_len(&w);
}

int
peel_created_parse(const uint8_t *body, size_t len, struct peel_msg_created *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = peel_read_u16(&r);
	out->y = peel_read_point(&r);
	out->auth = (struct peel_span){peel_read_bytes(&r, PEEL_AUTH_LEN), PEEL_AUTH_LEN};
	out->candidates_enc = peel_read_rest(&r);
	return r.bad ? -EBADMSG : 0;
}

int
peel_created_build(uint8_t *out, size_t size, uint8_t id, const struct peel_msg_created *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, id);
	peel_write_u16(&w, m->identifier);
	peel_write_varlen(&w, m->y.p, m->y.len);
	peel_write_bytes(&w, m->auth.p, m->auth.len);
	peel_write_bytes(&w, m->candidates_enc.p, m->candidates_enc.len);
	return peel_writer_len(&w);
}

int
peel_extend_parse(const uint8_t *body, size_t len, struct peel_msg_extend *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = peel_read_u16(&r);
	out->pk = peel_read_pk(&r);
	out->x = peel_read_point(&r);
	out->address = peel_read_ip_address(&r);
	return r.bad ? -EBADMSG : 0;
}

int
peel_extend_build(uint8_t *out, size_t size, const struct peel_msg_extend *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_EXTEND);
	peel_write_u16(&w, m->identifier);
	peel_write_varlen(&w, m->pk.p, m->pk.len);
	peel_write_varlen(&w, m->x.p, m->x.len);
	peel_write_ip_address(&w, &m->address);
	return peel_writer_len(&w);
}

static void
tagged_ipv4(const uint8_t *p, struct peel_host *out)
{
	memset(out, 0, sizeof(*out));
	out->type = PEEL_HOST_IPV4;
	memcpy(out->addr.ip, p + 1, 4);
	out->addr.port = peel_get_be16(p + 5);
	out->addr.family = PEEL_FAMILY_IPV4;
}

int
peel_data_parse(const uint8_t *body, size_t len, struct peel_msg_data *out)
{
	/* Fast path: nearly all data cells carry two IPv4 addresses. One length check, then fixed
	 * offsets. */
	if (len >= 2 * TAGGED_IPV4_LEN && body[0] == PEEL_HOST_IPV4 &&
		body[TAGGED_IPV4_LEN] == PEEL_HOST_IPV4) {
		tagged_ipv4(body, &out->destination);
		tagged_ipv4(body + TAGGED_IPV4_LEN, &out->origin);
		out->payload =
			(struct peel_span){body + 2 * TAGGED_IPV4_LEN, len - 2 * TAGGED_IPV4_LEN};
		return 0;
	}
	struct peel_reader r = peel_reader_init(body, len);

	out->destination = peel_read_address(&r);
	out->origin = peel_read_address(&r);
	out->payload = peel_read_rest(&r);
	return r.bad ? -EBADMSG : 0;
}

/* Whether the host has the short form: type 1, 7 bytes. */
static bool
is_short(const struct peel_host *h)
{
	return h->type != PEEL_HOST_NAME && h->addr.family == PEEL_FAMILY_IPV4;
}

static void
put_tagged_ipv4(uint8_t *p, const struct peel_addr *a)
{
	p[0] = PEEL_HOST_IPV4;
	memcpy(p + 1, a->ip, 4);
	peel_put_be16(p + 5, a->port);
}

int
peel_data_build(uint8_t *out, size_t size, const struct peel_msg_data *m)
{
	const size_t head = 1 + 2 * TAGGED_IPV4_LEN;

	if (is_short(&m->destination) && is_short(&m->origin) && size >= head &&
		m->payload.len <= size - head) {
		out[0] = PEEL_MSG_DATA;
		put_tagged_ipv4(out + 1, &m->destination.addr);
		put_tagged_ipv4(out + 1 + TAGGED_IPV4_LEN, &m->origin.addr);
		if (m->payload.len > 0)
			memcpy(out + head, m->payload.p, m->payload.len);
		return (int)(head + m->payload.len);
	}
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_DATA);
	peel_write_address(&w, &m->destination);
	peel_write_address(&w, &m->origin);
	peel_write_bytes(&w, m->payload.p, m->payload.len);
	return peel_writer_len(&w);
}

int
peel_destroy_parse(const uint8_t *body, size_t len, struct peel_msg_destroy *out)
{
	if (len != PEEL_DESTROY_BODY_LEN)
		return -EBADMSG;
	out->cid = peel_get_be32(body);
	out->reason = peel_get_be16(body + 4);
	return 0;
}

void
peel_destroy_body(uint8_t out[PEEL_DESTROY_BODY_LEN], const struct peel_msg_destroy *m)
{
	peel_put_be32(out, m->cid);
	peel_put_be16(out + 4, m->reason);
}

int
peel_identifier_parse(const uint8_t *body, size_t len, uint16_t *identifier)
{
	if (len < 2)
		return -EBADMSG;
	*identifier = peel_get_be16(body);
	return 0;
}

int
peel_identifier_build(uint8_t *out, size_t size, uint8_t id, uint16_t identifier)
{
	if (size < 3)
		return -ENOSPC;
	out[0] = id;
	peel_put_be16(out + 1, identifier);
	return 3;
}

static bool
test_is_request(uint8_t id)
{
	return id == PEEL_MSG_TEST_REQUEST || id == PEEL_MSG_TEST_REQUEST_RUST;
}

static bool
test_is_rust(uint8_t id)
{
	return id == PEEL_MSG_TEST_REQUEST_RUST || id == PEEL_MSG_TEST_RESPONSE_RUST;
}

int
peel_test_parse(uint8_t id, const uint8_t *body, size_t len, struct peel_msg_test *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = test_is_rust(id) ? peel_read_u32(&r) : peel_read_u16(&r);
	out->response_size = test_is_request(id) ? peel_read_u16(&r) : 0;
	out->data = peel_read_rest(&r);
	return r.bad ? -EBADMSG : 0;
}

int
peel_test_build(uint8_t *out, size_t size, uint8_t id, const struct peel_msg_test *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, id);
	if (test_is_rust(id))
		peel_write_u32(&w, m->identifier);
	else
		peel_write_u16(&w, (uint16_t)m->identifier);
	if (test_is_request(id))
		peel_write_u16(&w, m->response_size);
	peel_write_bytes(&w, m->data.p, m->data.len);
	return peel_writer_len(&w);
}
