/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Bodies of DHT messages. All are signed without clock: peel_signed_parse() and peel_signed_begin()
 * do the frame. Bodies must be consumed exactly. Source: protocol section 21.1. Thread: any.
 *
 * A relay needs ping-request and ping-response only (others check that it is alive before they
 * extend to it); the messages of the store follow with lib/dht.
 */

#include "peel_wire.h"

enum peel_dht_id {
	PEEL_MSG_DHT_PING_REQUEST = 1,
	PEEL_MSG_DHT_PING_RESPONSE = 2,
	PEEL_MSG_DHT_STORE_REQUEST = 3,
	PEEL_MSG_DHT_STORE_RESPONSE = 4,
	PEEL_MSG_DHT_FIND_REQUEST = 5,
	PEEL_MSG_DHT_FIND_RESPONSE = 6,
	PEEL_MSG_DHT_STORE_PEER_REQUEST = 7,
	PEEL_MSG_DHT_STORE_PEER_RESPONSE = 8,
	PEEL_MSG_DHT_CONNECT_PEER_REQUEST = 9,
	PEEL_MSG_DHT_CONNECT_PEER_RESPONSE = 10,
};

/* ---- ping-request, ping-response ------------------------------------------------------------- */

/** Both bodies are the identifier alone; a response copies it. */
int peel_dht_ping_parse(struct peel_span body, uint32_t *identifier) PEEL_MUST_USE;
void peel_dht_ping_write(struct peel_writer *w, uint32_t identifier);
