/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The port drivers and DHTs of this program; the AEAD engines are in drivers/aead/engines. */

#include "peel_port.h"
#include "peel_provider.h"

/** Ends with NULL; the first is the default. */
extern const struct peel_port_ops *const port_drivers[];

/** By its name in the configuration; NULL when there is none. Thread: any. */
const struct peel_port_ops *port_find(const char *name);
/** The same for a DHT, which may be loaded for that. NULL: not there, and why. */
const struct peel_provider_ops *dht_provider_find(const char *name, const char **why);
