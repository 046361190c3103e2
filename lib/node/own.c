/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What exits let out, and the addresses of this node itself, which they refuse.
 */
#include "node.h"

static bool
is_loopback(const struct peel_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->family == PEEL_FAMILY_IPV4 ? a->ip[0] == 127
					     : memcmp(a->ip, one, sizeof(one)) == 0;
}

static void
add_own(struct peel_policy *policy, const struct peel_addr *a)
{
	static const uint8_t any[16];

	/* Loopback has a switch of its own; "any" names no address. */
	if (a->family == PEEL_FAMILY_NONE || is_loopback(a) || memcmp(a->ip, any, sizeof(any)) == 0)
		return;
	for (unsigned int i = 0; i < policy->n_own; i++) {
		if (peel_addr_same_ip(&policy->own[i].addr, a))
			return;
	}
	if (policy->n_own == PEEL_POLICY_DENY_MAX) {
		char text[PEEL_ADDR_TEXT_MAX];

		peel_log(PEEL_LOG_WARNING,
			"more than %d own addresses: exits would reach %s; name it in [exit] deny",
			PEEL_POLICY_DENY_MAX, peel_addr_text(a, text));
		return;
	}
	policy->own[policy->n_own++] = (struct peel_network){
		.addr = *a, .prefix_len = a->family == PEEL_FAMILY_IPV4 ? 32 : 128};
}

/* A port that listens everywhere, or sends exit traffic from wherever the kernel likes, has all addresses of the
 * machine: services that a firewall hides from outside would be open to exits. */
static void
add_interfaces(struct peel_node *node)
{
	struct peel_policy *policy = &node->conf.policy;
	uv_interface_address_t *list;
	int n;

	if (policy->allow_own || uv_interface_addresses(&list, &n) != 0)
		return;
	for (int i = 0; i < n; i++) {
		struct sockaddr_storage ss = {0};
		struct peel_addr a;

		memcpy(&ss, &list[i].address, sizeof(list[i].address));
		if (peel_addr_from_sockaddr(&ss, &a) != 0 ||
			!node->conf.port->is_own(node->port, &a))
			continue;
		a.port = 1; /* any but 0: may exits go there otherwise? */
		if (peel_policy_destination(policy, &a))
			add_own(policy, &a);
	}
	uv_free_interface_addresses(list, n);
}

bool
node_is_this_machine(const struct peel_addr *a)
{
	uv_interface_address_t *list;
	bool found = false;
	int n;

	if (is_loopback(a) || uv_interface_addresses(&list, &n) != 0)
		return false;
	for (int i = 0; i < n && !found; i++) {
		struct sockaddr_storage ss = {0};
		struct peel_addr own;

		memcpy(&ss, &list[i].address, sizeof(list[i].address));
		found = peel_addr_from_sockaddr(&ss, &own) == 0 && peel_addr_same_ip(&own, a);
	}
	uv_free_interface_addresses(list, n);
	return found;
}

void
node_policy_init(struct peel_node *node)
{
	struct peel_policy *policy = &node->conf.policy;

	policy->flags = node->conf.tunnel.peer_flags;
	memcpy(policy->prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], PEEL_PREFIX_LEN);
	policy->n_own = 0;
	add_own(policy, &node->local);
	add_own(policy, &node->conf.public_address);
	add_own(policy, &node->conf.port_conf.exit_ipv4);
	add_own(policy, &node->conf.port_conf.exit_ipv6);
	add_own(policy, &node->conf.port_conf.address6);
	add_interfaces(node);
}
