/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "guest_handle.h"
#include "guest_proxy.h"
#include "peel_flows.h"
#include "peel_http_ask.h"

#define CLIENTS_MAX 256 /* of a server: libtorrent asks many trackers at a time */

/* ---- circuits -------------------------------------------------------------------------------- */

static struct peel_addr
peer_of(uint32_t cid)
{
	struct peel_addr a = {.family = PEEL_FAMILY_IPV4, .port = GUEST_E2E_PORT};

	peel_put_be32(a.ip, cid);
	return a;
}

static int
send_to_peer(void *arg, const struct peel_addr *peer, const uint8_t *payload, size_t len)
{
	struct guest_proxy *gp = arg;
	const struct guest_circuit *c = guest_table_find(gp, peel_get_be32(peer->ip));

	return c == NULL ? -ENOENT : peel_node_send_peer(gp->node, c->id, payload, len);
}

static void
changed(struct guest_proxy *gp, unsigned int hops)
{
	if (gp->length[hops - 1].proxy != NULL)
		(void)peel_proxy_changed(gp->length[hops - 1].proxy);
}

/* What comes out of an end-to-end circuit is an association's, whether or not it has sent anything.
 * Where there is no server for its length, the guest itself has it. */
static void
offer_peer(struct guest_proxy *gp, struct guest_circuit *c)
{
	struct peel_addr peer = peer_of(c->cid);

	peel_proxy_peers_add(gp->peers, &peer, c->hops, 0);
	if (gp->length[c->hops - 1].proxy != NULL)
		guest_table_associate(gp, c);
}

void
guest_proxy_set(struct guest_proxy *gp, uint32_t cid, const struct peel_gc_circuit *circuit,
	uint16_t exit_flags)
{
	struct guest_circuit *c = guest_table_find(gp, cid);
	peel_origin_id id;

	if (peel_gc_id(peel_node_guest(gp->node), cid, &id, NULL) != 0)
		id = 0;
	if (c != NULL && (c->id != id || c->hops != guest_circuit_hops(circuit)))
		guest_proxy_remove(gp, cid);
	c = guest_table_set(gp, cid, id, circuit, exit_flags);
	if (c != NULL && !c->data)
		offer_peer(gp, c);
	else if (c != NULL)
		changed(gp, c->hops);
}

void
guest_proxy_remove(struct guest_proxy *gp, uint32_t cid)
{
	struct guest_circuit *c = guest_table_find(gp, cid);
	struct peel_addr peer = peer_of(cid);
	struct guest_circuit old;

	if (c == NULL)
		return;
	old = *c;
	guest_table_del(gp, c);
	if (!old.data) {
		peel_proxy_peers_del(gp->peers, &peer);
		return;
	}
	peel_http_ask_ended(peel_node_http(gp->node), old.id);
	changed(gp, old.hops);
}

/* ---- out of circuits ------------------------------------------------------------------------- */

static void
target_of(const struct peel_host *h, struct peel_socks_target *out)
{
	size_t len = h->name.len < sizeof(out->name) ? h->name.len : sizeof(out->name) - 1;

	out->addr = h->addr;
	if (h->type == PEEL_HOST_NAME)
		memcpy(out->name, h->name.p, len);
	out->name[h->type == PEEL_HOST_NAME ? len : 0] = '\0';
}

void
guest_proxy_data(void *arg, peel_origin_id id, const struct peel_msg_data *data)
{
	struct guest_proxy *gp = arg;
	struct peel_socks_target origin;
	struct guest_circuit *c;
	bool taken = false;

	target_of(&data->origin, &origin);
	peel_node_lock(gp->node);
	c = guest_table_at(gp, id);
	if (c != NULL && gp->length[c->hops - 1].proxy != NULL)
		taken = peel_proxy_take(gp->length[c->hops - 1].proxy, id, &origin, data->payload.p,
			data->payload.len);
	if (!taken)
		peel_stats_add(peel_node_stats(gp->node), PEEL_DROP_SOCKS_WHOSE, 1);
	peel_node_unlock_unchanged(gp->node);
}

