/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "hidden_internal.h"

#define COOKIES_MAX 4096 /* a circuit has one */
#define PER_CIRCUIT 4
/* A downloader has its circuit within a minute of hearing the cookie. */
#define COOKIE_LIFE_MS 120000
#define TICK_MS 1000
#define SEARCH_TICK_MS 250 /* while somebody waits */
#define SOURCES 1024	   /* addresses whose datagrams are counted apart */
#define ASKED_PER_SECOND 5
#define ASKED_BURST 20
/* Of these, what may be about one seeder: a part of what that one is asked by all. */
#define OF_SEEDER_PER_SECOND 1
#define OF_SEEDER_BURST 5
/* Peers-requests of one circuit, as cells. */
#define CELLS_PER_SECOND 1
#define CELLS_BURST 10
#define PEERS_BURST 100
/* What one neighbour may let us announce and look up: at most 24 questions each. */
#define DHT_PER_SECOND 1
#define DHT_BURST 10

static int
limits_init(const struct peel_hidden *h, struct asked_limits *l)
{
	int ret = peel_rate_new(h->conf.env, ASKED_PER_SECOND, ASKED_BURST, SOURCES, &l->all);

	if (ret == 0)
		ret = peel_rate_new(
			h->conf.env, OF_SEEDER_PER_SECOND, OF_SEEDER_BURST, SOURCES, &l->of_seeder);
	return ret;
}

static void
limits_fini(struct asked_limits *l)
{
	peel_rate_free(l->all);
	peel_rate_free(l->of_seeder);
}

static int
init(struct peel_hidden *h)
{
	uint32_t n = h->conf.max_joined_circuits;
	int ret;

	ret = promises_init(&h->introductions, h->conf.env,
		n < PEEL_HIDDEN_INTRODUCTIONS_MAX ? n : PEEL_HIDDEN_INTRODUCTIONS_MAX, PER_CIRCUIT);
	h->introductions.ended = introduction_ended;
	h->introductions.arg = h;
	if (ret == 0)
		ret = promises_init(&h->rendezvous, h->conf.env, n < COOKIES_MAX ? n : COOKIES_MAX,
			PER_CIRCUIT);
	if (ret == 0)
		ret = limits_init(h, &h->datagrams);
	if (ret == 0)
		ret = limits_init(h, &h->inside);
	if (ret == 0)
		ret = peel_rate_new(h->conf.env, CELLS_PER_SECOND, CELLS_BURST, SOURCES, &h->cells);
	if (ret == 0)
		ret = peel_rate_new(h->conf.env, DHT_PER_SECOND, DHT_BURST, SOURCES, &h->dht);
	if (ret == 0)
		ret = point_asks_init(h);
	peel_bucket_init(&h->peers, PEERS_BURST, peel_now_ms(h->conf.env));
	return ret;
}

int
peel_hidden_new(const struct peel_hidden_conf *conf, struct peel_hidden **out)
{
	struct peel_hidden *h;

	if (conf->env == NULL || conf->identity == NULL || conf->stats == NULL ||
		conf->or_circuits == NULL || conf->send == NULL || conf->public_address == NULL ||
		(conf->pex_start == NULL) != (conf->pex_stop == NULL))
		return -EINVAL;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return -ENOMEM;
	h->conf = *conf;
	int ret = init(h);

	if (ret != 0) {
		peel_hidden_free(h);
		return ret;
	}
	*out = h;
	return 0;
}

void
peel_hidden_drain(struct peel_hidden *h, bool drain)
{
	h->draining = drain;
}

void
peel_hidden_free(struct peel_hidden *h)
{
	if (h == NULL)
		return;
	promises_fini(&h->introductions);
	promises_fini(&h->rendezvous);
	limits_fini(&h->datagrams);
	limits_fini(&h->inside);
	peel_rate_free(h->cells);
	peel_rate_free(h->dht);
	point_asks_fini(h);
	free(h);
}

int
hidden_refuse(struct peel_hidden *h)
{
	peel_stats_add(h->conf.stats, PEEL_HIDDEN_REFUSED, 1);
	return -EBADMSG;
}

int
hidden_data(
	uint8_t *out, size_t size, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	const struct peel_msg_data m = {
		.destination = {.type = PEEL_HOST_IPV4},
		.origin = {.type = from->family == PEEL_FAMILY_IPV6 ? PEEL_HOST_IPV6
								    : PEEL_HOST_IPV4,
			.addr = *from},
		.payload = {data, len},
	};

	return peel_data_build(out, size, &m);
}

int
peel_hidden_message(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *msg, size_t len)
{
	if (len == 0)
		return -ENOENT;
	switch (msg[0]) {
	case PEEL_MSG_ESTABLISH_INTRO:
		return introduction_establish(h, session, generation, msg + 1, len - 1);
	case PEEL_MSG_ESTABLISH_RENDEZVOUS:
		return rendezvous_establish(h, session, generation, msg + 1, len - 1);
	case PEEL_MSG_LINK_E2E:
		return rendezvous_link(h, session, generation, msg + 1, len - 1);
	case PEEL_MSG_PEERS_REQUEST:
		return peers_asked_by_cell(h, session, generation, msg + 1, len - 1);
	default:
		return -ENOENT;
	}
}

int
peel_hidden_datagram(
	struct peel_hidden *h, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	if (len < PEEL_HEADER_LEN || memcmp(data, h->conf.prefix, PEEL_PREFIX_LEN) != 0)
		return -ENOENT;
	switch (data[PEEL_PREFIX_LEN]) {
	case PEEL_MSG_CREATE_E2E:
		return introduction_create_e2e(h, from, data, len);
	case PEEL_MSG_PEERS_REQUEST:
		return peers_asked_by_datagram(
			h, from, data + PEEL_HEADER_LEN, len - PEEL_HEADER_LEN);
	case PEEL_MSG_PEERS_RESPONSE:
		return point_asks_answer(h, from, data + PEEL_HEADER_LEN, len - PEEL_HEADER_LEN);
	default:
		return -ENOENT;
	}
}

static void
end_all(struct promises *p, uint32_t session)
{
	struct promise *one;

	while ((one = promise_of_session(p, session)) != NULL)
		promise_end(p, one);
}

void
peel_hidden_exit_gone(struct peel_hidden *h, uint32_t session)
{
	end_all(&h->introductions, session);
	end_all(&h->rendezvous, session);
	search_exit_gone(h, session);
}

uint64_t
peel_hidden_tick(struct peel_hidden *h)
{
	promises_expire(&h->rendezvous, COOKIE_LIFE_MS);
	introduction_tick(h);
	point_asks_tick(h);
	search_tick(h);
	return search_count(h) > 0 ? SEARCH_TICK_MS : TICK_MS;
}

bool
peel_hidden_waits(const struct peel_hidden *h, uint32_t session)
{
	return promise_of_session(&h->rendezvous, session) != NULL;
}

void
peel_hidden_count(const struct peel_hidden *h, struct peel_hidden_count *out)
{
	struct peel_addr here;

	*out = (struct peel_hidden_count){
		.offered = h->conf.public_address(h->conf.arg, &here),
		.introductions = h->introductions.slots.n,
		.announced = h->n_announced,
		.searches = search_count(h),
		.asked = point_asks_count(h),
		.rendezvous = h->rendezvous.slots.n,
	};
}
