/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The control thread's event loop: it sleeps until a worker has mail, a timer is due or somebody
 * asks for the status.
 */
#include <errno.h>
#include <poll.h>

#include "status.h"

#define TICK_MAX_MS 500
#define TICK_MIN_MS 5
#define WATCH_MS 1000 /* between two checks of the port */
#define NAP_NS 500000

static uint64_t
min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Check the port: the device or interface under it may change. */
static uint64_t
watch_port(struct peel_node *node)
{
	uint64_t now = peel_now_ms(node->env);
	char why[256] = "";

	if (node->conf.port->watch == NULL || node->failure != 0)
		return TICK_MAX_MS;
	if (now < node->next_watch_ms)
		return node->next_watch_ms - now;
	node->next_watch_ms = now + WATCH_MS;
	node->failure = node->conf.port->watch(node->port, why, sizeof(why));
	if (node->failure != 0)
		peel_log(PEEL_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-node->failure));
	return WATCH_MS;
}

static void on_timer(uv_timer_t *timer);

static void
set_timer(struct peel_node *node, uint64_t ms)
{
	uv_timer_start(&node->tick, on_timer, ms, 0);
	node->tick_due_ns = uv_hrtime() + ms * 1000000;
}

/* The timer counts from the start of the loop's round, so it may be a little early. */
static void
note_delay(struct peel_node *node)
{
	uint64_t now = uv_hrtime(), due = node->tick_due_ns;

	peel_histogram_add(&node->status.tick_delay, now > due ? now - due : 0, 1);
}

static uint64_t
tick_control_plane(struct peel_node *node)
{
	uint64_t next = peel_overlay_tick(node->overlay);

	next = min_u64(next, peel_pex_tick(node->pex));
	next = min_u64(next, peel_dht_tick(node->dht));
	next = min_u64(next, node_dht_state_tick(node));
	next = min_u64(next, peel_providers_tick(node->providers));
	next = min_u64(next, peel_or_tick(node->or_circuits));
	next = min_u64(next, peel_hidden_tick(node->hidden));
	if (node->origin_circuits != NULL) {
		next = min_u64(next, peel_origin_tick(node->origin_circuits));
		next = min_u64(next, peel_swarms_tick(node->swarms));
		node_origin_report(node);
	}
	next = min_u64(next, peel_bootstrap_tick(node->bootstrap));
	next = min_u64(next, node_drain_tick(node));
	next = min_u64(next, node_accounting_tick(node));
	return min_u64(next, node_heartbeat_tick(node));
}

static void
tick(struct peel_node *node)
{
	uint64_t next = TICK_MAX_MS;

	next = min_u64(
		next, node->guest != NULL ? node_guest_tick(node) : tick_control_plane(node));
	next = min_u64(next, peel_http_serve_tick(node->http_serve));
	next = min_u64(next, peel_http_ask_next(node->http_ask));
	next = min_u64(next, watch_port(node));
	next = min_u64(next, peel_own_addresses_tick(node->own_addresses));
	next = min_u64(next, peel_bans_tick(node->bans));
	peel_rcu_poll(node->rcu);
	next = min_u64(next, node_rates_tick(node));
	node_stages_tick(node);
	node_wake_workers(node);
	set_timer(node, next < TICK_MIN_MS ? TICK_MIN_MS : next);
}

static void
on_timer(uv_timer_t *timer)
{
	struct peel_node *node = timer->data;

	note_delay(node);
	tick(node);
}

/* What came may complete a circuit of a service, and the other end waits for the next step. */
static void
swarms_next_step(struct peel_node *node)
{
	uint64_t next;

	if (node->swarms == NULL)
		return;
	next = peel_swarms_tick(node->swarms);
	node_wake_workers(node);
	if (next < uv_timer_get_due_in(&node->tick))
		set_timer(node, next);
}

