/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Values of a node's configuration that are written as text, for everything that reads
 * configurations: INI files of app/peel, settings of lib/peel. 0, or -EINVAL and in @p why what is
 * wrong. Thread: any.
 */

#include "peel_node.h"

/** "1.2.3.4:5" or "[2001:db8::1]:5": both parts must be there; port 0 is fine. */
int peel_node_parse_address(
	const char *value, struct peel_addr *out, char *why, size_t why_size) PEEL_MUST_USE;
/** Does the text name a port? An IPv6 address without brackets has none. */
bool peel_node_has_port(const char *value);

/** "default", for the tunnel overlay also "tribler", or 40 hexadecimal digits. */
int peel_node_conf_set_community(struct peel_node_conf *conf, enum peel_community which,
	const char *value, char *why, size_t why_size) PEEL_MUST_USE;
/** One more "ADDRESS:PORT" or "NAME:PORT", or all public servers: "default". */
int peel_node_conf_add_bootstrap(
	struct peel_node_conf *conf, const char *value, char *why, size_t why_size) PEEL_MUST_USE;
/** One more resolver: "ADDRESS" (port 53) or "ADDRESS:PORT". */
int peel_node_conf_add_dns(
	struct peel_node_conf *conf, const char *value, char *why, size_t why_size) PEEL_MUST_USE;
