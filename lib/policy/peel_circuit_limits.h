/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What one circuit may do at its exit: datagrams per second, and hosts that it sends to. Each exit
 * has an account of its own, so whoever is over a limit harms nobody else. No locks; the time is a
 * count of cycles that the caller passes in.
 */

#include "peel_wire.h"

#define PEEL_CIRCUIT_LIMITS_HOSTS_MAX 16384
#define PEEL_CIRCUIT_LIMITS_HOSTS_SECONDS 60

struct peel_circuit_limits_settings {
	uint32_t packets; /* datagrams per second, in bursts of as many; 0: no limit */
	/* hosts in PEEL_CIRCUIT_LIMITS_HOSTS_SECONDS, at most PEEL_CIRCUIT_LIMITS_HOSTS_MAX; 0: no
	 * limit */
	uint32_t destinations;
};

struct peel_circuit_limits;

/** Whether anything is limited; otherwise workers do without. */
bool peel_circuit_limits_any(const struct peel_circuit_limits_settings *s);
/** What accounts for that many exits take at most. */
size_t peel_circuit_limits_bytes(const struct peel_circuit_limits_settings *s, uint32_t n_exits);
/** Make accounts for exits with endpoints 1..n_exits. The clock has @p hz cycles per second. What
 * an account takes is touched when its exit sends. 0 or -ENOMEM. Thread: control. */
int peel_circuit_limits_new(const struct peel_circuit_limits_settings *s, uint32_t n_exits,
	uint64_t hz, uint64_t seed, struct peel_circuit_limits **out) PEEL_MUST_USE;
/** Free them once no worker has them (lib/rcu). NULL is fine. Thread: control. */
void peel_circuit_limits_free(struct peel_circuit_limits *l);

enum peel_circuit_limits_verdict {
	PEEL_CIRCUIT_LIMITS_MAY,
	PEEL_CIRCUIT_LIMITS_PACKETS,	  /* too many datagrams */
	PEEL_CIRCUIT_LIMITS_DESTINATIONS, /* another host would be one too many */
};

/**
 * May a circuit send a datagram to that host (an address, or a name that is not resolved yet)? Then
 * it is counted. An endpoint begins anew with another @p circuit, a number that tells apart those
 * that have it in turn. Hosts that are counted already may be sent to until the time is over in
 * which they count. Thread: any.
 */
enum peel_circuit_limits_verdict peel_circuit_limits_take(struct peel_circuit_limits *l,
	uint32_t endpoint, uint64_t circuit, const struct peel_host *to, uint64_t now);
