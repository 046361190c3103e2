/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Whose is what comes back? On a circuit, a host belongs to the user who talks to it, for
 * CLAIM_SECONDS after each datagram; other users must take another circuit meanwhile. A name is a
 * host that only the exit can resolve, so the user who sends to one must be the only one on that
 * circuit who sends to its port.
 */
#include <errno.h>

#include "flows.h"

static unsigned int
first(uint64_t users)
{
	return (unsigned int)__builtin_ctzll(users);
}

/* Whether another user has recently sent to that port through the circuit. */
static bool
others_at_port(const struct port *p, uint32_t serial, uint32_t now)
{
	return (p->serial != serial && flow_is_fresh(now, p->at)) ||
	       flow_is_fresh(now, p->others_at);
}

/* The user who sent to a name at that port, or -1 if that user has left. */
static int
who_named(const struct peel_flows *f, const struct port *p)
{
	const struct user *u = &f->user[p->named_user];

	return u->alive && u->serial == p->named_serial ? p->named_user : -1;
}

enum claim
flow_claim(struct peel_flows *f, const struct flow_circuit *c, unsigned int user,
	const struct peel_socks_target *to)
{
	uint64_t others = c->users & ~(UINT64_C(1) << user);
	const struct port *p = flow_port(c, to->addr.port);
	uint32_t serial = f->user[user].serial, now = f->now;
	bool name = to->name[0] != '\0', port = name && others_at_port(p, serial, now);
	enum claim claim = port ? CLAIM_LEFT : CLAIM_FREE;

	if (others == 0)
		return CLAIM_FREE;
	if (!name && p->named_serial != serial && flow_is_fresh(now, p->named_at)) {
		if (who_named(f, p) >= 0)
			return CLAIM_TAKEN;
		claim = CLAIM_LEFT;
	}
	for (; others != 0; others &= others - 1) {
		unsigned int other = first(others);
		const struct flow *flow;
		uint32_t last;

		if (!flow_is_fresh(now, c->active[other]))
			continue;
		if (port && f->user[other].alive)
			return CLAIM_TAKEN; /* one of those who may have sent to that port is still
					       here */
		flow = flow_find(f, flow_key(f, other, to));
		if (flow == NULL || !flow_is_through(flow, c->id, now, &last) ||
			!flow_is_fresh(now, last))
			continue;
		if (f->user[other].alive)
			return CLAIM_TAKEN;
		claim = CLAIM_LEFT;
	}
	return claim;
}

void
flow_note_sent(struct peel_flows *f, struct flow_circuit *c, unsigned int user,
	const struct peel_socks_target *to, uint64_t key)
{
	struct port *p = flow_port(c, to->addr.port);
	uint32_t serial = f->user[user].serial, now = f->now;

	c->users |= UINT64_C(1) << user;
	c->active[user] = now;
	if (p->serial != serial) {
		p->others_at = p->at;
		p->serial = serial;
	}
	p->at = now;
	if (to->name[0] == '\0')
		return;
	c->named[user] = now;
	p->named_key = key;
	p->named_serial = serial;
	p->named_at = now;
	p->named_port = to->addr.port;
	p->named_user = (uint8_t)user;
}

/* ---- heard ----------------------------------------------------------------------------------- */

/* A host answered. So this circuit can reach such hosts, and those that the flow was moved away
 * from cannot, unless they did lately. */
static void
note_heard(struct peel_flows *f, struct flow *flow, struct flow_circuit *c, enum kind kind)
{
	uint32_t now = f->now;

	c->ability[kind].heard_at = now;
	c->ability[kind].failed = 0;
	for (unsigned int i = 0; i < f->n_circuits && flow->tried != 0; i++) {
		struct flow_circuit *other = &f->circuit[i];

		if (other != c && (flow->tried & other->bit) != 0)
			flow_failed(other, kind, true, now);
	}
	flow->waiting = false;
	flow->heard = now;
	if (flow->circuit != c->id && !flow_go(flow, c->id, now)) /* slow, not dead: go back */
		return;
	flow->tried = 0;
	flow->moves = 0;
	flow->answered = true;
	flow->used = now;
}

/* The user who last talked to that host through the circuit, or -1. A user who left still blocks
 * the others. */
static int
who_sent(struct peel_flows *f, struct flow_circuit *c, const struct peel_socks_target *origin,
	struct flow **out, uint32_t *last)
{
	uint32_t now = f->now, then;
	int best = -1;

