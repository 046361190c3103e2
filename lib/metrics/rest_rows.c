/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <sodium.h>
#include <string.h>

#include "peel_discovery.h"
#include "rest_rows.h"

#define NUMBER(v) json_integer((json_int_t)(v))

static void
put(json_t *o, const char *name, json_t *value)
{
	json_object_set_new(o, name, value);
}

static json_t *
hex(const uint8_t *p, size_t len)
{
	char text[2 * PEEL_PK_LEN + 1];

	return json_string(sodium_bin2hex(text, sizeof(text), p, len));
}

static const char *
base64(const uint8_t *p, size_t len, char out[128])
{
	return sodium_bin2base64(out, 128, p, len, sodium_base64_VARIANT_ORIGINAL);
}

/* ip and port; of an address that is not known, as py-ipv8 has it. */
static void
put_address(json_t *o, const struct peel_addr *a)
{
	char text[PEEL_ADDR_TEXT_MAX] = "0.0.0.0:0", *end;
	const char *ip = text;

	if (a->family != PEEL_FAMILY_NONE)
		peel_addr_text(a, text);
	end = strrchr(text, ':');
	if (text[0] == '[') {
		ip++;
		end--;
	}
	*end = '\0';
	put(o, "ip", json_string(ip));
	put(o, "port", NUMBER(a->port));
}

static json_t *
endpoint(const struct peel_addr *a)
{
	json_t *o = json_object();

	put_address(o, a);
	return o;
}

/* Flags as a list of their values. */
static json_t *
flag_list(uint16_t flags)
{
	json_t *list = json_array();

	for (uint32_t bit = 1; bit <= UINT16_MAX; bit <<= 1) {
		if (flags & bit)
			json_array_append_new(list, NUMBER(bit));
	}
	return list;
}

static json_t *
traffic(uint64_t up, uint64_t down, uint64_t age_ms, double now)
{
	json_t *o = json_object();

	put(o, "bytes_up", NUMBER(up));
	put(o, "bytes_down", NUMBER(down));
	put(o, "creation_time", json_real(now - (double)age_ms / 1000));
	return o;
}

static void
relay(json_t *list, uint32_t from, uint32_t to, bool rendezvous, bool forward, json_t *o)
{
	put(o, "circuit_from", NUMBER(from));
	put(o, "circuit_to", NUMBER(to));
	put(o, "is_rendezvous", json_boolean(rendezvous));
	put(o, "direction", json_string(forward ? "forward" : "backward"));
	json_array_append_new(list, o);
}

void
rest_relays(const struct peel_or_row *row, double now, json_t *list)
{
	bool rendezvous = strcmp(row->kind, "rendezvous") == 0;
	uint64_t there = row->bytes_forward, back = row->bytes_backward;

	if (!rendezvous && strcmp(row->kind, "relay") != 0)
		return;
	relay(list, row->cid, row->next_cid, rendezvous, true,
		traffic(there, back, row->age_ms, now));
	if (!rendezvous) /* the other circuit has a row of its own */
		relay(list, row->next_cid, row->cid, false, false,
			traffic(back, there, row->age_ms, now));
}

void
rest_exit(const struct peel_or_row *row, bool rendezvous, double now, json_t *list)
{
	json_t *o;

	if (strcmp(row->kind, "exit") != 0)
		return;
	o = traffic(row->bytes_forward, row->bytes_backward, row->age_ms, now);
	put(o, "circuit_from", NUMBER(row->cid));
	put(o, "enabled", json_boolean(row->opened));
	put(o, "is_introduction", json_boolean(row->introduction));
	put(o, "is_rendezvous", json_boolean(rendezvous));
	json_array_append_new(list, o);
}

json_t *
rest_circuit(const struct peel_origin_info *info, double now)
{
	static const char *const states[] = {
		[PEEL_ORIGIN_EXTENDING] = "EXTENDING",
		[PEEL_ORIGIN_READY] = "READY",
		[PEEL_ORIGIN_CLOSING] = "CLOSING",
	};
	static const char *const types[] = {
		[PEEL_ORIGIN_DATA] = "DATA",
		[PEEL_ORIGIN_IP_SEEDER] = "IP_SEEDER",
		[PEEL_ORIGIN_RP_SEEDER] = "RP_SEEDER",
		[PEEL_ORIGIN_RP_DOWNLOADER] = "RP_DOWNLOADER",
	};
	json_t *o = traffic(info->bytes_up, info->bytes_down, info->age_ms, now);
	json_t *hops = json_array();

	for (unsigned int i = 0; i < info->hops; i++) {
		uint8_t mid[PEEL_MID_LEN];

		peel_mid(info->hop[i].pk, PEEL_PK_LEN, mid);
		json_array_append_new(hops, hex(mid, sizeof(mid)));
	}
	put(o, "circuit_id", NUMBER(info->cid));
	put(o, "goal_hops", NUMBER(info->goal));
	put(o, "actual_hops", NUMBER(info->hops));
	put(o, "verified_hops", hops);
	put(o, "unverified_hop", json_string("")); /* not told before it has proved itself */
	put(o, "type", json_string(types[info->type]));
	put(o, "state", json_string(states[info->state]));
	put(o, "exit_flags", flag_list(info->exit_flags));
	return o;
}

