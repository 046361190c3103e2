/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Configuration values with their own syntax: addresses, community ids, servers.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "peel_node_text.h"

static const uint8_t community_tribler[PEEL_COMMUNITY_LEN] = {0xa3, 0x59, 0x1a, 0x6b, 0xd8, 0x9b,
	0xba, 0xca, 0x09, 0x74, 0x06, 0x2a, 0x12, 0x87, 0xaf, 0xcf, 0xbc, 0x6f, 0xd6, 0xbc};

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
peel_node_conf_set_community(struct peel_node_conf *conf, enum peel_community which,
	const char *value, char *why, size_t why_size)
{
	uint8_t id[PEEL_COMMUNITY_LEN];

	if (strcmp(value, "default") == 0) {
		struct peel_node_conf defaults;

		peel_node_conf_init(&defaults);
		memcpy(conf->community[which], defaults.community[which], sizeof(id));
		return 0;
	}
	if (which == PEEL_COMMUNITY_TUNNEL && strcmp(value, "tribler") == 0) {
		memcpy(conf->community[which], community_tribler, sizeof(id));
		return 0;
	}
	if (strlen(value) != 2 * sizeof(id)) {
		snprintf(why, why_size, "\"%.64s\" has %zu characters, not 40", value,
			strlen(value));
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(id); i++) {
		int high = hex_digit(value[2 * i]), low = hex_digit(value[2 * i + 1]);

		if (high < 0 || low < 0) {
			snprintf(why, why_size, "\"%s\" is not hexadecimal", value);
			return -EINVAL;
		}
		id[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(conf->community[which], id, sizeof(id));
	return 0;
}

bool
peel_node_has_port(const char *value)
{
	const char *colon = strrchr(value, ':');

	if (value[0] == '[')
		return colon != NULL && colon > strchr(value, ']');
	return colon != NULL && strchr(value, ':') == colon;
}

int
peel_node_parse_address(const char *value, struct peel_addr *out, char *why, size_t why_size)
{
	if (peel_addr_parse(value, 0, out) != 0) {
		snprintf(why, why_size, "\"%.64s\" is not an address and a port", value);
		return -EINVAL;
	}
	if (!peel_node_has_port(value)) {
		snprintf(why, why_size, "\"%.64s\" has no port%s", value,
			out->family == PEEL_FAMILY_IPV6 ? " (write [ADDRESS]:PORT)" : "");
		return -EINVAL;
	}
	return 0;
}

/* The public servers of the overlay, protocol section 8.6. */
static const char *const public_servers[] = {"130.161.119.206:6421", "130.161.119.206:6422",
	"131.180.27.155:6423", "131.180.27.156:6424", "131.180.27.161:6427", "131.180.27.161:6521",
	"131.180.27.161:6522", "131.180.27.162:6523", "131.180.27.162:6524", "130.161.119.215:6525",
	"130.161.119.215:6526", "130.161.119.201:6527", "130.161.119.201:6528"};

static bool
is_name_and_port(const char *value)
{
	const char *colon = strrchr(value, ':');
	unsigned long port;
	char *end;

	if (colon == NULL || colon == value || strchr(value, ':') != colon)
		return false;
	for (const char *p = value; p < colon; p++) {
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.' && *p != '_')
			return false;
	}
	if (!isdigit((unsigned char)colon[1]))
		return false;
	port = strtoul(colon + 1, &end, 10);
	/* Only digits and dots is a mistyped address, not a name. */
	return *end == '\0' && port >= 1 && port <= UINT16_MAX &&
	       strspn(value, "0123456789.") < (size_t)(colon - value);
}

int
peel_node_conf_add_bootstrap(
	struct peel_node_conf *conf, const char *value, char *why, size_t why_size)
{
	struct peel_addr a;

	if (strcmp(value, "default") == 0) {
		int ret = 0;

		for (size_t i = 0; i < PEEL_ARRAY_LEN(public_servers) && ret == 0; i++)
			ret = peel_node_conf_add_bootstrap(conf, public_servers[i], why, why_size);
		return ret;
	}
	if (conf->n_bootstrap + conf->n_bootstrap_names == PEEL_BOOTSTRAP_MAX) {
		snprintf(why, why_size, "has more than %d servers", PEEL_BOOTSTRAP_MAX);
		return -EINVAL;
	}
	if (peel_addr_parse(value, 0, &a) == 0 && peel_node_has_port(value) && a.port != 0) {
		conf->bootstrap[conf->n_bootstrap++] = a;
		return 0;
	}
	if (!is_name_and_port(value) || strlen(value) >= sizeof(conf->bootstrap_name[0])) {
		snprintf(why, why_size, "\"%.128s\" is not a server and a port", value);
		return -EINVAL;
	}
	memcpy(conf->bootstrap_name[conf->n_bootstrap_names++], value, strlen(value) + 1);
	return 0;
}

int
peel_node_conf_add_dns(struct peel_node_conf *conf, const char *value, char *why, size_t why_size)
{
	struct peel_addr a;

	if (peel_addr_parse(value, 53, &a) != 0 || a.port == 0) {
		snprintf(why, why_size, "\"%.64s\" is not an address", value);
		return -EINVAL;
	}
	if (conf->n_dns == PEEL_DNS_MAX) {
		snprintf(why, why_size, "has more than %d servers", PEEL_DNS_MAX);
		return -EINVAL;
	}
	conf->dns[conf->n_dns++] = a;
	return 0;
}
