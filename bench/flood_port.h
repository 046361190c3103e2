/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The port of a node that is flooded with creates of strangers, and the neighbours among them,
 * whose waits are measured. Neighbours have a circuit each; one after the other they ping the node,
 * extend their circuit, or have another circuit joined. There is one such port in a process, with
 * one queue. Everything happens in the worker's rx and tx; the program starts and waits.
 */

#include "peel_keys.h"
#include "peel_port.h"

#define FLOOD_NEIGHBOURS 256

/** What neighbours ask, and until what their wait counts. */
enum flood_ask {
	FLOOD_PING,   /* of the discovery community, until pong */
	FLOOD_EXTEND, /* over the target's answers to ping and create, until extended */
	FLOOD_CREATE, /* until created */
	FLOOD_N_ASKS
};
extern const char *const flood_ask_name[FLOOD_N_ASKS];

struct flood_node {
	const uint8_t (*prefix)[PEEL_PREFIX_LEN]; /* of the node's communities */
	const uint8_t *pk;
	/* how often the kernel ran something else on the control thread's core */
	const _Atomic long *preemptions;
};

extern const struct peel_port_ops flood_port;

/** Before the worker starts. */
void flood_port_init(const struct flood_node *node);
/** Have a new circuit joined for each neighbour, and use it. Thread: main, here and below. */
void flood_port_circuits(void);
/** Let each neighbour ask each question once, one after the other, at the rate of @p asks_per_s,
 * among so many creates a second, and count those waits during which the kernel ran nothing else
 * on the two cores. */
void flood_port_flood(double creates_per_s, double asks_per_s);

struct flood_waits {
	double cycles[FLOOD_NEIGHBOURS]; /* of the time stamp counter */
	uint32_t n;			 /* those that count */
	uint32_t answered;		 /* all, of FLOOD_NEIGHBOURS */
};
/** The waits of the last flood. */
void flood_port_waits(enum flood_ask ask, struct flood_waits *out);
