/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include "peel_wire.h"

/** A node that a circuit may be extended to. */
struct peel_target {
	uint8_t pk[PEEL_PK_LEN];
	struct peel_addr addr;
	uint16_t flags;		/* enum peel_peer_flag, as it announced them */
	uint64_t last_heard_ms; /* 0: never */
};
