/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdlib.h>

#include <sys/queue.h>

#include "peel_held.h"

struct datagram {
	STAILQ_ENTRY(datagram) entry;
	uint64_t since_ms;
	struct peel_socks_target to;
	size_t len;
	uint8_t payload[];
};

struct queue {
	STAILQ_HEAD(, datagram) list; /* oldest first */
	unsigned int n;
};

struct peel_held {
	const struct peel_env *env;
	unsigned int n; /* of all users */
	struct queue queue[PEEL_FLOWS_USERS];
};

struct peel_held *
peel_held_new(const struct peel_env *env)
{
	struct peel_held *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->env = env;
	for (unsigned int i = 0; i < PEEL_FLOWS_USERS; i++)
		STAILQ_INIT(&h->queue[i].list);
	return h;
}

void
peel_held_free(struct peel_held *h)
{
	if (h == NULL)
		return;
	for (unsigned int i = 0; i < PEEL_FLOWS_USERS; i++)
		(void)peel_held_forget(h, i);
	free(h);
}

static struct datagram *
take(struct peel_held *h, unsigned int user)
{
	struct queue *q = &h->queue[user];
	struct datagram *d = STAILQ_FIRST(&q->list);

	if (d == NULL)
		return NULL;
	STAILQ_REMOVE_HEAD(&q->list, entry);
	q->n--;
	h->n--;
	return d;
}

static void
drop(struct datagram *d)
{
	peel_wipe(d, sizeof(*d) + d->len); /* who wanted to talk to whom */
	free(d);
}

static unsigned int
longest(const struct peel_held *h)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < PEEL_FLOWS_USERS; i++) {
		if (h->queue[i].n > h->queue[best].n)
			best = i;
	}
	return best;
}

/* Those of one user that waited too long. */
static unsigned int
expire(struct peel_held *h, unsigned int user)
{
	uint64_t now = peel_now_ms(h->env);
	unsigned int dropped = 0;
	struct datagram *d;

	while ((d = STAILQ_FIRST(&h->queue[user].list)) != NULL &&
		now - d->since_ms > PEEL_HELD_MS) {
		drop(take(h, user));
		dropped++;
	}
	return dropped;
}

unsigned int
peel_held_push(struct peel_held *h, unsigned int user, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	struct queue *q = &h->queue[user];
	unsigned int dropped = peel_held_expire(h);
	struct datagram *d = len <= PEEL_HELD_BYTES ? malloc(sizeof(*d) + len) : NULL;

	if (d == NULL)
		return dropped + 1;
	if (q->n == PEEL_HELD_PER_USER || h->n == PEEL_HELD_ALL) {
		drop(take(h, q->n == PEEL_HELD_PER_USER ? user : longest(h)));
		dropped++;
	}
	d->since_ms = peel_now_ms(h->env);
	d->to = *to;
	d->len = len;
	memcpy(d->payload, payload, len);
	STAILQ_INSERT_TAIL(&q->list, d, entry);
	q->n++;
	h->n++;
	return dropped;
}

bool
peel_held_pop(struct peel_held *h, unsigned int user,
	void (*fn)(void *arg, unsigned int user, const struct peel_socks_target *to,
		const uint8_t *payload, size_t len),
	void *arg, unsigned int *dropped)
{
	struct datagram *d;

	*dropped += expire(h, user);
	d = take(h, user);
	if (d == NULL)
		return false;
	fn(arg, user, &d->to, d->payload, d->len);
	drop(d);
	return true;
}

unsigned int
peel_held_waiting(const struct peel_held *h, unsigned int user)
{
	return h->queue[user].n;
}

unsigned int
peel_held_forget(struct peel_held *h, unsigned int user)
{
	unsigned int dropped = 0;
	struct datagram *d;

	while ((d = take(h, user)) != NULL) {
		drop(d);
		dropped++;
	}
	return dropped;
}

unsigned int
peel_held_expire(struct peel_held *h)
{
	unsigned int dropped = 0;

	for (unsigned int i = 0; i < PEEL_FLOWS_USERS; i++)
		dropped += expire(h, i);
	return dropped;
}
