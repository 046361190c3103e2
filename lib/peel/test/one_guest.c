/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "one_guest.h"

struct guest_world w;
const uint8_t ping[3] = {6, 0x12, 0x34}, extend[5] = {4, 1, 2, 3, 4};

void
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

void
sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

/* The next mail, NULL: none comes for so long. */
const struct mail *
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

const struct mail *
mail(void)
{
	const struct mail *m = mail_within(WAIT_MS);

	assert_non_null(m);
	return m;
}

void
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

void
settings(struct peel_guest_settings *s)
{
	peel_guest_settings_init(s);
	s->listen = "127.0.0.1:0";
	s->max_circuits = 64;
	s->callbacks.on_datagrams = on_datagrams;
	s->callbacks.arg = &w;
}

int
setup(void **state)
{
	struct peel_guest_settings s;

	(void)state;
	settings(&s);
	open_with(&s);
	return 0;
}

int
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

uint64_t next_salt = 2;

/* Send a message in so many layers, that of the last keys innermost. */
void
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
size_t
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

void
nothing_at(const struct wire *at)
{
	uint8_t cell[2048];

	assert_int_equal(wire_receive(at, cell, sizeof(cell), QUIET_MS), 0);
}

/* What the guest gets is this cell, opened. */
void
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

int
guest_cell(uint32_t cid, const struct wire *to, const void *msg, size_t len)
{
	uint8_t cell[2048];

	wire_header(cell, cid, false, false);
	memcpy(cell + WIRE_HEADER, msg, len);
	return peel_guest_send_cell(w.g, &to->address, cell, WIRE_HEADER + len);
}

/* ---- salts of one key never come twice ------------------------------------------------------- */

struct seen seen;

void
note_salt(const uint8_t *text)
{
	uint64_t salt = wire_salt(text);

	for (unsigned int i = 0; i < seen.n; i++)
		assert_true(seen.salt[i] != salt);
	/* py-ipv8's own counter begins there. */
	assert_true(salt > 1000);
	seen.salt[seen.n++] = salt;
}
