/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What a guest says and asks while its node runs, under the node's lock.
 */
#include <errno.h>

#include "guest_handle.h"

_Static_assert(PEEL_PREFIX_BYTES == PEEL_PREFIX_LEN, "prefixes have one length");
_Static_assert(PEEL_GUEST_DATAGRAM_MAX == PEEL_DATAGRAM_MAX, "datagrams have one limit");
_Static_assert((int)PEEL_GUEST_DATA == (int)PEEL_GC_DATA &&
		       (int)PEEL_GUEST_IP_SEEDER == (int)PEEL_GC_IP_SEEDER &&
		       (int)PEEL_GUEST_RP_SEEDER == (int)PEEL_GC_RP_SEEDER &&
		       (int)PEEL_GUEST_RP_DOWNLOADER == (int)PEEL_GC_RP_DOWNLOADER,
	"types of circuits");

/* The guest's circuits, locked. */
static struct peel_guest_circuits *
lock(const struct peel_guest *g)
{
	peel_node_lock(g->node);
	return peel_node_guest(g->node);
}

static int
unlock(const struct peel_guest *g, int rc)
{
	peel_node_guest_unlock(g->node);
	switch (rc) {
	case -ENOSPC:
		return error_text(rc, "there is no room for more");
	case -ENOMEM:
		return error_no_memory();
	case -ENOENT:
		return error_no_circuit();
	case -EBADMSG:
		return error_text(rc, "this is no cell of the tunnel overlay");
	case -EMSGSIZE:
		return error_text(rc, "longer than a datagram carries");
	default:
		return rc;
	}
}

static void
take_keys(const struct peel_guest_keys *in, struct peel_session_keys *out)
{
	memcpy(out->forward.b, in->key_forward, sizeof(out->forward.b));
	memcpy(out->backward.b, in->key_backward, sizeof(out->backward.b));
	memcpy(out->salt_forward, in->salt_forward, sizeof(out->salt_forward));
	memcpy(out->salt_backward, in->salt_backward, sizeof(out->salt_backward));
}

/* ---- settings that change -------------------------------------------------------------------- */

int
peel_guest_set_prefix(struct peel_guest *g, const uint8_t prefix[PEEL_PREFIX_BYTES])
{
	lock(g);
	return unlock(g, peel_node_guest_cells(g->node, prefix));
}

int
peel_guest_set_prefixes(struct peel_guest *g, const uint8_t (*prefix)[PEEL_PREFIX_BYTES], size_t n)
{
	lock(g);
	return unlock(g, peel_node_guest_overlays(g->node, prefix, n));
}

void
peel_guest_set_max_relay_early(struct peel_guest *g, uint8_t n)
{
	peel_gc_set_max_early(lock(g), n);
	(void)unlock(g, 0);
}

void
peel_guest_set_flags(struct peel_guest *g, uint16_t peer_flags)
{
	lock(g);
	peel_node_guest_flags(g->node, peer_flags);
	(void)unlock(g, 0);
}

int
peel_guest_set_exit_address(struct peel_guest *g, const struct peel_address *a)
{
	struct peel_address with_port = *a;
	struct peel_addr address;
	int rc;

	with_port.port = 1;
	rc = guest_address(&with_port, &address);
	if (rc != 0)
		return rc;
	address.port = 0;
	lock(g);
	rc = unlock(g, peel_node_guest_exit_address(g->node, &address));
	return rc == 0 ? 0
		       : error_format(rc, "exits cannot send from that address: %s",
				 strerrordesc_np(-rc));
}

/* ---- sending --------------------------------------------------------------------------------- */

int
peel_guest_send(struct peel_guest *g, const struct peel_address *to, const void *data, size_t len)
{
	struct peel_addr address;
	int rc = guest_address(to, &address);

	if (rc != 0)
		return rc;
	lock(g);
	return unlock(g, peel_node_guest_send(g->node, &address, data, len));
}

int
peel_guest_send_cell(
	struct peel_guest *g, const struct peel_address *to, const void *cell, size_t len)
{
	struct peel_addr address;
	int rc = guest_address(to, &address);

	if (rc != 0)
		return rc;
	lock(g);
	return unlock(g, peel_node_guest_send_cell(g->node, &address, cell, len));
}

/* ---- circuits -------------------------------------------------------------------------------- */

int
peel_guest_add_exit(struct peel_guest *g, uint32_t cid, const struct peel_address *previous,
	const struct peel_guest_keys *k)
{
	struct peel_session_keys keys;
	struct peel_addr address;
	int rc = guest_address(previous, &address);

	if (rc != 0)
		return rc;
	take_keys(k, &keys);
	rc = unlock(g, peel_gc_add_exit(lock(g), cid, &address, &keys));
	peel_wipe(&keys, sizeof(keys));
	return rc;
}

