/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What is announced, and in which of the DHTs already. Those that forget what is not repeated are
 * told again in time; those that had no room are asked again.
 */
#include <errno.h>

#include "provider_internal.h"

#define RETRY_MS 5000
#define TICK_MS 500
/* Those looked at, and those told, in a tick: all 1,024 have their turn within ten seconds. */
#define LOOK_AT 64
#define TELL 16

static uint32_t
handle(const struct peel_providers *p, const struct announced *a)
{
	return (uint32_t)a->generation << 16 | (uint32_t)(a - p->announced);
}

/* Tell whom it is time to tell. @return how many were told. */
static unsigned int
tell(struct peel_providers *p, struct announced *a)
{
	uint64_t now = peel_now_ms(p->conf.env);
	unsigned int n = 0;

	for (size_t i = 0; i < p->conf.n; i++) {
		const struct provider *one = &p->provider[i];
		uint32_t repeat_ms = one->ops->repeat_ms;

		if (now < a->due_ms[i] || ((a->told & one->bit) != 0 && repeat_ms == 0))
			continue;
		n++;
		if (one->ops->announce(one->self, a->info_hash, &a->point, &a->id[i]) == 0) {
			a->told |= one->bit;
			a->due_ms[i] = now + repeat_ms;
		} else {
			a->due_ms[i] = now + RETRY_MS;
		}
	}
	return n;
}

int
peel_providers_announce(struct peel_providers *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *point, uint32_t *id)
{
	struct announced *a = p->announced;

	if (p->n_announced == ANNOUNCED_MAX)
		return -ENOSPC;
	while (a->live)
		a++;
	*a = (struct announced){
		.live = true, .generation = (uint16_t)(a->generation + 1), .point = *point};
	memcpy(a->info_hash, info_hash, sizeof(a->info_hash));
	p->n_announced++;
	*id = handle(p, a);
	(void)tell(p, a);
	return 0;
}

void
peel_providers_withdraw(struct peel_providers *p, uint32_t id)
{
	struct announced *a = &p->announced[(id & 0xffff) % ANNOUNCED_MAX];

	if (!a->live || handle(p, a) != id)
		return;
	for (size_t i = 0; i < p->conf.n; i++) {
		const struct provider *one = &p->provider[i];

		if ((a->told & one->bit) != 0 && one->ops->withdraw != NULL)
			one->ops->withdraw(one->self, a->id[i]);
	}
	a->live = false;
	p->n_announced--;
}

uint64_t
announcements_tick(struct peel_providers *p)
{
	unsigned int told = 0;

	for (uint32_t i = 0; p->n_announced > 0 && i < LOOK_AT && told < TELL; i++) {
		struct announced *a = &p->announced[p->cursor++ % ANNOUNCED_MAX];

		if (a->live)
			told += tell(p, a);
	}
	return TICK_MS;
}
