/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Reading the configuration again while the node runs. Thread: control, with the node's lock. */

#include "session.h"

/** Take over what changes at run time (RELOAD in the table of settings). The result as a new
 * reference: `changed`, and `restart` for what is left as it was; or `error`, and then nothing has
 * changed. It is logged, too. */
struct json_t *reload(struct session *s);
