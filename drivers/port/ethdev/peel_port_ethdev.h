/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Ports over DPDK devices: af_packet, af_xdp, tap, memif, rings, NICs. The driver brings its own
 * Ethernet, ARP, neighbour discovery, IPv4, IPv6, fragments and UDP; see README.md for devargs and
 * limits.
 */

#include "peel_port.h"

extern const struct peel_port_ops peel_port_ethdev;
