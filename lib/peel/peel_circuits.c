/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Pools of circuits, single circuits, data; and what is told about the node.
 */
#include <errno.h>

#include "handle.h"

_Static_assert((int)PEEL_CIRCUIT_EXTENDING == (int)PEEL_ORIGIN_EXTENDING &&
		       (int)PEEL_CIRCUIT_READY == (int)PEEL_ORIGIN_READY &&
		       (int)PEEL_CIRCUIT_CLOSING == (int)PEEL_ORIGIN_CLOSING,
	"states are the same");
_Static_assert(sizeof(peel_circuit) == sizeof(peel_origin_id), "circuits have one name");

_Static_assert((int)PEEL_MISSING_RELAYS == (int)PEEL_ORIGIN_LACK_RELAYS &&
		       (int)PEEL_MISSING_EXIT == (int)PEEL_ORIGIN_LACK_EXIT &&
		       (int)PEEL_MISSING_NETWORKS == (int)PEEL_ORIGIN_LACK_NETWORKS &&
		       (int)PEEL_MISSING_ANSWERS == (int)PEEL_ORIGIN_LACK_ANSWERS,
	"what is missing is the same");

int
peel_build_tunnels(struct peel *p, unsigned int hops)
{
	int rc;

	peel_node_lock(p->node);
	rc = peel_origin_build(peel_node_origin(p->node), hops);
	peel_node_unlock(p->node);
	if (rc == -EINVAL)
		return error_format(rc,
			"a circuit has 1 to %d hops, and no more than max_relay_early, not %u",
			PEEL_HOPS_LIMIT, hops);
	return rc == 0 ? 0 : error_text(rc, NULL);
}

static int
not_asked_for(int rc, unsigned int hops)
{
	return error_format(rc, "circuits of %u hops were not asked for", hops);
}

int
peel_stop_tunnels(struct peel *p, unsigned int hops)
{
	int rc;

	peel_node_lock(p->node);
	rc = peel_origin_stop(peel_node_origin(p->node), hops);
	peel_node_unlock(p->node);
	return rc == 0 ? 0 : not_asked_for(rc, hops);
}

size_t
peel_active_data_circuits_of(struct peel *p, unsigned int hops, peel_circuit *out, size_t n)
{
	size_t have;

	peel_node_lock(p->node);
	have = peel_origin_active(peel_node_origin(p->node), hops, out, n);
	peel_node_unlock_unchanged(p->node);
	return have;
}

size_t
peel_active_data_circuits(struct peel *p, peel_circuit *out, size_t n)
{
	return peel_active_data_circuits_of(p, 0, out, n);
}

double
peel_tunnels_ready(struct peel *p, unsigned int hops)
{
	double quotient;

	peel_node_lock(p->node);
	quotient = peel_origin_quotient(peel_node_origin(p->node), hops);
	peel_node_unlock_unchanged(p->node);
	return quotient;
}

int
peel_tunnels_missing(struct peel *p, unsigned int hops, char *text, size_t size)
{
	struct peel_origin_pool pool;
	int rc;

	peel_node_lock(p->node);
	rc = peel_origin_pool(peel_node_origin(p->node), hops, &pool);
	peel_node_unlock_unchanged(p->node);
	if (rc != 0)
		return not_asked_for(rc, hops);
	peel_origin_lack_text(&pool, text, size);
	return (int)pool.lack;
}

int
peel_close_circuit(struct peel *p, peel_circuit circuit)
{
	int rc;

	peel_node_lock(p->node);
	rc = peel_origin_close(peel_node_origin(p->node), circuit);
	peel_node_unlock(p->node);
	sticky_forget(p->sticky, circuit);
	return rc == 0 ? 0 : error_no_circuit();
}

static int
look_at(struct peel *p, peel_circuit circuit, struct peel_origin_info *out)
{
	int rc;

	peel_node_lock(p->node);
	rc = peel_origin_info(peel_node_origin(p->node), circuit, out);
	peel_node_unlock_unchanged(p->node);
	return rc == 0 ? 0 : error_no_circuit();
}

