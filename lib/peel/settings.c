/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Defaults, and whether values make sense. convert.c says what they become for the node.
 */
#include <errno.h>

#include "handle.h"
#include "peel_discovery.h"

/* no version's structure is as large: this one was never initialised */
#define SIZE_LIMIT 65536

_Static_assert(PEEL_KEY_LEN == PEEL_PK_LEN, "keys have one length");
_Static_assert(PEEL_HOPS_LIMIT == PEEL_HOPS_MAX, "circuits have one limit");
_Static_assert((int)PEEL_RELAY == (int)PEEL_FLAG_RELAY &&
		       (int)PEEL_EXIT_BT == (int)PEEL_FLAG_EXIT_BT &&
		       (int)PEEL_EXIT_IPV8 == (int)PEEL_FLAG_EXIT_IPV8 &&
		       (int)PEEL_SPEED_TEST == (int)PEEL_FLAG_SPEED_TEST &&
		       (int)PEEL_EXIT_BACKUP == (int)PEEL_FLAG_EXIT_BACKUP &&
		       (int)PEEL_EXIT_HTTP == (int)PEEL_FLAG_EXIT_HTTP,
	"flags have the protocol's values");

/* clang-format off */
static const unsigned int flags_known = 0
#define FLAG(name, bit, by_default, about) | bit
#include "peel_settings.def"
;
/* clang-format on */

void
peel_settings_init(struct peel_settings *s)
{
	memset(s, 0, sizeof(*s));
	s->size = sizeof(*s);
#define BY_DEFAULT_ALL(name, value) s->name = value;
#define BY_DEFAULT_OWN(...)
#define BY_DEFAULT_FILES(...)
#define VALUE(                                                                                     \
	section, name, owner, field, type, by_default, min, max, word, meaning, takers, about)     \
	BY_DEFAULT_##takers(name, by_default)
#define LIBPEEL(name, by_default, min, max) s->name = by_default;
#define FLAG(name, bit, by_default, about) s->peer_flags |= by_default ? bit : 0;
#include "peel_settings.def"
	s->community = "default";
	s->listen = "0.0.0.0:0";
	s->engine = "auto";
}

int
settings_copy(const void *in, size_t oldest, void *out, size_t known, const char *init)
{
	const uint8_t *bytes = in;
	size_t size;

	if (in == NULL)
		return error_text(-EINVAL, "no settings are given");
	memcpy(&size, in, sizeof(size));
	if (size < oldest || size > SIZE_LIMIT)
		return error_format(-EINVAL, "settings.size is %zu: begin with %s()", size, init);
	/* A program made for a later version may only have left alone what this version does not
	 * know. */
	for (size_t i = known; i < size; i++) {
		if (bytes[i] != 0)
			return error_format(-E2BIG,
				"settings have %zu bytes and use one behind the %zu that version "
				"%s knows",
				size, known, PEEL_VERSION);
	}
	memcpy(out, in, size < known ? size : known);
	memcpy(out, &known, sizeof(known));
	return 0;
}

int
settings_take(const struct peel_settings *in, struct peel_settings *out)
{
	peel_settings_init(out);
	return settings_copy(in, offsetof(struct peel_settings, max_circuits), out, sizeof(*out),
		"peel_settings_init");
}

static const struct range {
	const char *name;
	size_t offset;
	bool wide; /* 8 bytes, else 4 */
	uint64_t low, high;
} ranges[] = {
#define RANGE_ALL(field, lowest, highest)                                                          \
	{.name = #field,                                                                           \
		.offset = offsetof(struct peel_settings, field),                                   \
		.wide = sizeof(((struct peel_settings *)0)->field) == 8,                           \
		.low = lowest,                                                                     \
		.high = highest},
#define RANGE_OWN(...)
#define RANGE_FILES(...)
#define VALUE(                                                                                     \
	section, name, owner, field, type, by_default, min, max, word, meaning, takers, about)     \
	RANGE_##takers(name, min, max)
#define LIBPEEL(name, by_default, min, max) RANGE_ALL(name, min, max)
#include "peel_settings.def"
};

static int
check_ranges(const struct peel_settings *s)
{
	for (size_t i = 0; i < PEEL_ARRAY_LEN(ranges); i++) {
		const struct range *r = &ranges[i];
		const uint8_t *p = (const uint8_t *)s + r->offset;
		uint64_t value;
		uint32_t narrow;

		memcpy(&narrow, p, sizeof(narrow));
		value = narrow;
		if (r->wide)
			memcpy(&value, p, sizeof(value));
		if (value < r->low || value > r->high)
			return error_format(-EINVAL,
				"settings.%s: %llu is not between %llu and %llu", r->name,
				(unsigned long long)value, (unsigned long long)r->low,
				(unsigned long long)r->high);
	}
	return 0;
}

int
settings_check(const struct peel_settings *s)
{
	const struct peel_dht_provider *dht = s->dht_provider;
	int rc = check_ranges(s);

	if (rc != 0)
		return rc;
	if (s->min_circuits > s->max_circuits)
		return error_format(-EINVAL,
			"settings.min_circuits: %u is more than max_circuits, %u", s->min_circuits,
			s->max_circuits);
	if (s->next_hop_timeout > s->circuit_timeout)
		return error_format(-EINVAL,
			"settings.next_hop_timeout: %u is more than circuit_timeout, %u: a circuit "
			"would never be tried",
			s->next_hop_timeout, s->circuit_timeout);
	if ((s->peer_flags & ~flags_known) != 0)
		return error_format(-EINVAL,
			"settings.peer_flags: 0x%x is no flag of enum peel_flag",
			s->peer_flags & ~flags_known);
	if (s->exit_any_payload && !s->become_exitnode &&
		(s->peer_flags & (PEEL_EXIT_BT | PEEL_EXIT_IPV8)) == 0)
		return error_text(-EINVAL,
			"settings.exit_any_payload: lets nothing out without become_exitnode, "
			"PEEL_EXIT_BT or PEEL_EXIT_IPV8");
	if (dht != NULL &&
		(dht->lookup == NULL || dht->announce == NULL || dht->peer_lookup == NULL))
		return error_text(-EINVAL, "settings.dht_provider: one of its functions is NULL");
	return 0;
}
