/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A look-up asks two questions (A and AAAA), each to one resolver after another until one knows. It
 * does not wait for a slow resolver: it asks the next one in parallel.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "peel_dns.h"
#include "hosts.h"
#include "name_server.h"
#include "system.h"

#define NAME_SIZE 256
#define SLOW_MS 300 /* no answer by then: ask the next resolver as well */
/* how long to wait for IPv4 when IPv6 is known (RFC 8305, 3, with the families swapped) */
#define IPV6_WAIT_MS 50
#define PROBE_MS 5000 /* once per period, a look-up also asks a resolver that was given up */
#define REFRESH_MS 1000
#define ADDRESSES_MAX 16 /* addresses of a name that are considered */
#define TYPE_A 1
#define TYPE_AAAA 28

struct peel_dns {
	uv_loop_t *loop;
	struct dns_hosts *hosts; /* NULL: none */
	struct dns_server *server[PEEL_DNS_SERVERS_MAX];
	size_t n_servers;
	uint32_t timeout_ms;
	const char *resolv_conf;
	bool follows; /* resolv_conf; else the configuration names the servers */
	struct dns_stamp stamp;
	uint64_t refresh_ms, probe_ms; /* next due */
	unsigned int n_changes;
	TAILQ_HEAD(, lookup) lookups;
	unsigned int refs; /* the owner and each look-up hold one */
	bool closing;
};

struct question {
	struct lookup *lookup;
	int type;
	size_t next; /* in order[] */
	unsigned int n_open;
	bool done, usable;
	struct peel_addr addr; /* family NONE: no address */
	bool failed;	       /* done without an answer */
	uint64_t asked_ms;     /* when the last resolver was asked */
};

struct lookup {
	struct peel_dns *dns;
	TAILQ_ENTRY(lookup) entry;
	char name[NAME_SIZE];
	peel_dns_usable_fn usable;
	peel_dns_fn fn;
	void *arg;
	bool told;
	struct question a, aaaa;
	struct dns_server *order[PEEL_DNS_SERVERS_MAX]; /* references */
	size_t n_order;
	uv_timer_t timer;
	uint64_t slow_ms, tell_ms; /* when each is due; 0: not scheduled */
	unsigned int refs;	   /* questions under way, and callers on the stack */
};

static void evaluate(struct lookup *l);

/* ---- the resolvers --------------------------------------------------------------------------- */

static bool
same_place(const struct dns_place *a, const struct dns_place *b)
{
	return peel_addr_equal(&a->addr, &b->addr) && strcmp(a->interface, b->interface) == 0;
}

static struct dns_server *
server_at(struct peel_dns *dns, const struct dns_place *place)
{
	struct dns_server *server;

	for (size_t i = 0; i < dns->n_servers; i++) {
		if (same_place(dns_server_place(dns->server[i]), place) &&
			dns_server_timeout(dns->server[i]) == dns->timeout_ms)
			return dns_server_ref(dns->server[i]);
	}
	return dns_server_new(dns->loop, place, dns->timeout_ms, &server) == 0 ? server : NULL;
}

/* Look-ups under way keep the resolvers they know. */
static bool
set_servers(struct peel_dns *dns, const struct dns_place *place, size_t n)
{
	struct dns_server *server[PEEL_DNS_SERVERS_MAX];
	size_t n_new = 0;

	for (size_t i = 0; i < n; i++) {
		server[n_new] = server_at(dns, &place[i]);
		n_new += server[n_new] != NULL;
	}
	if (n_new == 0)
		return false;
	for (size_t i = 0; i < dns->n_servers; i++)
		dns_server_unref(dns->server[i]);
	memcpy(dns->server, server, n_new * sizeof(server[0]));
	dns->n_servers = n_new;
	return true;
}

/* Those that the configuration names; without any, those of the system, from now on. */
static bool
use_servers(struct peel_dns *dns, const struct peel_addr *servers, size_t n)
{
	struct dns_place place[PEEL_DNS_SERVERS_MAX] = {0};

	dns->follows = n == 0;
	if (dns->follows) {
		(void)dns_system_changed(dns->resolv_conf, &dns->stamp);
		return set_servers(
			dns, place, dns_system_read(dns->resolv_conf, place, PEEL_DNS_SERVERS_MAX));
	}
	if (n > PEEL_DNS_SERVERS_MAX)
		n = PEEL_DNS_SERVERS_MAX;
	for (size_t i = 0; i < n; i++)
		place[i].addr = servers[i];
	return set_servers(dns, place, n);
}

