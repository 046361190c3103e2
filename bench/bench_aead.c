/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cycles per cell of every AEAD engine: seal and open, by length and burst. Texts are warm, as
 * earlier stages leave them. Keys are warm as well, or drawn at random from 8,192 sessions. In the
 * case "open, one forged" one cell of each burst is: the others should not have to wait for it.
 * --engines names those to compare, separated by colons.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "peel_aead_engines.h"

#define TEXT_MAX 1400
#define TEXT_OFF 37 /* header and salt of a cell: no alignment to rely on */
#define KEYS 8192
#define ENGINES_MAX 5
#define MIX 0 /* in place of a length: 64, 1400 and 512 bytes in turn, a third each */
#define N_MIX 3
#define CELLS_MAX (N_MIX * PEEL_AEAD_BURST)

static const uint32_t lengths[] = {64, 128, 256, 512, 1024, TEXT_MAX, MIX};
static const unsigned int bursts[] = {1, 4, 8, 16, 32, PEEL_AEAD_BURST};
#define N_LENGTHS PEEL_ARRAY_LEN(lengths)
#define N_BURSTS PEEL_ARRAY_LEN(bursts)

/* As far apart as in a table of sessions. */
struct session {
	struct peel_key key;
} __attribute__((aligned(128)));

static struct session sessions[KEYS];

/* What is measured of an engine. */
static const struct lane_kind {
	const char *name;
	bool open, cold, forged;
} lane_kinds[] = {
	{"seal", false, false, false},
	{"open", true, false, false},
	{"seal", false, true, false},
	{"open", true, true, false},
	{"open, one forged", true, false, true},
};

#define LANES_PER_ENGINE PEEL_ARRAY_LEN(lane_kinds)
#define LANES_MAX (ENGINES_MAX * LANES_PER_ENGINE)
#define WORKS_MAX (LANES_MAX * N_LENGTHS * N_BURSTS)

struct lane {
	const struct peel_aead_engine *engine;
	struct peel_aead *cx;
	struct lane_kind kind;
	bool wrong; /* cells failed that were not forged, or the other way round */
	struct peel_aead_op op[CELLS_MAX];
	uint8_t text[CELLS_MAX][1536];
};

