/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Who is connected. When there are many connections, the address that has most of them loses its
 * oldest one: nobody can keep others out, be it by being slow or by being many. Thread: the
 * server's.
 */

#include "peel_base.h"

#define WEB_PLACES 32	  /* connections at a time */
#define WEB_PLACES_FREE 8 /* of these are kept free for newcomers */

struct web_places {
	struct web_place {
		int fd; /* -1: free */
		struct peel_addr from;
		uint64_t number; /* in order of arrival */
	} place[WEB_PLACES];
	uint64_t arrived;
};

void web_places_init(struct web_places *p);
/** A connection came. @return the socket to shut down in its favour, -1: none. */
int web_places_enter(struct web_places *p, int fd, const struct peel_addr *from);
/** It is closed. */
void web_places_leave(struct web_places *p, int fd);
