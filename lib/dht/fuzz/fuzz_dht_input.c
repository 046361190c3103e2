/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A DHT driven by a script read from the input: datagrams as they are, datagrams signed here,
 * answers to what it asked, values stored with its tokens, look-ups, time.
 */
#include "fuzz_world.h"
#include "peel_dht.h"
#include "peel_dhtmsg.h"

#define N_ADDRS 4
#define OPS_MAX 64

struct world {
	struct peel_identity own, other;
	struct peel_stats stats;
	struct peel_dht *dht;
	uint8_t prefix[PEEL_PREFIX_LEN];
	struct peel_addr asked; /* last, with this message and identifier */
	uint8_t asked_id;
	uint32_t identifier;
	uint8_t token[PEEL_DHT_TOKEN_LEN]; /* the last one it gave, to that address */
	struct peel_addr token_for;
	uint64_t n_pings, n_done;
};

static void
sent(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct peel_dht_find_response found;
	struct world *w = arg;
	struct peel_signed s;

	if (len > PEEL_DATAGRAM_MAX)
		abort();
	if (data[PEEL_PREFIX_LEN] > PEEL_MSG_DHT_CONNECT_PEER_RESPONSE)
		return; /* a puncture-request */
	if (peel_signed_parse(data, len, false, false, &s) != 0 || !peel_signed_verify(&s))
		abort();
	if (s.id == PEEL_MSG_DHT_FIND_RESPONSE) {
		if (peel_dht_find_response_parse(s.body, &found) != 0)
			abort();
		memcpy(w->token, found.token, sizeof(w->token));
		w->token_for = *to;
	}
	if (s.id % 2 == 0)
		return;
	w->asked = *to;
	w->asked_id = s.id;
	w->identifier = peel_get_be32(s.body.p);
}

static void
done(void *arg, uint64_t token, bool answered)
{
	struct world *w = arg;

	(void)answered;
	if (token >= w->n_pings)
		abort();
	w->n_done++;
}

static void
ended(void *arg, uint64_t token, const struct peel_dht_result *r)
{
	struct world *w = arg;

	for (size_t i = 0; i < r->n_values; i++) {
		if (r->value[i].data.len > PEEL_DHT_VALUE_MAX)
			abort();
	}
	done(w, token, true);
}

static void
look_up(struct world *w, struct peel_reader *r)
{
	static const uint8_t target[2][PEEL_DHT_KEY_LEN] = {{1}, {2}};
	static const struct peel_span data = {target[0], 20};
	uint8_t what = peel_read_u8(r), at = what >> 7;
	struct peel_dht_count before, after;
	uint32_t id;
	int rc = -1;

	switch (what & 7) {
	case 0:
		rc = peel_dht_find_nodes(w->dht, target[at], ended, w, w->n_pings);
		break;
	case 1:
		rc = peel_dht_find(w->dht, target[at], 0, ended, w, w->n_pings);
		break;
	case 2:
		rc = peel_dht_store(w->dht, target[at], data, at, ended, w, w->n_pings);
		break;
	case 3:
		rc = peel_dht_connect_peer(w->dht, w->other.mid, ended, w, w->n_pings);
		break;
	case 4:
		if (peel_dht_publish(w->dht, target[at], data, at, &id) == 0 && at == 1)
			peel_dht_withdraw(w->dht, id);
		break;
	case 5:
		peel_dht_store_peer(w->dht, at == 1);
		break;
	case 6:
		peel_dht_count(w->dht, &before);
		peel_dht_cancel(w->dht, target[at], ended, w);
		peel_dht_count(w->dht, &after);
		w->n_done += before.lookups - after.lookups;
		break;
	default:
		peel_dht_met(w->dht, &w->token_for, w->other.pk);
	}
	w->n_pings += rc == 0;
}

static void
fixed_key(uint8_t n, struct peel_identity *out)
{
	uint8_t sk[PEEL_SK_LEN] = "LibNaCLSK:";

	memset(sk + 10, n, sizeof(sk) - 10);
	if (peel_identity_parse(sk, sizeof(sk), out) != 0)
		abort();
}

static void
input(struct world *w, const struct peel_addr *from, const struct peel_writer *message)
{
	int len = peel_writer_len(message);

	if (len <= 0)
		return;
	uint8_t *copy = malloc((size_t)len); /* exact size: one byte too far traps */

	if (copy == NULL)
		abort();
	memcpy(copy, message->start, (size_t)len);
	(void)peel_dht_input(w->dht, from, copy, (size_t)len);
	free(copy);
}

