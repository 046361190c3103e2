/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Flows: (user, host) -> circuit, in a table of sets that forgets the one used longest ago. Keys are 64-bit hashes with a
 * secret seed: nobody outside can make two hosts collide.
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_flows.h"

#define WAYS 8
#define SETS 4096 /* a power of two */
/* A host that was heard through one circuit within this time is not moved to another one it also came in through. */
#define HEARD_SECONDS 30
#define ASKED_MAX                                                                                  \
	8 /* names sent to through a circuit lately, whose addresses only its exit knows */
#define ASKED_SECONDS 30

struct flow {
	uint64_t key; /* 0: empty */
	uint64_t circuit;
	uint32_t used, heard; /* seconds of the clock */
};

struct asked {
	uint32_t serial; /* of the user; 0: empty */
	uint32_t at;	 /* seconds of the clock */
	uint16_t port;
	uint8_t user;
};

struct circuit {
	uint64_t id;
	uint64_t users; /* bit per slot that sent through it */
	uint64_t turn;	/* when it last got a new host */
	int owner;	/* slot, -1: none */
	struct asked asked[ASKED_MAX];
};

struct user {
	uint32_t
		serial; /* 0: the slot is free; part of the flows' keys, so that nobody inherits flows */
	unsigned int owned;
};

struct peel_flows {
	const struct peel_env *env;
	uint64_t seed, turn;
	uint32_t serial;
	bool isolate;
	unsigned int n_circuits, n_users;
	struct circuit circuit[PEEL_FLOWS_CIRCUITS];
	struct user user[PEEL_FLOWS_USERS];
	struct flow flow[SETS][WAYS];
};

struct peel_flows *
peel_flows_new(const struct peel_env *env, bool isolate)
{
	struct peel_flows *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->env = env;
	f->isolate = isolate;
	f->seed = peel_random_u64(env);
	return f;
}

void
peel_flows_free(struct peel_flows *f)
{
	if (f == NULL)
		return;
	peel_wipe(f, sizeof(*f)); /* who talked to whom */
	free(f);
}

static uint32_t
now_s(const struct peel_flows *f)
{
	return (uint32_t)(peel_now_ms(f->env) / 1000);
}

static struct circuit *
find_circuit(struct peel_flows *f, uint64_t id)
{
	for (unsigned int i = 0; i < f->n_circuits; i++) {
		if (f->circuit[i].id == id)
			return &f->circuit[i];
	}
	return NULL;
}

/* ---- owners ------------------------------------------------------------------------------------------------------- */

static int
poorest(const struct peel_flows *f)
{
	int best = -1;

	for (int i = 0; i < PEEL_FLOWS_USERS; i++) {
		if (f->user[i].serial != 0 && (best < 0 || f->user[i].owned < f->user[best].owned))
			best = i;
	}
	return best;
}

static int
richest(const struct peel_flows *f)
{
	int best = -1;

	for (int i = 0; i < PEEL_FLOWS_USERS; i++) {
		if (f->user[i].serial != 0 && (best < 0 || f->user[i].owned > f->user[best].owned))
			best = i;
	}
	return best;
}

static void
own(struct peel_flows *f, struct circuit *c, int user)
{
	if (c->owner >= 0)
		f->user[c->owner].owned--;
	c->owner = user;
	if (user >= 0)
		f->user[user].owned++;
}

/* No circuit without an owner, and no user with two more than another. */
static void
balance(struct peel_flows *f)
{
	int poor = poorest(f), rich;

	if (poor < 0)
		return;
	for (unsigned int i = 0; i < f->n_circuits; i++) {
		if (f->circuit[i].owner < 0)
			own(f, &f->circuit[i], poorest(f));
	}
	for (;;) {
		poor = poorest(f);
		rich = richest(f);
		if (f->user[rich].owned < f->user[poor].owned + 2)
			return;
		/* The youngest: fewest conversations go through it. */
		for (unsigned int i = f->n_circuits; i-- > 0;) {
			if (f->circuit[i].owner == rich) {
				own(f, &f->circuit[i], poor);
				break;
			}
		}
	}
}

