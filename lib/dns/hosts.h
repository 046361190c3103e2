/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The hosts file, hosts(5), kept in memory. A file that blocks hosts may have a hundred thousand
 * lines, and strangers look names up. Thread: control.
 */

#include "peel_base.h"

#define PEEL_DNS_HOSTS "/etc/hosts"

struct dns_hosts;

/** Read the file. @p path must outlive the result; a missing file counts as empty. NULL when out of
 * memory. */
struct dns_hosts *dns_hosts_new(const char *path);
/** NULL is fine. */
void dns_hosts_free(struct dns_hosts *hosts);
/** Read the file again if it has changed (a system call). */
void dns_hosts_refresh(struct dns_hosts *hosts);
/** The addresses of a name in the order of the file, at most @p max, with port 0. @return how
 * many. */
size_t dns_hosts_find(
	const struct dns_hosts *hosts, const char *name, struct peel_addr *out, size_t max);
