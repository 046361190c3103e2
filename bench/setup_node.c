/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Nodes and messages of the suite `setup`.
 */
#include <string.h>

#include "bench.h"
#include "setup_node.h"

static const uint8_t prefix[PEEL_PREFIX_LEN] = {0, 2, 'b', 'e', 'n', 'c', 'h'};

struct peel_identity setup_originators[ORIGINATORS];
uint8_t setup_points[ORIGINATORS][PEEL_X_LEN];
struct peel_target setup_targets[TARGETS];

/* ---- the node's surroundings ----------------------------------------------------------------- */

/* Time stands still: nothing expires while it is measured. */
static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return 1000000;
}

static void
random_bytes(void *arg, void *out, size_t len)
{
	(void)arg;
	peel_random(&peel_env_system, out, len);
}

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct node *n = arg;

	(void)to;
	if (len < CREATE_LEN || data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL ||
		data[PEEL_CELL_HEADER_LEN] != PEEL_MSG_CREATE)
		return;
	/* The next hop will answer with its circuit id and identifier. */
	memcpy(n->created + PEEL_CELL_OFF_CID, data + PEEL_CELL_OFF_CID, 4);
	memcpy(n->created + PEEL_CELL_HEADER_LEN + 1, data + PEEL_CELL_HEADER_LEN + 1, 2);
}

static size_t
on_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	(void)arg;
	(void)all;
	(void)none;
	n = n < TARGETS ? n : TARGETS;
	memcpy(out, setup_targets, n * sizeof(*out));
	return n;
}

static bool
on_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	(void)arg;
	*out = setup_targets[0];
	return memcmp(pk, setup_targets[0].pk, PEEL_PK_LEN) == 0;
}

static bool
on_proved(void *arg, const struct peel_addr *addr)
{
	(void)arg;
	(void)addr;
	return true;
}

static void
on_exit_gone(void *arg, uint32_t session, uint32_t endpoint)
{
	(void)arg;
	(void)session;
	(void)endpoint;
}

void
setup_start(struct node *n)
{
	const struct peel_route_conf routes = {
		.max_sessions = CIRCUITS, .rcu = n->rcu, .env = &n->env, .heap = true};
	struct peel_or_conf conf = {
		.env = &n->env,
		.identity = &n->id,
		.stats = &n->stats,
		.send = on_send,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.proved = on_proved,
		.exit_gone = on_exit_gone,
		.arg = n,
	};

	bench_must(peel_route_table_new(&routes, &n->routes), "table");
	conf.routes = n->routes;
	conf.handshake_queue = n->handshake_queue;
	memcpy(conf.prefix, prefix, sizeof(prefix));
	peel_or_settings_init(&conf.settings);
	conf.settings.peer_flags = PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT;
	conf.settings.max_joined_circuits = 2 * CIRCUITS;
	conf.settings.create_rate_per_source = 0;
	conf.settings.create_rate = 0;
	bench_must(peel_or_new(&conf, &n->circuits), "circuits");
	n->joined = 0;
}

