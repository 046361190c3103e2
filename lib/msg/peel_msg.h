/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Mailboxes between a worker and the control thread: bounded SPSC rings of mbufs, one per class, so
 * that a flood of one class cannot starve another. Ownership of an mbuf moves with a successful
 * push; if a push fails, the pusher frees the mbuf and counts it. The struct peel_pkt of an mbuf
 * says what it is (kind, session, generation, addresses).
 */

#include "peel_port.h"

enum peel_msg_class {
	PEEL_CLASS_OR, /* opened, so authentic, messages of circuits that exist */
	/* data that waits for its exit's sockets or for a name, and requests to an exit */
	PEEL_CLASS_EXIT,
	PEEL_CLASS_ANSWER,  /* created and destroy: anybody may send them, cheap to refuse */
	PEEL_CLASS_CREATE,  /* create: anybody may send them, each costs two X25519 */
	PEEL_CLASS_OVERLAY, /* discovery, DHT */
	PEEL_CLASS_ORIGIN,  /* what came back over own circuits, for the program */
	PEEL_N_CLASSES
};

enum peel_msg_kind {
	PEEL_KIND_DATAGRAM, /* a whole datagram of the main address as it arrived */
	PEEL_KIND_MESSAGE,  /* opened message (id and body) of a session at its end (exit) */
	/* `data` message (id and body) that passed the payload policy but needs control: endpoint
	 * not open yet, or a domain name. session/generation are set, and the endpoint, whose
	 * limits have let it pass if it is open. */
	PEEL_KIND_EXIT_DATA,
	/* the same with a hidden service datagram to an address of this machine */
	PEEL_KIND_EXIT_INSIDE,
	/* `data` (id and body) from the end of an own circuit: session and generation are the
	 * path's */
	PEEL_KIND_ORIGIN_DATA,
	PEEL_KIND_ORIGIN_PEER,	  /* the same through an end-to-end layer: the peer's word */
	PEEL_KIND_ORIGIN_MESSAGE, /* another message from there */
	PEEL_KIND_ORIGIN_HIDDEN,  /* `data` with a hidden service datagram in it */
	/* towards the worker: a cell with what came back from outside over the control thread, for
	 * the circuit with that session; limits of bandwidth may hold it back */
	PEEL_KIND_EXIT_ANSWER,
};

struct peel_mailbox;

/** Make a worker's mailbox in EAL memory: rings of @p ring_size messages, a power of two, towards
 * control (one per class) and one towards the worker. 0 or -ENOMEM. Thread: control. */
int peel_mailbox_new(unsigned int ring_size, struct peel_mailbox **out) PEEL_MUST_USE;
/** Free it with what is still inside. Thread: control, once the worker has stopped. */
void peel_mailbox_free(struct peel_mailbox *mb);

/** Push a message for control. 0 or -ENOSPC. Thread: the worker. */
int peel_mailbox_push_control(
	struct peel_mailbox *mb, enum peel_msg_class cls, struct rte_mbuf *m) PEEL_MUST_USE;
/** Take up to n messages of a class. @return how many. Thread: control. */
unsigned int peel_mailbox_pop_control(
	struct peel_mailbox *mb, enum peel_msg_class cls, struct rte_mbuf **m, unsigned int n);

extern const char *const peel_msg_class_name[PEEL_N_CLASSES];
/** How many messages of a class wait for control; PEEL_N_CLASSES: datagrams for the worker. Thread:
 * any. */
unsigned int peel_mailbox_fill(const struct peel_mailbox *mb, unsigned int cls);

/** Push a datagram that the worker shall send (remote, endpoint and kind are set; also the session
 * of an EXIT_ANSWER). 0 or -ENOSPC. Thread: control. */
int peel_mailbox_push_worker(struct peel_mailbox *mb, struct rte_mbuf *m) PEEL_MUST_USE;
/** Take up to n datagrams to send. @return how many. Thread: the worker. */
unsigned int peel_mailbox_pop_worker(struct peel_mailbox *mb, struct rte_mbuf **m, unsigned int n);
