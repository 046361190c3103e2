/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Measures a circuit with test requests, as many at a time as it carries without a growing queue.
 * Loop's thread.
 */

#include <uv.h>

#include "peel.h"

enum speed_phase {
	SPEED_RTT,  /* one request at a time, tiny */
	SPEED_UP,   /* large requests, tiny answers */
	SPEED_DOWN, /* tiny requests, large answers */
	SPEED_PHASES,
};

struct speed_result {
	uint64_t sent, answered;
	/* of answered requests, or of answers, after the first quarter of the time ... */
	uint64_t bytes;
	uint64_t counted;  /* ... how many they were ... */
	double seconds;	   /* ... and how long that took */
	double rtt_ms[64]; /* SPEED_RTT: sorted */
	unsigned int n_rtt;
};

struct speed;

struct speed_conf {
	uv_loop_t *loop;
	struct peel *peel;
	bool rust;	      /* 21/22 instead of 19/20 */
	uint16_t size;	      /* bytes of large requests and answers */
	unsigned int seconds; /* up and down, each */
	/** A phase is over (SPEED_RTT: n_rtt 0 when nothing answered). */
	void (*done)(void *arg, enum speed_phase phase, const struct speed_result *result);
	/** Twice a second: bytes per second just now. */
	void (*progress)(void *arg, enum speed_phase phase, double bytes_per_second);
	/** The circuit ended under it, or something failed: -errno. */
	void (*failed)(void *arg, int error);
	void *arg;
};

/** NULL: no memory. */
struct speed *speed_new(const struct speed_conf *conf);
/** Begin a phase. One at a time. */
void speed_start(struct speed *s, peel_circuit circuit, enum speed_phase phase);
/** Call it when the node and the handles of the loop are closed: until then answers may arrive. */
void speed_free(struct speed *s);
