/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Gives up what only the start needs, so that whoever breaks into a node can do little else. It
 * does so in all threads, because those of DPDK exist before anything can be given up. Control
 * thread.
 */

#include "conf.h"

/** This process makes no core dump, and no other process of its user can look into it. */
void privileges_no_core(void);

/** What privileges_drop() will do: who runs the node, and which capabilities its device may need
 * again. */
void privileges_plan(const struct conf *conf, struct peel_node_privileges *out);
/** The user and the group that a node started by root, or with a configured user, becomes. 0, or
 * -ENOENT and why not. */
int privileges_user(
	const struct conf *conf, uid_t *uid, gid_t *gid, char *why, size_t why_size) PEEL_MUST_USE;
/** In words, such as "runs as nobody, keeps net_admin and net_raw". */
const char *privileges_text(const struct peel_node_privileges *p, char *out, size_t size);

/**
 * Follow the plan: become the user, drop all other capabilities, never gain any again. The
 * management socket is given to a user that was configured. Once ports and sockets are open, before
 * workers start. 0 or -errno with @p why: do not go on.
 */
int privileges_drop(const struct conf *conf, struct peel_node_privileges *p, char *why,
	size_t why_size) PEEL_MUST_USE;

/**
 * Then restrict files (landlock) and system calls (seccomp) to what a running node needs; @p p and
 * the log name what the kernel does not have. All listeners must be bound.
 */
int privileges_confine(const struct conf *conf, struct peel_node_privileges *p, char *why,
	size_t why_size) PEEL_MUST_USE;
