/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The discovery community: pings that keep peers alive in both directions, and lists of
 * communities. Source: protocol sections 8.5 and 9.
 */
#include <errno.h>

#include "overlay_internal.h"

/* plus a share of the peers that reaches each of them within its idle time */
#define PINGS_PER_TICK 256
#define PINGS_SHARE 32
#define PROBES_PER_TICK 64
#define PROBES_MAX 3
/* A peer that does not answer pings is also asked for an introduction, because not every node takes
 * part in the discovery community. */
#define ASK_AFTER_MS (PEEL_OVERLAY_IDLE_MS + PEEL_OVERLAY_PING_INTERVAL_MS / 2)

/* ---- pings ----------------------------------------------------------------------------------- */

static void
send_ping(struct peel_overlay *ov, const struct peel_addr *to, uint8_t id, uint16_t identifier)
{
	uint8_t buffer[64];
	struct peel_writer w = peel_writer_init(buffer, sizeof(buffer));

	peel_unsigned_begin(&w, ov->prefix[PEEL_COMMUNITY_DISCOVERY], id, ++ov->clock);
	peel_write_u16(&w, identifier);
	overlay_send_unsigned(ov, to, &w);
}

static int
on_ping(struct peel_overlay *ov, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	uint16_t identifier;

	if (peel_discovery_ping_parse(data, len, &identifier) != 0)
		return overlay_malformed(ov);
	send_ping(ov, from, PEEL_MSG_DISCOVERY_PONG, identifier);
	peel_stats_add(ov->conf.stats, PEEL_LIVENESS_PINGS, 1);
	return 0;
}

static int
on_pong(struct peel_overlay *ov, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	struct ov_peer *p = NULL;
	uint16_t identifier;

	if (peel_discovery_ping_parse(data, len, &identifier) != 0)
		return overlay_malformed(ov);
	while ((p = overlay_peers_at(&ov->peers, from, p)) != NULL) {
		if (p->ping_pending && p->ping_id == identifier) {
			p->ping_pending = false;
			p->answered_ms = overlay_now(ov);
		}
	}
	return 0;
}

/* ---- similarity ------------------------------------------------------------------------------ */

static struct peel_span
own_communities(const struct peel_overlay *ov)
{
	return (struct peel_span){ov->conf.community[0], sizeof(ov->conf.community)};
}

void
overlay_similarity_send(struct peel_overlay *ov, const struct peel_addr *to)
{
	uint64_t now = overlay_now(ov);
	uint8_t buffer[512];
	struct peel_similarity_request m = {
		.identifier = peel_random_u16(ov->conf.env),
		.lan = ov->conf.lan,
		.wan = ov->public_address,
		.communities = own_communities(ov),
	};

	if (overlay_requests_recent(
		    &ov->requests, to, PEEL_REQUEST_SIMILARITY, now, PEEL_OVERLAY_LOST_MS) ||
		overlay_requests_add(
			&ov->requests, to, PEEL_REQUEST_SIMILARITY, m.identifier, false, now) != 0)
		return;
	struct peel_writer w = overlay_begin(ov, ov->prefix[PEEL_COMMUNITY_DISCOVERY],
		PEEL_MSG_SIMILARITY_REQUEST, ++ov->clock, buffer, sizeof(buffer));

	peel_similarity_request_write(&w, &m);
	overlay_send_signed(ov, to, &w);
}

/* If a node shares further communities with us, ask for an introduction there. */
static void
note_communities(
	struct peel_overlay *ov, const struct peel_addr *at, struct peel_span list, bool new_style)
{
	for (size_t i = 0; i + PEEL_COMMUNITY_LEN <= list.len; i += PEEL_COMMUNITY_LEN) {
		for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++) {
			if (memcmp(list.p + i, ov->conf.community[c], PEEL_COMMUNITY_LEN) == 0)
				overlay_walk_offer(ov, c, at, new_style, peel_addr_is_local(at));
		}
	}
}

static int
on_similarity_request(
	struct peel_overlay *ov, const struct peel_addr *from, const struct peel_signed *s)
{
	struct peel_similarity_request m;
	uint8_t buffer[512];

	if (peel_similarity_request_parse(s->body, &m) != 0)
		return overlay_malformed(ov);
	bool known = overlay_peers_at_home(&ov->peers, s->pk.p, from) != NULL;

	int rc = overlay_authenticate(ov, from, s, known ? PEEL_TRUST_KNOWN : PEEL_TRUST_STRANGER);

	if (rc != 0)
		return rc == -EAGAIN ? 0 : rc;
	struct peel_similarity_response response = {
		.identifier = m.identifier,
		.communities = own_communities(ov),
	};
	struct peel_writer w = overlay_begin(ov, ov->prefix[PEEL_COMMUNITY_DISCOVERY],
		PEEL_MSG_SIMILARITY_RESPONSE, ++ov->clock, buffer, sizeof(buffer));

	peel_similarity_response_write(&w, &response);
	/* A stranger gets no more bytes than it sent, and no question on its word alone. */
	if (!known && (size_t)peel_writer_len(&w) > s->covered.len) {
		peel_stats_add(ov->conf.stats, PEEL_CONTROL_RATE, 1);
		return 0;
	}
	overlay_send_signed(ov, from, &w);
	if (known)
		note_communities(ov, from, m.communities, false);
	return 0;
}

