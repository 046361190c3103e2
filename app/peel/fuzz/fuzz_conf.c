/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The configuration parser on any bytes: errors are told, each whole and on one line, and what is
 * accepted is in range.
 */
#include <stdio.h>
#include <stdlib.h>

#include "conf.h"

static void
on_error(void *arg, const char *text)
{
	unsigned int *n = arg;

	++*n;
	if (text[0] == '\0' || strchr(text, '\n') != NULL || strlen(text) > 1023)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf conf;
	enum conf_use use = CONF_FOR_RELAY;
	unsigned int told = 0, n;
	char *text = malloc(size > 0 ? size : 1);

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	if (memmem(text, size, "[socks]", 7) != NULL)
		use = CONF_FOR_CLIENT;
	n = conf_parse(use, "f", text, size, &conf, on_error, &told);
	free(text);
	if ((n > 0) != (told > 0))
		abort();
	if (n > 0)
		return 0;
	const struct peel_node_conf *c = &conf.node;

	if (c->n_workers < 1 || c->n_workers > PEEL_MAX_WORKERS || c->port == NULL ||
		c->n_bootstrap + c->n_bootstrap_names > PEEL_BOOTSTRAP_MAX ||
		c->n_dns > PEEL_DNS_MAX || c->policy.n_deny > PEEL_POLICY_DENY_MAX ||
		c->policy.n_rules > PEEL_RULES_MAX || conf.rule_verb != 0 ||
		strnlen(c->key_file, sizeof(c->key_file)) >= sizeof(c->key_file) ||
		(c->key_file[0] == '\0' && use == CONF_FOR_RELAY) ||
		(c->ring_size & (c->ring_size - 1)) != 0 || c->dns_timeout_ms < 100 ||
		c->tunnel.max_joined_circuits < 1)
		abort();
	if (use == CONF_FOR_CLIENT &&
		(c->max_own_circuits < 32 || c->max_own_circuits > 2048 ||
			c->originator.max_circuits < 1 || c->originator.max_circuits > 64))
		abort();
	return 0;
}
