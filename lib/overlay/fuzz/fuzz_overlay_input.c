/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * An overlay with a small peer table and two PEX overlays, driven by a script read from the input.
 * Random bytes never carry a good signature, so the target signs the bodies it reads with keys of
 * its own, and can answer what the overlay asked.
 */
#include <errno.h>

#include "fuzz_world.h"
#include "peel_pex.h"

#define N_KEYS 4
#define N_ADDRS 8
#define N_PEX 2
#define OPS_MAX 48

enum op {
	OP_RAW,
	OP_SIGNED,
	OP_ANSWER,
	OP_TICK,
	OP_QUESTIONS,
	OP_BOOTSTRAP,
	OP_ANSWER_SIMILARITY,
	OP_PEX,
	N_OPS
};

static const uint8_t message_ids[] = {231, 232, 233, 234, 245, 246, 249, 250, 1, 2, 3, 4, 0, 99};

struct world {
	struct peel_identity own, key[N_KEYS];
	struct peel_addr addr[N_ADDRS];
	struct peel_stats stats;
	struct peel_overlay *ov;
	struct peel_pex *pex;
	uint8_t prefix[PEEL_N_COMMUNITIES + N_PEX][PEEL_PREFIX_LEN];
	uint8_t asked[1280]; /* the last signed request it sent */
	size_t asked_len;
	struct peel_addr asked_to;
};

static void
sent(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct world *w = arg;
	struct peel_signed s;
	bool is_request = data[PEEL_PREFIX_LEN] == PEEL_MSG_INTRO_REQUEST ||
			  data[PEEL_PREFIX_LEN] == PEEL_MSG_INTRO_REQUEST_NEW ||
			  data[PEEL_PREFIX_LEN] == PEEL_MSG_SIMILARITY_REQUEST;

	if (to->port == 0 || len > sizeof(w->asked))
		abort();
	if (!is_request)
		return;
	if (peel_signed_parse(data, len, true, false, &s) != 0 || !peel_signed_verify(&s))
		abort();
	memcpy(w->asked, data, len);
	w->asked_len = len;
	w->asked_to = *to;
}

/* As many as the first byte of the info hash says. */
static void
pex_keys(void *arg, const uint8_t *info_hash, struct peel_pex_keys *out)
{
	const struct world *w = arg;

	out->n = info_hash[0] % (PEEL_PEX_KEYS_MAX + 1);
	for (size_t i = 0; i < out->n; i++)
		out->key[i] = (struct peel_span){w->key[i % N_KEYS].pk, PEEL_PK_LEN};
}

static void
info_hash(uint8_t n, uint8_t out[PEEL_INFO_HASH_LEN])
{
	memset(out, 3 + n * 4, PEEL_INFO_HASH_LEN);
}

static void
pex_init(struct world *w)
{
	const struct peel_pex_conf conf = {
		.overlay = w->ov, .max = N_PEX, .keys = pex_keys, .arg = w};
	uint8_t hash[PEEL_INFO_HASH_LEN], community[PEEL_COMMUNITY_LEN];

	if (peel_pex_new(&conf, &w->pex) != 0)
		abort();
	for (uint8_t i = 0; i < N_PEX; i++) {
		info_hash(i, hash);
		if (!peel_pex_community(hash, community) || peel_pex_start(w->pex, hash) != 0)
			abort();
		peel_prefix_build(w->prefix[PEEL_N_COMMUNITIES + i], community);
	}
}

static void
fixed_key(uint8_t n, struct peel_identity *out)
{
	uint8_t sk[PEEL_SK_LEN] = "LibNaCLSK:";

	memset(sk + 10, n + 1, sizeof(sk) - 10);
	if (peel_identity_parse(sk, sizeof(sk), out) != 0)
		abort();
}

