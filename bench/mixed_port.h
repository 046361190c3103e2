/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A port for a whole node: cells of a load port at full rate, and among them the messages of a
 * script. What the node sends to the neighbours of the script is logged. One queue. There is one
 * such port in a process.
 *
 * Batches are sealed between two rounds of the worker; the time for that is not counted, and
 * neither are batches during which the kernel ran something else on the core.
 */

#include "peel_port.h"
#include "peel_port_load.h"

#define MIXED_NET 10 /* neighbours of the script are 10.x.x.x, and nobody else is */

/** A datagram for the node. */
struct mixed_message {
	struct peel_addr from;
	const uint8_t *data;
	uint16_t len;
	uint64_t handed; /* TSC when the worker got it */
};

/** One of the node. */
struct mixed_answer {
	uint64_t sent; /* TSC */
	uint32_t neighbour;
	uint16_t len;
	uint8_t data[512];
};

struct mixed_script {
	struct mixed_message *message;
	struct mixed_answer *answer; /* [answers_max] */
	uint32_t answers_max;
	_Atomic uint32_t released; /* of the messages: the worker may have these */
	_Atomic uint32_t n_answers;
	uint32_t taken; /* the worker's */
};

/** What a worker has done with cells of the load port since the start. */
struct mixed_work {
	uint64_t cells, cycles;
};

extern const struct peel_port_ops mixed_port;

/** The load, before the worker starts; `pool` is filled in. Failures end the program. */
void mixed_port_load(const struct peel_load_conf *conf);
/** From now on this script, with nothing released and no answer; NULL: none. Waits for the worker,
 * which must run. Thread: main. */
void mixed_port_play(struct mixed_script *script);
struct mixed_work mixed_port_work(void);
/** Cells of the load port that came out wrong. Thread: main, once the worker has stopped. */
uint64_t mixed_port_wrong(void);

static inline struct peel_addr
mixed_address(uint32_t neighbour)
{
	return peel_addr_ipv4(MIXED_NET, (uint8_t)(neighbour >> 16), (uint8_t)(neighbour >> 8),
		(uint8_t)neighbour, 7000);
}
