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

static int refuse(char why[PEEL_CONF_WHY], const char *format, ...) PEEL_PRINTF(2, 3);

static int
refuse(char why[PEEL_CONF_WHY], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, PEEL_CONF_WHY, format, ap);
	va_end(ap);
	return -EINVAL;
}

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
read_number(const struct conf_setting *k, const char *value, int64_t *out, char why[PEEL_CONF_WHY])
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
		return refuse(why, "\"%.64s\" is not a %s", value,
			k->type == CONF_SIZE ? "size" : "number");
	/* The number behind a word may be written too: `max_peers = -1` is `unlimited`. */
	if (errno == 0 && k->words != NULL && *out == k->meaning)
		return 0;
	if (errno != 0 || *out < 0 || *out > k->max / scale || *out * scale < k->min)
		return refuse(why, "%.64s is out of range", value);
	*out *= scale;
	return 0;
}

static int
read_millis(const struct conf_setting *k, const char *value, int64_t *out, char why[PEEL_CONF_WHY])
{
	static const char digits[] = "0123456789";
	size_t len = strspn(value, digits), fraction;
	double ms;

	if (len > 0 && value[len] == '.' && (fraction = strspn(value + len + 1, digits)) > 0)
		len += 1 + fraction;
	if (len == 0 || value[len] != '\0')
		return refuse(why, "\"%.64s\" is not a time in seconds", value);
	ms = 1000 * strtod(value, NULL);
	if (ms < (double)k->min || ms > (double)k->max)
		return refuse(why, "%.64s is out of range", value);
	*out = (int64_t)(ms + 0.5);
	return 0;
}

static int
read_scalar(const struct conf_setting *k, const char *value, int64_t *out, char why[PEEL_CONF_WHY])
{
	int i;

	switch (k->type) {
	case CONF_MILLIS:
		return read_millis(k, value, out, why);
	case CONF_SWITCH:
	case CONF_FLAG:
		i = word_index("no yes false true off on", value);
		*out = i & 1;
		return i >= 0 ? 0 : refuse(why, "\"%.64s\" is neither yes nor no", value);
	case CONF_WORD:
		*out = i = word_index(k->words, value);
		return i >= 0 ? 0 : refuse(why, "\"%.64s\" is not known", value);
	default:
		return read_number(k, value, out, why);
	}
}

