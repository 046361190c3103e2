/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_http_msg.h"

int
peel_http_request_parse(const uint8_t *body, size_t len, struct peel_msg_http_request *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = peel_read_u32(&r);
	out->target = peel_read_address(&r);
	out->request = peel_read_varlen(&r);
	return r.bad ? -EBADMSG : 0;
}

int
peel_http_request_build(uint8_t *out, size_t size, const struct peel_msg_http_request *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_HTTP_REQUEST);
	peel_write_u32(&w, m->identifier);
	peel_write_address(&w, &m->target);
	peel_write_varlen(&w, m->request.p, m->request.len);
	return peel_writer_len(&w);
}

int
peel_http_response_parse(const uint8_t *body, size_t len, struct peel_msg_http_response *out)
{
	struct peel_reader r = peel_reader_init(body, len);

	out->identifier = peel_read_u32(&r);
	out->part = peel_read_u16(&r);
	out->total = peel_read_u16(&r);
	out->response = peel_read_varlen(&r);
	return r.bad || out->part >= out->total ? -EBADMSG : 0;
}

int
peel_http_response_build(uint8_t *out, size_t size, const struct peel_msg_http_response *m)
{
	struct peel_writer w = peel_writer_init(out, size);

	peel_write_u8(&w, PEEL_MSG_HTTP_RESPONSE);
	peel_write_u32(&w, m->identifier);
	peel_write_u16(&w, m->part);
	peel_write_u16(&w, m->total);
	peel_write_varlen(&w, m->response.p, m->response.len);
	return peel_writer_len(&w);
}