void
setup_stop(struct node *n)
{
	peel_or_free(n->circuits);
	peel_rcu_poll(n->rcu);
	peel_route_table_free(n->routes);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static void
on_done(void *arg)
{
	sem_post(&((struct node *)arg)->handshakes_done);
}

static void *
helper_main(void *arg)
{
	bench_unpin();
	peel_handshake_queue_run(arg);
	return NULL;
}

static void
stop_helpers(struct node *n)
{
	if (n->handshake_queue == NULL)
		return;
	peel_handshake_queue_stop(n->handshake_queue);
	while (n->n_helpers > 0)
		pthread_join(n->helper[--n->n_helpers], NULL);
	peel_handshake_queue_free(n->handshake_queue);
	n->handshake_queue = NULL;
	sem_destroy(&n->handshakes_done);
}

static void
start_helpers(struct node *n, unsigned int helpers)
{
	const struct peel_handshake_queue_conf conf = {
		.threads = helpers,
		.env = &n->env,
		.identity = &n->id,
		.key_pairs = true,
		.done = on_done,
		.arg = n,
	};

	sem_init(&n->handshakes_done, 0, 0);
	bench_must(peel_handshake_queue_new(&conf, &n->handshake_queue), "handshakes");
	for (; n->n_helpers < helpers; n->n_helpers++)
		bench_must(pthread_create(
				   &n->helper[n->n_helpers], NULL, helper_main, n->handshake_queue),
			"thread");
}

void
setup_helpers(struct node *n, unsigned int helpers)
{
	setup_stop(n);
	stop_helpers(n);
	if (helpers > 0)
		start_helpers(n, helpers);
	setup_start(n);
}

/* ---- messages -------------------------------------------------------------------------------- */

void
setup_create(struct neighbour *nb, uint32_t serial)
{
	struct peel_msg_create m = {
		.identifier = (uint16_t)serial,
		.pk = {nb->id->pk, PEEL_PK_LEN},
		.x = {setup_points[serial % ORIGINATORS], PEEL_X_LEN},
	};

	peel_cell_header(nb->create, prefix, nb->cid, true, true);
	if (peel_create_build(nb->create + PEEL_CELL_HEADER_LEN, CREATE_LEN - PEEL_CELL_HEADER_LEN,
		    &m) != CREATE_LEN - PEEL_CELL_HEADER_LEN)
		bench_fail("create cannot be built");
}

void
setup_destroy(struct neighbour *nb)
{
	struct peel_writer w = peel_writer_init(nb->destroy, sizeof(nb->destroy));
	const struct peel_msg_destroy m = {.cid = nb->cid, .reason = PEEL_DESTROY_UNNEEDED};
	uint8_t body[PEEL_DESTROY_BODY_LEN];

	peel_destroy_body(body, &m);
	peel_signed_begin(&w, prefix, PEEL_MSG_DESTROY, nb->id->pk, false, 0);
	peel_write_bytes(&w, body, sizeof(body));
	peel_sign(&w, nb->id);
	if (peel_writer_len(&w) != DESTROY_LEN)
		bench_fail("destroy cannot be built");
}

static void
make_extension(struct node *n)
{
	const struct peel_msg_extend extend = {
		.pk = {setup_targets[0].pk, PEEL_PK_LEN},
		.x = {setup_points[0], PEEL_X_LEN},
		.address = setup_targets[0].addr,
	};
	uint8_t y[32] = {1}, auth[32] = {2}, enc[PEEL_SEAL_OVERHEAD + 1] = {3};
	const struct peel_msg_created created = {
		.y = {y, sizeof(y)},
		.auth = {auth, sizeof(auth)},
		.candidates_enc = {enc, sizeof(enc)},
	};
	int len = peel_extend_build(n->extend, sizeof(n->extend), &extend);

	if (len <= 0)
		bench_fail("extend cannot be built");
	n->extend_len = (size_t)len;
	peel_cell_header(n->created, prefix, 0, true, false);
	len = peel_created_build(n->created + PEEL_CELL_HEADER_LEN,
		sizeof(n->created) - PEEL_CELL_HEADER_LEN, PEEL_MSG_CREATED, &created);
	if (len <= 0)
		bench_fail("created cannot be built");
	n->created_len = PEEL_CELL_HEADER_LEN + (size_t)len;
}

/* ---- life ------------------------------------------------------------------------------------ */

void
setup_world(void)
{
	uint8_t secret[PEEL_X_LEN];

	bench_must(peel_keys_init(), "libsodium");
	for (unsigned int i = 0; i < ORIGINATORS; i++) {
		bench_must(peel_identity_generate(&peel_env_system, &setup_originators[i]),
			"identity");
		bench_must(peel_handshake_start(&peel_env_system, secret, setup_points[i]),
			"handshake");
	}
	for (unsigned int i = 0; i < TARGETS; i++) {
		memcpy(setup_targets[i].pk, setup_originators[i].pk, PEEL_PK_LEN);
		setup_targets[i].addr = peel_addr_ipv4(192, 0, 2, (uint8_t)(1 + i), 7000);
		setup_targets[i].last_heard_ms = now_ms(NULL);
	}
}

void
setup_node_new(struct node *n)
{
	n->env = (struct peel_env){now_ms, random_bytes, NULL};
	bench_must(peel_identity_generate(&peel_env_system, &n->id), "identity");
	bench_must(peel_rcu_new(1, &n->rcu), "rcu");
	make_extension(n);
	n->chunk = CHUNK;
	setup_start(n);
}

void
setup_node_free(struct node *n)
{
	if (n->failed != 0)
		bench_fail("%llu messages were refused", (unsigned long long)n->failed);
	setup_stop(n);
	stop_helpers(n);
	peel_rcu_free(n->rcu);
	peel_identity_wipe(&n->id);
}
