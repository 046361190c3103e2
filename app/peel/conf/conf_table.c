/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The table of all settings as data: finding rows, telling what may stand there and what is the
 * default.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "conf_table.h"
#include "drivers.h"
#include "peel_aead_engines.h"
#include "peel_discovery.h"
#include "peel_flows.h"

#define FIELD(f) .offset = offsetof(struct conf, f), .size = sizeof(((struct conf *)0)->f)
#define AT_node(f) FIELD(node.f)
#define AT_tunnel(f) FIELD(node.tunnel.f)
#define AT_both AT_tunnel /* and what a client needs of it goes to its own circuits */
#define AT_originator(f) FIELD(node.originator.f)
#define AT_swarm(f) FIELD(node.swarm.f)
#define AT_program FIELD

const struct conf_setting conf_settings[CONF_N] = {
/* clang-format off */
#define ROW(s, n, owner, field, t, ...) \
	{.section = #s, .name = #n, .type = CONF_##t, AT_##owner(field), __VA_ARGS__},
#define VALUE(s, n, owner, field, t, d, lo, hi, w, m, takers, a) \
	ROW(s, n, owner, field, t, .by_default = d, .min = lo, .max = hi, .words = w, .meaning = m, .about = a)
#define SWITCH(s, n, owner, field, d, a) ROW(s, n, owner, field, SWITCH, .by_default = d, .about = a)
#define FLAG(n, bit, d, a) ROW(tunnel, n, tunnel, peer_flags, FLAG, .by_default = d, .min = bit, .about = a)
#define WORD(s, n, owner, field, d, w, a) ROW(s, n, owner, field, WORD, .by_default = d, .words = w, .about = a)
#define TEXT(s, n, owner, field, t, d, may, a) ROW(s, n, owner, field, t, .text = d, .allowed = may, .about = a)
#include "peel_settings.def"
	/* clang-format on */
};

static const bool reloads[CONF_N] = {
#define RELOAD(section, name) [CONF_##section##_##name] = true,
#include "peel_settings.def"
};

static const struct {
	enum conf_use use;
	enum conf_id id;
	const char *text;
} otherwise[] = {
#define OTHERWISE(use, section, name, text) {CONF_FOR_##use, CONF_##section##_##name, text},
#include "peel_settings.def"
};

/* ---- finding --------------------------------------------------------------------------------- */

int
conf_section_find(const char *section)
{
	for (int i = 0; i < CONF_N; i++) {
		if (strcmp(conf_settings[i].section, section) == 0)
			return i;
	}
	return -1;
}

int
conf_find(const char *section, const char *name)
{
	for (int i = 0; i < CONF_N; i++) {
		if (strcmp(conf_settings[i].name, name) == 0 &&
			strcmp(conf_settings[i].section, section) == 0)
			return i;
	}
	return -1;
}

bool
conf_reloads(enum conf_id id)
{
	return reloads[id];
}

enum conf_use
conf_section_use(const char *section)
{
	static const char *const of_clients[] = {"client", "socks", "services"};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(of_clients); i++) {
		if (strcmp(section, of_clients[i]) == 0)
			return CONF_FOR_CLIENT;
	}
	return CONF_FOR_ANY;
}

