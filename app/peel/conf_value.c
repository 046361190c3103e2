/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Values of the configuration, by type: from text into their fields.
 */
#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf_table.h"
#include "drivers.h"
#include "peel_aead_engines.h"
#include "peel_node_text.h"

/* ---- numbers and words ----------------------------------------------------------------------- */

/* Which of the words, separated by spaces; -1: none. */
static int
word_index(const char *words, const char *value)
{
	size_t len = strlen(value);
	int i = 0;

	for (const char *w = words; len > 0; w += strcspn(w, " ") + 1, i++) {
		if (strcspn(w, " ") == len && memcmp(w, value, len) == 0)
			return i;
		if (w[strcspn(w, " ")] == '\0')
			break;
	}
	return -1;
}

static int
read_number(const struct conf_setting *k, const char *value, int64_t *out, char why[CONF_WHY_MAX])
{
	static const char units[] = "kKmMgGtT";
	const char *unit;
	char *end;
	int64_t scale = 1;

	if (k->words != NULL && strcmp(value, k->words) == 0) {
		*out = k->meaning;
		return 0;
	}
	errno = 0;
	*out = strtoll(value, &end, 10);
	unit = k->type == CONF_SIZE && *end != '\0' ? strchr(units, *end) : NULL;
	if (unit != NULL) {
		scale <<= 10 * ((unit - units) / 2 + 1);
		end++;
	}
	if (!isdigit((unsigned char)value[value[0] == '-']) || *end != '\0')
		return conf_refuse(why, "\"%.64s\" is not a %s", value,
			k->type == CONF_SIZE ? "size" : "number");
	/* The number behind a word may be written too: `max_peers = -1` is `unlimited`. */
	if (errno == 0 && k->words != NULL && *out == k->meaning)
		return 0;
	if (errno != 0 || *out < 0 || *out > k->max / scale || *out * scale < k->min)
		return conf_refuse(why, "%.64s is out of range", value);
	*out *= scale;
	return 0;
}

static int
read_millis(const struct conf_setting *k, const char *value, int64_t *out, char why[CONF_WHY_MAX])
{
	static const char digits[] = "0123456789";
	size_t len = strspn(value, digits), fraction;
	double ms;

	if (len > 0 && value[len] == '.' && (fraction = strspn(value + len + 1, digits)) > 0)
		len += 1 + fraction;
	if (len == 0 || value[len] != '\0')
		return conf_refuse(why, "\"%.64s\" is not a time in seconds", value);
	ms = 1000 * strtod(value, NULL);
	if (ms < (double)k->min || ms > (double)k->max)
		return conf_refuse(why, "%.64s is out of range", value);
	*out = (int64_t)(ms + 0.5);
	return 0;
}

static int
read_scalar(const struct conf_setting *k, const char *value, int64_t *out, char why[CONF_WHY_MAX])
{
	int i;

	switch (k->type) {
	case CONF_MILLIS:
		return read_millis(k, value, out, why);
	case CONF_SWITCH:
	case CONF_FLAG:
		i = word_index("no yes false true off on", value);
		*out = i & 1;
		return i >= 0 ? 0 : conf_refuse(why, "\"%.64s\" is neither yes nor no", value);
	case CONF_WORD:
		*out = i = word_index(k->words, value);
		return i >= 0 ? 0 : conf_refuse(why, "\"%.64s\" is not known", value);
	default:
		return read_number(k, value, out, why);
	}
}

static int
set_scalar(const struct conf_setting *k, void *field, const char *value, char why[CONF_WHY_MAX])
{
	int64_t v = 0;
	int rc = read_scalar(k, value, &v, why);

	if (rc != 0)
		return rc;
	if (k->type == CONF_FLAG) {
		uint16_t *flags = field;

		v = v ? *flags | k->min : *flags & ~k->min;
	}
	/* Little-endian, so the low bytes come first; the ranges of the table keep the rest
	 * empty. */
	memcpy(field, &v, k->size);
	return 0;
}

/* ---- ranges ---------------------------------------------------------------------------------- */

