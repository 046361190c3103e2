/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * Two circuits that end here, and what strangers send: opened messages on either, datagrams, time.
 * First byte of each piece: what it is; second: its length. When time goes by, its bytes are
 * what the DHT has found.
 */
#include "fuzz_world.h"
#include "peel_hidden.h"

static const uint8_t prefix[PEEL_PREFIX_LEN] = {0, 2, 'f', 'u', 'z', 'z'};
static struct peel_identity identity;

/* The last question to an address from the DHT. */
static uint8_t asked[128];
static size_t asked_len;
static struct peel_addr asked_at;

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	(void)arg;
	if (len > PEEL_DATAGRAM_MAX || to->port == 0)
		abort();
	if (len > PEEL_PREFIX_LEN && len < sizeof(asked) &&
		data[PEEL_PREFIX_LEN] == PEEL_MSG_PEERS_REQUEST) {
		memcpy(asked, data, len);
		asked_len = len;
		asked_at = *to;
	}
}

static bool
on_may_ask(void *arg, const struct peel_addr *addr)
{
	(void)arg;
	return addr->ip[3] % 4 != 0;
}

static bool
on_public(void *arg, struct peel_addr *out)
{
	(void)arg;
	*out = peel_addr_ipv4(192, 0, 2, 1, 1);
	return true;
}

/* What is asked of the DHT: at most one look-up at a time is answered, the last one. */
static uint8_t looked_up[PEEL_INFO_HASH_LEN];
static unsigned int n_published;

static int
on_announce(
	void *arg, const uint8_t *info_hash, const struct peel_dht_introduction *here, uint32_t *id)
{
	(void)arg;
	(void)here;
	*id = 7;
	if (info_hash[0] % 4 == 0)
		return -1;
	n_published++;
	return 0;
}

static void
on_withdraw(void *arg, uint32_t id)
{
	(void)arg;
	if (id != 7 || n_published-- == 0)
		abort();
}

static int
on_look_up(void *arg, const uint8_t *info_hash)
{
	(void)arg;
	memcpy(looked_up, info_hash, sizeof(looked_up));
	return info_hash[0] % 4 == 0 ? -1 : 0;
}

static void
on_cancel(void *arg, const uint8_t *info_hash)
{
	(void)arg;
	if (info_hash[0] % 4 == 0)
		abort(); /* it did not begin */
}

static void
on_exit_gone(void *arg, uint32_t session, uint32_t endpoint)
{
	struct peel_hidden **h = arg;

	(void)endpoint;
	if (*h != NULL)
		peel_hidden_exit_gone(*h, session);
}

struct fuzz {
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_or_circuits *or_circuits;
	struct peel_hidden *hidden;
};

static void
make_exit(struct fuzz *f, uint8_t host)
{
	struct peel_addr from = peel_addr_ipv4(10, 0, 0, host, host);
	uint8_t out[256], x[32] = {9};
	const struct peel_msg_create m = {
		.identifier = 1, .pk = {identity.pk, PEEL_PK_LEN}, .x = {x, 32}};

	peel_cell_header(out, prefix, host, true, true);
	int len = peel_create_build(out + PEEL_CELL_HEADER_LEN, 200, &m);

	if (peel_or_datagram(f->or_circuits, &from, out, PEEL_CELL_HEADER_LEN + (size_t)len) != 0)
		abort();
	peel_or_join(f->or_circuits);
}

static void
open_all(struct fuzz *f)
{
	static struct peel_stats stats;
	const struct peel_route_conf rc = {
		.max_sessions = 64, .rcu = f->rcu, .env = &fuzz_env, .heap = true};
	struct peel_or_conf oc = {.env = &fuzz_env,
		.identity = &identity,
		.stats = &stats,
		.send = on_send,
		.exit_gone = on_exit_gone,
		.arg = &f->hidden};
	struct peel_hidden_conf hc = {.env = &fuzz_env,
		.identity = &identity,
		.stats = &stats,
		.max_joined_circuits = 8,
		.send = on_send,
		.public_address = on_public,
		.announce = on_announce,
		.withdraw = on_withdraw,
		.look_up = on_look_up,
		.cancel = on_cancel,
		.may_ask = on_may_ask};

	peel_or_settings_init(&oc.settings);
	oc.settings.max_joined_circuits = 8;
	memcpy(oc.prefix, prefix, sizeof(prefix));
	memcpy(hc.prefix, prefix, sizeof(prefix));
	if (peel_route_table_new(&rc, &f->routes) != 0)
		abort();
	oc.routes = f->routes;
	if (peel_or_new(&oc, &f->or_circuits) != 0)
		abort();
	hc.or_circuits = f->or_circuits;
	if (peel_hidden_new(&hc, &f->hidden) != 0)
		abort();
	for (uint8_t i = 0; i < 3; i++)
		make_exit(f, (uint8_t)(1 + i));
}