	*out = NULL;
	for (uint64_t left = c->users; left != 0; left &= left - 1) {
		unsigned int user = first(left);
		struct flow *flow;

		if (now - c->active[user] > SILENT_SECONDS && c->owner != (int)user) {
			c->users &= ~(UINT64_C(1) << user);
			continue;
		}
		flow = flow_find(f, flow_key(f, user, origin));
		if (flow == NULL || !flow_is_through(flow, c->id, now, &then) ||
			(!f->user[user].alive && !flow_is_fresh(now, then)))
			continue;
		if (*out == NULL || !f->user[best].alive ||
			(f->user[user].alive && now - then < now - *last)) {
			*out = flow;
			*last = then;
			best = (int)user;
		}
	}
	return best;
}

/* The user who lately sent to a name at that port, or -1. */
static int
who_asked(const struct peel_flows *f, const struct port *p, uint16_t port)
{
	return p->named_port == port && flow_is_fresh(f->now, p->named_at) ? who_named(f, p) : -1;
}

/* No user asked for it, so it goes to the owner, unless another user of the circuit was active
 * lately: the datagram may be an answer to that one. */
static int
whose_unasked(const struct peel_flows *f, const struct flow_circuit *c)
{
	uint32_t now = f->now;

	for (uint64_t left = c->users; left != 0; left &= left - 1) {
		unsigned int user = first(left);

		if ((int)user != c->owner && f->user[user].alive &&
			flow_is_fresh(now, c->active[user]))
			return -ENOTUNIQ;
	}
	return c->owner;
}

/* A host came in through this circuit: answer through it, unless a conversation uses another. */
static void
note_incoming(struct peel_flows *f, unsigned int user, struct flow_circuit *c,
	const struct peel_socks_target *origin)
{
	uint64_t key = flow_key(f, user, origin);
	struct flow *flow = flow_find(f, key);

	if (flow == NULL)
		flow = flow_new(f, key, c->id);
	else if (flow_is_fresh(f->now, flow->heard) && flow_find_circuit(f, flow->circuit) != NULL)
		return;
	note_heard(f, flow, c, flow_kind(origin));
}

/* An answer to a name also counts as an answer for the flow of the name. */
static void
note_named(struct peel_flows *f, const struct port *p, struct flow_circuit *c)
{
	struct flow *flow = flow_find(f, p->named_key);
	uint32_t last;

	if (flow != NULL && flow_is_through(flow, c->id, f->now, &last))
		note_heard(f, flow, c, KIND_NAME);
}

/* A host that user `sent` talks to answered from a port that this user did not send to. The host
 * may also have a name, and this may be its answer to another user, who sent to that name. A user
 * who has left counts only at the very port of the name. */
static bool
may_be_named(const struct peel_flows *f, const struct flow_circuit *c, const struct port *p,
	int sent, uint16_t port)
{
	uint32_t now = f->now;

	if (p->serial == f->user[sent].serial && flow_is_fresh(now, p->at))
		return false;
	for (uint64_t left = c->users; left != 0; left &= left - 1) {
		unsigned int user = first(left);

		if ((int)user != sent && f->user[user].alive && flow_is_fresh(now, c->named[user]))
			return true;
	}
	return p->named_port == port && p->named_serial != f->user[sent].serial &&
	       flow_is_fresh(now, p->named_at);
}

static int
drop(struct peel_flows *f)
{
	peel_stats_add(f->stats, PEEL_DROP_SOCKS_WHOSE, 1);
	return -ENOTUNIQ;
}

int
peel_flows_in(struct peel_flows *f, uint64_t circuit, const struct peel_socks_target *origin)
{
	struct flow_circuit *c = flow_find_circuit(f, circuit);
	const struct port *p;
	struct flow *flow;
	uint32_t last = 0;
	int sent, asked, user;

	if (c == NULL || c->owner < 0)
		return -ENOENT;
	f->now = flow_clock(f);
	p = flow_port(c, origin->addr.port);
	asked = who_asked(f, p, origin->addr.port);
	sent = who_sent(f, c, origin, &flow, &last);
	if (sent >= 0 && asked >= 0 && sent != asked) {
		if (flow_is_fresh(f->now, last))
			return drop(f);
		sent = -1;
	}
	if (sent >= 0 && (!f->user[sent].alive || may_be_named(f, c, p, sent, origin->addr.port)))
		return drop(f);
	user = sent >= 0 ? sent : asked >= 0 ? asked : whose_unasked(f, c);
	if (user < 0)
		return drop(f);
	if (asked == user)
		note_named(f, p, c);
	if (sent == user)
		note_heard(f, flow, c, flow_kind(origin));
	else
		note_incoming(f, (unsigned int)user, c, origin);
	c->users |= UINT64_C(1) << user;
	c->active[user] = f->now;
	return user;
}
