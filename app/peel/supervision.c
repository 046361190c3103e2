/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <inttypes.h>
#include <time.h>

#include "notify.h"
#include "peel_internal.h"
#include "supervision.h"

#define STATUS_MS 5000
/* Drains ask for more time again and again, so that one that hangs ends soon. */
#define EXTENSION_MS 20000

/* A third of what the watchdog allows, so that one message may be late. */
static uint64_t
period(void)
{
	uint64_t third = notify_watchdog_ms() / 3;

	return third > 0 && third < STATUS_MS ? third : STATUS_MS;
}

/* Logged once when it begins and when it ends. */
static bool
all_move(struct session *s)
{
	uint64_t limit = notify_watchdog_ms() / 2;
	unsigned int first = 0, n = peel_node_stalled(peel_get_node(s->peel), limit, &first);

	if (n > 0 && !s->stalled)
		peel_log(PEEL_LOG_ERROR,
			"%u of %u workers, worker %u for one, have not moved for %" PRIu64
			" ms: the watchdog is no longer fed",
			n, s->conf.node.n_workers, first, limit);
	else if (n == 0 && s->stalled)
		peel_log(PEEL_LOG_INFO, "all workers move again");
	s->stalled = n > 0;
	return n == 0;
}

static void
send_status(struct session *s)
{
	char text[256];

	notify_send("STATUS=%s", peel_node_summary(peel_get_node(s->peel), text, sizeof(text)));
}

static void
on_timer(uv_timer_t *timer)
{
	struct session *s = timer->data;

	peel_node_lock(peel_get_node(s->peel));
	send_status(s);
	if (notify_watchdog_ms() > 0 && all_move(s))
		notify_send("WATCHDOG=1");
	if (peel_node_draining(peel_get_node(s->peel)))
		notify_send("EXTEND_TIMEOUT_USEC=%d", EXTENSION_MS * 1000);
	peel_node_unlock_unchanged(peel_get_node(s->peel));
}

void
supervision_start(struct session *s)
{
	uv_timer_init(&s->loop, &s->supervision);
	s->supervision.data = s;
}

void
supervision_ready(struct session *s)
{
	notify_send("READY=1");
	if (!notify_wanted())
		return;
	send_status(s);
	uv_timer_start(&s->supervision, on_timer, period(), period());
}

void
supervision_reloading(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

void
supervision_draining(struct session *s)
{
	notify_send("EXTEND_TIMEOUT_USEC=%d", EXTENSION_MS * 1000);
	send_status(s);
}

void
supervision_stopping(void)
{
	notify_send("STOPPING=1\nSTATUS=stopping");
}