void
peel_guest_remove_exit(struct peel_guest *g, uint32_t cid)
{
	peel_gc_remove_exit(lock(g), cid);
	peel_node_unlock(g->node); /* a timer is due */
}

int
peel_guest_add_relay(struct peel_guest *g, uint32_t in_cid, const struct peel_guest_relay *r)
{
	struct peel_gc_relay relay = {
		.out_cid = r->out_cid, .backward = r->backward, .rendezvous = r->rendezvous};
	int rc = guest_address(&r->out, &relay.out);

	if (rc != 0)
		return rc;
	take_keys(&r->keys, &relay.keys);
	rc = unlock(g, peel_gc_add_relay(lock(g), in_cid, &relay));
	peel_wipe(&relay, sizeof(relay));
	return rc;
}

void
peel_guest_remove_relay(struct peel_guest *g, uint32_t in_cid)
{
	peel_gc_remove_relay(lock(g), in_cid);
	(void)unlock(g, 0);
}

int
peel_guest_set_circuit(struct peel_guest *g, uint32_t cid, const struct peel_guest_circuit *c)
{
	struct peel_gc_circuit circuit = {
		.type = c->type, .goal_hops = c->goal_hops, .n_hops = c->n_hops, .e2e = c->e2e};
	int rc = 0;

	_Static_assert(PEEL_ARRAY_LEN(circuit.hop) == PEEL_GUEST_HOPS_MAX, "hops have one limit");
	if (c->n_hops > PEEL_GUEST_HOPS_MAX)
		return error_format(-EINVAL, "%u hops: at most %u", c->n_hops, PEEL_GUEST_HOPS_MAX);
	if (c->type > PEEL_GUEST_RP_DOWNLOADER)
		return error_format(-EINVAL, "there is no type %u of circuits", c->type);
	if (c->n_hops > 0)
		rc = guest_address(&c->first, &circuit.first);
	if (rc != 0)
		return rc;
	for (unsigned int i = 0; i < c->n_hops; i++)
		take_keys(&c->hop[i], &circuit.hop[i]);
	if (c->e2e)
		take_keys(&c->end_to_end, &circuit.end_to_end);
	rc = peel_gc_set_circuit(lock(g), cid, &circuit);
	guest_proxy_set(g->proxy, cid, &circuit, c->exit_flags);
	rc = unlock(g, rc);
	peel_wipe(&circuit, sizeof(circuit));
	return rc;
}

void
peel_guest_remove_circuit(struct peel_guest *g, uint32_t cid)
{
	lock(g);
	guest_proxy_remove(g->proxy, cid);
	peel_gc_remove_circuit(peel_node_guest(g->node), cid);
	(void)unlock(g, 0);
}

/* ---- counts ---------------------------------------------------------------------------------- */

int
peel_guest_get_stats(
	struct peel_guest *g, enum peel_guest_kind kind, uint32_t cid, struct peel_guest_stats *out)
{
	static const enum peel_gc_kind kinds[] = {
		[PEEL_GUEST_CIRCUIT] = PEEL_GC_CIRCUIT,
		[PEEL_GUEST_RELAY] = PEEL_GC_RELAY,
		[PEEL_GUEST_EXIT] = PEEL_GC_EXIT,
	};
	struct peel_gc_stats stats;
	int rc;

	if ((unsigned int)kind >= PEEL_ARRAY_LEN(kinds))
		return error_no_circuit();
	rc = unlock(g, peel_gc_stats(lock(g), kinds[kind], cid, &stats));
	if (rc == 0)
		*out = (struct peel_guest_stats){.bytes_up = stats.up,
			.bytes_down = stats.down,
			.idle_ms = stats.idle_ms,
			.enabled = stats.enabled};
	return rc;
}

static struct peel_guest_message_stats
message_stats(const struct peel_guest_count *c)
{
	return (struct peel_guest_message_stats){.num_up = c->num_up,
		.bytes_up = c->bytes_up,
		.num_down = c->num_down,
		.bytes_down = c->bytes_down};
}

int
peel_guest_message_stats(struct peel_guest *g, const uint8_t prefix[PEEL_PREFIX_BYTES],
	struct peel_guest_message_stats out[256])
{
	struct peel_guest_count count[256];
	int rc;

	lock(g);
	rc = peel_node_guest_counts(g->node, prefix, count);
	(void)unlock(g, 0);
	for (unsigned int id = 0; id < PEEL_ARRAY_LEN(count); id++)
		out[id] = message_stats(&count[id]);
	return rc == 0 ? 0 : error_text(rc, "no overlay with this prefix was named");
}

void
peel_guest_totals(struct peel_guest *g, struct peel_guest_message_stats *out)
{
	struct peel_guest_count count;

	lock(g);
	peel_node_guest_totals(g->node, &count);
	(void)unlock(g, 0);
	*out = message_stats(&count);
}
