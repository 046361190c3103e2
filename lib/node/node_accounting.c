/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Accounting: what was sent and received in a day, week or month, kept over a restart; and what
 * follows when a limit is reached. The soft one lets circuits end, the other lets nothing pass
 * until the next period. Bytes are those of the counters, with the headers of each datagram.
 */
#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "parts.h"
#include "status.h"

#define LOOK_MS 1000
#define SAVE_MS 60000
#define PLACES 2	/* written in turn: whatever interrupts a write, the other is whole */
#define HEADER_BYTES 28 /* of IPv4 and UDP */
#define IPV6_BYTES 20	/* by which those of IPv6 are longer */

static const struct peel_accounting_settings *
settings(const struct peel_node *node)
{
	return &node->conf.accounting;
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool
load(struct peel_node *node)
{
	struct peel_accounting *a = &node->accounting.now, found;
	uint8_t record[PEEL_ACCOUNTING_RECORD];
	bool any = false;

	for (off_t i = 0; i < PLACES; i++) {
		ssize_t n = pread(
			node->accounting.fd, record, sizeof(record), i * PEEL_ACCOUNTING_RECORD);

		any |= n > 0;
		if (n <= 0 || peel_accounting_load(record, (size_t)n, &found) != 0 ||
			found.sequence <= a->sequence)
			continue;
		*a = found;
	}
	return a->sequence > 0 || !any;
}

static void
save(struct peel_node *node)
{
	uint8_t record[PEEL_ACCOUNTING_RECORD];

	if (node->accounting.fd < 0)
		return;
	peel_accounting_save(&node->accounting.now, record);
	if (pwrite(node->accounting.fd, record, sizeof(record),
		    (off_t)(node->accounting.now.sequence % PLACES) * PEEL_ACCOUNTING_RECORD) ==
		(ssize_t)sizeof(record))
		return;
	peel_log(PEEL_LOG_WARNING,
		"[accounting] state: cannot write %s: what is used is forgotten at a "
		"restart",
		node->conf.accounting_state);
	close(node->accounting.fd); /* once is enough */
	node->accounting.fd = -1;
}

static void
open_state(struct peel_node *node)
{
	const char *path = node->conf.accounting_state;

	node->accounting.fd = -1;
	if (path[0] == '\0')
		return;
	node->accounting.fd = node_state_open(path);
	if (node->accounting.fd < 0)
		peel_log(PEEL_LOG_WARNING, "[accounting] state: cannot use %s: %s%s", path,
			strerror(-node->accounting.fd),
			node->accounting.fd == -ENOENT ? " (its folder must exist)" : "");
	else if (!load(node))
		peel_log(PEEL_LOG_WARNING,
			"[accounting] state: %s is damaged: this period begins with nothing used",
			path);
}

/* ---- what follows ---------------------------------------------------------------------------- */

static const char *
stage_name(enum peel_accounting_stage stage)
{
	static const char *const names[] = {[PEEL_ACCOUNTING_OPEN] = "open",
		[PEEL_ACCOUNTING_SOFT] = "soft",
		[PEEL_ACCOUNTING_CLOSED] = "closed"};

	return names[stage];
}

#define UNTIL_MAX 32

/* When the period ends. */
static const char *
until_text(const struct peel_node *node, char out[UNTIL_MAX])
{
	time_t end = (time_t)node->accounting.now.end_s;
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&end, &tm) != NULL)
		strftime(out, UNTIL_MAX, "%Y-%m-%d %H:%M UTC", &tm);
	return out;
}

const char *
node_accounting_text(const struct peel_node *node, char *out, size_t size)
{
	const struct peel_accounting_settings *s = settings(node);
	static const char *const reached[] = {[PEEL_ACCOUNTING_OPEN] = "",
		[PEEL_ACCOUNTING_SOFT] = ", soft limit reached",
		[PEEL_ACCOUNTING_CLOSED] = ", limit reached"};
	uint64_t limit = s->limit != 0 ? s->limit : s->soft_limit;
	char until[UNTIL_MAX];

	out[0] = '\0';
	if (limit != 0)
		snprintf(out, size, "; accounting: %" PRIu64 " of %" PRIu64 " MiB used until %s%s",
			peel_accounting_used(&node->accounting.now, s) >> 20, limit >> 20,
			until_text(node, until), reached[node->accounting.stage]);
	return out;
}

