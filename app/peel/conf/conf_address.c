/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Addresses and networks of the configuration, from text.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf_table.h"
#include "peel_node_text.h"

/* An address without port. */
static bool
read_ip(const char *value, struct peel_addr *out)
{
	return peel_addr_parse(value, 0, out) == 0 && !peel_node_has_port(value) && value[0] != '[';
}

/* "ADDRESS/LENGTH"; without a length one host. */
int
conf_read_network(const char *value, struct peel_network *out, char why[CONF_WHY_MAX])
{
	char host[PEEL_ADDR_TEXT_MAX];
	size_t len = strcspn(value, "/");
	unsigned long bits, max;
	char *end = host;

	memset(out, 0, sizeof(*out));
	snprintf(host, sizeof(host), "%.*s", (int)len, value);
	if (len >= sizeof(host) || !read_ip(host, &out->addr))
		return conf_refuse(why, "\"%.64s\" is not an address and a prefix length", value);
	max = peel_addr_bits(&out->addr);
	bits = max;
	if (value[len] == '/') {
		bits = isdigit((unsigned char)value[len + 1]) ? strtoul(value + len + 1, &end, 10)
							      : max + 1;
		if (bits > max || *end != '\0')
			return conf_refuse(
				why, "\"%.64s\" has no prefix length of 0 to %lu", value, max);
	}
	out->prefix_len = (uint8_t)bits;
	return 0;
}

static int
read_address(const struct conf_setting *k, const char *value, struct peel_addr *out,
	char why[CONF_WHY_MAX])
{
	int rc = peel_node_parse_address(value, out, why, CONF_WHY_MAX);

	if (rc == 0 && k->type == CONF_PUBLIC && out->port == 0)
		return conf_refuse(why, "port 0 cannot be reached");
	return rc;
}

int
conf_set_address(
	const struct conf_setting *k, void *field, const char *value, char why[CONF_WHY_MAX])
{
	bool v6 = k->type == CONF_IP6 || k->type == CONF_NETWORK6;
	uint8_t family = v6 ? PEEL_FAMILY_IPV6 : PEEL_FAMILY_IPV4;
	struct peel_network n = {.addr.family = PEEL_FAMILY_NONE};
	int rc = 0;

	if (*value == '\0' && k->type != CONF_LISTEN) {
		memcpy(field, &n, k->size);
		return 0;
	}
	switch (k->type) {
	case CONF_IP4:
	case CONF_IP6:
		if (!read_ip(value, &n.addr))
			return conf_refuse(why, "\"%.64s\" is not an IP address", value);
		if (n.addr.family != family)
			return conf_refuse(why, "%.64s is not an IPv%u address", value, family);
		break;
	case CONF_NETWORK4:
	case CONF_NETWORK6:
		rc = conf_read_network(value, &n, why);
		if (rc == 0 && n.addr.family != family)
			return conf_refuse(why, "%.64s is not IPv%u", value, family);
		if (rc == 0 && (strchr(value, '/') == NULL || n.prefix_len == 0))
			return conf_refuse(why, "%.64s says no network", value);
		break;
	default:
		rc = read_address(k, value, &n.addr, why);
	}
	if (rc == 0)
		memcpy(field, &n, k->size); /* an address, or one with the length of its prefix */
	return rc;
}

void
conf_host_bits(const struct peel_network *n, bool *none, bool *all)
{
	unsigned int len = peel_addr_bits(&n->addr);

	*none = *all = true;
	for (unsigned int bit = n->prefix_len; bit < len; bit++) {
		if (n->addr.ip[bit / 8] & (0x80u >> bit % 8))
			*none = false;
		else
			*all = false;
	}
}
