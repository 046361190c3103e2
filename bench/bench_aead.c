/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cycles per cell of every AEAD engine: seal and open, by length and burst. Texts are warm, as they are after the stages
 * before; keys are warm too, or drawn at random from 8,192 sessions.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "peel_aead_engines.h"

#define TEXT_MAX 1400
#define TEXT_OFF 37 /* header and salt of a cell: no alignment to rely on */
#define KEYS 8192
#define ENGINES_MAX 8
#define MIX 0 /* in place of a length: 64, 1400 and 512 bytes in turn, a third each */
#define N_MIX 3
#define CELLS_MAX (N_MIX * PEEL_AEAD_BURST)

static const uint32_t lengths[] = {64, 128, 256, 512, 1024, TEXT_MAX, MIX};
static const unsigned int bursts[] = {1, 4, 16, 32, PEEL_AEAD_BURST};

/* As far apart as in a table of sessions. */
struct session {
	struct peel_key key;
} __attribute__((aligned(128)));

static struct session sessions[KEYS];

/* What is timed: one engine, one direction, one kind of keys. */
struct work {
	const struct peel_aead_engine *engine;
	struct peel_aead *cx;
	bool open, cold;
	unsigned int n, cells; /* in a burst; in as many bursts as it takes to mix them evenly */
	uint32_t len;
	uint64_t failed;
	struct peel_aead_op op[CELLS_MAX];
	uint8_t text[CELLS_MAX][1536];
};

static uint32_t
length_of(const struct work *w, unsigned int i)
{
	static const uint32_t mix[N_MIX] = {64, TEXT_MAX, 512};

	return w->len != MIX ? w->len : mix[i % N_MIX];
}

/* Computed, so that preparing a burst does not read the sessions. */
static struct peel_key
key_of(uint64_t number)
{
	struct peel_key key;

	for (size_t i = 0; i < sizeof(key) / sizeof(number); i++) {
		uint64_t x = (number * 4 + i + 1) * 0x9e3779b97f4a7c15u;

		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
		memcpy(key.b + i * sizeof(x), &x, sizeof(x));
	}
	return key;
}

static void
seal(struct work *w)
{
	for (unsigned int i = 0; i < w->cells; i += w->n)
		w->engine->seal(w->cx, &w->op[i], w->n);
}

/* Plaintexts, or ciphertexts made with the keys the bursts will use. */
static void
prepare(void *arg)
{
	struct work *w = arg;
	struct peel_key copy[CELLS_MAX];
	unsigned int session[CELLS_MAX];

	for (unsigned int i = 0; i < w->cells; i++) {
		struct peel_aead_op *op = &w->op[i];

		session[i] = w->cold ? (unsigned int)(bench_random() % KEYS) : i;
		copy[i] = key_of(session[i]);
		op->key = &copy[i];
		op->text = w->text[i] + TEXT_OFF;
		op->len = length_of(w, i);
		memset(op->text, 0x5a, op->len);
	}
	if (w->open)
		seal(w);
	for (unsigned int i = 0; i < w->cells; i++) {
		w->op[i].key = &sessions[session[i]].key;
		w->op[i].len += w->open ? PEEL_AEAD_TAG_LEN : 0;
	}
}

static void
run(void *arg)
{
	struct work *w = arg;

	if (!w->open) {
		seal(w);
		return;
	}
	for (unsigned int i = 0; i < w->cells; i += w->n)
		w->failed |= w->engine->open(w->cx, &w->op[i], w->n);
}

/* Everything that runs interleaved: all engines, both directions, both kinds of keys, for one length and burst. */
struct group {
	struct work work[ENGINES_MAX * 4];
	struct bench_timed timed[ENGINES_MAX * 4];
	size_t n;
};

static struct bench_result *
result_of(struct bench *b, const struct work *w)
{
	const char *name = w->open ? "open" : "seal", *unit = "cycles/cell";
	const char *keys = w->cold ? "8192 cold" : "hot";

	if (w->len == MIX)
		return bench_result(b, name, unit, "{s:s,s:s,s:i,s:s}", "engine", w->engine->name,
			"bytes", "mix", "burst", (int)w->n, "keys", keys);
	return bench_result(b, name, unit, "{s:s,s:i,s:i,s:s}", "engine", w->engine->name, "bytes",
		(int)w->len, "burst", (int)w->n, "keys", keys);
}

static void
compare_engines(const struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		for (size_t k = 0; k < g->n; k++) {
			const struct work *w = &g->work[i], *o = &g->work[k];

			if (w->open != o->open || (w->engine == o->engine) == (w->cold == o->cold))
				continue;
			if (w->engine == o->engine && w->cold)
				bench_vs(g->timed[i].result, "hot", g->timed[k].result);
			else if (w->engine != o->engine)
				bench_vs(g->timed[i].result, o->engine->name, g->timed[k].result);
		}
	}
}

static void
bench_group(struct bench *b, struct group *g, uint32_t len, unsigned int n)
{
	for (size_t i = 0; i < g->n; i++) {
		struct work *w = &g->work[i];

		w->len = len;
		w->n = n;
		w->cells = len == MIX ? N_MIX * n : n;
		g->timed[i] = (struct bench_timed){result_of(b, w), prepare, run, w, w->cells};
	}
	bench_time(b, g->timed, g->n);
	compare_engines(g);
	for (size_t i = 0; i < g->n; i++) {
		if (g->work[i].failed != 0)
			bench_fail("%s: cells did not open", g->work[i].engine->name);
	}
}

static void
add_engine(struct bench *b, struct group *g, const struct peel_aead_engine *engine)
{
	struct peel_aead *cx;

	if (engine->new (&cx) != 0) {
		bench_progress(b, "%s: not on this machine", engine->name);
		return;
	}
	for (unsigned int i = 0; i < 4 && g->n < PEEL_ARRAY_LEN(g->work); i++)
		g->work[g->n++] = (struct work){
			.engine = engine, .cx = cx, .open = i % 2 != 0, .cold = i / 2 != 0};
}

int
main(int argc, char **argv)
{
	static struct group g;
	struct bench b;

	bench_begin(&b, "aead", argc, argv, NULL);
	for (unsigned int i = 0; i < KEYS; i++)
		sessions[i].key = key_of(i);
	for (unsigned int e = 0; peel_aead_engines[e] != NULL; e++)
		add_engine(&b, &g, peel_aead_engines[e]);
	for (unsigned int l = 0; l < PEEL_ARRAY_LEN(lengths); l++) {
		if (lengths[l] == MIX)
			bench_progress(&b, "mixed cells");
		else
			bench_progress(&b, "cells of %u bytes", lengths[l]);
		for (unsigned int k = 0; k < PEEL_ARRAY_LEN(bursts); k++)
			bench_group(&b, &g, lengths[l], bursts[k]);
	}
	for (size_t i = 0; i < g.n; i += 4)
		g.work[i].engine->free(g.work[i].cx);
	return bench_end(&b);
}
