/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Reading the configuration file, line by line.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "conf_table.h"

#define FILE_MAX (1024 * 1024)
#define LINE_LEN_MAX 4096

struct reader {
	struct conf *conf;
	struct conf_errors errors;
	unsigned int line;
	const char *section; /* NULL: none yet, or a bad one */
	bool section_bad;    /* keys below a bad header get no errors of their own */
	bool seen[CONF_N];   /* sections so far, by their first setting */
	enum conf_id id;     /* the last setting ... */
	bool list;	     /* ... is a list, which may go on */
};

/* The sections that may stand in the file. */
static const char *
section_list(enum conf_use use, char out[CONF_TEXT_MAX])
{
	const char *last = "";
	size_t n = 0;

	for (unsigned int i = 0; i < CONF_N; i++) {
		const char *s = conf_settings[i].section;

		if (strcmp(s, last) != 0 && (conf_section_use(s) & use) != 0)
			n += (size_t)snprintf(
				out + n, CONF_TEXT_MAX - n, "%s%s", n > 0 ? ", " : "", s);
		last = s;
	}
	return out;
}

static void
unknown_section(struct reader *r, const char *name)
{
	char guess[CONF_TEXT_MAX], list[CONF_TEXT_MAX];

	conf_error(&r->errors, r->line, NULL, NULL, "there is no section [%s]%s; allowed: %s", name,
		conf_guess(name, NULL, guess), section_list(r->conf->use, list));
}

/* The header of a section, "[name]". */
static void
take_section(struct reader *r, char *line)
{
	char *close = strchr(line, ']');
	const char *name = line + 1;
	int first;

	r->section = NULL;
	r->section_bad = true;
	if (close == NULL || close[1] != '\0') {
		conf_error(&r->errors, r->line, NULL, NULL,
			"a section begins with its name in brackets, alone on the line");
		return;
	}
	*close = '\0';
	first = conf_section_find(name);
	if (first < 0) {
		unknown_section(r, name);
		return;
	}
	if ((conf_section_use(name) & r->conf->use) == 0) {
		conf_error(&r->errors, r->line, NULL, NULL,
			"section [%s] is for `peel client`, and this is read by `peel relay`",
			name);
		return;
	}
	r->section = conf_settings[first].section;
	r->section_bad = false;
	if (r->seen[first])
		conf_error(&r->errors, r->line, NULL, NULL,
			"section [%s] is there twice; put all its keys under the first", name);
	r->seen[first] = true;
}

/* A value, or more elements of a list. */
static void
take_value(struct reader *r, const char *value, bool more)
{
	char why[CONF_WHY_MAX] = "";

	if (conf_set(r->conf, r->id, value, more, why) != 0)
		conf_wrong_at(&r->errors, r->line, r->id, "%s", why);
}

static void
take_key(struct reader *r, const char *name, const char *value)
{
	char guess[CONF_TEXT_MAX] = "";
	int id;

	if (r->section == NULL) {
		conf_error(&r->errors, r->line, NULL, NULL,
			"%.64s stands before the first [section]", name);
		return;
	}
	id = conf_find(r->section, name);
	if (id < 0) {
		/* Searching takes time, and nobody reads the thousandth error. */
		if (r->errors.n < CONF_ERRORS_MAX)
			conf_guess(r->section, name, guess);
		conf_error(&r->errors, r->line, r->section, name, "there is no such key%s", guess);
		return;
	}
	if (r->conf->line[id] != 0) {
		conf_error(&r->errors, r->line, r->section, name, "is there already, in line %u",
			r->conf->line[id]);
		return;
	}
	r->conf->line[id] = r->line;
	r->id = (enum conf_id)id;
	r->list = conf_settings[id].type >= CONF_CORES;
	take_value(r, value, false);
}

static void
trim(char *s)
{
	size_t len = strlen(s);

	while (len > 0 && isspace((unsigned char)s[len - 1]))
		s[--len] = '\0';
}

/* Cut the comment at the end of a line: white space, then ';'. A '#' there would become part of the
 * value. */
