/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Nodes of guests, over UDP on loopback: the test is the guest, and all its neighbours.
 */
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define MAIL_MAX 512
#define QUIET_MS 100  /* nothing comes any more */
#define WAIT_MS 20000 /* something comes */

struct mail {
	struct peel_address from;
	size_t len;
	uint8_t data[2048];
};

static struct world {
	struct peel_guest *g;
	struct peel_address at;
	struct wire previous, next, outside;
	/* what came to the guest, under the lock, which is the guest's own */
	pthread_mutex_t lock;
	struct mail mail[MAIL_MAX];
	unsigned int n_mail, n_read;
	pthread_t caller;
	bool called, several;
} w;

static void
on_datagrams(void *arg, const struct peel_guest_datagram *d, unsigned int n)
{
	assert_ptr_equal(arg, &w);
	pthread_mutex_lock(&w.lock);
	w.several |= w.called && !pthread_equal(w.caller, pthread_self());
	w.caller = pthread_self();
	w.called = true;
	for (unsigned int i = 0; i < n && w.n_mail < MAIL_MAX; i++) {
		struct mail *m = &w.mail[w.n_mail++];

		m->from = d[i].from;
		m->len = d[i].len;
		memcpy(m->data, d[i].data, d[i].len);
	}
	pthread_mutex_unlock(&w.lock);
}

static void
sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* The next mail, NULL: none comes for so long. */
static const struct mail *
mail_within(unsigned int ms)
{
	for (unsigned int waited = 0;; waited += 2) {
		const struct mail *m = NULL;

		pthread_mutex_lock(&w.lock);
		if (w.n_read < w.n_mail)
			m = &w.mail[w.n_read++];
		pthread_mutex_unlock(&w.lock);
		if (m != NULL || waited >= ms)
			return m;
		sleep_ms(2);
	}
}

static const struct mail *
mail(void)
{
	const struct mail *m = mail_within(WAIT_MS);

	assert_non_null(m);
	return m;
}

static void
open_with(const struct peel_guest_settings *s)
{
	memset(&w, 0, sizeof(w));
	pthread_mutex_init(&w.lock, NULL);
	if (peel_guest_open(s, &w.g) != 0)
		fail_msg("%s", peel_strerror(peel_guest_open(s, &w.g)));
	peel_guest_address(w.g, &w.at);
	assert_int_equal(peel_guest_set_prefix(w.g, wire_prefix), 0);
	assert_int_equal(peel_guest_set_prefixes(w.g, &wire_prefix, 1), 0);
	peel_guest_set_flags(w.g, PEEL_RELAY | PEEL_EXIT_IPV8 | PEEL_SPEED_TEST);
	wire_open(&w.previous);
	wire_open(&w.next);
	wire_open(&w.outside);
}

static void
settings(struct peel_guest_settings *s)
{
	peel_guest_settings_init(s);
	s->listen = "127.0.0.1:0";
	s->max_circuits = 64;
	s->callbacks.on_datagrams = on_datagrams;
	s->callbacks.arg = &w;
}

