/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The command line of a benchmark program, and its results.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench.h"

#define OPTIONS_MAX 16

struct bench_option {
	const char *name, *value;
};

struct bench_result {
	const char *suite, *name, *unit;
	json_t *params, *vs;
	double *samples;
	size_t n;
};

/* ---- options --------------------------------------------------------------------------------- */

static void
say(const char *format, va_list ap)
{
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
}

void
bench_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	exit(EXIT_FAILURE);
}

void
bench_skip(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(format, ap);
	va_end(ap);
	exit(BENCH_SKIP);
}

void
bench_must(int rc, const char *what)
{
	if (rc != 0)
		bench_fail("%s: %s", what, strerror(abs(rc)));
}

void
bench_progress(const struct bench *b, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", b->suite);
	va_start(ap, format);
	say(format, ap);
	va_end(ap);
}

static void
usage(const char *program, const char *const *more)
{
	fprintf(stderr, "usage: %s [--quick] [--rounds N] [--json FILE|-]", program);
	for (; more != NULL && *more != NULL; more++)
		fprintf(stderr, " [--%s VALUE]", *more);
	fprintf(stderr, "\n       N is %d to %d\n", BENCH_ROUNDS_QUICK, BENCH_ROUNDS_MAX);
	exit(2);
}

static bool
named(const char *arg, const char *name)
{
	return strncmp(arg, "--", 2) == 0 && strcmp(arg + 2, name) == 0;
}

static void
take_option(struct bench *b, const char *const *more, char **argv, const char *value)
{
	const char *arg = *argv;

	if (value == NULL)
		usage(b->options[0].value, more);
	if (named(arg, "json")) {
		b->json = value;
		return;
	}
	if (named(arg, "rounds")) {
		b->rounds = (unsigned int)atoi(value);
		if (b->rounds < BENCH_ROUNDS_QUICK || b->rounds > BENCH_ROUNDS_MAX)
			usage(b->options[0].value, more);
		return;
	}
	for (const char *const *m = more; m != NULL && *m != NULL; m++) {
		if (named(arg, *m) && b->n_options < OPTIONS_MAX) {
			b->options[b->n_options++] = (struct bench_option){*m, value};
			return;
		}
	}
	usage(b->options[0].value, more);
}

void
bench_begin(struct bench *b, const char *suite, int argc, char **argv, const char *const *more)
{
	*b = (struct bench){.suite = suite};
	b->options = calloc(OPTIONS_MAX, sizeof(*b->options));
	if (b->options == NULL)
		bench_fail("out of memory");
	b->options[b->n_options++] = (struct bench_option){"", argv[0]};
	for (int i = 1; i < argc; i++) {
		if (named(argv[i], "quick")) {
			b->quick = true;
		} else {
			take_option(b, more, &argv[i], i + 1 < argc ? argv[i + 1] : NULL);
			i++;
		}
	}
	if (b->rounds == 0)
		b->rounds = b->quick ? BENCH_ROUNDS_QUICK : BENCH_ROUNDS;
	bench_pin(0);
	(void)bench_tsc_hz(); /* now, as threads may ask for them later */
	(void)bench_timer_cost();
}

const char *
bench_option(const struct bench *b, const char *name)
{
	for (size_t i = 1; i < b->n_options; i++) {
		if (strcmp(b->options[i].name, name) == 0)
			return b->options[i].value;
	}
	return NULL;
}