int
peel_dns_change(struct peel_dns *dns, const struct peel_addr *servers, size_t n_servers,
	uint32_t timeout_ms)
{
	uint32_t timeout_before = dns->timeout_ms;
	bool followed = dns->follows;

	dns->timeout_ms = timeout_ms;
	if (!use_servers(dns, servers, n_servers)) {
		dns->timeout_ms = timeout_before;
		dns->follows = followed;
		return -EINVAL;
	}
	dns->n_changes++;
	return 0;
}

unsigned int
peel_dns_refresh(struct peel_dns *dns)
{
	struct dns_place place[PEEL_DNS_SERVERS_MAX];
	uint64_t now = uv_now(dns->loop);

	if (now < dns->refresh_ms)
		return dns->n_changes;
	dns->refresh_ms = now + REFRESH_MS;
	if (dns->hosts != NULL)
		dns_hosts_refresh(dns->hosts);
	if (dns->follows && dns_system_changed(dns->resolv_conf, &dns->stamp) &&
		set_servers(dns, place,
			dns_system_read(dns->resolv_conf, place, PEEL_DNS_SERVERS_MAX))) {
		dns->n_changes++;
		peel_log(PEEL_LOG_INFO, "%s has changed: %zu resolvers", dns->resolv_conf,
			dns->n_servers);
	}
	return dns->n_changes;
}

/* Trusted resolvers come first, each group in the configured order. Now and then a look-up asks one
 * of the others at once, or nobody would learn that it is back. */
static bool
choose_order(struct peel_dns *dns, struct lookup *l)
{
	uint64_t now = uv_now(dns->loop);
	size_t n_trusted;

	for (size_t i = 0; i < dns->n_servers; i++) {
		if (dns_server_trusted(dns->server[i]))
			l->order[l->n_order++] = dns_server_ref(dns->server[i]);
	}
	n_trusted = l->n_order;
	for (size_t i = 0; i < dns->n_servers; i++) {
		if (!dns_server_trusted(dns->server[i]))
			l->order[l->n_order++] = dns_server_ref(dns->server[i]);
	}
	if (n_trusted == 0 || n_trusted == l->n_order || now < dns->probe_ms)
		return false;
	dns->probe_ms = now + PROBE_MS;

	struct dns_server *probed = l->order[n_trusted + dns->probe_ms % (l->n_order - n_trusted)];

	for (size_t i = l->n_order - 1; i > 1; i--) {
		if (l->order[i] == probed) {
			l->order[i] = l->order[i - 1];
			l->order[i - 1] = probed;
		}
	}
	return true;
}

/* ---- a look-up ------------------------------------------------------------------------------- */

static void
free_lookup(uv_handle_t *handle)
{
	struct lookup *l = handle->data;
	struct peel_dns *dns = l->dns;

	for (size_t i = 0; i < l->n_order; i++)
		dns_server_unref(l->order[i]);
	TAILQ_REMOVE(&dns->lookups, l, entry);
	free(l);
	if (--dns->refs == 0)
		free(dns);
}

static void
unref(struct lookup *l)
{
	if (--l->refs == 0)
		uv_close((uv_handle_t *)&l->timer, free_lookup);
}

/* Pick a usable address from a reply, or else the first. */
static void
take_addresses(struct question *q, const uint8_t *reply, int len)
{
	struct lookup *l = q->lookup;
	struct ares_addrttl v4[ADDRESSES_MAX];
	struct ares_addr6ttl v6[ADDRESSES_MAX];
	int n = ADDRESSES_MAX;
	int rc = q->type == TYPE_A ? ares_parse_a_reply(reply, len, NULL, v4, &n)
				   : ares_parse_aaaa_reply(reply, len, NULL, v6, &n);

	for (int i = 0; rc == ARES_SUCCESS && i < n && !q->usable; i++) {
		struct peel_addr a = {.family = PEEL_FAMILY_IPV6};

		if (q->type == TYPE_A) {
			a.family = PEEL_FAMILY_IPV4;
			memcpy(a.ip, &v4[i].ipaddr, 4);
		} else {
			memcpy(a.ip, &v6[i].ip6addr, 16);
		}
		q->usable = l->usable(l->arg, &a);
		if (q->usable || i == 0)
			q->addr = a;
	}
}

static bool ask_next(struct question *q);

