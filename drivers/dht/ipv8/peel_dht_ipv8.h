/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * IPv8's own DHT as a provider: introduction points are values under their info hash, protocol
 * section 21.8. The DHT itself is lib/dht. Thread: control.
 */

#include "peel_provider.h"

extern const struct peel_provider_ops peel_dht_ipv8;
