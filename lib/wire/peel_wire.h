/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The parts every message is made of: bounded reader and writer, addresses, prefixes, signed and
 * unsigned frames. Pure functions: bytes in, view out. Views borrow the caller's bytes. Source:
 * protocol sections 3 to 6.
 *
 * All functions here may be called from any thread. Parsers return 0 or -EBADMSG; builders return
 * the length written or -ENOSPC.
 */

#include "peel_base.h"

#define PEEL_PREFIX_LEN 22 /* 0x00, version, community id */
#define PEEL_COMMUNITY_LEN 20
#define PEEL_HEADER_LEN 23 /* prefix and message id */
#define PEEL_PK_LEN 74	   /* "LibNaCLPK:", X25519, Ed25519 */
#define PEEL_MID_LEN 20
#define PEEL_SIGNATURE_LEN 64
#define PEEL_DATAGRAM_MAX 2048 /* never send more, protocol section 25 */

/** Borrowed bytes. */
struct peel_span {
	const uint8_t *p;
	size_t len;
};

/** Reads forward; once something did not fit, `bad` stays set, values are zero and spans empty. */
struct peel_reader {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

/** Writes forward; once something did not fit, `full` stays set and nothing more is written. */
struct peel_writer {
	uint8_t *start;
	uint8_t *p;
	uint8_t *end;
	bool full;
};

struct peel_reader peel_reader_init(const void *p, size_t len);
size_t peel_reader_left(const struct peel_reader *r);
uint8_t peel_read_u8(struct peel_reader *r);
uint16_t peel_read_u16(struct peel_reader *r);
uint32_t peel_read_u32(struct peel_reader *r);
uint64_t peel_read_u64(struct peel_reader *r);
/** Exactly n bytes; NULL when there are fewer. */
const uint8_t *peel_read_bytes(struct peel_reader *r, size_t n);
/** `varlenH`: u16 length, then the bytes. */
struct peel_span peel_read_varlen(struct peel_reader *r);
/** `raw`: everything that is left. */
struct peel_span peel_read_rest(struct peel_reader *r);

struct peel_writer peel_writer_init(void *p, size_t size);
/** Bytes written so far, or -ENOSPC. */
int peel_writer_len(const struct peel_writer *w);
void peel_write_u8(struct peel_writer *w, uint8_t v);
void peel_write_u16(struct peel_writer *w, uint16_t v);
void peel_write_u32(struct peel_writer *w, uint32_t v);
void peel_write_u64(struct peel_writer *w, uint64_t v);
void peel_write_bytes(struct peel_writer *w, const void *p, size_t n);
void peel_write_varlen(struct peel_writer *w, const void *p, size_t n);

/* ---- addresses, section 4 -------------------------------------------------------------------- */

enum peel_host_type {
	PEEL_HOST_IPV4 = 1,
	PEEL_HOST_NAME = 2,
	PEEL_HOST_IPV6 = 3,
};

/** `address`: an IP address, or a domain name still to be resolved (UTF-8, not terminated,
 * borrowed). */
struct peel_host {
	uint8_t type;	       /* enum peel_host_type */
	struct peel_addr addr; /* of types 1 and 3; for names only addr.port is set (family NONE) */
	struct peel_span name; /* of type 2 */
};

/** `ipv4`: 6 bytes. Writing an IPv6 address writes 0.0.0.0:0. */
struct peel_addr peel_read_ipv4(struct peel_reader *r);
void peel_write_ipv4(struct peel_writer *w, const struct peel_addr *a);
/** `ip_address`: types 1 and 3; any other type is bad. A PEEL_FAMILY_NONE address is written as
 * 0.0.0.0:0. */
struct peel_addr peel_read_ip_address(struct peel_reader *r);
void peel_write_ip_address(struct peel_writer *w, const struct peel_addr *a);
/** `address`: types 1, 2 and 3; a name that is not valid UTF-8 is bad. */
struct peel_host peel_read_address(struct peel_reader *r);
void peel_write_address(struct peel_writer *w, const struct peel_host *h);
bool peel_utf8_valid(const uint8_t *p, size_t len);

/* ---- prefix and frames, sections 3 and 6 ----------------------------------------------------- */

/** 0x00, 0x02, community id. */
void peel_prefix_build(
	uint8_t prefix[PEEL_PREFIX_LEN], const uint8_t community[PEEL_COMMUNITY_LEN]);

/** A 25519 key of exactly 74 bytes with the right magic. */
bool peel_pk_valid(struct peel_span pk);
/** `varlenH` of such a key; any other is bad. */
struct peel_span peel_read_pk(struct peel_reader *r);

/** A signed datagram taken apart. The signature is NOT verified here (lib/keys does). */
struct peel_signed {
	uint8_t id;
	struct peel_span pk; /* 74 bytes with good magic, or a legacy key when allowed */
	bool legacy; /* DER key of a named binary curve: only bootstrap servers, section 5.2 */
	struct peel_span body; /* after key (and clock), up to the signature */
	uint64_t clock;	       /* 0 without clock */
	/* what the signature covers: datagram start up to the signature */
	struct peel_span covered;
	struct peel_span signature; /* 64 bytes, or as long as the legacy curve says */
};

/** Split a signed datagram. @p with_clock: discovery messages have a clock, destroy and DHT
 * messages do not.
 *  @p allow_legacy: accept the four legacy curves. */
int peel_signed_parse(const uint8_t *data, size_t len, bool with_clock, bool allow_legacy,
	struct peel_signed *out) PEEL_MUST_USE;

/** Begin a signed message: prefix, id, varlenH pk74 and, when @p with_clock, the clock. The caller
 * appends the body, then the 64 byte signature over everything written so far (peel_sign in
 * lib/keys). */
void peel_signed_begin(struct peel_writer *w, const uint8_t prefix[PEEL_PREFIX_LEN], uint8_t id,
	const uint8_t pk[PEEL_PK_LEN], bool with_clock, uint64_t clock);

/** Begin an unsigned message with clock (puncture-request, discovery ping and pong). */
void peel_unsigned_begin(
	struct peel_writer *w, const uint8_t prefix[PEEL_PREFIX_LEN], uint8_t id, uint64_t clock);
