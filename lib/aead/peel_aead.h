/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * ChaCha20-Poly1305-IETF in bursts, without associated data (protocol section 12.3, RFC 8439).
 * Engines live in drivers/aead; the program lists the ones it has.
 */

#include "peel_base.h"

#define PEEL_AEAD_TAG_LEN 16
#define PEEL_AEAD_NONCE_LEN 12
/* so that a uint64_t is a mask */
#define PEEL_AEAD_BURST 64
/* bytes of a plaintext: no datagram has more */
#define PEEL_AEAD_TEXT_MAX 65535

/** One operation, in place. */
struct peel_aead_op {
	/* not copied; its line already prefetched; the 16 bytes behind it can be read (AVX2 code of
	 * ipsec_mb does) */
	const struct peel_key *key;
	/* any alignment; sealing: 16 writable bytes behind it for the tag */
	uint8_t *text;
	/* sealing: plaintext bytes, up to PEEL_AEAD_TEXT_MAX; opening: with the tag's 16 */
	uint32_t len;
	/* salt 4, explicit salt 8 */
	uint8_t nonce[PEEL_AEAD_NONCE_LEN];
};

struct peel_aead; /* an engine's context: one per thread, never shared */

struct peel_aead_engine {
	const char *name; /* as in the configuration */
	/** How many operations it works on at once. Callers who can choose pass that many at a
	 * time; 0, 1: as many as they like. */
	unsigned int lanes;
	/** Make a context. 0, -ENOTSUP if this CPU cannot run the engine, or -ENOMEM. */
	int (*new)(struct peel_aead **out);
	void (*free)(struct peel_aead *cx); /* NULL is fine */
	/** Seal op[0..n), n <= PEEL_AEAD_BURST. len 0 is legal (tag only). Cannot fail. */
	void (*seal)(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n);
	/** Open op[0..n), n <= PEEL_AEAD_BURST. Bit i of the result is set if op[i] failed (wrong
	 * tag, or len < 16); its text is then zeroed. */
	uint64_t (*open)(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n);
};

/**
 * Check the engine with the known answers of RFC 8439 (2.8.2, A.5) and with many lengths, sealing
 * and opening in bursts; forged tags must fail.
 * @return 0, -EILSEQ if the engine computes wrongly and must not be used, or the error of its
 *         new(). Thread: any.
 */
int peel_aead_self_test(const struct peel_aead_engine *engine) PEEL_MUST_USE;