static void
cut_comment(struct reader *r, char *line)
{
	for (char *s = line + 1; *s != '\0'; s++) {
		if ((*s != ';' && *s != '#') || !isspace((unsigned char)s[-1]))
			continue;
		if (*s == '#')
			conf_error(&r->errors, r->line, r->section, NULL,
				"a comment behind a value begins with ';', not with '#'");
		*s = '\0';
		break;
	}
	trim(line);
}

/* Does a list go on in an indented line? It may do so with an IPv6 address in brackets, and names
 * of sections have no colons. */
static bool
goes_on(const struct reader *r, const char *line)
{
	return *line != '[' || (r->list && strchr(line, ':') != NULL);
}

static void
take_line(struct reader *r, char *line)
{
	bool indented = isspace((unsigned char)*line);
	char *value;

	while (isspace((unsigned char)*line))
		line++;
	if (*line == '\0' || *line == '#' || *line == ';')
		return;
	cut_comment(r, line);
	if (indented && goes_on(r, line)) {
		if (r->list)
			take_value(r, line, true);
		else if (!r->section_bad)
			conf_error(&r->errors, r->line, r->section, NULL,
				"begins with white space; only lists go on in the next line");
		return;
	}
	r->list = false;
	if (*line == '[') {
		if (indented)
			conf_error(&r->errors, r->line, NULL, NULL,
				"a section begins at the start of its line");
		take_section(r, line);
		return;
	}
	if (r->section_bad)
		return;
	value = strpbrk(line, "=:");
	if (value == NULL) {
		conf_error(&r->errors, r->line, r->section, NULL,
			"\"%.64s\" is neither \"key = value\" nor a [section] nor a # comment",
			line);
		return;
	}
	*value++ = '\0';
	trim(line);
	take_key(r, line, value + strspn(value, " \t"));
}

/* ---- entry points ---------------------------------------------------------------------------- */

unsigned int
conf_parse(enum conf_use use, const char *name, const char *text, size_t len, struct conf *conf,
	conf_error_fn fn, void *arg)
{
	struct reader r = {
		.conf = conf, .errors = {.conf = conf, .file = name, .fn = fn, .arg = arg}};
	const char *end = text + len, *eol;
	char line[LINE_LEN_MAX + 1], more[64];

	conf_init(conf, use);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3; /* an editor's byte order mark */
	for (; text < end; text = eol + 1) {
		eol = memchr(text, '\n', (size_t)(end - text));
		eol = eol != NULL ? eol : end;
		len = (size_t)(eol - text);
		r.line++;
		if (len > LINE_LEN_MAX) {
			conf_error(&r.errors, r.line, r.section, NULL,
				"line is longer than %d characters; a list may go on in the next "
				"line, after white space",
				LINE_LEN_MAX);
			r.list = false;
		} else if (memchr(text, '\0', len) != NULL) {
			conf_error(&r.errors, r.line, NULL, NULL, "line has a NUL byte");
		} else {
			memcpy(line, text, len);
			line[len] = '\0';
			take_line(&r, line);
		}
	}
	if (r.errors.n == 0)
		conf_check(conf, &r.errors);
	if (r.errors.n > CONF_ERRORS_MAX) {
		snprintf(more, sizeof(more), "and %u more errors", r.errors.n - CONF_ERRORS_MAX);
		fn(arg, more);
	}
	return r.errors.n;
}

unsigned int
conf_load(enum conf_use use, const char *path, struct conf *conf, conf_error_fn fn, void *arg)
{
	struct conf_errors errors = {.conf = conf, .file = path, .fn = fn, .arg = arg};
	size_t len = 0;
	char *text;
	FILE *f;

	conf_init(conf, use);
	text = malloc(FILE_MAX + 1);
	f = fopen(path, "re");
	if (f != NULL && text != NULL)
		len = fread(text, 1, FILE_MAX + 1, f);
	if (f == NULL || text == NULL || ferror(f))
		conf_error(&errors, 0, NULL, NULL, "%s", strerror(errno));
	else if (len > FILE_MAX)
		conf_error(&errors, 0, NULL, NULL, "is larger than %d bytes: not a configuration",
			FILE_MAX);
	else
		errors.n = conf_parse(use, path, text, len, conf, fn, arg);
	free(text);
	if (f != NULL)
		fclose(f);
	return errors.n;
}
