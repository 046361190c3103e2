/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdio.h>
#include <string.h>

#include "peel_status_path.h"

const json_t *
peel_status_at(const json_t *document, const char *path)
{
	char name[64];

	while (document != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");

		snprintf(name, sizeof(name), "%.*s", (int)len, path);
		document = json_object_get(document, name);
		path += len + (path[len] == '.');
	}
	return document;
}

double
peel_status_number(const json_t *document, const char *path)
{
	const json_t *v = peel_status_at(document, path);

	return json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
}
