/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The time of an engine tells nothing of keys, texts, or of which byte of a tag is wrong. As in
 * dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", 2017), inputs of two
 * classes come in random order, and Welch's t-test tells whether their times differ in the mean.
 * Chance decides which class comes next, so a busy machine adds noise to both alike.
 *
 * valgrind's test (test_secrets) is stricter where it can follow. This one also sees what compilers
 * and processors make of AVX-512. Two engines that leak on purpose show that it would notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engines_under_test.h"

/* times of a round */
#define SAMPLES 20000
/* In all of so many rounds the times must differ... */
#define ROUNDS 3
/* ... by so much: chance alone exceeds 5 in one of three million rounds. */
#define T_MAX 7.0
/* A hundredth of the time is no leak: equal classes differ by a cycle or two now and then, which
 * enough samples of a quiet machine show. One byte compared, or one branch, takes more. */
#define TOLERANCE 0.01
/* Noise hides a difference, but makes none: known leaks get more than one chance. */
#define TRIES 5
#define INPUTS 32
#define CELLS_MAX 8
#define LEN_MAX 256
#define ROOM (LEN_MAX + PEEL_AEAD_TAG_LEN)

struct input {
	struct peel_key key[CELLS_MAX];
	uint8_t text[CELLS_MAX][ROOM];
};

/* Inputs of two classes, and what is done with them. */
struct contrast {
	const char *name;
	bool open;
	unsigned int cells;
	uint32_t len;
	struct input input[INPUTS][2];
};

struct sample {
	unsigned int class;
	double cycles;
};

static uint64_t
begin(void)
{
#ifdef __x86_64__
	uint64_t now;

	__builtin_ia32_lfence();
	now = __builtin_ia32_rdtsc();
	__builtin_ia32_lfence();
	return now;
#else
	return 0;
#endif
}

static uint64_t
end(void)
{
#ifdef __x86_64__
	unsigned int cpu;
	uint64_t now = __builtin_ia32_rdtscp(&cpu);

	__builtin_ia32_lfence();
	return now;
#else
	return 0;
#endif
}

/* ---- times ----------------------------------------------------------------------------------- */

/* Both classes are read, and one is taken without a branch: no cache knows which. */
static void
take(struct input *to, const struct input from[2], unsigned int class)
{
	const uint8_t *a = (const uint8_t *)&from[0], *b = (const uint8_t *)&from[1];
	uint8_t second = (uint8_t) - class;

	for (size_t i = 0; i < sizeof(*to); i++)
		((uint8_t *)to)[i] = (uint8_t)((a[i] & ~second) | (b[i] & second));
}

static double
time_once(const struct open_engine *en, const struct contrast *c, struct input *in)
{
	struct peel_aead_op op[CELLS_MAX] = {{0}};
	uint64_t start;

	for (unsigned int i = 0; i < c->cells; i++) {
		op[i].key = &in->key[i];
		op[i].text = in->text[i];
		op[i].len = c->open ? c->len + PEEL_AEAD_TAG_LEN : c->len;
		op[i].nonce[4] = (uint8_t)i;
	}
	start = begin();
	if (c->open)
		(void)en->e->open(en->cx, op, c->cells);
	else
		en->e->seal(en->cx, op, c->cells);
	return (double)(end() - start);
}

static int
by_cycles(const void *a, const void *b)
{
	double x = ((const struct sample *)a)->cycles, y = ((const struct sample *)b)->cycles;

	return (x > y) - (x < y);
}

/* Welch's t of the @p n fastest, for differences beyond the tolerance: at most 0 if they are not.
 */
static double
welch(const struct sample *s, unsigned int n)
{
	double count[2] = {0}, mean[2] = {0}, squares[2] = {0};

	for (unsigned int i = 0; i < n; i++) {
		unsigned int k = s[i].class;
		double from_mean = s[i].cycles - mean[k];

		mean[k] += from_mean / ++count[k];
		squares[k] += from_mean * (s[i].cycles - mean[k]);
	}
	if (count[0] < 2 || count[1] < 2)
		return INFINITY; /* one class alone is that fast */
	double error = sqrt(
		squares[0] / (count[0] - 1) / count[0] + squares[1] / (count[1] - 1) / count[1]);

	return (fabs(mean[0] - mean[1]) - TOLERANCE * mean[0]) / fmax(error, 1e-9);
}

/* The largest t of one round. What interrupts hit is slow in either class: all samples count, and
 * the faster ones alone. */
static double
round_of(const struct open_engine *en, const struct contrast *c)
{
	static struct sample s[SAMPLES];
	static struct input in;
	double t, most;

	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t chance = next_random() >> 20;

		s[i].class = chance % 2;
		take(&in, c->input[chance / 2 % INPUTS], s[i].class);
		s[i].cycles = time_once(en, c, &in);
	}
	qsort(s, SAMPLES, sizeof(s[0]), by_cycles);
	most = welch(s, SAMPLES);
	for (unsigned int percent = 50; percent < 100; percent += 15) {
		t = welch(s, SAMPLES / 100 * percent);
		most = t > most ? t : most;
	}
	return most;
}