int
peel_circuit_info(struct peel *p, peel_circuit circuit, struct peel_circuit_info *out)
{
	struct peel_origin_info info;
	int rc = look_at(p, circuit, &info);

	memset(out, 0, sizeof(*out));
	if (rc != 0)
		return rc;
	out->state = (enum peel_circuit_state)info.state;
	out->circuit_id = info.cid;
	out->goal = info.goal;
	out->hops = info.hops;
	for (unsigned int i = 0; i < info.hops && i < PEEL_HOPS_LIMIT; i++) {
		memcpy(out->hop[i].key, info.hop[i].pk, sizeof(out->hop[i].key));
		peel_address_from_addr(&info.hop[i].addr, &out->hop[i].address);
	}
	out->age_ms = info.age_ms;
	out->idle_ms = info.idle_ms;
	out->bytes_up = info.bytes_up;
	out->bytes_down = info.bytes_down;
	out->rtt_ms = info.rtt_ms;
	return 0;
}

int
peel_exit_flags(struct peel *p, peel_circuit circuit, uint16_t *out)
{
	struct peel_origin_info info;
	int rc = look_at(p, circuit, &info);

	if (rc == 0)
		*out = info.exit_flags;
	return rc;
}

int
peel_begin_circuit(struct peel *p, unsigned int hops, peel_circuit *circuit)
{
	const struct peel_origin_spec spec = {.type = PEEL_ORIGIN_DATA, .hops = hops};
	struct peel_origin_info info;
	struct peel_origin_circuits *t = peel_node_origin(p->node);
	int rc = -EALREADY;

	peel_node_lock(p->node);
	if (peel_origin_info(t, *circuit, &info) != 0 || info.state != PEEL_ORIGIN_EXTENDING)
		rc = peel_origin_create(t, &spec, circuit);
	peel_node_unlock(p->node);
	return rc;
}

/* ---- data ------------------------------------------------------------------------------------ */

static int
send_error(int rc)
{
	switch (rc) {
	case -EAGAIN:
		return error_text(rc, "more is queued than can be sent: try later");
	case -EMSGSIZE:
		return error_text(rc, "the payload is too long for a circuit of that many hops");
	default:
		return error_text(rc, NULL);
	}
}

static int
send_to_peer(struct peel *p, const struct peel_address *peer, const void *payload, size_t len)
{
	peel_circuit circuit = peers_circuit(p->peers, peer);
	int rc = circuit == 0 ? -ENOENT : peel_node_send_peer(p->node, circuit, payload, len);

	if (rc == -ENOENT || rc == -ENOTCONN)
		return error_text(-ENOENT, "there is no such peer (any more)");
	return rc == 0 ? 0 : send_error(rc);
}

int
peel_tunnel_data(struct peel *p, peel_circuit circuit, const struct peel_address *destination,
	enum peel_message_type type, const void *payload, size_t len)
{
	struct peel_host host;
	int rc;

	if (type != PEEL_DATA)
		return error_text(-EINVAL, "the message type is not PEEL_DATA");
	if (len > PEEL_PAYLOAD_MAX)
		return error_text(-EMSGSIZE, "the payload is longer than PEEL_PAYLOAD_MAX");
	rc = address_to_host(destination, &host);
	if (rc != 0)
		return rc;
	if (peers_own(destination))
		return send_to_peer(p, destination, payload, len);
	rc = peel_node_send_data(p->node, circuit, &host, payload, len);
	switch (rc) {
	case 0:
		return 0;
	case -ENOENT:
		sticky_forget(p->sticky, circuit);
		return error_no_circuit();
	case -ENOTCONN: /* a destination got it while it was ready, so it is closing now */
		sticky_forget(p->sticky, circuit);
		return error_text(
			rc, "the circuit is not complete yet, closing, or of a hidden service");
	default:
		return send_error(rc);
	}
}

/* ---- the node -------------------------------------------------------------------------------- */

void
peel_local_address(const struct peel *p, struct peel_address *out)
{
	struct peel_addr local;

	peel_node_local(p->node, &local);
	peel_address_from_addr(&local, out);
}

int
peel_add_bootstrap(struct peel *p, const char *host_port)
{
	int rc;

	peel_node_lock(p->node);
	rc = peel_node_add_bootstrap(p->node, host_port);
	peel_node_unlock(p->node);
	return rc == 0 ? 0 : error_format(rc, "\"%.128s\" is not a server and a port", host_port);
}

char *
peel_status(struct peel *p)
{
	char *text;

	peel_node_lock(p->node);
	text = peel_node_status(p->node, true);
	peel_node_unlock_unchanged(p->node);
	return text;
}
