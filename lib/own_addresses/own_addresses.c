/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What exits let out, and the addresses of this node itself, which exits refuse: those of the
 * machine now, those that the configuration names, and the one that others see. Any change makes a
 * new policy, which replaces the old one in all workers; the old one is freed after a grace period.
 */
#include <errno.h>
#include <stdlib.h>

#include "netlink.h"
#include "peel_own_addresses.h"

#define LOOK_EVERY_MS 100 /* while addresses keep changing */
#define LOOKS_AGAIN 10	  /* at the start, if they change while being read */

/* A policy that workers may hold. */
struct published {
	struct peel_policy policy;
	struct peel_addr_set *own; /* of the policy */
	struct peel_rules *rules;  /* of the policy */
	struct published *next;	   /* replaced, but not handed to RCU yet */
};

/* The state of a named address. */
struct watched {
	bool had; /* found at least once; never for a port that bypasses the kernel */
	bool lost;
};

struct peel_own_addresses {
	struct peel_own_addresses_conf conf;
	struct netlink nl;
	uv_poll_t poll;
	bool polling;			 /* `poll` belongs to the loop */
	bool kernel;			 /* the kernel can tell its addresses */
	bool failing;			 /* the last query failed */
	struct peel_addr public_address; /* learnt */
	struct watched watched[PEEL_OWN_NAMED_MAX];
	struct published *now, *replaced;
	uint64_t looked_ms;
	bool changed; /* the policy itself, since the last one was published */
	bool stale;   /* something has changed since the last look */
};

/* ---- what is ours ---------------------------------------------------------------------------- */

/* Loopback has a switch of its own; the wildcard names no address. */
static bool
counts(const struct peel_network *net)
{
	return net->addr.family != PEEL_FAMILY_NONE && !peel_addr_is_loopback(&net->addr) &&
	       (net->prefix_len == 0 || !peel_addr_is_any(&net->addr));
}

/* Log once when it goes and once when it is back; sockets bound to it live on. */
static void
look_for(const struct peel_own_named *named, struct watched *w, const struct peel_network *net,
	size_t n)
{
	char text[PEEL_ADDR_TEXT_MAX];
	bool found = false;

	for (size_t i = 0; i < n && !found; i++)
		found = peel_addr_same_ip(&named->addr, &net[i].addr);
	if (found && w->lost)
		peel_log(PEEL_LOG_INFO, "%s: %s is back", named->setting,
			peel_addr_text(&named->addr, text));
	else if (!found && w->had && !w->lost)
		peel_log(PEEL_LOG_WARNING,
			"%s: this machine has lost the address of %s; nothing passes there until "
			"it is back",
			named->setting, peel_addr_text(&named->addr, text));
	w->lost = !found && w->had;
	w->had |= found;
}

bool
peel_own_addresses_lost(const struct peel_own_addresses *own)
{
	bool lost = false;

	for (size_t i = 0; i < PEEL_OWN_NAMED_MAX; i++)
		lost |= own->watched[i].lost;
	return lost;
}

static size_t
take(struct peel_network *out, size_t n, const struct peel_network *net)
{
	if (counts(net))
		out[n++] = *net;
	return n;
}

static int
read_own(struct peel_own_addresses *own, struct peel_addr_set **out)
{
	struct peel_network *kernel = NULL, *all;
	size_t n_kernel = 0, n = 0;
	int rc = own->kernel ? netlink_local(&own->nl, &kernel, &n_kernel) : 0;

	if (rc != 0)
		return rc;
	all = calloc(n_kernel + PEEL_OWN_NAMED_MAX + 1, sizeof(*all));
	if (all == NULL) {
		free(kernel);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n_kernel; i++)
		n = take(all, n, &kernel[i]);
	for (size_t i = 0; i < PEEL_OWN_NAMED_MAX; i++) {
		const struct peel_own_named *named = &own->conf.named[i];

		if (named->setting != NULL)
			look_for(named, &own->watched[i], kernel, n_kernel);
		n = take(all, n, &(struct peel_network){named->addr, 128});
	}
	n = take(all, n, &(struct peel_network){own->public_address, 128});
	rc = peel_addr_set_new(all, n, out);
	free(all);
	free(kernel);
	return rc;
}

/* ---- publishing ------------------------------------------------------------------------------ */

static void
free_published(void *arg, uint64_t value)
{
	struct published *p = arg;

	(void)value;
	peel_addr_set_free(p->own);
	peel_rules_free(p->rules);
	free(p);
}

/* Policies that RCU had no memory for wait until the next one is replaced. */
static void
retire(struct peel_own_addresses *own, struct published *p)
{
	p->next = own->replaced;
	own->replaced = p;
	while (own->replaced != NULL) {
		struct published *next = own->replaced->next;

		if (peel_rcu_defer(own->conf.rcu, free_published, own->replaced, 0) != 0)
			return;
		own->replaced = next;
	}
}

