/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Bans (lib/ban) in the parts of a node: workers drop, the control thread sends nothing, peers are
 * forgotten, circuits end.
 */
#include "document.h"
#include "parts.h"
#include "status.h"

static void
free_set(void *arg, uint64_t value)
{
	(void)value;
	peel_addr_set_free(arg);
}

static void
cb_publish(void *arg, const struct peel_addr_set *now, struct peel_addr_set *before)
{
	struct peel_node *node = arg;

	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		if (node->worker[i].worker != NULL)
			peel_worker_set_banned(node->worker[i].worker, now);
	}
	/* Without memory for that it is never freed: workers may still read it. */
	if (before != NULL)
		(void)!peel_rcu_defer(node->rcu, free_set, before, 0);
}

int
node_start_bans(struct peel_node *node)
{
	return peel_bans_new(
		&(struct peel_bans_conf){.env = node->env, .publish = cb_publish, .arg = node},
		&node->bans);
}

void
node_stop_bans(struct peel_node *node)
{
	peel_bans_free(node->bans);
}

bool
node_banned(void *arg, const struct peel_addr *addr, const uint8_t *pk)
{
	const struct peel_node *node = arg;

	return peel_bans_has(node->bans, addr, pk);
}

static void
log_change(const struct peel_node *node, const struct peel_ban *ban, const char *what)
{
	char text[PEEL_BAN_TEXT_MAX];
	struct peel_bans_count n;

	/* An address may be a user's, so only the debug log has it. */
	peel_bans_count(node->bans, &n);
	peel_log(PEEL_LOG_INFO, "a %s is %s (now banned: %u networks, %u keys)",
		ban->is_key ? "key" : "network", what, n.networks, n.keys);
	peel_log(PEEL_LOG_DEBUG, "%s: %s", what, peel_ban_text(ban, text));
}

int
peel_node_ban(struct peel_node *node, const struct peel_ban *ban)
{
	int rc = peel_bans_add(node->bans, ban);

	if (rc != 0)
		return rc;
	peel_overlay_banned(node->overlay);
	peel_or_banned(node->or_circuits);
	if (node->origin_circuits != NULL)
		peel_origin_banned(node->origin_circuits);
	log_change(node, ban, "banned");
	return 0;
}

int
peel_node_unban(struct peel_node *node, const struct peel_ban *ban)
{
	int rc = peel_bans_remove(node->bans, ban);

	if (rc == 0)
		log_change(node, ban, "no longer banned");
	return rc;
}

const struct peel_bans *
peel_node_bans(const struct peel_node *node)
{
	return node->bans;
}

uint64_t
peel_node_now(const struct peel_node *node)
{
	return peel_now_ms(node->env);
}

json_t *
node_bans_status(const struct peel_node *node)
{
	struct peel_bans_count n;

	peel_bans_count(node->bans, &n);
	return OBJECT({"networks", number(n.networks)}, {"keys", number(n.keys)});
}
