/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Users and circuits, and which user owns which circuit.
 */
#include <errno.h>
#include <stdlib.h>

#include "flows.h"

struct peel_flows *
peel_flows_new(const struct peel_env *env, struct peel_stats *stats, bool isolate)
{
	struct peel_flows *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->env = env;
	f->stats = stats;
	f->isolate = isolate;
	f->seed = peel_random_u64(env);
	return f;
}

static void
free_circuit(struct flow_circuit *c)
{
	peel_wipe(c->port, PORTS * sizeof(c->port[0]));
	free(c->port);
}

void
peel_flows_free(struct peel_flows *f)
{
	if (f == NULL)
		return;
	for (unsigned int i = 0; i < f->n_circuits; i++)
		free_circuit(&f->circuit[i]);
	peel_wipe(f, sizeof(*f)); /* shows who talked to whom */
	free(f);
}

struct flow_circuit *
flow_find_circuit(struct peel_flows *f, uint64_t id)
{
	for (unsigned int i = 0; i < f->n_circuits; i++) {
		if (f->circuit[i].id == id)
			return &f->circuit[i];
	}
	return NULL;
}

/* ---- owners ---------------------------------------------------------------------------------- */

static int
poorest(const struct peel_flows *f)
{
	int best = -1;

	for (int i = 0; i < PEEL_FLOWS_USERS; i++) {
		if (f->user[i].alive && (best < 0 || f->user[i].owned < f->user[best].owned))
			best = i;
	}
	return best;
}

static int
richest(const struct peel_flows *f)
{
	int best = -1;

	for (int i = 0; i < PEEL_FLOWS_USERS; i++) {
		if (f->user[i].alive && (best < 0 || f->user[i].owned > f->user[best].owned))
			best = i;
	}
	return best;
}

static void
own(struct peel_flows *f, struct flow_circuit *c, int user)
{
	if (c->owner >= 0)
		f->user[c->owner].owned--;
	c->owner = user;
	if (user >= 0)
		f->user[user].owned++;
}

/* Give every circuit an owner, and keep the users' shares within one of each other. */
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
		/* The youngest: it carries the fewest conversations. */
		for (unsigned int i = f->n_circuits; i-- > 0;) {
			if (f->circuit[i].owner == rich) {
				own(f, &f->circuit[i], poor);
				break;
			}
		}
	}
}

/* The slot that has been free longest, so that late answers for its last user do not reach the next
 * one. */
static int
free_slot(const struct peel_flows *f)
{
	int best = -1;

	for (int i = 0; i < PEEL_FLOWS_USERS; i++) {
		if (!f->user[i].alive && (best < 0 || f->user[i].left < f->user[best].left))
			best = i;
	}
	return best;
}

int
peel_flows_join(struct peel_flows *f)
{
	int slot = free_slot(f);

	if (slot < 0)
		return -ENOSPC;
	for (unsigned int i = 0; i < f->n_circuits; i++) {
		f->circuit[i].users &= ~(UINT64_C(1) << slot);
		f->circuit[i].named[slot] = 0;
	}
	f->user[slot] = (struct user){.serial = ++f->serial, .alive = true};
	f->n_users++;
	balance(f);
	return slot;
}

void
peel_flows_leave(struct peel_flows *f, unsigned int user)
{
	if (user >= PEEL_FLOWS_USERS || !f->user[user].alive)
		return;
	for (unsigned int i = 0; i < f->n_circuits; i++) {
		if (f->circuit[i].owner == (int)user)
			own(f, &f->circuit[i], -1);
	}
	f->user[user].alive = false;
	f->user[user].left = ++f->left;
	f->n_users--;
	balance(f);
}

/* Bits are taken in turn, as flows remember those of circuits that are gone. One is always free. */
static uint64_t
free_bit(struct peel_flows *f)
{
	uint64_t bit;

	do
		bit = UINT64_C(1) << f->next_bit++ % PEEL_FLOWS_CIRCUITS;
	while ((f->bits & bit) != 0);
	return bit;
}

int
peel_flows_add(struct peel_flows *f, uint64_t id)
{
	struct port *port;
	struct flow_circuit *c;

	if (flow_find_circuit(f, id) != NULL)
		return 0;
	if (f->n_circuits == PEEL_FLOWS_CIRCUITS)
		return -ENOSPC;
	port = calloc(PORTS, sizeof(*port));
	if (port == NULL)
		return -ENOMEM;
	c = &f->circuit[f->n_circuits++];
	*c = (struct flow_circuit){.id = id, .owner = -1, .port = port};
	c->bit = free_bit(f);
	f->bits |= c->bit;
	balance(f);
	return 0;
}

void
peel_flows_del(struct peel_flows *f, uint64_t id)
{
	struct flow_circuit *c = flow_find_circuit(f, id);

	if (c == NULL)
		return;
	own(f, c, -1);
	f->bits &= ~c->bit;
	free_circuit(c);
	f->n_circuits--;
	/* Keep the order by age. */
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

size_t
peel_flows_circuits(const struct peel_flows *f, unsigned int user, uint64_t *out, size_t n)
{
	size_t have = 0;

	for (unsigned int i = 0; i < f->n_circuits; i++) {
		if (f->circuit[i].owner != (int)user)
			continue;
		if (have < n)
			out[have] = f->circuit[i].id;
		have++;
	}
	return have;
}
