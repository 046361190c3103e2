/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Shared by the tests of single rules: one node, two neighbours. */

#include "world.h"

extern const uint8_t nobody_pk[PEEL_PK_LEN]; /* of a node that is not there */
extern struct peel_addr alice, other;

/* 256 sessions; creates leave without waiting for "reach". */
struct node *node_with(const struct peel_or_settings *s);
struct peel_or_count counts(const struct node *n);
int try_create(struct node *n, struct originator *o, uint32_t cid);
/* Join PEEL_HANDSHAKES of those that wait, or all. @return how many were joined. */
unsigned int join_some(struct node *n);
void drain(struct node *n);
struct peel_session *session_of(const struct node *n, const struct originator *o);
/* Cells of a living circuit, both ways. */
void touch(const struct node *n, const struct originator *o);
/* extend through the worker; address may be NULL. */
int try_extend(struct node *n, struct originator *o, const uint8_t *pk, const struct peel_addr *to);
