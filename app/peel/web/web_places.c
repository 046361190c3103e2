/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "web_places.h"

void
web_places_init(struct web_places *p)
{
	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < WEB_PLACES; i++)
		p->place[i].fd = -1;
}

static unsigned int
count_of(const struct web_places *p, const struct peel_addr *from)
{
	unsigned int n = 0;

	for (size_t i = 0; i < WEB_PLACES; i++)
		n += p->place[i].fd >= 0 && peel_addr_same_ip(&p->place[i].from, from);
	return n;
}

static int
victim(const struct web_places *p)
{
	const struct web_place *worst = NULL;
	unsigned int most = 0;

	for (size_t i = 0; i < WEB_PLACES; i++) {
		const struct web_place *one = &p->place[i];
		unsigned int n = one->fd >= 0 ? count_of(p, &one->from) : 0;

		if (n > most || (n > 0 && n == most && one->number < worst->number)) {
			worst = one;
			most = n;
		}
	}
	return worst != NULL ? worst->fd : -1;
}

int
web_places_enter(struct web_places *p, int fd, const struct peel_addr *from)
{
	unsigned int n = 0;
	struct web_place *place = NULL;
	int out;

	for (size_t i = 0; i < WEB_PLACES; i++) {
		n += p->place[i].fd >= 0;
		if (p->place[i].fd < 0)
			place = &p->place[i];
	}
	out = n >= WEB_PLACES - WEB_PLACES_FREE ? victim(p) : -1;
	if (place != NULL)
		*place = (struct web_place){fd, *from, p->arrived++};
	return out;
}

void
web_places_leave(struct web_places *p, int fd)
{
	for (size_t i = 0; i < WEB_PLACES; i++) {
		if (p->place[i].fd == fd)
			p->place[i].fd = -1;
	}
}
