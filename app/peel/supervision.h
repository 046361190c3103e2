/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What a service manager such as systemd is told of a session: when it is ready, reloads and ends,
 * what it does, and, as long as the control thread and all workers move, that all is well (the
 * watchdog). Control thread.
 */

#include "session.h"

/** Begin, once the loop is open. */
void supervision_start(struct session *s);
/** Workers run and the port answers. */
void supervision_ready(struct session *s);
/** The configuration is read again; supervision_ready() says that this is over. */
void supervision_reloading(void);
/** A signal asks for the end, and a drain comes first, which may take longer than the manager is
 * ready to wait. */
void supervision_draining(struct session *s);
/** The end begins. */
void supervision_stopping(void);