static void
on_reply(void *arg, int status, const uint8_t *reply, int len)
{
	struct question *q = arg;
	struct lookup *l = q->lookup;

	q->n_open--;
	if (!q->done && !l->told) {
		if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND) {
			q->done = true;
			if (status == ARES_SUCCESS)
				take_addresses(q, reply, len);
			/* The name does not exist for any type. Resolvers may say so of AAAA alone
			 * when only that type is missing. */
			if (status == ARES_ENOTFOUND && q == &l->a)
				l->aaaa.done = true;
		} else if (l->dns->closing || (!ask_next(q) && q->n_open == 0)) {
			q->done = q->failed = true;
		}
		evaluate(l);
	}
	unref(l);
}

/* @return false: no resolver is left to ask. */
static bool
ask_next(struct question *q)
{
	struct lookup *l = q->lookup;

	if (q->next == l->n_order)
		return false;
	l->refs++;
	q->n_open++;
	q->asked_ms = uv_now(l->dns->loop);
	dns_server_ask(l->order[q->next++], l->name, q->type, on_reply, q);
	return true;
}

static void
tell(struct lookup *l, enum peel_dns_result result, const struct peel_addr *addr)
{
	l->told = true;
	uv_timer_stop(&l->timer);
	l->fn(l->arg, result, addr);
}

static void
slow(struct question *q)
{
	if (q->done || q->next == 0)
		return;
	dns_server_silent_since(q->lookup->order[q->next - 1], q->asked_ms);
	(void)ask_next(q);
}

static void on_time(uv_timer_t *timer);

static void
arm_timer(struct lookup *l)
{
	uint64_t now = uv_now(l->dns->loop), next = l->slow_ms;

	if (l->tell_ms != 0 && (next == 0 || l->tell_ms < next))
		next = l->tell_ms;
	if (l->told || next == 0)
		uv_timer_stop(&l->timer);
	else
		uv_timer_start(&l->timer, on_time, next > now ? next - now : 0, 0);
}

static void
on_time(uv_timer_t *timer)
{
	struct lookup *l = timer->data;
	uint64_t now = uv_now(l->dns->loop);

	l->refs++;
	if (l->slow_ms != 0 && now >= l->slow_ms) {
		slow(&l->a);
		slow(&l->aaaa);
		l->slow_ms =
			l->a.next < l->n_order || l->aaaa.next < l->n_order ? now + SLOW_MS : 0;
	}
	evaluate(l);
	arm_timer(l);
	unref(l);
}

/* Answer as soon as nothing better is worth waiting for. */
static void
evaluate(struct lookup *l)
{
	const struct question *a = &l->a, *aaaa = &l->aaaa;
	uint64_t now = uv_now(l->dns->loop);

	if (l->told)
		return;
	if (a->usable) {
		tell(l, PEEL_DNS_FOUND, &a->addr);
	} else if (aaaa->usable && (a->done || (l->tell_ms != 0 && now >= l->tell_ms))) {
		tell(l, PEEL_DNS_FOUND, &aaaa->addr);
	} else if (a->done && aaaa->done) {
		if (a->addr.family != PEEL_FAMILY_NONE)
			tell(l, PEEL_DNS_FOUND, &a->addr);
		else if (aaaa->addr.family != PEEL_FAMILY_NONE)
			tell(l, PEEL_DNS_FOUND, &aaaa->addr);
		else
			tell(l, a->failed || aaaa->failed ? PEEL_DNS_FAILED : PEEL_DNS_NONE, NULL);
	} else if (aaaa->usable && l->tell_ms == 0) {
		l->tell_ms = now + IPV6_WAIT_MS;
		arm_timer(l);
	}
}

static void
begin(struct lookup *l)
{
	bool probe = choose_order(l->dns, l);

	(void)ask_next(&l->a);
	if (probe)
		(void)ask_next(&l->a);
	(void)ask_next(&l->aaaa);
	l->slow_ms = l->a.next < l->n_order || l->aaaa.next < l->n_order
			     ? uv_now(l->dns->loop) + SLOW_MS
			     : 0;
	arm_timer(l);
}

/* ---- what needs no resolver ------------------------------------------------------------------ */

/* From the hosts file: usable addresses first, IPv4 before IPv6, then the order of the file. */
static bool
is_host(const struct peel_dns *dns, const char *name, peel_dns_usable_fn usable, void *arg,
	struct peel_addr *out)
{
	struct peel_addr addr[ADDRESSES_MAX];
	size_t n = dns->hosts == NULL ? 0 : dns_hosts_find(dns->hosts, name, addr, ADDRESSES_MAX);
	int best = -1;

