/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A part of a list takes the control thread a fraction of a millisecond, however long the list is.
 * Rows that come or go between two parts may be in it or not.
 */
#include <errno.h>
#include <stdlib.h>

#include "document.h"
#include "lists.h"

#define ROWS 32	    /* of a part */
#define PLACES 4096 /* looked at for them; those that are free take no time to speak of */

struct list {
	struct peel_node *node;
	/* Those that follow each other in the list, up to one that is NULL. Each adds rows of some
	 * places from @p from on. @return where to go on, 0: that was the end. */
	uint32_t (*const *source)(struct peel_node *node, uint32_t from, json_t *rows);
	uint32_t from; /* where the source goes on */
	bool pretty;
	bool begun, any; /* told so far: the first bracket, a row */
};

/* ---- rows ------------------------------------------------------------------------------------ */

static void
circuit_row(void *arg, const struct peel_or_row *row)
{
	bool joined = row->next.family != PEEL_FAMILY_NONE;

	json_array_append_new(
		arg, OBJECT({"kind", json_string(row->kind)}, {"circuit_id", number(row->cid)},
			     {"previous", address(&row->previous)},
			     {"next_circuit_id", joined ? number(row->next_cid) : NULL},
			     {"next", joined ? address(&row->next) : NULL},
			     {"age_ms", number(row->age_ms)},
			     {"cells_forward", number(row->cells_forward)},
			     {"cells_backward", number(row->cells_backward)},
			     {"bytes_forward", number(row->bytes_forward)},
			     {"bytes_backward", number(row->bytes_backward)}));
}

static uint32_t
circuits(struct peel_node *node, uint32_t from, json_t *rows)
{
	return peel_or_dump_some(node->or_circuits, from, ROWS, circuit_row, rows);
}

static json_t *
hops(const struct peel_origin_info *info)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < info->hops; i++) {
		const struct peel_addr *a = &info->hop[i].addr;
		uint8_t mid[PEEL_MID_LEN];

		peel_mid(info->hop[i].pk, PEEL_PK_LEN, mid);
		json_array_append_new(list,
			OBJECT({"mid", hex(mid, sizeof(mid))},
				{"address", a->family != PEEL_FAMILY_NONE ? address(a) : NULL}));
	}
	return list;
}

static void
own_row(void *arg, peel_origin_id id, const struct peel_origin_info *info)
{
	static const char *const states[] = {
		[PEEL_ORIGIN_EXTENDING] = "extending",
		[PEEL_ORIGIN_READY] = "ready",
		[PEEL_ORIGIN_CLOSING] = "closing",
	};
	static const char *const types[] = {
		[PEEL_ORIGIN_DATA] = "data",
		[PEEL_ORIGIN_IP_SEEDER] = "introduction",
		[PEEL_ORIGIN_RP_SEEDER] = "rendezvous_seeder",
		[PEEL_ORIGIN_RP_DOWNLOADER] = "rendezvous_downloader",
	};

	(void)id;
	json_array_append_new(arg,
		OBJECT({"kind", json_string("own")}, {"circuit_id", number(info->cid)},
			{"state", json_string(states[info->state])},
			{"type", json_string(types[info->type])},
			{"end_to_end", json_boolean(info->e2e)}, {"goal", number(info->goal)},
			{"hops", hops(info)}, {"age_ms", number(info->age_ms)},
			{"rtt_ms", number(info->rtt_ms)}, {"cells_forward", number(info->cells_up)},
			{"cells_backward", number(info->cells_down)},
			{"bytes_forward", number(info->bytes_up)},
			{"bytes_backward", number(info->bytes_down)}));
}

static uint32_t
own_circuits(struct peel_node *node, uint32_t from, json_t *rows)
{
	return node->origin_circuits != NULL
		       ? peel_origin_dump_some(node->origin_circuits, from, ROWS, own_row, rows)
		       : 0;
}

struct peer_rows {
	json_t *rows;
	uint64_t now_ms;
};

static void
peer_row(void *arg, const struct peel_peer *peer)
{
	struct peer_rows *list = arg;
	uint64_t now = list->now_ms, heard = peer->last_heard_ms;

	json_array_append_new(list->rows,
		OBJECT({"mid", hex(peer->mid, sizeof(peer->mid))},
			{"address", address(&peer->addr)}, {"flags", flag_list(peer->flags)},
			{"candidate", json_boolean(peer->candidate)},
			{"heard_ms_ago", number(now > heard ? now - heard : 0)}));
}

static uint32_t
peers(struct peel_node *node, uint32_t from, json_t *rows)
{
	struct peer_rows list = {.rows = rows, .now_ms = peel_now_ms(node->env)};

	return peel_overlay_dump_some(node->overlay, from, ROWS, peer_row, &list);
}

/* ---- parts ----------------------------------------------------------------------------------- */

static uint32_t (*const of_circuits[])(struct peel_node *, uint32_t, json_t *) = {
	circuits, own_circuits, NULL};
static uint32_t (*const of_own_circuits[])(struct peel_node *, uint32_t, json_t *) = {
	own_circuits, NULL};
static uint32_t (*const of_peers[])(struct peel_node *, uint32_t, json_t *) = {peers, NULL};

static void
collect(struct list *list, json_t *rows)
{
	for (int places = 0; *list->source != NULL && places < PLACES; places += ROWS) {
		if (json_array_size(rows) >= ROWS)
			return;
		list->from = (*list->source)(list->node, list->from, rows);
		if (list->from == 0)
			list->source++;
	}
}

/* The text of the rows without its brackets, between what stands around it. */
static char *
part_text(struct list *list, const json_t *rows)
{
	char *text = json_dumps(rows, list->pretty ? JSON_INDENT(2) : JSON_COMPACT), *out = NULL;
	bool some = json_array_size(rows) > 0, end = *list->source == NULL;
	const char *before = !list->begun ? "[" : some && list->any ? "," : "";
	const char *after = !end ? "" : list->pretty && (some || list->any) ? "\n]" : "]";
	int len;

	if (text == NULL)
		return NULL;
	len = (int)strlen(text) - 2;
	if (some && list->pretty)
		len--; /* the line feed before the bracket */
	if (list->begun && !some && !end)
		out = strdup(" "); /* a part is not empty */
	else if (asprintf(&out, "%s%.*s%s", before, len, text + 1, after) < 0)
		out = NULL;
	free(text);
	list->begun = true;
	list->any |= some;
	return out;
}

static int
next(void *state, char **text)
{
	struct list *list = state;
	json_t *rows;

	if (*list->source == NULL)
		return 0;
	rows = json_array();
	collect(list, rows);
	*text = part_text(list, rows);
	json_decref(rows);
	return *text != NULL ? 1 : -ENOMEM;
}

int
node_list_answer(
	struct peel_node *node, const char *what, bool pretty, struct peel_management_answer *out)
{
	static const struct {
		const char *name;
		uint32_t (*const *source)(struct peel_node *node, uint32_t from, json_t *rows);
	} lists[] = {
		{"circuits", of_circuits},
		{"own", of_own_circuits},
		{"peers", of_peers},
	};
	struct list *list;

	for (size_t i = 0; i < PEEL_ARRAY_LEN(lists); i++) {
		if (strcmp(what, lists[i].name) != 0)
			continue;
		list = calloc(1, sizeof(*list));
		if (list == NULL)
			return -ENOMEM;
		*list = (struct list){.node = node, .source = lists[i].source, .pretty = pretty};
		out->next = next;
		out->end = free;
		out->state = list;
		return 0;
	}
	return -ENOENT;
}