static void
world_init(struct world *w)
{
	struct peel_overlay_conf conf = {.env = &fuzz_env,
		.flags = 9,
		.peers_max = 6,
		.strangers_max = 64,
		.walk_target = 4};

	if (w->own.pk[0] == 0) { /* the keys are the same in all runs */
		for (uint8_t i = 0; i < N_KEYS; i++)
			fixed_key(i, &w->key[i]);
		fixed_key(77, &w->own);
	}
	memset(&w->stats, 0, sizeof(w->stats));
	fuzz_now_ms = 100000;
	fuzz_random_state = 0;
	w->asked_len = 0;
	for (uint8_t i = 0; i < N_ADDRS; i++)
		w->addr[i] = peel_addr_ipv4(203, i / 2, 113, i, (uint16_t)(8000 + i));
	w->addr[2] = peel_addr_ipv4(192, 168, 1, 2, 8090);
	w->addr[3] = peel_addr_ipv4(127, 0, 0, 1, 8090);
	if (peel_addr_parse("[2001:db8::1]:8090", 0, &w->addr[4]) != 0)
		abort();
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++) {
		memset(conf.community[c], (int)c + 1, PEEL_COMMUNITY_LEN);
		peel_prefix_build(w->prefix[c], conf.community[c]);
	}
	conf.identity = &w->own;
	conf.stats = &w->stats;
	conf.max_peers = 5;
	conf.lan = peel_addr_ipv4(192, 168, 1, 9, 8090);
	conf.bootstrap = &w->addr[0];
	conf.n_bootstrap = 1;
	conf.send = sent;
	conf.arg = w;
	if (peel_overlay_new(&conf, &w->ov) != 0)
		abort();
	pex_init(w);
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
	if (peel_overlay_input(w->ov, from, copy, (size_t)len) == -ENOENT)
		(void)peel_pex_input(w->pex, from, copy, (size_t)len);
	free(copy);
}

static struct peel_span
take(struct peel_reader *r)
{
	size_t n = peel_read_u8(r);

	if (n > peel_reader_left(r))
		n = peel_reader_left(r);
	return (struct peel_span){peel_read_bytes(r, n), n};
}

static void
op_message(struct world *w, struct peel_reader *r, bool with_signature)
{
	uint8_t buffer[1024];
	struct peel_writer m = peel_writer_init(buffer, sizeof(buffer));
	const uint8_t *prefix = w->prefix[peel_read_u8(r) % PEEL_ARRAY_LEN(w->prefix)];
	uint8_t id = message_ids[peel_read_u8(r) % sizeof(message_ids)];
	const struct peel_addr *from = &w->addr[peel_read_u8(r) % N_ADDRS];
	const struct peel_identity *key = &w->key[peel_read_u8(r) % N_KEYS];
	struct peel_span body = take(r);

	if (with_signature) {
		peel_signed_begin(&m, prefix, id, key->pk, true, 1);
	} else {
		peel_write_bytes(&m, prefix, PEEL_PREFIX_LEN);
		peel_write_u8(&m, id);
	}
	if (body.len > 0)
		peel_write_bytes(&m, body.p, body.len);
	if (with_signature)
		peel_sign(&m, key);
	input(w, from, &m);
}

/* A good answer to the last request, except that addresses, bits and extra bytes come from the
 * input. */
static void
op_answer(struct world *w, struct peel_reader *r)
{
	uint8_t buffer[1024];
	struct peel_writer m = peel_writer_init(buffer, sizeof(buffer));
	const struct peel_identity *key = &w->key[peel_read_u8(r) % N_KEYS];
	bool new_style = w->asked[PEEL_PREFIX_LEN] == PEEL_MSG_INTRO_REQUEST_NEW;
	struct peel_intro_request request;
	struct peel_intro_response response = {0};
	struct peel_signed s;

	if (w->asked_len == 0 || peel_signed_parse(w->asked, w->asked_len, true, false, &s) != 0 ||
		peel_intro_request_parse(s.body, new_style, &request) != 0)
		return;
	new_style ^= peel_read_u8(r) & 1;
	response.identifier = request.identifier;
	response.bits = peel_read_u8(r);
	response.dest = peel_read_ipv4(r);
	response.src_lan = w->addr[peel_read_u8(r) % N_ADDRS];
	response.src_wan = w->addr[peel_read_u8(r) % N_ADDRS];
	response.lan_intro = w->addr[peel_read_u8(r) % N_ADDRS];
	response.wan_intro = peel_read_ip_address(r);
	response.extra = take(r);
	if (response.extra.len == 0)
		response.extra.p = buffer;
	peel_signed_begin(&m, w->asked,
		new_style ? PEEL_MSG_INTRO_RESPONSE_NEW : PEEL_MSG_INTRO_RESPONSE, key->pk, true,
		1);
	peel_intro_response_write(&m, new_style, &response);
	peel_sign(&m, key);
	input(w, &w->asked_to, &m);
}

