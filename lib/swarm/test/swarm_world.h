/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Users of hidden services (lib/swarm over lib/origin_circuit) among relays that serve them
 * (lib/hidden over lib/or_circuit), with a DHT in memory, on a network that delays, loses, repeats
 * and reorders, under a simulated clock. Workers are a few lines that do what lib/datapath does
 * with one cell. Failures end the test through cmocka.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "peel_discovery.h"
#include "peel_hidden.h"
#include "peel_swarm.h"

#define RELAYS_MAX 40
#define USERS_MAX 8
#define FLYING_MAX 4096
#define PEERS_MAX 128
#define DHT_MAX 256

struct peer { /* that a user was told of */
	uint32_t swarm;
	peel_origin_id circuit;
	bool gone;
	uint64_t since_ms, gone_ms;
	unsigned int n_data; /* that came through it */
	uint8_t data[32];    /* the last of it */
	size_t data_len;
};

struct relay {
	struct peel_env env;
	uint64_t random_state;
	struct peel_addr addr;
	struct peel_identity id;
	struct peel_stats stats;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_or_circuits *circuits;
	struct peel_hidden *hidden;
	uint16_t flags;
	bool dead;	/* hears nothing, says nothing */
	bool secretive; /* knows no public address, so offers nothing */
	bool silent;	/* hands no create-e2e on, answers no peers-request */
	bool forgetful; /* its circuits stay, but nothing passes between joined ones any more */
	uint8_t looked_up[PEEL_INFO_HASH_LEN];
	bool looking;
	/* Answers instead of the DHT, if set. */
	size_t (*lie)(struct relay *r, const uint8_t *info_hash,
		struct peel_dht_introduction out[PEEL_PEERS_MAX]);
	unsigned int n_create_e2e, n_peers_request, n_establish; /* it got */
};

struct user {
	struct peel_env env;
	uint64_t random_state;
	struct peel_addr addr;
	struct peel_identity id;
	struct peel_stats stats;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_paths *paths;
	struct peel_origin_circuits *origin;
	struct peel_swarms *swarms;
	uint64_t tick_ms;
	struct peer peer[PEERS_MAX];
	unsigned int n_peers;
	int result; /* of the last message or datagram for lib/swarm */
};

struct flying {
	struct peel_addr from, to;
	uint64_t due_ms, order;
	size_t len;
	uint8_t data[PEEL_DATAGRAM_MAX];
};

struct published {
	bool used;
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	struct peel_dht_introduction introduction;
};

struct net {
	uint64_t now_ms, relays_ms;
	uint64_t random_state, order;
	struct relay *relay[RELAYS_MAX];
	unsigned int n_relays;
	struct user *user[USERS_MAX];
	unsigned int n_users;
	struct flying flying[FLYING_MAX];
	unsigned int n_flying;
	struct published dht[DHT_MAX];
	unsigned int loss_percent, repeat_percent;
	uint64_t delay_min_ms, delay_max_ms;
	/* Looks at each message that reaches the end of a circuit. false: lost. */
	bool (*at_end)(
		struct relay *r, const struct peel_route *route, const uint8_t *msg, size_t len);
	/* Looks at each datagram, and may change it. false: lost. */
	bool (*tap)(struct flying *p);
};

extern struct net *net;
extern const uint8_t net_prefix[PEEL_PREFIX_LEN];

/* relays of which every other is an exit */
void net_new(unsigned int relays);
void net_free(void);
struct relay *net_relay(struct peel_addr addr, uint16_t flags);
/* paths: how many circuits there may be */
struct user *net_user(const struct peel_swarm_settings *swarm,
	const struct peel_origin_settings *origin, uint32_t paths);
void net_run(uint64_t ms);
void net_send(
	const struct peel_addr *from, const struct peel_addr *to, const uint8_t *data, size_t len);
uint64_t net_below(uint64_t n);
struct relay *net_relay_with(const uint8_t *pk);

/* nth service's info hash */
const uint8_t *net_hash(uint8_t n);
uint32_t net_join(struct user *u, uint8_t hash, unsigned int hops, bool seed, bool find);
struct peel_swarm_info net_info(const struct user *u, uint32_t swarm);
/* Peers that there are now; *first is one of them. */
unsigned int net_peers(struct user *u, uint32_t swarm, struct peer **first);
/* Run until that many are there, at most so long. @return ms it took; fails the test. */
uint64_t net_wait_peers(struct user *u, uint32_t swarm, unsigned int n, uint64_t ms);
/* Data to a peer, sealed as a worker would. */
void net_data(struct user *u, const struct peer *p, const char *text);
/* The circuits of a swarm of that type, closing ones left out. @return how many there are */
unsigned int net_circuits(struct user *u, uint32_t swarm, enum peel_origin_type type,
	peel_origin_id *out, unsigned int n);
/* The one questions go over, READY. */
peel_origin_id net_questions(struct user *u, uint32_t swarm);
/* The relay at the end of a circuit. */
struct relay *net_end(struct user *u, peel_origin_id id);
uint64_t net_stat(const struct user *u, enum peel_counter c);
/* All that a user says agrees with its circuits, paths and sessions. */
void net_check(struct user *u);

/* swarm_workers.c */
void relay_input(struct relay *r, const struct flying *p);
void user_input(struct user *u, const struct flying *p);
