/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the tests of this library share: repeatable randomness, tables on the heap, addresses and
 * route specs by number. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "peel_route.h"

extern const struct peel_env test_env; /* random from a fixed seed */

uint64_t test_random(void);

/** A table with max_workers 2; fails the test when it cannot. */
struct peel_route_table *test_table(uint32_t max_sessions, struct peel_rcu *rcu);
struct peel_rcu *test_rcu(void);
/** A neighbour by number: every third is IPv6. */
struct peel_addr test_addr(uint32_t i);
/** A session with keys made of @p fill. */
uint32_t test_session(struct peel_route_table *t, uint8_t fill);
struct peel_route test_spec(uint32_t neighbour, uint32_t cid, uint8_t kind, uint32_t session);
uint32_t test_publish(struct peel_route_table *t, const struct peel_route *spec);
/** Look-up of one. */
uint32_t test_lookup(const struct peel_route_table *t, uint32_t neighbour, uint32_t cid);
