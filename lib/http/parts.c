/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_http.h"

int
peel_http_parts_add(
	struct peel_http_parts *p, uint16_t part, uint16_t total, const void *data, size_t len)
{
	if (total > PEEL_HTTP_PARTS_MAX || part >= total || (p->total != 0 && p->total != total))
		return -EBADMSG;
	if (p->part[part] != NULL)
		return p->n == p->total;
	if (len > PEEL_HTTP_ANSWER_MAX - p->bytes)
		return -EBADMSG;

	uint8_t *copy = malloc(len + 1); /* never 0: malloc(0) may return NULL */

	if (copy == NULL)
		return -ENOMEM;
	if (len > 0)
		memcpy(copy, data, len);
	p->part[part] = copy;
	p->len[part] = (uint16_t)len;
	p->bytes += (uint32_t)len;
	p->total = total;
	p->n++;
	return p->n == p->total;
}

uint8_t *
peel_http_parts_join(const struct peel_http_parts *p)
{
	uint8_t *all, *end;

	if (p->total == 0 || p->n != p->total)
		return NULL;
	end = all = malloc(p->bytes + 1u);
	for (unsigned int i = 0; all != NULL && i < p->total; i++) {
		memcpy(end, p->part[i], p->len[i]);
		end += p->len[i];
	}
	return all;
}

void
peel_http_parts_free(struct peel_http_parts *p)
{
	for (unsigned int i = 0; i < PEEL_HTTP_PARTS_MAX; i++)
		free(p->part[i]);
	memset(p, 0, sizeof(*p));
}
