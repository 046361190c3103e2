/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Defaults of a node: those of the table of settings, and the overlays' ids.
 */
#include "peel_node.h"

static const uint8_t community_tunnel[PEEL_COMMUNITY_LEN] = {0x81, 0xde, 0xd0, 0x73, 0x32, 0xbd,
	0xc7, 0x75, 0xaa, 0x5a, 0x46, 0xf9, 0x6d, 0xe9, 0xf8, 0xf3, 0x90, 0xbb, 0xc9, 0xf3};
static const uint8_t community_discovery[PEEL_COMMUNITY_LEN] = {0x7e, 0x31, 0x36, 0x85, 0xc1, 0x91,
	0x2a, 0x14, 0x12, 0x79, 0xf8, 0x24, 0x8f, 0xc8, 0xdb, 0x58, 0x99, 0xc5, 0xdf, 0x5a};
static const uint8_t community_dht[PEEL_COMMUNITY_LEN] = {0x8d, 0x0b, 0xe1, 0x84, 0x5d, 0x74, 0xd1,
	0x75, 0xf1, 0x78, 0x19, 0x7c, 0xad, 0x00, 0x15, 0x91, 0xd0, 0x4d, 0x73, 0xcc};

void
peel_node_conf_init(struct peel_node_conf *conf)
{
	memset(conf, 0, sizeof(*conf));
	memcpy(conf->community[PEEL_COMMUNITY_TUNNEL], community_tunnel, PEEL_COMMUNITY_LEN);
	memcpy(conf->community[PEEL_COMMUNITY_DISCOVERY], community_discovery, PEEL_COMMUNITY_LEN);
	memcpy(conf->community[PEEL_COMMUNITY_DHT], community_dht, PEEL_COMMUNITY_LEN);

	for (unsigned int i = 0; i < PEEL_MAX_WORKERS; i++)
		conf->core[i] = -1;
	peel_or_settings_init(&conf->tunnel);
	peel_origin_settings_init(&conf->originator);
	peel_swarm_settings_init(&conf->swarm);
#define SET_node(field, value) conf->field = value;
#define VALUE(section, name, owner, field, type, by_default, ...) SET_##owner(field, by_default)
#define SWITCH(section, name, owner, field, by_default, about) SET_##owner(field, by_default)
#define WORD(section, name, owner, field, by_default, words, about) SET_##owner(field, by_default)
#include "peel_settings.def"
}
