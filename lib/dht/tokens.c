/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Tokens: who presents one has received it at that address with that key, within the last ten
 * minutes. Source: protocol section 21.5.
 */
#include "dht_internal.h"

#define RENEW_MS (300 * DHT_SECOND)

void
dht_tokens_init(struct dht_tokens *t, const struct peel_env *env)
{
	peel_random(env, t->secret, sizeof(t->secret));
	t->renewed_ms = peel_now_ms(env);
}

void
dht_tokens_tick(struct dht_tokens *t, const struct peel_env *env)
{
	uint64_t now = peel_now_ms(env);

	if (now - t->renewed_ms < RENEW_MS)
		return;
	/* After a long sleep the older one is older than it may be, too. */
	if (now - t->renewed_ms < 2 * RENEW_MS)
		memcpy(t->secret[1], t->secret[0], DHT_SECRET_LEN);
	else
		peel_random(env, t->secret[1], DHT_SECRET_LEN);
	peel_random(env, t->secret[0], DHT_SECRET_LEN);
	t->renewed_ms = now;
}

static void
make(const uint8_t secret[DHT_SECRET_LEN], const struct peel_addr *addr,
	const uint8_t mid[PEEL_MID_LEN], uint8_t out[PEEL_DHT_TOKEN_LEN])
{
	uint8_t text[DHT_SECRET_LEN + sizeof(*addr) + PEEL_MID_LEN];

	_Static_assert(PEEL_DHT_TOKEN_LEN == PEEL_MID_LEN, "tokens are SHA-1 as well");
	memcpy(text, secret, DHT_SECRET_LEN);
	memcpy(text + DHT_SECRET_LEN, addr, sizeof(*addr));
	memcpy(text + DHT_SECRET_LEN + sizeof(*addr), mid, PEEL_MID_LEN);
	peel_mid(text, sizeof(text), out);
}

void
dht_token_make(const struct dht_tokens *t, const struct peel_addr *addr,
	const uint8_t mid[PEEL_MID_LEN], uint8_t out[PEEL_DHT_TOKEN_LEN])
{
	make(t->secret[0], addr, mid, out);
}

bool
dht_token_valid(const struct dht_tokens *t, const struct peel_addr *addr,
	const uint8_t mid[PEEL_MID_LEN], const uint8_t token[PEEL_DHT_TOKEN_LEN])
{
	uint8_t right[PEEL_DHT_TOKEN_LEN];

	for (unsigned int i = 0; i < PEEL_ARRAY_LEN(t->secret); i++) {
		make(t->secret[i], addr, mid, right);
		if (peel_equal_ct(right, token, sizeof(right)))
			return true;
	}
	return false;
}
