/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_discovery.h"

#define OVERLAP_LEN (PEEL_MID_LEN + 4) /* a member id and a number, long out of use */

int
peel_similarity_request_parse(struct peel_span body, struct peel_similarity_request *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	out->identifier = peel_read_u16(&r);
	out->lan = peel_read_ipv4(&r);
	out->wan = peel_read_ipv4(&r);
	out->bits = peel_read_u8(&r);
	out->communities = peel_read_rest(&r);
	return r.bad || out->communities.len % PEEL_COMMUNITY_LEN != 0 ? -EBADMSG : 0;
}

void
peel_similarity_request_write(struct peel_writer *w, const struct peel_similarity_request *m)
{
	peel_write_u16(w, m->identifier);
	peel_write_ipv4(w, &m->lan);
	peel_write_ipv4(w, &m->wan);
	peel_write_u8(w, m->bits);
	peel_write_bytes(w, m->communities.p, m->communities.len);
}

int
peel_similarity_response_parse(struct peel_span body, struct peel_similarity_response *out)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);
	size_t n;

	out->identifier = peel_read_u16(&r);
	n = (size_t)peel_read_u16(&r) * PEEL_COMMUNITY_LEN;
	out->communities = (struct peel_span){peel_read_bytes(&r, n), n};
	out->tail = peel_read_rest(&r);
	return r.bad || out->tail.len % OVERLAP_LEN != 0 ? -EBADMSG : 0;
}

void
peel_similarity_response_write(struct peel_writer *w, const struct peel_similarity_response *m)
{
	peel_write_u16(w, m->identifier);
	peel_write_u16(w, (uint16_t)(m->communities.len / PEEL_COMMUNITY_LEN));
	peel_write_bytes(w, m->communities.p, m->communities.len);
	peel_write_bytes(w, m->tail.p, m->tail.len);
}

int
peel_discovery_ping_parse(const uint8_t *data, size_t len, uint16_t *identifier)
{
	struct peel_reader r = peel_reader_init(data, len);

	peel_read_bytes(&r, PEEL_HEADER_LEN);
	peel_read_u64(&r); /* clock: not used */
	*identifier = peel_read_u16(&r);
	return r.bad || peel_reader_left(&r) > 0 ? -EBADMSG : 0;
}