int
peel_flows_join(struct peel_flows *f)
{
	for (int i = 0; i < PEEL_FLOWS_USERS; i++) {
		if (f->user[i].serial != 0)
			continue;
		if (++f->serial == 0)
			f->serial = 1;
		f->user[i].serial = f->serial;
		f->n_users++;
		balance(f);
		return i;
	}
	return -ENOSPC;
}

void
peel_flows_leave(struct peel_flows *f, unsigned int user)
{
	if (user >= PEEL_FLOWS_USERS || f->user[user].serial == 0)
		return;
	for (unsigned int i = 0; i < f->n_circuits; i++) {
		f->circuit[i].users &= ~(UINT64_C(1) << user);
		if (f->circuit[i].owner == (int)user)
			own(f, &f->circuit[i], -1);
	}
	f->user[user].serial = 0;
	f->n_users--;
	balance(f);
}

int
peel_flows_add(struct peel_flows *f, uint64_t id)
{
	struct circuit *c;

	if (find_circuit(f, id) != NULL)
		return 0;
	if (f->n_circuits == PEEL_FLOWS_CIRCUITS)
		return -ENOSPC;
	c = &f->circuit[f->n_circuits++];
	*c = (struct circuit){.id = id, .owner = -1};
	balance(f);
	return 0;
}

void
peel_flows_del(struct peel_flows *f, uint64_t id)
{
	struct circuit *c = find_circuit(f, id);

	if (c == NULL)
		return;
	own(f, c, -1);
	f->n_circuits--;
	/* Keep the order, which is by age. */
	memmove(c, c + 1, (size_t)(&f->circuit[f->n_circuits] - c) * sizeof(*c));
	balance(f);
}

void
peel_flows_set(struct peel_flows *f, const uint64_t *id, size_t n)
{
	for (unsigned int i = f->n_circuits; i-- > 0;) {
		bool there = false;

		for (size_t j = 0; j < n && !there; j++)
			there = id[j] == f->circuit[i].id;
		if (!there)
			peel_flows_del(f, f->circuit[i].id);
	}
	for (size_t j = 0; j < n; j++)
		(void)peel_flows_add(f, id[j]);
}

unsigned int
peel_flows_owned(const struct peel_flows *f, unsigned int user)
{
	return f->user[user].owned;
}

/* ---- flows ---------------------------------------------------------------------------------------------------------- */

/* Of the host only, not of its port: one host shall see one exit. */
static uint64_t
flow_key(const struct peel_flows *f, unsigned int user, const struct peel_socks_target *t)
{
	uint32_t serial = f->user[user].serial;
	struct peel_addr a = t->addr;
	uint64_t h = f->seed;

	a.port = 0;
	if (t->name[0] == '\0')
		return peel_addr_hash(&a, serial, h) | 1;
	for (size_t at = 0, len = strlen(t->name); at < len; at += sizeof(a.ip)) {
		size_t n = len - at < sizeof(a.ip) ? len - at : sizeof(a.ip);

		memset(&a, 0, sizeof(a));
		memcpy(a.ip, t->name + at, n);
		a.family = 255; /* no address hashes like a name */
		h = peel_addr_hash(&a, serial, h);
	}
	return h | 1;
}

static struct flow *
find_flow(struct peel_flows *f, uint64_t key)
{
	struct flow *set = f->flow[key >> 32 & (SETS - 1)];

	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
	}
	return NULL;
}

/* The place for a new flow: an empty one, else that of the flow used longest ago. */
static struct flow *
new_flow(struct peel_flows *f, uint64_t key, uint64_t circuit)
{
	struct flow *set = f->flow[key >> 32 & (SETS - 1)], *oldest = &set[0];
	uint32_t now = now_s(f);

	for (int i = 0; i < WAYS && oldest->key != 0; i++) {
		if (set[i].key == 0 || now - set[i].used > now - oldest->used)
			oldest = &set[i];
	}
	*oldest = (struct flow){.key = key, .circuit = circuit, .used = now};
	return oldest;
}

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

/* Among the user's own circuits, or all when it has none: the one whose turn it is, or the one that the host and the
 * circuit agree on (which a forgotten flow finds again). */
