/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cycles per cell of every AEAD engine: seal and open, by length and burst. Texts and keys are warm, as they are after the
 * stages before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "peel_aead_engines.h"

#define TEXT_MAX 1400
#define TEXT_OFF 37 /* header and salt of a cell: no alignment to rely on */

static const uint32_t lengths[] = {64, 128, 256, 512, 1024, TEXT_MAX};
static const unsigned int bursts[] = {1, 4, 16, 32, PEEL_AEAD_BURST};

struct state {
	struct bench bench;
	struct peel_key key[PEEL_AEAD_BURST];
	uint8_t text[PEEL_AEAD_BURST][2048];
	uint8_t sealed[PEEL_AEAD_BURST][2048];
	struct peel_aead_op op[PEEL_AEAD_BURST];
};

static void
prepare(struct state *s, uint32_t len)
{
	for (unsigned int i = 0; i < PEEL_AEAD_BURST; i++) {
		uint64_t r[4] = {bench_random(), bench_random(), bench_random(), bench_random()};

		memcpy(&s->key[i], r, sizeof(s->key[i]));
		s->op[i].key = &s->key[i];
		memcpy(s->op[i].nonce, r, sizeof(s->op[i].nonce));
		s->op[i].text = s->text[i] + TEXT_OFF;
		s->op[i].len = len;
		memset(s->op[i].text, (int)r[0], len);
	}
}

static void
restore(struct state *s, unsigned int n, uint32_t len)
{
	for (unsigned int i = 0; i < n; i++)
		memcpy(s->text[i] + TEXT_OFF, s->sealed[i] + TEXT_OFF, len);
}

static void
run(struct state *s, const struct peel_aead_engine *e, struct peel_aead *cx, uint32_t len,
	unsigned int n)
{
	struct bench *b = &s->bench;
	char name[64];
	uint64_t failed = 0;

	prepare(s, len);
	BENCH(b, , e->seal(cx, s->op, n))
	snprintf(name, sizeof(name), "%s seal %u", e->name, len);
	bench_report(b, name, n, n);
	prepare(s, len);
	e->seal(cx, s->op, n);
	memcpy(s->sealed, s->text, sizeof(s->text));
	for (unsigned int i = 0; i < n; i++)
		s->op[i].len = len + PEEL_AEAD_TAG_LEN;
	BENCH(b, restore(s, n, len + PEEL_AEAD_TAG_LEN), failed |= e->open(cx, s->op, n))
	if (failed != 0) {
		fprintf(stderr, "%s: cells did not open\n", e->name);
		exit(1);
	}
	snprintf(name, sizeof(name), "%s open %u", e->name, len);
	bench_report(b, name, n, n);
}

int
main(int argc, char **argv)
{
	static struct state s;

	bench_begin(&s.bench, argc, argv);
	for (unsigned int e = 0; peel_aead_engines[e] != NULL; e++) {
		const struct peel_aead_engine *engine = peel_aead_engines[e];
		struct peel_aead *cx;

		if (engine->new (&cx) != 0) {
			printf("%s: not on this machine\n", engine->name);
			continue;
		}
		for (unsigned int l = 0; l < PEEL_ARRAY_LEN(lengths); l++) {
			for (unsigned int k = 0; k < PEEL_ARRAY_LEN(bursts); k++)
				run(&s, engine, cx, lengths[l], bursts[k]);
		}
		engine->free(cx);
	}
	return 0;
}
