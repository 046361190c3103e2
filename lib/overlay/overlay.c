/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "overlay_internal.h"

#define PEERS_DEFAULT 4096
/* Strangers remembered: more than their budget of signature checks admits within 10 s. */
#define STRANGERS_DEFAULT 16384
#define STRANGERS_MIN 64

/* ---- life ------------------------------------------------------------------------------------ */

static int
init_tables(struct peel_overlay *ov)
{
	uint32_t n_peers = ov->conf.peers_max > 0 ? ov->conf.peers_max : PEERS_DEFAULT;
	uint32_t wanted = ov->conf.strangers_max > 0 ? ov->conf.strangers_max : STRANGERS_DEFAULT;
	uint32_t n_strangers = STRANGERS_MIN;
	int rc;

	while (n_strangers < wanted)
		n_strangers *= 2;

	if ((rc = overlay_peers_init(&ov->peers, n_peers, ov->seed)) != 0 ||
		(rc = overlay_strangers_init(&ov->strangers, n_strangers, ov->seed)) != 0 ||
		(rc = overlay_requests_init(
			 &ov->requests, PEEL_OVERLAY_REQUESTS, false, ov->seed)) != 0 ||
		(rc = overlay_requests_init(&ov->asked_back, n_strangers / 4, true, ov->seed)) !=
			0 ||
		(rc = overlay_limits_init(&ov->limits, ov->conf.env, n_strangers / 4)) != 0)
		return rc;
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES && rc == 0; c++)
		rc = overlay_walk_init(&ov->walk[c]);
	return rc;
}

int
peel_overlay_new(const struct peel_overlay_conf *conf, struct peel_overlay **out)
{
	struct peel_overlay *ov;
	int rc;

	*out = NULL;
	ov = calloc(1, sizeof(*ov));
	if (ov == NULL)
		return -ENOMEM;
	ov->conf = *conf;
	ov->conf.bootstrap = NULL;
	ov->seed = peel_random_u64(conf->env);
	ov->port = conf->lan.port;
	ov->public_address = conf->public_address;
	if (peel_addr_same_ip(&conf->lan, &(struct peel_addr){.family = conf->lan.family}))
		ov->conf.lan.port = 0; /* bound to all interfaces: others read it as "no address" */
	peel_put_be16(ov->own_flags, conf->flags);
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++)
		peel_prefix_build(ov->prefix[c], conf->community[c]);
	rc = init_tables(ov);
	if (rc != 0) {
		peel_overlay_free(ov);
		return rc;
	}
	for (size_t i = 0; i < conf->n_bootstrap; i++)
		peel_overlay_add_bootstrap(ov, &conf->bootstrap[i]);
	*out = ov;
	return 0;
}

void
peel_overlay_limits(struct peel_overlay *ov, int max_peers, int walk_target)
{
	ov->conf.max_peers = max_peers;
	ov->conf.walk_target = walk_target;
}

void
peel_overlay_flags(struct peel_overlay *ov, uint16_t flags)
{
	peel_put_be16(ov->own_flags, flags);
}

void
peel_overlay_free(struct peel_overlay *ov)
{
	if (ov == NULL)
		return;
	overlay_peers_fini(&ov->peers);
	overlay_strangers_fini(&ov->strangers);
	overlay_requests_fini(&ov->requests);
	overlay_requests_fini(&ov->asked_back);
	overlay_limits_fini(&ov->limits);
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++)
		overlay_walk_fini(&ov->walk[c]);
	free(ov);
}

void
peel_overlay_add_bootstrap(struct peel_overlay *ov, const struct peel_addr *addr)
{
	if (!peel_addr_usable(addr) || overlay_is_bootstrap(ov, addr) ||
		ov->n_bootstrap == PEEL_OVERLAY_BOOTSTRAP_MAX)
		return;
	ov->bootstrap[ov->n_bootstrap++] = *addr;
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++)
		/* names resolve late: do not wait for the next turn */
		ov->walk[c].bootstrap_at = 0;
}

void
peel_overlay_remove_bootstrap(struct peel_overlay *ov, const struct peel_addr *addr)
{
	for (size_t i = 0; i < ov->n_bootstrap; i++) {
		if (peel_addr_equal(&ov->bootstrap[i], addr)) {
			ov->bootstrap[i] = ov->bootstrap[--ov->n_bootstrap];
			return;
		}
	}
}

/* ---- shared by the files of this library ----------------------------------------------------- */

int
overlay_malformed(struct peel_overlay *ov)
{
	peel_stats_add(ov->conf.stats, PEEL_CONTROL_MALFORMED, 1);
	return -EBADMSG;
}

bool
overlay_is_bootstrap(const struct peel_overlay *ov, const struct peel_addr *a)
{
	for (size_t i = 0; i < ov->n_bootstrap; i++) {
		if (peel_addr_equal(&ov->bootstrap[i], a))
			return true;
	}
	return false;
}

