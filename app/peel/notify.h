/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Messages to a service manager, in the protocol of systemd's sd_notify(3), which others speak,
 * too. Without such a manager nothing is sent. Control thread.
 */

#include "peel_base.h"

/** Look for the manager in NOTIFY_SOCKET and WATCHDOG_USEC. Before the process is confined, which
 * may not make UNIX sockets any more; libsystemd makes one for each message. */
void notify_open(void);
/** Whether there is a manager. */
bool notify_wanted(void);
/** Milliseconds within which it wants to hear that all is well; 0: it does not ask. */
uint64_t notify_watchdog_ms(void);
/** Send assignments, one a line. Never waits; what the manager does not take is lost. */
void notify_send(const char *format, ...) PEEL_PRINTF(1, 2);