/* Edit distance of two short words (swaps count as two); long ones are far from everything. */
static unsigned int
distance(const char *a, const char *b)
{
	enum {
		MAX = 32
	};
	size_t la = strlen(a), lb = strlen(b);
	unsigned int row[MAX + 1];

	if (la > MAX || lb > MAX)
		return MAX;
	for (unsigned int j = 0; j <= lb; j++)
		row[j] = j;
	for (unsigned int i = 1; i <= la; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int best = diagonal + (a[i - 1] != b[j - 1]);

			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[lb];
}

const char *
conf_guess(const char *section, const char *name, char out[CONF_TEXT_MAX])
{
	const struct conf_setting *near = NULL;
	size_t len = strlen(name != NULL ? name : section);
	/* Up to one slip in three letters, a word counts as the same. Distances are doubled, so
	 * that another section can be worse by one. */
	unsigned int best = 2 * (len < 3 ? 0 : len < 9 ? len / 3 : 3) + 2;

	for (unsigned int i = 0; i < CONF_N; i++) {
		const struct conf_setting *k = &conf_settings[i];
		unsigned int d = name != NULL ? 2 * distance(name, k->name) +
							(strcmp(section, k->section) != 0)
					      : 2 * distance(section, k->section);

		if (d < best) {
			near = k;
			best = d;
		}
	}
	out[0] = '\0';
	if (near != NULL)
		snprintf(out, CONF_TEXT_MAX, "; did you mean [%s]%s%s?", near->section,
			name != NULL ? " " : "", name != NULL ? near->name : "");
	return out;
}

/* ---- in words -------------------------------------------------------------------------------- */

/* A value of a setting, without its word. */
static const char *
number_text(const struct conf_setting *k, int64_t v, char out[32])
{
	static const char units[] = "\0kMGT";
	unsigned int unit = 0;

	if (k->type == CONF_MILLIS) {
		snprintf(out, 32, "%g", (double)v / 1000);
		return out;
	}
	while ((k->type == CONF_SIZE || k->type == CONF_RATE) && v >= 1024 && v % 1024 == 0 &&
		unit < 4) {
		v /= 1024;
		unit++;
	}
	snprintf(out, 32, "%" PRId64 "%.1s", v, &units[unit]);
	return out;
}

/* One more of a list "a, b, c". */
static void
add(char out[CONF_TEXT_MAX], const char *text, size_t len)
{
	size_t used = strlen(out);

	snprintf(out + used, CONF_TEXT_MAX - used, "%s%.*s", used > 0 ? ", " : "", (int)len, text);
}

#define RATE_UNITS " (bytes per second, or with k, M, G, T, or bits with kbit, Mbit, Gbit)"

const char *
conf_allowed(const struct conf_setting *k, char out[CONF_TEXT_MAX])
{
	static const char *const unit[] = {[CONF_NUMBER] = "",
		[CONF_SECONDS] = " seconds",
		[CONF_SIZE] = " (bytes, or with k, M, G, T)",
		[CONF_RATE] = RATE_UNITS,
		[CONF_MILLIS] = " seconds"};
	char low[32], high[32];

	if (k->allowed != NULL)
		return k->allowed;
	out[0] = '\0';
	switch (k->type) {
	case CONF_DRIVER:
		for (const struct peel_port_ops *const *p = port_drivers; *p != NULL; p++)
			add(out, (*p)->name, strlen((*p)->name));
		break;
	case CONF_ENGINE:
		add(out, "auto", 4);
		for (const struct peel_aead_engine *const *e = peel_aead_engines; *e != NULL; e++)
			add(out, (*e)->name, strlen((*e)->name));
		break;
	case CONF_WORD:
		for (const char *w = k->words; *w != '\0'; w += strspn(w, " ")) {
			add(out, w, strcspn(w, " "));
			w += strcspn(w, " ");
		}
		break;
	case CONF_SWITCH:
	case CONF_FLAG:
		return "yes, no (or true, false, on, off)";
	default:
		snprintf(out, CONF_TEXT_MAX, "%s to %s%s%s%s", number_text(k, k->min, low),
			number_text(k, k->max, high), unit[k->type],
			k->words != NULL ? ", or " : "", k->words != NULL ? k->words : "");
	}
	return out;
}

const char *
conf_default(enum conf_id id, enum conf_use use, char out[CONF_TEXT_MAX])
{
	const struct conf_setting *k = &conf_settings[id];
	const char *w = k->words;

	for (size_t i = 0; i < PEEL_ARRAY_LEN(otherwise); i++) {
		if (otherwise[i].use == use && otherwise[i].id == id)
			return otherwise[i].text;
	}
	if (k->text != NULL)
		return k->text;
	if (k->type == CONF_SWITCH || k->type == CONF_FLAG)
		return k->by_default ? "yes" : "no";
	if (k->type != CONF_WORD)
		return w != NULL && k->by_default == k->meaning
			       ? w
			       : number_text(k, k->by_default, out);
	for (int64_t i = 0; i < k->by_default; i++)
		w += strcspn(w, " ") + 1;
	snprintf(out, CONF_TEXT_MAX, "%.*s", (int)strcspn(w, " "), w);
	return out;
}

/* ---- errors ---------------------------------------------------------------------------------- */

int
conf_refuse(char why[CONF_WHY_MAX], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, CONF_WHY_MAX, format, ap);
	va_end(ap);
	return -EINVAL;
}

void
conf_error(struct conf_errors *e, unsigned int line, const char *section, const char *key,
	const char *format, ...)
{
	char text[1024], what[640], where[160] = "", at[16] = "";
	va_list ap;

	e->n++;
	if (e->n > CONF_ERRORS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	if (line > 0)
		snprintf(at, sizeof(at), "%u:", line);
	if (section != NULL)
		snprintf(where, sizeof(where), " [%s]%s%s:", section, key != NULL ? " " : "",
			key != NULL ? key : "");
	snprintf(text, sizeof(text), "%s:%s%s %s", e->file, at, where, what);
	/* The text of a file must not control the terminal that shows it. */
	for (char *p = text; *p != '\0'; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	e->fn(e->arg, text);
}
