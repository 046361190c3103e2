/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The port drivers of this program; those of the AEAD engines are in drivers/aead/engines. */

#include "peel_port.h"

/** Ends with NULL; the first is the default. */
extern const struct peel_port_ops *const port_drivers[];

/** By its name in the configuration; NULL when there is none. Thread: any. */
const struct peel_port_ops *port_find(const char *name);
