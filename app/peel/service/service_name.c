/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "service_name.h"

int
service_parse_hash(const char *text, uint8_t hash[20])
{
	unsigned int byte;

	if (strlen(text) != 40 || strspn(text, "0123456789abcdefABCDEF") != 40)
		return -EINVAL;
	for (unsigned int i = 0; i < 20; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -EINVAL;
		hash[i] = (uint8_t)byte;
	}
	return 0;
}

static int
parse_hops(const char *text, unsigned int *hops)
{
	if (text[0] < '1' || text[0] > '0' + SERVICE_HOPS_MAX || text[1] != '\0')
		return -EINVAL;
	*hops = (unsigned int)(text[0] - '0');
	return 0;
}

static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (!isgraph((unsigned char)*text) || *text == ',')
			return false;
	}
	return true;
}

static int
parse_kind(struct service_name *s, char *why, size_t why_size)
{
	static const struct {
		const char *prefix;
		enum service_kind kind;
	} hashes[] = {{"id:", SERVICE_ID}, {"torrent:", SERVICE_TORRENT}};

	s->kind = SERVICE_NAME;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(hashes); i++) {
		size_t len = strlen(hashes[i].prefix);

		if (strncmp(s->text, hashes[i].prefix, len) != 0)
			continue;
		s->kind = hashes[i].kind;
		if (service_parse_hash(s->text + len, s->hash) != 0) {
			snprintf(why, why_size, "\"%s\" is not followed by 40 hexadecimal digits",
				hashes[i].prefix);
			return -EINVAL;
		}
	}
	return 0;
}

int
service_parse(const char *text, struct service_name *out, char *why, size_t why_size)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);

	memset(out, 0, sizeof(*out));
	out->hops = SERVICE_HOPS_DEFAULT;
	if (slash != NULL && parse_hops(slash + 1, &out->hops) != 0) {
		snprintf(why, why_size, "\"%.32s\" is not a number of hops, 1 to %d", slash + 1,
			SERVICE_HOPS_MAX);
		return -EINVAL;
	}
	if (len == 0 || len >= sizeof(out->text)) {
		snprintf(why, why_size, "a name has 1 to %zu characters", sizeof(out->text) - 1);
		return -EINVAL;
	}
	memcpy(out->text, text, len);
	if (!is_plain(out->text)) {
		snprintf(why, why_size,
			"a name here has no spaces, commas, or characters beyond ASCII; write "
			"others as id:HEX, with the digits that `peel service publish` prints");
		return -EINVAL;
	}
	return parse_kind(out, why, why_size);
}

size_t
service_find(const struct service_list *list, const char *text)
{
	size_t i = 0;

	while (i < list->n && strcmp(list->item[i].text, text) != 0)
		i++;
	return i < list->n ? i : SERVICES_MAX;
}
