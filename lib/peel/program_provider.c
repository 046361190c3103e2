/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The DHT that a program brings along. It may answer from any thread, at once or long after the
 * node was closed: so each question is an object of its own, which the last answer frees, and all
 * share a box that lives as long as any of them.
 */
#include <errno.h>
#include <stdlib.h>

#include "handle.h"

#define QUESTIONS_MAX 32 /* that have not been answered to the end */
#define POINTS_MAX 64	 /* in the box; more are not taken before the next tick */
#define REPEAT_MS (15 * 60 * 1000)
#define TICK_MS 500

struct box;

struct question {
	struct box *box;
	uint8_t what[20]; /* info hash, member id */
	bool is_peer, ended;
	bool ignored; /* nobody waits for it any more */
	bool has_address;
	struct peel_addr address; /* of the peer */
};

struct point {
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	struct peel_dht_introduction is;
};

struct box {
	pthread_mutex_t lock; /* of all below */
	bool closed;
	struct question *question[QUESTIONS_MAX]; /* NULL: free */
	unsigned int n_questions;
	struct point point[POINTS_MAX];
	unsigned int n_points;

	/* the node's side, control thread only */
	struct peel_provider_conf conf;
	const struct peel_dht_provider *program;
};

/* ---- the program's side, any thread ---------------------------------------------------------- */

/* @return true: it was the last one of a closed box, which is to be freed. */
static bool
drop(struct box *box, struct question *q)
{
	for (unsigned int i = 0; i < QUESTIONS_MAX; i++) {
		if (box->question[i] == q)
			box->question[i] = NULL;
	}
	free(q);
	return --box->n_questions == 0 && box->closed;
}

static void
free_box(struct box *box)
{
	pthread_mutex_destroy(&box->lock);
	free(box);
}

/* Unlocks. */
static void
end(struct box *box, struct question *q)
{
	bool last = false;

	q->ended = true;
	if (box->closed || q->ignored)
		last = drop(box, q);
	else
		box->conf.wake(box->conf.arg);
	pthread_mutex_unlock(&box->lock);
	if (last)
		free_box(box);
}

static int
to_addr(const struct peel_address *a, struct peel_addr *out)
{
	struct peel_host host;

	if (address_to_host(a, &host) != 0 || host.type == PEEL_HOST_NAME)
		return -EINVAL;
	*out = host.addr;
	return 0;
}

static bool
to_point(const struct peel_introduction_point *from, struct peel_dht_introduction *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->pk, from->key, PEEL_PK_LEN);
	memcpy(out->seeder_pk, from->seeder_key, PEEL_PK_LEN);
	return to_addr(&from->address, &out->address) == 0 &&
	       peel_pk_valid((struct peel_span){out->pk, PEEL_PK_LEN}) &&
	       peel_pk_valid((struct peel_span){out->seeder_pk, PEEL_PK_LEN});
}

static void
on_point(void *ctx, const struct peel_introduction_point *point)
{
	struct question *q = ctx;
	struct box *box = q->box;
	struct peel_dht_introduction is;

	if (point != NULL && !to_point(point, &is))
		return;
	pthread_mutex_lock(&box->lock);
	if (point == NULL) {
		end(box, q);
		return;
	}
	if (!box->closed && !q->ignored && box->n_points < POINTS_MAX) {
		struct point *p = &box->point[box->n_points++];

		memcpy(p->info_hash, q->what, sizeof(p->info_hash));
		p->is = is;
		box->conf.wake(box->conf.arg);
	}
	pthread_mutex_unlock(&box->lock);
}

static void
on_address(void *ctx, const struct peel_address *address)
{
	struct question *q = ctx;
	struct box *box = q->box;

	pthread_mutex_lock(&box->lock);
	q->has_address = address != NULL && to_addr(address, &q->address) == 0;
	end(box, q);
}

/* ---- the node's side, control thread --------------------------------------------------------- */

static struct question *
new_question(struct box *box, const uint8_t what[20], bool is_peer)
{
	struct question *q = calloc(1, sizeof(*q));
	unsigned int i = 0;

	if (q == NULL)
		return NULL;
	*q = (struct question){.box = box, .is_peer = is_peer};
	memcpy(q->what, what, sizeof(q->what));
	pthread_mutex_lock(&box->lock);
	while (i < QUESTIONS_MAX && box->question[i] != NULL)
		i++;
	if (i < QUESTIONS_MAX) {
		box->question[i] = q;
		box->n_questions++;
	}
	pthread_mutex_unlock(&box->lock);
	if (i < QUESTIONS_MAX)
		return q;
	free(q);
	return NULL;
}

