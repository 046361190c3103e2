/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the files about guests share. */

#include "guest_proxy.h"
#include "handle.h"
#include "peel_guest.h"
#include "peel_node_guest.h"

struct peel_guest {
	struct peel_node *node;
	struct driver driver;
	struct guest_proxy *proxy;
	struct tests *tests;
	struct guest_tests *speedtests;
	struct peel_guest_callbacks callbacks;
	/* of the thread that calls back, which alone touches it */
	struct peel_guest_datagram datagram[PEEL_GUEST_BURST];
	pthread_t caller; /* that thread, once `called` (atomic) */
	bool called;
};

/* guest_settings.c */
/** Check settings and convert them. */
int guest_settings_convert(const struct peel_guest_settings *in, struct peel_guest_settings *s,
	struct peel_node_conf *conf) PEEL_MUST_USE;

/* guest_speedtest.c */
/** 0 or -ENOMEM. */
int guest_tests_new(
	struct peel_node *node, struct tests *tests, struct guest_tests **out) PEEL_MUST_USE;
/** After the node's loop is closed. NULL is fine. */
void guest_tests_free(struct guest_tests *all);
/** Do what is due. Called without locks by the thread that drives the node. */
void guest_tests_work(struct guest_tests *all);

/* guest_open.c */
/** A neighbour's address, IPv4-mapped ones as IPv4. -EINVAL: no IP address, or port 0. */
int guest_address(const struct peel_address *a, struct peel_addr *out) PEEL_MUST_USE;
