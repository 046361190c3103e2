/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A node from its first log line to its last, in a loop of libuv: session_open does everything in
 * the order of start(), and session_close undoes it.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "await.h"
#include "eal_plan.h"
#include "log_output.h"
#include "metrics_server.h"
#include "notice_page.h"
#include "notify.h"
#include "output.h"
#include "peel_aead_engines.h"
#include "peel_internal.h"
#include "privileges.h"
#include "reload.h"
#include "reread.h"
#include "session.h"
#include "steering.h"
#include "supervision.h"

/* How long the end of a lasting node waits for readers of its last lines; a command in a pipe waits
 * until it has one. */
#define LASTING_PATIENCE_MS 1000
#define TIMER_MS 500 /* where the node names no time */

/* ---- the node in our loop -------------------------------------------------------------------- */

/* A second signal is not watched any more and has its default effect: it ends the program at once.
 */
static void
finish(struct session *s)
{
	uv_signal_stop(&s->term);
	uv_signal_stop(&s->interrupt);
	s->interrupted = true;
	peel_log(PEEL_LOG_INFO, "stopping");
	supervision_stopping();
	if (s->on_interrupt != NULL)
		s->on_interrupt(s->arg);
	else
		session_stop(s);
}

static void
drive(struct session *s)
{
	int rc = peel_poll(s->peel, 0);

	if (rc != 0) {
		peel_log(PEEL_LOG_ERROR, "%s", peel_strerror(rc));
		s->failed = true;
		uv_stop(&s->loop);
	} else if (!s->interrupted && peel_node_drained(peel_get_node(s->peel))) {
		finish(s);
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

	uv_timer_start(&s->timer, on_timer, ms >= 0 ? (uint64_t)ms : TIMER_MS, 0);
}

static void
on_signal(uv_signal_t *handle, int number)
{
	struct session *s = handle->data;
	struct peel_node *node = peel_get_node(s->peel);

	(void)number;
	if (s->lasting && s->in_force.shutdown_wait > 0 && !peel_node_draining(node)) {
		peel_node_lock(node);
		peel_node_drain(node, (uint64_t)s->in_force.shutdown_wait * 1000);
		supervision_draining(s);
		peel_node_unlock(node);
	} else {
		finish(s);
	}
}

static char *
on_request(void *arg, const char *request, bool pretty)
{
	struct session *s = arg;
	json_t *answer = steering_answer(s, request);
	char *text;

	if (answer == NULL)
		return s->on_request != NULL ? s->on_request(s->request_arg, request, pretty)
					     : NULL;
	text = json_dumps(answer, pretty ? JSON_INDENT(2) : JSON_COMPACT);
	json_decref(answer);
	return text;
}

static void
on_status(uv_signal_t *handle, int number)
{
	struct session *s = handle->data;
	struct peel_node *node = peel_get_node(s->peel);
	char *text;
	size_t len;

	(void)number;
	peel_node_lock(node);
	text = peel_node_status(node, false);
	peel_node_unlock_unchanged(node);
	if (text == NULL)
		return;
	len = strlen(text);
	text[len] = '\n'; /* instead of the terminator */
	if (!output_write(OUTPUT_STDOUT, text, len + 1))
		peel_log(PEEL_LOG_WARNING, "a status is not printed: nobody reads standard output");
	free(text);
}

static void
on_hangup(uv_signal_t *handle, int number)
{
	struct session *s = handle->data;
	struct peel_node *node = peel_get_node(s->peel);

	(void)number;
	peel_node_lock(node);
	json_decref(reload(s)); /* it is logged */
	peel_node_unlock(node);
}

static void
on_ready(void *arg)
{
	struct session *s = arg;

	supervision_ready(s);
	if (s->on_ready != NULL)
		s->on_ready(s->arg);
}

static int
fill_loop(struct session *s)
{
	int rc = uv_poll_init(&s->loop, &s->poll, peel_fd(s->peel));

	if (rc != 0)
		return rc;
	uv_timer_init(&s->loop, &s->timer);
	uv_prepare_init(&s->loop, &s->prepare);
	uv_signal_init(&s->loop, &s->term);
	uv_signal_init(&s->loop, &s->interrupt);
	uv_signal_init(&s->loop, &s->status);
	uv_signal_init(&s->loop, &s->hangup);
	s->poll.data = s->timer.data = s->prepare.data = s;
	s->term.data = s->interrupt.data = s->status.data = s->hangup.data = s;
	supervision_start(s);
	uv_prepare_start(&s->prepare, on_prepare);
	rc = uv_poll_start(&s->poll, UV_READABLE, on_poll);
	if (rc == 0)
		rc = uv_signal_start(&s->term, on_signal, SIGTERM);
	if (rc == 0)
		rc = uv_signal_start(&s->interrupt, on_signal, SIGINT);
	if (rc == 0)
		rc = uv_signal_start(&s->status, on_status, SIGUSR1);
	if (rc == 0 && s->lasting)
		rc = uv_signal_start(&s->hangup, on_hangup, SIGHUP);
	return rc;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void
log_start(const struct conf *c)
{
	const struct peel_node_conf *n = &c->node;

	peel_log(PEEL_LOG_INFO, "peel %s: %s, %u worker%s, port driver %s, AEAD engine %s, %s key",
		PEEL_VERSION, c->use == CONF_FOR_RELAY ? "relay" : "client", n->n_workers,
		n->n_workers == 1 ? "" : "s", n->port->name, n->engine->name,
		n->key_file[0] != '\0' ? "lasting" : "fresh");
	if (n->n_bootstrap + n->n_bootstrap_names == 0)
		peel_log(PEEL_LOG_WARNING,
			"no bootstrap servers: this node waits for others to find it");
}

/* No node ends because the reader of its output does. A lasting one survives its terminal as well;
 * until its loop watches SIGHUP and SIGUSR1, they do nothing. */
static void
ignore_signals(const struct session *s)
{
	signal(SIGPIPE, SIG_IGN);
	if (s->lasting) {
		signal(SIGHUP, SIG_IGN);
		signal(SIGUSR1, SIG_IGN);
	}
}

static int
start(struct session *s, char *why, size_t why_size)
{
	struct conf *c = &s->conf;
	struct eal_plan plan;
	cpu_set_t allowed; /* before EAL takes some away */
	char text[384];
	int rc;

	s->in_force = *c;
	ignore_signals(s);
	rc = log_output_start(c, why, why_size);
	if (rc != 0)
		return rc;
	if (s->lasting) {
		notify_open();
		await_addresses(c);
	}
	rc = eal_plan(c, &plan, why, why_size);
	if (rc != 0)
		return rc;
	if (c->node.engine == NULL)
		c->node.engine = peel_aead_engine_best();
	log_start(c);
	peel_log(PEEL_LOG_INFO, "%s", eal_plan_text(&plan, text, sizeof(text)));
	if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
		cpu_handshakes(&c->node, &allowed, &c->node.handshake_cpus);
	rc = eal_start(c, &plan, why, why_size);
	if (rc != 0)
		return rc;
	s->with_eal = true;
	rc = output_start();
	if (rc != 0)
		return rc;
	rc = peel_open_conf(&c->node, c->client.isolate_destinations, &s->peel);
	if (rc != 0) {
		snprintf(why, why_size, "%s", peel_strerror(rc));
		return rc;
	}
	peel_node_on_request(peel_get_node(s->peel), on_request, s);
	peel_node_on_ready(peel_get_node(s->peel), on_ready, s);
	rc = uv_loop_init(&s->loop);
	s->with_loop = rc == 0;
	if (rc == 0)
		rc = fill_loop(s);
	if (rc == 0 && c->metrics.listen.family != PEEL_FAMILY_NONE)
		rc = metrics_server_start(&c->metrics, s->peel, &s->metrics, why, why_size);
	if (rc == 0 && c->notice.file[0] != '\0')
		rc = notice_page_start(&c->notice, &s->notice, why, why_size);
	if (rc == 0 && s->on_open != NULL)
		rc = s->on_open(s->arg, why, why_size);
	return rc != 0 ? rc : privileges_drop(c, &s->privileges, why, why_size);
}

int
session_open(struct session *s)
{
	char why[512] = "";
	int rc = start(s, why, sizeof(why));

	if (rc != 0) {
		peel_log(PEEL_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-rc));
		session_close(s);
	}
	return rc;
}

void
session_print_ready(const struct session *s)
{
	struct peel_address local;
	char text[64];

	peel_local_address(s->peel, &local);
	output_print(OUTPUT_STDOUT, "ready %s\n", peel_address_text(&local, text, sizeof(text)));
}

int
session_run(struct session *s)
{
	char why[256] = "";
	int rc = privileges_confine(&s->conf, &s->privileges, why, sizeof(why));

	if (rc != 0) {
		peel_log(PEEL_LOG_ERROR, "%s", why);
		return rc;
	}
	reread_foresee(s);
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
	metrics_server_stop(s->metrics);
	s->metrics = NULL;
	notice_page_stop(s->notice);
	s->notice = NULL;
	if (s->with_loop) {
		uv_walk(&s->loop, close_handle, NULL);
		while (uv_run(&s->loop, UV_RUN_DEFAULT) != 0)
			; /* somebody's last handle stopped the loop */
		uv_loop_close(&s->loop);
		s->with_loop = false;
	}
	peel_close(s->peel);
	s->peel = NULL;
	if (s->with_eal)
		eal_stop(&s->conf);
	s->with_eal = false;
	output_finish(s->lasting ? LASTING_PATIENCE_MS : -1);
}