json_t *
rest_swarm(const struct peel_swarm_info *info, uint64_t up, uint64_t down, double now)
{
	json_t *o = json_object();
	bool never = info->looked_up_ms == UINT64_MAX;

	put(o, "info_hash", hex(info->info_hash, sizeof(info->info_hash)));
	put(o, "num_seeders", NUMBER(info->seeders));
	put(o, "num_connections", NUMBER(info->connections));
	put(o, "num_connections_incomplete", NUMBER(info->pending));
	/* Who told of an introduction point is not remembered. */
	put(o, "num_ips_from_dht", NUMBER(info->known));
	put(o, "num_ips_from_pex", NUMBER(0));
	put(o, "seeding", json_boolean(info->seed));
	put(o, "last_lookup", json_real(never ? 0 : now - (double)info->looked_up_ms / 1000));
	put(o, "bytes_up", NUMBER(up));
	put(o, "bytes_down", NUMBER(down));
	return o;
}

json_t *
rest_peer(const struct peel_peer *peer)
{
	json_t *o = json_object();

	put_address(o, &peer->addr);
	put(o, "mid", hex(peer->mid, sizeof(peer->mid)));
	put(o, "is_key_compatible", json_true()); /* others are no peers */
	put(o, "flags", flag_list(peer->flags));
	return o;
}

json_t *
rest_settings(const struct peel_node_conf *conf)
{
	const struct peel_or_settings *t = &conf->tunnel;
	const struct peel_origin_settings *own = &conf->originator;
	json_t *o = json_object();

	put(o, "anonymize", json_false());
	put(o, "circuit_timeout", NUMBER(own->circuit_timeout));
	put(o, "max_circuits", NUMBER(own->max_circuits));
	put(o, "max_joined_circuits", NUMBER(t->max_joined_circuits));
	put(o, "max_peers", NUMBER(conf->max_peers));
	put(o, "max_relay_early", NUMBER(t->max_relay_early));
	put(o, "max_time", NUMBER(t->max_time));
	put(o, "max_time_inactive", NUMBER(t->max_time_inactive));
	put(o, "max_time_ip", NUMBER(t->max_time_ip));
	put(o, "max_traffic", NUMBER(t->max_traffic));
	put(o, "min_circuits", NUMBER(own->min_circuits));
	put(o, "next_hop_timeout", NUMBER(t->next_hop_timeout));
	put(o, "peer_flags", flag_list(t->peer_flags));
	put(o, "remove_tunnel_delay", NUMBER(t->remove_tunnel_delay));
	put(o, "swarm_connection_limit", NUMBER(conf->swarm.connection_limit));
	put(o, "swarm_lookup_interval", NUMBER(conf->swarm.lookup_interval));
	put(o, "unstable_timeout", NUMBER(t->unstable_timeout));
	return o;
}

json_t *
rest_overlay_peer(const struct peel_peer *peer)
{
	json_t *o = json_object();

	put_address(o, &peer->addr);
	put(o, "public_key", hex(peer->pk, sizeof(peer->pk)));
	return o;
}

json_t *
rest_overlay(const struct peel_node_view *view, enum peel_community which, json_t *peers)
{
	static const char *const names[PEEL_N_COMMUNITIES] = {
		[PEEL_COMMUNITY_TUNNEL] = "HiddenTunnelCommunity",
		[PEEL_COMMUNITY_DISCOVERY] = "DiscoveryCommunity",
		[PEEL_COMMUNITY_DHT] = "DHTDiscoveryCommunity",
	};
	json_t *o = json_object(), *walk = json_object(), *strategies = json_array();

	put(walk, "name", json_string("RandomWalk"));
	put(walk, "target_peers", NUMBER(view->conf->walk_target));
	json_array_append_new(strategies, walk);
	put(o, "id", hex(view->conf->community[which], PEEL_COMMUNITY_LEN));
	put(o, "my_peer", hex(view->pk, PEEL_PK_LEN));
	put(o, "global_time", NUMBER(0)); /* nothing here needs one */
	put(o, "peers", peers);
	put(o, "overlay_name", json_string(names[which]));
	put(o, "statistics", json_object());
	put(o, "max_peers", NUMBER(view->conf->max_peers));
	put(o, "is_isolated", json_false());
	put(o, "my_estimated_wan", endpoint(&view->public_address));
	put(o, "my_estimated_lan", endpoint(&view->local));
	put(o, "strategies", strategies);
	return o;
}

void
rest_network_peer(const struct peel_node_conf *conf, const struct peel_peer *peer, json_t *o)
{
	json_t *row = json_object(), *services = json_array();
	char text[128];

	for (int c = 0; c < PEEL_N_COMMUNITIES; c++) {
		if (peer->member & 1 << c)
			json_array_append_new(services,
				json_string(base64(conf->community[c], PEEL_COMMUNITY_LEN, text)));
	}
	put_address(row, &peer->addr);
	put(row, "public_key", json_string(base64(peer->pk, PEEL_PK_LEN, text)));
	put(row, "services", services);
	put(o, base64(peer->mid, PEEL_MID_LEN, text), row);
}
