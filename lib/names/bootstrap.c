/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Bootstrap servers known by name. A machine may start before its network does, and servers move.
 * So names that do not resolve are tried again (sooner when the resolvers change), and names that
 * resolved are looked up again now and then.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "peel_bootstrap.h"

#define NAMES_MAX 128
#define AGAIN_MS 600000 /* after an answer */
#define RETRY_FIRST_MS 5000
#define RETRY_MAX_MS 60000

struct server {
	TAILQ_ENTRY(server) entry;
	struct peel_bootstrap *b;
	char host[128];
	struct peel_addr addr; /* port set; family NONE: not known yet */
	uint64_t next_ms;      /* when to look it up again */
	uint64_t retry_ms;     /* after a failure */
	bool asking, complained;
	bool gone; /* freed when the look-up under way ends */
};

struct peel_bootstrap {
	struct peel_bootstrap_conf conf;
	struct peel_addr fixed[PEEL_OVERLAY_BOOTSTRAP_MAX];
	size_t n_fixed;
	TAILQ_HEAD(, server) servers;
	unsigned int n, n_unknown;
	unsigned int resolver_changes; /* as of the last look-up */
	bool closing;		       /* freed with the last server */
};

static bool
is_usable(void *arg, const struct peel_addr *addr)
{
	const struct peel_bootstrap_conf *conf = &((struct server *)arg)->b->conf;

	return conf->usable(conf->arg, addr);
}

static bool
is_fixed(const struct peel_bootstrap *b, const struct peel_addr *addr)
{
	for (size_t i = 0; i < b->n_fixed; i++) {
		if (peel_addr_equal(&b->fixed[i], addr))
			return true;
	}
	return false;
}

/* Forget an address, unless a server other than @p s still has it. */
static void
leave(struct peel_bootstrap *b, const struct peel_addr *addr, const struct server *s)
{
	const struct server *other;

	if (addr->family == PEEL_FAMILY_NONE || is_fixed(b, addr))
		return;
	TAILQ_FOREACH (other, &b->servers, entry) {
		if (other != s && !other->gone && peel_addr_equal(&other->addr, addr))
			return;
	}
	peel_overlay_remove_bootstrap(b->conf.overlay, addr);
}

static void
move_to(struct server *s, const struct peel_addr *addr)
{
	struct peel_bootstrap *b = s->b;
	uint16_t port = s->addr.port;
	char text[PEEL_ADDR_TEXT_MAX];

	if (peel_addr_same_ip(&s->addr, addr))
		return;
	if (s->addr.family == PEEL_FAMILY_NONE)
		b->n_unknown--;
	leave(b, &s->addr, s);
	s->addr = *addr;
	s->addr.port = port;
	peel_overlay_add_bootstrap(b->conf.overlay, &s->addr);
	peel_log(s->complained ? PEEL_LOG_INFO : PEEL_LOG_DEBUG, "name %s resolves to %s", s->host,
		peel_addr_text(&s->addr, text));
	s->complained = false;
}

/* Nothing is looking it up. */
static void
server_free(struct server *s)
{
	struct peel_bootstrap *b = s->b;

	TAILQ_REMOVE(&b->servers, s, entry);
	free(s);
	if (b->closing && TAILQ_EMPTY(&b->servers))
		free(b);
}

static void
on_answer(void *arg, enum peel_dns_result result, const struct peel_addr *addr)
{
	struct server *s = arg;
	uint64_t now = peel_now_ms(s->b->conf.env);

	s->asking = false;
	if (s->b->closing || s->gone) {
		server_free(s);
		return;
	}
	if (result == PEEL_DNS_FOUND) {
		move_to(s, addr);
		s->retry_ms = RETRY_FIRST_MS;
		s->next_ms = now + AGAIN_MS;
		return;
	}
	if (s->addr.family == PEEL_FAMILY_NONE && !s->complained) {
		peel_log(PEEL_LOG_WARNING, "name %s does not resolve; trying again", s->host);
		s->complained = true;
	}
	s->next_ms = now + s->retry_ms;
	s->retry_ms = s->retry_ms * 2 < RETRY_MAX_MS ? s->retry_ms * 2 : RETRY_MAX_MS;
}

static void
look_up(struct server *s)
{
	s->asking = true;
	peel_dns_resolve(s->b->conf.dns, s->host, is_usable, on_answer, s);
}

/* Changed resolvers may know what the old ones did not. */
static void
hurry(struct peel_bootstrap *b, uint64_t now)
{
	unsigned int changes = peel_dns_refresh(b->conf.dns);
	struct server *s;

	if (changes == b->resolver_changes)
		return;
	b->resolver_changes = changes;
	TAILQ_FOREACH (s, &b->servers, entry) {
		if (s->addr.family == PEEL_FAMILY_NONE && !s->asking)
			s->next_ms = now;
	}
}

