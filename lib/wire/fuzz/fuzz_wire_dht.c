/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A body of every message of the DHT, or a stored value: the first byte says which. What parses
 * must write to the same bytes. */
#include <stdlib.h>

#include "peel_dhtmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[1 << 17];

static void
expect_same(const struct peel_writer *w, struct peel_span body)
{
	if (peel_writer_len(w) != (int)body.len ||
		(body.len > 0 && memcmp(out, body.p, body.len) != 0))
		abort();
}

static void
introduction(struct peel_span data)
{
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	struct peel_dht_introduction m;

	if (peel_dht_introduction_parse(data, &m) != 0)
		return;
	peel_dht_introduction_write(&w, &m);
	if (peel_writer_len(&w) > (int)data.len)
		abort();
	expect_same(&w, (struct peel_span){data.p, (size_t)peel_writer_len(&w)});
}

static void
value(struct peel_span blob)
{
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	struct peel_dht_value m;

	if (peel_dht_value_parse(blob, &m) != 0)
		return;
	introduction(m.data);
	if (m.is_signed) {
		peel_dht_value_begin_signed(&w, m.data, m.version, m.pk.p);
		peel_write_bytes(&w, m.signature.p, m.signature.len);
	} else {
		peel_dht_value_write_unsigned(&w, m.data);
	}
	expect_same(&w, blob);
}

static void
find(struct peel_span body)
{
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	struct peel_dht_find_request m;

	if (peel_dht_find_request_parse(body, &m) != 0)
		return;
	peel_dht_find_request_write(&w, &m);
	/* Any byte but zero is true. */
	if (out[body.len - 1] != (body.p[body.len - 1] != 0))
		abort();
	out[body.len - 1] = body.p[body.len - 1];
	expect_same(&w, body);
}

static void
others(uint8_t msg, struct peel_span body)
{
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	union {
		struct peel_dht_store_request store;
		struct peel_dht_find_response found;
		struct peel_dht_store_peer_request store_peer;
		struct peel_dht_connect_peer_request connect;
		struct peel_dht_connect_peer_response connected;
		uint32_t identifier;
	} m;

	if (msg == PEEL_MSG_DHT_STORE_REQUEST && peel_dht_store_request_parse(body, &m.store) == 0)
		peel_dht_store_request_write(&w, &m.store);
	else if (msg == PEEL_MSG_DHT_FIND_RESPONSE &&
		 peel_dht_find_response_parse(body, &m.found) == 0)
		peel_dht_find_response_write(&w, &m.found);
	else if (msg == PEEL_MSG_DHT_STORE_PEER_REQUEST &&
		 peel_dht_store_peer_request_parse(body, &m.store_peer) == 0)
		peel_dht_store_peer_request_write(&w, &m.store_peer);
	else if (msg == PEEL_MSG_DHT_CONNECT_PEER_REQUEST &&
		 peel_dht_connect_peer_request_parse(body, &m.connect) == 0)
		peel_dht_connect_peer_request_write(&w, &m.connect);
	else if (msg == PEEL_MSG_DHT_CONNECT_PEER_RESPONSE &&
		 peel_dht_connect_peer_response_parse(body, &m.connected) == 0)
		peel_dht_connect_peer_response_write(&w, &m.connected);
	else if (msg == PEEL_MSG_DHT_PING_REQUEST && peel_dht_plain_parse(body, &m.identifier) == 0)
		peel_dht_plain_write(&w, m.identifier);
	else
		return;
	expect_same(&w, body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct peel_span body = {data + 1, size - 1};

	if (data[0] == 0)
		value(body);
	else if (data[0] == PEEL_MSG_DHT_FIND_REQUEST)
		find(body);
	else
		others(data[0], body);
	return 0;
}
