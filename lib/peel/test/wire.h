/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* A neighbour of a guest's node: a UDP socket on loopback that seals and opens cells, with
 * libsodium alone. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "peel_guest.h"

#define WIRE_HEADER 29
#define WIRE_LAYER 24

extern const uint8_t wire_prefix[PEEL_PREFIX_BYTES];

struct wire {
	int fd;
	struct peel_address address;
};

void wire_open(struct wire *w);
void wire_close(struct wire *w);
void wire_send(const struct wire *w, const struct peel_address *to, const void *data, size_t len);
/** Wait for a datagram. @return its length, 0: none came for so long. */
size_t wire_receive(const struct wire *w, void *data, size_t size, unsigned int ms);

/** Keys from a number. */
void wire_keys(uint8_t number, struct peel_guest_keys *out);
/** Write the header of a cell. */
void wire_header(uint8_t *out, uint32_t cid, bool plain, bool early);
/** Put a layer around @p len bytes, in place. @return the new length. */
size_t wire_seal(
	uint8_t *text, size_t len, const struct peel_guest_keys *k, bool forward, uint64_t salt);
/** Take a layer off. @return the new length; the test fails if it is not authentic. */
size_t wire_unseal(uint8_t *text, size_t len, const struct peel_guest_keys *k, bool forward);
/** The explicit salt of the outermost layer. */
uint64_t wire_salt(const uint8_t *text);
/** A data message for @p to. @return its length. */
size_t wire_data(uint8_t *out, const struct peel_address *to, const void *payload, size_t len);