static int
publish(struct peel_own_addresses *own, struct peel_addr_set *set)
{
	struct published *p = calloc(1, sizeof(*p)), *before = own->now;
	int rc;

	if (p == NULL)
		return -ENOMEM;
	rc = peel_rules_new(own->conf.policy.rule, own->conf.policy.n_rules, &p->rules);
	if (rc != 0) {
		free(p);
		return rc;
	}
	p->policy = own->conf.policy;
	p->policy.own = p->own = set;
	p->policy.rules = p->rules;
	own->now = p;
	own->changed = false;
	own->conf.publish(own->conf.arg, &p->policy);
	if (before != NULL)
		retire(own, before);
	return 0;
}

const struct peel_policy *
peel_own_addresses_policy(const struct peel_own_addresses *own)
{
	return &own->now->policy;
}

/* 0 also if nothing changed. */
static int
look(struct peel_own_addresses *own)
{
	struct peel_addr_set *set;
	int rc;

	own->looked_ms = peel_now_ms(own->conf.env);
	rc = read_own(own, &set);
	own->stale = rc != 0;
	if (rc != 0)
		return rc;
	if (own->now != NULL && !own->changed && peel_addr_set_equal(own->now->own, set)) {
		peel_addr_set_free(set);
		return 0;
	}
	rc = publish(own, set);
	if (rc != 0) {
		own->stale = true;
		peel_addr_set_free(set);
	}
	return rc;
}

uint64_t
peel_own_addresses_tick(struct peel_own_addresses *own)
{
	uint64_t now = peel_now_ms(own->conf.env), due = own->looked_ms + LOOK_EVERY_MS;
	int rc;

	if (!own->stale)
		return UINT64_MAX;
	if (now < due)
		return due - now;
	rc = look(own);
	if (rc != 0 && rc != -EAGAIN && !own->failing)
		peel_log(PEEL_LOG_WARNING,
			"cannot read this machine's addresses: %s; exits refuse those of before",
			strerror(-rc));
	own->failing = rc != 0 && rc != -EAGAIN;
	return own->stale ? LOOK_EVERY_MS : UINT64_MAX;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void
on_change(uv_poll_t *poll, int status, int events)
{
	struct peel_own_addresses *own = poll->data;

	(void)events;
	/* The socket overflowed. libuv takes that for an error and stops watching. */
	if (status < 0)
		(void)uv_poll_start(poll, UV_READABLE, on_change);
	if (!netlink_drain(&own->nl) && status >= 0)
		return;
	own->stale = true;
	if (peel_own_addresses_tick(own) != UINT64_MAX)
		own->conf.changed(own->conf.arg);
}

void
peel_own_addresses_change(struct peel_own_addresses *own, const struct peel_policy *policy)
{
	own->conf.policy = *policy;
	own->changed = own->stale = true;
	own->looked_ms = 0; /* rare enough to look at once */
	(void)peel_own_addresses_tick(own);
}

void
peel_own_addresses_public(struct peel_own_addresses *own, const struct peel_addr *address)
{
	own->public_address = *address;
	own->stale = true;
	own->looked_ms = 0; /* rare enough to look at once */
	(void)peel_own_addresses_tick(own);
}

static int
follow_kernel(struct peel_own_addresses *own)
{
	int rc = netlink_open(&own->nl);

	if (rc == 0)
		rc = uv_poll_init(own->conf.loop, &own->poll, own->nl.changes);
	if (rc != 0)
		return rc;
	own->poll.data = own;
	own->polling = true;
	rc = uv_poll_start(&own->poll, UV_READABLE, on_change);
	own->kernel = true;
	for (unsigned int i = 0; rc == 0 && own->now == NULL; i++) {
		rc = look(own);
		if (rc == -EAGAIN && i < LOOKS_AGAIN)
			rc = 0;
	}
	own->kernel = rc == 0;
	return rc;
}

int
peel_own_addresses_new(const struct peel_own_addresses_conf *conf, struct peel_own_addresses **out)
{
	struct peel_own_addresses *own = calloc(1, sizeof(*own));
	int rc;

	if (own == NULL)
		return -ENOMEM;
	own->conf = *conf;
	own->nl = NETLINK_CLOSED;
	*out = own;
	rc = follow_kernel(own);
	if (rc != 0)
		peel_log(PEEL_LOG_WARNING,
			"cannot read this machine's addresses (%s): exits refuse those named in "
			"the configuration only; name the others in [exit] deny",
			strerror(-rc));
	return own->now != NULL ? 0 : look(own);
}

static void
free_own(struct peel_own_addresses *own)
{
	netlink_close(&own->nl);
	free(own);
}

static void
on_closed(uv_handle_t *handle)
{
	free_own(handle->data);
}

void
peel_own_addresses_free(struct peel_own_addresses *own)
{
	if (own == NULL)
		return;
	while (own->replaced != NULL) {
		struct published *p = own->replaced;

		own->replaced = p->next;
		free_published(p, 0);
	}
	if (own->now != NULL)
		free_published(own->now, 0);
	if (own->polling)
		uv_close((uv_handle_t *)&own->poll, on_closed);
	else
		free_own(own);
}
