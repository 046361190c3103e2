/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A node of lib/peel for a command of this program, driven from a libuv loop. Everything happens in
 * one thread, while session_run runs.
 */

#include <uv.h>

#include "conf.h"
#include "peel.h"

struct session {
	/* what is filled in before session_open */
	struct conf conf;
	bool lasting; /* until it is told to end; else for a minute, for a person at a terminal */

	struct conf in_force; /* conf, and what has changed since the start */
	struct peel *peel;
	bool with_eal, with_loop; /* for session_close */
	struct peel_node_privileges privileges;
	struct metrics_server *metrics; /* NULL: none */
	struct notice_page *notice;	/* NULL: none */
	uv_loop_t loop;
	uv_poll_t poll;	      /* the node has work */
	uv_timer_t timer;     /* the node wants to be called at the latest */
	uv_prepare_t prepare; /* sets that timer before the loop sleeps */
	uv_signal_t term, interrupt, status, hangup;
	uv_timer_t supervision; /* messages to the service manager */
	bool stalled;		/* a worker does not move; logged */
	bool interrupted;	/* by a signal, or drained */
	bool failed;		/* the node cannot go on; logged */
	/** The node and the loop are open, and the process still has the rights that it was started
	 * with. 0, or -errno and why not. May be NULL. */
	int (*on_open)(void *arg, char *why, size_t why_size);
	/** Workers run and the port answers. May be NULL. */
	void (*on_ready)(void *arg);
	/** A signal asked for the end, or a drain is over. NULL: session_stop is called. */
	void (*on_interrupt)(void *arg);
	/** A request at the management socket that neither node nor session knows: as for
	 * peel_node_on_request. May be NULL. */
	char *(*on_request)(void *arg, const char *request, bool pretty);
	void *request_arg;
	void *arg;
};

/** Signals, log, addresses, memory, EAL, node, privileges, loop; nothing moves yet. What is wrong
 * is logged. 0 or -errno: then all is undone. */
int session_open(struct session *s) PEEL_MUST_USE;
/** Confine the process, then run until session_stop. 0, or -errno when it cannot be confined. */
int session_run(struct session *s) PEEL_MUST_USE;
void session_stop(struct session *s);
/** "ready ADDRESS:PORT" on standard output. */
void session_print_ready(const struct session *s);
/** Undo what session_open did, the last first. Handles of the loop that are still open are closed;
 * output that is still queued is written. */
void session_close(struct session *s);
