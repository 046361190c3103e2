/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A SOCKS server with several clients: byte streams that are cut anywhere, half closed, reset;
 * time; datagrams; circuits that come and go and answer. First byte: how the rest is read.
 */
#include <errno.h>

#include "fake_uv.h"
#include "peel_owner.h"
#include "peel_flows.h"
#include "peel_held.h"
#include "peel_socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS 4
#define PORT 4000 /* of the first peer */
#define CIRCUITS 3

static struct {
	struct peel_socks *socks;
	struct peel_socks_assoc *assoc[PEEL_FLOWS_USERS];
	size_t n_out[PEERS];
	enum peel_socks_ready ready;
	uint64_t id; /* of the last HTTP request */
	unsigned int requests, dropped;
	uint64_t asked; /* circuit of the last datagram */
	struct peel_socks_target to;
	bool done;
} t;

/* Kept from run to run, as they are large; all that is in them is gone, or old. */
static struct peel_flows *flows;
static struct peel_held *held;
static struct peel_stats stats;
static uint8_t out[PEERS][FAKE_OUT];

/* ---- world ----------------------------------------------------------------------------------- */

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return uv.now;
}

static void
no_random(void *arg, void *bytes, size_t len)
{
	(void)arg;
	memset(bytes, 7, len);
}

static const struct peel_env env = {.now_ms = now_ms, .random = no_random};

int
peel_owner_tcp(const struct peel_addr *peer, const struct peel_addr *own, uint32_t *uid)
{
	(void)own;
	*uid = 1000;
	return peer->port == PORT ? -ENOENT : 0; /* the first one is on another machine */
}

int
peel_owner_udp(const struct peel_addr *peer, const struct peel_addr *own, uint32_t *uid)
{
	(void)own;
	*uid = 1000 + (peer->port & 1);
	return 0;
}

static enum peel_socks_ready
on_ready(void *arg)
{
	(void)arg;
	return t.ready;
}

static int
on_opened(void *arg, struct peel_socks_assoc *a)
{
	int slot = peel_flows_join(flows);

	(void)arg;
	if (slot < 0 || t.assoc[slot] != NULL)
		abort();
	t.assoc[slot] = a;
	peel_socks_assoc_set(a, (void *)(uintptr_t)slot);
	return 0;
}

static void
on_closed(void *arg, struct peel_socks_assoc *a)
{
	unsigned int slot = (unsigned int)(uintptr_t)peel_socks_assoc_get(a);

	(void)arg;
	if (t.assoc[slot] != a)
		abort();
	t.assoc[slot] = NULL;
	peel_flows_leave(flows, slot);
	(void)peel_held_forget(held, slot);
}

static void
on_datagram(void *arg, struct peel_socks_assoc *a, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	unsigned int slot = (unsigned int)(uintptr_t)peel_socks_assoc_get(a);

	if (t.assoc[slot] != a || memchr(to->name, '\0', sizeof(to->name)) == NULL)
		abort();
	(void)arg;
	if (peel_flows_out(flows, slot, to, &t.asked) == -EAGAIN)
		t.dropped += peel_held_push(held, slot, to, payload, len);
	t.to = *to;
}

static int
on_http(void *arg, uint64_t id, const struct peel_socks_target *to, const uint8_t *request,
	size_t len)
{
	(void)arg;
	if (len == 0 || len > PEEL_SOCKS_REQUEST_MAX || to->addr.port == 0 || request[0] < 'A' ||
		request[0] > 'Z' || id == t.id)
		abort();
	t.id = id;
	t.requests++;
	return t.ready == PEEL_SOCKS_READY ? 0 : -ENOENT;
}

static void
on_gone(void *arg, uint64_t id)
{
	(void)arg;
	if (id == 0 || id > t.id)
		abort();
}

static void
on_done(void *arg)
{
	(void)arg;
	t.done = true;
}

static void
start(bool password)
{
	struct peel_socks_conf conf;
	char why[128];

	uint64_t now = uv.now;

	memset(&t, 0, sizeof(t));
	memset(&uv, 0, sizeof(uv));
	uv.now = now + 3600 * 1000;
	peel_socks_conf_init(&conf);
	conf.listen = peel_addr_ipv4(127, 0, 0, 1, 1080);
	conf.user = password ? "me" : "";
	conf.password = password ? "secret" : "";
	conf.max_clients = PEERS - 1;
	conf.stats = &stats;
	conf.backend = (struct peel_socks_backend){
		NULL, on_ready, on_opened, on_closed, on_datagram, on_http, on_gone};
	if (flows == NULL) {
		flows = peel_flows_new(&env, &stats, false);
		held = peel_held_new(&env);
	}
	if (flows == NULL || held == NULL ||
		peel_socks_new(NULL, &conf, &t.socks, why, sizeof(why)) != 0)
		abort();
}

/* All handles go, and everybody who opened is told. */
static void
finish(void)
{
	struct peel_socks_counts counts;

	peel_socks_count(t.socks, &counts);
	if (counts.clients > PEERS - 1 || counts.assocs > counts.clients)
		abort();
	uv.full = false;
	peel_socks_close(t.socks, on_done, NULL);
	for (int i = 0; i < 4 && !t.done; i++)
		fake_turn(0);
	if (!t.done)
		abort();
	for (int i = 0; i < FAKES; i++) {
		if (uv.fake[i].handle != NULL)
			abort();
	}
	for (int i = 0; i < PEEL_FLOWS_USERS; i++) {
		if (t.assoc[i] != NULL)
			abort();
	}
	peel_flows_set(flows, NULL, 0);
}

