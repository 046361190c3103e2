/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Values that are lists: elements one by one; "" when there are none, and before the first.
 */
#include <sched.h>

#include "conf_table.h"
#include "drivers.h"
#include "peel_node_text.h"

static int
add_cores(struct peel_node_conf *n, const char *value, char why[CONF_WHY_MAX])
{
	unsigned int low, high;

	if (*value == '\0') {
		for (unsigned int i = 0; i < PEEL_MAX_WORKERS; i++)
			n->core[i] = -1;
		return 0;
	}
	if (n->core[0] < 0)
		n->n_workers = 0;
	if (!conf_read_range(value, true, &low, &high) || low > high || high >= CPU_SETSIZE)
		return conf_refuse(why, "\"%.64s\" is not a CPU or a range of CPUs", value);
	for (; low <= high; low++) {
		for (unsigned int i = 0; i < n->n_workers; i++) {
			if (n->core[i] == (int)low)
				return conf_refuse(why, "names CPU %u twice", low);
		}
		if (n->n_workers == PEEL_MAX_WORKERS)
			return conf_refuse(why, "names more than %d CPUs", PEEL_MAX_WORKERS);
		n->core[n->n_workers++] = (int)low;
	}
	return 0;
}

static int
add_bootstrap(struct peel_node_conf *n, const char *value, char why[CONF_WHY_MAX])
{
	if (*value != '\0')
		return peel_node_conf_add_bootstrap(n, value, why, CONF_WHY_MAX);
	memset(n->bootstrap, 0, sizeof(n->bootstrap));
	memset(n->bootstrap_name, 0, sizeof(n->bootstrap_name));
	n->n_bootstrap = n->n_bootstrap_names = 0;
	return 0;
}

static int
add_deny(struct peel_policy *p, const char *value, char why[CONF_WHY_MAX])
{
	struct peel_network n;
	bool none, all;
	int rc;

	if (*value == '\0') {
		memset(p->deny, 0, sizeof(p->deny));
		p->n_deny = 0;
		return 0;
	}
	rc = conf_read_network(value, &n, why);
	if (rc != 0)
		return rc;
	conf_host_bits(&n, &none, &all);
	if (!none) /* most likely a slip: 10.0.0.1/8 for 10.0.0.1/32 */
		return conf_refuse(
			why, "%.64s has bits set behind its prefix of %u", value, n.prefix_len);
	if (p->n_deny == PEEL_POLICY_DENY_MAX)
		return conf_refuse(why, "has more than %d networks", PEEL_POLICY_DENY_MAX);
	p->deny[p->n_deny++] = n;
	return 0;
}

static int
add_dns(struct peel_node_conf *n, const char *value, char why[CONF_WHY_MAX])
{
	if (*value == '\0') {
		memset(n->dns, 0, sizeof(n->dns));
		n->n_dns = 0;
		return 0;
	}
	return strcmp(value, "system") == 0 ? 0
					    : peel_node_conf_add_dns(n, value, why, CONF_WHY_MAX);
}

static int
add_provider(struct peel_node_conf *n, const char *value, char why[CONF_WHY_MAX])
{
	const struct peel_provider_ops *ops;
	const char *reason;

	if (*value == '\0') {
		memset(n->provider, 0, sizeof(n->provider));
		n->n_providers = 0;
		return 0;
	}
	ops = dht_provider_find(value, &reason);
	if (ops == NULL)
		return conf_refuse(why, "there is no DHT \"%.64s\": %.200s", value, reason);
	for (size_t i = 0; i < n->n_providers; i++) {
		if (n->provider[i] == ops)
			return conf_refuse(why, "names %.64s twice", value);
	}
	if (n->n_providers == PEEL_PROVIDERS_MAX)
		return conf_refuse(why, "names more than %d", PEEL_PROVIDERS_MAX);
	n->provider[n->n_providers++] = ops;
	return 0;
}

static int
add_service(struct service_list *list, const char *value, char why[CONF_WHY_MAX])
{
	struct service_name s;
	int rc;

	if (*value == '\0') {
		memset(list, 0, sizeof(*list));
		return 0;
	}
	rc = service_parse(value, &s, why, CONF_WHY_MAX);
	if (rc != 0)
		return rc;
	if (service_find(list, s.text) < SERVICES_MAX)
		return conf_refuse(why, "names %s twice", s.text);
	if (list->n == SERVICES_MAX)
		return conf_refuse(why, "names more than %d services", SERVICES_MAX);
	list->item[list->n++] = s;
	return 0;
}

static int
add_element(const struct conf_setting *k, struct conf *c, const char *value, char why[CONF_WHY_MAX])
{
	switch (k->type) {
	case CONF_CORES:
		return add_cores(&c->node, value, why);
	case CONF_BOOTSTRAP:
		return add_bootstrap(&c->node, value, why);
	case CONF_DENY:
		return add_deny(&c->node.policy, value, why);
	case CONF_PROVIDER:
		return add_provider(&c->node, value, why);
	case CONF_RULES:
		return conf_add_rule(c, value, why);
	case CONF_SERVICES:
		return add_service((void *)((char *)c + k->offset), value, why);
	default:
		return add_dns(&c->node, value, why);
	}
}

int
conf_set_list(const struct conf_setting *k, struct conf *c, const char *value, bool more,
	char why[CONF_WHY_MAX])
{
	char element[256];
	int rc = more ? 0 : add_element(k, c, "", why);

	for (value += strspn(value, ", \t"); rc == 0 && *value != '\0';
		value += strspn(value, ", \t")) {
		size_t len = strcspn(value, ", \t");

		if (len >= sizeof(element))
			return conf_refuse(why, "has an element of %zu characters", len);
		memcpy(element, value, len);
		element[len] = '\0';
		value += len;
		rc = add_element(k, c, element, why);
	}
	return rc;
}
