/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "peel_wire.h"

static const uint8_t pk_magic[10] = {'L', 'i', 'b', 'N', 'a', 'C', 'L', 'P', 'K', ':'};

/*
 * Legacy keys: DER SubjectPublicKeyInfo of an uncompressed point on one of four binary curves. For
 * each curve, everything before the point is fixed, so comparing these bytes replaces a DER parser.
 * Source: protocol section 5.2.
 */
#define EC_ALGORITHM(curve)                                                                        \
	0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,  \
		0x04, 0x00, (curve)

static const struct legacy_curve {
	uint8_t pk_len;
	uint8_t signature_len;
	uint8_t head_len;
	uint8_t head[26];
} legacy_curves[] = {
	/* sect163k1 */
	{66, 42, 24, {0x30, 0x40, EC_ALGORITHM(0x01), 0x03, 0x2c, 0x00, 0x04}},
	/* sect233k1 */
	{84, 60, 24, {0x30, 0x52, EC_ALGORITHM(0x1a), 0x03, 0x3e, 0x00, 0x04}},
	/* sect409k1 */
	{128, 104, 24, {0x30, 0x7e, EC_ALGORITHM(0x24), 0x03, 0x6a, 0x00, 0x04}},
	/* sect571r1: lengths above 127 take two bytes */
	{170, 144, 26, {0x30, 0x81, 0xa7, EC_ALGORITHM(0x27), 0x03, 0x81, 0x92, 0x00, 0x04}},
};

void
peel_prefix_build(uint8_t prefix[PEEL_PREFIX_LEN], const uint8_t community[PEEL_COMMUNITY_LEN])
{
	prefix[0] = 0x00;
	prefix[1] = 0x02; /* overlay version */
	memcpy(prefix + 2, community, PEEL_COMMUNITY_LEN);
}

bool
peel_pk_valid(struct peel_span pk)
{
	return pk.len == PEEL_PK_LEN && memcmp(pk.p, pk_magic, sizeof(pk_magic)) == 0;
}

struct peel_span
peel_read_pk(struct peel_reader *r)
{
	struct peel_span pk = peel_read_varlen(r);

	if (!r->bad && !peel_pk_valid(pk))
		r->bad = true;
	return pk;
}

/* Length of a legacy key's signatures, 0 if it is not one. */
static size_t
legacy_signature_len(struct peel_span pk)
{
	for (size_t i = 0; i < PEEL_ARRAY_LEN(legacy_curves); i++) {
		const struct legacy_curve *c = &legacy_curves[i];

		if (pk.len == c->pk_len && memcmp(pk.p, c->head, c->head_len) == 0)
			return c->signature_len;
	}
	return 0;
}

int
peel_signed_parse(const uint8_t *data, size_t len, bool with_clock, bool allow_legacy,
	struct peel_signed *out)
{
	struct peel_reader r = peel_reader_init(data, len);
	size_t signature_len = PEEL_SIGNATURE_LEN;

	memset(out, 0, sizeof(*out));
	peel_read_bytes(&r, PEEL_PREFIX_LEN);
	out->id = peel_read_u8(&r);
	out->pk = peel_read_varlen(&r);
	if (r.bad)
		return -EBADMSG;
	if (!peel_pk_valid(out->pk)) {
		signature_len = allow_legacy ? legacy_signature_len(out->pk) : 0;
		if (signature_len == 0)
			return -EBADMSG;
		out->legacy = true;
	}
	if (with_clock)
		out->clock = peel_read_u64(&r);
	if (r.bad || peel_reader_left(&r) < signature_len)
		return -EBADMSG;
	out->body = (struct peel_span){r.p, peel_reader_left(&r) - signature_len};
	out->covered = (struct peel_span){data, len - signature_len};
	out->signature = (struct peel_span){data + len - signature_len, signature_len};
	return 0;
}

void
peel_signed_begin(struct peel_writer *w, const uint8_t prefix[PEEL_PREFIX_LEN], uint8_t id,
	const uint8_t pk[PEEL_PK_LEN], bool with_clock, uint64_t clock)
{
	peel_write_bytes(w, prefix, PEEL_PREFIX_LEN);
	peel_write_u8(w, id);
	peel_write_varlen(w, pk, PEEL_PK_LEN);
	if (with_clock)
		peel_write_u64(w, clock);
}

void
peel_unsigned_begin(
	struct peel_writer *w, const uint8_t prefix[PEEL_PREFIX_LEN], uint8_t id, uint64_t clock)
{
	peel_write_bytes(w, prefix, PEEL_PREFIX_LEN);
	peel_write_u8(w, id);
	peel_write_u64(w, clock);
}
