/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Cells of one circuit, sealed for its first hop before they are sent, so that a generator only has
 * to copy them. That hop is a relay, or an exit whose datagrams look like the DHT's. Every sealing
 * takes salts of its own: a relay may drop exact duplicates.
 */

#include <netinet/in.h>
#include <stdbool.h>

#include "peel_aead_engines.h"
#include "peel_cell.h"

#define CELLS_PAYLOAD_MAX 1400
#define CELLS_DATA_OVERHEAD (1 + 7 + 7) /* message id, destination, origin */

struct cells {
	uint8_t header[PEEL_CELL_HEADER_LEN];
	struct peel_key key;
	uint8_t salt[4];
	uint64_t counter; /* the last explicit salt used */
	unsigned int n;
	uint32_t size;	  /* of a cell as sent */
	uint32_t text;	  /* of what is sealed in it */
	uint32_t relayed; /* of what leaves the first hop: a cell, or an exit's datagram */
	bool exits;
	uint8_t message[CELLS_DATA_OVERHEAD]; /* what an exit reads before the payload */
	uint8_t *data;			      /* n * size bytes */
	const struct peel_aead_engine *engine;
	struct peel_aead *aead;
};

/**
 * Reads "header key salt" in hexadecimal from standard input, and makes room for n cells that carry
 * `payload` bytes of data (at least 2) over two hops; or, with a destination, over one hop, which
 * is the exit to there. 0 or -errno.
 */
int cells_new(struct cells *c, unsigned int n, uint32_t payload, const struct sockaddr_in *to);
void cells_free(struct cells *c);
/** Seal all of them, with new salts. */
void cells_seal(struct cells *c);

/** CPU time of all threads of a process in nanoseconds, exact while it sleeps. */
uint64_t cells_process_cpu_ns(int pid);
uint64_t cells_clock_ns(void);