static int
set_scalar(const struct conf_setting *k, void *field, const char *value, char why[PEEL_CONF_WHY])
{
	int64_t v = 0;
	int ret = read_scalar(k, value, &v, why);

	if (ret != 0)
		return ret;
	if (k->type == CONF_FLAG) {
		uint16_t *flags = field;

		v = v ? *flags | k->min : *flags & ~k->min;
	}
	/* Little-endian, so the low bytes come first; the ranges of the table keep the rest
	 * empty. */
	memcpy(field, &v, k->size);
	return 0;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static int
set_address(const struct conf_setting *k, void *field, const char *value, char why[PEEL_CONF_WHY])
{
	struct peel_addr a = {.family = PEEL_FAMILY_NONE};

	if (*value != '\0' || k->type == CONF_LISTEN) {
		int ret = peel_node_parse_address(value, &a, why, PEEL_CONF_WHY);

		if (ret != 0)
			return ret;
		if (k->type == CONF_PUBLIC && a.port == 0)
			return refuse(why, "port 0 cannot be reached");
	}
	memcpy(field, &a, sizeof(a));
	return 0;
}

/* An address without port. */
static bool
read_ip(const char *value, struct peel_addr *out)
{
	return peel_addr_parse(value, 0, out) == 0 && !peel_node_has_port(value) && value[0] != '[';
}

static int
set_ip(const struct conf_setting *k, void *field, const char *value, char why[PEEL_CONF_WHY])
{
	uint8_t family = k->type == CONF_IP4 ? PEEL_FAMILY_IPV4 : PEEL_FAMILY_IPV6;
	struct peel_addr a = {.family = PEEL_FAMILY_NONE};

	if (*value != '\0' && !read_ip(value, &a))
		return refuse(why, "\"%.64s\" is not an IP address", value);
	if (*value != '\0' && a.family != family)
		return refuse(why, "%.64s is not an IPv%u address", value, family);
	memcpy(field, &a, sizeof(a));
	return 0;
}

/* "ADDRESS/LENGTH"; without a length one host. */
static int
read_network(const char *value, struct peel_network *out, char why[PEEL_CONF_WHY])
{
	char host[PEEL_ADDR_TEXT_MAX];
	size_t len = strcspn(value, "/");
	unsigned long bits, max;
	char *end = host;

	memset(out, 0, sizeof(*out));
	snprintf(host, sizeof(host), "%.*s", (int)len, value);
	if (len >= sizeof(host) || !read_ip(host, &out->addr))
		return refuse(why, "\"%.64s\" is not an address and a prefix length", value);
	max = out->addr.family == PEEL_FAMILY_IPV4 ? 32 : 128;
	bits = max;
	if (value[len] == '/') {
		bits = isdigit((unsigned char)value[len + 1]) ? strtoul(value + len + 1, &end, 10)
							      : max + 1;
		if (bits > max || *end != '\0')
			return refuse(
				why, "\"%.64s\" has no prefix length of 0 to %lu", value, max);
	}
	out->prefix_len = (uint8_t)bits;
	return 0;
}

static int
set_network(const struct conf_setting *k, void *field, const char *value, char why[PEEL_CONF_WHY])
{
	uint8_t family = k->type == CONF_NETWORK4 ? PEEL_FAMILY_IPV4 : PEEL_FAMILY_IPV6;
	struct peel_network n = {.prefix_len = 0};

	if (*value != '\0') {
		int ret = read_network(value, &n, why);

		if (ret != 0)
			return ret;
		if (n.addr.family != family)
			return refuse(why, "%.64s is not IPv%u", value, family);
		if (strchr(value, '/') == NULL || n.prefix_len == 0)
			return refuse(why, "%.64s says no network", value);
	}
	memcpy(field, &n, sizeof(n));
	return 0;
}

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
set_ports(struct peel_port_conf *p, const char *value, char why[PEEL_CONF_WHY])
{
	unsigned int low, high;

	if (!read_range(value, false, &low, &high))
		return refuse(why, "\"%.64s\" is not a range of ports", value);
	if (low < 1024 || high > UINT16_MAX || low > high)
		return refuse(why, "%.64s is out of range", value);
	p->exit_port_min = (uint16_t)low;
	p->exit_port_max = (uint16_t)high;
	return 0;
}

/* ---- drivers --------------------------------------------------------------------------------- */

static int
set_driver(struct peel_node_conf *n, const char *value, char why[PEEL_CONF_WHY])
{
	n->port = port_find(value);
	if (n->port != NULL)
		return 0;
	n->port = peel_ports[0];
	return refuse(why, "there is no port driver \"%.64s\"", value);
}

static int
set_engine(struct peel_node_conf *n, const char *value, char why[PEEL_CONF_WHY])
{
	n->engine = peel_aead_engine_find(value); /* auto: none yet */
	if (n->engine != NULL || strcmp(value, "auto") == 0)
		return 0;
	return refuse(why, "there is no engine \"%.64s\" in this build", value);
}

/* ---- lists: elements one by one; "" when there are none, and before the first ---------------- */

static int
add_cores(struct peel_node_conf *n, const char *value, char why[PEEL_CONF_WHY])
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
		return refuse(why, "\"%.64s\" is not a CPU or a range of CPUs", value);
	for (; low <= high; low++) {
		for (unsigned int i = 0; i < n->n_workers; i++) {
			if (n->core[i] == (int)low)
				return refuse(why, "names CPU %u twice", low);
		}
		if (n->n_workers == PEEL_MAX_WORKERS)
			return refuse(why, "names more than %d CPUs", PEEL_MAX_WORKERS);
		n->core[n->n_workers++] = (int)low;
	}
	return 0;
}

static int
add_bootstrap(struct peel_node_conf *n, const char *value, char why[PEEL_CONF_WHY])
{
	if (*value != '\0')
		return peel_node_conf_add_bootstrap(n, value, why, PEEL_CONF_WHY);
	memset(n->bootstrap, 0, sizeof(n->bootstrap));
	memset(n->bootstrap_name, 0, sizeof(n->bootstrap_name));
	n->n_bootstrap = n->n_bootstrap_names = 0;
	return 0;
}

