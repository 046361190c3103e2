/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Values of the configuration, by type: from text into their fields.
 */
#include <ctype.h>
#include <errno.h>
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

/* A unit behind a number, which is to be multiplied by @p times and divided by @p by. @return where
 * it ends. */
static const char *
read_unit(const struct conf_setting *k, const char *text, int64_t *times, int64_t *by)
{
	static const char units[] = "kKmMgGtT";
	const char *unit;
	bool bits;

	*times = *by = 1;
	if (k->type == CONF_RATE)
		text += strspn(text, " ");
	unit = (k->type == CONF_SIZE || k->type == CONF_RATE) && *text != '\0'
		       ? strchr(units, *text)
		       : NULL;
	if (unit == NULL)
		return text;
	bits = k->type == CONF_RATE && strncmp(text + 1, "bit", 3) == 0;
	*by = bits ? 8 : 1;
	for (ptrdiff_t i = 0; i <= (unit - units) / 2; i++)
		*times *= bits ? 1000 : 1024;
	text += bits ? 4 : 1;
	return k->type == CONF_RATE && strcmp(text, "/s") == 0 ? text + 2 : text;
}

static int
read_number(const struct conf_setting *k, const char *value, int64_t *out, char why[CONF_WHY_MAX])
{
	int64_t times, by;
	const char *rest;
	char *end;

	if (k->words != NULL && strcmp(value, k->words) == 0) {
		*out = k->meaning;
		return 0;
	}
	errno = 0;
	*out = strtoll(value, &end, 10);
	rest = read_unit(k, end, &times, &by);
	if (!isdigit((unsigned char)value[value[0] == '-']) || *rest != '\0')
		return conf_refuse(why, "\"%.64s\" is not a %s", value,
			k->type == CONF_SIZE   ? "size"
			: k->type == CONF_RATE ? "rate"
					       : "number");
	/* The number behind a word may be written too: `max_peers = -1` is `unlimited`. */
	if (errno == 0 && k->words != NULL && *out == k->meaning)
		return 0;
	if (errno != 0 || *out < 0 || *out > k->max * by / times || *out * times / by < k->min)
		return conf_refuse(why, "%.64s is out of range", value);
	*out = *out * times / by;
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

bool
conf_read_range(const char *value, bool one_will_do, unsigned int *low, unsigned int *high)
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

	if (!conf_read_range(value, false, &low, &high))
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

/* ---- any of them ----------------------------------------------------------------------------- */

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
	case CONF_PERIOD:
		return peel_period_parse(value, (struct peel_period *)(void *)field) == 0
			       ? 0
			       : conf_refuse(why, "\"%.64s\" is no start of a period", value);
	case CONF_PORTS:
		return set_ports(&c->node.port_conf, value, why);
	case CONF_CORES:
	case CONF_BOOTSTRAP:
	case CONF_DENY:
	case CONF_DNS:
	case CONF_PROVIDER:
	case CONF_RULES:
	case CONF_SERVICES:
		return conf_set_list(k, c, value, more, why);
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
