/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The sample files: every setting with its meaning, its range and its default.
 */
#include "conf_table.h"

#define WIDTH 100

static const struct {
	enum conf_use use;
	enum conf_id id;
	const char *value;
} samples[] = {
#define SAMPLE(use, section, name, value) {CONF_FOR_##use, CONF_##section##_##name, value},
#include "peel_settings.def"
};

static const struct {
	enum conf_use use;
	const char *about;
} heads[] = {
#define HEAD(use, about) {CONF_FOR_##use, about},
#include "peel_settings.def"
};

/* A comment, broken into lines. */
static void
comment(FILE *to, const char *before, const char *text)
{
	size_t column = (size_t)fprintf(to, "#%s", before), len;

	for (; *text != '\0'; text += len + strspn(text + len, " ")) {
		len = strcspn(text, " ");
		if (column + 1 + len > WIDTH)
			column = (size_t)fprintf(to, "\n#") - 1;
		column += (size_t)fprintf(to, " %.*s", (int)len, text);
	}
	fputc('\n', to);
}

void
conf_sample(enum conf_use use, FILE *to)
{
	const char *section = "";
	char text[CONF_TEXT_MAX], allowed[CONF_TEXT_MAX];

	fputs("# SPDX-License-Identifier: BSD-3-Clause\n", to);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(heads); i++) {
		if ((heads[i].use & use) != 0)
			comment(to, "\n#", heads[i].about);
	}
	for (enum conf_id id = 0; id < CONF_N; id++) {
		const struct conf_setting *k = &conf_settings[id];
		const char *value = conf_default(id, use, text), *off = "#";

		if ((conf_section_use(k->section) & use) == 0)
			continue;
		if (strcmp(section, k->section) != 0)
			fprintf(to, "\n[%s]\n", k->section);
		else if (k->about[0] != '\0')
			fputc('\n', to);
		section = k->section;
		if (k->about[0] != '\0') {
			comment(to, conf_reloads(id) ? " [reload]" : "", k->about);
			/* What drivers there are depends on the build. */
			if (k->allowed != NULL || k->type <= CONF_WORD)
				comment(to, " Allowed:", conf_allowed(k, allowed));
		}
		for (size_t i = 0; i < PEEL_ARRAY_LEN(samples); i++) {
			if (samples[i].use == use && samples[i].id == id) {
				value = samples[i].value;
				off = "";
			}
		}
		fprintf(to, "%s%s =%s%s\n", off, k->name, value[0] != '\0' ? " " : "", value);
	}
}
