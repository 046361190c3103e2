/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Punctures: on behalf of a third node we send a datagram to a walker, so that our NAT lets the
 * walker in. The request is neither signed nor solicited, hence the limits: a node that has not
 * answered us yet gets one in 10 s.
 */
#include "overlay_internal.h"

static void
send_puncture(struct peel_overlay *ov, const uint8_t *prefix, bool new_style,
	const struct peel_addr *walker, const struct peel_puncture_request *request)
{
	uint8_t buffer[512];
	struct peel_puncture m = {
		.src_lan = ov->conf.lan,
		.src_wan = request->wan_walker, /* as in the reference implementation; nobody reads
						   it */
		.identifier = request->identifier,
	};
	struct peel_writer w =
		overlay_begin(ov, prefix, new_style ? PEEL_MSG_PUNCTURE_NEW : PEEL_MSG_PUNCTURE,
			++ov->clock, buffer, sizeof(buffer));

	peel_puncture_write(&w, new_style, &m);
	overlay_send_signed(ov, walker, &w);
	peel_stats_add(ov->conf.stats, PEEL_PUNCTURES_SENT, 1);
}

/*
 * A node on the Internet has no business with our local network, whatever source address a datagram
 * claims; but a peer may introduce a neighbour of ours. Among nodes in one local network everything
 * is local.
 */
static bool
may_be_local(const struct peel_overlay *ov, const struct peel_addr *from,
	const struct peel_addr *walker, bool same_nat)
{
	if (same_nat)
		return ov->conf.lan.port != 0 && overlay_addr_neighbours(walker, &ov->conf.lan);
	return peel_addr_is_local(from) && overlay_in_local_network(ov) &&
	       (peel_addr_is_loopback(from) || !peel_addr_is_loopback(walker));
}

int
overlay_puncture_request(struct peel_overlay *ov, bool proved, const struct peel_addr *from,
	const uint8_t *data, size_t len)
{
	struct peel_puncture_request m;

	if (peel_puncture_request_parse(data, len, &m) != 0)
		return overlay_malformed(ov);
	bool same_nat = ov->public_address.family != PEEL_FAMILY_NONE &&
			peel_addr_same_ip(&m.wan_walker, &ov->public_address) &&
			!peel_addr_is_local(&ov->public_address);
	const struct peel_addr *walker = same_nat ? &m.lan_walker : &m.wan_walker;

	if (!peel_addr_usable(walker) || overlay_is_self(ov, walker) || (same_nat && !proved) ||
		(peel_addr_is_local(walker) && !may_be_local(ov, from, walker, same_nat)))
		return 0;
	if (!overlay_may_puncture(ov, from, proved)) {
		peel_stats_add(ov->conf.stats, PEEL_CONTROL_RATE, 1);
		return 0;
	}
	if (overlay_puncture_due(ov, walker))
		send_puncture(ov, data, data[PEEL_PREFIX_LEN] == PEEL_MSG_PUNCTURE_REQUEST_NEW,
			walker, &m);
	return 0;
}

void
overlay_puncture_ask(struct peel_overlay *ov, const uint8_t *prefix, bool new_style,
	const struct peel_addr *to, const struct peel_puncture_request *m)
{
	uint8_t buffer[128];
	struct peel_writer w = peel_writer_init(buffer, sizeof(buffer));

	peel_unsigned_begin(&w, prefix,
		new_style ? PEEL_MSG_PUNCTURE_REQUEST_NEW : PEEL_MSG_PUNCTURE_REQUEST, ++ov->clock);
	peel_puncture_request_write(&w, new_style, m);
	overlay_send_unsigned(ov, to, &w);
}
