/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Bursts go through the job ring of a manager that belongs to this thread. Of the library's
 * interfaces (job, burst, direct calls) bursts cost least from four cells on. They also store the
 * process-wide imb_errno once per burst instead of once per cell: a line that all workers would
 * otherwise fight over. lib/aead/README.md has the numbers.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <intel-ipsec-mb.h>

#include "peel_aead_ipsec_mb.h"
#include "peel_aead_tags.h"

_Static_assert(PEEL_AEAD_BURST <= IMB_MAX_BURST_SIZE, "one burst of ours is one burst of theirs");

struct peel_aead {
	IMB_MGR *mgr;
	/* computed when opening */
	uint8_t tag[PEEL_AEAD_BURST][PEEL_AEAD_TAG_LEN];
};

/* What every job has in common. The library never resets the jobs of its ring and only we use this
 * manager, so this is set once per ring entry. */
static void
fill_template(IMB_JOB *job)
{
	static const uint8_t no_aad;

	job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
	job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
	job->key_len_in_bytes = sizeof(struct peel_key);
	job->cipher_start_src_offset_in_bytes = 0;
	job->hash_start_src_offset_in_bytes = 0;
	job->iv_len_in_bytes = PEEL_AEAD_NONCE_LEN;
	job->auth_tag_output_len_in_bytes = PEEL_AEAD_TAG_LEN;
	job->u.CHACHA20_POLY1305.aad = &no_aad;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = 0;
}

static inline void
set_job(IMB_JOB *job, const struct peel_aead_op *op, uint32_t len, uint8_t *tag)
{
	job->enc_keys = op->key->b; /* for both directions */
	job->src = op->text;
	job->dst = op->text;
	job->msg_len_to_cipher_in_bytes = len;
	job->msg_len_to_hash_in_bytes = len;
	job->iv = op->nonce;
	job->auth_tag_output = tag;
}

static inline void
submit(IMB_MGR *mgr, uint32_t n, IMB_JOB **job)
{
/* Later versions choose the code path by a session, which only the checked call fills in. */
#if defined(NDEBUG) && IMB_VERSION_NUM < IMB_VERSION(1, 4, 0)
	uint32_t done = IMB_SUBMIT_BURST_NOCHECK(mgr, n, job);
#else
	uint32_t done = IMB_SUBMIT_BURST(mgr, n, job);
#endif

	/* These ciphers complete at once: nothing ever waits in the ring. */
	assert(done == n);
	(void)done;
}

static void
ipsec_mb_seal(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	IMB_JOB *job[PEEL_AEAD_BURST];

	if (n == 0)
		return;
	IMB_GET_NEXT_BURST(cx->mgr, n, job);
	for (unsigned int i = 0; i < n; i++) {
		set_job(job[i], &op[i], op[i].len, op[i].text + op[i].len);
		job[i]->cipher_direction = IMB_DIR_ENCRYPT;
		job[i]->chain_order = IMB_ORDER_CIPHER_HASH;
	}
	submit(cx->mgr, n, job);
}

static uint64_t
ipsec_mb_open(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	IMB_JOB *job[PEEL_AEAD_BURST];
	uint64_t valid = 0, failed = 0;
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t is_short = op[i].len < PEEL_AEAD_TAG_LEN;

		failed |= is_short << i;
		valid |= (is_short ^ 1) << i;
	}
	if (valid != 0)
		IMB_GET_NEXT_BURST(cx->mgr, (uint32_t)__builtin_popcountll(valid), job);
	for (uint64_t left = valid; left != 0; left &= left - 1, k++) {
		unsigned int i = (unsigned int)__builtin_ctzll(left);

		set_job(job[k], &op[i], op[i].len - PEEL_AEAD_TAG_LEN, cx->tag[i]);
		job[k]->cipher_direction = IMB_DIR_DECRYPT;
		job[k]->chain_order = IMB_ORDER_HASH_CIPHER;
	}
	if (k > 0)
		submit(cx->mgr, k, job);
	/* Only the ciphertext was decrypted in place: the tags behind the texts are as they came.
	 */
	for (uint64_t left = valid; left != 0; left &= left - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(left);

		failed |= peel_aead_tag_differs(
				  cx->tag[i], op[i].text + op[i].len - PEEL_AEAD_TAG_LEN)
			  << i;
	}
	if (__builtin_expect(failed != 0, 0))
		peel_aead_wipe_failed(op, n, failed, cx->tag);
	return failed;
}

