/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The port driver over kernel UDP sockets: no privileges, no NIC, no hugepages. It receives
 * coalesced (UDP_GRO) and sends segmented (UDP_SEGMENT), without copying in the steady state.
 * README.md tells how.
 */

#include "peel_port.h"

extern const struct peel_port_ops peel_port_socket;

/**
 * Behave as on a kernel without UDP_GRO (@p gro) or without UDP_SEGMENT (@p gso). For tests and
 * measurements: call it after open, before traffic and before exit endpoints are opened. Thread:
 * control, workers not running.
 */
void peel_port_socket_disable_offloads(struct peel_port *port, bool gro, bool gso);

/**
 * A file descriptor of the port, so that tests can shrink its buffers or ask for ICMP errors: the
 * main socket of @p queue for PEEL_ENDPOINT_MAIN, otherwise the IPv4 or IPv6 socket of an open exit
 * endpoint. -1: there is none. It still belongs to the port. Thread: control.
 */
int peel_port_socket_fd(
	const struct peel_port *port, uint16_t queue, uint32_t endpoint, enum peel_family family);
