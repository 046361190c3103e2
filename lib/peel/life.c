/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A node from peel_open to peel_close, and who drives it in between.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "handle.h"
#include "peel_aead_engines.h"

/* ---- signals --------------------------------------------------------------------------------- */

struct guard {
	bool ours; /* SIGPIPE was neither blocked nor pending before */
};

/* A peer of the management socket or a resolver that hangs up raises SIGPIPE in the caller's
 * thread, which must not notice. */
static void
guard_begin(struct guard *g)
{
	sigset_t pipe, pending, old;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe, &old);
	g->ours = !sigismember(&old, SIGPIPE) && !sigismember(&pending, SIGPIPE);
}

static void
guard_end(const struct guard *g)
{
	static const struct timespec now;
	sigset_t pipe;

	if (!g->ours)
		return;
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
}

/* ---- open ------------------------------------------------------------------------------------ */

static void
release(struct peel *p)
{
	services_free(p->services);
	peers_free(p->peers);
	tests_free(p->tests);
	sticky_free(p->sticky);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static int
open_node(const struct peel_node_conf *conf, uint32_t memory_mib, struct peel *p)
{
	char why[512] = "";
	int rc = peel_node_new(conf, &p->node, why, sizeof(why));

	if (rc == -ENOMEM && memory_mib != 0)
		return error_format(rc,
			"%s (this node takes %zu MiB of settings.memory, and the first node of the "
			"process decided how much there is for all)",
			why, peel_node_memory(conf) >> 20);
	if (rc != 0)
		return error_format(rc, "%s", why[0] != '\0' ? why : strerrordesc_np(-rc));
	return 0;
}

static void
round_over(void *arg)
{
	struct peel *p = arg;

	tests_sweep(p->tests);
}

/* @p memory_mib 0: the program sized it. */
static int
open_with(struct peel_node_conf *conf, uint32_t memory_mib, bool isolate, struct peel **out)
{
	struct peel *p;
	int rc;

	if (conf->engine == NULL)
		conf->engine = peel_aead_engine_best();
	if (conf->engine == NULL)
		return error_text(-ENOTSUP, "no AEAD engine works on this CPU");
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return error_no_memory();
	pthread_mutex_init(&p->lock, NULL);
	rc = sticky_new(isolate, &p->sticky);
	if (rc == 0)
		rc = services_new(&p->services);
	if (rc == 0)
		rc = peers_new(conf->max_own_circuits, &p->peers);
	if (rc == 0)
		rc = open_node(conf, memory_mib, p);
	if (rc == 0)
		rc = tests_new(p->node, &p->tests);
	if (rc != 0) {
		peel_node_free(p->node);
		release(p);
		return rc;
	}
	events_attach(p);
	p->driver = (struct driver){.node = p->node, .round = round_over, .arg = p};
	*out = p;
	return 0;
}

static int
open_settings(const struct peel_settings *settings, struct peel_node_conf *conf, struct peel **out)
{
	struct peel_settings s;
	int rc = settings_take(settings, &s);

	if (rc == 0)
		rc = settings_check(&s);
	if (rc == 0)
		rc = settings_convert(&s, conf);
	if (rc == 0)
		rc = eal_once(s.hugepages, s.memory);
	if (rc == 0)
		rc = open_with(conf, s.memory, s.isolate_destinations, out);
	return rc;
}

int
peel_open(const struct peel_settings *settings, struct peel **out)
{
	struct peel_node_conf *conf;
	int rc;

	*out = NULL;
	conf = malloc(sizeof(*conf));
	if (conf == NULL)
		return error_no_memory();
	rc = open_settings(settings, conf, out);
	free(conf);
	return rc;
}

int
peel_open_conf(const struct peel_node_conf *conf, bool isolate_destinations, struct peel **out)
{
	struct peel_settings defaults;
	struct peel_node_conf *copy;
	int rc;

	peel_settings_init(&defaults);
	rc = eal_once(defaults.hugepages, defaults.memory);
	*out = NULL;
	if (rc != 0)
		return rc;
	copy = malloc(sizeof(*copy));
	if (copy == NULL)
		return error_no_memory();
	*copy = *conf;
	rc = open_with(copy, 0, isolate_destinations, out);
	free(copy);
	return rc;
}

struct peel_node *
peel_get_node(struct peel *p)
{
	return p->node;
}

/* ---- who drives it --------------------------------------------------------------------------- */

int
peel_run(struct peel *p)
{
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	if (p->mode == MODE_RUN)
		rc = error_text(-EALREADY, "peel_run was called before");
	else if (p->mode == MODE_POLL || p->polling)
		rc = error_text(-EBUSY, "the node is driven by peel_poll");
	else
		p->mode = MODE_RUN;
	pthread_mutex_unlock(&p->lock);
	if (rc != 0)
		return rc;
	rc = driver_start(&p->driver);
	if (rc == 0)
		return 0;
	pthread_mutex_lock(&p->lock);
	p->mode = MODE_IDLE;
	pthread_mutex_unlock(&p->lock);
	return error_format(rc, "no thread: %s", strerrordesc_np(-rc));
}

static int
poll_begin(struct peel *p)
{
	sigset_t old;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	if (p->mode == MODE_RUN || p->polling) {
		pthread_mutex_unlock(&p->lock);
		return error_text(
			-EBUSY, "somebody drives the node: peel_run, or another peel_poll");
	}
	p->polling = true;
	p->poller = pthread_self();
	pthread_mutex_unlock(&p->lock);
	if (p->mode == MODE_IDLE) {
		signals_block(&old);
		rc = peel_node_start(p->node);
		signals_restore(&old);
	}
	pthread_mutex_lock(&p->lock);
	p->mode = rc == 0 ? MODE_POLL : MODE_IDLE;
	p->polling = rc == 0;
	pthread_mutex_unlock(&p->lock);
	return rc == 0 ? 0 : error_format(rc, "no thread: %s", strerrordesc_np(-rc));
}

int
peel_poll(struct peel *p, int timeout_ms)
{
	struct guard guard;
	int rc = poll_begin(p);

	if (rc != 0)
		return rc;
	guard_begin(&guard);
	peel_node_poll(p->node, timeout_ms);
	tests_sweep(p->tests);
	guard_end(&guard);
	pthread_mutex_lock(&p->lock);
	p->polling = false;
	pthread_mutex_unlock(&p->lock);
	rc = peel_node_failure(p->node);
	return rc == 0 ? 0 : error_format(rc, "the port failed: %s", strerrordesc_np(-rc));
}

int
peel_fd(const struct peel *p)
{
	return peel_node_fd(p->node);
}

int
peel_timeout(const struct peel *p)
{
	return peel_node_timeout(p->node);
}

/* ---- close ----------------------------------------------------------------------------------- */

static bool
in_callback(struct peel *p)
{
	bool inside;

	pthread_mutex_lock(&p->lock);
	inside = (p->mode == MODE_RUN && pthread_equal(p->driver.thread, pthread_self())) ||
		 (p->polling && pthread_equal(p->poller, pthread_self()));
	pthread_mutex_unlock(&p->lock);
	return inside;
}

void
peel_close(struct peel *p)
{
	struct guard guard;

	if (p == NULL || in_callback(p))
		return;
	/* Callbacks for what is still under way are made by this thread. */
	pthread_mutex_lock(&p->lock);
	p->polling = true;
	p->poller = pthread_self();
	pthread_mutex_unlock(&p->lock);
	guard_begin(&guard);
	if (p->mode == MODE_RUN) {
		driver_stop(&p->driver);
	} else if (p->mode == MODE_POLL) {
		peel_node_finish(p->node);
	}
	tests_cancel(p->tests);
	peel_node_free(p->node);
	guard_end(&guard);
	release(p);
}
