/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Shared by the files about guests. */

#include <semaphore.h>

#include "node.h"
#include "peel_node_guest.h"

struct node_guest {
	struct peel_guest_circuits *circuits;
	/* a copy of what workers have, to change */
	struct peel_guest_overlays overlays;
	struct peel_guest_overlays *published;
	uint32_t closed[PEEL_GUEST_OVERLAYS_MAX]; /* the version in which each was open last */
	/* [n_workers]; the last one is of datagrams that the guest itself sends */
	struct peel_guest_counts *counts[PEEL_MAX_WORKERS + 1];

	/* guest_thread.c */
	struct peel_submit_queue *mail; /* from workers */
	pthread_t thread;
	bool running;
	bool stop;  /* atomic */
	sem_t wake; /* posted by the worker that finds the thread asleep */
};
