/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Domain destinations: a bounded cache of names, each with the few datagrams that wait for its answer. Resolution is
 * dns.c's; what is remembered and for how long is decided here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dns.h"
#include "node.h"
#include "peel_rate.h"

#define NAMES_MAX                                                                                  \
	1024 /* a power of two: direct-mapped by hash, so that a flood of names costs no more than this */
#define NAME_LEN_MAX 253 /* RFC 1035 */
#define ANSWER_LIFE_MS 60000
#define FAILURE_LIFE_MS 5000
#define RESOLVING_PER_SESSION 16 /* one circuit cannot keep the others from resolving */
#define QUEUE_MAX 256
#define LOOKUPS_PER_SESSION                                                                        \
	20 /* a second, in bursts of three times as many; a look-up costs us 50 us ... */
#define LOOKUPS_ALL 1000 /* ... and the resolver more */
#define WAITING_SHARE 8	 /* one in so many of all packet buffers may wait for names */

enum name_state {
	NAME_EMPTY,
	NAME_RESOLVING,
	NAME_KNOWN,
	NAME_FAILED,
};

struct name {
	struct node_names *names;
	enum name_state state;
	char text[NAME_LEN_MAX + 1];
	struct peel_addr addr;
	uint64_t expires_ms;
	uint32_t session; /* who asked first */
	unsigned int n_waiting;
	struct rte_mbuf *waiting[QUEUE_MAX]; /* remote.port already set */
};

/* What one circuit has here. */
struct share {
	struct peel_bucket lookups;
	uint16_t waiting;   /* datagrams */
	uint16_t resolving; /* names that it was the first to ask for */
};

struct node_names {
	struct peel_node *node;
	struct dns *dns;
	uint64_t seed;
	struct name *table;  /* [NAMES_MAX] */
	struct share *share; /* by session */
	uint32_t n_sessions;
	struct peel_bucket lookups;
	uint32_t n_waiting,
		waiting_max; /* of all circuits: buffers that reception lacks meanwhile */
};

static void
drop(struct node_names *names, struct rte_mbuf *m, enum peel_counter reason)
{
	peel_stats_add(&names->node->stats, reason, 1);
	rte_pktmbuf_free(m);
}

static void
send_to(struct node_names *names, struct rte_mbuf *m, const struct peel_addr *addr)
{
	struct peel_pkt *pkt = peel_pkt(m);
	uint16_t port = pkt->remote.port;
	struct peel_exit_info info;

	pkt->remote = *addr;
	pkt->remote.port = port;
	/* The circuit may have ended while the name was resolved. */
	if (peel_circuits_exit(names->node->circuits, pkt->session, pkt->generation, &info) != 0 ||
		info.endpoint != pkt->endpoint) {
		drop(names, m, PEEL_DROP_UNKNOWN_CIRCUIT);
	} else if (!peel_policy_destination(&names->node->conf.policy, &pkt->remote)) {
		drop(names, m, PEEL_DROP_DESTINATION);
	} else {
		peel_stats_add(&names->node->stats, PEEL_CELLS_EXITED, 1);
		node_send_mbuf(names->node, pkt->worker, m);
	}
}

static void
on_answer(void *arg, const struct peel_addr *addr)
{
	struct name *name = arg;
	struct node_names *names = name->names;
	uint64_t now = peel_now_ms(names->node->env);

	name->state = addr != NULL ? NAME_KNOWN : NAME_FAILED;
	name->expires_ms = now + (addr != NULL ? ANSWER_LIFE_MS : FAILURE_LIFE_MS);
	if (addr != NULL)
		name->addr = *addr;
	names->share[name->session].resolving--;
	for (unsigned int i = 0; i < name->n_waiting; i++) {
		names->share[peel_pkt(name->waiting[i])->session].waiting--;
		names->n_waiting--;
		if (addr != NULL)
			send_to(names, name->waiting[i], addr);
		else
			drop(names, name->waiting[i], PEEL_DROP_RESOLVE);
	}
	name->n_waiting = 0;
	node_wake_workers(names->node);
}

