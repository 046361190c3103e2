/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * A state file that may be anything, and one with the right checksum around anything: it is taken
 * whole or not at all, its nodes are only pinged, and what is saved afterwards can be loaded.
 */
#include "fuzz_world.h"
#include "dht_internal.h"

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	unsigned int *n = arg;

	++*n;
	if (len <= PEEL_PREFIX_LEN || data[PEEL_PREFIX_LEN] != PEEL_MSG_DHT_PING_REQUEST ||
		!peel_addr_usable(to))
		abort();
}

/* The length and the sum that belong to these bytes. */
static void
put_right(uint8_t *data, size_t len)
{
	if (len < 42)
		return;
	memcpy(data, "peeldht1", 8);
	peel_put_be32(data + 16, (uint32_t)len);
	peel_mid(data, len - PEEL_MID_LEN, data + len - PEEL_MID_LEN);
}

static void
play(struct peel_dht *dht, const uint8_t *data, size_t len, const unsigned int *n_sent)
{
	static uint8_t out[PEEL_DHT_STATE_MAX];
	struct peel_dht_count count;
	uint64_t sequence;
	int rc = peel_dht_load(dht, data, len);

	peel_dht_count(dht, &count);
	if (rc == 0 ? peel_dht_state_sequence(data, len, &sequence) != 0 : count.remembered > 0)
		abort();
	for (int i = 0; i < 40; i++) {
		fuzz_now_ms += 250;
		peel_dht_tick(dht);
	}
	if (*n_sent > count.remembered)
		abort();
	size_t saved = peel_dht_save(dht, 7, out);

	if (saved > sizeof(out) || peel_dht_state_sequence(out, saved, &sequence) != 0 ||
		sequence != 7 || peel_dht_load(dht, out, saved) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct peel_addr own = peel_addr_ipv4(198, 51, 100, 1, 8090);
	static struct peel_identity identity;
	static struct peel_stats stats;
	unsigned int n_sent = 0;
	struct peel_dht_conf conf = {.env = &fuzz_env,
		.identity = &identity,
		.stats = &stats,
		.community = {1, 2, 3},
		.send = on_send,
		.arg = &n_sent};
	struct peel_dht *dht;
	uint8_t *exact = malloc(size > 0 ? size : 1);

	fuzz_now_ms = 1000000;
	fuzz_random_state = 1;
	if (exact == NULL || peel_keys_init() != 0 ||
		peel_identity_generate(&fuzz_env, &identity) != 0 || peel_dht_new(&conf, &dht) != 0)
		abort();
	memcpy(exact, data, size);
	if (size > 8 && exact[8] % 2 == 1)
		put_right(exact, size);
	peel_dht_address(dht, &own);
	play(dht, exact, size, &n_sent);
	peel_dht_free(dht);
	free(exact);
	return 0;
}
