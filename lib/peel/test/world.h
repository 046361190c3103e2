/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Nodes of this process that find each other over loopback, and a UDP server that echoes. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "peel.h"

#define WORLD_RELAYS 4

struct world {
	const struct peel_dht_provider *dht; /* of every relay, NULL: none; set before the start */
	struct peel *relay[WORLD_RELAYS];
	char first[64]; /* HOST:PORT of the first, to start from */
	const char *bootstrap[2];
	struct peel_address echo;
	int echo_fd;
	pthread_t echo_thread;
};

/** Relays that are exits, too, let everything out and reach loopback; all driven by peel_run. */
void world_start(struct world *w);
void world_stop(struct world *w);
/** Settings of a node that only sends. */
void world_client(const struct world *w, struct peel_settings *s);

uint64_t now_ms(void);
void sleep_ms(unsigned int ms);
/** Wait until fn says so; the test fails after a while. */
void wait_for(bool (*fn)(void *arg), void *arg, const char *what);
