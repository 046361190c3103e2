/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_dhtmsg.h"

/* ---- ping-request, ping-response ------------------------------------------------------------- */

int
peel_dht_ping_parse(struct peel_span body, uint32_t *identifier)
{
	struct peel_reader r = peel_reader_init(body.p, body.len);

	*identifier = peel_read_u32(&r);
	return r.bad || peel_reader_left(&r) > 0 ? -EBADMSG : 0;
}

void
peel_dht_ping_write(struct peel_writer *w, uint32_t identifier)
{
	peel_write_u32(w, identifier);
}
