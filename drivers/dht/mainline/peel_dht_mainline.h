/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * BitTorrent's DHT (BEP 5, 32, 42) as a provider, by libtorrent-rasterbar. It finds addresses only.
 * This is the one symbol of a shared object of its own, which is loaded when a configuration names
 * the DHT, so that other nodes carry neither libtorrent nor Boost. Thread: control; libtorrent has
 * a thread of its own.
 */

#include "peel_provider.h"

#define PEEL_DHT_MAINLINE_OBJECT "peel-dht-mainline.so"
#define PEEL_DHT_MAINLINE_SYMBOL "peel_dht_mainline"

extern const struct peel_provider_ops peel_dht_mainline;
