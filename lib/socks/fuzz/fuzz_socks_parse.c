/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * First byte: what the rest is. Whatever is accepted is within its input, and what was built from
 * it reads the same.
 */
#include <stdlib.h>

#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_target(const struct peel_socks_target *t)
{
	uint8_t head[SOCKS_HEADER_MAX];
	struct peel_socks_target again;
	size_t n;

	if (memchr(t->name, '\0', sizeof(t->name)) == NULL)
		abort();
	if ((t->name[0] == '\0') == (t->addr.family == PEEL_FAMILY_NONE))
		abort();
	n = socks_build_datagram(head, t);
	if (n > sizeof(head))
		abort();
	if (t->addr.port == 0)
		return;
	if (socks_parse_datagram(head, n, &again) != (ssize_t)n)
		abort();
	if (!peel_addr_equal(&again.addr, &t->addr) || strcmp(again.name, t->name) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_socks_target target;
	struct socks_login login;
	bool none, password;
	uint8_t *copy, command;
	size_t len = size - 1;
	ssize_t n = 0;

	if (size < 1)
		return 0;
	copy = malloc(len > 0 ? len : 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data + 1, len);
	switch (data[0] % 5) {
	case 0:
		n = socks_parse_greeting(copy, len, &none, &password);
		break;
	case 1:
		n = socks_parse_login(copy, len, &login);
		break;
	case 2:
		n = socks_parse_request(copy, len, &command, &target);
		if (n > 0)
			check_target(&target);
		break;
	case 3:
		n = socks_parse_datagram(copy, len, &target);
		if (n == 0)
			abort();
		if (n > 0)
			check_target(&target);
		break;
	default:
		n = socks_http_length(copy, len);
		/* Complete only with all of it, and never before its end. */
		if (n > 0 && (n != (ssize_t)len || n > PEEL_SOCKS_REQUEST_MAX ||
				     socks_http_length(copy, len - 1) != 0))
			abort();
	}
	if (n > (ssize_t)len)
		abort();
	free(copy);
	return 0;
}
