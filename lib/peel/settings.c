/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Defaults, and whether values make sense. What they become for the node stands in convert.c.
 */
#include <errno.h>

#include "internal.h"
#include "peel_discovery.h"

#define YEAR (365 * 24 * 3600)
#define GIB ((uint64_t)1 << 30)
#define SIZE_LIMIT 65536 /* no version's structure is as large: this one was never initialised */

_Static_assert(PEEL_KEY_LEN == PEEL_PK_LEN, "keys have one length");
_Static_assert(PEEL_HOPS_LIMIT == PEEL_HOPS_MAX, "circuits have one limit");
_Static_assert((int)PEEL_RELAY == (int)PEEL_FLAG_RELAY &&
		       (int)PEEL_EXIT_BT == (int)PEEL_FLAG_EXIT_BT &&
		       (int)PEEL_EXIT_IPV8 == (int)PEEL_FLAG_EXIT_IPV8 &&
		       (int)PEEL_SPEED_TEST == (int)PEEL_FLAG_SPEED_TEST,
	"flags have the protocol's values");

#define FLAGS_KNOWN                                                                                \
	(PEEL_RELAY | PEEL_EXIT_BT | PEEL_EXIT_IPV8 | PEEL_SPEED_TEST | PEEL_EXIT_BACKUP |         \
		PEEL_EXIT_HTTP)

void
peel_settings_init(struct peel_settings *s)
{
	memset(s, 0, sizeof(*s));
	s->size = sizeof(*s);
	s->min_circuits = 1;
	s->max_circuits = 8;
	s->max_time = 3600;
	s->max_time_ip = 86400;
	s->max_time_inactive = 20;
	s->max_traffic = 10 * GIB;
	s->circuit_timeout = 60;
	s->next_hop_timeout = 10;
	s->max_relay_early = 8;
	s->peer_flags = PEEL_RELAY | PEEL_SPEED_TEST;
	s->max_joined_circuits = 100;
	s->unstable_timeout = 60;
	s->remove_tunnel_delay = 5;
	s->swarm_lookup_interval = 30;
	s->swarm_connection_limit = 15;
	s->community = "default";
	s->listen = "0.0.0.0:0";
	s->max_peers = 30;
	s->workers = 1;
	s->engine = "auto";
	s->memory = 512;
}

int
settings_take(const struct peel_settings *in, struct peel_settings *out)
{
	const uint8_t *bytes = (const uint8_t *)in;

	if (in == NULL)
		return error_text(-EINVAL, "no settings are given");
	if (in->size < offsetof(struct peel_settings, max_circuits) || in->size > SIZE_LIMIT)
		return error_format(
			-EINVAL, "settings.size is %zu: begin with peel_settings_init()", in->size);
	/* A program made for a later version may only have left alone what this version does not know. */
	for (size_t i = sizeof(*out); i < in->size; i++) {
		if (bytes[i] != 0)
			return error_format(-E2BIG,
				"settings have %zu bytes and use one behind the %zu that version "
				"%s knows",
				in->size, sizeof(*out), PEEL_VERSION);
	}
	peel_settings_init(out);
	memcpy(out, in, in->size < sizeof(*out) ? in->size : sizeof(*out));
	out->size = sizeof(*out);
	return 0;
}

#define RANGE(f, lo, hi)                                                                           \
	{                                                                                          \
		.name = #f, .offset = offsetof(struct peel_settings, f),                           \
		.wide = sizeof(((struct peel_settings *)0)->f) == 8, .min = lo, .max = hi          \
	}

static const struct range {
	const char *name;
	size_t offset;
	bool wide; /* 8 bytes, else 4 */
	uint64_t min, max;
} ranges[] = {
	RANGE(min_circuits, 0, 1024),
	RANGE(max_circuits, 1, 1024),
	RANGE(max_time, 1, YEAR),
	RANGE(max_time_ip, 1, YEAR),
	RANGE(max_time_inactive, 1, YEAR),
	RANGE(max_traffic, 1024, GIB << 20),
	RANGE(circuit_timeout, 1, 3600),
	RANGE(next_hop_timeout, 1, 3600),
	RANGE(max_relay_early, 1, 255),
	RANGE(max_joined_circuits, 0, 8388608),
	RANGE(unstable_timeout, 1, 3600),
	RANGE(remove_tunnel_delay, 0, 3600),
	RANGE(swarm_lookup_interval, 1, YEAR),
	RANGE(swarm_connection_limit, 1, 1024),
	RANGE(max_peers, 1, 100000),
	RANGE(workers, 1, PEEL_MAX_WORKERS),
	RANGE(memory, 32, 1048576),
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
		if (value < r->min || value > r->max)
			return error_format(-EINVAL,
				"settings.%s: %llu is not between %llu and %llu", r->name,
				(unsigned long long)value, (unsigned long long)r->min,
				(unsigned long long)r->max);
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
	if ((s->peer_flags & ~FLAGS_KNOWN) != 0)
		return error_format(-EINVAL,
			"settings.peer_flags: 0x%x is no flag of enum peel_flag",
			s->peer_flags & ~FLAGS_KNOWN);
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