static int
on_similarity_response(
	struct peel_overlay *ov, const struct peel_addr *from, const struct peel_signed *s)
{
	struct peel_similarity_response m;
	bool found;

	if (peel_similarity_response_parse(s->body, &m) != 0)
		return overlay_malformed(ov);
	int rc = overlay_intro_match(
		ov, &ov->requests, from, s, PEEL_REQUEST_SIMILARITY, m.identifier, &found);

	if (!found)
		return rc;
	/* The answer does not say whom it was meant for, so it makes no node a peer. */
	const struct ov_peer *p = overlay_peers_at_home(&ov->peers, s->pk.p, from);

	if (p != NULL)
		note_communities(ov, from, m.communities, p->new_style);
	return 0;
}

int
overlay_liveness_input(
	struct peel_overlay *ov, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	uint8_t id = data[PEEL_PREFIX_LEN];
	struct peel_signed s;

	if (id == PEEL_MSG_DISCOVERY_PING)
		return on_ping(ov, from, data, len);
	if (id == PEEL_MSG_DISCOVERY_PONG)
		return on_pong(ov, from, data, len);
	if (id != PEEL_MSG_SIMILARITY_REQUEST && id != PEEL_MSG_SIMILARITY_RESPONSE) {
		peel_stats_add(ov->conf.stats, PEEL_CONTROL_UNKNOWN, 1);
		return -EBADMSG;
	}
	if (peel_signed_parse(data, len, true, false, &s) != 0 ||
		memcmp(s.pk.p, ov->conf.identity->pk, PEEL_PK_LEN) == 0)
		return overlay_malformed(ov);
	return id == PEEL_MSG_SIMILARITY_REQUEST ? on_similarity_request(ov, from, &s)
						 : on_similarity_response(ov, from, &s);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

static bool
ping_is_due(const struct ov_peer *p, uint64_t now)
{
	return now - p->answered_ms >= PEEL_OVERLAY_IDLE_MS &&
	       now - p->pinged_ms >= PEEL_OVERLAY_PING_INTERVAL_MS;
}

/* Give the last ping time to be answered: after a pause of this process every peer looks silent. */
static bool
is_dead(const struct ov_peer *p, uint64_t now)
{
	return now - p->answered_ms >= PEEL_OVERLAY_DROP_MS && p->pinged_ms > p->answered_ms &&
	       now - p->pinged_ms >= PEEL_OVERLAY_LOST_MS;
}

/* We know our address by now, and must check that the peer answers there. */
static bool
is_doubtful(const struct peel_overlay *ov, const struct ov_peer *p)
{
	return p->weak && overlay_public_settled(ov, &p->addr);
}

static bool
probe_is_due(const struct peel_overlay *ov, const struct ov_peer *p, uint64_t now)
{
	bool flags_missing = (p->member & 1 << PEEL_COMMUNITY_TUNNEL) != 0 && !p->flags_known;

	return p->probes < PROBES_MAX && now - p->probed_ms >= PEEL_OVERLAY_LOST_MS &&
	       (flags_missing || is_doubtful(ov, p));
}

static bool
probes_failed(const struct peel_overlay *ov, const struct ov_peer *p, uint64_t now)
{
	return p->probes == PROBES_MAX && now - p->probed_ms >= PEEL_OVERLAY_LOST_MS &&
	       is_doubtful(ov, p);
}

static void
ping(struct peel_overlay *ov, struct ov_peer *p, uint64_t now)
{
	/* A late pong to the last ping is lost: round trips of ten seconds do not happen. */
	p->ping_id = peel_random_u16(ov->conf.env);
	p->ping_pending = true;
	p->pinged_ms = now;
	send_ping(ov, &p->addr, PEEL_MSG_DISCOVERY_PING, p->ping_id);
}

void
overlay_liveness_tick(struct peel_overlay *ov, uint64_t now)
{
	uint32_t pings = PINGS_PER_TICK + ov->peers.n[PEEL_LIST_ALL] / PINGS_SHARE;
	uint32_t probes = PROBES_PER_TICK;

	/* Backwards: removing an entry moves the last one to the place just visited. */
	for (uint32_t i = ov->peers.n[PEEL_LIST_ALL]; i-- > 0;) {
		struct ov_peer *p = &ov->peers.peer[ov->peers.list[PEEL_LIST_ALL][i].slot];
		unsigned int c = (unsigned int)__builtin_ctz(p->member);

		if (is_dead(p, now) || probes_failed(ov, p, now)) {
			overlay_peers_del(&ov->peers, p);
			continue;
		}
		if (pings > 0 && ping_is_due(p, now)) {
			pings--;
			ping(ov, p, now);
			if (now - p->answered_ms >= ASK_AFTER_MS)
				overlay_intro_send(
					ov, c, &p->addr, p->new_style, PEEL_ASK_PEER, SIZE_MAX);
		}
		if (probes > 0 && probe_is_due(ov, p, now)) {
			probes--;
			overlay_intro_probe(ov, p, c, now);
		}
	}
}
