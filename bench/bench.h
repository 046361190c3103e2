/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What the benchmark programs share: options, timing with the time stamp counter, and results as a
 * table or as JSON
 *
 *   {"results":[{"suite","case","params":{...},"unit","median","min","max","vs":{"name":ratio}}]}
 *
 * A result has one sample per round. Cases that are compared run interleaved, round by round, so
 * that a noisy neighbour disturbs all of them. A ratio is the median of the ratios within the
 * rounds. Thread: main, unless something else is said.
 *
 *   bench_begin(&b, "aead", argc, argv, NULL);
 *   timed[0].result = bench_result(&b, "seal", "cycles/cell", "{s:i}", "bytes", 64);
 *   timed[1].result = ...;
 *   bench_time(&b, timed, 2);
 *   bench_vs(timed[0].result, "sodium", timed[1].result);
 *   return bench_end(&b);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_cycles.h>

#include "bench_machine.h"

#define BENCH_SKIP 77 /* exit code: this machine cannot run it */
#define BENCH_ROUNDS 11
#define BENCH_ROUNDS_QUICK 5 /* the least, too */
#define BENCH_ROUNDS_MAX 1000

struct bench_result;
struct bench_option;

struct bench {
	const char *suite;
	bool quick;	     /* finish in a few seconds: small sizes */
	unsigned int rounds; /* samples per result */
	/* the rest is bench.c's */
	const char *json;
	struct bench_option *options;
	size_t n_options;
	struct bench_result **results;
	size_t n_results;
};

/**
 * Read the options all programs have (--quick, --rounds N, --json FILE or -) and those named in @p
 * more (NULL, or ended by NULL, without dashes; each takes a value). Anything else ends the program
 * with a usage line. Pins the thread to the last CPU it may use.
 */
void bench_begin(
	struct bench *b, const char *suite, int argc, char **argv, const char *const *more);
/** Value of an option named in @p more, or NULL. */
const char *bench_option(const struct bench *b, const char *name);
/** Tell the user at a terminal what is going on: one line on standard error. */
void bench_progress(const struct bench *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** End the program: this machine cannot run it, and why (BENCH_SKIP). */
void bench_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/** End the program: something does not work. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/** The same unless @p rc is 0. It is an errno, negative or not, of something the program needs. */
void bench_must(int rc, const char *what);

/**
 * A new result; @p params is a jansson pack format of an object, e.g. "{s:s,s:i}". Suite, case and
 * params together are its name, unique; strings other than parameters are not copied. The unit says
 * what is better: more of "%" and of anything per s, CPU-s or core-s, less of all others
 * (bench/results.py has the list).
 */
struct bench_result *bench_result(
	struct bench *b, const char *name, const char *unit, const char *params, ...);
/** One round's figure. */
void bench_sample(struct bench_result *r, double value);
/** How many times @p base it is: median of the rounds' ratios, or ratio of the medians when their
 * numbers differ. */
void bench_vs(struct bench_result *r, const char *name, const struct bench_result *base);
double bench_median(const struct bench_result *r);
/** Sort @p values, the lowest first. */
void bench_sort(double *values, size_t n);
/** Sort @p values; the lower middle of an even number, which is a value that was measured. */
double bench_median_of(double *values, size_t n);

/** Something to time: `prepare` (may be NULL) and `run` alternate, `run` is timed. */
struct bench_timed {
	struct bench_result *result; /* gets one sample per round: cycles per item */
	void (*prepare)(void *arg);
	void (*run)(void *arg);
	void *arg;
	unsigned int items; /* handled by one run() */
};
/**
 * b->rounds rounds over all of t[], after one that is not counted. A sample is the median over many
 * bursts (calls of run) within the round, so that an interrupted burst does not count; the
 * counter's own cost is taken off. One call for all cases of a program is best: the longer a round
 * takes, the more of the machine's moods the range shows.
 */
void bench_time(struct bench *b, struct bench_timed *t, size_t n);
/** One slice of a round: median cycles per item. For programs that make their rounds themselves.
 * Thread: any. */
double bench_slice(const struct bench *b, const struct bench_timed *t);

/** Print the table or write the JSON. @return the program's exit code. */
int bench_end(struct bench *b);