static struct name *
slot_of(struct node_names *names, const char *text)
{
	uint64_t h = names->seed;

	for (const char *p = text; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3u;
	return &names->table[(h ^ h >> 32) % NAMES_MAX];
}

/* The queue is the circuit's, whatever number of names it waits for: resolvers can be made to take their time. */
static void
wait_for(struct node_names *names, struct name *name, struct rte_mbuf *m)
{
	struct share *share = &names->share[peel_pkt(m)->session];

	if (share->waiting >= names->node->conf.exit_queue || name->n_waiting >= QUEUE_MAX ||
		names->n_waiting >= names->waiting_max) {
		drop(names, m, PEEL_DROP_EXIT_QUEUE);
		return;
	}
	share->waiting++;
	names->n_waiting++;
	name->waiting[name->n_waiting++] = m;
}

/* The circuit's own budget first: one that floods must not use up what is there for all. */
static bool
may_resolve(struct node_names *names, struct share *share)
{
	uint64_t now = peel_now_ms(names->node->env);

	return share->resolving < RESOLVING_PER_SESSION &&
	       peel_bucket_take(
		       &share->lookups, LOOKUPS_PER_SESSION, 3 * LOOKUPS_PER_SESSION, 1, now) &&
	       peel_bucket_take(&names->lookups, LOOKUPS_ALL, LOOKUPS_ALL, 1, now);
}

static void
resolve(struct node_names *names, struct name *name, const char *text, struct rte_mbuf *m)
{
	uint32_t session = peel_pkt(m)->session;

	if (!may_resolve(names, &names->share[session])) {
		drop(names, m, PEEL_DROP_RATE);
		return;
	}
	names->share[session].resolving++;
	snprintf(name->text, sizeof(name->text), "%s", text);
	name->state = NAME_RESOLVING;
	name->session = session;
	wait_for(names, name, m);
	dns_resolve(
		names->dns, text, on_answer, name); /* may answer at once, from the hosts file */
}

/* A name as text; not the empty one, nor one that ends early. */
static bool
name_text(struct peel_span span, char text[NAME_LEN_MAX + 1])
{
	if (span.len == 0 || span.len > NAME_LEN_MAX || memchr(span.p, '\0', span.len) != NULL)
		return false;
	memcpy(text, span.p, span.len);
	text[span.len] = '\0';
	return true;
}

void
node_names_send(struct node_names *names, struct rte_mbuf *m, struct peel_span span, uint16_t port)
{
	char text[NAME_LEN_MAX + 1];
	struct name *name;

	peel_pkt(m)->remote.port = port;
	/* The name lies in m's stripped part: it is copied before m goes on. */
	if (!name_text(span, text) || peel_pkt(m)->session >= names->n_sessions) {
		drop(names, m, PEEL_DROP_RESOLVE);
		return;
	}
	name = slot_of(names, text);
	bool same = name->state != NAME_EMPTY && strcmp(name->text, text) == 0;

	if (name->state == NAME_RESOLVING) {
		if (same)
			wait_for(names, name, m);
		else
			drop(names, m, PEEL_DROP_EXIT_QUEUE);
	} else if (!same || peel_now_ms(names->node->env) >= name->expires_ms) {
		resolve(names, name, text, m);
	} else if (name->state == NAME_KNOWN) {
		send_to(names, m, &name->addr);
	} else {
		drop(names, m, PEEL_DROP_RESOLVE);
	}
}

/* ---- names that no datagram waits for ---------------------------------------------------------------------------------- */

struct lookup {
	struct node_names *names;
	uint32_t session;
	dns_fn fn;
	void *arg;
};

static void
on_looked_up(void *arg, const struct peel_addr *addr)
{
	struct lookup *l = arg;

	l->names->share[l->session].resolving--;
	l->fn(l->arg, addr);
	free(l);
}

int
node_names_lookup(
	struct node_names *names, uint32_t session, struct peel_span span, dns_fn fn, void *arg)
{
	char text[NAME_LEN_MAX + 1];
	const struct name *name;
	struct lookup *l;

	if (!name_text(span, text) || session >= names->n_sessions)
		return -EINVAL;
	name = slot_of(names, text);
	if (name->state == NAME_KNOWN && strcmp(name->text, text) == 0 &&
		peel_now_ms(names->node->env) < name->expires_ms) {
		fn(arg, &name->addr);
		return 0;
	}
	if (!may_resolve(names, &names->share[session]))
		return -EAGAIN;
	l = malloc(sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	*l = (struct lookup){.names = names, .session = session, .fn = fn, .arg = arg};
	names->share[session].resolving++;
	dns_resolve(names->dns, text, on_looked_up, l);
	return 0;
}

/* ---- configured names ------------------------------------------------------------------------------------------------ */

struct configured {
	struct node_names *names;
	uint16_t port;
	char host[128];
	void (*fn)(struct peel_node *node, const struct peel_addr *addr);
};

static void
on_configured(void *arg, const struct peel_addr *addr)
{
	struct configured *c = arg;

	if (addr != NULL) {
		struct peel_addr full = *addr;

		full.port = c->port;
		c->fn(c->names->node, &full);
	} else {
		peel_log(PEEL_LOG_WARNING, "name %s does not resolve", c->host);
	}
	free(c);
}

int
node_names_resolve(struct node_names *names, const char *host_port,
	void (*fn)(struct peel_node *node, const struct peel_addr *addr))
{
	const char *colon = strrchr(host_port, ':');
	unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, NULL, 10);
	struct configured *c;

	if (port == 0 || port > UINT16_MAX || colon == host_port ||
		(size_t)(colon - host_port) >= sizeof(c->host))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->names = names;
	c->port = (uint16_t)port;
	c->fn = fn;
	memcpy(c->host, host_port, (size_t)(colon - host_port));
	dns_resolve(names->dns, c->host, on_configured, c);
	return 0;
}

static void
free_tables(struct node_names *names)
{
	free(names->table);
	free(names->share);
	free(names);
}

int
node_names_new(struct peel_node *node, struct node_names **out, char *why, size_t why_size)
{
	struct node_names *names = calloc(1, sizeof(*names));
	int rc;

	if (names == NULL)
		return -ENOMEM;
	names->node = node;
	names->seed = peel_random_u64(node->env);
	/* Sessions are numbered with gaps: so many places in each page of the table. */
	names->n_sessions = (node->n_sessions / PEEL_ROUTE_PAGE_SESSIONS + 1)
			    << PEEL_ROUTE_PAGE_SESSION_BITS;
	names->waiting_max = node->pool->size / WAITING_SHARE;
	names->table = calloc(NAMES_MAX, sizeof(names->table[0]));
	names->share = calloc(names->n_sessions, sizeof(names->share[0]));
	if (names->table == NULL || names->share == NULL) {
		free_tables(names);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < NAMES_MAX; i++)
		names->table[i].names = names;
	rc = dns_new(&node->loop, node->conf.dns, node->conf.n_dns, node->conf.dns_timeout_ms,
		&names->dns);
	if (rc != 0) {
		snprintf(why, why_size,
			"the resolver does not start: check [exit] dns_servers and "
			"/etc/resolv.conf");
		free_tables(names);
		return rc;
	}
	*out = names;
	return 0;
}

void
node_names_free(struct node_names *names)
{
	if (names == NULL)
		return;
	dns_free(names->dns); /* answers "failed" to all who wait, so nothing stays in the table */
	free_tables(names);
}
