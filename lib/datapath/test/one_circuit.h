/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* A worker with one circuit, of which the test is the originator, the next hop, and the outside. */

#include "peel_aead_engines.h"
#include "rig.h"

#define ENDPOINT 5

/** The neighbours, the keys both sides know, and what the originator's side last used as salt. */
struct one_circuit {
	struct peel_addr previous, next, outside;
	struct peel_key forward, backward;
	uint8_t salt_forward[4], salt_backward[4];
	uint32_t session, slot, slot_backward;
	uint64_t counter;
};

extern struct rig rig;
extern struct one_circuit c;
extern const uint8_t dht_payload[57];
#define DHT_LEN (sizeof(dht_payload) - 1)

/** Run these tests once for each engine that this CPU can. @return for main(). */
int with_each_engine(const struct CMUnitTest *tests, size_t n);
/** Begin with a circuit that is relayed or ends here. */
void start(enum peel_route_kind kind, uint32_t endpoint);
void finish(void);
/** Make a cell from the originator's side with this message. @return its length. */
size_t sealed_cell(uint8_t *out, const void *msg, size_t len, bool early);
/** Queue such a cell. */
void feed_message(const void *msg, size_t len, bool early);
/** Open what the worker sent back to the previous hop as its @p i-th datagram. @return the
 * message's length. */
size_t open_answer(unsigned int i, uint8_t *msg);
struct peel_host host(const struct peel_addr *a);
size_t data_message(
	uint8_t *out, const struct peel_host *destination, const void *payload, size_t len);
/** Queue a cell with data for that destination. */
void feed_data(const struct peel_host *destination, const void *payload, size_t len);
