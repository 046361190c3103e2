/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Maps (user, host) to a circuit, in a set-associative table that forgets the least recently used
 * entry of a set. Keys are 64-bit hashes with a secret seed: nobody outside can make two hosts
 * collide.
 *
 * A flow that sends without hearing anything is moved: its exit may lack IPv6 or a resolver, or
 * have a firewall. Most silent hosts are simply gone, though, so a flow is moved a bounded number
 * of times, with growing pauses, and only when it sends again.
 */
#include <errno.h>

#include "flows.h"

/* pause without an answer before the first move, and how much each move adds */
#define PAUSE_SECONDS 4
#define PAUSE_MORE_SECONDS 2
#define PAUSE_ANSWERED 30  /* if this circuit has brought answers before */
#define MOVES_MAX 16	   /* without an answer: 5 minutes of trying */
#define FAILED_MAX 3	   /* flows that had to leave before an exit counts as unable */
#define FAILED_SECONDS 600 /* then the exit is tried again */
#define ABLE_SECONDS 60	   /* an exit heard from this recently is not to blame */

/* ---- the table ------------------------------------------------------------------------------- */

/* Covers the host but not its port: one host shall see one exit. */
uint64_t
flow_key(const struct peel_flows *f, unsigned int user, const struct peel_socks_target *t)
{
	uint32_t serial = f->user[user].serial;
	struct peel_addr a = t->addr;

	a.port = 0;
	if (t->name[0] == '\0')
		return peel_addr_hash(&a, serial, f->seed) | 1;
	return peel_hash_bytes(t->name, strlen(t->name), peel_hash_u32(serial, f->seed)) | 1;
}

struct flow *
flow_find(struct peel_flows *f, uint64_t key)
{
	struct flow *set = f->flow[key >> 32 & (FLOW_SETS - 1)];

	for (int i = 0; i < FLOW_WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
	}
	return NULL;
}

struct flow *
flow_new(struct peel_flows *f, uint64_t key, uint64_t circuit)
{
	struct flow *set = f->flow[key >> 32 & (FLOW_SETS - 1)], *oldest = &set[0];
	uint32_t now = f->now;

	for (int i = 0; i < FLOW_WAYS && oldest->key != 0; i++) {
		if (set[i].key == 0 || now - set[i].used > now - oldest->used)
			oldest = &set[i];
	}
	*oldest = (struct flow){.key = key, .circuit = circuit, .used = now};
	return oldest;
}

bool
flow_go(struct flow *flow, uint64_t circuit, uint32_t now)
{
	if (flow_is_fresh(now, flow->used)) {
		int place = 0;

		for (int i = 1; i < FLOW_LEFT; i++) {
			if (now - flow->left[i].used > now - flow->left[place].used)
				place = i;
		}
		if (flow_is_fresh(now, flow->left[place].used))
			return false;
		flow->left[place].circuit = flow->circuit;
		flow->left[place].used = flow->used;
	}
	flow->circuit = circuit;
	return true;
}

/* ---- what exits cannot do -------------------------------------------------------------------- */

void
flow_failed(struct flow_circuit *c, enum kind kind, bool proved, uint32_t now)
{
	struct ability *a = &c->ability[kind];

	if (a->heard_at != 0 && now - a->heard_at <= ABLE_SECONDS)
		return;
	if (proved)
		a->failed = FAILED_MAX;
	else if (a->failed < FAILED_MAX)
		a->failed++;
	a->failed_at = now;
}

static bool
is_able(const struct flow_circuit *c, enum kind kind, uint32_t now)
{
	const struct ability *a = &c->ability[kind];

	return a->failed < FAILED_MAX || now - a->failed_at > FAILED_SECONDS;
}

/* ---- which circuit --------------------------------------------------------------------------- */

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

/* Larger is better. A single silent host is no reason to use another user's circuit; a kind of
 * hosts that the user's own circuits cannot reach is. */
static unsigned int
rank(const struct peel_flows *f, const struct flow_circuit *c, unsigned int user, enum kind kind,
	uint64_t tried, enum claim claim)
{
	bool own = f->user[user].owned == 0 || c->owner == (int)user;

	return 8u * is_able(c, kind, f->now) + 4u * own + 2u * ((tried & c->bit) == 0) +
	       (claim == CLAIM_FREE);
}

/* Among the circuits of the best rank, take the one whose turn it is, or the one with the best hash
 * of host and circuit (which a forgotten flow finds again). */
