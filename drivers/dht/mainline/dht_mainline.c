/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "mainline_session.h"
#include "peel_dht_mainline.h"

#define LOOKUPS_MAX 16
/* libtorrent goes on with those that nobody waits for any more: so many a second, and at once. */
#define LOOKUPS_PER_SECOND 4
#define LOOKUPS_BURST 16
#define LOOKUP_MAX_MS 8000 /* who asks waits for ten seconds in all */
#define ASK_MS 250	   /* for the state while something is looked up ... */
#define ASK_IDLE_MS 10000  /* ... and else, for the status */
/* Others forget a peer after half an hour. */
#define REPEAT_MS (15 * 60 * 1000)
#define LIST_MAX 512
#define ADDRESSES_MAX 64 /* that are passed on at a time */

struct lookup {
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	bool used;
	uint64_t since_ms;
};

struct driver {
	struct peel_provider_conf conf;
	struct mainline *session;
	char listen[LIST_MAX], bootstrap[LIST_MAX];
	struct lookup lookup[LOOKUPS_MAX];
	size_t n_lookups, n_nodes, n_announced;
	uint64_t budget_ms; /* for look-ups: full when it is now */
	uint64_t asked_ms;
	unsigned int n_asking; /* for the state, which has not come yet */
};

/* ---- look-ups -------------------------------------------------------------------------------- */

static struct lookup *
by_hash(struct driver *d, const uint8_t *info_hash)
{
	for (size_t i = 0; i < LOOKUPS_MAX; i++) {
		if (d->lookup[i].used &&
			memcmp(d->lookup[i].info_hash, info_hash, PEEL_INFO_HASH_LEN) == 0)
			return &d->lookup[i];
	}
	return NULL;
}

static void
forget(struct driver *d, struct lookup *l)
{
	l->used = false;
	d->n_lookups--;
}

static void
end(struct driver *d, struct lookup *l)
{
	uint8_t info_hash[PEEL_INFO_HASH_LEN];

	memcpy(info_hash, l->info_hash, sizeof(info_hash));
	forget(d, l);
	d->conf.ended(d->conf.arg, info_hash);
}

static bool
take_budget(struct driver *d)
{
	const uint64_t each = 1000 / LOOKUPS_PER_SECOND;
	uint64_t now = peel_now_ms(d->conf.env);

	if (d->budget_ms < now)
		d->budget_ms = now;
	if (d->budget_ms + each > now + LOOKUPS_BURST * each)
		return false;
	d->budget_ms += each;
	return true;
}

static void
ask(struct driver *d)
{
	d->asked_ms = peel_now_ms(d->conf.env);
	d->n_asking += mainline_ask(d->session) == 0;
}

static int
mainline_look_up(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct driver *d = self;
	struct lookup *l = d->lookup;

	while (l < d->lookup + LOOKUPS_MAX && l->used)
		l++;
	if (l == d->lookup + LOOKUPS_MAX || !take_budget(d))
		return -ENOSPC;
	int rc = mainline_get_peers(d->session, info_hash);

	if (rc != 0)
		return rc;
	*l = (struct lookup){.used = true, .since_ms = peel_now_ms(d->conf.env)};
	memcpy(l->info_hash, info_hash, sizeof(l->info_hash));
	d->n_lookups++;
	ask(d); /* a state that was asked for before does not show it */
	return 0;
}

/* libtorrent goes on; nobody hears of it. */
static void
mainline_cancel(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct driver *d = self;
	struct lookup *l = by_hash(d, info_hash);

	if (l != NULL)
		forget(d, l);
}

/* ---- what libtorrent tells ------------------------------------------------------------------- */

static void
cb_wake(void *arg)
{
	const struct driver *d = arg;

	d->conf.wake(d->conf.arg);
}

static void
cb_peers(void *arg, const uint8_t *hash, const struct mainline_address *a, size_t n)
{
	struct driver *d = arg;
	struct peel_addr addr[ADDRESSES_MAX];

	if (by_hash(d, hash) == NULL)
		return;
	if (n > ADDRESSES_MAX)
		n = ADDRESSES_MAX;
	memset(addr, 0, sizeof(addr));
	for (size_t i = 0; i < n; i++) {
		addr[i].family = a[i].is_ipv6 ? PEEL_FAMILY_IPV6 : PEEL_FAMILY_IPV4;
		addr[i].port = a[i].port;
		memcpy(addr[i].ip, a[i].ip, a[i].is_ipv6 ? 16 : 4);
	}
	d->conf.addresses(d->conf.arg, hash, addr, n);
}

