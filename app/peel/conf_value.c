/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Values of the configuration by type: numbers, sizes, times, words.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "conf_table.h"
#include "drivers.h"
#include "peel_aead_engines.h"
#include "peel_node_text.h"

static void *
field(const struct conf_key *k, struct peel_conf *c)
{
	return (char *)c + k->offset;
}

static void
store(const struct conf_key *k, struct peel_conf *c, int64_t v)
{
	/* Little-endian, so the low bytes come first; the ranges of the table keep the rest empty. */
	memcpy(field(k, c), &v, k->size);
}

static bool
find_word(const struct conf_word *words, const char *value, int64_t *out)
{
	for (const struct conf_word *w = words; w != NULL && w->word != NULL; w++) {
		if (strcmp(w->word, value) == 0) {
			*out = w->value;
			return true;
		}
	}
	return false;
}

/* Digits at *p as a number up to `max`; moves *p behind them. -EINVAL: none, -ERANGE: too large. */
static int
digits(const char **p, int64_t max, int64_t *out)
{
	int64_t v = 0;

	if (!isdigit((unsigned char)**p))
		return -EINVAL;
	for (; isdigit((unsigned char)**p); ++*p) {
		if (v > (max - (**p - '0')) / 10)
			return -ERANGE;
		v = v * 10 + (**p - '0');
	}
	*out = v;
	return 0;
}

static int64_t
suffix(char c)
{
	switch (c) {
	case 'k':
	case 'K':
		return INT64_C(1) << 10;
	case 'm':
	case 'M':
		return INT64_C(1) << 20;
	case 'g':
	case 'G':
		return INT64_C(1) << 30;
	case 't':
	case 'T':
		return INT64_C(1) << 40;
	default:
		return 0;
	}
}

static int
parse_number(const struct conf_key *k, const char *value, int64_t *out, char *why, size_t why_size)
{
	const char *p = value;
	bool minus = *p == '-';
	int64_t v = 0, scale = 1;
	int ret;

	/* The number behind a word may be written too: `max_peers = -1` is `unlimited`. */
	p += minus;
	ret = digits(&p, INT64_MAX, &v);
	if (ret == 0 && k->type == CONF_SIZE && suffix(*p) != 0)
		scale = suffix(*p++);
	if (ret == -EINVAL || (ret == 0 && *p != '\0')) {
		snprintf(why, why_size, "\"%.64s\" is not a %s", value,
			k->type == CONF_SIZE ? "size" : "number");
		return -EINVAL;
	}
	v = minus ? -v : v;
	for (const struct conf_word *w = k->words; w != NULL && w->word != NULL; w++) {
		if (ret == 0 && v == w->value) {
			*out = v;
			return 0;
		}
	}
	if (ret != 0 || v < (k->min + scale - 1) / scale || v > k->max / scale) {
		snprintf(why, why_size, "%.64s is out of range", value);
		return -EINVAL;
	}
	*out = v * scale;
	return 0;
}

static int
parse_millis(const struct conf_key *k, const char *value, int64_t *out, char *why, size_t why_size)
{
	const char *p = value;
	int64_t seconds = 0, ms = 0;
	int ret = digits(&p, INT32_MAX, &seconds);

	if (ret == 0 && *p == '.') {
		int64_t unit = 100;

		if (!isdigit((unsigned char)*++p))
			ret = -EINVAL;
		for (; isdigit((unsigned char)*p) && unit > 0; p++, unit /= 10)
			ms += unit * (*p - '0');
	}
	if (ret == -EINVAL || (ret == 0 && *p != '\0')) {
		snprintf(why, why_size, "\"%.64s\" is not a time in seconds", value);
		return -EINVAL;
	}
	*out = seconds * 1000 + ms;
	if (ret != 0 || *out < k->min || *out > k->max) {
		snprintf(why, why_size, "%.64s is out of range", value);
		return -EINVAL;
	}
	return 0;
}

static int
parse_bool(const char *value, int64_t *out, char *why, size_t why_size)
{
	static const struct conf_word words[] = {
		{"yes", 1}, {"no", 0}, {"true", 1}, {"false", 0}, {"on", 1}, {"off", 0}, {NULL, 0}};

	if (find_word(words, value, out))
		return 0;
	snprintf(why, why_size, "\"%.64s\" is neither yes nor no", value);
	return -EINVAL;
}

static int
set_text(const struct conf_key *k, struct peel_conf *c, const char *value, char *why,
	size_t why_size)
{
	size_t len = strlen(value);

	if (len >= k->size) {
		snprintf(why, why_size, "is too long (%zu characters)", len);
		return -EINVAL;
	}
	memset(field(k, c), 0, k->size);
	memcpy(field(k, c), value, len);
	return 0;
}

