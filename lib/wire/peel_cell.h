/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Cells and the messages inside them. Source: protocol sections 11, 13 and 14. Thread: any.
 *
 * Parsers take the body AFTER the message id byte and ignore extra bytes after the last field. They
 * return 0 or -EBADMSG, and what they fill in borrows the caller's bytes.
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
#define PEEL_DESTROY_LEN 169  /* the whole datagram, signed */
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

/** Split a cell (section 11). -EBADMSG: shorter than PEEL_CELL_MIN, or byte 22 is not 0. The caller
 * compares the prefix. */
int peel_cell_parse(const uint8_t *data, size_t len, struct peel_cell *out) PEEL_MUST_USE;
/** Write the 29-byte header of a cell (section 11). */
void peel_cell_header(uint8_t out[PEEL_CELL_HEADER_LEN], const uint8_t prefix[PEEL_PREFIX_LEN],
	uint32_t cid, bool plain, bool early);

struct peel_msg_create {
	uint16_t identifier;
	struct peel_span pk; /* node key of the sender, 74 bytes, checked */
	struct peel_span x;  /* 32 bytes */
};

/** created, extended and created-e2e have the same body. */
struct peel_msg_created {
	uint16_t identifier;
	struct peel_span y;    /* 32 bytes */
	struct peel_span auth; /* 32 bytes */
	/* sealed candidate list, may be empty; in created-e2e, sealed rendezvous info */
	struct peel_span candidates_enc;
};

struct peel_msg_extend {
	uint16_t identifier;
	struct peel_span pk;	  /* of the next node, 74 bytes, checked */
	struct peel_span x;	  /* 32 bytes */
	struct peel_addr address; /* family NONE: take it from the candidate list */
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

/** test-request and test-response. Identifiers have 16 bits, or 32 in the Rust endpoint's variants.
 */
struct peel_msg_test {
	uint32_t identifier;
	uint16_t response_size; /* only in requests */
	struct peel_span data;
};

/** Borrow an ephemeral point: a `varlenH` of exactly 32 bytes; any other length is bad. */
struct peel_span peel_read_point(struct peel_reader *r);

/** Parse create, section 14.2. */
int peel_create_parse(const uint8_t *body, size_t len, struct peel_msg_create *out) PEEL_MUST_USE;
/** Parse created, extended (section 14.3) or created-e2e (section 14.9). */
int peel_created_parse(const uint8_t *body, size_t len, struct peel_msg_created *out) PEEL_MUST_USE;
/** Parse extend, section 14.4. */
int peel_extend_parse(const uint8_t *body, size_t len, struct peel_msg_extend *out) PEEL_MUST_USE;
/** Parse data, section 14.1. */
int peel_data_parse(const uint8_t *body, size_t len, struct peel_msg_data *out) PEEL_MUST_USE;
/** Parse the body of the signed destroy datagram, exactly 6 bytes: section 14.7. */
int peel_destroy_parse(const uint8_t *body, size_t len, struct peel_msg_destroy *out) PEEL_MUST_USE;
/** Parse the 16-bit identifier that begins (and usually is) the body of ping, pong and others:
 * sections 14.6 and 14.8. */
int peel_identifier_parse(const uint8_t *body, size_t len, uint16_t *identifier) PEEL_MUST_USE;
/** Parse a test message, sections 14.10 and 22.1. @p id is one of PEEL_MSG_TEST_* and decides the
 * layout. */
int peel_test_parse(
	uint8_t id, const uint8_t *body, size_t len, struct peel_msg_test *out) PEEL_MUST_USE;

/* Builders write the message id and the body. They return the length or -ENOSPC. */

/** Build create, section 14.2. */
int peel_create_build(uint8_t *out, size_t size, const struct peel_msg_create *m);
/** Build the message @p id: PEEL_MSG_CREATED, PEEL_MSG_EXTENDED or PEEL_MSG_CREATED_E2E. */
int peel_created_build(uint8_t *out, size_t size, uint8_t id, const struct peel_msg_created *m);
/** Build extend, section 14.4. */
int peel_extend_build(uint8_t *out, size_t size, const struct peel_msg_extend *m);
/** Build data, section 14.1. */
int peel_data_build(uint8_t *out, size_t size, const struct peel_msg_data *m);
/** Build a message of an identifier alone, 3 bytes: ping, pong, intro-established or linked-e2e. */
int peel_identifier_build(uint8_t *out, size_t size, uint8_t id, uint16_t identifier);
/** Build a test message, sections 14.10 and 22.1. @p id is one of PEEL_MSG_TEST_*. */
int peel_test_build(uint8_t *out, size_t size, uint8_t id, const struct peel_msg_test *m);
/** Write the body of destroy, section 14.7. Frame it with peel_signed_begin() and peel_sign(). */
void peel_destroy_body(uint8_t out[PEEL_DESTROY_BODY_LEN], const struct peel_msg_destroy *m);

/** Build a candidate list, section 14.5: a `varlenH-list` of relays, the first exit twice, then the
 * other exits. Pointers are to 74-byte keys. @return its length or -ENOSPC. */
int peel_candidates_build(uint8_t *out, size_t size, const uint8_t *const *relays, size_t n_relays,
	const uint8_t *const *exits, size_t n_exits);

struct peel_candidates {
	struct peel_span key[255];
	size_t n;	 /* keys in list order, without the separator's duplicate */
	size_t n_relays; /* key[0 .. n_relays) are relays, the rest exits */
};

/** Split an opened candidate list. 0 or -EBADMSG. Keys other than 25519 stay in the list: callers
 * skip what peel_pk_valid() rejects. */
int peel_candidates_parse(
	const uint8_t *list, size_t len, struct peel_candidates *out) PEEL_MUST_USE;
