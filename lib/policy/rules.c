/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Rules for destinations, compiled: however many there are, a look-up is two binary searches. The
 * addresses of a family fall into ranges within which the same rules hold, and each range has its
 * ports, in ranges that are accepted and refused in turn. Neighbours that say the same are one.
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_policy.h"

typedef unsigned __int128 key; /* an address as a number, of either family */

struct family {
	uint32_t n;
	key *start;	 /* [n] first address of each range; [0] is 0 */
	uint32_t *ports; /* [n + 1] its ports begin there */
	uint32_t *port;	 /* first port of a range, times two, plus one if it is accepted */
};

struct peel_rules {
	struct family ipv4, ipv6;
};

static key
key_of(const struct peel_addr *a)
{
	if (a->family == PEEL_FAMILY_IPV4)
		return peel_get_be32(a->ip);
	return (key)peel_get_be64(a->ip) << 64 | peel_get_be64(a->ip + 8);
}

/* ---- compiling ------------------------------------------------------------------------------- */

/* A rule as ranges of numbers, both ends included. */
struct range {
	key low, high;
	uint32_t port_low, port_high;
	bool accept;
};

static bool
range_of(const struct peel_rule *rule, enum peel_family family, struct range *out)
{
	const struct peel_addr *a = &rule->net.addr;
	bool ipv4 = family == PEEL_FAMILY_IPV4;
	unsigned int bits = ipv4 ? 32 : 128;
	key all = ipv4 ? (key)UINT32_MAX : ~(key)0, hosts;

	if ((rule->families & (ipv4 ? PEEL_RULE_IPV4 : PEEL_RULE_IPV6)) == 0)
		return false;
	*out = (struct range){.high = all,
		.port_low = rule->port_min,
		.port_high = rule->port_max,
		.accept = rule->accept};
	if (a->family == PEEL_FAMILY_NONE || rule->net.prefix_len == 0)
		return true;
	hosts = rule->net.prefix_len >= bits ? 0 : all >> rule->net.prefix_len;
	out->low = key_of(a) & ~hosts;
	out->high = out->low | hosts;
	return true;
}

static int
by_key(const void *a, const void *b)
{
	const key *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
by_port(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* What no rule names is accepted. */
static bool
accepted(const struct range *r, size_t n, key address, uint32_t port)
{
	for (size_t i = 0; i < n; i++) {
		if (address >= r[i].low && address <= r[i].high && port >= r[i].port_low &&
			port <= r[i].port_high)
			return r[i].accept;
	}
	return true;
}

/* The ports of an address. @return how many ranges, at most 2 * n + 1. */
static uint32_t
ports_of(const struct range *r, size_t n, key address, uint32_t *out)
{
	uint32_t n_edges = 0, n_out = 0, edge[2 * PEEL_RULES_MAX + 1];

	edge[n_edges++] = 0;
	for (size_t i = 0; i < n; i++) {
		if (address < r[i].low || address > r[i].high)
			continue;
		edge[n_edges++] = r[i].port_low;
		edge[n_edges++] = r[i].port_high + 1;
	}
	qsort(edge, n_edges, sizeof(edge[0]), by_port);
	for (uint32_t i = 0; i < n_edges && edge[i] <= UINT16_MAX; i++) {
		uint32_t pass = accepted(r, n, address, edge[i]);

		if (n_out == 0 || (out[n_out - 1] & 1) != pass)
			out[n_out++] = edge[i] << 1 | pass;
	}
	return n_out;
}

static void
add_range(struct family *f, key start, const uint32_t *port, uint32_t n_ports)
{
	uint32_t before = f->n > 0 ? f->ports[f->n] - f->ports[f->n - 1] : 0;

	if (before == n_ports &&
		memcmp(f->port + f->ports[f->n - 1], port, n_ports * sizeof(port[0])) == 0)
		return;
	f->start[f->n] = start;
	memcpy(f->port + f->ports[f->n], port, n_ports * sizeof(port[0]));
	f->ports[f->n + 1] = f->ports[f->n] + n_ports;
	f->n++;
}

static int
compile(const struct peel_rule *rule, size_t n_rules, enum peel_family family, struct family *f)
{
	struct range range[PEEL_RULES_MAX];
	key edge[2 * PEEL_RULES_MAX + 1];
	uint32_t port[2 * PEEL_RULES_MAX + 1];
	size_t n = 0, n_edges = 0;

	edge[n_edges++] = 0;
	for (size_t i = 0; i < n_rules; i++) {
		if (!range_of(&rule[i], family, &range[n]))
			continue;
		edge[n_edges++] = range[n].low;
		edge[n_edges++] = range[n++].high + 1; /* 0 behind the last address */
	}
	qsort(edge, n_edges, sizeof(edge[0]), by_key);
	f->start = calloc(n_edges, sizeof(f->start[0]));
	f->ports = calloc(n_edges + 1, sizeof(f->ports[0]));
	f->port = calloc(n_edges * (2 * n + 1), sizeof(f->port[0]));
	if (f->start == NULL || f->ports == NULL || f->port == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n_edges; i++) {
		if (i == 0 || edge[i] != edge[i - 1])
			add_range(f, edge[i], port, ports_of(range, n, edge[i], port));
	}
	return 0;
}

int
peel_rules_new(const struct peel_rule *rule, size_t n, struct peel_rules **out)
{
	struct peel_rules *r;
	int rc;

	*out = NULL;
	if (n == 0)
		return 0;
	if (n > PEEL_RULES_MAX)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	rc = compile(rule, n, PEEL_FAMILY_IPV4, &r->ipv4);
	if (rc == 0)
		rc = compile(rule, n, PEEL_FAMILY_IPV6, &r->ipv6);
	if (rc != 0) {
		peel_rules_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

static void
family_free(struct family *f)
{
	free(f->start);
	free(f->ports);
	free(f->port);
}

void
peel_rules_free(struct peel_rules *r)
{
	if (r == NULL)
		return;
	family_free(&r->ipv4);
	family_free(&r->ipv6);
	free(r);
}

/* ---- looking up ------------------------------------------------------------------------------ */

bool
peel_rules_accept(const struct peel_rules *r, const struct peel_addr *a)
{
	const struct family *f = a->family == PEEL_FAMILY_IPV4 ? &r->ipv4 : &r->ipv6;
	uint32_t low = 0, high = f->n, wanted = (uint32_t)a->port << 1 | 1;
	key k = key_of(a);

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (f->start[middle] <= k)
			low = middle;
		else
			high = middle;
	}
	high = f->ports[low + 1];
	low = f->ports[low];
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (f->port[middle] <= wanted)
			low = middle;
		else
			high = middle;
	}
	return f->port[low] & 1;
}