static void
cb_state(void *arg, size_t n_nodes, const uint8_t (*hash)[MAINLINE_HASH_LEN], size_t n)
{
	struct driver *d = arg;

	d->n_nodes = n_nodes;
	/* Each look-up asks for the state as it begins: only the newest one shows them all. */
	if (d->n_asking > 0 && --d->n_asking > 0)
		return;
	for (size_t i = 0; i < LOOKUPS_MAX; i++) {
		struct lookup *l = &d->lookup[i];
		size_t k = 0;

		if (!l->used)
			continue;
		while (k < n && memcmp(hash[k], l->info_hash, PEEL_INFO_HASH_LEN) != 0)
			k++;
		if (k == n)
			end(d, l);
	}
}

static uint64_t
mainline_tick(void *self)
{
	struct driver *d = self;
	uint64_t now = peel_now_ms(d->conf.env);

	mainline_poll(d->session);
	for (size_t i = 0; i < LOOKUPS_MAX; i++) {
		if (d->lookup[i].used && now - d->lookup[i].since_ms >= LOOKUP_MAX_MS)
			end(d, &d->lookup[i]);
	}
	uint64_t wait = d->n_lookups > 0 ? ASK_MS : ASK_IDLE_MS;

	/* An answer that is lost does not keep us from asking again. */
	if (now - d->asked_ms >= ASK_IDLE_MS)
		d->n_asking = 0;
	if (d->n_asking == 0 && now - d->asked_ms >= wait)
		ask(d);
	return wait;
}

/* ---- announcements --------------------------------------------------------------------------- */

/* Others see our address in the datagrams themselves; the port is the one of the overlays. */
static int
mainline_tell(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *point, uint32_t *id)
{
	struct driver *d = self;

	*id = 0;
	return mainline_announce(d->session, info_hash, point->address.port);
}

static void
mainline_count(void *self, struct peel_provider_count *out)
{
	const struct driver *d = self;

	*out = (struct peel_provider_count){.nodes = d->n_nodes, .lookups = d->n_lookups};
}

/* ---- life ------------------------------------------------------------------------------------ */

/* A list with commas and no spaces. */
static int
copy_list(const char *from, char out[LIST_MAX])
{
	size_t n = 0;

	while (from != NULL && *(from += strspn(from, ", \t")) != '\0') {
		size_t len = strcspn(from, ", \t");

		if (n + len + 2 > LIST_MAX)
			return -E2BIG;
		if (n > 0)
			out[n++] = ',';
		memcpy(out + n, from, len);
		n += len;
		from += len;
	}
	out[n] = '\0';
	return 0;
}

static void
mainline_shut(void *self)
{
	struct driver *d = self;

	mainline_close(d->session);
	free(d);
}

static int
mainline_start(const struct peel_provider_conf *conf, void **self, char *why, size_t why_size)
{
	struct driver *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return -ENOMEM;
	d->conf = *conf;
	rc = copy_list(conf->listen, d->listen);
	if (rc == 0)
		rc = copy_list(conf->bootstrap, d->bootstrap);
	if (rc == 0)
		rc = mainline_open(&(struct mainline_conf){.listen = d->listen,
					   .bootstrap = d->bootstrap,
					   .wake = cb_wake,
					   .peers = cb_peers,
					   .state = cb_state,
					   .arg = d},
			&d->session, why, why_size);
	if (rc != 0) {
		free(d);
		return rc;
	}
	*self = d;
	return 0;
}

__attribute__((visibility("default"))) const struct peel_provider_ops peel_dht_mainline = {
	.name = "mainline",
	.repeat_ms = REPEAT_MS,
	.open = mainline_start,
	.close = mainline_shut,
	.tick = mainline_tick,
	.look_up = mainline_look_up,
	.cancel = mainline_cancel,
	.announce = mainline_tell,
	.count = mainline_count,
};
