/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Cells and the messages inside them. Source: protocol sections 11, 13 and 14. Message views start
 * AFTER the message id byte; inside cells extra bytes behind the last field are ignored. Thread:
 * any.
 */

#include "peel_wire.h"

#define PEEL_CELL_HEADER_LEN 29 /* prefix 22, 0x00, circuit id 4, plain 1, early 1 */
#define PEEL_CELL_MIN 30	/* header and a message id */
#define PEEL_CELL_OFF_CID 23
#define PEEL_CELL_OFF_PLAIN 27
#define PEEL_CELL_OFF_EARLY 28
#define PEEL_SEAL_SALT_LEN 8 /* explicit salt in front of the ciphertext */
#define PEEL_SEAL_TAG_LEN 16
#define PEEL_SEAL_OVERHEAD (PEEL_SEAL_SALT_LEN + PEEL_SEAL_TAG_LEN)

#define PEEL_X_LEN 32 /* ephemeral X25519 point */
#define PEEL_AUTH_LEN 32
#define PEEL_DESTROY_BODY_LEN 6
#define PEEL_CANDIDATES_MAX 9 /* 4 relays, 4 exits, the first exit twice */

enum peel_msg_id {
	PEEL_MSG_CELL = 0,
	PEEL_MSG_DATA = 1,
	PEEL_MSG_CREATE = 2,
	PEEL_MSG_CREATED = 3,
	PEEL_MSG_EXTEND = 4,
	PEEL_MSG_EXTENDED = 5,
	PEEL_MSG_PING = 6,
	PEEL_MSG_PONG = 7,
	PEEL_MSG_DESTROY = 8, /* a signed datagram, never in a cell */
	PEEL_MSG_ESTABLISH_INTRO = 9,
	PEEL_MSG_INTRO_ESTABLISHED = 10,
	PEEL_MSG_ESTABLISH_RENDEZVOUS = 11,
	PEEL_MSG_RENDEZVOUS_ESTABLISHED = 12,
	PEEL_MSG_CREATE_E2E = 13,
	PEEL_MSG_CREATED_E2E = 14,
	PEEL_MSG_LINK_E2E = 15,
	PEEL_MSG_LINKED_E2E = 16,
	PEEL_MSG_PEERS_REQUEST = 17,
	PEEL_MSG_PEERS_RESPONSE = 18,
	PEEL_MSG_TEST_REQUEST = 19,
	PEEL_MSG_TEST_RESPONSE = 20,
	PEEL_MSG_TEST_REQUEST_RUST = 21, /* u32 identifier, section 22.1 */
	PEEL_MSG_TEST_RESPONSE_RUST = 22,
	PEEL_MSG_HTTP_REQUEST = 28,
	PEEL_MSG_HTTP_RESPONSE = 29,
};

/** Reasons in destroy, section 17. */
enum peel_destroy_reason {
	PEEL_DESTROY_UNKNOWN = 1,
	PEEL_DESTROY_SHUTDOWN = 2,
	PEEL_DESTROY_UNNEEDED = 4,
};

struct peel_cell {
	uint32_t cid;
	bool plain;
	bool early;
	struct peel_span message; /* id and body, or salt, ciphertext, tag */
};

/** -EBADMSG when shorter than PEEL_CELL_MIN or byte 22 is not 0. The prefix is the caller's to
 * compare. */
int peel_cell_parse(const uint8_t *data, size_t len, struct peel_cell *out) PEEL_MUST_USE;
/** Write the 29 byte header. */
void peel_cell_header(uint8_t out[PEEL_CELL_HEADER_LEN], const uint8_t prefix[PEEL_PREFIX_LEN],
	uint32_t cid, bool plain, bool early);

struct peel_msg_create {
	uint16_t identifier;
	struct peel_span pk; /* sender's node key, 74 bytes, checked */
	struct peel_span x;  /* 32 bytes */
};

