/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What `peel top` knows: the node's last answers, and what has happened between them. Thread: its
 * main thread; it runs no node. */

#include <jansson.h>

#include "peel_base.h"

#define TOP_HISTORY 512 /* rates that are remembered */
#define TOP_WINDOW 10	/* looks over which drops are said to rise */
#define TOP_WORKERS 256
#define TOP_STAGES 16
#define TOP_DROPS 128

struct top_rates {
	double in_bytes, in_datagrams, out_bytes, out_datagrams; /* per second */
};

struct top_worker {
	int id, core;  /* -1: not pinned */
	double load;   /* share of the time with work */
	double cells;  /* per second */
	double cycles; /* per cell, 0: no cells */
	int n_stages;
	struct {
		const char *name; /* borrowed from `stages` */
		double share;
	} stage[TOP_STAGES];
};

struct top_drop {
	const char *name; /* borrowed from `status` */
	double total, rate;
};

/** Which lists are asked for beside the status. */
enum top_wants {
	TOP_STAGES_WANTED = 1,
	TOP_PEERS_WANTED = 2,
	TOP_OWN_WANTED = 4,
	TOP_LOG_WANTED = 8,
	TOP_ALL_WANTED = 15,
};

struct top_data {
	const char *socket;
	char trouble[160]; /* why the node could not be asked last; empty: it answered */
	/* The last answers; NULL: none yet. They stay while the node does not answer. */
	json_t *status, *stages, *peers, *own, *log;
	double seconds; /* between the last two of this start of the node; 0: there was one */
	double cpu;	/* processors that the process used meanwhile */
	struct top_rates rates, most;
	double in[TOP_HISTORY], out[TOP_HISTORY]; /* bytes per second, the oldest first */
	int n_history;
	struct top_worker worker[TOP_WORKERS];
	int n_workers;
	struct top_drop drop[TOP_DROPS]; /* not zero; those that rise most first */
	int n_drops, n_rising;
	/* drops at earlier looks, the oldest first, with the node's time */
	struct {
		json_t *drops;
		double uptime;
	} window[TOP_WINDOW];
	int n_window;
};

/** Ask the node, which may take some seconds, and work out what has changed. A failure is noted in
 * @p d, which is all zero at first except for `socket`. @p wants: of enum top_wants. */
void top_look(struct top_data *d, unsigned int wants);
/** Free what is in it, not @p d itself. */
void top_free(struct top_data *d);
/** All of it as an object of the caller's own, for scripts. NULL when out of memory. */
json_t *top_document(const struct top_data *d);