static struct flow_circuit *
choose(struct peel_flows *f, unsigned int user, const struct peel_socks_target *to, uint64_t key,
	uint64_t tried)
{
	struct flow_circuit *best = NULL;
	uint64_t best_score = 0;
	unsigned int best_rank = 0;

	for (unsigned int i = 0; i < f->n_circuits; i++) {
		struct flow_circuit *c = &f->circuit[i];
		uint64_t score = f->isolate ? UINT64_MAX - c->turn : mix(key ^ mix(c->id));
		enum claim claim = flow_claim(f, c, user, to);
		unsigned int r;

		if (claim == CLAIM_TAKEN)
			continue;
		r = rank(f, c, user, flow_kind(to), tried, claim);
		if (best == NULL || r > best_rank || (r == best_rank && score > best_score)) {
			best = c;
			best_rank = r;
			best_score = score;
		}
	}
	return best;
}

/* Whether it is time to try another circuit. */
static bool
is_silent(const struct flow *flow, uint32_t now)
{
	uint32_t pause =
		flow->answered ? PAUSE_ANSWERED : PAUSE_SECONDS + PAUSE_MORE_SECONDS * flow->moves;

	return flow->waiting && flow->moves < MOVES_MAX && now - flow->asked >= pause;
}

/* Whether the other users on the circuit let the flow stay. A host in use belongs to its user
 * there, but another user may have claimed the port. */
static bool
may_stay(struct peel_flows *f, const struct flow *flow, const struct flow_circuit *c,
	unsigned int user, const struct peel_socks_target *to)
{
	if (!flow_is_fresh(f->now, flow->used) && f->user[user].owned > 0 && c->owner != (int)user)
		return false; /* another user owns the circuit now, and the conversation is over */
	return (c->users & ~(UINT64_C(1) << user)) == 0 ||
	       flow_claim(f, c, user, to) != CLAIM_TAKEN;
}

/* Move a flow without answers to the next best circuit; without one it stays. */
static struct flow_circuit *
move(struct peel_flows *f, struct flow *flow, struct flow_circuit *c, unsigned int user,
	const struct peel_socks_target *to)
{
	uint64_t tried = flow->tried | c->bit;
	struct flow_circuit *next = choose(f, user, to, flow->key, tried);
	uint32_t now = f->now;

	if (next != NULL && (tried & next->bit) != 0) { /* all were tried: start again */
		tried = c->bit;
		next = choose(f, user, to, flow->key, tried);
	}
	flow_failed(c, flow_kind(to), false, now);
	if (next == NULL || next == c || !flow_go(flow, next->id, now)) {
		flow->asked = now; /* look again later */
		return c;
	}
	flow->tried = tried;
	flow->moves++;
	flow->waiting = flow->answered = false;
	next->turn = ++f->turn;
	peel_stats_add(f->stats, PEEL_SOCKS_MOVED, 1);
	return next;
}

/* Choose a circuit for a new flow, or another one for a flow whose circuit is gone or taken. */
static struct flow_circuit *
place(struct peel_flows *f, unsigned int user, const struct peel_socks_target *to, uint64_t key,
	struct flow **flow)
{
	struct flow_circuit *c = choose(f, user, to, key, 0);

	if (c == NULL)
		return NULL;
	if (*flow == NULL)
		*flow = flow_new(f, key, c->id);
	else if (flow_find_circuit(f, (*flow)->circuit) == NULL)
		(*flow)->circuit = c->id;
	else if (!flow_go(*flow, c->id, f->now))
		return NULL;
	(*flow)->waiting = (*flow)->answered = false;
	(*flow)->tried = 0;
	(*flow)->moves = 0;
	c->turn = ++f->turn;
	return c;
}

int
peel_flows_out(struct peel_flows *f, unsigned int user, const struct peel_socks_target *to,
	uint64_t *circuit)
{
	uint64_t key = flow_key(f, user, to);
	struct flow *flow = flow_find(f, key);
	struct flow_circuit *c = flow != NULL ? flow_find_circuit(f, flow->circuit) : NULL;

	f->now = flow_clock(f);
	if (f->n_circuits == 0)
		return -EAGAIN;
	if (c != NULL && !may_stay(f, flow, c, user, to))
		c = NULL;
	else if (c != NULL && is_silent(flow, f->now))
		c = move(f, flow, c, user, to);
	if (c == NULL)
		c = place(f, user, to, key, &flow);
	if (c == NULL)
		return -EBUSY;
	if (!flow->waiting) {
		flow->waiting = true;
		flow->asked = f->now;
	}
	flow->used = f->now;
	flow_note_sent(f, c, user, to, key);
	*circuit = c->id;
	return 0;
}
