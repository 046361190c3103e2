/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Messages of hidden services: introduction points, rendezvous points, end-to-end set-up and
 * finding peers. created-e2e has the layout of created: peel_created_parse() in peel_cell.h.
 * intro-established and linked-e2e are an identifier alone: peel_identifier_parse(). Source:
 * protocol sections 14.8, 14.9 and 20. Thread: any.
 *
 * Parsers take the body AFTER the message id byte and ignore extra bytes after the last field. They
 * return 0 or -EBADMSG, and what they fill in borrows the caller's bytes.
 */

#include "peel_cell.h"

#define PEEL_INFO_HASH_LEN 20
#define PEEL_COOKIE_LEN 20
#define PEEL_PEERS_MAX 7     /* introduction points in one peers-response */
#define PEEL_PEX_KEYS_MAX 10 /* seeder keys in one introduction of a PEX overlay */
#define PEEL_PEX_LIST_MAX 20 /* introduction points that a node of such an overlay keeps */

struct peel_msg_establish_intro {
	uint16_t identifier;
	const uint8_t *info_hash;   /* 20 bytes */
	struct peel_span seeder_pk; /* 74 bytes, checked */
};

/** establish-rendezvous and link-e2e have the same body. */
struct peel_msg_cookie {
	uint16_t identifier;
	const uint8_t *cookie; /* 20 bytes */
};

struct peel_msg_rendezvous_established {
	uint16_t identifier;
	struct peel_addr address; /* of the rendezvous point, as others see it */
};

struct peel_msg_create_e2e {
	uint16_t identifier;
	const uint8_t *info_hash;   /* 20 bytes */
	struct peel_span seeder_pk; /* 74 bytes, checked */
	struct peel_span x;	    /* 32 bytes */
};

struct peel_msg_peers_request {
	uint32_t cid; /* only in datagrams: chosen by the asker, copied into the answer */
	uint16_t identifier;
	const uint8_t *info_hash; /* 20 bytes */
};

enum peel_introduction_source {
	PEEL_SOURCE_UNKNOWN = 0,
	PEEL_SOURCE_DHT = 1,
	PEEL_SOURCE_PEX = 2,
};

/** Where to ask for one seeder. */
struct peel_introduction {
	struct peel_addr address;
	struct peel_span pk;	    /* of the introduction point: any kind of key */
	struct peel_span seeder_pk; /* any kind of key */
	uint8_t source; /* enum peel_introduction_source, or any other value from the network */
};

struct peel_msg_peers_response {
	uint32_t cid; /* as in the request */
	uint16_t identifier;
	const uint8_t *info_hash; /* 20 bytes */
	size_t n;
	struct peel_introduction peer[PEEL_PEERS_MAX]; /* more are read and ignored */
};

/** What the seeder seals into created-e2e. */
struct peel_rendezvous_info {
	struct peel_addr address;
	struct peel_span pk;   /* of the rendezvous point: 74 bytes, checked */
	const uint8_t *cookie; /* 20 bytes */
};

/** Parse establish-intro, section 14.8. */
int peel_establish_intro_parse(
	const uint8_t *body, size_t len, struct peel_msg_establish_intro *out) PEEL_MUST_USE;
/** Parse establish-rendezvous or link-e2e, section 14.8. */
int peel_cookie_parse(const uint8_t *body, size_t len, struct peel_msg_cookie *out) PEEL_MUST_USE;
/** Parse rendezvous-established, section 14.8. */
int peel_rendezvous_established_parse(
	const uint8_t *body, size_t len, struct peel_msg_rendezvous_established *out) PEEL_MUST_USE;
/** Parse create-e2e, section 14.9. */
int peel_create_e2e_parse(
	const uint8_t *body, size_t len, struct peel_msg_create_e2e *out) PEEL_MUST_USE;
/** Parse peers-request, section 14.8; @p datagram: with the circuit id in front that it has in a
 * datagram of its own, section 14.9. */
int peel_peers_request_parse(const uint8_t *body, size_t len, bool datagram,
	struct peel_msg_peers_request *out) PEEL_MUST_USE;
/** Parse peers-response, section 14.8; @p datagram: as in peel_peers_request_parse(). */
int peel_peers_response_parse(const uint8_t *body, size_t len, bool datagram,
	struct peel_msg_peers_response *out) PEEL_MUST_USE;
/** Parse opened rendezvous info with its length in front, section 14.9. */
int peel_rendezvous_info_parse(
	const uint8_t *info, size_t len, struct peel_rendezvous_info *out) PEEL_MUST_USE;

/* Builders write the message id and the body. They return the length or -ENOSPC. */

/** Build establish-intro, section 14.8. */
int peel_establish_intro_build(uint8_t *out, size_t size, const struct peel_msg_establish_intro *m);
/** Build the message @p id: PEEL_MSG_ESTABLISH_RENDEZVOUS or PEEL_MSG_LINK_E2E, section 14.8. */
int peel_cookie_build(uint8_t *out, size_t size, uint8_t id, const struct peel_msg_cookie *m);
/** Build rendezvous-established, section 14.8. */
int peel_rendezvous_established_build(
	uint8_t *out, size_t size, const struct peel_msg_rendezvous_established *m);
/** Build create-e2e, section 14.9. */
int peel_create_e2e_build(uint8_t *out, size_t size, const struct peel_msg_create_e2e *m);
/** Build peers-request, section 14.8; @p datagram: as in peel_peers_request_parse(). */
int peel_peers_request_build(
	uint8_t *out, size_t size, bool datagram, const struct peel_msg_peers_request *m);
/** Build peers-response, section 14.8; @p datagram: as in peel_peers_request_parse(). */
int peel_peers_response_build(
	uint8_t *out, size_t size, bool datagram, const struct peel_msg_peers_response *m);
/** Build rendezvous info, section 14.9. It has no message id, as it is not a message of its own. */
int peel_rendezvous_info_build(uint8_t *out, size_t size, const struct peel_rendezvous_info *m);

/* ---- PEX overlays, section 20 ---------------------------------------------------------------- */

/** Compute the community of an info hash, section 20. @return false: it has none, as its bits are
 * all ones. */
bool peel_pex_community(
	const uint8_t info_hash[PEEL_INFO_HASH_LEN], uint8_t community[PEEL_COMMUNITY_LEN]);

struct peel_pex_keys {
	struct peel_span key[PEEL_PEX_KEYS_MAX]; /* any kind of key; more are ignored */
	size_t n;
};
/** Parse the extra bytes of an introduction, section 20. No extra bytes mean no keys. 0 or
 * -EBADMSG. */
int peel_pex_keys_parse(const uint8_t *extra, size_t len, struct peel_pex_keys *out) PEEL_MUST_USE;
/** Build the extra bytes of an introduction, section 20. @return their length or -ENOSPC. */
int peel_pex_keys_build(uint8_t *out, size_t size, const struct peel_pex_keys *keys);
