/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Zeroed memory for tables: from EAL's hugepages when it has any, otherwise from the kernel (in
 * transparent hugepages, if these are not forbidden) or, when small, from the heap (where
 * sanitizers guard its ends).
 */

#include "peel_base.h"

#define PEEL_MEMORY_ALIGN 4096

enum memory_kind {
	PEEL_MEMORY_NONE = 0,
	PEEL_MEMORY_EAL,
	PEEL_MEMORY_MAP,
	PEEL_MEMORY_HEAP,
};

struct memory {
	void *p; /* on a page, zeroed */
	size_t len;
	enum memory_kind kind;
	bool guarded;
};

/** 0 or -ENOMEM. @p socket_id: NUMA node, -1 any. */
int memory_alloc(struct memory *m, size_t len, bool heap, int socket_id) PEEL_MUST_USE;
/** It will hold keys: keep it out of core dumps, and in memory, where the kernel lets us. */
void memory_guard(struct memory *m);
/** Does not wipe. A zeroed struct is fine. */
void memory_free(struct memory *m);
