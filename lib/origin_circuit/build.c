/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "origin_internal.h"

/* Create, created, extend, extended: the originator's side of sections 12.1, 15.3 and 15.4. */

#define MESSAGE_MAX 192 /* create has 113 bytes, extend 132 with an IPv6 address */

/*
 * How many creates and extends the whole circuit may take, section 15.3. Six by default, so that a
 * circuit of seven hops could never be built. Therefore there is always one for each hop, and half
 * as many for failures.
 */
static unsigned int
budget(const struct peel_origin_settings *s, unsigned int hops)
{
	uint32_t n = s->circuit_timeout / s->next_hop_timeout;

	if (n >= TRIES_MAX)
		return TRIES_MAX;
	return n > hops + n / 2 ? n : hops + n / 2;
}

/* One try, with an ephemeral key and an identifier of its own, so that answers to earlier tries do
 * not match. */
static int
attempt(struct peel_origin_circuits *t, struct origin_circuit *tn, uint8_t x_public[PEEL_X_LEN])
{
	struct build *b = tn->build;

	if (b->tries == 0)
		return -ETIMEDOUT;
	b->tries--;
	if (b->n_tried < TRIES_MAX)
		memcpy(b->tried[b->n_tried++], b->target.pk, PEEL_PK_LEN);
	b->identifier = peel_random_u16(t->env);
	b->due_ms = origin_now(t) + (uint64_t)t->conf.settings.next_hop_timeout * 1000;
	return peel_handshake_start(t->env, b->x_secret, x_public);
}

static int
send_create(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	uint8_t out[PEEL_CELL_HEADER_LEN + MESSAGE_MAX], x[PEEL_X_LEN];
	struct build *b = tn->build;
	int ret = attempt(t, tn, x);

	if (ret != 0)
		return ret;
	const struct peel_msg_create m = {
		.identifier = b->identifier,
		.pk = {t->conf.identity->pk, PEEL_PK_LEN},
		.x = {x, sizeof(x)},
	};

	ret = peel_create_build(out + PEEL_CELL_HEADER_LEN, MESSAGE_MAX, &m);
	if (ret < 0)
		return ret;
	peel_path_set_first(t->conf.paths, tn->path, &b->target.addr);
	peel_cell_header(out, t->conf.prefix, tn->cid, true, peel_path_take_early(path_of(t, tn)));
	t->conf.send(t->conf.arg, &b->target.addr, out, PEEL_CELL_HEADER_LEN + (size_t)ret);
	return 0;
}

static int
send_extend(struct peel_origin_circuits *t, struct origin_circuit *tn, bool named)
{
	uint8_t msg[MESSAGE_MAX], x[PEEL_X_LEN];
	struct build *b = tn->build;
	int ret = attempt(t, tn, x);

	if (ret != 0)
		return ret;
	struct peel_msg_extend m = {
		.identifier = b->identifier,
		.pk = {b->target.pk, PEEL_PK_LEN},
		.x = {x, sizeof(x)},
	};

	if (!named)
		m.address = b->target.addr;
	ret = peel_extend_build(msg, sizeof(msg), &m);
	return ret < 0 ? ret : origin_seal(t, tn, msg, (size_t)ret);
}

static int
ask(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	struct build *b = tn->build;
	bool named;
	int ret;

	if (tn->n_hops == 0) {
		ret = origin_choose_first(t, tn, &b->target);
		return ret != 0 ? ret : send_create(t, tn);
	}
	ret = origin_choose_next(t, tn, &b->target, &named);
	return ret != 0 ? ret : send_extend(t, tn, named);
}

void
origin_ask(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	if (ask(t, tn) != 0)
		origin_close(t, tn, PEEL_ORIGIN_END_FAILED, 0);
}

/* A hop that spoils its circuits would otherwise remain the least used one, and so always be chosen
 * first. */
static void
blame(struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	if (tn->n_hops > 0)
		origin_first_failed(t, tn->hop[0].pk);
}

void
origin_unanswered(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	count(t, PEEL_OWN_HOP_TIMEOUT);
	if (tn->n_hops == 0)
		origin_first_failed(t, tn->build->target.pk);
	origin_ask(t, tn);
	if (tn->state == PEEL_ORIGIN_CLOSING)
		blame(t, tn);
}

