/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>

#include "cmd.h"
#include "eal_plan.h"
#include "log_output.h"
#include "output.h"
#include "peel_aead_engines.h"
#include "peel_internal.h"
#include "privileges.h"
#include "session.h"

/* ---- the node in our loop -------------------------------------------------------------------- */

static void
drive(struct session *s)
{
	int ret = peel_poll(s->peel, 0);

	if (ret != 0) {
		peel_log(PEEL_LOG_ERROR, "%s", peel_strerror(ret));
		s->failed = true;
		uv_stop(&s->loop);
	}
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	drive(poll->data);
}

static void
on_timer(uv_timer_t *timer)
{
	drive(timer->data);
}

static void
on_prepare(uv_prepare_t *prepare)
{
	struct session *s = prepare->data;
	int ms = peel_timeout(s->peel);

	uv_timer_start(&s->timer, on_timer, ms >= 0 ? (uint64_t)ms : 500, 0);
}

static void
on_signal(uv_signal_t *handle, int number)
{
	struct session *s = handle->data;

	(void)number;
	/* No longer watched, a second signal has its default effect: the end, at once. */
	uv_signal_stop(&s->term);
	uv_signal_stop(&s->interrupt);
	s->interrupted = true;
	peel_log(PEEL_LOG_INFO, "stopping");
	if (s->on_interrupt != NULL)
		s->on_interrupt(s->arg);
	else
		session_stop(s);
}

static void
on_status(uv_signal_t *handle, int number)
{
	struct session *s = handle->data;
	struct peel_node *node = peel_get_node(s->peel);
	char *text;

	(void)number;
	peel_node_lock(node);
	text = peel_node_status(node, false);
	peel_node_unlock_unchanged(node);
	command_print_status(text);
}

static int
fill_loop(struct session *s)
{
	int ret = uv_poll_init(&s->loop, &s->poll, peel_fd(s->peel));

	if (ret != 0)
		return ret;
	uv_timer_init(&s->loop, &s->timer);
	uv_prepare_init(&s->loop, &s->prepare);
	uv_signal_init(&s->loop, &s->term);
	uv_signal_init(&s->loop, &s->interrupt);
	uv_signal_init(&s->loop, &s->status);
	s->poll.data = s->timer.data = s->prepare.data = s;
	s->term.data = s->interrupt.data = s->status.data = s;
	uv_prepare_start(&s->prepare, on_prepare);
	ret = uv_poll_start(&s->poll, UV_READABLE, on_poll);
	if (ret == 0)
		ret = uv_signal_start(&s->term, on_signal, SIGTERM);
	if (ret == 0)
		ret = uv_signal_start(&s->interrupt, on_signal, SIGINT);
	if (ret == 0)
		ret = uv_signal_start(&s->status, on_status, SIGUSR1);
	return ret;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
open_node(struct session *s, char *why, size_t why_size)
{
	int ret = peel_open_conf(&s->conf.node, &s->peel);

	if (ret != 0) {
		snprintf(why, why_size, "%s", peel_strerror(ret));
		return ret;
	}
	ret = privileges_drop(&s->conf, &s->privileges, why, why_size);
	if (ret == 0)
		ret = uv_loop_init(&s->loop);
	if (ret == 0) {
		ret = fill_loop(s);
		if (ret != 0)
			session_close(s);
		return ret;
	}
	peel_close(s->peel);
	s->peel = NULL;
	return ret;
}

static void
log_start(const struct conf *c)
{
	const struct peel_node_conf *n = &c->node;

	peel_log(PEEL_LOG_INFO, "peel %s: %s, %u worker%s, port driver %s, AEAD engine %s, %s key",
		PEEL_VERSION, c->use == PEEL_CONF_RELAY ? "relay" : "client", n->n_workers,
		n->n_workers == 1 ? "" : "s", n->port->name, n->engine->name,
		n->key_file[0] != '\0' ? "lasting" : "fresh");
	if (n->n_bootstrap + n->n_bootstrap_names == 0)
		peel_log(PEEL_LOG_WARNING,
			"no bootstrap servers: this node waits for others to find it");
}

int
session_open(struct session *s)
{
	struct eal_plan plan;
	char why[512] = "", text[384];
	int ret;

	log_output_start(&s->conf);
	ret = eal_plan(&s->conf, &plan, why, sizeof(why));
	if (ret == 0) {
		if (s->conf.node.engine == NULL)
			s->conf.node.engine = peel_aead_engine_best();
		log_start(&s->conf);
		peel_log(PEEL_LOG_INFO, "%s", eal_plan_text(&plan, text, sizeof(text)));
		ret = eal_start(&s->conf, &plan, why, sizeof(why));
	}
	if (ret == 0)
		ret = output_start();
	if (ret == 0)
		ret = open_node(s, why, sizeof(why));
	if (ret != 0)
		peel_log(PEEL_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-ret));
	return ret;
}

int
session_run(struct session *s)
{
	char why[256] = "";
	int ret = privileges_confine(&s->conf, &s->privileges, why, sizeof(why));

	if (ret != 0) {
		peel_log(PEEL_LOG_ERROR, "%s", why);
		return ret;
	}
	peel_node_set_privileges(peel_get_node(s->peel), &s->privileges);
	drive(s); /* starts its workers */
	uv_run(&s->loop, UV_RUN_DEFAULT);
	return 0;
}

void
session_stop(struct session *s)
{
	uv_stop(&s->loop);
}

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void
session_close(struct session *s)
{
	if (s->peel == NULL)
		return;
	uv_walk(&s->loop, close_handle, NULL);
	while (uv_run(&s->loop, UV_RUN_DEFAULT) != 0)
		; /* somebody's last handle stopped the loop */
	uv_loop_close(&s->loop);
	peel_close(s->peel);
	s->peel = NULL;
	eal_stop();
}

void
session_address(const struct peel_addr *a, struct peel_address *out)
{
	memset(out, 0, sizeof(*out));
	out->type = a->family == PEEL_FAMILY_IPV4   ? PEEL_ADDRESS_IPV4
		    : a->family == PEEL_FAMILY_IPV6 ? PEEL_ADDRESS_IPV6
						    : PEEL_ADDRESS_NONE;
	memcpy(out->ip, a->ip, sizeof(out->ip));
	out->port = a->port;
}