static void
ipsec_mb_free(struct peel_aead *cx)
{
	if (cx == NULL)
		return;
	peel_secret_free(cx->mgr, imb_get_mb_mgr_size());
	peel_wipe(cx, sizeof(*cx));
	free(cx);
}

/* Walk once around the ring, sealing empty texts, so that every entry of it carries the
 * template. */
static int
fill_ring(struct peel_aead *cx)
{
	static const struct peel_key zero_key;
	uint8_t tag[PEEL_AEAD_TAG_LEN];
	struct peel_aead_op op = {.key = &zero_key, .text = tag};
	IMB_JOB *job[PEEL_AEAD_BURST];

	for (unsigned int i = 0; i < IMB_MAX_JOBS; i += PEEL_AEAD_BURST) {
		if (IMB_GET_NEXT_BURST(cx->mgr, PEEL_AEAD_BURST, job) != PEEL_AEAD_BURST)
			return -ENOTSUP;
		for (unsigned int k = 0; k < PEEL_AEAD_BURST; k++) {
			fill_template(job[k]);
			set_job(job[k], &op, 0, tag);
			job[k]->cipher_direction = IMB_DIR_ENCRYPT;
			job[k]->chain_order = IMB_ORDER_CIPHER_HASH;
		}
		if (IMB_SUBMIT_BURST(cx->mgr, PEEL_AEAD_BURST, job) != PEEL_AEAD_BURST)
			return -ENOTSUP;
	}
	return 0;
}

static int
make(struct peel_aead **out, bool at_most_avx2)
{
	struct peel_aead *cx = calloc(1, sizeof(*cx));
	IMB_ARCH arch = IMB_ARCH_NONE;
	void *memory;
	int rc = -ENOMEM;

	*out = NULL;
	if (cx == NULL)
		return -ENOMEM;
	/* It keeps copies of keys. */
	memory = peel_secret_alloc(imb_get_mb_mgr_size());
	if (memory == NULL)
		goto fail;
	cx->mgr = imb_set_pointers_mb_mgr(memory, 0, 1);
	rc = -ENOTSUP;
	init_mb_mgr_auto(cx->mgr, &arch);
	if (at_most_avx2) {
		if (arch != IMB_ARCH_AVX512)
			goto fail;
		init_mb_mgr_avx2(cx->mgr);
	}
	if (imb_get_errno(cx->mgr) != 0 || arch == IMB_ARCH_NONE)
		goto fail;
	rc = fill_ring(cx);
	if (rc != 0)
		goto fail;
	*out = cx;
	return 0;
fail:
	ipsec_mb_free(cx);
	return rc;
}

static int
ipsec_mb_new(struct peel_aead **out)
{
	return make(out, false);
}

static int
ipsec_mb_avx2_new(struct peel_aead **out)
{
	return make(out, true);
}

const struct peel_aead_engine peel_aead_ipsec_mb = {
	.name = "ipsec_mb",
	.new = ipsec_mb_new,
	.free = ipsec_mb_free,
	.seal = ipsec_mb_seal,
	.open = ipsec_mb_open,
};

const struct peel_aead_engine peel_aead_ipsec_mb_avx2 = {
	.name = "ipsec_mb, AVX2",
	.new = ipsec_mb_avx2_new,
	.free = ipsec_mb_free,
	.seal = ipsec_mb_seal,
	.open = ipsec_mb_open,
};
