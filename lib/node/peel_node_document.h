/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include <jansson.h>

#include "peel_node.h"

/** The status as an object of the caller's own, with the fields that app/peel/README.md lists. NULL
 * when out of memory. Thread: control, or any that holds the lock. */
json_t *peel_node_document(struct peel_node *node);
