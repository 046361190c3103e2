/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Requests about bans, for steering.c. Thread: control; the node's lock is held. */

#include "session.h"

/** " WHAT" or " WHAT SECONDS"; " WHAT"; "". @return the answer, as a new reference. */
struct json_t *steer_ban(struct session *s, const char *argument);
struct json_t *steer_unban(struct session *s, const char *argument);
struct json_t *steer_bans(struct session *s, const char *argument);