void
guest_proxy_peer_data(void *arg, peel_origin_id id, const struct peel_span *payload)
{
	struct guest_proxy *gp = arg;
	const struct guest_circuit *c;
	struct peel_addr peer;

	peel_node_lock(gp->node);
	c = guest_table_at(gp, id);
	peer = peer_of(c != NULL ? c->cid : 0);
	peel_proxy_peers_take(gp->peers, &peer, payload->p, payload->len);
	peel_node_unlock_unchanged(gp->node);
}

/* ---- servers --------------------------------------------------------------------------------- */

/* The first server of a length: it has circuits already. */
static int
begin_length(struct guest_proxy *gp, struct guest_length *l)
{
	const struct peel_proxy_conf conf = {.loop = peel_node_loop(gp->node),
		.stats = peel_node_stats(gp->node),
		.hops = l->hops,
		.peers = gp->peers,
		.remember = true,
		.circuits = guest_table_circuits(l)};
	int rc = peel_proxy_new(&conf, &l->proxy);

	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < gp->size; i++) {
		if (gp->circuit[i].id != 0 && !gp->circuit[i].data &&
			gp->circuit[i].hops == l->hops)
			guest_table_associate(gp, &gp->circuit[i]);
	}
	changed(gp, l->hops);
	return 0;
}

/* @return the port or -errno. */
static int
add_server(struct guest_proxy *gp, uint16_t port, unsigned int hops, char *why, size_t why_size)
{
	struct guest_length *l = &gp->length[hops - 1];
	struct peel_socks_conf conf;
	struct peel_socks *socks;
	struct peel_addr local;
	int rc;

	if (gp->n_servers == PEEL_ARRAY_LEN(gp->server))
		return -ENOSPC;
	rc = l->proxy == NULL ? begin_length(gp, l) : 0;
	if (rc != 0)
		return rc;
	peel_socks_conf_init(&conf);
	conf.listen = peel_addr_ipv4(127, 0, 0, 1, port);
	conf.max_clients = CLIENTS_MAX;
	rc = peel_proxy_listen(l->proxy, &conf, &socks, why, why_size);
	if (rc != 0)
		return rc;
	gp->server[gp->n_servers].socks = socks;
	gp->server[gp->n_servers++].hops = hops;
	peel_socks_local(socks, &local);
	return local.port;
}

int
peel_guest_socks_open(struct peel_guest *g, uint16_t port, unsigned int hops)
{
	char why[256] = "";
	int rc;

	if (hops == 0 || hops > PEEL_PROXY_HOPS_MAX)
		return error_format(-EINVAL, "SOCKS servers are for circuits of 1 to %d hops",
			PEEL_PROXY_HOPS_MAX);
	peel_node_lock(g->node);
	rc = add_server(g->proxy, port, hops, why, sizeof(why));
	peel_node_unlock(g->node);
	if (rc == -ENOSPC)
		return error_text(rc, "too many SOCKS servers");
	if (rc < 0)
		return error_format(rc, "%s", why[0] != '\0' ? why : strerrordesc_np(-rc));
	return rc;
}

int
peel_guest_socks_default_remote(
	struct peel_guest *g, const struct peel_address *a, unsigned int hops)
{
	struct peel_host host;
	int rc = address_to_host(a, &host);

	if (rc == 0 && host.type == PEEL_HOST_NAME)
		rc = error_text(-EINVAL, "the address of a client is no name");
	if (rc != 0 || hops == 0 || hops > PEEL_PROXY_HOPS_MAX)
		return rc;
	peel_node_lock(g->node);
	if (g->proxy->length[hops - 1].proxy != NULL)
		peel_proxy_default_client(g->proxy->length[hops - 1].proxy, &host.addr);
	peel_node_unlock_unchanged(g->node);
	return 0;
}

size_t
peel_guest_socks_list(struct peel_guest *g, struct peel_guest_socks_info *out, size_t n)
{
	const struct guest_proxy *gp = g->proxy;
	size_t have;

	peel_node_lock(g->node);
	have = gp->n_servers < n ? gp->n_servers : n;
	for (size_t i = 0; i < have; i++) {
		struct peel_socks_counts counts;
		struct peel_addr local;

		peel_socks_local(gp->server[i].socks, &local);
		peel_socks_count(gp->server[i].socks, &counts);
		out[i].port = local.port;
		out[i].hops = (uint8_t)gp->server[i].hops;
		out[i].associations = counts.assocs;
	}
	peel_node_unlock_unchanged(g->node);
	return have;
}