static struct circuit *
choose(struct peel_flows *f, unsigned int user, uint64_t key)
{
	struct circuit *best = NULL;
	uint64_t best_score = 0;

	for (unsigned int i = 0; i < f->n_circuits; i++) {
		struct circuit *c = &f->circuit[i];
		uint64_t score = f->isolate ? UINT64_MAX - c->turn : mix(key ^ mix(c->id));

		if (f->user[user].owned > 0 && c->owner != (int)user)
			continue;
		if (best == NULL || score > best_score) {
			best = c;
			best_score = score;
		}
	}
	return best;
}

/* Answers come from an address; that a name's port is the same is all there is to go by. */
static void
note_asked(struct peel_flows *f, struct circuit *c, unsigned int user, uint16_t port)
{
	uint32_t serial = f->user[user].serial, now = now_s(f);
	struct asked *place = &c->asked[0];

	for (int i = 0; i < ASKED_MAX; i++) {
		struct asked *a = &c->asked[i];

		if (a->serial == serial && a->port == port) {
			place = a;
			break;
		}
		if (a->serial == 0 || (place->serial != 0 && now - a->at > now - place->at))
			place = a;
	}
	*place = (struct asked){.serial = serial, .at = now, .port = port, .user = (uint8_t)user};
}

/* The last one who sent to a name at that port, or -1. */
static int
who_asked(const struct peel_flows *f, const struct circuit *c, uint16_t port)
{
	uint32_t now = now_s(f), best = ASKED_SECONDS + 1;
	int user = -1;

	for (int i = 0; i < ASKED_MAX; i++) {
		const struct asked *a = &c->asked[i];

		if (a->serial == 0 || a->port != port || now - a->at >= best ||
			f->user[a->user].serial != a->serial)
			continue;
		best = now - a->at;
		user = a->user;
	}
	return user;
}

uint64_t
peel_flows_out(struct peel_flows *f, unsigned int user, const struct peel_socks_target *to)
{
	uint64_t key = flow_key(f, user, to);
	struct flow *flow = find_flow(f, key);
	struct circuit *c = flow != NULL ? find_circuit(f, flow->circuit) : NULL;

	if (c == NULL) {
		c = choose(f, user, key);
		if (c == NULL)
			return 0;
		c->turn = ++f->turn;
		if (flow != NULL)
			flow->circuit = c->id;
		else
			flow = new_flow(f, key, c->id);
	}
	c->users |= UINT64_C(1) << user;
	if (to->name[0] != '\0')
		note_asked(f, c, user, to->addr.port);
	flow->used = now_s(f);
	return c->id;
}

static bool
is_flow_of(struct peel_flows *f, unsigned int user, uint64_t circuit,
	const struct peel_socks_target *origin)
{
	struct flow *flow = find_flow(f, flow_key(f, user, origin));

	if (flow == NULL || flow->circuit != circuit)
		return false;
	flow->heard = flow->used = now_s(f);
	return true;
}

/* Somebody came in through a circuit: answer through it, unless a live conversation goes through another one. */
static void
note_incoming(struct peel_flows *f, unsigned int user, uint64_t circuit,
	const struct peel_socks_target *origin)
{
	uint64_t key = flow_key(f, user, origin);
	struct flow *flow = find_flow(f, key);
	uint32_t now = now_s(f);

	if (flow == NULL)
		flow = new_flow(f, key, circuit);
	else if (now - flow->heard <= HEARD_SECONDS && find_circuit(f, flow->circuit) != NULL)
		return;
	flow->circuit = circuit;
	flow->heard = flow->used = now;
}

int
peel_flows_in(struct peel_flows *f, uint64_t circuit, const struct peel_socks_target *origin)
{
	struct circuit *c = find_circuit(f, circuit);
	uint64_t others;
	int user;

	if (c == NULL || c->owner < 0)
		return -ENOENT;
	if (is_flow_of(f, (unsigned int)c->owner, circuit, origin))
		return c->owner;
	others = c->users & ~(UINT64_C(1) << c->owner);
	for (; others != 0; others &= others - 1) {
		user = __builtin_ctzll(others);
		if (is_flow_of(f, (unsigned int)user, circuit, origin))
			return user;
	}
	user = who_asked(f, c, origin->addr.port);
	if (user < 0)
		user = c->owner;
	note_incoming(f, (unsigned int)user, circuit, origin);
	c->users |= UINT64_C(1) << user;
	return user;
}
