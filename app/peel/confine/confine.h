/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The two fences of the kernel around a running node, for privileges.c; no_new_privs is set in all
 * threads. Both write into @p out what is in force, and return 0 even if the kernel has no such
 * fence. Control thread. */

#include "conf.h"

/** Landlock: files, by folder. */
int confine_files(const struct conf *conf, char *out, size_t size) PEEL_MUST_USE;
/** Seccomp: system calls, by a list of those that are allowed. */
int confine_calls(const struct conf *conf, char *out, size_t size) PEEL_MUST_USE;

/** At the start of the program, before libuv sets up its first loop: no io_uring, through which
 * calls would pass by the fence. libuv has another way, and takes it for good. */
void confine_no_io_uring(void);

static inline bool
confine_device_is(const struct conf *conf, const char *kind)
{
	return strncmp(conf->node.device, kind, strlen(kind)) == 0;
}

/* Sanitizers look at the process and its files when they report. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif
