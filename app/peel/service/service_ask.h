/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* `peel service join`, `leave` and `list`: requests to a running client. They take the command's
 * arguments and return the exit code. */

int service_ask_join(int argc, char **argv);
int service_ask_leave(int argc, char **argv);
int service_ask_list(int argc, char **argv);
