/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Which path tells what, and how an answer is put together from parts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "peel_rest.h"
#include "rest_rows.h"

#define PART 64 /* places looked at under one lock */

struct path {
	const char *path, *name;
	/* Add rows to a list, or members to an object, and note where to go on. @return false: that
	 * was the end. */
	bool (*part)(struct peel_rest *r, json_t *rows);
	bool object;
};

/* Traffic with the peers of a swarm. */
struct sum {
	uint32_t swarm;
	uint64_t up, down;
};

struct peel_rest {
	const struct path *path;
	struct peel_node *node;
	struct peel_node_view view; /* while the lock is held */
	double now;
	uint32_t next;		       /* in the list that the part looks at */
	enum peel_community community; /* of overlays: the one that its members are collected of */
	json_t *members;
	struct sum sums[PEEL_SWARMS_MAX];
	uint32_t n_sums;
	bool begun, any, ended;
};

struct rows {
	struct peel_rest *rest;
	json_t *list;
	enum peel_community community;
};

/* ---- parts, with the lock held ----------------------------------------------------------------
 */

static void
add_relay(void *arg, const struct peel_or_row *row)
{
	const struct rows *rows = arg;

	rest_relays(row, rows->rest->now, rows->list);
}

static bool
relays(struct peel_rest *r, json_t *list)
{
	struct rows rows = {.rest = r, .list = list};

	r->next = peel_or_dump_some(r->view.or_circuits, r->next, PART, add_relay, &rows);
	return r->next != 0;
}

static void
add_exit(void *arg, const struct peel_or_row *row)
{
	const struct rows *rows = arg;

	rest_exit(row, peel_hidden_waits(rows->rest->view.hidden, row->session), rows->rest->now,
		rows->list);
}

static bool
exits(struct peel_rest *r, json_t *list)
{
	struct rows rows = {.rest = r, .list = list};

	r->next = peel_or_dump_some(r->view.or_circuits, r->next, PART, add_exit, &rows);
	return r->next != 0;
}

static void
add_circuit(void *arg, peel_origin_id id, const struct peel_origin_info *info)
{
	const struct rows *rows = arg;

	(void)id;
	json_array_append_new(rows->list, rest_circuit(info, rows->rest->now));
}

static bool
circuits(struct peel_rest *r, json_t *list)
{
	struct rows rows = {.rest = r, .list = list};

	if (r->view.origin_circuits == NULL)
		return false;
	r->next = peel_origin_dump_some(r->view.origin_circuits, r->next, PART, add_circuit, &rows);
	return r->next != 0;
}

/* The sum of a swarm, made if there is none yet; NULL: no room, which cannot be. */
static struct sum *
sum_of(struct peel_rest *r, uint32_t swarm)
{
	uint32_t i = 0;

	while (i < r->n_sums && r->sums[i].swarm != swarm)
		i++;
	if (i == PEEL_SWARMS_MAX)
		return NULL;
	if (i == r->n_sums)
		r->sums[r->n_sums++] = (struct sum){.swarm = swarm};
	return &r->sums[i];
}

static void
add_traffic(void *arg, peel_origin_id id, const struct peel_origin_info *info)
{
	struct peel_rest *r = arg;
	bool peer;
	uint32_t swarm = peel_swarm_of_circuit(r->view.swarms, id, &peer);
	struct sum *sum = swarm != 0 && peer ? sum_of(r, swarm) : NULL;

	if (sum == NULL)
		return;
	sum->up += info->bytes_up;
	sum->down += info->bytes_down;
}

static void
add_swarm(void *arg, uint32_t swarm, const struct peel_swarm_info *info)
{
	const struct rows *rows = arg;
	struct sum none = {0}, *sum = sum_of(rows->rest, swarm);

	sum = sum != NULL ? sum : &none;
	json_array_append_new(rows->list, rest_swarm(info, sum->up, sum->down, rows->rest->now));
}

/* Parts of the circuits, for the traffic of each swarm, then the swarms. */
static bool
swarms(struct peel_rest *r, json_t *list)
{
	struct rows rows = {.rest = r, .list = list};

	if (r->view.swarms == NULL)
		return false;
	r->next = peel_origin_dump_some(r->view.origin_circuits, r->next, PART, add_traffic, r);
	if (r->next != 0)
		return true;
	peel_swarm_dump(r->view.swarms, add_swarm, &rows);
	return false;
}

static void
add_peer(void *arg, const struct peel_peer *peer)
{
	const struct rows *rows = arg;

	if (peer->candidate)
		json_array_append_new(rows->list, rest_peer(peer));
}

