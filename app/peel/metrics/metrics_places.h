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

#define METRICS_PLACES 32     /* connections at a time */
#define METRICS_PLACES_FREE 8 /* of these are kept free for newcomers */

struct metrics_places {
	struct metrics_place {
		int fd; /* -1: free */
		struct peel_addr from;
		uint64_t number; /* in order of arrival */
	} place[METRICS_PLACES];
	uint64_t arrived;
};

void metrics_places_init(struct metrics_places *p);
/** A connection came. @return the socket to shut down in its favour, -1: none. */
int metrics_places_enter(struct metrics_places *p, int fd, const struct peel_addr *from);
/** It is closed. */
void metrics_places_leave(struct metrics_places *p, int fd);