void
peel_bootstrap_count(const struct peel_bootstrap *b, unsigned int *servers, unsigned int *unknown)
{
	*servers = (unsigned int)b->n_fixed + b->n;
	*unknown = b->n_unknown;
}

uint64_t
peel_bootstrap_tick(struct peel_bootstrap *b)
{
	uint64_t now = peel_now_ms(b->conf.env), next = UINT64_MAX;
	struct server *s;

	if (b->n_unknown > 0)
		hurry(b, now);
	TAILQ_FOREACH (s, &b->servers, entry) {
		if (!s->asking && now >= s->next_ms)
			look_up(s);
		if (!s->asking && s->next_ms - now < next)
			next = s->next_ms - now;
	}
	return next;
}

/* "HOST:PORT" in two parts. */
static bool
split(const char *host_port, size_t *len, uint16_t *port)
{
	const char *colon = strrchr(host_port, ':');
	unsigned long number = colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);

	*len = colon == NULL ? 0 : (size_t)(colon - host_port);
	*port = (uint16_t)number;
	return number > 0 && number <= UINT16_MAX && *len > 0 &&
	       *len < sizeof(((struct server *)0)->host);
}

static struct server *
find(const struct peel_bootstrap *b, const char *host, size_t len, uint16_t port)
{
	struct server *s;

	TAILQ_FOREACH (s, &b->servers, entry) {
		if (!s->gone && s->addr.port == port && strlen(s->host) == len &&
			memcmp(s->host, host, len) == 0)
			return s;
	}
	return NULL;
}

void
peel_bootstrap_remove(struct peel_bootstrap *b, const char *host_port)
{
	size_t len;
	uint16_t port;
	struct server *s = split(host_port, &len, &port) ? find(b, host_port, len, port) : NULL;

	if (s == NULL)
		return;
	b->n--;
	b->n_unknown -= s->addr.family == PEEL_FAMILY_NONE;
	leave(b, &s->addr, s);
	s->gone = true;
	if (!s->asking)
		server_free(s);
}

void
peel_bootstrap_fix(struct peel_bootstrap *b, const struct peel_addr *fixed, size_t n)
{
	struct peel_addr before[PEEL_OVERLAY_BOOTSTRAP_MAX];
	size_t n_before = b->n_fixed;

	memcpy(before, b->fixed, sizeof(before));
	b->n_fixed = n < PEEL_ARRAY_LEN(b->fixed) ? n : PEEL_ARRAY_LEN(b->fixed);
	if (b->n_fixed > 0)
		memcpy(b->fixed, fixed, b->n_fixed * sizeof(b->fixed[0]));
	for (size_t i = 0; i < n_before; i++)
		leave(b, &before[i], NULL);
	for (size_t i = 0; i < b->n_fixed; i++)
		peel_overlay_add_bootstrap(b->conf.overlay, &b->fixed[i]);
}

int
peel_bootstrap_add(struct peel_bootstrap *b, const char *host_port)
{
	size_t len;
	uint16_t port;
	struct server *s;

	if (!split(host_port, &len, &port))
		return -EINVAL;
	if (find(b, host_port, len, port) != NULL)
		return 0;
	if (b->n == NAMES_MAX)
		return -ENOSPC;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->b = b;
	memcpy(s->host, host_port, len);
	s->addr.port = port;
	s->retry_ms = RETRY_FIRST_MS;
	s->next_ms = peel_now_ms(b->conf.env);
	TAILQ_INSERT_TAIL(&b->servers, s, entry);
	b->n++;
	b->n_unknown++;
	return 0;
}

int
peel_bootstrap_new(const struct peel_bootstrap_conf *conf, struct peel_bootstrap **out)
{
	struct peel_bootstrap *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	b->conf = *conf;
	b->n_fixed =
		conf->n_fixed < PEEL_ARRAY_LEN(b->fixed) ? conf->n_fixed : PEEL_ARRAY_LEN(b->fixed);
	if (b->n_fixed > 0)
		memcpy(b->fixed, conf->fixed, b->n_fixed * sizeof(b->fixed[0]));
	TAILQ_INIT(&b->servers);
	*out = b;
	return 0;
}

void
peel_bootstrap_free(struct peel_bootstrap *b)
{
	struct server *s, *next;

	if (b == NULL)
		return;
	for (s = TAILQ_FIRST(&b->servers); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (!s->asking)
			server_free(s);
	}
	b->closing = true;
	if (TAILQ_EMPTY(&b->servers))
		free(b);
}
