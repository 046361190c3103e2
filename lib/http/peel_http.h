/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The HTTP that exits do for circuits: which requests they make, when an answer is complete, which
 * answers may go back, and how these are cut into parts and reassembled. State machines without I/O
 * or clock. Source: protocol section 22.2. Thread: one at a time per object (control).
 */

#include "peel_base.h"

#define PEEL_HTTP_REQUEST_MAX 8192 /* bytes of a request */
#define PEEL_HTTP_REQUEST_MORE 27  /* bytes by which peel_http_request_take may lengthen it */
#define PEEL_HTTP_ANSWER_MAX 65535 /* bytes of an answer, including the header */
#define PEEL_HTTP_PART_LEN 1400
#define PEEL_HTTP_PARTS_MAX ((PEEL_HTTP_ANSWER_MAX + PEEL_HTTP_PART_LEN - 1) / PEEL_HTTP_PART_LEN)
#define PEEL_HTTP_TIME_MS 5000 /* at an exit, from request to answer */
/* at an originator: longer, so that the exit gives up first and has room for another request */
#define PEEL_HTTP_WAIT_MS 5500
#define PEEL_HTTP_PER_CIRCUIT 5	   /* concurrent requests per circuit */
#define PEEL_BENCODE_DEPTH_MAX 100 /* nested lists and dictionaries */

/* ---- bencode --------------------------------------------------------------------------------- */

/** Checks whether a stream of bytes begins with a bencoded value. As lenient as libtorrent's
 * decoder, which the reference implementation uses. It needs a few words of memory, whatever the
 * depth. */
struct peel_bencode {
	uint64_t dicts[2]; /* bit n: the n-th open container from outside is a dictionary */
	/* bytes of the string still to come, or the part of its length read so far */
	uint32_t left;
	uint8_t depth; /* open containers */
	uint8_t state; /* enum bencode_state */
	bool want_key; /* whether the innermost dictionary expects a key */
};

void peel_bencode_init(struct peel_bencode *b);
/** Check more bytes. 0, or -EBADMSG from the first byte that cannot belong to a bencoded value.
 * Keys are strings (in any order); containers nest at most PEEL_BENCODE_DEPTH_MAX deep. Leading
 * zeros pass, and so does anything after the value, because many servers add a newline. */
int peel_bencode_feed(struct peel_bencode *b, const void *data, size_t len) PEEL_MUST_USE;
/** Whether the value is complete. */
bool peel_bencode_done(const struct peel_bencode *b);

/* ---- the exit's side ------------------------------------------------------------------------- */

/**
 * Accept one complete GET request of HTTP/1.0 or 1.1 without a body, and with nothing before or
 * after it. Other methods ask a server to do something; no tracker needs that, and exits should not
 * be used for it. The lines are copied to @p out, except that Accept-Encoding becomes `identity`,
 * because answers have to be read on the way back.
 *
 * @param request What a circuit sent.
 * @param len     Its length in bytes.
 * @param out	[len + PEEL_HTTP_REQUEST_MORE]
 * @return	Length of the request to send, or -EBADMSG.
 */
int peel_http_request_take(const void *request, size_t len, void *out) PEEL_MUST_USE;

struct peel_http_answer;

/** Make an answer that grows as it arrives: a header, then a body delimited by content-length, by
 * chunks or by the server closing the connection. 0 or -ENOMEM. */
int peel_http_answer_new(struct peel_http_answer **out) PEEL_MUST_USE;
/** Free it. NULL is fine. */
void peel_http_answer_free(struct peel_http_answer *a);
/**
 * Take more bytes from the connection. 1: complete and may go back; 0: incomplete. Errors are
 * final: -EBADMSG: not HTTP/1.x, or neither `HTTP/1.1 307` nor bencoded (known at the first wrong
 * byte); -EMSGSIZE: more than PEEL_HTTP_ANSWER_MAX; -ENOMEM.
 */
int peel_http_answer_feed(struct peel_http_answer *a, const void *data, size_t len) PEEL_MUST_USE;
/** Note that the server closed the connection. 1 as above, or -EBADMSG: the answer is cut short or
 * may not go back. */
int peel_http_answer_end(struct peel_http_answer *a) PEEL_MUST_USE;

/** The bytes as received, up to the end of the body; borrowed. */
const uint8_t *peel_http_answer_bytes(const struct peel_http_answer *a, size_t *len);

/** The number of parts that an answer of @p len bytes is cut into. */
static inline unsigned int
peel_http_n_parts(size_t len)
{
	return (unsigned int)((len + PEEL_HTTP_PART_LEN - 1) / PEEL_HTTP_PART_LEN);
}

/* ---- the originator's side ------------------------------------------------------------------- */

/** Parts of one answer, in any order. Zero-initialise to start; end with peel_http_parts_free. */
struct peel_http_parts {
	uint8_t *part[PEEL_HTTP_PARTS_MAX]; /* NULL: not here yet */
	uint16_t len[PEEL_HTTP_PARTS_MAX];
	uint16_t total; /* 0: no part has come yet */
	uint16_t n;	/* parts that are here */
	uint32_t bytes; /* of all parts */
};

/** Add a part, which is copied. 1: all parts are here; 0: more to come, also if the part is here
 * already; -EBADMSG: another total than before, part >= total, or total or bytes beyond the limits
 * (the part is ignored); -ENOMEM. */
int peel_http_parts_add(struct peel_http_parts *p, uint16_t part, uint16_t total, const void *data,
	size_t len) PEEL_MUST_USE;
/** Join all parts into one block of p->bytes bytes (not NULL for 0 bytes), which the caller frees
 * with free(). NULL: out of memory, or parts are missing. */
uint8_t *peel_http_parts_join(const struct peel_http_parts *p);
void peel_http_parts_free(struct peel_http_parts *p);
