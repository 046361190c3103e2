/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * PEX overlays: one for each info hash that this node is an introduction point for, in which
 * introduction points tell each other which seeders they have. Light companions of an overlay
 * (peel_overlay.h), whose key, addresses, bootstrap servers and limits they share. A state machine
 * without I/O. Source: protocol section 20, and 7 and 8. Thread: control, all of it.
 */

#include "peel_dhtmsg.h"
#include "peel_hidden_msg.h"
#include "peel_overlay.h"

struct peel_pex;

struct peel_pex_conf {
	struct peel_overlay *overlay; /* must outlive it */
	uint32_t max;		      /* overlays at a time, below 65,000 */
	/** The seeder keys that this node is introduction point for, under this info hash: any of
	 * them if they are too many. They are borrowed until the next call of this library. */
	void (*keys)(
		void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN], struct peel_pex_keys *out);
	/** Datagrams with this prefix are wanted from now on, or no more. May be NULL. */
	void (*listen)(void *arg, const uint8_t prefix[PEEL_PREFIX_LEN], bool on);
	void *arg;
};

int peel_pex_new(const struct peel_pex_conf *conf, struct peel_pex **out) PEEL_MUST_USE;
/** NULL is fine. */
void peel_pex_free(struct peel_pex *p);

/** Start the overlay of an info hash. 0; -EEXIST: it runs; -ENOSPC: as many run as may; -EINVAL:
 * there can be none, as the hash is all ones, or its overlay would be one of the node's own. */
int peel_pex_start(struct peel_pex *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN]) PEEL_MUST_USE;
/** Forget the overlay of an info hash, if there is one. */
void peel_pex_stop(struct peel_pex *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);

/** Take a datagram. @return as peel_overlay_input(); -ENOENT: no overlay that runs has its prefix,
 * or it is no message of section 7. */
int peel_pex_input(
	struct peel_pex *p, const struct peel_addr *from, const uint8_t *data, size_t len);
/** Walk, ask and forget what is due. @return milliseconds until the next call is due. */
uint64_t peel_pex_tick(struct peel_pex *p);

/** What others in the overlay said that they introduce; last_seen is not filled in. @return how
 * many, 0 if there is no such overlay. */
size_t peel_pex_list(const struct peel_pex *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	struct peel_dht_introduction out[PEEL_PEX_LIST_MAX]);

struct peel_pex_count {
	uint32_t overlays, peers; /* the peers of all overlays */
	uint32_t listed;	  /* introduction points that these tell of */
};
void peel_pex_count(const struct peel_pex *p, struct peel_pex_count *out);
