/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Names that circuits send to: a bounded cache, in which each name has the datagrams that wait for
 * its address. lib/dns resolves; this file decides what to remember, for how long, and what may
 * wait.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "names_share.h"
#include "peel_names.h"

/* a power of two; more than budgets and time allow to be looked up at once */
#define NAMES_MAX 16384
#define NAME_LEN_MAX 253 /* RFC 1035 */
#define FRESH_MS 60000
/* for this long after an answer, it is used while a fresh one is asked for (RFC 8767) */
#define STALE_MS 600000
#define FAILURE_MS 5000

/* A waiting datagram or callback. */
struct waiter {
	TAILQ_ENTRY(waiter) entry;  /* in the list of its name */
	TAILQ_ENTRY(waiter) by_age; /* datagrams only */
	struct name *name;
	struct rte_mbuf *m; /* remote.port already set; NULL: call fn */
	peel_names_fn fn;
	void *arg;
};

struct name {
	struct peel_names *names;
	struct name *next;	/* in its bucket */
	TAILQ_ENTRY(name) used; /* while no look-up is under way */
	TAILQ_HEAD(, waiter) waiters;
	bool asking, known;
	uint32_t session, generation; /* while asking: the circuit that pays for it */
	struct peel_addr addr;	      /* if known */
	uint64_t fresh_ms;	      /* until then the answer, or the lack of one, holds */
	uint64_t stale_ms;	      /* if known: until then it is better than nothing */
	char text[NAME_LEN_MAX + 1];
};

struct peel_names {
	struct peel_names_conf conf;
	uint64_t seed;
	struct name **bucket; /* [NAMES_MAX] */
	uint32_t n;
	TAILQ_HEAD(, name) used;   /* least recently used first */
	struct names_share *share; /* by session */
	struct names_budget budget;
	TAILQ_HEAD(ages, waiter) by_age;
	uint32_t n_waiting, n_circuits_waiting;
};

/* ---- circuits -------------------------------------------------------------------------------- */

static uint64_t
now_ms(const struct peel_names *names)
{
	return peel_now_ms(names->conf.env);
}

/* The circuit's share. A session index that was reused starts afresh. */
static struct names_share *
share_of(struct peel_names *names, uint32_t session, uint32_t generation)
{
	struct names_share *share = &names->share[session];

	if (share->generation != generation) {
		names->n_circuits_waiting -= share->waiting > 0;
		names_share_init(share, generation, now_ms(names));
	}
	return share;
}

static bool
may_ask(struct peel_names *names, uint32_t session, uint32_t generation)
{
	return names_share_take(
		share_of(names, session, generation), &names->budget, now_ms(names));
}

/* ---- what waits ------------------------------------------------------------------------------ */

static void
drop(struct peel_names *names, struct rte_mbuf *m, enum peel_counter reason)
{
	peel_stats_add(names->conf.stats, reason, 1);
	rte_pktmbuf_free(m);
}

/* Take it out of its lists; the caller still has its datagram. */
static void
take_out(struct waiter *w)
{
	struct peel_names *names = w->name->names;

	TAILQ_REMOVE(&w->name->waiters, w, entry);
	if (w->m == NULL)
		return;

	struct names_share *share = &names->share[peel_pkt(w->m)->session];

	TAILQ_REMOVE(&names->by_age, w, by_age);
	names->n_waiting--;
	if (share->generation == peel_pkt(w->m)->generation && --share->waiting == 0)
		names->n_circuits_waiting--;
}

/* One datagram of each circuit may always wait. More may, however many names they wait for, as long
 * as in total half of the room stays free for circuits that have none waiting. */
static bool
may_wait(const struct peel_names *names, const struct names_share *share)
{
	uint32_t half = names->conf.waiting_max / 2;

	return share->waiting == 0 || (share->waiting < names->conf.queue_max &&
					      share->waiting < half / names->n_circuits_waiting &&
					      names->n_waiting < half);
}

/* When there is no room, drop the datagram that has waited longest: its name is the slowest. */
static void
wait_for(struct name *name, struct rte_mbuf *m)
{
	struct peel_names *names = name->names;
	struct names_share *share = share_of(names, peel_pkt(m)->session, peel_pkt(m)->generation);
	struct waiter *w = may_wait(names, share) ? calloc(1, sizeof(*w)) : NULL;

	if (w == NULL) {
		drop(names, m, PEEL_DROP_EXIT_QUEUE);
		return;
	}
	if (names->n_waiting >= names->conf.waiting_max && !TAILQ_EMPTY(&names->by_age)) {
		struct waiter *oldest = TAILQ_FIRST(&names->by_age);

		take_out(oldest);
		drop(names, oldest->m, PEEL_DROP_EXIT_QUEUE);
		free(oldest);
	}
	w->name = name;
	w->m = m;
	TAILQ_INSERT_TAIL(&name->waiters, w, entry);
	TAILQ_INSERT_TAIL(&names->by_age, w, by_age);
	names->n_waiting++;
	names->n_circuits_waiting += share->waiting++ == 0;
}

