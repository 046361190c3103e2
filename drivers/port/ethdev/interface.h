/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the kernel says about an interface of its own that a device of ours sits on. Thread:
 * control. */

#include <net/if.h>

#include "peel_base.h"

struct interface {
	int index;
	uint32_t mtu;
	uint32_t xdp;	    /* id of the XDP program on it, 0: none */
	uint8_t xdp_mode;   /* how it is attached: XDP_ATTACHED_* of the kernel */
	uint64_t tx_frames; /* sent by anybody since it was made */
	bool up;	    /* set up by the administrator ... */
	bool running;	    /* ... and with a link */
};

/** A socket for interface_get(), for the namespace of the caller. A descriptor or -errno. */
int interface_open(void);
/** 0, -ENODEV, or another -errno when the kernel did not say. Asks for the lock of the kernel's
 * network settings, so it may take milliseconds while somebody else changes them. */
int interface_get(int fd, const char *name, struct interface *out) PEEL_MUST_USE;

/**
 * Take an interface for this process: one of ours at a time in a network namespace.
 * @return descriptor that holds it until it is closed, -EADDRINUSE when another has it, or another
 * -errno.
 */
int interface_lock(const char *name) PEEL_MUST_USE;

/** May this thread open af_xdp? */
bool interface_xdp_allowed(void);
/** A descriptor of the program with this id, or -errno. */
int interface_xdp_program(uint32_t id) PEEL_MUST_USE;
/** Attach a program, given as a descriptor, when there is none. 0 or -errno. */
int interface_xdp_set(int fd, const struct interface *i, int program) PEEL_MUST_USE;

/**
 * May af_xdp be opened on the interface without breaking what somebody else does there? Its driver
 * takes the program of the interface off when it fails, whoever put it there. What a killed AF_XDP
 * program left behind is no obstacle.
 * @param first,n  queues wanted.
 * @return 0, or -EBUSY with @p why.
 */
int interface_xdp_free(const struct interface *i, const char *name, unsigned int first,
	unsigned int n, char *why, size_t why_size) PEEL_MUST_USE;
