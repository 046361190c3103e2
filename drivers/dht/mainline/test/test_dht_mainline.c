/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Three nodes of libtorrent on loopback, which know nobody else. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <time.h>

#include "peel_dht_mainline.h"

#define N 3
#define PATIENCE_MS 20000

static uint64_t
real_now(void *arg)
{
	struct timespec t;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static const struct peel_env env = {.now_ms = real_now};

struct node {
	uint16_t port;
	char listen[64], bootstrap[64];
	void *self;
	uint8_t looked_up[PEEL_INFO_HASH_LEN];
	struct peel_addr found[16];
	size_t n_found;
	unsigned int n_ended, n_wakes;
};

static struct node nodes[N];

static void
on_wake(void *arg)
{
	struct node *n = arg;

	__atomic_add_fetch(&n->n_wakes, 1, __ATOMIC_RELAXED);
}

static void
on_addresses(void *arg, const uint8_t *info_hash, const struct peel_addr *addr, size_t n)
{
	struct node *node = arg;

	assert_memory_equal(info_hash, node->looked_up, PEEL_INFO_HASH_LEN);
	for (size_t i = 0; i < n && node->n_found < PEEL_ARRAY_LEN(node->found); i++)
		node->found[node->n_found++] = addr[i];
}

static void
on_ended(void *arg, const uint8_t *info_hash)
{
	struct node *node = arg;

	node->n_ended += memcmp(info_hash, node->looked_up, PEEL_INFO_HASH_LEN) == 0;
}

/* Free at this moment, for UDP and TCP. */
static uint16_t
free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static int
open_node(struct node *n, char *why, size_t size)
{
	struct peel_provider_conf conf = {.env = &env,
		.listen = n->listen,
		.bootstrap = n->bootstrap,
		.wake = on_wake,
		.addresses = on_addresses,
		.ended = on_ended,
		.arg = n};

	return peel_dht_mainline.open(&conf, &n->self, why, size);
}

static void
tick_all(void)
{
	for (size_t i = 0; i < N; i++) {
		if (nodes[i].self != NULL)
			assert_in_range(peel_dht_mainline.tick(nodes[i].self), 1, 10000);
	}
	poll(NULL, 0, 20);
}

static int
start(void **state)
{
	char why[256] = "";

	(void)state;
	for (size_t i = 0; i < N; i++) {
		struct node *n = &nodes[i];

		n->port = free_port();
		snprintf(n->listen, sizeof(n->listen), "127.0.0.1:%u", n->port);
		/* As a configuration may have it. */
		if (i > 0)
			snprintf(n->bootstrap, sizeof(n->bootstrap), " 127.0.0.1:%u, ",
				nodes[0].port);
		int rc = open_node(n, why, sizeof(why));

		if (rc != 0)
			fail_msg("%s", why);
	}
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < N; i++)
		peel_dht_mainline.close(nodes[i].self);
	return 0;
}

static void
look_up(struct node *n, uint8_t hash)
{
	uint64_t until = real_now(NULL) + PATIENCE_MS;

	memset(n->looked_up, hash, sizeof(n->looked_up));
	n->n_found = n->n_ended = 0;
	assert_int_equal(peel_dht_mainline.look_up(n->self, n->looked_up), 0);
	while (n->n_ended == 0 && real_now(NULL) < until)
		tick_all();
	assert_int_equal(n->n_ended, 1);
}

static void
test_announced_is_found(void **state)
{
	const struct peel_dht_introduction point = {.address = {.port = 7777}};
	uint64_t until = real_now(NULL) + PATIENCE_MS;
	uint8_t hash[PEEL_INFO_HASH_LEN];
	struct peel_provider_count count;
	uint32_t id;

	(void)state;
	memset(hash, 1, sizeof(hash));
	/* The nodes may need a moment to meet. */
	do {
		assert_int_equal(peel_dht_mainline.announce(nodes[1].self, hash, &point, &id), 0);
		for (int i = 0; i < 25; i++)
			tick_all();
		look_up(&nodes[2], 1);
	} while (nodes[2].n_found == 0 && real_now(NULL) < until);
	assert_true(nodes[2].n_found > 0);
	for (size_t i = 0; i < nodes[2].n_found; i++) {
		struct peel_addr want = peel_addr_ipv4(127, 0, 0, 1, 7777);

		assert_true(peel_addr_equal(&nodes[2].found[i], &want));
	}
	assert_true(__atomic_load_n(&nodes[2].n_wakes, __ATOMIC_RELAXED) > 0);
	peel_dht_mainline.count(nodes[2].self, &count);
	assert_in_range(count.nodes, 1, 4);
	assert_int_equal(count.lookups, 0);
}

/* One that begins right behind another one is not taken for ended because the state that the other
 * one asked for does not show it. */
static void
test_two_at_once(void **state)
{
	uint8_t other[PEEL_INFO_HASH_LEN];

	(void)state;
	memset(other, 8, sizeof(other));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(peel_dht_mainline.look_up(nodes[2].self, other), 0);
		look_up(&nodes[2], 1); /* announced before */
		assert_true(nodes[2].n_found > 0);
		peel_dht_mainline.cancel(nodes[2].self, other);
	}
}

