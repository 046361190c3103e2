/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* A guest's node over UDP on loopback: the test is the guest, and all its neighbours. */

#include <pthread.h>

#include "wire.h"

#define MAIL_MAX 512
#define QUIET_MS 100  /* nothing comes any more */
#define WAIT_MS 20000 /* something comes */

struct mail {
	struct peel_address from;
	size_t len;
	uint8_t data[2048];
};

struct guest_world {
	struct peel_guest *g;
	struct peel_address at;
	struct wire previous, next, outside;
	/* what came to the guest, under the lock, which is the guest's own */
	pthread_mutex_t lock;
	struct mail mail[MAIL_MAX];
	unsigned int n_mail, n_read;
	pthread_t caller;
	bool called, several;
};
extern struct guest_world w;

/** Messages that no worker settles. */
extern const uint8_t ping[3], extend[5];

/** Settings of a node on loopback whose mail comes into the world. */
void settings(struct peel_guest_settings *s);
/** A world with that node. */
void open_with(const struct peel_guest_settings *s);
int setup(void **state);
int teardown(void **state);
/** The callback. */
void on_datagrams(void *arg, const struct peel_guest_datagram *d, unsigned int n);
/** The next mail, NULL: none comes for so long. */
const struct mail *mail_within(unsigned int ms);
/** The next mail; the test fails if none comes. */
const struct mail *mail(void);
void sleep_ms(unsigned int ms);

/* ---- cells ----------------------------------------------------------------------------------- */

/** The salt of the next layer that a neighbour adds. */
extern uint64_t next_salt;
/** Send a message in so many layers, that of the last keys innermost. */
void send_sealed(const struct wire *from, uint32_t cid, bool early, const struct peel_guest_keys *k,
	unsigned int n_keys, bool forward, const void *msg, size_t len);
/** A cell that comes to a neighbour. @return the length of what is behind its header. */
size_t cell_at(const struct wire *at, uint32_t cid, uint8_t *text, bool *early);
void nothing_at(const struct wire *at);
/** What the guest gets is this cell, opened. */
void opened(uint32_t cid, bool early, const struct wire *from, const void *msg, size_t len);
/** The guest sends a cell. @return the result. */
int guest_cell(uint32_t cid, const struct wire *to, const void *msg, size_t len);

/* ---- salts of one key never come twice ------------------------------------------------------- */

extern struct seen {
	uint64_t salt[256];
	unsigned int n;
} seen;
/** The test fails if that of this text has come before. */
void note_salt(const uint8_t *text);
