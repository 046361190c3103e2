/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Files that a reload reads again: by then the node may be another user, and reads few folders.
 * Thread: control. */

#include "session.h"

/** Whether the file can be opened to be read. If not: @p why has its name, the reason and what to
 * do. */
bool reread_possible(const struct session *s, const char *path, char *why, size_t why_size);

/** Warn of what a later reload will not be able to read, once the node is confined. */
void reread_foresee(const struct session *s);
