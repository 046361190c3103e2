/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Peers of hidden services and their addresses, which are given one after the other out of a
 * network of loopback: nothing else is reached there, and a mistake leaves no trace outside.
 */
#include <errno.h>
#include <stdlib.h>

#include "handle.h"

#define NETWORK 0x7fc00000u   /* 127.192.0.0 ... */
#define HOST_MASK 0x003fffffu /* ... /10 */
#define PORT 1024	      /* as py-ipv8 presents peers, section 15.6 */
#define NONE UINT32_MAX

struct entry {
	peel_circuit circuit; /* 0: free */
	uint32_t host;	      /* its address in the network */
	uint32_t swarm;
	uint32_t next; /* in the bucket of the address */
};

struct peers {
	pthread_mutex_t lock;
	uint32_t size;	     /* of the table of circuits: all numbers of paths are below */
	uint32_t mask;	     /* of buckets */
	uint32_t last;	     /* host that was given last */
	struct entry *entry; /* [size], by the number of the path */
	uint32_t *bucket;    /* by the low bits of the host: neighbours never share one */
};

int
peers_new(uint32_t circuits, struct peers **out)
{
	struct peers *t = calloc(1, sizeof(*t));
	uint32_t n = 16;

	if (t == NULL)
		return error_no_memory();
	while (n < circuits)
		n *= 2;
	pthread_mutex_init(&t->lock, NULL);
	t->size = circuits;
	t->mask = n - 1;
	t->entry = calloc(circuits + 1, sizeof(*t->entry));
	t->bucket = malloc(n * sizeof(*t->bucket));
	*out = t;
	if (t->entry == NULL || t->bucket == NULL)
		return error_no_memory();
	memset(t->bucket, 0xff, n * sizeof(*t->bucket));
	return 0;
}

void
peers_free(struct peers *t)
{
	if (t == NULL)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t->entry);
	free(t->bucket);
	free(t);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static uint32_t ipv4_of(const struct peel_address *a);

/* 0: a name, and no address in its place. */
static uint32_t
ipv4_in_name(const struct peel_address *a)
{
	struct peel_addr addr;
	struct peel_address same;

	if (memchr(a->domain, '\0', sizeof(a->domain)) == NULL ||
		peel_addr_parse(a->domain, 0, &addr) != 0)
		return 0;
	peel_address_from_addr(&addr, &same);
	return ipv4_of(&same);
}

/* The four bytes of an IPv4 address, also of one that is written as IPv6 or as a name; 0: another
 * address. */
static uint32_t
ipv4_of(const struct peel_address *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a->type == PEEL_ADDRESS_IPV4)
		return peel_get_be32(a->ip);
	if (a->type == PEEL_ADDRESS_IPV6 && memcmp(a->ip, mapped, sizeof(mapped)) == 0)
		return peel_get_be32(a->ip + sizeof(mapped));
	return a->type == PEEL_ADDRESS_DOMAIN ? ipv4_in_name(a) : 0;
}

bool
peers_own(const struct peel_address *a)
{
	return (ipv4_of(a) & ~HOST_MASK) == NETWORK;
}

static void
to_address(uint32_t host, struct peel_address *out)
{
	memset(out, 0, sizeof(*out));
	out->type = PEEL_ADDRESS_IPV4;
	out->port = PORT;
	peel_put_be32(out->ip, NETWORK | host);
}

/* ---- the table, holding the lock ------------------------------------------------------------- */

static struct entry *
by_circuit(const struct peers *t, peel_circuit circuit)
{
	uint32_t path = (uint32_t)circuit;

	return path < t->size && t->entry[path].circuit == circuit ? &t->entry[path] : NULL;
}

static struct entry *
by_host(const struct peers *t, uint32_t host)
{
	uint32_t i = t->bucket[host & t->mask];

	while (i != NONE && t->entry[i].host != host)
		i = t->entry[i].next;
	return i != NONE ? &t->entry[i] : NULL;
}

static void
drop(struct peers *t, struct entry *e)
{
	uint32_t *link = &t->bucket[e->host & t->mask], i = (uint32_t)(e - t->entry);

	while (*link != i)
		link = &t->entry[*link].next;
	*link = e->next;
	memset(e, 0, sizeof(*e));
}

/* There are more addresses than circuits. */
static uint32_t
next_host(struct peers *t)
{
	do
		t->last = (t->last + 1) & HOST_MASK;
	while (t->last == 0 || by_host(t, t->last) != NULL);
	return t->last;
}

/* ---- what others use ------------------------------------------------------------------------- */

bool
peers_add(struct peers *t, peel_circuit circuit, uint32_t swarm, struct peel_address *out)
{
	uint32_t path = (uint32_t)circuit;
	bool add;

	pthread_mutex_lock(&t->lock);
	add = path < t->size && by_circuit(t, circuit) == NULL;
	if (add) {
		struct entry *e = &t->entry[path];

		if (e->circuit != 0)
			drop(t, e);
		*e = (struct entry){circuit, next_host(t), swarm, NONE};
		e->next = t->bucket[e->host & t->mask];
		t->bucket[e->host & t->mask] = path;
		to_address(e->host, out);
	}
	pthread_mutex_unlock(&t->lock);
	return add;
}

bool
peers_remove(struct peers *t, peel_circuit circuit, struct peel_address *out)
{
	struct entry *e;

	pthread_mutex_lock(&t->lock);
	e = by_circuit(t, circuit);
	if (e != NULL) {
		to_address(e->host, out);
		drop(t, e);
	}
	pthread_mutex_unlock(&t->lock);
	return e != NULL;
}

void
peers_remove_swarm(struct peers *t, uint32_t swarm)
{
	pthread_mutex_lock(&t->lock);
	for (uint32_t i = 0; i < t->size; i++) {
		if (t->entry[i].circuit != 0 && t->entry[i].swarm == swarm)
			drop(t, &t->entry[i]);
	}
	pthread_mutex_unlock(&t->lock);
}

bool
peers_address(struct peers *t, peel_circuit circuit, struct peel_address *out)
{
	const struct entry *e;

	pthread_mutex_lock(&t->lock);
	e = by_circuit(t, circuit);
	if (e != NULL)
		to_address(e->host, out);
	pthread_mutex_unlock(&t->lock);
	return e != NULL;
}

peel_circuit
peers_circuit(struct peers *t, const struct peel_address *a)
{
	peel_circuit circuit = 0;
	const struct entry *e;

	if (!peers_own(a) || a->port != PORT)
		return 0;
	pthread_mutex_lock(&t->lock);
	e = by_host(t, ipv4_of(a) & HOST_MASK);
	if (e != NULL)
		circuit = e->circuit;
	pthread_mutex_unlock(&t->lock);
	return circuit;
}

peel_circuit
peel_peer_circuit(struct peel *p, const struct peel_address *peer)
{
	return peers_circuit(p->peers, peer);
}
