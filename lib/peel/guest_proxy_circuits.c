/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "guest_proxy.h"
#include "peel_discovery.h"
#include "peel_http_ask.h"

/* ---- the table ------------------------------------------------------------------------------- */

int
guest_table_init(struct guest_proxy *gp, uint32_t size)
{
	gp->size = size;
	gp->circuit = calloc(size, sizeof(gp->circuit[0]));
	return gp->circuit == NULL
		       ? -ENOMEM
		       : peel_chains_init(&gp->by_cid, size, PEEL_LINKS(gp->circuit, next));
}

void
guest_table_fini(struct guest_proxy *gp)
{
	peel_chains_fini(&gp->by_cid);
	free(gp->circuit);
}

struct guest_circuit *
guest_table_find(struct guest_proxy *gp, uint32_t cid)
{
	uint32_t i;

	PEEL_CHAIN_FOREACH (i, &gp->by_cid, cid) {
		if (gp->circuit[i].cid == cid)
			return &gp->circuit[i];
	}
	return NULL;
}

struct guest_circuit *
guest_table_at(struct guest_proxy *gp, peel_origin_id id)
{
	uint32_t path = (uint32_t)id;

	return id != 0 && path < gp->size && gp->circuit[path].id == id ? &gp->circuit[path] : NULL;
}

unsigned int
guest_circuit_hops(const struct peel_gc_circuit *c)
{
	if (c->n_hops < c->goal_hops || (c->type != PEEL_GC_DATA && !c->e2e))
		return 0;
	switch (c->type) {
	case PEEL_GC_DATA:
	case PEEL_GC_RP_SEEDER:
		return c->goal_hops;
	case PEEL_GC_RP_DOWNLOADER:
		return c->goal_hops - 1u;
	default:
		return 0;
	}
}

struct guest_circuit *
guest_table_set(struct guest_proxy *gp, uint32_t cid, peel_origin_id id,
	const struct peel_gc_circuit *circuit, uint16_t exit_flags)
{
	struct guest_circuit *c = guest_table_find(gp, cid);
	unsigned int hops = guest_circuit_hops(circuit);

	if (hops == 0 || hops > PEEL_PROXY_HOPS_MAX || id == 0 || (uint32_t)id >= gp->size)
		return NULL;
	if (c == NULL) {
		c = &gp->circuit[(uint32_t)id];
		*c = (struct guest_circuit){.id = id, .cid = cid};
		peel_chains_add(&gp->by_cid, cid, (uint32_t)id);
	}
	c->hops = (uint8_t)hops;
	c->data = circuit->type == PEEL_GC_DATA;
	c->exit_flags = exit_flags;
	return c;
}

void
guest_table_del(struct guest_proxy *gp, struct guest_circuit *c)
{
	peel_chains_del(&gp->by_cid, c->cid, (uint32_t)c->id);
	*c = (struct guest_circuit){0};
}

void
guest_table_associate(struct guest_proxy *gp, struct guest_circuit *c)
{
	if (!c->associated)
		peel_gc_associate(peel_node_guest(gp->node), c->cid);
	c->associated = true;
}

/* ---- for lib/proxy --------------------------------------------------------------------------- */

static bool
is_usable(const struct guest_circuit *c, const struct guest_length *l)
{
	return c->id != 0 && c->data && c->hops == l->hops;
}

/* An exit may do nothing but HTTP. */
static bool
lets_data_out(const struct guest_circuit *c)
{
	return c->exit_flags == 0 || (c->exit_flags & (PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8));
}

static size_t
usable(void *arg, uint64_t *out, size_t n)
{
	const struct guest_length *l = arg;
	const struct guest_proxy *gp = l->all;
	size_t have = 0;

	for (uint32_t i = 0; i < gp->size; i++) {
		if (!is_usable(&gp->circuit[i], l) || !lets_data_out(&gp->circuit[i]))
			continue;
		if (have < n)
			out[have] = gp->circuit[i].id;
		have++;
	}
	return have;
}

static struct peel_host
host_of(const struct peel_socks_target *t)
{
	struct peel_host host = {.addr = t->addr};

	host.type = t->addr.family == PEEL_FAMILY_IPV6 ? PEEL_HOST_IPV6 : PEEL_HOST_IPV4;
	if (t->name[0] != '\0') {
		host.type = PEEL_HOST_NAME;
		host.name = (struct peel_span){(const uint8_t *)t->name, strlen(t->name)};
	}
	return host;
}

static int
send_datagram(void *arg, uint64_t circuit, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	const struct guest_length *l = arg;
	struct guest_circuit *c = guest_table_at(l->all, circuit);
	const struct peel_host host = host_of(to);

	if (c == NULL)
		return -ENOENT;
	guest_table_associate(l->all, c); /* first, so that answers find the association */
	return peel_node_send_data(l->all->node, circuit, &host, payload, len);
}

static uint64_t
http(void *arg, const uint64_t *avoid, size_t n)
{
	const struct guest_length *l = arg;
	const struct guest_proxy *gp = l->all;
	/* An exit does few at a time: they take circuits at random. */
	uint32_t first = peel_random_below(&peel_env_system, gp->size);

	for (uint32_t i = 0; i < gp->size; i++) {
		const struct guest_circuit *c = &gp->circuit[(first + i) % gp->size];
		bool good = is_usable(c, l) && (c->exit_flags & PEEL_FLAG_EXIT_HTTP) != 0;

		for (size_t j = 0; j < n && good; j++)
			good = avoid[j] != c->id;
		if (good)
			return c->id;
	}
	return 0;
}

struct ask {
	struct peel_node *node;
	void (*done)(void *arg, int result, const void *answer, size_t len);
	void *arg;
};

/* Called without the lock. */
static void
on_answer(void *arg, int result, const void *answer, size_t len)
{
	struct ask *ask = arg;

	peel_node_lock(ask->node);
	ask->done(ask->arg, result, answer, len);
	peel_node_unlock_unchanged(ask->node);
	free(ask);
}

static int
request(void *arg, uint64_t circuit, const struct peel_socks_target *to, const uint8_t *bytes,
	size_t len, void (*done)(void *arg, int result, const void *answer, size_t len),
	void *done_arg)
{
	const struct guest_length *l = arg;
	const struct peel_host host = host_of(to);
	struct ask *ask = malloc(sizeof(*ask));
	int rc;

	if (ask == NULL)
		return -ENOMEM;
	*ask = (struct ask){l->all->node, done, done_arg};
	rc = peel_http_ask_request(
		peel_node_http(l->all->node), circuit, &host, bytes, len, on_answer, ask);
	if (rc != 0)
		free(ask);
	return rc;
}

struct peel_proxy_circuits
guest_table_circuits(struct guest_length *length)
{
	return (struct peel_proxy_circuits){.arg = length,
		.usable = usable,
		.send = send_datagram,
		.http = http,
		.request = request};
}
