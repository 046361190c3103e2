/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include <stddef.h>

/** No core dump of this process, and no other process of its user may look into it. */
void peel_privileges_no_core(void);

/**
 * Give up what is needed at start only: become @p user (unless empty), drop all capabilities, never gain any again.
 * Without a user root stays root: a warning is logged. @p socket, the path of the management socket (or empty), is
 * given to the user.   Thread: control, after ports and sockets are open, before workers start.
 */
int peel_privileges_drop(const char *user, const char *socket, char *why, size_t why_size);