/* What is timed. */
struct work {
	struct lane *lane;
	unsigned int n, cells; /* in a burst; in as many bursts as it takes to mix them evenly */
	uint32_t len;
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
seal(const struct work *w)
{
	struct lane *l = w->lane;

	for (unsigned int i = 0; i < w->cells; i += w->n)
		l->engine->seal(l->cx, &l->op[i], w->n);
}

/* Plaintexts, or ciphertexts made with the keys the bursts will use. */
static void
prepare(void *arg)
{
	const struct work *w = arg;
	struct lane *l = w->lane;
	struct peel_key copy[CELLS_MAX];
	unsigned int session[CELLS_MAX];

	for (unsigned int i = 0; i < w->cells; i++) {
		struct peel_aead_op *op = &l->op[i];

		session[i] = l->kind.cold ? (unsigned int)(bench_random() % KEYS) : i;
		copy[i] = key_of(session[i]);
		op->key = &copy[i];
		op->text = l->text[i] + TEXT_OFF;
		op->len = length_of(w, i);
		memset(op->text, 0x5a, op->len);
	}
	if (l->kind.open)
		seal(w);
	for (unsigned int i = 0; i < w->cells; i++) {
		l->op[i].key = &sessions[session[i]].key;
		l->op[i].len += l->kind.open ? PEEL_AEAD_TAG_LEN : 0;
		if (l->kind.forged && i % w->n == w->n / 2)
			l->op[i].text[l->op[i].len - 1] ^= 1;
	}
}

static void
run(void *arg)
{
	const struct work *w = arg;
	struct lane *l = w->lane;

	if (!l->kind.open) {
		seal(w);
		return;
	}
	for (unsigned int i = 0; i < w->cells; i += w->n)
		l->wrong |= l->engine->open(l->cx, &l->op[i], w->n) != (uint64_t)l->kind.forged
									       << w->n / 2;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static struct lane lanes[LANES_MAX];
static size_t n_lanes;

/* A round goes over all of them, the lanes of one length and burst in a row. */
static struct work work[WORKS_MAX];
static struct bench_timed timed[WORKS_MAX];
static size_t n_works;

static struct bench_result *
result_of(struct bench *b, const struct work *w)
{
	const struct lane *l = w->lane;
	const char *name = l->kind.name, *unit = "cycles/cell";
	const char *keys = l->kind.cold ? "8192 cold" : "hot";

	if (w->len == MIX)
		return bench_result(b, name, unit, "{s:s,s:s,s:i,s:s}", "engine", l->engine->name,
			"bytes", "mix", "burst", (int)w->n, "keys", keys);
	return bench_result(b, name, unit, "{s:s,s:i,s:i,s:s}", "engine", l->engine->name, "bytes",
		(int)w->len, "burst", (int)w->n, "keys", keys);
}

static void
add_group(struct bench *b, uint32_t len, unsigned int n)
{
	for (size_t i = 0; i < n_lanes; i++) {
		struct work *w = &work[n_works];

		*w = (struct work){&lanes[i], n, len == MIX ? N_MIX * n : n, len};
		timed[n_works++] = (struct bench_timed){result_of(b, w), prepare, run, w, w->cells};
	}
}

/* Within a group: engines with each other, cold keys with hot ones, one forged cell with none. */
static void
compare(const struct bench_timed *group)
{
	for (size_t i = 0; i < n_lanes; i++) {
		for (size_t k = 0; k < n_lanes; k++) {
			const struct lane *l = &lanes[i], *o = &lanes[k];

			if (l->kind.open != o->kind.open || o->kind.forged)
				continue;
			if (l->engine == o->engine && l->kind.forged && !o->kind.cold)
				bench_vs(group[i].result, "none forged", group[k].result);
			else if (l->engine == o->engine && l->kind.cold && !o->kind.cold)
				bench_vs(group[i].result, "hot", group[k].result);
			else if (l->engine != o->engine && l->kind.cold == o->kind.cold &&
				 !l->kind.forged)
				bench_vs(group[i].result, o->engine->name, group[k].result);
		}
	}
}

static bool
wanted(const struct bench *b, const char *name)
{
	const char *list = bench_option(b, "engines");
	size_t len = strlen(name);

	for (const char *at = list; at != NULL && *at != '\0'; at += strspn(at, ":")) {
		size_t n = strcspn(at, ":");

		if (n == len && memcmp(at, name, n) == 0)
			return true;
		at += n;
	}
	return list == NULL;
}

static void
add_engine(struct bench *b, const struct peel_aead_engine *engine)
{
	struct peel_aead *cx;

	if (!wanted(b, engine->name))
		return;
	if (n_lanes + LANES_PER_ENGINE > LANES_MAX)
		bench_fail("more engines than expected");
	if (engine->new (&cx) != 0) {
		bench_progress(b, "%s: not on this machine", engine->name);
		return;
	}
	for (unsigned int i = 0; i < LANES_PER_ENGINE; i++) {
		struct lane *l = &lanes[n_lanes++];

		l->engine = engine;
		l->cx = cx;
		l->kind = lane_kinds[i];
	}
}

int
main(int argc, char **argv)
{
	static const char *const options[] = {"engines", NULL};
	struct bench b;

	bench_begin(&b, "aead", argc, argv, options);
	for (unsigned int i = 0; i < KEYS; i++)
		sessions[i].key = key_of(i);
	for (unsigned int e = 0; peel_aead_engines[e] != NULL; e++)
		add_engine(&b, peel_aead_engines[e]);
	for (unsigned int e = 0; peel_aead_variants[e] != NULL; e++)
		add_engine(&b, peel_aead_variants[e]);
	if (n_lanes == 0)
		bench_skip("none of the engines works here");
	for (unsigned int i = 0; i < N_LENGTHS; i++) {
		for (unsigned int k = 0; k < N_BURSTS; k++)
			add_group(&b, lengths[i], bursts[k]);
	}
	bench_time(&b, timed, n_works);
	for (size_t i = 0; i < n_works; i += n_lanes)
		compare(&timed[i]);
	for (size_t i = 0; i < n_lanes; i++) {
		if (lanes[i].wrong)
			bench_fail("%s: the wrong cells opened", lanes[i].engine->name);
		if (i % LANES_PER_ENGINE == 0)
			lanes[i].engine->free(lanes[i].cx);
	}
	return bench_end(&b);
}