/* "LOW-HIGH", or with @p one_will_do "LOW" alone. */
static bool
read_range(const char *value, bool one_will_do, unsigned int *low, unsigned int *high)
{
	char rest;
	int n = sscanf(value, "%5u-%5u%c", low, high, &rest);

	if (strspn(value, "0123456789-") != strlen(value) || value[0] == '-' ||
		strstr(value, "--") != NULL)
		return false;
	if (n == 1 && one_will_do && strchr(value, '-') == NULL && strlen(value) <= 5) {
		*high = *low;
		return true;
	}
	return n == 2;
}

static int
set_ports(struct peel_port_conf *p, const char *value, char why[CONF_WHY_MAX])
{
	unsigned int low, high;

	if (!read_range(value, false, &low, &high))
		return conf_refuse(why, "\"%.64s\" is not a range of ports", value);
	if (low < 1024 || high > UINT16_MAX || low > high)
		return conf_refuse(why, "%.64s is out of range", value);
	p->exit_port_min = (uint16_t)low;
	p->exit_port_max = (uint16_t)high;
	return 0;
}

/* ---- drivers --------------------------------------------------------------------------------- */

static int
set_driver(struct peel_node_conf *n, const char *value, char why[CONF_WHY_MAX])
{
	n->port = port_find(value);
	if (n->port != NULL)
		return 0;
	n->port = port_drivers[0];
	return conf_refuse(why, "there is no port driver \"%.64s\"", value);
}

static int
set_engine(struct peel_node_conf *n, const char *value, char why[CONF_WHY_MAX])
{
	n->engine = peel_aead_engine_find(value); /* auto: none yet */
	if (n->engine != NULL || strcmp(value, "auto") == 0)
		return 0;
	return conf_refuse(why, "there is no engine \"%.64s\" in this build", value);
}

/* ---- lists: elements one by one; "" when there are none, and before the first ---------------- */

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
	if (!read_range(value, true, &low, &high) || low > high || high >= CPU_SETSIZE)
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
	case CONF_SERVICES:
		return add_service((void *)((char *)c + k->offset), value, why);
	default:
		return add_dns(&c->node, value, why);
	}
}

static int
set_list(const struct conf_setting *k, struct conf *c, const char *value, bool more,
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

static int
set(struct conf *c, enum conf_id id, const char *value, bool more, char why[CONF_WHY_MAX])
{
	const struct conf_setting *k = &conf_settings[id];
	char *field = (char *)c + k->offset;

	switch (k->type) {
	case CONF_STRING:
		if (strlen(value) >= k->size)
			return conf_refuse(why, "is too long (%zu characters)", strlen(value));
		strncpy(field, value, k->size); /* fills up with zeros */
		return 0;
	case CONF_COMMUNITY:
		return peel_node_conf_set_community(&c->node,
			(enum peel_community)((k->offset - offsetof(struct conf, node.community)) /
					      PEEL_COMMUNITY_LEN),
			value, why, CONF_WHY_MAX);
	case CONF_DRIVER:
		return set_driver(&c->node, value, why);
	case CONF_ENGINE:
		return set_engine(&c->node, value, why);
	case CONF_ADDRESS:
	case CONF_LISTEN:
	case CONF_PUBLIC:
	case CONF_IP4:
	case CONF_IP6:
	case CONF_NETWORK4:
	case CONF_NETWORK6:
		return conf_set_address(k, field, value, why);
	case CONF_PORTS:
		return set_ports(&c->node.port_conf, value, why);
	case CONF_CORES:
	case CONF_BOOTSTRAP:
	case CONF_DENY:
	case CONF_DNS:
	case CONF_PROVIDER:
	case CONF_SERVICES:
		return set_list(k, c, value, more, why);
	default:
		return set_scalar(k, field, value, why);
	}
}

int
conf_set(struct conf *c, enum conf_id id, const char *value, bool more, char why[CONF_WHY_MAX])
{
	c->text[id] = peel_hash_bytes(value, strlen(value), more ? c->text[id] : 0);
	return set(c, id, value, more, why);
}

void
conf_init(struct conf *conf, enum conf_use use)
{
	char text[CONF_TEXT_MAX], why[CONF_WHY_MAX];

	memset(conf, 0, sizeof(*conf));
	conf->use = use;
	peel_node_conf_init(&conf->node);
	for (enum conf_id id = 0; id < CONF_N; id++)
		/* A build without the default driver takes its first one. */
		(void)!conf_set(conf, id, conf_default(id, use, text), false, why);
}