bool
overlay_is_self(const struct peel_overlay *ov, const struct peel_addr *a)
{
	return peel_addr_equal(a, &ov->conf.lan) || peel_addr_equal(a, &ov->public_address);
}

bool
overlay_in_local_network(const struct peel_overlay *ov)
{
	return peel_addr_is_local(&ov->conf.lan) || ov->conf.lan.port == 0;
}

int
overlay_authenticate(struct peel_overlay *ov, const struct peel_addr *from,
	const struct peel_signed *s, enum ov_trust trust)
{
	if (!overlay_may_verify(ov, from, s->legacy, trust)) {
		peel_stats_add(ov->conf.stats, PEEL_CONTROL_RATE, 1);
		return -EAGAIN;
	}
	if (!peel_signed_verify(s)) {
		peel_stats_add(ov->conf.stats, PEEL_BAD_SIGNATURE, 1);
		return -EBADMSG;
	}
	return 0;
}

struct peel_writer
overlay_begin(struct peel_overlay *ov, const uint8_t prefix[PEEL_PREFIX_LEN], uint8_t id,
	uint64_t clock, uint8_t *buffer, size_t size)
{
	struct peel_writer w = peel_writer_init(buffer, size);

	peel_signed_begin(&w, prefix, id, ov->conf.identity->pk, true, clock);
	return w;
}

void
overlay_send_unsigned(struct peel_overlay *ov, const struct peel_addr *to, struct peel_writer *w)
{
	int len = peel_writer_len(w);

	if (len > 0)
		ov->conf.send(ov->conf.arg, to, w->start, (size_t)len);
}

void
overlay_send_signed(struct peel_overlay *ov, const struct peel_addr *to, struct peel_writer *w)
{
	peel_sign(w, ov->conf.identity);
	overlay_send_unsigned(ov, to, w);
}

/* ---- input ----------------------------------------------------------------------------------- */

int
overlay_split(struct peel_overlay *ov, const struct peel_addr *from, const uint8_t *data,
	size_t len, struct peel_signed *out)
{
	if (peel_signed_parse(data, len, true, false, out) != 0) {
		/* Legacy keys: bootstrap servers only. */
		if (!overlay_is_bootstrap(ov, from) ||
			peel_signed_parse(data, len, true, true, out) != 0)
			return overlay_malformed(ov);
	} else if (memcmp(out->pk.p, ov->conf.identity->pk, PEEL_PK_LEN) == 0) {
		return overlay_malformed(ov); /* our own, reflected or replayed */
	}
	return 0;
}

bool
overlay_is_banned(
	const struct peel_overlay *ov, const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN])
{
	return ov->conf.banned != NULL && ov->conf.banned(ov->conf.arg, addr, pk);
}

void
peel_overlay_banned(struct peel_overlay *ov)
{
	const struct ov_list_entry *all = ov->peers.list[PEEL_LIST_ALL];

	/* The last one takes the place of one that is removed. */
	for (uint32_t i = ov->peers.n[PEEL_LIST_ALL]; i-- > 0;) {
		struct ov_peer *p = &ov->peers.peer[all[i].slot];

		if (overlay_is_banned(ov, &p->addr, p->pk))
			overlay_peers_del(&ov->peers, p);
	}
}

static int
on_signed(struct peel_overlay *ov, enum peel_community c, const struct peel_addr *from,
	const uint8_t *data, size_t len, bool response)
{
	struct peel_signed s;
	int rc = overlay_split(ov, from, data, len, &s);

	if (rc != 0)
		return rc;
	if (!s.legacy && overlay_is_banned(ov, from, s.pk.p)) {
		peel_stats_add(ov->conf.stats, PEEL_DROP_BANNED, 1);
		return 0;
	}
	return response ? overlay_intro_response(ov, c, from, &s)
			: overlay_intro_request(ov, c, from, &s);
}

static bool
find_community(const struct peel_overlay *ov, const uint8_t *data, enum peel_community *c)
{
	for (unsigned int i = 0; i < PEEL_N_COMMUNITIES; i++) {
		if (memcmp(data, ov->prefix[i], PEEL_PREFIX_LEN) == 0) {
			*c = i;
			return true;
		}
	}
	return false;
}

int
peel_overlay_input(
	struct peel_overlay *ov, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	enum peel_community c;

	if (len < PEEL_HEADER_LEN || !find_community(ov, data, &c))
		return -ENOENT;
	if (!peel_addr_usable(from))
		return overlay_malformed(ov);
	switch (data[PEEL_PREFIX_LEN]) {
	case PEEL_MSG_INTRO_REQUEST:
	case PEEL_MSG_INTRO_REQUEST_NEW:
		return on_signed(ov, c, from, data, len, false);
	case PEEL_MSG_INTRO_RESPONSE:
	case PEEL_MSG_INTRO_RESPONSE_NEW:
		return on_signed(ov, c, from, data, len, true);
	case PEEL_MSG_PUNCTURE_REQUEST:
	case PEEL_MSG_PUNCTURE_REQUEST_NEW:
		return overlay_puncture_request(ov,
			peel_overlay_proved(ov, from) || overlay_is_bootstrap(ov, from), from, data,
			len);
	case PEEL_MSG_PUNCTURE:
	case PEEL_MSG_PUNCTURE_NEW:
		/* It opened a NAT by arriving. Nothing in it is used, so its signature is not worth
		 * checking. */
		return 0;
	default:
		if (c != PEEL_COMMUNITY_DISCOVERY)
			return -ENOENT;
		return overlay_liveness_input(ov, from, data, len);
	}
}

