/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The file that keeps the DHT's routing tables over a restart. It has two places, written in turn,
 * and each state says itself whether it is whole: whatever interrupts a write, the state before it
 * is still there. So the file can be opened once, before the node gives up its rights, and needs
 * neither a folder to write to nor a rename.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node.h"

#define PLACES 2
#define INTERVAL_MS (10 * 60 * 1000)
#define FIRST_MS (60 * 1000) /* a node that ends early remembers something */

int
node_state_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

/* The newest whole state, if there is one. */
static void
load(struct peel_node *node)
{
	uint8_t *place = malloc(PEEL_DHT_STATE_MAX);
	uint64_t newest = 0, sequence;

	for (off_t i = 0; place != NULL && i < PLACES; i++) {
		ssize_t n = pread(
			node->dht_state.fd, place, PEEL_DHT_STATE_MAX, i * PEEL_DHT_STATE_MAX);

		if (n <= 0 || peel_dht_state_sequence(place, (size_t)n, &sequence) != 0 ||
			sequence <= newest || peel_dht_load(node->dht, place, (size_t)n) != 0)
			continue;
		newest = sequence;
	}
	node->dht_state.sequence = newest;
	free(place);
}

void
node_dht_state_open(struct peel_node *node)
{
	const char *path = node->conf.dht_state;
	struct peel_dht_count count;

	if (path[0] == '\0')
		return;
	node->dht_state.fd = node_state_open(path);
	if (node->dht_state.fd < 0) {
		peel_log(PEEL_LOG_WARNING, "[dht] state: cannot use %s: %s%s", path,
			strerror(-node->dht_state.fd),
			node->dht_state.fd == -ENOENT ? " (its folder must exist)" : "");
		return;
	}
	load(node);
	peel_dht_count(node->dht, &count);
	peel_log(PEEL_LOG_INFO, "%zu nodes of the DHT are remembered", count.remembered);
	node->dht_state.due_ms = peel_now_ms(node->env) + FIRST_MS;
}

static void
save(struct peel_node *node)
{
	uint64_t sequence = node->dht_state.sequence + 1;
	struct peel_dht_count count;
	uint8_t *state;

	/* Who knows nobody, because the network is away, keeps what was known before. */
	peel_dht_count(node->dht, &count);
	state = count.nodes_ipv4 + count.nodes_ipv6 > 0 ? malloc(PEEL_DHT_STATE_MAX) : NULL;
	if (state == NULL)
		return;
	size_t len = peel_dht_save(node->dht, sequence, state);
	ssize_t n = pwrite(
		node->dht_state.fd, state, len, (off_t)(sequence % PLACES) * PEEL_DHT_STATE_MAX);

	free(state);
	if (n == (ssize_t)len) {
		node->dht_state.sequence = sequence;
		return;
	}
	peel_log(PEEL_LOG_WARNING, "[dht] state: cannot write %s: %s", node->conf.dht_state,
		n < 0 ? strerror(errno) : "no space");
	/* Once is enough. */
	close(node->dht_state.fd);
	node->dht_state.fd = -1;
}

uint64_t
node_dht_state_tick(struct peel_node *node)
{
	uint64_t now = peel_now_ms(node->env);

	if (node->dht_state.fd < 0)
		return INTERVAL_MS;
	if (now >= node->dht_state.due_ms) {
		node->dht_state.due_ms = now + INTERVAL_MS;
		save(node);
	}
	return node->dht_state.due_ms - now;
}

void
node_dht_state_close(struct peel_node *node)
{
	if (node->dht_state.fd < 0)
		return;
	save(node);
	if (node->dht_state.fd >= 0)
		close(node->dht_state.fd);
	node->dht_state.fd = -1;
}
