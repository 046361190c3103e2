/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Reading the configuration file with libinih. It hands out names and values without line numbers, and it is lenient
 * where an operator's slip should be told (long lines are cut, sections may repeat, text without a section passes,
 * indented lines continue a value). So the reader function that feeds it looks at each line first: it counts lines,
 * reports what is wrong with one and hands on an empty line instead.
 */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf_table.h"
#include "drivers.h"

#define FILE_MAX (1024 * 1024)
#define LINE_MAX_WANTED 4096
#define NAME_SIZE 50 /* inih's limit of names of sections and keys, with the terminator */

struct parser {
	struct peel_conf *conf;
	struct conf_errors errors;
	const char *text, *end;
	unsigned int line;
	char section[NAME_SIZE]; /* of the current line, as inih will see it */
	bool section_known, section_bad;
	char seen[16][NAME_SIZE]; /* sections so far */
	unsigned int n_seen;
	bool indented; /* the current line goes on with the value of the one before */
	int last;      /* index of the key on the line before, -1: none or refused */
};

void
conf_error(struct conf_errors *e, unsigned int line, const char *section, const char *key,
	const char *format, ...)
{
	char text[1024], what[640], where[160] = "";
	va_list ap;

	e->n++;
	if (e->n > CONF_ERRORS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	if (section != NULL)
		snprintf(where, sizeof(where), "[%s]%s%s: ", section, key != NULL ? " " : "",
			key != NULL ? key : "");
	if (line > 0)
		snprintf(text, sizeof(text), "%s:%u: %s%s", e->file, line, where, what);
	else
		snprintf(text, sizeof(text), "%s: %s%s", e->file, where, what);
	/* What a stranger's file contains must not steer the terminal it is shown on. */
	for (char *p = text; *p != '\0'; p++) {
		if (iscntrl((unsigned char)*p))
			*p = '?';
	}
	e->fn(e->arg, text);
}

void
conf_error_key(struct conf_errors *e, const struct peel_conf *c, const char *section,
	const char *name, const char *format, ...)
{
	char what[384], allowed[256];
	int i = conf_key_find(section, name);
	va_list ap;

	va_start(ap, format);
	vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	conf_error(e, i >= 0 ? c->line[i] : 0, section, name, "%s; allowed: %s", what,
		i >= 0 ? conf_allowed(&conf_keys[i], allowed, sizeof(allowed)) : "");
}

bool
conf_given(const struct peel_conf *c, const char *section, const char *name)
{
	int i = conf_key_find(section, name);

	return i >= 0 && c->line[i] != 0;
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

/* The header of a section, "[name]". */
static void
take_section(struct parser *p, const char *line)
{
	const char *close = strchr(line, ']');
	size_t len = close != NULL ? (size_t)(close - line - 1) : 0;

	p->last = -1;
	p->section_known = false;
	p->section_bad = true; /* keys below a bad header are not worth an error each */
	if (close == NULL || close[1 + strspn(close + 1, " \t")] != '\0') {
		conf_error(&p->errors, p->line, NULL, NULL,
			"a section begins with its name in brackets, alone on the line");
		return;
	}
	if (len >= sizeof(p->section))
		len = sizeof(p->section) - 1;
	memcpy(p->section, line + 1, len);
	p->section[len] = '\0';
	if (conf_section_use(p->section) == 0) {
		const char *hint = conf_hint_section(p->section);
		char list[128];

		conf_error(&p->errors, p->line, NULL, NULL,
			"there is no section [%s]%s%s%s; allowed: %s", p->section,
			hint != NULL ? "; did you mean [" : "", hint != NULL ? hint : "",
			hint != NULL ? "]?" : "",
			conf_section_list(p->conf->use, list, sizeof(list)));
		return;
	}
	if ((conf_section_use(p->section) & p->conf->use) == 0) {
		conf_error(&p->errors, p->line, NULL, NULL,
			"section [%s] is for `peel %s`, and this is read by `peel %s`", p->section,
			p->conf->use == PEEL_CONF_CLIENT ? "relay" : "client",
			p->conf->use == PEEL_CONF_CLIENT ? "client" : "relay");
		return;
	}
	p->section_bad = false;
	p->section_known = true;
	for (unsigned int i = 0; i < p->n_seen; i++) {
		if (strcmp(p->seen[i], p->section) == 0) {
			conf_error(&p->errors, p->line, NULL, NULL,
				"section [%s] is there twice; put all its keys under the first",
				p->section);
			return;
		}
	}
	if (p->n_seen < PEEL_ARRAY_LEN(p->seen))
		memcpy(p->seen[p->n_seen++], p->section, sizeof(p->section));
}

/* Cut the comment at the end of a line: white space, then ';'. A '#' there would become part of the value. */
static void
cut_comment(struct parser *p, char *line)
{
	for (char *s = line; *s != '\0'; s++) {
		bool after_space = s > line && isspace((unsigned char)s[-1]);

		if (*s == '#' && after_space) {
			conf_error(&p->errors, p->line, p->section_known ? p->section : NULL, NULL,
				"a comment behind a value begins with ';', not with '#'");
			*s = '\0';
		} else if (*s == ';' && after_space) {
			*s = '\0';
		}
		if (*s == '\0')
			break;
	}
	for (size_t len = strlen(line); len > 0 && isspace((unsigned char)line[len - 1]); len--)
		line[len - 1] = '\0';
}

/* Look at a line; true when inih shall have it. */
static bool
check_line(struct parser *p, char *line)
{
	char *s = line;

	p->indented = isspace((unsigned char)*s);
	while (isspace((unsigned char)*s))
		s++;
	if (*s == '\0' || *s == '#' || *s == ';')
		return false;
	cut_comment(p, s);
	if (*s == '[') {
		if (p->indented)
			conf_error(&p->errors, p->line, NULL, NULL,
				"a section begins at the start of its line");
		memmove(line, s, strlen(s) + 1); /* else inih takes it for a value's next line */
		take_section(p, line);
		return true;
	}
	if (p->indented) {
		if (p->last >= 0 && conf_keys[p->last].type == CONF_LIST)
			return true;
		if (!p->section_bad)
			conf_error(&p->errors, p->line, p->section_known ? p->section : NULL, NULL,
				"begins with white space; only lists go on in the next line");
		return false;
	}
	p->last = -1;
	if (strpbrk(s, "=:") == NULL) {
		conf_error(&p->errors, p->line, p->section_known ? p->section : NULL, NULL,
			"\"%.64s\" is neither \"key = value\" nor a [section] nor a # comment", s);
		return false;
	}
	return true;
}

/* The reader function that inih calls for each line; `size` is its real buffer. */
static char *
read_line(char *out, int size, void *stream)
{
	struct parser *p = stream;
	const char *eol;
	size_t len;

	if (p->text == p->end || size < 2)
		return NULL;
	eol = memchr(p->text, '\n', (size_t)(p->end - p->text));
	if (eol == NULL)
		eol = p->end;
	len = (size_t)(eol - p->text);
	p->line++;
	out[0] = '\0';
	if (len + 3 > (size_t)size) {
		conf_error(&p->errors, p->line, p->section_known ? p->section : NULL, NULL,
			"line is longer than %d characters; a list may go on in the next line, "
			"after white space",
			size - 3);
		p->last = -1;
	} else if (memchr(p->text, '\0', len) != NULL) {
		conf_error(&p->errors, p->line, NULL, NULL, "line has a NUL byte");
	} else {
		memcpy(out, p->text, len);
		out[len] = '\0';
		if (!check_line(p, out))
			out[0] = '\0';
	}
	p->text = eol < p->end ? eol + 1 : p->end;
	return out;
}

/* ---- keys --------------------------------------------------------------------------------------------------------- */

static void
unknown_key(struct parser *p, const char *section, const char *name)
{
	char near[96];
	const char *hint = NULL;

	if (p->errors.n < CONF_ERRORS_MAX) /* looking around takes time, and nobody will read it */
		hint = conf_hint_key(section, name, near, sizeof(near));

	conf_error(&p->errors, p->line, section, name, "there is no such key%s%s%s",
		hint != NULL ? "; did you mean " : "", hint != NULL ? hint : "",
		hint != NULL ? "?" : "");
}

/* inih's handler. Always says yes: errors are counted here. */
static int
take_key(void *user, const char *section, const char *name, const char *value)
{
	struct parser *p = user;
	char why[384] = "", allowed[256];
	bool more = p->indented;
	int i;

	if (p->section_bad)
		return 1;
	if (section[0] == '\0') {
		conf_error(&p->errors, p->line, NULL, NULL,
			"%.64s stands before the first [section]", name);
		return 1;
	}
	i = conf_key_find(section, name);
	if (i < 0) {
		unknown_key(p, section, name);
		return 1;
	}
	if (!more && p->conf->line[i] != 0) {
		conf_error(&p->errors, p->line, section, name, "is there already, in line %u",
			p->conf->line[i]);
		return 1;
	}
	if (!more)
		p->conf->line[i] = p->line;
	if (conf_value_set(&conf_keys[i], p->conf, value, more, why, sizeof(why)) != 0)
		conf_error(&p->errors, p->line, section, name, "%s; allowed: %s", why,
			conf_allowed(&conf_keys[i], allowed, sizeof(allowed)));
	p->last = i;
	return 1;
}

/* ---- entry points --------------------------------------------------------------------------------------------------- */

void
peel_conf_init(struct peel_conf *conf, enum peel_conf_use use)
{
	char why[1];

	memset(conf, 0, sizeof(*conf));
	conf->use = use;
	peel_node_conf_init(&conf->node);
	if (conf->node.port == NULL)
		conf->node.port = peel_ports[0];
	if (conf->node.n_bootstrap + conf->node.n_bootstrap_names == 0)
		(void)conf_set_bootstrap(conf, "default", true, why, sizeof(why));
	conf->log_level = PEEL_LOG_INFO;
	conf->client.max_clients = 64;
	conf->client.idle_timeout = 3600;
	if (use == PEEL_CONF_CLIENT)
		conf->node.port_conf.listen.port =
			0; /* nobody needs to find a client where it was before */
}

unsigned int
peel_conf_parse(enum peel_conf_use use, const char *name, const char *text, size_t len,
	struct peel_conf *conf, peel_conf_error_fn fn, void *arg)
{
	struct parser p = {
		.conf = conf,
		.errors = {.file = name, .fn = fn, .arg = arg},
		.text = text,
		.end = text + len,
		.last = -1,
	};

	peel_conf_init(conf, use);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		p.text += 3; /* an editor's byte order mark */
#ifdef PEEL_HAVE_INI_MAX_LINE
	/* This build of inih has its limits as variables; otherwise they are compiled in and read_line sees them. */
	ini_max_line = LINE_MAX_WANTED;
	ini_allow_multiline = true;
#endif
	if (ini_parse_stream(read_line, &p, take_key, &p) < 0)
		conf_error(&p.errors, 0, NULL, NULL, "out of memory");
	if (p.errors.n == 0)
		conf_check(conf, &p.errors);
	if (p.errors.n > CONF_ERRORS_MAX) {
		char more[64];

		snprintf(more, sizeof(more), "and %u more errors", p.errors.n - CONF_ERRORS_MAX);
		fn(arg, more);
	}
	return p.errors.n;
}

unsigned int
peel_conf_load(enum peel_conf_use use, const char *path, struct peel_conf *conf,
	peel_conf_error_fn fn, void *arg)
{
	struct conf_errors errors = {.file = path, .fn = fn, .arg = arg};
	FILE *f = fopen(path, "re");
	char *text = malloc(FILE_MAX + 1);
	size_t len = 0;

	peel_conf_init(conf, use);
	if (f == NULL) {
		conf_error(&errors, 0, NULL, NULL, "%s", strerror(errno));
	} else if (text == NULL) {
		conf_error(&errors, 0, NULL, NULL, "out of memory");
	} else {
		len = fread(text, 1, FILE_MAX + 1, f);
		if (ferror(f))
			conf_error(&errors, 0, NULL, NULL, "%s", strerror(errno));
		else if (len > FILE_MAX)
			conf_error(&errors, 0, NULL, NULL,
				"is larger than %d bytes: not a "
				"configuration",
				FILE_MAX);
	}
	if (errors.n == 0)
		errors.n = peel_conf_parse(use, path, text, len, conf, fn, arg);
	free(text);
	if (f != NULL)
		fclose(f);
	return errors.n;
}