static bool
times_differ(const struct open_engine *en, const struct contrast *c)
{
	double least = INFINITY;

	for (unsigned int i = 0; i < ROUNDS && least > T_MAX; i++) {
		double t = round_of(en, c);

		least = t < least ? t : least;
	}
	printf("%s, %s, %u cells of %u bytes: t = %.1f\n", en->e->name, c->name, c->cells, c->len,
		least);
	return least > T_MAX;
}

/* ---- classes --------------------------------------------------------------------------------- */

/* For opening, with right tags. */
static void
seal_input(const struct contrast *c, struct input *in)
{
	struct contrast seal = {.cells = c->cells, .len = c->len};

	(void)time_once(&engines[0], &seal, in);
}

/* The same keys and texts again and again, and random ones. */
static void
fixed_and_random(struct contrast *c)
{
	fill_random(&c->input[0][0], sizeof(c->input[0][0]));
	for (unsigned int i = 0; i < INPUTS; i++) {
		c->input[i][0] = c->input[0][0];
		fill_random(&c->input[i][1], sizeof(c->input[i][1]));
	}
	for (unsigned int i = 0; c->open && i < 2 * INPUTS; i++)
		seal_input(c, &c->input[i / 2][i % 2]);
}

/* Each cell's tag is wrong in its first byte, or in its last. */
static void
wrong_at_begin_and_end(struct contrast *c)
{
	for (unsigned int i = 0; i < INPUTS; i++) {
		struct input *in = c->input[i];

		fill_random(&in[0], sizeof(in[0]));
		seal_input(c, &in[0]);
		in[1] = in[0];
		for (unsigned int k = 0; k < c->cells; k++) {
			in[0].text[k][c->len] ^= 0x55;
			in[1].text[k][c->len + PEEL_AEAD_TAG_LEN - 1] ^= 0x55;
		}
	}
}

static const struct {
	const char *name;
	bool open;
	void (*fill)(struct contrast *c);
} kinds[] = {
	{"sealing known and random", false, fixed_and_random},
	{"opening known and random", true, fixed_and_random},
	{"wrong at the tag's begin and end", true, wrong_at_begin_and_end},
};
#define N_KINDS PEEL_ARRAY_LEN(kinds)
#define SEALING 0
#define WRONG 2

static struct contrast contrast;

static struct contrast *
make(unsigned int kind, unsigned int cells, uint32_t len)
{
	struct contrast *c = &contrast;

	c->name = kinds[kind].name;
	c->open = kinds[kind].open;
	c->cells = cells;
	c->len = len;
	kinds[kind].fill(c);
	return c;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_engines(void **state)
{
	(void)state;
	for (unsigned int e = 0; e < n_engines; e++) {
		if (strcmp(engines[e].how, "native") != 0)
			continue;
		for (unsigned int kind = 0; kind < N_KINDS; kind++) {
			assert_false(times_differ(&engines[e], make(kind, 1, 64)));
			assert_false(times_differ(&engines[e], make(kind, CELLS_MAX, LEN_MAX)));
		}
	}
}

/* Before the engine, as a core would hide it beside the end of its work. */
static void
seal_by_key(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	if ((op[0].key->b[0] & 1) != 0) {
		for (volatile unsigned int i = 0; i < 100; i++)
			;
	}
	engines[0].e->seal(cx, op, n);
}

static unsigned int
equal_bytes(const volatile uint8_t *a, const volatile uint8_t *b, unsigned int n)
{
	unsigned int i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* Tags are compared as with memcmp(), no further than to the first wrong byte. */
static uint64_t
open_by_tag(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	struct peel_aead_op right[CELLS_MAX];
	uint8_t text[CELLS_MAX][ROOM];
	uint64_t failed = 0;

	for (unsigned int i = 0; i < n; i++) {
		right[i] = op[i];
		right[i].len -= PEEL_AEAD_TAG_LEN;
		right[i].text = text[i];
		memcpy(text[i], op[i].text, right[i].len);
	}
	/* The ciphertexts become plaintexts, and then ciphertexts with their right tags. */
	engines[0].e->seal(cx, right, n);
	engines[0].e->seal(cx, right, n);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = right[i].len;

		failed |= (uint64_t)(equal_bytes(text[i] + len, op[i].text + len,
					     PEEL_AEAD_TAG_LEN) < PEEL_AEAD_TAG_LEN)
			  << i;
	}
	return failed;
}

static bool
noticed(const struct open_engine *en, const struct contrast *c)
{
	for (unsigned int i = 0; i < TRIES; i++) {
		if (times_differ(en, c))
			return true;
	}
	return false;
}

static void
test_leaks_are_noticed(void **state)
{
	struct peel_aead_engine bad = *engines[0].e;
	struct open_engine en = {.e = &bad, .cx = engines[0].cx};

	(void)state;
	bad.name = "a branch on the key";
	bad.seal = seal_by_key;
	assert_true(noticed(&en, make(SEALING, 1, 64)));
	bad.name = "tags compared byte by byte";
	bad.open = open_by_tag;
	assert_true(noticed(&en, make(WRONG, CELLS_MAX, 64)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaks_are_noticed),
		cmocka_unit_test(test_engines),
	};

#ifndef __x86_64__
	return 77; /* meson's word for skipped: it reads the time stamp counter */
#endif
	return cmocka_run_group_tests(tests, engines_open, engines_close);
}