static void
test_nothing_is_found(void **state)
{
	uint64_t since = real_now(NULL);

	(void)state;
	look_up(&nodes[2], 9);
	assert_int_equal(nodes[2].n_found, 0);
	assert_in_range(real_now(NULL) - since, 0, 9000);
}

static void
test_cancelled_and_bounded(void **state)
{
	struct node *n = &nodes[2];
	uint8_t hash[PEEL_INFO_HASH_LEN] = {0};
	struct peel_provider_count count;

	(void)state;
	n->n_ended = 0;
	poll(NULL, 0, 5000); /* the budget is full again */
	for (hash[0] = 0; hash[0] < 16; hash[0]++)
		assert_int_equal(peel_dht_mainline.look_up(n->self, hash), 0);
	assert_int_equal(peel_dht_mainline.look_up(n->self, hash), -ENOSPC);
	for (hash[0] = 0; hash[0] < 16; hash[0]++)
		peel_dht_mainline.cancel(n->self, hash);
	peel_dht_mainline.cancel(n->self, hash);
	peel_dht_mainline.count(n->self, &count);
	assert_int_equal(count.lookups, 0);
	/* Those that are cancelled count: libtorrent may be busy with them. */
	assert_int_equal(peel_dht_mainline.look_up(n->self, hash), -ENOSPC);
	for (int i = 0; i < 50; i++)
		tick_all();
	assert_int_equal(n->n_ended, 0);
}

/* Others' addresses are refused with a reason, and nothing stays. */
static void
test_cannot_listen(void **state)
{
	static const char *const wrong[] = {"192.0.2.1:7000", "nonsense"};
	char why[256];
	struct node n = {.port = 0};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(wrong); i++) {
		snprintf(n.listen, sizeof(n.listen), "%s", wrong[i]);
		assert_true(open_node(&n, why, sizeof(why)) < 0);
		assert_non_null(strstr(why, wrong[i]));
	}
	snprintf(n.listen, sizeof(n.listen), "%s", nodes[0].listen);
	assert_true(open_node(&n, why, sizeof(why)) < 0);
}

static bool
has_found(const struct node *n, const struct peel_addr *addr)
{
	size_t i = 0;

	while (i < n->n_found && !peel_addr_equal(&n->found[i], addr))
		i++;
	return i < n->n_found;
}

/* With addresses of both families there is a DHT of each (BEP 32); what is found in one is not
 * known in the other. */
static void
test_ipv6(void **state)
{
	const struct peel_dht_introduction point = {.address = {.port = 7777}};
	uint64_t until = real_now(NULL) + 3 * PATIENCE_MS;
	uint8_t hash[PEEL_INFO_HASH_LEN];
	struct node *old = malloc(sizeof(nodes));
	struct peel_provider_count count;
	struct peel_addr want;
	char why[256] = "";
	bool found = false;
	uint32_t id;

	(void)state;
	assert_non_null(old);
	memcpy(old, nodes, sizeof(nodes));
	memset(hash, 3, sizeof(hash));
	for (size_t i = 0; i < N; i++) {
		struct node *n = &nodes[i];

		*n = (struct node){.port = free_port()};
		snprintf(n->listen, sizeof(n->listen), "127.0.0.1:%u, [::1]:%u", n->port, n->port);
		if (i > 0)
			snprintf(n->bootstrap, sizeof(n->bootstrap), "127.0.0.1:%u, [::1]:%u",
				nodes[0].port, nodes[0].port);
		if (open_node(n, why, sizeof(why)) == 0)
			continue;
		/* No IPv6 on this machine. */
		memcpy(nodes, old, sizeof(nodes));
		free(old);
		skip();
	}
	assert_int_equal(peel_addr_parse("[::1]:7777", 0, &want), 0);
	/* The state is that of both DHTs: in each of them it knows two others at most. They meet by
	 * and by, while both are busy. */
	do {
		assert_int_equal(peel_dht_mainline.announce(nodes[1].self, hash, &point, &id), 0);
		for (int i = 0; i < 25; i++)
			tick_all();
		look_up(&nodes[2], 3);
		found |= has_found(&nodes[2], &want);
		peel_dht_mainline.count(nodes[2].self, &count);
	} while ((!found || count.nodes <= 2) && real_now(NULL) < until);
	assert_true(found);
	assert_in_range(count.nodes, 3, 4);
	for (size_t i = 0; i < N; i++)
		peel_dht_mainline.close(nodes[i].self);
	memcpy(nodes, old, sizeof(nodes));
	free(old);
}

/* libtorrent opens a TCP port, too; whoever connects there is sent away. */
static void
test_no_bittorrent(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(nodes[0].port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char byte;

	(void)state;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0) {
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_true(recv(fd, &byte, 1, 0) <= 0);
	}
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announced_is_found),
		cmocka_unit_test(test_two_at_once),
		cmocka_unit_test(test_nothing_is_found),
		cmocka_unit_test(test_cancelled_and_bounded),
		cmocka_unit_test(test_cannot_listen),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_no_bittorrent),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
