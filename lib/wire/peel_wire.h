/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The building blocks of every message: bounded reader and writer, addresses, prefixes, signed and
 * unsigned frames. Pure functions; what they parse borrows the caller's bytes. Source: protocol
 * sections 3 to 6. Thread: any.
 */

#include "peel_base.h"

#define PEEL_PREFIX_LEN 22 /* 0x00, version, community id */
#define PEEL_COMMUNITY_LEN 20
#define PEEL_HEADER_LEN 23 /* prefix and message id */
#define PEEL_PK_LEN 74	   /* "LibNaCLPK:", X25519, Ed25519 */
#define PEEL_MID_LEN 20
#define PEEL_SIGNATURE_LEN 64
#define PEEL_DATAGRAM_MAX 2048 /* we never send more, protocol section 25 */

/** Borrowed bytes. */
struct peel_span {
	const uint8_t *p;
	size_t len;
};

/** Reads forward. Once something does not fit, `bad` stays set, values are zero and spans empty. */
struct peel_reader {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

/** Writes forward. Once something does not fit, `full` stays set and nothing more is written. */
struct peel_writer {
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	bool full;
};

/** Make a reader of @p len borrowed bytes. @p p may be NULL if @p len is 0. */
struct peel_reader peel_reader_init(const void *p, size_t len);
/** The number of bytes left to read. */
size_t peel_reader_left(const struct peel_reader *r);
/** Read a byte. */
uint8_t peel_read_u8(struct peel_reader *r);
/** Read 2 bytes, big-endian. */
uint16_t peel_read_u16(struct peel_reader *r);
/** Read 4 bytes, big-endian. */
uint32_t peel_read_u32(struct peel_reader *r);
/** Read 8 bytes, big-endian. */
uint64_t peel_read_u64(struct peel_reader *r);
/** Borrow exactly @p n bytes; NULL if there are fewer. */
const uint8_t *peel_read_bytes(struct peel_reader *r, size_t n);
/** Borrow a `varlenH`: u16 length, then that many bytes (section 4). */
struct peel_span peel_read_varlen(struct peel_reader *r);
/** Borrow a `raw`: everything that is left (section 4). */
struct peel_span peel_read_rest(struct peel_reader *r);

/** Make a writer into the caller's @p size bytes. */
struct peel_writer peel_writer_init(void *p, size_t size);
/** The number of bytes written so far, or -ENOSPC. */
int peel_writer_len(const struct peel_writer *w);
/** Write a byte. */
void peel_write_u8(struct peel_writer *w, uint8_t v);
/** Write 2 bytes, big-endian. */
void peel_write_u16(struct peel_writer *w, uint16_t v);
/** Write 4 bytes, big-endian. */
void peel_write_u32(struct peel_writer *w, uint32_t v);
/** Write 8 bytes, big-endian. */
void peel_write_u64(struct peel_writer *w, uint64_t v);
/** Write @p n bytes as they are. */
void peel_write_bytes(struct peel_writer *w, const void *p, size_t n);
/** Write a `varlenH`; more than 65535 bytes do not fit. */
void peel_write_varlen(struct peel_writer *w, const void *p, size_t n);

/* ---- addresses, section 4 -------------------------------------------------------------------- */

enum peel_host_type {
	PEEL_HOST_IPV4 = 1,
	PEEL_HOST_NAME = 2,
	PEEL_HOST_IPV6 = 3,
};

/** `address`: an IP address, or a domain name to be resolved (UTF-8, not terminated, borrowed). */
struct peel_host {
	uint8_t type;	       /* enum peel_host_type */
	struct peel_addr addr; /* of types 1 and 3; for names only addr.port is set (family NONE) */
	struct peel_span name; /* of type 2 */
};

/** Read an `ipv4`: 4 bytes of address, 2 of port. */
struct peel_addr peel_read_ipv4(struct peel_reader *r);
/** Write an `ipv4`. An IPv6 address becomes 0.0.0.0:0. */
void peel_write_ipv4(struct peel_writer *w, const struct peel_addr *a);
/** Read an `ip_address`: types 1 and 3; any other type is bad. */
struct peel_addr peel_read_ip_address(struct peel_reader *r);
/** Write an `ip_address`. Family NONE becomes 0.0.0.0:0. */
void peel_write_ip_address(struct peel_writer *w, const struct peel_addr *a);
/** Read an `address`: types 1, 2 and 3. A name that is not valid UTF-8 is bad. */
struct peel_host peel_read_address(struct peel_reader *r);
/** Write an `address`. */
void peel_write_address(struct peel_writer *w, const struct peel_host *h);
/** Whether @p len bytes are valid UTF-8. */
bool peel_utf8_valid(const uint8_t *p, size_t len);

/* ---- prefix and frames, sections 3 and 6 ----------------------------------------------------- */

/** Build the prefix of a community's datagrams: 0x00, 0x02, community id (section 3). */
void peel_prefix_build(
	uint8_t prefix[PEEL_PREFIX_LEN], const uint8_t community[PEEL_COMMUNITY_LEN]);

/** Whether it is a 25519 key: exactly 74 bytes with the right magic (section 5.1). */
bool peel_pk_valid(struct peel_span pk);
/** Borrow the `varlenH` of such a key; any other is bad. */
struct peel_span peel_read_pk(struct peel_reader *r);

/** The parts of a signed datagram. lib/keys verifies the signature, NOT this library. */
struct peel_signed {
	uint8_t id;
	struct peel_span pk; /* 74 bytes with the right magic, or a legacy key if allowed */
	bool legacy; /* DER key of a named binary curve: bootstrap servers only, section 5.2 */
	struct peel_span body; /* from after the key (and clock) up to the signature */
	uint64_t clock;	       /* 0 without clock */
	/* what the signature covers: from the start of the datagram up to the signature */
	struct peel_span covered;
	struct peel_span signature; /* 64 bytes, or the length for the legacy curve */
};

/** Split a signed datagram (section 6). @p with_clock: discovery messages have a clock, destroy and
 * DHT messages do not. @p allow_legacy: accept the four legacy curves. 0 or -EBADMSG. The caller
 * compares the prefix. */
int peel_signed_parse(const uint8_t *data, size_t len, bool with_clock, bool allow_legacy,
	struct peel_signed *out) PEEL_MUST_USE;

/** Begin a signed message: prefix, id, `varlenH` of the key and, if @p with_clock, the clock. The
 * caller appends the body, then the 64-byte signature of everything written so far (peel_sign in
 * lib/keys). */
void peel_signed_begin(struct peel_writer *w, const uint8_t prefix[PEEL_PREFIX_LEN], uint8_t id,
	const uint8_t pk[PEEL_PK_LEN], bool with_clock, uint64_t clock);

/** Begin an unsigned message with a clock (puncture-request, discovery ping and pong). */
void peel_unsigned_begin(
	struct peel_writer *w, const uint8_t prefix[PEEL_PREFIX_LEN], uint8_t id, uint64_t clock);