/* ---- the same bytes, however they are cut ---------------------------------------------------- */

static void
cut(const uint8_t *data, size_t size, uint8_t how)
{
	bool whole_open, cut_open;
	unsigned int requests;

	start(how & 2);
	fake_connect(PORT + 1, out[1], &t.n_out[1]);
	fake_connect(PORT + 2, out[2], &t.n_out[2]);
	fake_feed(PORT + 1, data, size);
	requests = t.requests;
	for (size_t at = 0, n = 1 + (how >> 2); at < size; at += n)
		fake_feed(PORT + 2, data + at, size - at < n ? size - at : n);
	whole_open = fake_peer(PORT + 1, FAKE_TCP) != NULL;
	cut_open = fake_peer(PORT + 2, FAKE_TCP) != NULL;
	/* Once a request has left, what follows it comes too late to take it back; ports of
	 * associations differ. */
	if (t.requests == 0 && (whole_open != cut_open || t.n_out[1] != t.n_out[2] ||
				       (t.n_out[1] > 8 ? memcmp(out[1], out[2], 8)
						       : memcmp(out[1], out[2], t.n_out[1])) != 0))
		abort();
	if (requests > t.requests - requests)
		abort(); /* what leaves in one piece leaves in pieces */
	finish();
}

/* ---- whatever happens ------------------------------------------------------------------------ */

static void
send_again(void *arg, unsigned int slot, const struct peel_socks_target *to, const uint8_t *payload,
	size_t len)
{
	(void)arg;
	(void)payload;
	(void)len;
	if (peel_flows_out(flows, slot, to, &t.asked) == -EAGAIN)
		abort(); /* there are circuits */
	t.to = *to;
}

static void
circuits(uint8_t which)
{
	uint64_t id[CIRCUITS];
	size_t n = 0;

	for (unsigned int i = 0; i < CIRCUITS; i++) {
		if (which >> i & 1)
			id[n++] = 100 + i;
	}
	peel_flows_set(flows, id, n);
	for (unsigned int slot = 0; n > 0 && slot < PEEL_FLOWS_USERS; slot++) {
		while (peel_held_pop(held, slot, send_again, NULL, &t.dropped))
			;
	}
}

/* An answer from where the last datagram went, or from elsewhere. */
static void
answer(const uint8_t *bytes, size_t len, uint8_t from)
{
	struct peel_socks_target origin = t.to;
	int slot;

	if (origin.name[0] != '\0') {
		origin.addr = peel_addr_ipv4(192, 0, 2, from, origin.addr.port);
		origin.name[0] = '\0';
	} else if (from & 1) {
		origin.addr.port ^= from;
	}
	slot = peel_flows_in(flows, from & 2 ? t.asked : 100, &origin);
	if (slot >= 0 && (slot >= PEEL_FLOWS_USERS || t.assoc[slot] == NULL))
		abort();
	if (slot >= 0)
		(void)peel_socks_deliver(t.assoc[slot], &origin, bytes, len);
}

static uint16_t
relay_port(unsigned int n)
{
	for (int i = 0; i < FAKES; i++) {
		if (uv.fake[i].handle != NULL && uv.fake[i].kind == FAKE_UDP && n-- == 0)
			return uv.fake[i].port;
	}
	return 0;
}

static void
play(const uint8_t *data, size_t size, bool password)
{
	start(password);
	for (size_t at = 0; at + 2 <= size;) {
		unsigned int peer = data[at] & 3, op = data[at] >> 2 & 15;
		uint16_t port = (uint16_t)(PORT + peer);
		uint8_t value = data[at + 1];
		size_t len;

		at += 2;
		len = size - at < value ? size - at : value;
		switch (op) {
		case 0:
			if (fake_peer(port, FAKE_TCP) == NULL)
				t.n_out[peer] = 0;
			if (fake_peer(port, FAKE_TCP) == NULL && uv.port != port)
				fake_connect(port, out[peer], &t.n_out[peer]);
			break;
		case 1:
		case 2:
		case 3:
			fake_feed(port, data + at, len);
			at += len;
			break;
		case 4:
			fake_end(port, value & 1 ? UV_EOF : UV_ECONNRESET);
			break;
		case 5:
			fake_turn(value * value);
			break;
		case 6:
		case 7:
			fake_datagram(relay_port(peer), (uint16_t)(6000 + (value & 3)), data + at,
				len, value == 255 ? UV_UDP_PARTIAL : 0);
			at += len;
			break;
		case 8:
			t.ready = (enum peel_socks_ready)(value % 3);
			break;
		case 9:
			peel_socks_answer(t.socks, t.id, value ? data + at : NULL, len);
			break;
		case 10:
			circuits(value);
			break;
		case 11:
			answer(data + at, len, value);
			break;
		case 12:
			uv.full = value & 1;
			break;
		default:
			fake_turn(0);
		}
	}
	finish();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 1)
		return 0;
	copy = malloc(size);
	if (copy == NULL)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		cut(copy, size - 1, data[0] >> 1);
	else
		play(copy, size - 1, data[0] & 2);
	free(copy);
	return 0;
}