static bool
peers(struct peel_rest *r, json_t *list)
{
	struct rows rows = {.rest = r, .list = list};

	r->next = peel_overlay_dump_some(r->view.overlay, r->next, PART, add_peer, &rows);
	return r->next != 0;
}

static void
add_member(void *arg, const struct peel_peer *peer)
{
	const struct rows *rows = arg;

	if (peer->member & 1 << rows->community)
		json_array_append_new(rows->list, rest_overlay_peer(peer));
}

/* Parts of an overlay's members, then the overlay. */
static bool
overlays(struct peel_rest *r, json_t *list)
{
	struct rows rows = {.rest = r, .community = r->community};

	if (r->members == NULL)
		r->members = json_array();
	rows.list = r->members;
	r->next = peel_overlay_dump_some(r->view.overlay, r->next, PART, add_member, &rows);
	if (r->next != 0)
		return true;
	json_array_append_new(list, rest_overlay(&r->view, r->community, r->members));
	r->members = NULL;
	return ++r->community < PEEL_N_COMMUNITIES;
}

static void
add_network_peer(void *arg, const struct peel_peer *peer)
{
	const struct rows *rows = arg;

	rest_network_peer(rows->rest->view.conf, peer, rows->list);
}

static bool
network(struct peel_rest *r, json_t *object)
{
	struct rows rows = {.rest = r, .list = object};

	r->next = peel_overlay_dump_some(r->view.overlay, r->next, PART, add_network_peer, &rows);
	return r->next != 0;
}

static bool
settings(struct peel_rest *r, json_t *object)
{
	json_t *all = rest_settings(r->view.conf);

	json_object_update(object, all);
	json_decref(all);
	return false;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static const struct path paths[] = {
	{"/tunnel/settings", "settings", settings, true},
	{"/tunnel/circuits", "circuits", circuits, false},
	{"/tunnel/relays", "relays", relays, false},
	{"/tunnel/exits", "exits", exits, false},
	{"/tunnel/swarms", "swarms", swarms, false},
	{"/tunnel/peers", "peers", peers, false},
	{"/overlays", "overlays", overlays, false},
	{"/network", "peers", network, true},
};

int
peel_rest_open(struct peel_node *node, const char *path, double now, struct peel_rest **out)
{
	struct peel_rest *r;

	for (size_t i = 0; i < PEEL_ARRAY_LEN(paths); i++) {
		if (strcmp(paths[i].path, path) != 0)
			continue;
		r = calloc(1, sizeof(*r));
		if (r == NULL)
			return -ENOMEM;
		r->path = &paths[i];
		r->node = node;
		r->now = now;
		*out = r;
		return 0;
	}
	return -ENOENT;
}

/* Rows as text, without the brackets around them. */
static int
write_part(struct peel_rest *r, const json_t *rows, char **out)
{
	size_t n = r->path->object ? json_object_size(rows) : json_array_size(rows);
	char *text = json_dumps(rows, JSON_REAL_PRECISION(15));
	char head[64] = "", tail[4] = "";
	FILE *f;
	size_t len;

	if (text == NULL)
		return -ENOMEM;
	text[strlen(text) - 1] = '\0';
	if (!r->begun)
		snprintf(head, sizeof(head), "{\"%s\": %c", r->path->name,
			r->path->object ? '{' : '[');
	if (r->ended)
		snprintf(tail, sizeof(tail), "%c}", r->path->object ? '}' : ']');
	f = open_memstream(out, &len);
	if (f != NULL) {
		fprintf(f, "%s%s%s%s", head, r->any && n > 0 ? ", " : "", text + 1, tail);
		if (fclose(f) != 0) {
			free(*out);
			f = NULL;
		}
	}
	r->begun = true;
	r->any |= n > 0;
	free(text);
	return f != NULL ? 1 : -ENOMEM;
}

int
peel_rest_next(struct peel_rest *r, char **out)
{
	json_t *rows;
	int rc;

	if (r->ended)
		return 0;
	rows = r->path->object ? json_object() : json_array();
	peel_node_lock(r->node);
	peel_node_view(r->node, &r->view);
	r->ended = !r->path->part(r, rows);
	peel_node_unlock_unchanged(r->node);
	rc = write_part(r, rows, out);
	json_decref(rows);
	return rc;
}

void
peel_rest_close(struct peel_rest *r)
{
	if (r != NULL)
		json_decref(r->members);
	free(r);
}