/** created, extended and created-e2e: the same body. */
struct peel_msg_created {
	uint16_t identifier;
	struct peel_span y;    /* 32 bytes */
	struct peel_span auth; /* 32 bytes */
	/* sealed candidate list, may be empty; of created-e2e: sealed rendezvous info */
	struct peel_span candidates_enc;
};

struct peel_msg_extend {
	uint16_t identifier;
	struct peel_span pk;	  /* next node, 74 bytes, checked */
	struct peel_span x;	  /* 32 bytes */
	struct peel_addr address; /* none: take it from the candidate list */
};

struct peel_msg_data {
	struct peel_host destination;
	struct peel_host origin;
	struct peel_span payload;
};

struct peel_msg_destroy {
	uint32_t cid;
	uint16_t reason;
};

/** test-request and test-response, both kinds: the Rust endpoint's identifier has 32 bits, the
 * other 16. */
struct peel_msg_test {
	uint32_t identifier;
	uint16_t response_size; /* of requests only */
	struct peel_span data;
};

/** An ephemeral point: `varlenH` of exactly 32 bytes; any other length is bad. */
struct peel_span peel_read_point(struct peel_reader *r);

int peel_create_parse(const uint8_t *body, size_t len, struct peel_msg_create *out) PEEL_MUST_USE;
int peel_created_parse(const uint8_t *body, size_t len, struct peel_msg_created *out) PEEL_MUST_USE;
int peel_extend_parse(const uint8_t *body, size_t len, struct peel_msg_extend *out) PEEL_MUST_USE;
int peel_data_parse(const uint8_t *body, size_t len, struct peel_msg_data *out) PEEL_MUST_USE;
/** Body of the signed destroy datagram: exactly 6 bytes. */
int peel_destroy_parse(const uint8_t *body, size_t len, struct peel_msg_destroy *out) PEEL_MUST_USE;
/** ping, pong and the other messages whose body begins with (and usually is) a 16 bit
 * identifier. */
int peel_identifier_parse(const uint8_t *body, size_t len, uint16_t *identifier) PEEL_MUST_USE;
/** @p id one of PEEL_MSG_TEST_*: it decides the layout. */
int peel_test_parse(
	uint8_t id, const uint8_t *body, size_t len, struct peel_msg_test *out) PEEL_MUST_USE;

/* Builders write the message id and the body. */
int peel_create_build(uint8_t *out, size_t size, const struct peel_msg_create *m);
/** @p id PEEL_MSG_CREATED, PEEL_MSG_EXTENDED or PEEL_MSG_CREATED_E2E. */
int peel_created_build(uint8_t *out, size_t size, uint8_t id, const struct peel_msg_created *m);
int peel_extend_build(uint8_t *out, size_t size, const struct peel_msg_extend *m);
int peel_data_build(uint8_t *out, size_t size, const struct peel_msg_data *m);
/** ping, pong, intro-established, linked-e2e: @p id and the identifier, 3 bytes. */
int peel_identifier_build(uint8_t *out, size_t size, uint8_t id, uint16_t identifier);
int peel_test_build(uint8_t *out, size_t size, uint8_t id, const struct peel_msg_test *m);
/** The body alone: the frame is begun with peel_signed_begin() and ended with peel_sign(). */
void peel_destroy_body(uint8_t out[PEEL_DESTROY_BODY_LEN], const struct peel_msg_destroy *m);

/** `varlenH-list` of 74-byte keys, section 14.5: relays, then the first exit twice, then the other
 * exits. Pointers are to 74-byte keys. @return length or -ENOSPC. */
int peel_candidates_build(uint8_t *out, size_t size, const uint8_t *const *relays, size_t n_relays,
	const uint8_t *const *exits, size_t n_exits);

struct peel_candidates {
	struct peel_span key[255];
	size_t n;	 /* keys in list order, the separator's duplicate left out */
	size_t n_relays; /* key[0 .. n_relays) are relays, the rest exits */
};

/** Split an opened list. Keys of other kinds than 25519 stay in the list: callers skip what
 * peel_pk_valid refuses. */
int peel_candidates_parse(
	const uint8_t *list, size_t len, struct peel_candidates *out) PEEL_MUST_USE;
