/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The two ends of the suites `circuit` and `hidden`: a sender that fills lanes, and a sink that
 * counts what comes out of them. A lane is one circuit's worth of traffic: numbered datagrams to an
 * address of the sink. The sink, or with echo what comes back to the sender, says how far each lane
 * has got; so the sender knows how much is under way and keeps it below a window.
 */

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define LANES_MAX 64
#define GROUP 32	 /* datagrams sent at once */
#define PAYLOAD_MAX 1400 /* bytes */
#define PAYLOAD_MIN 24
#define SOCKS_HEADER 10 /* for an IPv4 destination */

/*
 * Payload: 'd', header, noise, 'e'. All exits take this for a message of BitTorrent's distributed
 * hash table, which their policies let out.
 */
struct mark {
	uint64_t number;
	uint32_t run; /* what is left over from an earlier one does not count */
	uint8_t lane;
	uint8_t noise; /* which of the GROUP bodies */
} __attribute__((packed));

/** Where datagrams end up. Written by one thread. */
struct counted {
	_Atomic uint64_t next[LANES_MAX]; /* beyond the highest number seen */
	_Atomic uint64_t progress;	  /* sum of these */
	_Atomic uint64_t datagrams, bytes, bad;
	_Atomic uint64_t wake_at;	    /* progress at which the sender wants to go on */
	_Atomic uint32_t source[LANES_MAX]; /* port that the lane's datagrams came from */
};

struct lane {
	uint64_t id; /* the circuit, or a socket */
	struct sockaddr_in to;
	uint64_t sent, given_up; /* numbers below given_up are not waited for any more */
};

struct load {
	const struct sender *sender;
	void *arg; /* the sender's */
	struct lane lane[LANES_MAX];
	unsigned int n_lanes; /* that are open */
	int sink;
	uint16_t port; /* of the sink */
	struct counted at_sink, at_back;
	_Atomic bool greeted; /* the first byte has come */
	/* this run */
	_Atomic uint32_t run;
	_Atomic bool echo;
	_Atomic uint32_t payload;
	/* GROUP datagrams, one behind the other, each after room for a SOCKS header */
	uint8_t datagram[GROUP * (SOCKS_HEADER + PAYLOAD_MAX)];
	uint64_t refused; /* the sender had to wait for room */
};

/** Before everything else. */
void lanes_init(void);
/** A datagram arrived at the end that @p c belongs to. Thread: of that end. */
void counted_datagram(
	struct load *load, struct counted *c, const uint8_t *payload, size_t len, uint32_t source);
/** Wake the sender when it wants to. After some datagrams. */
void counted_progress(struct counted *c);
/** Nothing arrived yet. */
void counted_forget(struct counted *c);
/** Wait until c->progress reaches c->wake_at, or so many milliseconds. Thread: main. */
void counted_wait(struct counted *c, unsigned int ms);
/** Write the bodies of the datagrams for this run, and the marks of the next @p n of a lane. */
void datagrams_fill(struct load *load, unsigned int payload);
void datagrams_mark(struct load *load, unsigned int lane, unsigned int n);

static inline uint8_t *
datagram_at(struct load *load, unsigned int i, unsigned int payload)
{
	return load->datagram + (size_t)i * (SOCKS_HEADER + payload);
}

/** A UDP socket with large buffers. */
int lanes_socket(void);
