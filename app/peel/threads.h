/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/**
 * Call @p fn in every other thread of the process, by a signal, and wait for all. This is for
 * settings that the kernel keeps per thread and that no system call changes for all of them. @p fn
 * makes plain system calls only and returns 0 or -errno, the first of which is the result;
 * -ETIMEDOUT: a thread does not take signals. SIGRTMAX is ours meanwhile. Thread: one at a time.
 */
int threads_call(int (*fn)(void *arg), void *arg);