	for (size_t i = 0; i < n; i++) {
		int rank = 2 * usable(arg, &addr[i]) + (addr[i].family == PEEL_FAMILY_IPV4);

		if (rank > best)
			*out = addr[i];
		best = rank > best ? rank : best;
	}
	return n > 0;
}

static bool
is_address(const char *name, struct peel_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, name, out->ip) == 1)
		out->family = PEEL_FAMILY_IPV4;
	else if (inet_pton(AF_INET6, name, out->ip) == 1)
		out->family = PEEL_FAMILY_IPV6;
	return out->family != PEEL_FAMILY_NONE;
}

/* No host name ends in a numeric label: "127.1" and the like are addresses in old spellings. Do not
 * bother resolvers with them. */
static bool
ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.'), *last = dot == NULL ? name : dot + 1;

	if (last[0] == '0' && (last[1] == 'x' || last[1] == 'X'))
		return strspn(last + 2, "0123456789abcdefABCDEF") == strlen(last + 2);
	return *last != '\0' && strspn(last, "0123456789") == strlen(last);
}

/* Copy a name without its trailing dot, which marks it as absolute: all of ours are. */
static bool
absolute(const char *name, char out[NAME_SIZE])
{
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len >= NAME_SIZE)
		return false;
	memcpy(out, name, len);
	out[len] = '\0';
	return true;
}

void
peel_dns_resolve(struct peel_dns *dns, const char *name, peel_dns_usable_fn usable, peel_dns_fn fn,
	void *arg)
{
	struct peel_addr addr;
	struct lookup *l;
	char text[NAME_SIZE];

	if (dns->closing) {
		fn(arg, PEEL_DNS_FAILED, NULL);
		return;
	}
	if (!absolute(name, text)) {
		fn(arg, PEEL_DNS_NONE, NULL);
		return;
	}
	peel_dns_refresh(dns);
	if (is_address(text, &addr)) {
		fn(arg, PEEL_DNS_FOUND, &addr);
		return;
	}
	if (ends_in_number(text)) {
		fn(arg, PEEL_DNS_NONE, NULL);
		return;
	}
	if (is_host(dns, text, usable, arg, &addr)) {
		fn(arg, PEEL_DNS_FOUND, &addr);
		return;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL) {
		fn(arg, PEEL_DNS_FAILED, NULL);
		return;
	}
	*l = (struct lookup){.dns = dns, .usable = usable, .fn = fn, .arg = arg, .refs = 1};
	memcpy(l->name, text, sizeof(text));
	l->a = (struct question){.lookup = l, .type = TYPE_A};
	l->aaaa = (struct question){.lookup = l, .type = TYPE_AAAA};
	uv_timer_init(dns->loop, &l->timer);
	l->timer.data = l;
	TAILQ_INSERT_TAIL(&dns->lookups, l, entry);
	dns->refs++;
	begin(l);
	unref(l);
}

/* ---- life ------------------------------------------------------------------------------------ */

int
peel_dns_new(const struct peel_dns_conf *conf, struct peel_dns **out)
{
	struct peel_dns *dns = calloc(1, sizeof(*dns));

	if (dns == NULL)
		return -ENOMEM;
	dns->loop = conf->loop;
	dns->timeout_ms = conf->timeout_ms;
	dns->resolv_conf = conf->resolv_conf;
	dns->refs = 1;
	TAILQ_INIT(&dns->lookups);
	if (conf->hosts != NULL)
		dns->hosts = dns_hosts_new(conf->hosts);
	if ((conf->hosts != NULL && dns->hosts == NULL) ||
		ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		dns_hosts_free(dns->hosts);
		free(dns);
		return -ENOMEM;
	}
	if (!use_servers(dns, conf->servers, conf->n_servers)) {
		peel_dns_free(dns);
		return -EINVAL;
	}
	*out = dns;
	return 0;
}

void
peel_dns_free(struct peel_dns *dns)
{
	struct lookup *l;

	if (dns == NULL)
		return;
	dns->closing = true;
	/* This includes resolvers from before a change, which only look-ups know. Look-ups leave
	 * the list when the loop runs again. */
	TAILQ_FOREACH (l, &dns->lookups, entry) {
		for (size_t i = 0; i < l->n_order; i++)
			dns_server_end(l->order[i]);
	}
	for (size_t i = 0; i < dns->n_servers; i++)
		dns_server_unref(dns->server[i]);
	dns->n_servers = 0;
	dns_hosts_free(dns->hosts);
	ares_library_cleanup();
	if (--dns->refs == 0)
		free(dns);
}
