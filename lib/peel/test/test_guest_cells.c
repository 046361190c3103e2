/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Circuits of a guest's node: exits, relays and own ones.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "one_guest.h"

/* ---- exits ----------------------------------------------------------------------------------- */

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exit, setup, teardown),
		cmocka_unit_test(test_exit_refuses),
		cmocka_unit_test_setup_teardown(test_role_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_role_change_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relay_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rendezvous, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_circuit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_to_end, setup, teardown),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
