/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Addresses that have not answered us yet. Nothing shows that the node there wants what we send, so
 * it gets little: at first contact room for an answer and a question of ours, later as much as it
 * sent, and nothing unprompted. All we remember is who contacted us.
 */
#include <errno.h>
#include <stdlib.h>

#include "overlay_internal.h"

/* Percent of the received bytes. */
#define FIRST_CONTACT 210
#define AFTERWARDS 110

struct ov_stranger {
	/* keyed hash of the source; a chance collision costs one of the two its first contact */
	uint64_t id;
	uint32_t next; /* of the same hash */
	bool asked; /* the last thing sent after first contact was a question: an answer is due */
};

int
overlay_strangers_init(struct ov_strangers *t, uint32_t n, uint64_t seed)
{
	t->mask = n - 1;
	t->seed = seed;
	t->entry = calloc(n, sizeof(*t->entry));
	return t->entry != NULL ? peel_chains_init(&t->by_id, n, PEEL_LINKS(t->entry, next))
				: -ENOMEM;
}

void
overlay_strangers_fini(struct ov_strangers *t)
{
	free(t->entry);
	peel_chains_fini(&t->by_id);
	memset(t, 0, sizeof(*t));
}

struct ov_allowance
overlay_strangers_came(struct ov_strangers *t, const struct peel_addr *from, size_t len)
{
	struct peel_addr source = peel_addr_sender(from);
	uint64_t id = peel_addr_hash(&source, 5, t->seed) | 1; /* 0 marks an empty entry */
	uint32_t slot;

	PEEL_CHAIN_FOREACH (slot, &t->by_id, id >> 32) {
		struct ov_stranger *e = &t->entry[slot];

		if (e->id != id)
			continue;
		return (struct ov_allowance){.bytes = len * AFTERWARDS / 100, .asked = &e->asked};
	}
	slot = t->next++ & t->mask;
	if (t->entry[slot].id != 0)
		peel_chains_del(&t->by_id, t->entry[slot].id >> 32, slot);
	t->entry[slot] = (struct ov_stranger){.id = id};
	peel_chains_add(&t->by_id, id >> 32, slot);
	return (struct ov_allowance){.bytes = len * FIRST_CONTACT / 100,
		.first_contact = true,
		.asked = &t->entry[slot].asked};
}

void
overlay_strangers_serve(struct peel_overlay *ov, const struct peel_addr *from, size_t len,
	const struct ov_stranger_service *service)
{
	struct ov_allowance may = overlay_strangers_came(&ov->strangers, from, len);
	size_t sent = 0;

	if (may.first_contact) {
		sent = service->answer(service->arg, may.bytes - len);
		sent += service->ask(service->arg, may.bytes - sent);
	} else {
		if (!*may.asked)
			sent = service->ask(service->arg, may.bytes);
		*may.asked = sent > 0;
		if (sent == 0)
			sent = service->answer(service->arg, may.bytes);
	}
	if (sent == 0)
		peel_stats_add(ov->conf.stats, PEEL_CONTROL_RATE, 1);
}