/* The program will not answer. */
static int
refused(struct box *box, struct question *q, int rc)
{
	if (rc >= 0)
		return 0;
	pthread_mutex_lock(&box->lock);
	(void)drop(box, q);
	pthread_mutex_unlock(&box->lock);
	return rc;
}

static int
program_look_up(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct box *box = self;
	struct question *q;

	q = new_question(box, info_hash, false);
	if (q == NULL)
		return -ENOSPC;
	return refused(box, q, box->program->lookup(box->program->arg, info_hash, on_point, q));
}

static void
program_cancel(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct box *box = self;

	pthread_mutex_lock(&box->lock);
	for (unsigned int i = 0; i < QUESTIONS_MAX; i++) {
		struct question *q = box->question[i];

		if (q == NULL || q->is_peer || memcmp(q->what, info_hash, sizeof(q->what)) != 0)
			continue;
		q->ignored = true;
		if (q->ended)
			(void)drop(box, q);
	}
	pthread_mutex_unlock(&box->lock);
}

static int
program_announce(void *self, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *is, uint32_t *id)
{
	struct box *box = self;
	struct peel_introduction_point point = {.source = 0};

	*id = 0;
	peel_address_from_addr(&is->address, &point.address);
	memcpy(point.key, is->pk, sizeof(point.key));
	memcpy(point.seeder_key, is->seeder_pk, sizeof(point.seeder_key));
	return box->program->announce(box->program->arg, info_hash, &point);
}

static int
program_find_peer(void *self, const uint8_t mid[PEEL_MID_LEN])
{
	struct box *box = self;
	struct question *q;

	q = new_question(box, mid, true);
	if (q == NULL)
		return -ENOSPC;
	return refused(box, q, box->program->peer_lookup(box->program->arg, mid, on_address, q));
}

/* What has come, taken out of the box so that callbacks run without its lock. */
static unsigned int
take_points(struct box *box, struct point out[POINTS_MAX])
{
	unsigned int n;

	pthread_mutex_lock(&box->lock);
	n = box->n_points;
	memcpy(out, box->point, n * sizeof(out[0]));
	box->n_points = 0;
	pthread_mutex_unlock(&box->lock);
	return n;
}

static bool
take_ended(struct box *box, struct question *out)
{
	bool found = false;

	pthread_mutex_lock(&box->lock);
	for (unsigned int i = 0; i < QUESTIONS_MAX && !found; i++) {
		struct question *q = box->question[i];

		/* What came before the end is told before it. */
		found = q != NULL && q->ended && box->n_points == 0;
		if (found) {
			*out = *q;
			(void)drop(box, q);
		}
	}
	pthread_mutex_unlock(&box->lock);
	return found;
}

static uint64_t
program_tick(void *self)
{
	struct box *box = self;
	const struct peel_provider_conf *to = &box->conf;
	struct point point[POINTS_MAX];
	unsigned int n = take_points(box, point);
	struct question q;

	for (unsigned int i = 0; i < n; i++)
		to->found(to->arg, point[i].info_hash, &point[i].is, 1);
	while (take_ended(box, &q)) {
		if (q.is_peer)
			to->peer(to->arg, q.what, q.has_address ? &q.address : NULL);
		else
			to->ended(to->arg, q.what);
	}
	return TICK_MS;
}

static void
program_count(void *self, struct peel_provider_count *out)
{
	struct box *box = self;

	pthread_mutex_lock(&box->lock);
	*out = (struct peel_provider_count){.lookups = box->n_questions};
	pthread_mutex_unlock(&box->lock);
}

static int
program_open(const struct peel_provider_conf *conf, void **self, char *why, size_t why_size)
{
	struct box *box = calloc(1, sizeof(*box));

	(void)why;
	(void)why_size;
	if (box == NULL)
		return -ENOMEM;
	pthread_mutex_init(&box->lock, NULL);
	box->conf = *conf;
	box->program = conf->program;
	*self = box;
	return 0;
}

static void
program_close(void *self)
{
	struct box *box = self;
	bool last;

	pthread_mutex_lock(&box->lock);
	for (unsigned int i = 0; i < QUESTIONS_MAX; i++) {
		if (box->question[i] != NULL && box->question[i]->ended)
			(void)drop(box, box->question[i]);
	}
	box->closed = true;
	last = box->n_questions == 0;
	pthread_mutex_unlock(&box->lock);
	if (last)
		free_box(box);
}

const struct peel_provider_ops program_provider = {
	.name = "program",
	.repeat_ms = REPEAT_MS,
	.open = program_open,
	.close = program_close,
	.tick = program_tick,
	.look_up = program_look_up,
	.cancel = program_cancel,
	.announce = program_announce,
	.find_peer = program_find_peer,
	.count = program_count,
};
