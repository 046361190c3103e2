/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Values of what a node reports about itself, as JSON. They belong to the caller, and are NULL when
 * out of memory. Thread: any. */

#include <jansson.h>
#include <stdio.h>

#include "node.h"

/** A field of an object; omitted if it has no value. */
struct field {
	const char *name;
	json_t *value;
};

/** Make an object, which takes the values. The list ends with a field without a name. */
static inline json_t *
object(const struct field *field)
{
	json_t *o = json_object();

	for (; field->name != NULL; field++) {
		if (field->value != NULL)
			json_object_set_new(o, field->name, field->value);
	}
	return o;
}

#define OBJECT(...) object((const struct field[]){__VA_ARGS__, {0}})

/** JSON integers are signed and counters unsigned, but none of them gets near the limit. */
static inline json_t *
number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/** Bytes as a string of hexadecimal digits, at most as many as a public key has. */
static inline json_t *
hex(const uint8_t *p, size_t len)
{
	char text[2 * PEEL_PK_LEN + 1] = "";

	for (size_t i = 0; i < len && i < PEEL_PK_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", p[i]);
	return json_string(text);
}

/** ADDRESS:PORT, or null without an address. */
static inline json_t *
address(const struct peel_addr *a)
{
	char text[PEEL_ADDR_TEXT_MAX];

	return a->family == PEEL_FAMILY_NONE ? json_null() : json_string(peel_addr_text(a, text));
}

/** Names of peer flags. */
static inline json_t *
flag_list(uint16_t flags)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = {{PEEL_FLAG_RELAY, "relay"}, {PEEL_FLAG_EXIT_BT, "exit_bt"},
		{PEEL_FLAG_EXIT_IPV8, "exit_ipv8"}, {PEEL_FLAG_SPEED_TEST, "speed_test"},
		{PEEL_FLAG_EXIT_BACKUP, "exit_backup"}, {PEEL_FLAG_EXIT_HTTP, "exit_http"}};
	json_t *list = json_array();

	for (size_t i = 0; i < PEEL_ARRAY_LEN(names); i++) {
		if (flags & names[i].bit)
			json_array_append_new(list, json_string(names[i].name));
	}
	return list;
}
