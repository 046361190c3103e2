/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A node whose control plane is another program's, the guest (conf.guest). Workers, tables, exit
 * sockets, names and HTTP are the node's; what cells do not settle among them goes to the guest:
 * opened cells, plaintext cells, other datagrams of its overlays.
 *
 * Thread: control, or any that holds the lock. Afterwards peel_node_guest_unlock() is enough.
 */

#include "peel_guest_circuits.h"
#include "peel_guest_mail.h"
#include "peel_node.h"

/** The guest's circuits. */
struct peel_guest_circuits *peel_node_guest(struct peel_node *node);
/** Unlock, and send what was queued. */
void peel_node_guest_unlock(struct peel_node *node);

/** The overlay whose cells pass. 0, -ENOSPC: too many overlays at a time, or -ENOMEM. */
int peel_node_guest_cells(
	struct peel_node *node, const uint8_t prefix[PEEL_PREFIX_LEN]) PEEL_MUST_USE;
/** The overlays whose datagrams, other than cells that pass, are the guest's; all others are
 * dropped. Errors as above, with nothing changed. */
int peel_node_guest_overlays(
	struct peel_node *node, const uint8_t (*prefix)[PEEL_PREFIX_LEN], size_t n) PEEL_MUST_USE;
/** What exits let out, bits of enum peel_peer_flag. */
void peel_node_guest_flags(struct peel_node *node, uint16_t flags);
/** The source address of exits from now on, port ignored; an unspecified one: any of both families.
 * One of loopback lets exits reach loopback. 0, or -errno with nothing changed. */
int peel_node_guest_exit_address(
	struct peel_node *node, const struct peel_addr *address) PEEL_MUST_USE;

/** Send a datagram from the main address. 0, also if it is lost and counted for lack of room, or
 * -EMSGSIZE. */
int peel_node_guest_send(
	struct peel_node *node, const struct peel_addr *to, const void *data, size_t len);
/** Seal a plaintext cell (peel_gc_seal) and send it. Errors of both. */
int peel_node_guest_send_cell(
	struct peel_node *node, const struct peel_addr *to, const void *cell, size_t len);

/** Datagrams of an overlay by message id. -ENOENT: nothing was ever said about that overlay. */
int peel_node_guest_counts(const struct peel_node *node, const uint8_t prefix[PEEL_PREFIX_LEN],
	struct peel_guest_count out[256]) PEEL_MUST_USE;
/** All datagrams of the node, those of exits included. */
void peel_node_guest_totals(const struct peel_node *node, struct peel_guest_count *out);