static void
on_wake(uv_async_t *async)
{
	struct peel_node *node = async->data;

	/* A full node gets room again as soon as workers let go of ended circuits, not only at the
	 * next tick. */
	peel_rcu_poll(node->rcu);
	/* One round, then back to the loop: timers and the management socket get their turn even in
	 * a flood. */
	if (node_dispatch(node) || (node->guest == NULL && peel_or_prepare(node->or_circuits)))
		uv_async_send(async);
	swarms_next_step(node);
}

static void
on_nudge(uv_async_t *async)
{
	tick(async->data);
}

int
node_loop_init(struct peel_node *node)
{
	int rc = uv_loop_init(&node->loop);

	if (rc != 0)
		return rc;
	uv_async_init(&node->loop, &node->wake, on_wake);
	uv_async_init(&node->loop, &node->nudge, on_nudge);
	uv_timer_init(&node->loop, &node->tick);
	node->wake.data = node->nudge.data = node->tick.data = node;
	set_timer(node, 1);
	return 0;
}

/* ---- running it ------------------------------------------------------------------------------ */

int
peel_node_fd(const struct peel_node *node)
{
	return uv_backend_fd(&node->loop);
}

/* Call it with the lock held. */
static int
timeout_of(const struct peel_node *node)
{
	return node->origin.undelivered ? 0 : uv_backend_timeout(&node->loop);
}

int
peel_node_timeout(struct peel_node *node)
{
	int ms;

	pthread_mutex_lock(&node->lock);
	uv_update_time(&node->loop);
	ms = timeout_of(node);
	pthread_mutex_unlock(&node->lock);
	return ms;
}

/*
 * To wake this thread costs a worker a system call and an interrupt of another CPU, as much as tens
 * of cells. So where mail comes often this thread looks by itself: after a round with mail it
 * sleeps only for moments, and workers need not wake it.
 */
static void
nap(struct peel_node *node, struct pollfd *fd)
{
	const struct timespec moment = {.tv_nsec = NAP_NS};

	__atomic_store_n(&node->napping, true, __ATOMIC_RELAXED);
	ppoll(fd, 1, &moment, NULL);
	__atomic_store_n(&node->napping, false, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the one in cb_wake_control() */
}

/* The loop's own wait would hold the lock. So wait here, and let the loop only do what is due. */
void
peel_node_poll(struct peel_node *node, int timeout_ms)
{
	struct pollfd fd = {.fd = uv_backend_fd(&node->loop), .events = POLLIN};
	int due = peel_node_timeout(node);
	bool napped = false;

	if (timeout_ms < 0 || (due >= 0 && due < timeout_ms))
		timeout_ms = due;
	if (timeout_ms != 0 && node->naps > 0) {
		node->naps--;
		nap(node, &fd);
		napped = true;
	} else if (timeout_ms != 0) {
		poll(&fd, 1, timeout_ms);
	}
	pthread_mutex_lock(&node->lock);
	if (napped)
		on_wake(&node->wake);
	uv_run(&node->loop, UV_RUN_NOWAIT);
	pthread_mutex_unlock(&node->lock);
	bool more = node_deliver(node);

	pthread_mutex_lock(&node->lock); /* peel_node_timeout also serves other threads */
	node->origin.undelivered = more;
	pthread_mutex_unlock(&node->lock);
}

void
peel_node_lock(struct peel_node *node)
{
	pthread_mutex_lock(&node->lock);
}

void
peel_node_unlock(struct peel_node *node)
{
	node_wake_workers(node);
	uv_async_send(&node->nudge);
	pthread_mutex_unlock(&node->lock);
}

void
peel_node_unlock_unchanged(struct peel_node *node)
{
	pthread_mutex_unlock(&node->lock);
}

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void
node_loop_close(struct peel_node *node)
{
	/* This also closes the owner's handles, such as signal watchers: the loop is going away. */
	uv_walk(&node->loop, close_handle, NULL);
	uv_run(&node->loop, UV_RUN_DEFAULT);
	uv_loop_close(&node->loop);
}
