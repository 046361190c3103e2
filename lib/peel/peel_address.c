/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Addresses of the public interface.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "handle.h"

#define DOMAIN_MAX 253
#define LABEL_MAX 63

/* Whatever the program's locale is. */
static bool
is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A name as in DNS, in ASCII; only digits and points would be an address with a mistake in it. */
static bool
is_domain(const char *name)
{
	size_t len = strlen(name), label = 0;

	if (len == 0 || len > DOMAIN_MAX || strspn(name, "0123456789.") == len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!is_letter_or_digit(c) && c != '-' && c != '_')
			return false;
		if (++label > LABEL_MAX)
			return false;
	}
	return true;
}

int
peel_address_set(struct peel_address *out, const char *host, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	if (host == NULL)
		return error_text(-EINVAL, "no host is given");
	out->port = port;
	if (inet_pton(AF_INET, host, out->ip) == 1) {
		out->type = PEEL_ADDRESS_IPV4;
		return 0;
	}
	if (inet_pton(AF_INET6, host, out->ip) == 1) {
		out->type = PEEL_ADDRESS_IPV6;
		return 0;
	}
	memset(out, 0, sizeof(*out));
	if (!is_domain(host))
		return error_format(
			-EINVAL, "\"%.128s\" is neither an IP address nor a domain name", host);
	out->type = PEEL_ADDRESS_DOMAIN;
	out->port = port;
	memcpy(out->domain, host, strlen(host));
	return 0;
}

const char *
peel_address_text(const struct peel_address *a, char *out, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "";

	switch (a->type) {
	case PEEL_ADDRESS_IPV4:
		inet_ntop(AF_INET, a->ip, ip, sizeof(ip));
		snprintf(out, size, "%s:%u", ip, a->port);
		break;
	case PEEL_ADDRESS_IPV6:
		inet_ntop(AF_INET6, a->ip, ip, sizeof(ip));
		snprintf(out, size, "[%s]:%u", ip, a->port);
		break;
	case PEEL_ADDRESS_DOMAIN:
		snprintf(out, size, "%.255s:%u", a->domain, a->port);
		break;
	default:
		snprintf(out, size, "none");
	}
	return out;
}

void
peel_address_from_addr(const struct peel_addr *a, struct peel_address *out)
{
	memset(out, 0, sizeof(*out));
	if (a->family == PEEL_FAMILY_NONE)
		return;
	out->type = a->family == PEEL_FAMILY_IPV4 ? PEEL_ADDRESS_IPV4 : PEEL_ADDRESS_IPV6;
	out->port = a->port;
	memcpy(out->ip, a->ip, sizeof(out->ip));
}

void
address_from_host(const struct peel_host *h, struct peel_address *out)
{
	size_t len = h->name.len;

	if (h->type != PEEL_HOST_NAME) {
		peel_address_from_addr(&h->addr, out);
		return;
	}
	memset(out, 0, sizeof(*out));
	out->type = PEEL_ADDRESS_DOMAIN;
	out->port = h->addr.port;
	if (len >= sizeof(out->domain))
		len = sizeof(out->domain) - 1;
	memcpy(out->domain, h->name.p, len);
}

int
address_to_host(const struct peel_address *a, struct peel_host *out)
{
	size_t len;

	*out = (struct peel_host){0};
	if (a->port == 0)
		return error_text(-EINVAL, "the destination has port 0");
	switch (a->type) {
	case PEEL_ADDRESS_IPV4:
		out->type = PEEL_HOST_IPV4;
		out->addr.family = PEEL_FAMILY_IPV4;
		memcpy(out->addr.ip, a->ip, 4);
		break;
	case PEEL_ADDRESS_IPV6:
		out->type = PEEL_HOST_IPV6;
		out->addr.family = PEEL_FAMILY_IPV6;
		memcpy(out->addr.ip, a->ip, 16);
		break;
	case PEEL_ADDRESS_DOMAIN:
		len = strnlen(a->domain, sizeof(a->domain));
		if (len == 0 || len == sizeof(a->domain))
			return error_text(
				-EINVAL, "the destination's name is empty or not terminated");
		out->type = PEEL_HOST_NAME;
		out->name = (struct peel_span){(const uint8_t *)a->domain, len};
		break;
	default:
		return error_text(-EINVAL, "the destination is not set");
	}
	out->addr.port = a->port;
	return 0;
}