static int
add_deny(struct peel_policy *p, const char *value, char why[PEEL_CONF_WHY])
{
	struct peel_network n;
	bool none, all;
	int ret;

	if (*value == '\0') {
		memset(p->deny, 0, sizeof(p->deny));
		p->n_deny = 0;
		return 0;
	}
	ret = read_network(value, &n, why);
	if (ret != 0)
		return ret;
	conf_host_bits(&n, &none, &all);
	if (!none) /* most likely a slip: 10.0.0.1/8 for 10.0.0.1/32 */
		return refuse(
			why, "%.64s has bits set behind its prefix of %u", value, n.prefix_len);
	if (p->n_deny == PEEL_POLICY_DENY_MAX)
		return refuse(why, "has more than %d networks", PEEL_POLICY_DENY_MAX);
	p->deny[p->n_deny++] = n;
	return 0;
}

static int
add_dns(struct peel_node_conf *n, const char *value, char why[PEEL_CONF_WHY])
{
	if (*value == '\0') {
		memset(n->dns, 0, sizeof(n->dns));
		n->n_dns = 0;
		return 0;
	}
	return strcmp(value, "system") == 0 ? 0
					    : peel_node_conf_add_dns(n, value, why, PEEL_CONF_WHY);
}

static int
add_element(
	const struct conf_setting *k, struct conf *c, const char *value, char why[PEEL_CONF_WHY])
{
	switch (k->type) {
	case CONF_CORES:
		return add_cores(&c->node, value, why);
	case CONF_BOOTSTRAP:
		return add_bootstrap(&c->node, value, why);
	case CONF_DENY:
		return add_deny(&c->node.policy, value, why);
	default:
		return add_dns(&c->node, value, why);
	}
}

static int
set_list(const struct conf_setting *k, struct conf *c, const char *value, bool more,
	char why[PEEL_CONF_WHY])
{
	char element[256];
	int ret = more ? 0 : add_element(k, c, "", why);

	for (value += strspn(value, ", \t"); ret == 0 && *value != '\0';
		value += strspn(value, ", \t")) {
		size_t len = strcspn(value, ", \t");

		if (len >= sizeof(element))
			return refuse(why, "has an element of %zu characters", len);
		memcpy(element, value, len);
		element[len] = '\0';
		value += len;
		ret = add_element(k, c, element, why);
	}
	return ret;
}

int
conf_set(struct conf *c, enum conf_id id, const char *value, bool more, char why[PEEL_CONF_WHY])
{
	const struct conf_setting *k = &conf_settings[id];
	char *field = (char *)c + k->offset;

	switch (k->type) {
	case CONF_STRING:
		if (strlen(value) >= k->size)
			return refuse(why, "is too long (%zu characters)", strlen(value));
		strncpy(field, value, k->size); /* fills up with zeros */
		return 0;
	case CONF_COMMUNITY:
		return peel_node_conf_set_community(&c->node,
			(enum peel_community)((k->offset - offsetof(struct conf, node.community)) /
					      PEEL_COMMUNITY_LEN),
			value, why, PEEL_CONF_WHY);
	case CONF_DRIVER:
		return set_driver(&c->node, value, why);
	case CONF_ENGINE:
		return set_engine(&c->node, value, why);
	case CONF_ADDRESS:
	case CONF_LISTEN:
	case CONF_PUBLIC:
		return set_address(k, field, value, why);
	case CONF_IP4:
	case CONF_IP6:
		return set_ip(k, field, value, why);
	case CONF_NETWORK4:
	case CONF_NETWORK6:
		return set_network(k, field, value, why);
	case CONF_PORTS:
		return set_ports(&c->node.port_conf, value, why);
	case CONF_CORES:
	case CONF_BOOTSTRAP:
	case CONF_DENY:
	case CONF_DNS:
		return set_list(k, c, value, more, why);
	default:
		return set_scalar(k, field, value, why);
	}
}
