/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Rules for destinations of exits, as Tor writes them: "reject 192.0.2.0/24:*, accept *:53". The
 * reader of lists cuts at commas and spaces, so the verb and the pattern come one after the other.
 */
#include <stdio.h>

#include "conf_table.h"

static const struct {
	const char *word;
	uint8_t families;
	bool accept;
} verbs[] = {
	{"accept", PEEL_RULE_IPV4 | PEEL_RULE_IPV6, true},
	{"reject", PEEL_RULE_IPV4 | PEEL_RULE_IPV6, false},
	{"accept6", PEEL_RULE_IPV6, true},
	{"reject6", PEEL_RULE_IPV6, false},
};

/* "*", "PORT" or "PORT-PORT" */
static bool
read_ports(const char *text, struct peel_rule *r)
{
	unsigned int low = 0, high = UINT16_MAX;

	if (strcmp(text, "*") != 0 &&
		(!conf_read_range(text, true, &low, &high) || low > high || high > UINT16_MAX))
		return false;
	r->port_min = (uint16_t)low;
	r->port_max = (uint16_t)high;
	return true;
}

/* "*", "*4", "*6", "192.0.2.0/24" or "[2001:db8::]/32" */
static int
read_network(const char *text, struct peel_rule *r, char why[CONF_WHY_MAX])
{
	const char *end = strchr(text, ']');
	char plain[128];
	bool none, all;
	int rc;

	if (text[0] == '*') {
		if (strcmp(text, "*") != 0 && strcmp(text, "*4") != 0 && strcmp(text, "*6") != 0)
			return conf_refuse(why, "\"%.64s\" is no network", text);
		if (text[1] != '\0')
			r->families &= text[1] == '4' ? PEEL_RULE_IPV4 : PEEL_RULE_IPV6;
		return r->families != 0
			       ? 0
			       : conf_refuse(
					 why, "*4 and accept6 or reject6 contradict each other");
	}
	if (text[0] == '[' && end != NULL)
		snprintf(plain, sizeof(plain), "%.*s%s", (int)(end - text - 1), text + 1, end + 1);
	else if (strchr(text, ':') != NULL)
		return conf_refuse(why,
			"\"%.64s\": an IPv6 address is written in brackets, [ADDRESS]/LENGTH:PORTS",
			text);
	else
		snprintf(plain, sizeof(plain), "%s", text);
	rc = conf_read_network(plain, &r->net, why);
	if (rc != 0)
		return rc;
	conf_host_bits(&r->net, &none, &all);
	if (!none)
		return conf_refuse(
			why, "%.64s has bits set behind its prefix of %u", text, r->net.prefix_len);
	r->families &= r->net.addr.family == PEEL_FAMILY_IPV4 ? PEEL_RULE_IPV4 : PEEL_RULE_IPV6;
	return r->families != 0 ? 0
				: conf_refuse(why,
					  "%.64s is an IPv4 network: accept6 and reject6 are for "
					  "IPv6",
					  text);
}

static int
add_pattern(struct peel_policy *p, unsigned int verb, const char *value, char why[CONF_WHY_MAX])
{
	struct peel_rule r = {.families = verbs[verb].families, .accept = verbs[verb].accept};
	const char *colon = strrchr(value, ':');
	char network[128];
	int rc;

	if (colon == NULL || strchr(colon, ']') != NULL)
		return conf_refuse(why, "\"%.64s\" names no ports: write %.64s:* for all of them",
			value, value);
	if (!read_ports(colon + 1, &r))
		return conf_refuse(
			why, "\"%.64s\" is neither a port nor a range of ports", colon + 1);
	snprintf(network, sizeof(network), "%.*s", (int)(colon - value), value);
	rc = read_network(network, &r, why);
	if (rc != 0)
		return rc;
	if (p->n_rules == PEEL_RULES_MAX)
		return conf_refuse(why, "has more than %d rules", PEEL_RULES_MAX);
	p->rule[p->n_rules++] = r;
	return 0;
}

int
conf_add_rule(struct conf *c, const char *value, char why[CONF_WHY_MAX])
{
	struct peel_policy *p = &c->node.policy;
	unsigned int verb = c->rule_verb;

	if (*value == '\0') {
		memset(p->rule, 0, sizeof(p->rule));
		p->n_rules = c->rule_verb = 0;
		return 0;
	}
	for (unsigned int i = 0; i < PEEL_ARRAY_LEN(verbs); i++) {
		if (strcmp(value, verbs[i].word) != 0)
			continue;
		if (verb != 0)
			return conf_refuse(why, "has %s where a pattern belongs, behind %s", value,
				verbs[verb - 1].word);
		c->rule_verb = (uint8_t)(i + 1);
		return 0;
	}
	if (verb == 0)
		return conf_refuse(why,
			"has \"%.64s\" where accept or reject belongs: each "
			"pattern has its own",
			value);
	c->rule_verb = 0;
	return add_pattern(p, verb - 1, value, why);
}