/* ---- for those who ask ----------------------------------------------------------------------- */

/* Those of a data circuit, if a server is there for it. */
static size_t
destinations(struct guest_proxy *gp, uint32_t cid, struct peel_addr *out, size_t n)
{
	const struct guest_circuit *c = guest_table_find(gp, cid);
	const struct peel_proxy *proxy = c != NULL ? gp->length[c->hops - 1].proxy : NULL;

	return proxy != NULL ? peel_proxy_destinations(proxy, c->id, out, n) : 0;
}

size_t
peel_guest_circuit_peers(struct peel_guest *g, uint32_t cid, struct peel_address *out, size_t n)
{
	struct peel_addr *addr = n > 0 ? calloc(n, sizeof(*addr)) : NULL;
	size_t have;

	if (addr == NULL)
		n = 0;
	peel_node_lock(g->node);
	have = destinations(g->proxy, cid, addr, n);
	peel_node_unlock_unchanged(g->node);
	if (have > n)
		have = n;
	for (size_t i = 0; i < have; i++)
		peel_address_from_addr(&addr[i], &out[i]);
	free(addr);
	return have;
}

static size_t
associated(struct guest_proxy *gp, uint16_t port, uint32_t *out, size_t n)
{
	uint64_t id[PEEL_FLOWS_CIRCUITS];
	size_t have = 0;

	for (unsigned int i = 0; i < PEEL_PROXY_HOPS_MAX && have == 0; i++) {
		if (gp->length[i].proxy != NULL)
			have = peel_proxy_associated(
				gp->length[i].proxy, port, id, PEEL_ARRAY_LEN(id));
	}
	if (have > n)
		have = n;
	for (size_t i = 0; i < have; i++) {
		const struct guest_circuit *c = guest_table_at(gp, id[i]);

		out[i] = c != NULL ? c->cid : 0;
	}
	return have;
}

size_t
peel_guest_associated_circuits(struct peel_guest *g, uint16_t udp_port, uint32_t *out, size_t n)
{
	size_t have;

	peel_node_lock(g->node);
	have = associated(g->proxy, udp_port, out, n);
	peel_node_unlock_unchanged(g->node);
	return have;
}

/* ---- life ------------------------------------------------------------------------------------ */

int
guest_proxy_new(struct peel_node *node, uint32_t size, struct guest_proxy **out)
{
	struct guest_proxy *gp = calloc(1, sizeof(*gp));
	const struct peel_proxy_peers_conf conf = {.env = &peel_env_system,
		.stats = peel_node_stats(node),
		.send = send_to_peer,
		.shared = true,
		.arg = gp};

	if (gp == NULL)
		return error_no_memory();
	gp->node = node;
	for (unsigned int i = 0; i < PEEL_PROXY_HOPS_MAX; i++)
		gp->length[i] = (struct guest_length){.all = gp, .hops = i + 1};
	gp->peers = peel_proxy_peers_new(&conf);
	if (gp->peers == NULL || guest_table_init(gp, size) != 0) {
		guest_proxy_free(gp);
		return error_no_memory();
	}
	*out = gp;
	return 0;
}

void
guest_proxy_close(struct guest_proxy *gp)
{
	for (unsigned int i = 0; i < PEEL_PROXY_HOPS_MAX; i++)
		peel_proxy_close(gp->length[i].proxy, NULL, NULL);
	gp->n_servers = 0;
}

void
guest_proxy_free(struct guest_proxy *gp)
{
	if (gp == NULL)
		return;
	for (unsigned int i = 0; i < PEEL_PROXY_HOPS_MAX; i++)
		peel_proxy_free(gp->length[i].proxy);
	peel_proxy_peers_free(gp->peers);
	guest_table_fini(gp);
	free(gp);
}