static int
setup(void **state)
{
	struct peel_guest_settings s;

	(void)state;
	settings(&s);
	open_with(&s);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	peel_guest_close(w.g);
	assert_false(w.several);
	wire_close(&w.previous);
	wire_close(&w.next);
	wire_close(&w.outside);
	pthread_mutex_destroy(&w.lock);
	return 0;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static uint64_t next_salt = 2;

/* Send a message in so many layers, that of the last keys innermost. */
static void
send_sealed(const struct wire *from, uint32_t cid, bool early, const struct peel_guest_keys *k,
	unsigned int n_keys, bool forward, const void *msg, size_t len)
{
	uint8_t cell[2048];

	wire_header(cell, cid, false, early);
	memcpy(cell + WIRE_HEADER, msg, len);
	for (unsigned int i = n_keys; i > 0; i--)
		len = wire_seal(cell + WIRE_HEADER, len, &k[i - 1], forward, next_salt++);
	wire_send(from, &w.at, cell, WIRE_HEADER + len);
}

/* A cell that comes to a neighbour. @return the length of what is behind its header. */
static size_t
cell_at(const struct wire *at, uint32_t cid, uint8_t *text, bool *early)
{
	uint8_t cell[2048], header[WIRE_HEADER];
	size_t n = wire_receive(at, cell, sizeof(cell), WAIT_MS);

	assert_true(n > WIRE_HEADER);
	wire_header(header, cid, cell[27] != 0, cell[28] != 0);
	assert_memory_equal(cell, header, WIRE_HEADER);
	if (early != NULL)
		*early = cell[28] != 0;
	memcpy(text, cell + WIRE_HEADER, n - WIRE_HEADER);
	return n - WIRE_HEADER;
}

static void
nothing_at(const struct wire *at)
{
	uint8_t cell[2048];

	assert_int_equal(wire_receive(at, cell, sizeof(cell), QUIET_MS), 0);
}

/* What the guest gets is this cell, opened. */
static void
opened(uint32_t cid, bool early, const struct wire *from, const void *msg, size_t len)
{
	const struct mail *m = mail();
	uint8_t header[WIRE_HEADER];

	wire_header(header, cid, false, early);
	assert_int_equal(m->len, WIRE_HEADER + len);
	assert_memory_equal(m->data, header, WIRE_HEADER);
	assert_memory_equal(m->data + WIRE_HEADER, msg, len);
	assert_int_equal(m->from.port, from->address.port);
}

static int
guest_cell(uint32_t cid, const struct wire *to, const void *msg, size_t len)
{
	uint8_t cell[2048];

	wire_header(cell, cid, false, false);
	memcpy(cell + WIRE_HEADER, msg, len);
	return peel_guest_send_cell(w.g, &to->address, cell, WIRE_HEADER + len);
}

/* ---- salts of one key never come twice ------------------------------------------------------- */

static struct {
	uint64_t salt[256];
	unsigned int n;
} seen;

static void
note_salt(const uint8_t *text)
{
	uint64_t salt = wire_salt(text);

	for (unsigned int i = 0; i < seen.n; i++)
		assert_true(seen.salt[i] != salt);
	/* py-ipv8's own counter begins there. */
	assert_true(salt > 1000);
	seen.salt[seen.n++] = salt;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void
test_settings(void **state)
{
	struct peel_guest_settings s;
	struct peel_guest *g = (void *)&s;

	(void)state;
	settings(&s);
	s.size = 0;
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	assert_null(g);
	assert_non_null(strstr(peel_strerror(-EINVAL), "peel_guest_settings_init"));
	settings(&s);
	s.workers = 0;
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	assert_non_null(strstr(peel_strerror(-EINVAL), "settings.workers: 0 is not between 1"));
	settings(&s);
	s.max_circuits = 0;
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	settings(&s);
	s.callbacks.on_datagrams = NULL;
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	settings(&s);
	s.listen = "example.org:80";
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	settings(&s);
	s.engine = "no such";
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	peel_guest_close(NULL);
}

static void
test_port_tries(void **state)
{
	struct peel_guest_settings s;
	struct wire taken;
	char listen[64];

	(void)state;
	wire_open(&taken);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", taken.address.port);
	settings(&s);
	s.listen = listen;
	memset(&w, 0, sizeof(w));
	assert_int_equal(peel_guest_open(&s, &w.g), -EADDRINUSE);
	s.port_tries = 100;
	s.workers = 2;
	open_with(&s);
	assert_true(w.at.port > taken.address.port && w.at.port <= taken.address.port + 100);
	teardown(NULL);
	wire_close(&taken);
}

static unsigned int
count_files(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += dup2(fd, fd) >= 0;
	return n;
}

static void
test_again(void **state)
{
	unsigned int files = 0;

	(void)state;
	for (int i = 0; i < 6; i++) {
		setup(NULL);
		teardown(NULL);
		if (i == 0)
			files = count_files();
	}
	assert_int_equal(count_files(), files);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static void
test_datagrams(void **state)
{
	uint8_t out[64] = {0}, other[64] = {9}, back[2048];
	struct peel_address mapped = {.type = PEEL_ADDRESS_IPV6, .port = w.next.address.port};
	struct peel_guest_message_stats stats[256];
	const struct mail *m;

	(void)state;
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	out[22] = 246;
	for (uint8_t i = 0; i < 50; i++) {
		wire_send(&w.previous, &w.at, other, sizeof(other));
		out[23] = i;
		wire_send(&w.previous, &w.at, out, sizeof(out));
	}
	for (uint8_t i = 0; i < 50; i++) {
		m = mail();
		assert_int_equal(m->len, sizeof(out));
		assert_int_equal(m->data[23], i); /* in order */
		assert_int_equal(m->from.port, w.previous.address.port);
	}
	memcpy(mapped.ip + 10, "\xff\xff\x7f\x00\x00\x01", 6);
	assert_int_equal(peel_guest_send(w.g, &mapped, out, sizeof(out)), 0);
	assert_int_equal(wire_receive(&w.next, back, sizeof(back), WAIT_MS), sizeof(out));
	assert_memory_equal(back, out, sizeof(out));
	assert_int_equal(peel_guest_message_stats(w.g, wire_prefix, stats), 0);
	assert_int_equal(stats[246].num_down, 50);
	assert_int_equal(stats[246].bytes_down, 50 * sizeof(out));
	assert_int_equal(stats[246].num_up, 1);
	assert_int_equal(stats[246].bytes_up, sizeof(out));
	assert_int_equal(stats[0].num_up + stats[0].num_down, 0);
	assert_int_equal(peel_guest_message_stats(w.g, other, stats), -ENOENT);
	assert_int_equal(stats[246].num_down, 0);
	mapped.port = 0;
	assert_int_equal(peel_guest_send(w.g, &mapped, out, sizeof(out)), -EINVAL);
	assert_int_equal(peel_guest_send(w.g, &w.next.address, back, 2049), -EMSGSIZE);
}

#define NEIGHBOURS 8
#define EACH 50

/* What a neighbour sends stays in order, however many workers there are. A socket for both families
 * has IPv4 addresses for IPv4 neighbours. */
static void
test_order(void **state)
{
	struct wire neighbour[NEIGHBOURS];
	uint8_t next[NEIGHBOURS] = {0}, out[64] = {0};
	struct peel_guest_settings s;
	struct peel_guest *g;

	(void)state;
	settings(&s);
	s.workers = 4;
	s.listen = "[::]:0";
	if (peel_guest_open(&s, &g) != 0)
		s.listen = "0.0.0.0:0"; /* no IPv6 here */
	else
		peel_guest_close(g);
	open_with(&s);
	assert_int_equal(peel_address_set(&w.at, "127.0.0.1", w.at.port), 0);
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	for (unsigned int k = 0; k < NEIGHBOURS; k++)
		wire_open(&neighbour[k]);
	for (uint8_t i = 0; i < EACH; i++) {
		for (unsigned int k = 0; k < NEIGHBOURS; k++) {
			/* Datagrams and plaintext cells in turn. */
			wire_header(out, 5, true, false);
			out[22] = i % 2 ? 246 : 0;
			out[WIRE_HEADER] = 2;
			out[WIRE_HEADER + 1] = i;
			wire_send(&neighbour[k], &w.at, out, sizeof(out));
		}
	}
	for (unsigned int n = 0; n < NEIGHBOURS * EACH; n++) {
		const struct mail *m = mail();
		unsigned int k = 0;

		while (k < NEIGHBOURS && neighbour[k].address.port != m->from.port)
			k++;
		assert_true(k < NEIGHBOURS);
		assert_int_equal(m->from.type, PEEL_ADDRESS_IPV4);
		assert_int_equal(m->data[WIRE_HEADER + 1], next[k]++);
	}
	for (unsigned int k = 0; k < NEIGHBOURS; k++)
		wire_close(&neighbour[k]);
	teardown(NULL);
}

/* Overlays come and go, more than there are places for at a time. */
static void
test_many_overlays(void **state)
{
	static uint8_t prefix[2049][PEEL_PREFIX_BYTES];
	uint8_t out[30] = {0};

	(void)state;
	for (unsigned int round = 0; round < 5; round++) {
		for (unsigned int i = 1; i < 2049; i++) {
			prefix[i][1] = 3;
			prefix[i][2] = (uint8_t)round;
			prefix[i][3] = (uint8_t)(i >> 8);
			prefix[i][4] = (uint8_t)i;
		}
		memcpy(prefix[0], wire_prefix, PEEL_PREFIX_BYTES);
		assert_int_equal(peel_guest_set_prefixes(
					 w.g, (const uint8_t(*)[PEEL_PREFIX_BYTES])prefix, 2049),
			0);
		for (unsigned int i = 0; i < 2049; i += 512) {
			memcpy(out, prefix[i], PEEL_PREFIX_BYTES);
			out[22] = (uint8_t)(1 + round);
			wire_send(&w.previous, &w.at, out, sizeof(out));
			assert_memory_equal(mail()->data, out, sizeof(out));
		}
	}
	prefix[1][2] = 4 - 1; /* of the round before: closed */
	memcpy(out, prefix[1], PEEL_PREFIX_BYTES);
	wire_send(&w.previous, &w.at, out, sizeof(out));
	assert_null(mail_within(QUIET_MS));
}

/* ---- exits ----------------------------------------------------------------------------------- */

static const uint8_t ping[] = {6, 0x12, 0x34}, extend[] = {4, 1, 2, 3, 4};

/* What IPv8 exits let out. */
static void
ipv8_payload(uint8_t out[64])
{
	memset(out, 0, 64);
	memcpy(out, "\x00\x02", 2);
}

static void
exit_passes_data(uint32_t cid, const struct peel_guest_keys *k)
{
	uint8_t payload[64], msg[256], text[2048];
	size_t n;

	ipv8_payload(payload);
	n = wire_data(msg, &w.outside.address, payload, sizeof(payload));
	send_sealed(&w.previous, cid, false, k, 1, true, msg, n);
	assert_int_equal(wire_receive(&w.outside, text, sizeof(text), WAIT_MS), sizeof(payload));
	assert_memory_equal(text, payload, sizeof(payload));
}

static void
test_exit(void **state)
{
	struct peel_guest_stats stats;
	struct peel_guest_keys k;
	uint8_t text[2048];
	size_t n;

	(void)state;
	seen.n = 0;
	wire_keys(1, &k);
	assert_int_equal(peel_guest_get_stats(w.g, PEEL_GUEST_EXIT, 7, &stats), -ENOENT);
	assert_int_equal(peel_guest_add_exit(w.g, 7, &w.previous.address, &k), 0);
	assert_int_equal(peel_guest_get_stats(w.g, PEEL_GUEST_EXIT, 7, &stats), 0);
	assert_true(stats.idle_ms == UINT64_MAX && !stats.enabled);
	send_sealed(&w.previous, 7, false, &k, 1, true, ping, sizeof(ping));
	opened(7, false, &w.previous, ping, sizeof(ping));
	/* An extend has to be an early cell. */
	send_sealed(&w.previous, 7, false, &k, 1, true, extend, sizeof(extend));
	send_sealed(&w.previous, 7, true, &k, 1, true, extend, sizeof(extend));
	opened(7, true, &w.previous, extend, sizeof(extend));
	/* A sealed cell of no circuit, and one with a wrong key. */
	send_sealed(&w.previous, 8, false, &k, 1, true, ping, sizeof(ping));
	send_sealed(&w.previous, 7, false, &k, 1, false, ping, sizeof(ping));
	assert_null(mail_within(QUIET_MS));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(guest_cell(7, &w.previous, ping, sizeof(ping)), 0);
		n = cell_at(&w.previous, 7, text, NULL);
		note_salt(text);
		assert_int_equal(wire_unseal(text, n, &k, false), sizeof(ping));
		assert_memory_equal(text, ping, sizeof(ping));
	}
	exit_passes_data(7, &k);
	assert_int_equal(peel_guest_get_stats(w.g, PEEL_GUEST_EXIT, 7, &stats), 0);
	assert_true(stats.enabled && stats.idle_ms < WAIT_MS);
	assert_true(stats.bytes_down == 2 * (WIRE_HEADER + WIRE_LAYER) + sizeof(ping) +
						sizeof(extend) + WIRE_HEADER + WIRE_LAYER + 15 +
						64 + WIRE_HEADER + WIRE_LAYER + sizeof(extend));
	assert_int_equal(stats.bytes_up, 5 * (WIRE_HEADER + WIRE_LAYER + sizeof(ping)));
	assert_int_equal(guest_cell(99, &w.previous, ping, sizeof(ping)), -ENOENT);
	assert_int_equal(peel_guest_send_cell(w.g, &w.previous.address, text, 40), -EBADMSG);
}

/* Loopback and private networks are not for exits unless it is said so. */
static void
test_exit_refuses(void **state)
{
	struct peel_guest_settings s;
	uint8_t payload[64], msg[256];
	struct peel_address loopback, private;
	struct peel_guest_stats stats;
	struct peel_guest_keys k;
	size_t n;

	(void)state;
	settings(&s);
	s.listen = "0.0.0.0:0";
	open_with(&s);
	peel_address_set(&w.at, "127.0.0.1", w.at.port);
	wire_keys(1, &k);
	assert_int_equal(peel_guest_add_exit(w.g, 7, &w.previous.address, &k), 0);
	assert_int_equal(peel_address_set(&private, "10.1.2.3", 6881), 0);
	ipv8_payload(payload);
	n = wire_data(msg, &w.outside.address, payload, sizeof(payload));
	send_sealed(&w.previous, 7, false, &k, 1, true, msg, n);
	send_sealed(&w.previous, 7, false, &k, 1, true, ping, sizeof(ping));
	opened(7, false, &w.previous, ping, sizeof(ping));
	nothing_at(&w.outside);
	n = wire_data(msg, &private, payload, sizeof(payload));
	send_sealed(&w.previous, 7, false, &k, 1, true, msg, n);
	send_sealed(&w.previous, 7, false, &k, 1, true, ping, sizeof(ping));
	opened(7, false, &w.previous, ping, sizeof(ping));
	assert_int_equal(peel_guest_get_stats(w.g, PEEL_GUEST_EXIT, 7, &stats), 0);
	assert_false(stats.enabled); /* nothing has left */
	/* An exit of loopback may. */
	assert_int_equal(peel_address_set(&loopback, "127.0.0.1", 0), 0);
	assert_int_equal(peel_guest_set_exit_address(w.g, &loopback), 0);
	exit_passes_data(7, &k);
	/* What no flag lets out stays inside. */
	peel_guest_set_flags(w.g, PEEL_RELAY);
	n = wire_data(msg, &w.outside.address, payload, sizeof(payload));
	send_sealed(&w.previous, 7, false, &k, 1, true, msg, n);
	nothing_at(&w.outside);
	assert_int_equal(peel_address_set(&loopback, "192.0.2.77", 0), 0);
	assert_int_equal(peel_guest_set_exit_address(w.g, &loopback), -EADDRNOTAVAIL);
	teardown(NULL);
}

/* ---- relays ---------------------------------------------------------------------------------- */

static void
add_relay(uint32_t in, uint32_t out, const struct wire *to, bool backward, bool rendezvous,
	const struct peel_guest_keys *k)
{
	struct peel_guest_relay r = {.out_cid = out,
		.backward = backward,
		.rendezvous = rendezvous,
		.out = to->address,
		.keys = *k};

	assert_int_equal(peel_guest_add_relay(w.g, in, &r), 0);
}

static void
relay_passes(uint32_t from, uint32_t to, const struct peel_guest_keys k[2])
{
	uint8_t text[2048];
	size_t n;

	send_sealed(&w.previous, from, false, k, 2, true, ping, sizeof(ping));
	n = cell_at(&w.next, to, text, NULL);
	n = wire_unseal(text, n, &k[1], true);
	assert_int_equal(n, sizeof(ping));
	assert_memory_equal(text, ping, sizeof(ping));
	send_sealed(&w.next, to, false, &k[1], 1, false, ping, sizeof(ping));
	n = cell_at(&w.previous, from, text, NULL);
	note_salt(text);
	n = wire_unseal(text, n, &k[0], false);
	n = wire_unseal(text, n, &k[1], false);
	assert_int_equal(n, sizeof(ping));
}

/* An exit becomes a relay, as py-ipv8 does it; salts go on. */
static void
role_change(bool remove_first)
{
	const size_t sealed = WIRE_HEADER + WIRE_LAYER + sizeof(ping);
	struct peel_guest_stats stats;
	struct peel_guest_keys k[2];
	uint8_t text[2048];
	size_t n;

	seen.n = 0;
	wire_keys(1, &k[0]);
	wire_keys(2, &k[1]);
	assert_int_equal(peel_guest_add_exit(w.g, 7, &w.previous.address, &k[0]), 0);
	exit_passes_data(7, &k[0]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(guest_cell(7, &w.previous, ping, sizeof(ping)), 0);
		n = cell_at(&w.previous, 7, text, NULL);
		note_salt(text);
		wire_unseal(text, n, &k[0], false);
	}
	if (remove_first)
		peel_guest_remove_exit(w.g, 7);
	/* In between it is still the exit. */
	send_sealed(&w.previous, 7, false, &k[0], 1, true, ping, sizeof(ping));
	opened(7, false, &w.previous, ping, sizeof(ping));
	add_relay(8, 7, &w.previous, true, false, &k[0]);
	add_relay(7, 8, &w.next, false, false, &k[0]);
	relay_passes(7, 8, k);
	if (!remove_first)
		peel_guest_remove_exit(w.g, 7);
	/* The guest answers the extend. */
	assert_int_equal(guest_cell(7, &w.previous, extend, sizeof(extend)), 0);
	n = cell_at(&w.previous, 7, text, NULL);
	note_salt(text);
	assert_int_equal(wire_unseal(text, n, &k[0], false), sizeof(extend));
	relay_passes(7, 8, k);
	sleep_ms(1200); /* the exit is gone for good */
	relay_passes(7, 8, k);
	assert_int_equal(peel_guest_get_stats(w.g, PEEL_GUEST_EXIT, 7, &stats), -ENOENT);
	assert_int_equal(peel_guest_get_stats(w.g, PEEL_GUEST_RELAY, 7, &stats), 0);
	assert_int_equal(stats.bytes_down, 3 * (sealed + WIRE_LAYER));
	assert_int_equal(stats.bytes_up,
		3 * (sealed + WIRE_LAYER) + WIRE_HEADER + WIRE_LAYER + sizeof(extend));
	assert_true(stats.idle_ms < WAIT_MS);
	assert_int_equal(peel_guest_get_stats(w.g, PEEL_GUEST_RELAY, 8, &stats), 0);
	assert_int_equal(stats.bytes_up, 3 * sealed);
	assert_int_equal(stats.bytes_down, 3 * sealed);
	peel_guest_remove_relay(w.g, 7);
	send_sealed(&w.previous, 7, false, k, 2, true, ping, sizeof(ping));
	nothing_at(&w.next);
	peel_guest_remove_relay(w.g, 8);
	peel_guest_remove_relay(w.g, 8);
	/* And back again with the same keys. */
	assert_int_equal(peel_guest_add_exit(w.g, 7, &w.previous.address, &k[0]), 0);
	assert_int_equal(guest_cell(7, &w.previous, ping, sizeof(ping)), 0);
	cell_at(&w.previous, 7, text, NULL);
	note_salt(text);
}

static void
test_role_change(void **state)
{
	(void)state;
	role_change(true);
}

static void
test_role_change_late(void **state)
{
	(void)state;
	role_change(false);
}

static void
test_relay_early(void **state)
{
	struct peel_guest_keys k[2];
	uint8_t text[2048], create[64] = {2};
	unsigned int n = 0;
	bool early;

	(void)state;
	wire_keys(1, &k[0]);
	wire_keys(2, &k[1]);
	peel_guest_set_max_relay_early(w.g, 3);
	add_relay(8, 7, &w.previous, true, false, &k[0]);
	add_relay(7, 8, &w.next, false, false, &k[0]);
	for (int i = 0; i < 6; i++)
		send_sealed(&w.previous, 7, true, k, 2, true, ping, sizeof(ping));
	send_sealed(&w.previous, 7, false, k, 2, true, ping, sizeof(ping));
	do {
		cell_at(&w.next, 8, text, &early);
		n += early;
	} while (early);
	assert_int_equal(n, 2); /* the extend was the first one */
	/* A plaintext cell with the id of a relay is dropped, any other one is the guest's. */
	uint8_t cell[WIRE_HEADER + sizeof(create)];

	for (uint32_t cid = 7; cid <= 9; cid++) {
		wire_header(cell, cid, true, true);
		memcpy(cell + WIRE_HEADER, create, sizeof(create));
		wire_send(&w.outside, &w.at, cell, sizeof(cell));
	}
	assert_memory_equal(mail()->data, cell, sizeof(cell)); /* the last one */
	cell[WIRE_HEADER] = 6;				       /* no other message is plain */
	wire_send(&w.outside, &w.at, cell, sizeof(cell));
	assert_null(mail_within(QUIET_MS));
}

static void
test_rendezvous(void **state)
{
	struct peel_guest_keys k[2];
	uint8_t text[2048];
	bool early;
	size_t n;

	(void)state;
	wire_keys(1, &k[0]);
	wire_keys(2, &k[1]);
	assert_int_equal(peel_guest_add_exit(w.g, 7, &w.previous.address, &k[0]), 0);
	assert_int_equal(peel_guest_add_exit(w.g, 8, &w.next.address, &k[1]), 0);
	peel_guest_remove_exit(w.g, 7);
	peel_guest_remove_exit(w.g, 8);
	add_relay(7, 8, &w.next, false, true, &k[0]);
	add_relay(8, 7, &w.previous, false, true, &k[1]);
	send_sealed(&w.previous, 7, true, &k[0], 1, true, ping, sizeof(ping));
	n = cell_at(&w.next, 8, text, &early);
	assert_false(early);
	assert_int_equal(wire_unseal(text, n, &k[1], false), sizeof(ping));
	send_sealed(&w.next, 8, false, &k[1], 1, true, extend, sizeof(extend));
	n = cell_at(&w.previous, 7, text, NULL);
	assert_int_equal(wire_unseal(text, n, &k[0], false), sizeof(extend));
	/* The guest's own: with the keys of that link. */
	assert_int_equal(guest_cell(7, &w.previous, ping, sizeof(ping)), 0);
	n = cell_at(&w.previous, 7, text, NULL);
	assert_int_equal(wire_unseal(text, n, &k[0], false), sizeof(ping));
}

/* ---- own circuits ---------------------------------------------------------------------------- */

/* A cell of the guest comes to the first hop. @return whether it is an early one. */
static bool
goes_out(const struct peel_guest_keys *k, unsigned int n_hops, const struct peel_guest_keys *e2e,
	bool e2e_forward)
{
	uint8_t text[2048];
	bool early;
	size_t n;

	assert_int_equal(guest_cell(9, &w.next, ping, sizeof(ping)), 0);
	n = cell_at(&w.next, 9, text, &early);
	note_salt(text);
	for (unsigned int i = 0; i < n_hops; i++)
		n = wire_unseal(text, n, &k[i], true);
	if (e2e != NULL)
		n = wire_unseal(text, n, e2e, e2e_forward);
	assert_int_equal(n, sizeof(ping));
	assert_memory_equal(text, ping, sizeof(ping));
	return early;
}

static void
comes_back(const struct peel_guest_keys *k, unsigned int n_hops)
{
	send_sealed(&w.next, 9, false, k, n_hops, false, ping, sizeof(ping));
	opened(9, false, &w.next, ping, sizeof(ping));
}

static void
test_own_circuit(void **state)
{
	struct peel_guest_circuit c = {.goal_hops = 3};
	uint8_t cell[WIRE_HEADER + 8] = {0}, back[2048], payload[64], msg[256];
	struct peel_guest_stats stats;
	unsigned int n_early;
	size_t n;

	(void)state;
	seen.n = 0;
	assert_int_equal(peel_guest_set_circuit(w.g, 9, &c), 0);
	assert_int_equal(guest_cell(9, &w.next, ping, sizeof(ping)), -ENOENT);
	wire_header(cell, 9, true, false);
	cell[WIRE_HEADER] = 2;
	assert_int_equal(peel_guest_send_cell(w.g, &w.next.address, cell, sizeof(cell)), 0);
	n = wire_receive(&w.next, back, sizeof(back), WAIT_MS);
	assert_int_equal(n, sizeof(cell));
	assert_int_equal(back[28], 1); /* early */
	n_early = 1;
	c.first = w.next.address;
	for (c.n_hops = 1; c.n_hops <= 3; c.n_hops++) {
		wire_keys((uint8_t)(10 + c.n_hops), &c.hop[c.n_hops - 1]);
		assert_int_equal(peel_guest_set_circuit(w.g, 9, &c), 0);
		for (int i = 0; i < 4; i++)
			n_early += goes_out(c.hop, c.n_hops, NULL, false);
		comes_back(c.hop, c.n_hops);
	}
	c.n_hops = 3;
	assert_int_equal(n_early, 8);
	/* Data is the guest's, too, while no SOCKS client has the circuit. */
	ipv8_payload(payload);
	n = wire_data(msg, &w.outside.address, payload, sizeof(payload));
	send_sealed(&w.next, 9, false, c.hop, 3, false, msg, n);
	opened(9, false, &w.next, msg, n);
	assert_int_equal(peel_guest_get_stats(w.g, PEEL_GUEST_CIRCUIT, 9, &stats), 0);
	assert_int_equal(stats.bytes_up,
		sizeof(cell) + 12 * (WIRE_HEADER + sizeof(ping)) + 4 * (1 + 2 + 3) * WIRE_LAYER);
	assert_int_equal(stats.bytes_down,
		4 * WIRE_HEADER + (1 + 2 + 3 + 3) * WIRE_LAYER + 3 * sizeof(ping) + n);
	assert_true(stats.idle_ms < WAIT_MS);
	peel_guest_remove_circuit(w.g, 9);
	assert_int_equal(guest_cell(9, &w.next, ping, sizeof(ping)), -ENOENT);
	send_sealed(&w.next, 9, false, c.hop, 3, false, ping, sizeof(ping));
	assert_null(mail_within(QUIET_MS));
	/* The same sessions again: salts go on. */
	assert_int_equal(peel_guest_set_circuit(w.g, 9, &c), 0);
	goes_out(c.hop, 3, NULL, false);
	c.n_hops = 9;
	assert_int_equal(peel_guest_set_circuit(w.g, 9, &c), -EINVAL);
}

/* Seeder and downloader use the end-to-end layer the other way round. */
static void
end_to_end(uint8_t type)
{
	bool seeder = type == PEEL_GUEST_RP_SEEDER;
	struct peel_guest_circuit c = {
		.type = type, .goal_hops = 2, .n_hops = 2, .first = w.next.address};
	uint8_t cell[256];
	size_t n;

	seen.n = 0;
	wire_keys(21, &c.hop[0]);
	wire_keys(22, &c.hop[1]);
	wire_keys(23, &c.end_to_end);
	assert_int_equal(peel_guest_set_circuit(w.g, 9, &c), 0);
	comes_back(c.hop, 2);
	c.e2e = true;
	assert_int_equal(peel_guest_set_circuit(w.g, 9, &c), 0);
	goes_out(c.hop, 2, &c.end_to_end, seeder);
	memcpy(cell + WIRE_HEADER, ping, sizeof(ping));
	n = wire_seal(cell + WIRE_HEADER, sizeof(ping), &c.end_to_end, !seeder, next_salt++);
	send_sealed(&w.next, 9, false, c.hop, 2, false, cell + WIRE_HEADER, n);
	opened(9, false, &w.next, ping, sizeof(ping));
}

static void
test_end_to_end(void **state)
{
	(void)state;
	end_to_end(PEEL_GUEST_RP_SEEDER);
	peel_guest_remove_circuit(w.g, 9);
	end_to_end(PEEL_GUEST_RP_DOWNLOADER);
}

/* ---- threads --------------------------------------------------------------------------------- */

static bool flood_over;

static void *
flood(void *arg)
{
	uint8_t out[64] = {0};

	(void)arg;
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	out[22] = 1;
	while (!__atomic_load_n(&flood_over, __ATOMIC_RELAXED)) {
		wire_send(&w.outside, &w.at, out, sizeof(out));
		usleep(50);
	}
	return NULL;
}

/* The guest holds its lock around calls, and its callback waits for it. The node is closed in the
 * middle of all that. */
static void
test_lock(void **state)
{
	struct peel_guest_keys k;
	uint8_t out[64] = {0};
	pthread_t thread;

	(void)state;
	wire_keys(1, &k);
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	__atomic_store_n(&flood_over, false, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, flood, NULL), 0);
	for (uint32_t i = 0; i < 300; i++) {
		pthread_mutex_lock(&w.lock);
		assert_int_equal(peel_guest_add_exit(w.g, i % 16, &w.previous.address, &k), 0);
		assert_int_equal(peel_guest_send(w.g, &w.next.address, out, sizeof(out)), 0);
		assert_int_equal(guest_cell(i % 16, &w.next, ping, sizeof(ping)), 0);
		usleep(200);
		peel_guest_remove_exit(w.g, i % 16);
		pthread_mutex_unlock(&w.lock);
	}
	mail();
	peel_guest_close(w.g);
	w.g = NULL;
	__atomic_store_n(&flood_over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static void
close_here(void *arg, const struct peel_guest_datagram *d, unsigned int n)
{
	peel_guest_close(w.g); /* nothing happens */
	on_datagrams(arg, d, n);
}

static void
test_close_inside(void **state)
{
	struct peel_guest_settings s;
	uint8_t out[64] = {0};

	(void)state;
	settings(&s);
	s.callbacks.on_datagrams = close_here;
	open_with(&s);
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	out[22] = 1;
	wire_send(&w.previous, &w.at, out, sizeof(out));
	mail();
	wire_send(&w.previous, &w.at, out, sizeof(out));
	mail();
	teardown(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_port_tries),
		cmocka_unit_test(test_again),
		cmocka_unit_test_setup_teardown(test_datagrams, setup, teardown),
		cmocka_unit_test(test_order),
		cmocka_unit_test_setup_teardown(test_many_overlays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exit, setup, teardown),
		cmocka_unit_test(test_exit_refuses),
		cmocka_unit_test_setup_teardown(test_role_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_role_change_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relay_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rendezvous, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_circuit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_to_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
		cmocka_unit_test(test_close_inside),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
