/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Bodies of discovery messages, old style (IPv4) and new style (tagged addresses), and of the
 * discovery community. peel_signed_*() and peel_unsigned_begin() handle the frame. Bodies must be
 * consumed exactly. Source: protocol sections 7, 9, 10. Thread: any.
 *
 * Parsers return 0 or -EBADMSG, and what they fill in borrows the caller's bytes.
 */

#include "peel_wire.h"

enum peel_discovery_id {
	PEEL_MSG_PUNCTURE_NEW = 231,
	PEEL_MSG_PUNCTURE_REQUEST_NEW = 232,
	PEEL_MSG_INTRO_RESPONSE_NEW = 233,
	PEEL_MSG_INTRO_REQUEST_NEW = 234,
	PEEL_MSG_INTRO_RESPONSE = 245,
	PEEL_MSG_INTRO_REQUEST = 246,
	PEEL_MSG_PUNCTURE = 249,
	PEEL_MSG_PUNCTURE_REQUEST = 250,
};

enum peel_liveness_id {
	PEEL_MSG_SIMILARITY_REQUEST = 1,
	PEEL_MSG_SIMILARITY_RESPONSE = 2,
	PEEL_MSG_DISCOVERY_PING = 3,
	PEEL_MSG_DISCOVERY_PONG = 4,
};

/** Peer flags in the extra bytes of tunnel introductions, section 10. */
enum peel_peer_flag {
	PEEL_FLAG_RELAY = 1,
	PEEL_FLAG_EXIT_BT = 2,
	PEEL_FLAG_EXIT_IPV8 = 4,
	PEEL_FLAG_SPEED_TEST = 8,
	PEEL_FLAG_EXIT_BACKUP = 16384,
	PEEL_FLAG_EXIT_HTTP = 32768,
};

/* Bits of requests and of old-style responses (section 7). New-style responses use only
 * INTRO_NEW_233. */
#define PEEL_BITS_ADVICE 0x01
#define PEEL_BITS_REQUEST_NEW_STYLE 0x20
#define PEEL_BITS_RESPONSE_NEW_STYLE 0x10
#define PEEL_BITS_RESPONSE_INTRO_NEW 0x08
#define PEEL_BITS_RESPONSE_LIMIT 0x04
#define PEEL_BITS_INTRO_NEW_233 0x80

struct peel_intro_request {
	struct peel_addr dest, src_lan, src_wan;
	uint16_t identifier;
	uint8_t bits;
	struct peel_span extra;
};

struct peel_intro_response {
	struct peel_addr dest, src_lan, src_wan, lan_intro, wan_intro;
	uint16_t identifier;
	uint8_t bits;
	struct peel_span extra;
};

struct peel_puncture_request {
	struct peel_addr lan_walker, wan_walker;
	uint16_t identifier;
};

struct peel_puncture {
	struct peel_addr src_lan, src_wan;
	uint16_t identifier;
};

struct peel_similarity_request {
	uint16_t identifier;
	struct peel_addr lan, wan;
	uint8_t bits;
	struct peel_span communities; /* n x 20 bytes */
};

struct peel_similarity_response {
	uint16_t identifier;
	struct peel_span communities; /* n x 20 bytes */
	struct peel_span tail;	      /* (mid 20, u32) pairs, usually empty */
};

/* Parsers of signed messages take the body of the frame; new_style selects the layout. */

/** Parse introduction-request, section 7.1. */
int peel_intro_request_parse(
	struct peel_span body, bool new_style, struct peel_intro_request *out) PEEL_MUST_USE;
/** Parse introduction-response, section 7.2. */
int peel_intro_response_parse(
	struct peel_span body, bool new_style, struct peel_intro_response *out) PEEL_MUST_USE;
/** Parse puncture, section 7.4. */
int peel_puncture_parse(
	struct peel_span body, bool new_style, struct peel_puncture *out) PEEL_MUST_USE;
/** Parse similarity-request, section 9. */
int peel_similarity_request_parse(
	struct peel_span body, struct peel_similarity_request *out) PEEL_MUST_USE;
/** Parse similarity-response, section 9. */
int peel_similarity_response_parse(
	struct peel_span body, struct peel_similarity_response *out) PEEL_MUST_USE;

/* Parsers of unsigned messages take the whole datagram, whose prefix the caller has compared. */

/** Parse puncture-request, section 7.3. */
int peel_puncture_request_parse(
	const uint8_t *data, size_t len, struct peel_puncture_request *out) PEEL_MUST_USE;
/** Parse discovery ping or pong, section 9. */
int peel_discovery_ping_parse(const uint8_t *data, size_t len, uint16_t *identifier) PEEL_MUST_USE;

/* Writers append the body to a frame begun with peel_signed_begin() or peel_unsigned_begin(). */

/** Write introduction-request, section 7.1. */
void peel_intro_request_write(
	struct peel_writer *w, bool new_style, const struct peel_intro_request *m);
/** Write introduction-response, section 7.2. */
void peel_intro_response_write(
	struct peel_writer *w, bool new_style, const struct peel_intro_response *m);
/** Write puncture, section 7.4. */
void peel_puncture_write(struct peel_writer *w, bool new_style, const struct peel_puncture *m);
/** Write puncture-request, section 7.3. */
void peel_puncture_request_write(
	struct peel_writer *w, bool new_style, const struct peel_puncture_request *m);
/** Write similarity-request, section 9. */
void peel_similarity_request_write(struct peel_writer *w, const struct peel_similarity_request *m);
/** Write similarity-response, section 9. */
void peel_similarity_response_write(
	struct peel_writer *w, const struct peel_similarity_response *m);
