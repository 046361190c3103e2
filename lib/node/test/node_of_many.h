/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* A node with many circuits of others, for tests of what is told of them: its tables and its
 * answers; no threads. One at a time. */

#include <stdio.h>

#include "lists.h"
#include "world.h"

/* In an ordinary build a part takes well below a millisecond. A whole list would take more than a
 * second, and hundreds of megabytes. */
#if defined(__SANITIZE_ADDRESS__)
#define MANY 20000
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MANY 20000
#endif
#endif
#if !defined(MANY)
#define MANY 100000
#endif
#define HOLD_MS 25 /* of processor time, so a loaded machine does not matter */
#define GROWTH ((size_t)4 << 20)

extern struct node *world;
extern struct peel_node *node;

/** Make the node; each circuit is from another address, and has been used. */
void make_node(uint32_t n_circuits);
void free_node(void);

/** Processor time of this thread. */
uint64_t cpu_ns(void);
size_t memory_in_use(void);

/** Rows in a text that comes in pieces. */
struct rows {
	uint64_t n;
	size_t len; /* of the text */
	char last;
};

/** Write function of a cookie (fopencookie) that is a struct rows. */
ssize_t count_rows(void *cookie, const char *text, size_t len);
