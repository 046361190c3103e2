/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "peel_dht.h"

/* CRC-32 as in zlib (reflected 0xedb88320), a bit at a time: eight bytes at most. */
static uint32_t
crc32_short(const uint8_t *p, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

void
peel_dht_node_id(const struct peel_addr *addr, const uint8_t mid[PEEL_MID_LEN],
	uint8_t out[PEEL_DHT_NODE_ID_LEN])
{
	static const uint8_t mask4[4] = {0x03, 0x0f, 0x3f, 0xff};
	static const uint8_t mask6[8] = {0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff};
	bool v6 = addr->family == PEEL_FAMILY_IPV6;
	const uint8_t *mask = v6 ? mask6 : mask4;
	size_t len = v6 ? sizeof(mask6) : sizeof(mask4);
	uint8_t masked[8], crc[4];

	for (size_t i = 0; i < len; i++)
		masked[i] = addr->ip[i] & mask[i];
	peel_put_be32(crc, crc32_short(masked, len));
	memcpy(out, crc, 3);
	memcpy(out + 3, mid, PEEL_DHT_NODE_ID_LEN - 3);
}
