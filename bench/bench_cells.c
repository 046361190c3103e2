/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cells that are sealed beforehand, and the CPU time of another process.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_cells.h"

static int
read_hex(uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned int byte;

		if (scanf("%2x", &byte) != 1)
			return -EINVAL;
		out[i] = (uint8_t)byte;
	}
	return 0;
}

/* Message id, destination, and no origin (protocol section 14.1). */
static void
data_message(uint8_t *message, const struct sockaddr_in *to)
{
	message[0] = PEEL_MSG_DATA;
	message[1] = message[8] = 1; /* IPv4 */
	memcpy(message + 2, &to->sin_addr, 4);
	memcpy(message + 6, &to->sin_port, 2);
}

int
cells_new(struct cells *c, unsigned int n, uint32_t payload, const struct sockaddr_in *to)
{
	memset(c, 0, sizeof(*c));
	if (n == 0 || payload < 2 || payload > CELLS_PAYLOAD_MAX ||
		read_hex(c->header, sizeof(c->header)) != 0 ||
		read_hex(c->key.b, sizeof(c->key.b)) != 0 ||
		read_hex(c->salt, sizeof(c->salt)) != 0)
		return -EINVAL;
	c->n = n;
	c->text = CELLS_DATA_OVERHEAD + payload;
	if (to != NULL) {
		/* The data message, sealed for the exit. */
		c->exits = true;
		c->relayed = payload;
		data_message(c->message, to);
	} else {
		/* The same, sealed for the next hop, sealed for this one. */
		c->text += PEEL_SEAL_OVERHEAD;
		c->relayed = PEEL_CELL_HEADER_LEN + c->text;
	}
	c->size = PEEL_CELL_HEADER_LEN + c->text + PEEL_SEAL_OVERHEAD;
	c->counter = UINT64_C(1) << 32;
	c->engine = peel_aead_engine_best();
	if (c->engine == NULL)
		return -ENOTSUP;
	c->data = malloc((size_t)n * c->size);
	if (c->data == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < (size_t)n * c->size; i++)
		c->data[i] = (uint8_t)(i * 31 + (i >> 8));
	return c->engine->new (&c->aead);
}

void
cells_free(struct cells *c)
{
	if (c->engine != NULL)
		c->engine->free(c->aead);
	free(c->data);
	peel_wipe(c, sizeof(*c));
}

void
cells_seal(struct cells *c)
{
	struct peel_aead_op op[PEEL_AEAD_BURST];
	unsigned int used = 0;

	for (unsigned int i = 0; i < c->n; i++) {
		uint8_t *cell = c->data + (size_t)i * c->size;
		struct peel_aead_op *o = &op[used++];

		memcpy(cell, c->header, PEEL_CELL_HEADER_LEN);
		peel_put_be64(cell + PEEL_CELL_HEADER_LEN, ++c->counter);
		o->key = &c->key;
		o->text = cell + PEEL_CELL_HEADER_LEN + PEEL_SEAL_SALT_LEN;
		o->len = c->text;
		if (c->exits) { /* the last sealing was in place */
			memcpy(o->text, c->message, sizeof(c->message));
			o->text[sizeof(c->message)] = 'd';
			o->text[c->text - 1] = 'e';
		}
		memcpy(o->nonce, c->salt, sizeof(c->salt));
		memcpy(o->nonce + sizeof(c->salt), cell + PEEL_CELL_HEADER_LEN, PEEL_SEAL_SALT_LEN);
		if (used == PEEL_AEAD_BURST || i + 1 == c->n) {
			c->engine->seal(c->aead, op, used);
			used = 0;
		}
	}
}

uint64_t
cells_process_cpu_ns(int pid)
{
	char path[64];
	uint64_t total = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		uint64_t ns = 0;
		FILE *f;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(
			path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, atoi(entry->d_name));
		f = fopen(path, "r");
		if (f != NULL && fscanf(f, "%" SCNu64, &ns) == 1)
			total += ns;
		if (f != NULL)
			fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return total;
}

uint64_t
cells_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
