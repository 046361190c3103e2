/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Configuration values that are written as text, for all readers of configurations: INI files of
 * app/peel, settings of lib/peel. Functions return 0, or -EINVAL and say in @p why what is wrong.
 * Thread: any.
 */

#include "peel_node.h"

/** Parse "1.2.3.4:5" or "[2001:db8::1]:5": both parts are required; port 0 is fine. */
int peel_node_parse_address(
	const char *value, struct peel_addr *out, char *why, size_t why_size) PEEL_MUST_USE;
/** Whether the text names a port. An IPv6 address without brackets has none. */
bool peel_node_has_port(const char *value);

/** Set a community: "default", "tribler" (tunnel overlay only), or 40 hexadecimal digits. */
int peel_node_conf_set_community(struct peel_node_conf *conf, enum peel_community which,
	const char *value, char *why, size_t why_size) PEEL_MUST_USE;
/** Add "ADDRESS:PORT" or "NAME:PORT"; "default" adds all public servers. */
int peel_node_conf_add_bootstrap(
	struct peel_node_conf *conf, const char *value, char *why, size_t why_size) PEEL_MUST_USE;
/** Add a resolver: "ADDRESS" (port 53) or "ADDRESS:PORT". */
int peel_node_conf_add_dns(
	struct peel_node_conf *conf, const char *value, char *why, size_t why_size) PEEL_MUST_USE;
