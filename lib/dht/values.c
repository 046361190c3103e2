/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Whose a stored value is, and whether that is true. Source: protocol section 21.7.
 */
#include <errno.h>

#include "dht_internal.h"

void
dht_value_identity(const struct peel_dht_value *v, struct peel_span blob, uint8_t out[PEEL_MID_LEN])
{
	if (v->is_signed)
		peel_mid(v->pk.p, v->pk.len, out);
	else
		peel_mid(blob.p, blob.len, out);
}

bool
dht_value_genuine(const struct peel_dht_value *v)
{
	struct peel_signed s = {.pk = v->pk, .covered = v->covered, .signature = v->signature};

	return !v->is_signed || peel_signed_verify(&s);
}

int
dht_value_make(const struct peel_identity *identity, struct peel_span data, uint32_t version,
	uint8_t out[PEEL_DHT_VALUE_MAX])
{
	struct peel_writer w = peel_writer_init(out, PEEL_DHT_VALUE_MAX);

	if (version == 0) {
		peel_dht_value_write_unsigned(&w, data);
	} else {
		peel_dht_value_begin_signed(&w, data, version, identity->pk);
		peel_sign(&w, identity);
	}
	int len = peel_writer_len(&w);

	return len > 0 ? len : -EMSGSIZE;
}