int
origin_begin(struct peel_origin_circuits *t, const struct peel_origin_spec *spec, bool pooled,
	struct origin_circuit **out)
{
	struct origin_circuit *tn = calloc(1, sizeof(*tn));
	int ret = -ENOMEM;

	if (tn == NULL)
		return ret;
	tn->build = peel_secret_alloc(sizeof(*tn->build));
	if (tn->build == NULL)
		goto fail;
	tn->type = (uint8_t)spec->type;
	tn->goal = (uint8_t)spec->hops;
	tn->pooled = pooled;
	tn->isolated = spec->isolated;
	tn->build->tries = budget(&t->conf.settings, spec->hops);
	tn->build->exit_flags = spec->exit_flags;
	tn->build->exit_required = spec->exit != NULL;
	if (spec->exit != NULL)
		tn->build->exit = *spec->exit;
	tn->build->n_avoid = (unsigned int)spec->n_avoid;
	if (spec->n_avoid > 0)
		memcpy(tn->build->avoid, spec->avoid, spec->n_avoid * PEEL_PK_LEN);
	ret = origin_choose_first(t, tn, &tn->build->target);
	if (ret == 0)
		ret = origin_add(t, tn, &tn->build->target.addr);
	if (ret != 0)
		goto fail;
	if (spec->type != PEEL_ORIGIN_DATA || spec->isolated)
		peel_path_set_flags(t->conf.paths, tn->path, PEEL_PATH_HIDDEN);
	count(t, PEEL_OWN_BEGUN);
	*out = tn;
	if (send_create(t, tn) != 0)
		origin_close(t, tn, PEEL_ORIGIN_END_FAILED, 0);
	return 0;
fail:
	origin_build_free(tn);
	free(tn);
	return ret;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void
become_ready(struct peel_origin_circuits *t, struct origin_circuit *tn)
{
	uint8_t flags = peel_path_flags(path_of(t, tn)) | PEEL_PATH_READY;

	if (tn->type == PEEL_ORIGIN_IP_SEEDER)
		flags |= PEEL_PATH_INTRODUCTION;
	origin_build_free(tn);
	tn->state = PEEL_ORIGIN_READY;
	tn->active_ms = origin_now(t);
	peel_path_set_flags(t->conf.paths, tn->path, flags);
	count(t, PEEL_OWN_READY);
	if (tn->pooled)
		origin_pool_ready(t, tn);
	if (t->conf.ready != NULL)
		t->conf.ready(t->conf.arg, tn->id);
}

/* -EEXIST: another circuit has come to use the same id with the same neighbour. */
static int
publish(struct peel_origin_circuits *t, struct origin_circuit *tn, uint32_t session)
{
	const struct peel_addr *first = &tn->build->target.addr;
	const struct peel_route route = {
		.in = *first,
		.in_cid = tn->cid,
		.out = *first,
		.out_cid = tn->cid,
		.session = session,
		.peer = tn->path,
		.kind = PEEL_ROUTE_ORIGIN,
		.max_early = UINT8_MAX, /* no circuit is extended from here: no limit */
	};

	if (peel_route_lookup(t->conf.routes, first, tn->cid) != PEEL_NONE)
		return -EEXIST;
	return peel_route_publish(t->conf.routes, &route, &tn->route);
}

static int
add_layer(struct peel_origin_circuits *t, struct origin_circuit *tn,
	const struct peel_session_keys *keys)
{
	uint32_t session, now = now_s(t);
	int ret = peel_session_add(t->conf.routes, &keys->forward, keys->salt_forward,
		&keys->backward, keys->salt_backward, now, &session);

	if (ret != 0)
		return ret;
	if (tn->n_hops == 0) {
		ret = publish(t, tn, session);
		tn->seen_s = now;
	}
	if (ret == 0)
		ret = peel_path_layer(t->conf.paths, tn->path, session);
	if (ret != 0)
		peel_session_retire(t->conf.routes, session);
	return ret;
}

static void
hop_added(struct peel_origin_circuits *t, struct origin_circuit *tn,
	const struct peel_candidates *list)
{
	const struct peel_target *target = &tn->build->target;
	struct hop *hop = &tn->hop[tn->n_hops++];

	memcpy(hop->pk, target->pk, PEEL_PK_LEN);
	hop->addr = target->addr;
	hop->flags = target->flags;
	if (tn->n_hops == 1)
		origin_ping_begin(t, tn);
	if (tn->n_hops == tn->goal) {
		become_ready(t, tn);
		return;
	}
	origin_offered(tn, list);
	origin_ask(t, tn);
}

/*
 * Take the hop's keys and its candidate list. A man in the middle can make an authenticator, as
 * that covers only Y. But the list is sealed with a key that only the holder of the long-term key
 * can derive (W9).
 */
static int
verify(struct origin_circuit *tn, const struct peel_msg_created *m, struct peel_session_keys *keys,
	uint8_t plain[PEEL_DATAGRAM_MAX], struct peel_candidates *list)
{
	const struct build *b = tn->build;
	int ret = peel_handshake_finish(b->x_secret, b->target.pk, m->y.p, m->auth.p, keys);

	if (ret != 0)
		return ret;
	if (m->candidates_enc.len > PEEL_DATAGRAM_MAX)
		return -EBADMSG;
	ret = peel_open_one(&keys->forward, keys->salt_forward, m->candidates_enc.p,
		m->candidates_enc.len, plain);
	return ret < 0 ? ret : peel_candidates_parse(plain, (size_t)ret, list);
}

/* @return 0; -EBADMSG: the hop is not who it should be; or another error, which is our own. */
static int
accept(struct peel_origin_circuits *t, struct origin_circuit *tn, const struct peel_msg_created *m)
{
	uint8_t plain[PEEL_DATAGRAM_MAX];
	struct peel_session_keys keys;
	struct peel_candidates list;
	int ret = verify(tn, m, &keys, plain, &list);

	if (ret == 0)
		ret = add_layer(t, tn, &keys);
	peel_wipe(&keys, sizeof(keys));
	if (ret == 0)
		hop_added(t, tn, &list);
	return ret;
}

int
origin_created(
	struct peel_origin_circuits *t, const struct peel_addr *from, const struct peel_cell *cell)
{
	struct origin_circuit *tn = origin_by_cid(t, cell->cid);
	struct peel_msg_created m;