static void
tell(const struct peel_node *node, enum peel_accounting_stage stage)
{
	uint64_t used = peel_accounting_used(&node->accounting.now, settings(node));
	char until[UNTIL_MAX];

	until_text(node, until);
	if (stage == PEEL_ACCOUNTING_CLOSED)
		peel_log(PEEL_LOG_WARNING,
			"accounting: the limit is reached (%" PRIu64
			" MiB used): nothing passes until %s",
			used >> 20, until);
	else if (stage == PEEL_ACCOUNTING_SOFT)
		peel_log(PEEL_LOG_WARNING,
			"accounting: the soft limit is reached (%" PRIu64
			" MiB used): no new circuits until %s",
			used >> 20, until);
	else
		peel_log(PEEL_LOG_INFO,
			"accounting: circuits are welcome again, until %s or a limit", until);
}

static void
follow(struct peel_node *node)
{
	enum peel_accounting_stage stage =
		peel_accounting_stage(&node->accounting.now, settings(node));

	if (stage == node->accounting.stage)
		return;
	node->accounting.stage = stage;
	for (unsigned int i = 0; i < node->conf.n_workers; i++)
		peel_worker_close(node->worker[i].worker, stage == PEEL_ACCOUNTING_CLOSED);
	node_announce(node);
	tell(node, stage);
	save(node);
}

/* What the counters have gained since the last look. */
static void
count(struct peel_node *node)
{
	uint64_t received = node_counter(node, PEEL_RX_BYTES) +
			    HEADER_BYTES * node_counter(node, PEEL_RX_DATAGRAMS) +
			    IPV6_BYTES * node_counter(node, PEEL_RX_IPV6) +
			    node_counter(node, PEEL_HTTP_RX_BYTES);
	uint64_t sent = node_counter(node, PEEL_TX_BYTES) +
			HEADER_BYTES * node_counter(node, PEEL_TX_DATAGRAMS) +
			IPV6_BYTES * node_counter(node, PEEL_TX_IPV6) +
			node_counter(node, PEEL_HTTP_TX_BYTES);

	node->accounting.now.received += received - node->accounting.received;
	node->accounting.now.sent += sent - node->accounting.sent;
	node->accounting.received = received;
	node->accounting.sent = sent;
}

static bool
wanted(const struct peel_node *node)
{
	return settings(node)->limit != 0 || settings(node)->soft_limit != 0 ||
	       node->conf.accounting_state[0] != '\0';
}

void
node_accounting_look(struct peel_node *node)
{
	count(node);
	if (peel_accounting_turn(&node->accounting.now, settings(node), (int64_t)time(NULL)))
		save(node);
	follow(node);
}

uint64_t
node_accounting_tick(struct peel_node *node)
{
	uint64_t now = peel_now_ms(node->env);

	if (now < node->accounting.look_ms)
		return node->accounting.look_ms - now;
	node->accounting.look_ms = now + LOOK_MS;
	node_accounting_look(node);
	if (now >= node->accounting.save_ms) {
		node->accounting.save_ms = now + SAVE_MS;
		save(node);
	}
	return LOOK_MS;
}

bool
node_closes(const struct peel_node *node)
{
	return node->drain.on || node->accounting.stage != PEEL_ACCOUNTING_OPEN;
}

/* ---- life ------------------------------------------------------------------------------------ */

int
node_start_accounting(struct peel_node *node)
{
	open_state(node);
	node_accounting_look(node);
	return 0;
}

void
node_stop_accounting(struct peel_node *node)
{
	count(node);
	save(node);
	if (node->accounting.fd >= 0)
		close(node->accounting.fd);
	node->accounting.fd = -1;
}

json_t *
node_accounting_status(const struct peel_node *node)
{
	const struct peel_accounting *a = &node->accounting.now;
	const struct peel_accounting_settings *s = settings(node);

	if (!wanted(node))
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "stage",
		stage_name(node->accounting.stage), "begin", (json_int_t)a->begin_s, "end",
		(json_int_t)a->end_s, "received", (json_int_t)a->received, "sent",
		(json_int_t)a->sent, "used", (json_int_t)peel_accounting_used(a, s), "limit",
		(json_int_t)s->limit, "soft_limit", (json_int_t)s->soft_limit, "kept",
		node->accounting.fd >= 0);
}