static void
send_to(struct peel_names *names, struct rte_mbuf *m, const struct peel_addr *addr)
{
	struct peel_pkt *pkt = peel_pkt(m);
	uint16_t port = pkt->remote.port;

	pkt->remote = *addr;
	pkt->remote.port = port;
	names->conf.send(names->conf.arg, m);
}

static void
serve_waiters(struct name *name)
{
	const struct peel_addr *addr = name->known ? &name->addr : NULL;
	struct waiter *w;

	while ((w = TAILQ_FIRST(&name->waiters)) != NULL) {
		take_out(w);
		if (w->m == NULL)
			w->fn(w->arg, addr);
		else if (addr != NULL)
			send_to(name->names, w->m, addr);
		else
			drop(name->names, w->m, PEEL_DROP_RESOLVE);
		free(w);
	}
}

/* ---- the cache ------------------------------------------------------------------------------- */

static struct name **
bucket_of(struct peel_names *names, const char *text)
{
	uint64_t h = names->seed;

	for (const char *p = text; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3u;
	return &names->bucket[(h ^ h >> 32) % NAMES_MAX];
}

static struct name *
find(struct peel_names *names, const char *text)
{
	struct name *name = *bucket_of(names, text);

	while (name != NULL && strcmp(name->text, text) != 0)
		name = name->next;
	if (name != NULL && !name->asking) {
		TAILQ_REMOVE(&names->used, name, used);
		TAILQ_INSERT_TAIL(&names->used, name, used);
	}
	return name;
}

/* No look-up is under way, so nothing waits. */
static void
forget(struct name *name)
{
	struct name **p = bucket_of(name->names, name->text);

	while (*p != name)
		p = &(*p)->next;
	*p = name->next;
	TAILQ_REMOVE(&name->names->used, name, used);
	name->names->n--;
	free(name);
}

static struct name *
add(struct peel_names *names, const char *text)
{
	struct name **bucket = bucket_of(names, text), *name;

	if (names->n == NAMES_MAX) {
		if (TAILQ_EMPTY(&names->used))
			return NULL;
		forget(TAILQ_FIRST(&names->used));
	}
	name = calloc(1, sizeof(*name));
	if (name == NULL)
		return NULL;
	name->names = names;
	memcpy(name->text, text, strlen(text) + 1);
	TAILQ_INIT(&name->waiters);
	name->next = *bucket;
	*bucket = name;
	TAILQ_INSERT_TAIL(&names->used, name, used);
	names->n++;
	return name;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool
is_usable(void *arg, const struct peel_addr *addr)
{
	const struct peel_names_conf *conf = &((struct name *)arg)->names->conf;

	return conf->usable(conf->arg, addr);
}

static void
on_answer(void *arg, enum peel_dns_result result, const struct peel_addr *addr)
{
	struct name *name = arg;
	struct peel_names *names = name->names;
	struct names_share *share = &names->share[name->session];
	uint64_t now = now_ms(names);

	if (result == PEEL_DNS_FAILED)
		peel_stats_add(names->conf.stats, PEEL_NAME_FAILURES, 1);
	if (share->generation == name->generation)
		names_share_done(share, result != PEEL_DNS_FAILED);
	name->fresh_ms = now + (result == PEEL_DNS_FOUND ? FRESH_MS : FAILURE_MS);
	if (result == PEEL_DNS_FOUND) {
		name->addr = *addr;
		name->stale_ms = now + STALE_MS;
	}
	/* Without an answer, keep the one we had. */
	name->known = result == PEEL_DNS_FOUND ||
		      (result == PEEL_DNS_FAILED && name->known && now < name->stale_ms);
	name->asking = false;
	TAILQ_INSERT_TAIL(&names->used, name, used);
	serve_waiters(name);
	names->conf.served(names->conf.arg);
}

/* The budget has already been charged. */
static void
ask(struct name *name, uint32_t session, uint32_t generation)
{
	name->asking = true;
	name->session = session;
	name->generation = generation;
	TAILQ_REMOVE(&name->names->used, name, used);
	peel_stats_add(name->names->conf.stats, PEEL_NAME_LOOKUPS, 1);
	/* May call back at once, from the hosts file. */
	peel_dns_resolve(name->names->conf.dns, name->text, is_usable, on_answer, name);
}

/* The address of a known name. A stale one is used, and a fresh one is asked for. */
static const struct peel_addr *
known_address(struct name *name, uint32_t session, uint32_t generation)
{
	uint64_t now = now_ms(name->names);

	if (!name->known || now >= name->stale_ms)
		return NULL;
	if (now >= name->fresh_ms && !name->asking && may_ask(name->names, session, generation))
		ask(name, session, generation);
	return name->known ? &name->addr : NULL;
}

/* The name, with a look-up under way; or why not: PEEL_DROP_RATE or PEEL_DROP_RESOLVE. */
static struct name *
asked_for(struct peel_names *names, struct name *name, const char *text, uint32_t session,
	uint32_t generation, enum peel_counter *why)
{
	if (name != NULL && name->asking)
		return name;
	*why = PEEL_DROP_RESOLVE;
	if (name != NULL && !name->known && now_ms(names) < name->fresh_ms)
		return NULL;
	if (!may_ask(names, session, generation)) {
		*why = PEEL_DROP_RATE;
		return NULL;
	}
	if (name == NULL)
		name = add(names, text);
	if (name == NULL)
		names_share_done(share_of(names, session, generation), true);
	return name;
}

/* Copy a name as text in its canonical spelling. Refuse empty names and NUL bytes. */
static bool
name_text(struct peel_span span, char text[NAME_LEN_MAX + 1])
{
	size_t len = span.len;

	if (len > 0 && span.p[len - 1] == '.')
		len--;
	if (len == 0 || len > NAME_LEN_MAX || memchr(span.p, '\0', len) != NULL)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = (char)span.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		text[i] = c;
	}
	text[len] = '\0';
	return true;
}

void
peel_names_send(struct peel_names *names, struct rte_mbuf *m, struct peel_span span, uint16_t port)
{
	struct peel_pkt *pkt = peel_pkt(m);
	const struct peel_addr *addr;
	enum peel_counter why;
	char text[NAME_LEN_MAX + 1];
	struct name *name;

	pkt->remote.port = port;
	/* The name lies in m's stripped part: copy it before m moves on. */
	if (!name_text(span, text) || pkt->session >= names->conf.n_sessions) {
		drop(names, m, PEEL_DROP_RESOLVE);
		return;
	}
	name = find(names, text);
	addr = name == NULL ? NULL : known_address(name, pkt->session, pkt->generation);
	if (addr != NULL) {
		send_to(names, m, addr);
		return;
	}
	name = asked_for(names, name, text, pkt->session, pkt->generation, &why);
	if (name == NULL) {
		drop(names, m, why);
		return;
	}

	uint32_t session = pkt->session, generation = pkt->generation;

	wait_for(name, m);
	if (!name->asking)
		ask(name, session, generation);
}

int
peel_names_lookup(struct peel_names *names, uint32_t session, uint32_t generation,
	struct peel_span span, peel_names_fn fn, void *arg)
{
	const struct peel_addr *addr;
	enum peel_counter why;
	char text[NAME_LEN_MAX + 1];
	struct waiter *w;
	struct name *name;

	if (!name_text(span, text) || session >= names->conf.n_sessions)
		return -EINVAL;
	name = find(names, text);
	addr = name == NULL ? NULL : known_address(name, session, generation);
	if (addr != NULL) {
		fn(arg, addr);
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	name = asked_for(names, name, text, session, generation, &why);
	if (name == NULL) {
		free(w);
		return why == PEEL_DROP_RATE ? -EAGAIN : -ENOENT;
	}
	*w = (struct waiter){.name = name, .fn = fn, .arg = arg};
	TAILQ_INSERT_TAIL(&name->waiters, w, entry);
	if (!name->asking)
		ask(name, session, generation);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

int
peel_names_new(const struct peel_names_conf *conf, struct peel_names **out)
{
	struct peel_names *names = calloc(1, sizeof(*names));

	if (names == NULL)
		return -ENOMEM;
	names->conf = *conf;
	names->seed = peel_random_u64(conf->env);
	TAILQ_INIT(&names->used);
	TAILQ_INIT(&names->by_age);
	names_budget_init(&names->budget, now_ms(names));
	names->bucket = calloc(NAMES_MAX, sizeof(names->bucket[0]));
	names->share = calloc(conf->n_sessions, sizeof(names->share[0]));
	if (names->bucket == NULL || names->share == NULL) {
		peel_names_free(names);
		return -ENOMEM;
	}
	*out = names;
	return 0;
}

void
peel_names_queue_max(struct peel_names *names, uint32_t queue_max)
{
	names->conf.queue_max = queue_max;
}

void
peel_names_free(struct peel_names *names)
{
	if (names == NULL)
		return;
	/* The resolver is gone, so no look-up is under way and nothing waits. */
	while (!TAILQ_EMPTY(&names->used))
		forget(TAILQ_FIRST(&names->used));
	free(names->bucket);
	free(names->share);
	free(names);
}
