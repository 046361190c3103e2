/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_cell.h"

_Static_assert(PEEL_CELL_OFF_CID == PEEL_HEADER_LEN, "the circuit id follows the message id");
_Static_assert(PEEL_CELL_OFF_EARLY + 1 == PEEL_CELL_HEADER_LEN, "the message follows the flags");

int
peel_cell_parse(const uint8_t *data, size_t len, struct peel_cell *out)
{
	if (len < PEEL_CELL_MIN || data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL)
		return -EBADMSG;
	out->cid = peel_get_be32(data + PEEL_CELL_OFF_CID);
	out->plain = data[PEEL_CELL_OFF_PLAIN] != 0;
	out->early = data[PEEL_CELL_OFF_EARLY] != 0;
	out->message = (struct peel_span){data + PEEL_CELL_HEADER_LEN, len - PEEL_CELL_HEADER_LEN};
	return 0;
}

void
peel_cell_header(uint8_t out[PEEL_CELL_HEADER_LEN], const uint8_t prefix[PEEL_PREFIX_LEN],
	uint32_t cid, bool plain, bool early)
{
	memcpy(out, prefix, PEEL_PREFIX_LEN);
	out[PEEL_PREFIX_LEN] = PEEL_MSG_CELL;
	peel_put_be32(out + PEEL_CELL_OFF_CID, cid);
	out[PEEL_CELL_OFF_PLAIN] = plain;
	out[PEEL_CELL_OFF_EARLY] = early;
}
