/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Bodies of DHT messages. All are signed, without a clock: peel_signed_parse() and
 * peel_signed_begin() handle the frame. Bodies must be consumed exactly. Source: protocol section
 * 21.1. Thread: any.
 *
 * Parsers return 0 or -EBADMSG, and what they fill in borrows the caller's bytes. Writers append to
 * the frame. They do not check what they write, so that tests can build what nobody should send.
 */

#include "peel_wire.h"

#define PEEL_DHT_KEY_LEN 20 /* targets: keys of values, member ids, node ids */
#define PEEL_DHT_TOKEN_LEN 20
#define PEEL_DHT_VALUE_MAX 170 /* bytes of one stored value, section 21.7 */
#define PEEL_DHT_VALUES_MAX 8  /* per message */
#define PEEL_DHT_NODES_MAX 8   /* per message */

enum peel_dht_id {
	PEEL_MSG_DHT_PING_REQUEST = 1,
	PEEL_MSG_DHT_PING_RESPONSE = 2,
	PEEL_MSG_DHT_STORE_REQUEST = 3,
	PEEL_MSG_DHT_STORE_RESPONSE = 4,
	PEEL_MSG_DHT_FIND_REQUEST = 5,
	PEEL_MSG_DHT_FIND_RESPONSE = 6,
	PEEL_MSG_DHT_STORE_PEER_REQUEST = 7,
	PEEL_MSG_DHT_STORE_PEER_RESPONSE = 8,
	PEEL_MSG_DHT_CONNECT_PEER_REQUEST = 9,
	PEEL_MSG_DHT_CONNECT_PEER_RESPONSE = 10,
};

/** `varlenH-list`: a count and that many values. */
struct peel_dht_values {
	uint8_t n;
	struct peel_span value[PEEL_DHT_VALUES_MAX];
};

/** A node's address and key. The key may be of a kind we do not use: check with peel_pk_valid(). */
struct peel_dht_contact {
	struct peel_addr addr;
	struct peel_span pk;
};

/** `node-list`: a count and that many nodes. */
struct peel_dht_contacts {
	uint8_t n;
	struct peel_dht_contact contact[PEEL_DHT_NODES_MAX];
};

/* Fixed-size fields point to PEEL_DHT_KEY_LEN and PEEL_DHT_TOKEN_LEN bytes. */

struct peel_dht_store_request {
	uint32_t identifier;
	const uint8_t *token, *target;
	struct peel_dht_values values;
};

struct peel_dht_find_request {
	uint32_t identifier;
	struct peel_addr lan;
	const uint8_t *target;
	uint32_t offset; /* values to skip */
	bool force_nodes;
};

struct peel_dht_find_response {
	uint32_t identifier;
	const uint8_t *token;
	struct peel_dht_values values;
	struct peel_dht_contacts nodes;
};

struct peel_dht_store_peer_request {
	uint32_t identifier;
	const uint8_t *token, *target;
};

struct peel_dht_connect_peer_request {
	uint32_t identifier;
	struct peel_addr lan;
	const uint8_t *target;
};

struct peel_dht_connect_peer_response {
	uint32_t identifier;
	struct peel_dht_contacts nodes;
};

/** Parse an identifier alone: ping-request, and the responses to ping, store and store-peer, which
 * echo the identifier of their request. */
int peel_dht_plain_parse(struct peel_span body, uint32_t *identifier) PEEL_MUST_USE;
/** Write an identifier alone. */
void peel_dht_plain_write(struct peel_writer *w, uint32_t identifier);

/* Parsers reject lists with more values or nodes than a node may send. */

/** Parse store-request. */
int peel_dht_store_request_parse(
	struct peel_span body, struct peel_dht_store_request *out) PEEL_MUST_USE;
/** Parse find-request. */
int peel_dht_find_request_parse(
	struct peel_span body, struct peel_dht_find_request *out) PEEL_MUST_USE;
/** Parse find-response. */
int peel_dht_find_response_parse(
	struct peel_span body, struct peel_dht_find_response *out) PEEL_MUST_USE;
/** Parse store-peer-request. */
int peel_dht_store_peer_request_parse(
	struct peel_span body, struct peel_dht_store_peer_request *out) PEEL_MUST_USE;
/** Parse connect-peer-request. */
int peel_dht_connect_peer_request_parse(
	struct peel_span body, struct peel_dht_connect_peer_request *out) PEEL_MUST_USE;
/** Parse connect-peer-response. */
int peel_dht_connect_peer_response_parse(
	struct peel_span body, struct peel_dht_connect_peer_response *out) PEEL_MUST_USE;

/** Write store-request. */
void peel_dht_store_request_write(struct peel_writer *w, const struct peel_dht_store_request *m);
/** Write find-request. */
void peel_dht_find_request_write(struct peel_writer *w, const struct peel_dht_find_request *m);
/** Write find-response. */
void peel_dht_find_response_write(struct peel_writer *w, const struct peel_dht_find_response *m);
/** Write store-peer-request. */
void peel_dht_store_peer_request_write(
	struct peel_writer *w, const struct peel_dht_store_peer_request *m);
/** Write connect-peer-request. */
void peel_dht_connect_peer_request_write(
	struct peel_writer *w, const struct peel_dht_connect_peer_request *m);
/** Write connect-peer-response. */
void peel_dht_connect_peer_response_write(
	struct peel_writer *w, const struct peel_dht_connect_peer_response *m);

/* ---- stored values, section 21.7 ------------------------------------------------------------- */

/** A stored blob, split. */
struct peel_dht_value {
	struct peel_span data;
	bool is_signed;
	/* the rest only if signed */
	uint32_t version;	    /* time in seconds */
	struct peel_span pk;	    /* 74 bytes with the right magic */
	struct peel_span covered;   /* what the signature covers */
	struct peel_span signature; /* 64 bytes, NOT verified here */
};

/** What is stored under an info hash: where to ask for a seeder, section 21.8. */
struct peel_dht_introduction {
	struct peel_addr address;	/* of the introduction point */
	uint32_t last_seen;		/* time in seconds */
	uint8_t pk[PEEL_PK_LEN];	/* of the introduction point */
	uint8_t seeder_pk[PEEL_PK_LEN]; /* of the seeder, for one info hash */
};
/** Parse the data of a value; what follows the last field is ignored. -EBADMSG: also when it has
 * keys of another kind, or no port. */
int peel_dht_introduction_parse(
	struct peel_span data, struct peel_dht_introduction *out) PEEL_MUST_USE;
/** Write the data of a value. */
void peel_dht_introduction_write(struct peel_writer *w, const struct peel_dht_introduction *m);

/** Split a stored blob of any length. -EBADMSG: neither an unsigned blob nor one signed with a
 * 25519 key. */
int peel_dht_value_parse(struct peel_span blob, struct peel_dht_value *out) PEEL_MUST_USE;
/** Write an unsigned blob. */
void peel_dht_value_write_unsigned(struct peel_writer *w, struct peel_span data);
/** Write a signed blob up to its signature, which peel_sign() appends. The writer must start with
 * the blob. */
void peel_dht_value_begin_signed(struct peel_writer *w, struct peel_span data, uint32_t version,
	const uint8_t pk[PEEL_PK_LEN]);