	if (tn == NULL)
		return -ENOENT;
	/* W5: circuit id, identifier and source address must match, or any node could answer. */
	if (tn->state != PEEL_ORIGIN_EXTENDING || tn->n_hops > 0 ||
		!peel_addr_equal(from, &tn->build->target.addr))
		return refuse(t, PEEL_CONTROL_UNKNOWN);
	if (peel_created_parse(cell->message.p + 1, cell->message.len - 1, &m) != 0)
		return refuse(t, PEEL_CONTROL_MALFORMED);
	if (m.identifier != tn->build->identifier)
		return refuse(t, PEEL_CONTROL_UNKNOWN);
	int ret = accept(t, tn, &m);

	if (ret == 0)
		return 0;
	if (ret == -EBADMSG) {
		origin_first_failed(t, tn->build->target.pk);
		origin_ask(t, tn);
		return refuse(t, PEEL_OWN_HOP_BAD);
	}
	/* Ask the same node again: it is not to blame. */
	if (ret == -EEXIST) {
		origin_change_cid(t, tn);
		ret = send_create(t, tn);
	}
	if (ret != 0)
		origin_close(t, tn, PEEL_ORIGIN_END_FAILED, 0);
	return 0;
}

int
origin_extended(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *body, size_t len)
{
	struct peel_msg_created m;

	if (peel_created_parse(body, len, &m) != 0)
		return refuse(t, PEEL_CONTROL_MALFORMED);
	if (tn->state != PEEL_ORIGIN_EXTENDING || m.identifier != tn->build->identifier)
		return refuse(t, PEEL_CONTROL_UNKNOWN);
	int ret = accept(t, tn, &m);

	if (ret == 0)
		return 0;
	/*
	 * Do not try another candidate: the hop that said extended has become a relay to this one,
	 * and would pass the next extend on, opened.
	 */
	if (ret == -EBADMSG)
		count(t, PEEL_OWN_HOP_BAD);
	blame(t, tn);
	origin_close(t, tn, PEEL_ORIGIN_END_FAILED, 0);
	return -EBADMSG;
}