static void
op_answer_similarity(struct world *w, struct peel_reader *r)
{
	uint8_t buffer[1024];
	struct peel_writer m = peel_writer_init(buffer, sizeof(buffer));
	const struct peel_identity *key = &w->key[peel_read_u8(r) % N_KEYS];
	struct peel_similarity_request request;
	struct peel_similarity_response response = {0};
	struct peel_signed s;

	if (w->asked_len == 0 || w->asked[PEEL_PREFIX_LEN] != PEEL_MSG_SIMILARITY_REQUEST ||
		peel_signed_parse(w->asked, w->asked_len, true, false, &s) != 0 ||
		peel_similarity_request_parse(s.body, &request) != 0)
		return;
	response.identifier = request.identifier;
	response.communities = request.communities;
	response.tail.p = buffer;
	peel_signed_begin(&m, w->prefix[PEEL_COMMUNITY_DISCOVERY], PEEL_MSG_SIMILARITY_RESPONSE,
		key->pk, true, 1);
	peel_similarity_response_write(&m, &response);
	peel_sign(&m, key);
	input(w, &w->asked_to, &m);
}

/* One of the overlays ends, or begins; its list stays within its bounds. */
static void
op_pex(struct world *w, struct peel_reader *r)
{
	struct peel_dht_introduction list[PEEL_PEX_LIST_MAX];
	uint8_t hash[PEEL_INFO_HASH_LEN], what = peel_read_u8(r);
	struct peel_pex_count count;

	info_hash(what % N_PEX, hash);
	size_t n = peel_pex_list(w->pex, hash, list);

	peel_pex_count(w->pex, &count);
	if (n > PEEL_PEX_LIST_MAX || n > count.listed || count.overlays > N_PEX)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (!peel_addr_usable(&list[i].address))
			abort();
	}
	if (what < 128)
		return;
	peel_pex_stop(w->pex, hash);
	if (peel_pex_list(w->pex, hash, list) != 0)
		abort();
	if (what < 192 && peel_pex_start(w->pex, hash) != 0)
		abort();
}

static void
count(void *arg, const struct peel_peer *peer)
{
	*(size_t *)arg += peer->addr.port != 0;
}

/* Whatever happened, the tables agree with each other and stay within their bounds. */
static void
op_questions(struct world *w)
{
	struct peel_peer peers[8], found;
	struct peel_addr own;
	size_t n = 0, n_candidates = peel_overlay_candidates(w->ov, 0, 0, peers, 8);

	peel_overlay_dump(w->ov, count, &n);
	if (n > 6 || n_candidates > n)
		abort();
	for (size_t i = 0; i < n_candidates; i++) {
		if (!peel_overlay_find(w->ov, peers[i].pk, &found) || !found.candidate)
			abort();
	}
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++) {
		if (peel_overlay_count(w->ov, c) > n)
			abort();
	}
	if (peel_overlay_find(w->ov, w->own.pk, &found))
		abort();
	(void)peel_overlay_public(w->ov, &own);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_reader r = peel_reader_init(data, size);
	static struct world w;

	if (peel_keys_init() != 0)
		abort();
	world_init(&w);
	for (int i = 0; i < OPS_MAX && peel_reader_left(&r) > 0; i++) {
		switch (peel_read_u8(&r) % N_OPS) {
		case OP_RAW:
			op_message(&w, &r, false);
			break;
		case OP_SIGNED:
			op_message(&w, &r, true);
			break;
		case OP_ANSWER:
			op_answer(&w, &r);
			break;
		case OP_ANSWER_SIMILARITY:
			op_answer_similarity(&w, &r);
			break;
		case OP_TICK:
			fuzz_now_ms += (uint64_t)peel_read_u8(&r) * 250;
			peel_overlay_tick(w.ov);
			peel_pex_tick(w.pex);
			break;
		case OP_PEX:
			op_pex(&w, &r);
			break;
		case OP_BOOTSTRAP:
			peel_overlay_add_bootstrap(w.ov, &w.addr[peel_read_u8(&r) % N_ADDRS]);
			break;
		default:
			op_questions(&w);
		}
	}
	op_questions(&w);
	peel_pex_free(w.pex);
	peel_overlay_free(w.ov);
	return 0;
}