uint64_t
peel_overlay_tick(struct peel_overlay *ov)
{
	uint64_t now = overlay_now(ov);

	if (now < ov->tick_at)
		return ov->tick_at - now;
	ov->tick_at = now + PEEL_OVERLAY_TICK_MS;
	overlay_requests_expire(&ov->requests, now);
	overlay_requests_expire(&ov->asked_back, now);
	overlay_liveness_tick(ov, now);
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++)
		overlay_walk_tick(ov, c, now);
	return PEEL_OVERLAY_TICK_MS;
}

/* ---- questions from above -------------------------------------------------------------------- */

static void export(const struct ov_peer *p, struct peel_peer *out)
{
	memcpy(out->pk, p->pk, sizeof(out->pk));
	memcpy(out->mid, p->mid, sizeof(out->mid));
	out->addr = p->addr;
	out->flags = p->flags;
	out->member = p->member;
	out->candidate = p->flags_known && (p->member & 1 << PEEL_COMMUNITY_TUNNEL) != 0;
	out->last_heard_ms = p->answered_ms;
}

/* Uniform below n, from a 64-bit state seeded with fresh randomness: each call draws once from the
 * environment, as candidates are chosen for each circuit that others build through us. */
static uint32_t
next_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((peel_splitmix(state) >> 32) * n >> 32);
}

size_t
peel_overlay_candidates(
	struct peel_overlay *ov, uint16_t all, uint16_t none, struct peel_peer *out, size_t n)
{
	const struct ov_list_entry *e = ov->peers.list[PEEL_LIST_CANDIDATES];
	uint64_t state = peel_random_u64(ov->conf.env);
	uint32_t chosen[64], seen = 0;

	if (n > PEEL_ARRAY_LEN(chosen))
		n = PEEL_ARRAY_LEN(chosen);
	/* Reservoir sampling: every match has the same chance. */
	for (uint32_t i = 0; i < ov->peers.n[PEEL_LIST_CANDIDATES] && n > 0; i++) {
		if ((e[i].flags & all) != all || (e[i].flags & none) != 0)
			continue;
		uint32_t place = seen < n ? seen : next_below(&state, seen + 1);

		if (place < n)
			chosen[place] = e[i].slot;
		seen++;
	}
	if (seen < n)
		n = seen;
	for (size_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)i + next_below(&state, (uint32_t)(n - i));
		uint32_t slot = chosen[j];

		chosen[j] = chosen[i];
		export(&ov->peers.peer[slot], &out[i]);
	}
	return n;
}

bool
peel_overlay_find(
	const struct peel_overlay *ov, const uint8_t pk[PEEL_PK_LEN], struct peel_peer *out)
{
	const struct ov_peer *p = overlay_peers_by_key(&ov->peers, pk);

	if (p != NULL)
		export(p, out);
	return p != NULL;
}

bool
peel_overlay_proved(const struct peel_overlay *ov, const struct peel_addr *addr)
{
	return overlay_peers_at(&ov->peers, addr, NULL) != NULL;
}

size_t
peel_overlay_count(const struct peel_overlay *ov, enum peel_community c)
{
	return ov->peers.n[c];
}

size_t
peel_overlay_count_candidates(const struct peel_overlay *ov, uint16_t flags)
{
	const struct ov_list_entry *e = ov->peers.list[PEEL_LIST_CANDIDATES];
	size_t n = 0;

	for (uint32_t i = 0; i < ov->peers.n[PEEL_LIST_CANDIDATES]; i++)
		n += (e[i].flags & flags) == flags;
	return n;
}

uint32_t
peel_overlay_dump_some(const struct peel_overlay *ov, uint32_t from, uint32_t n,
	void (*fn)(void *arg, const struct peel_peer *peer), void *arg)
{
	uint32_t end = ov->peers.n[PEEL_LIST_ALL];

	for (; from < end && n > 0; from++, n--) {
		struct peel_peer peer;

		export(&ov->peers.peer[ov->peers.list[PEEL_LIST_ALL][from].slot], &peer);
		fn(arg, &peer);
	}
	return from < end ? from : 0;
}

void
peel_overlay_dump(
	const struct peel_overlay *ov, void (*fn)(void *arg, const struct peel_peer *), void *arg)
{
	(void)peel_overlay_dump_some(ov, 0, UINT32_MAX, fn, arg);
}