static int
set_addr(const struct conf_key *k, struct peel_conf *c, const char *value, char *why,
	size_t why_size)
{
	struct peel_addr a;
	int ret = 0;

	memset(&a, 0, sizeof(a));
	if (*value != '\0')
		ret = peel_node_parse_address(value, &a, why, why_size);
	if (ret == 0)
		memcpy(field(k, c), &a, sizeof(a));
	return ret;
}

static int
set_list(const struct conf_key *k, struct peel_conf *c, const char *value, bool more, char *why,
	size_t why_size)
{
	char element[256];
	bool first = !more;

	if (first && *value == '\0')
		return k->set(c, "", true, why, why_size);
	while (*value != '\0') {
		size_t len = strcspn(value, ", \t");

		if (len >= sizeof(element)) {
			snprintf(why, why_size, "has an element of %zu characters", len);
			return -EINVAL;
		}
		memcpy(element, value, len);
		element[len] = '\0';
		value += len;
		value += strspn(value, ", \t");
		if (len == 0)
			continue; /* a comma at the start */
		int ret = k->set(c, element, first, why, why_size);

		if (ret != 0)
			return ret;
		first = false;
	}
	return 0;
}

int
conf_value_set(const struct conf_key *k, struct peel_conf *c, const char *value, bool more,
	char *why, size_t why_size)
{
	int64_t v = 0;
	int ret = 0;

	switch (k->type) {
	case CONF_NUMBER:
	case CONF_SIZE:
		if (!find_word(k->words, value, &v))
			ret = parse_number(k, value, &v, why, why_size);
		break;
	case CONF_MILLIS:
		ret = parse_millis(k, value, &v, why, why_size);
		break;
	case CONF_BOOL:
		ret = parse_bool(value, &v, why, why_size);
		break;
	case CONF_FLAG:
		ret = parse_bool(value, &v, why, why_size);
		if (ret == 0) {
			uint16_t *flags = field(k, c);

			*flags = (uint16_t)(v ? *flags | k->min : *flags & ~k->min);
		}
		return ret;
	case CONF_WORD:
		if (!find_word(k->words, value, &v)) {
			snprintf(why, why_size, "\"%.64s\" is not known", value);
			return -EINVAL;
		}
		break;
	case CONF_TEXT:
		return set_text(k, c, value, why, why_size);
	case CONF_ADDR:
		return set_addr(k, c, value, why, why_size);
	case CONF_SET:
		return k->set(c, value, true, why, why_size);
	case CONF_LIST:
		return set_list(k, c, value, more, why, why_size);
	}
	if (ret == 0)
		store(k, c, v);
	return ret;
}

static const char *
size_text(int64_t v, char *out, size_t size)
{
	static const char units[] = " kMGT";
	int unit = 0;

	while (v >= 1024 && v % 1024 == 0 && units[unit + 1] != '\0') {
		v /= 1024;
		unit++;
	}
	snprintf(out, size, unit > 0 ? "%" PRId64 "%c" : "%" PRId64, v, units[unit]);
	return out;
}

static const char *
word_list(const struct conf_word *words, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (const struct conf_word *w = words; w != NULL && w->word != NULL && n < size; w++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? ", " : "", w->word);
	return out;
}

static const char *
driver_list(char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (const struct peel_port_ops *const *p = peel_ports; *p != NULL && n < size; p++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? ", " : "", (*p)->name);
	return out;
}

static const char *
engine_list(char *out, size_t size)
{
	size_t n = (size_t)snprintf(out, size, "auto");

	for (const struct peel_aead_engine *const *e = peel_aead_engines; *e != NULL && n < size;
		e++)
		n += (size_t)snprintf(out + n, size - n, ", %s", (*e)->name);
	return out;
}

const char *
conf_allowed(const struct conf_key *k, char *out, size_t size)
{
	char low[32], high[32], words[128];
	const char *separator;

	if (k->allowed != NULL) {
		snprintf(out, size, "%s", k->allowed);
		return out;
	}
	if (k->set == conf_set_driver)
		return driver_list(out, size);
	if (k->set == conf_set_engine)
		return engine_list(out, size);
	word_list(k->words, words, sizeof(words));
	separator = words[0] != '\0' ? ", or " : "";
	switch (k->type) {
	case CONF_NUMBER:
		snprintf(out, size, "%" PRId64 " to %" PRId64 "%s%s", k->min, k->max, separator,
			words);
		break;
	case CONF_SIZE:
		snprintf(out, size, "%s to %s (bytes, or with k, M, G, T)%s%s",
			size_text(k->min, low, sizeof(low)), size_text(k->max, high, sizeof(high)),
			separator, words);
		break;
	case CONF_MILLIS:
		snprintf(out, size, "%g to %g seconds", (double)k->min / 1000,
			(double)k->max / 1000);
		break;
	case CONF_ADDR:
		snprintf(out, size, "ADDRESS:PORT, or nothing");
		break;
	case CONF_BOOL:
	case CONF_FLAG:
		snprintf(out, size, "yes, no (or true, false, on, off)");
		break;
	default:
		snprintf(out, size, "%s", words);
	}
	return out;
}