static void
message(struct world *w, struct peel_reader *r, bool with_signature)
{
	uint8_t buffer[512], id = peel_read_u8(r) % 12;
	struct peel_addr from = peel_addr_ipv4(203, 0, 113, peel_read_u8(r) % N_ADDRS, 9);
	size_t n = peel_read_u8(r);
	struct peel_writer m = peel_writer_init(buffer, sizeof(buffer));

	if (n > peel_reader_left(r))
		n = peel_reader_left(r);
	if (with_signature) {
		peel_signed_begin(&m, w->prefix, id, w->other.pk, false, 0);
	} else {
		peel_write_bytes(&m, w->prefix, PEEL_PREFIX_LEN);
		peel_write_u8(&m, id);
	}
	if (n > 0)
		peel_write_bytes(&m, peel_read_bytes(r, n), n);
	if (with_signature)
		peel_sign(&m, &w->other);
	input(w, &from, &m);
}

/* The rest of a body from the input. */
static void
append(struct peel_writer *m, struct peel_reader *r)
{
	size_t n = peel_read_u8(r);

	if (n > peel_reader_left(r))
		n = peel_reader_left(r);
	if (n > 0)
		peel_write_bytes(m, peel_read_bytes(r, n), n);
}

static void
answer(struct world *w, struct peel_reader *r)
{
	uint8_t buffer[512];
	struct peel_writer m = peel_writer_init(buffer, sizeof(buffer));

	peel_signed_begin(&m, w->prefix, w->asked_id + 1, w->other.pk, false, 0);
	peel_dht_plain_write(&m, w->identifier);
	if (w->asked_id == PEEL_MSG_DHT_FIND_REQUEST ||
		w->asked_id == PEEL_MSG_DHT_CONNECT_PEER_REQUEST)
		append(&m, r);
	peel_sign(&m, &w->other);
	input(w, &w->asked, &m);
}

static void
store(struct world *w, struct peel_reader *r)
{
	static const uint8_t target[2][PEEL_DHT_KEY_LEN] = {{1}, {2}};
	uint8_t buffer[512], id = peel_read_u8(r) % 2;
	struct peel_writer m = peel_writer_init(buffer, sizeof(buffer));

	peel_signed_begin(&m, w->prefix,
		id == 0 ? PEEL_MSG_DHT_STORE_REQUEST : PEEL_MSG_DHT_STORE_PEER_REQUEST, w->other.pk,
		false, 0);
	peel_dht_plain_write(&m, 1);
	peel_write_bytes(&m, w->token, sizeof(w->token));
	if (id == 0) {
		peel_write_bytes(&m, target[peel_read_u8(r) % 2], PEEL_DHT_KEY_LEN);
		append(&m, r);
	} else {
		peel_write_bytes(&m, w->other.mid, PEEL_MID_LEN);
	}
	peel_sign(&m, &w->other);
	input(w, &w->token_for, &m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_reader r = peel_reader_init(data, size);
	struct world w = {0};
	struct peel_dht_conf conf = {
		.env = &fuzz_env,
		.identity = &w.own,
		.stats = &w.stats,
		.community = {1, 2, 3},
		.send = sent,
		.arg = &w,
	};

	const struct peel_addr own = peel_addr_ipv4(198, 51, 100, 1, 8090);

	fuzz_now_ms = 1000;
	fuzz_random_state = 0;
	if (peel_keys_init() != 0)
		abort();
	fixed_key(1, &w.own);
	fixed_key(2, &w.other);
	peel_prefix_build(w.prefix, conf.community);
	if (peel_dht_new(&conf, &w.dht) != 0)
		abort();
	peel_dht_address(w.dht, &own);
	for (int i = 0; i < OPS_MAX && peel_reader_left(&r) > 0; i++) {
		uint8_t op = peel_read_u8(&r) % 7;
		struct peel_addr to = peel_addr_ipv4(203, 0, 113, op, 9);

		if (op < 2)
			message(&w, &r, op == 1);
		else if (op == 2)
			answer(&w, &r);
		else if (op == 3)
			w.n_pings += peel_dht_ping(w.dht, &to, done, &w, w.n_pings) == 0;
		else if (op == 4)
			fuzz_now_ms += peel_read_u8(&r) * 100;
		else if (op == 5)
			store(&w, &r);
		else
			look_up(&w, &r);
		peel_dht_tick(w.dht);
	}
	/* Each ping and each look-up ends once. */
	for (int i = 0; i < 20; i++) {
		fuzz_now_ms += 5000;
		peel_dht_tick(w.dht);
	}
	if (w.n_done != w.n_pings)
		abort();
	peel_dht_free(w.dht);
	return 0;
}
