/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A page that tells whoever looks up the address of this exit what it is: one file, at /, for
 * everybody. It is in memory; nothing of the node is asked.
 */

#include "conf.h"

struct notice_page;

/** Read the file, listen, and show it. Call it before privileges are given up. 0, or -errno with
 * what to do in @p why. Thread: control. */
int notice_page_start(const struct notice_conf *conf, struct notice_page **out, char *why,
	size_t why_size) PEEL_MUST_USE;
/** What is in that file now, for notice_page_show(), or to be freed. NULL: and why it cannot be
 * shown. Thread: control. */
char *notice_page_read(const char *path, char *why, size_t why_size) PEEL_MUST_USE;
/** Show this text, which is taken. Thread: control. */
void notice_page_show(struct notice_page *p, char *text);
/** NULL is fine. Thread: control. */
void notice_page_stop(struct notice_page *p);