/* ---- results --------------------------------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void
bench_sort(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
}

double
bench_median_of(double *values, size_t n)
{
	bench_sort(values, n);
	return values[(n - 1) / 2];
}

struct bench_result *
bench_result(struct bench *b, const char *name, const char *unit, const char *params, ...)
{
	struct bench_result *r = calloc(1, sizeof(*r));
	struct bench_result **grown = realloc(b->results, (b->n_results + 1) * sizeof(*b->results));
	json_error_t error;
	va_list ap;

	if (r == NULL || grown == NULL)
		bench_fail("out of memory");
	b->results = grown;
	b->results[b->n_results++] = r;
	r->suite = b->suite;
	r->name = name;
	r->unit = unit;
	va_start(ap, params);
	r->params = json_vpack_ex(&error, 0, params, ap);
	va_end(ap);
	r->vs = json_object();
	r->samples = calloc(BENCH_ROUNDS_MAX, sizeof(*r->samples));
	if (r->params == NULL)
		bench_fail("%s: parameters: %s", name, error.text);
	if (r->vs == NULL || r->samples == NULL)
		bench_fail("out of memory");
	return r;
}

void
bench_sample(struct bench_result *r, double value)
{
	if (r->n < BENCH_ROUNDS_MAX)
		r->samples[r->n++] = value;
}

struct range {
	double min, median, max;
};

static struct range
range_of(const struct bench_result *r)
{
	double sorted[BENCH_ROUNDS_MAX], median;

	if (r->n == 0)
		bench_fail("%s: no samples", r->name);
	memcpy(sorted, r->samples, r->n * sizeof(sorted[0]));
	median = bench_median_of(sorted, r->n);
	return (struct range){sorted[0], median, sorted[r->n - 1]};
}

double
bench_median(const struct bench_result *r)
{
	return range_of(r).median;
}

void
bench_vs(struct bench_result *r, const char *name, const struct bench_result *base)
{
	double ratios[BENCH_ROUNDS_MAX], ratio;

	for (size_t i = 0; i < r->n && i < base->n; i++)
		ratios[i] = r->samples[i] / base->samples[i];
	if (r->n == base->n && r->n > 0)
		ratio = bench_median_of(ratios, r->n);
	else
		ratio = bench_median(r) / bench_median(base);
	if (json_object_set_new(r->vs, name, json_real(ratio)) != 0)
		bench_fail("%s: not a ratio", r->name);
}

static json_t *
result_json(const struct bench_result *r)
{
	struct range range = range_of(r);

	return json_pack("{s:s,s:s,s:O,s:s,s:f,s:f,s:f,s:O}", "suite", r->suite, "case", r->name,
		"params", r->params, "unit", r->unit, "median", range.median, "min", range.min,
		"max", range.max, "vs", r->vs);
}

static void
print_object(json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		if (json_is_string(value))
			printf(" %s=%s", key, json_string_value(value));
		else if (json_is_integer(value))
			printf(" %s=%lld", key, (long long)json_integer_value(value));
		else
			printf(" %s=%.3g", key, json_number_value(value));
	}
}

static void
print_result(const struct bench_result *r)
{
	struct range range = range_of(r);

	printf("%s: %s:", r->suite, r->name);
	print_object(r->params);
	if (json_object_size(r->vs) > 0) {
		printf("  x");
		print_object(r->vs);
	}
	printf("  %.5g (%.5g .. %.5g) %s\n", range.median, range.min, range.max, r->unit);
}

static void
release(struct bench *b)
{
	for (size_t i = 0; i < b->n_results; i++) {
		json_decref(b->results[i]->params);
		json_decref(b->results[i]->vs);
		free(b->results[i]->samples);
		free(b->results[i]);
	}
	free(b->results);
	free(b->options);
	*b = (struct bench){0};
}

static int
write_json(const struct bench *b)
{
	const size_t flags = JSON_INDENT(1) | JSON_REAL_PRECISION(7);
	json_t *list = json_array(), *document = json_pack("{s:O}", "results", list);
	int rc;

	for (size_t i = 0; i < b->n_results; i++)
		json_array_append_new(list, result_json(b->results[i]));
	if (strcmp(b->json, "-") == 0) {
		rc = json_dumpf(document, stdout, flags);
		putchar('\n');
	} else {
		rc = json_dump_file(document, b->json, flags);
	}
	json_decref(list);
	json_decref(document);
	if (rc != 0)
		fprintf(stderr, "%s: cannot be written\n", b->json);
	return rc;
}

int
bench_end(struct bench *b)
{
	int rc = b->n_results == 0 ? -1 : 0;

	if (rc != 0)
		fprintf(stderr, "%s: no results\n", b->suite);
	else if (b->json != NULL)
		rc = write_json(b);
	else
		for (size_t i = 0; i < b->n_results; i++)
			print_result(b->results[i]);
	release(b);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
