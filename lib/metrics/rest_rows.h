/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Rows of py-ipv8's REST answers. @p now: seconds since 1970; each function appends to a list or
 * makes an object. */

#include <jansson.h>

#include "peel_node_document.h"

/** /tunnel/relays: a route of py-ipv8 leads one way, so a relayed circuit has two. */
void rest_relays(const struct peel_or_row *row, double now, json_t *list);
/** /tunnel/exits. @p rendezvous: a rendezvous waits there. */
void rest_exit(const struct peel_or_row *row, bool rendezvous, double now, json_t *list);
/** /tunnel/circuits */
json_t *rest_circuit(const struct peel_origin_info *info, double now);
/** /tunnel/swarms. Up and down: bytes of the circuits to its peers. */
json_t *rest_swarm(const struct peel_swarm_info *info, uint64_t up, uint64_t down, double now);
/** /tunnel/peers */
json_t *rest_peer(const struct peel_peer *peer);
/** /tunnel/settings */
json_t *rest_settings(const struct peel_node_conf *conf);
/** /overlays: one of them, with its @p peers. */
json_t *rest_overlay(const struct peel_node_view *view, enum peel_community which, json_t *peers);
/** A peer in there. */
json_t *rest_overlay_peer(const struct peel_peer *peer);
/** /network: a peer as a member of @p o. */
void rest_network_peer(const struct peel_node_conf *conf, const struct peel_peer *peer, json_t *o);
