/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What an operator tells a running node to do, at its management socket. Thread: control. */

#include "session.h"

#define STEERING_SECONDS_MAX (7 * 86400) /* of the times in requests */
#define STEERING_BAN_SECONDS_MAX (365 * 86400)

/** The answer to a request, as a new reference; NULL: not one of these. The node's lock is held. */
struct json_t *steering_answer(struct session *s, const char *request);