static void
message(struct fuzz *f, uint32_t session, const uint8_t *msg, size_t len)
{
	peel_hidden_message(
		f->hidden, session, peel_session_generation(f->routes, session), msg, len);
}

/* Points, addresses, or the end. */
static void
dht_says(struct fuzz *f, const uint8_t *p, size_t len)
{
	struct peel_dht_introduction point;
	struct peel_addr addr = peel_addr_ipv4(203, 0, 113, len > 0 ? p[0] : 0, 7);

	if (peel_dht_introduction_parse((struct peel_span){p, len}, &point) == 0)
		peel_hidden_found(f->hidden, looked_up, &point, 1);
	else if (len % 3 != 0)
		peel_hidden_addresses(f->hidden, looked_up, &addr, 1);
	else
		peel_hidden_searched(f->hidden, looked_up);
}

/* With the identifiers of the last peers-request that was sent, or with others. */
static void
answer(struct fuzz *f, const uint8_t *p, size_t len)
{
	uint8_t d[PEEL_PREFIX_LEN + 512];

	if (asked_len == 0)
		return;
	memcpy(d, asked, asked_len);
	d[PEEL_PREFIX_LEN] = PEEL_MSG_PEERS_RESPONSE;
	memcpy(d + asked_len, p, len);
	peel_hidden_datagram(f->hidden, &asked_at, d, asked_len + len);
}

/* A datagram to our own address, from one of the circuits. */
static void
inside(struct fuzz *f, uint8_t what, const uint8_t *datagram, size_t len)
{
	struct peel_msg_data m = {.destination = {.type = PEEL_HOST_IPV4},
		.origin = {.type = PEEL_HOST_IPV4},
		.payload = {datagram, len}};
	uint32_t session = what % 3;
	uint8_t out[PEEL_DATAGRAM_MAX];

	(void)on_public(NULL, &m.destination.addr);
	if ((what & 0x10) != 0) /* where one who asked is found */
		m.destination.addr.port = 2048 + (what >> 5);
	int n = peel_data_build(out, sizeof(out), &m);

	if (n < 0)
		abort();
	uint8_t *exact = malloc((size_t)n);

	if (exact == NULL)
		abort();
	memcpy(exact, out, (size_t)n);
	(void)peel_hidden_inside(
		f->hidden, session, peel_session_generation(f->routes, session), exact, (size_t)n);
	free(exact);
}

static void
step(struct fuzz *f, uint8_t what, const uint8_t *p, size_t len)
{
	struct peel_addr from = peel_addr_ipv4(203, 0, 113, what, 7);
	uint8_t d[PEEL_PREFIX_LEN + 256];
	struct peel_hidden_count count;

	memcpy(d, prefix, PEEL_PREFIX_LEN);
	memcpy(d + PEEL_PREFIX_LEN, p, len);
	switch (what % 7) {
	case 0 ... 2:
		message(f, what % 3, p, len);
		break;
	case 3:
		peel_hidden_datagram(f->hidden, &from, d, PEEL_PREFIX_LEN + len);
		break;
	case 4:
		if ((what & 8) != 0)
			inside(f, what, d, PEEL_PREFIX_LEN + len);
		else
			peel_hidden_datagram(f->hidden, &from, p, len);
		break;
	case 5:
		answer(f, p, len);
		break;
	default:
		fuzz_now_ms += 100 * (uint64_t)what;
		peel_or_tick(f->or_circuits);
		peel_hidden_tick(f->hidden);
		dht_says(f, p, len);
		peel_rcu_poll(f->rcu);
	}
	peel_hidden_count(f->hidden, &count);
	if (count.introductions > 8 || count.rendezvous > 8 || count.announced != n_published ||
		count.searches > 12 || count.asked > 64)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {0};

	fuzz_now_ms = 1000000;
	fuzz_random_state = 1;
	n_published = 0;
	asked_len = 0;
	if (peel_keys_init() != 0 || peel_identity_generate(&fuzz_env, &identity) != 0 ||
		peel_rcu_new(1, &f.rcu) != 0)
		abort();
	open_all(&f);
	for (size_t at = 0; at + 2 <= size;) {
		size_t len = data[at + 1];

		if (len > size - at - 2)
			len = size - at - 2;
		uint8_t *exact = malloc(len > 0 ? len : 1);

		if (exact == NULL)
			abort();
		memcpy(exact, data + at + 2, len);
		step(&f, data[at], exact, len);
		free(exact);
		at += 2 + len;
	}
	peel_or_shutdown(f.or_circuits);
	peel_hidden_free(f.hidden);
	f.hidden = NULL;
	peel_or_free(f.or_circuits);
	peel_rcu_poll(f.rcu);
	peel_route_table_free(f.routes);
	peel_rcu_free(f.rcu);
	return 0;
}
