/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Waits for addresses to bind to that this machine does not have yet. A program that is started at
 * boot must not end because DHCP is slower. Control thread, before anything else starts.
 */

#include "conf.h"

/** An address that sockets will be bound to, and the setting that names it. */
struct awaited {
	enum conf_id id;
	struct peel_addr addr;
};
#define AWAITED_MAX 3

/** The addresses a configuration binds sockets to. @return how many; none for a device of its
 * own. */
unsigned int await_list(const struct conf *conf, struct awaited out[AWAITED_MAX]);

#define AWAIT_TEXT_MAX 48

/** The address without a port. @return @p out. */
const char *await_text(const struct peel_addr *addr, char out[AWAIT_TEXT_MAX]);

/** Can a socket be bound to it, with a port of the kernel's choice? 0, or -EADDRNOTAVAIL: not yet;
 * or -errno. */
int await_bind(const struct peel_addr *addr) PEEL_MUST_USE;

/** Return when the machine has all of them; says in the log what it waits for. A signal ends the
 * program meanwhile. */
void await_addresses(const struct conf *conf);
