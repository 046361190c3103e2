/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Counters. One table names them all, and everything else is expanded from it. Each thread that
 * counts owns a block and is its only writer; a reader sums the blocks.
 */

#include "peel_base.h"

/* name in code, name in output, help. Drops are counted once, by reason. */
#define PEEL_COUNTERS(X)                                                                           \
	X(RX_DATAGRAMS, "rx_datagrams", "datagrams received on all ports")                         \
	X(RX_BYTES, "rx_bytes", "UDP payload bytes received")                                      \
	X(TX_DATAGRAMS, "tx_datagrams", "datagrams handed to the kernel or the device")            \
	X(TX_BYTES, "tx_bytes", "UDP payload bytes sent")                                          \
	X(RX_IPV6, "rx_ipv6", "of the datagrams received, those over IPv6")                        \
	X(TX_IPV6, "tx_ipv6", "of the datagrams sent, those over IPv6")                            \
	X(CELLS_FORWARD, "cells_forward", "cells relayed away from the originator")                \
	X(CELLS_BACKWARD, "cells_backward", "cells relayed towards the originator")                \
	X(CELLS_RENDEZVOUS, "cells_rendezvous", "cells passed between joined circuits")            \
	X(CELLS_EXITED, "cells_exited", "data messages sent outside")                              \
	X(CELLS_RETURNED, "cells_returned", "datagrams from outside sealed into a circuit")        \
	X(OWN_CELLS_SENT, "own_cells_sent", "cells sealed for own circuits")                       \
	X(OWN_CELLS_RECEIVED, "own_cells_received", "cells that came back over own circuits")      \
	X(PINGS_ANSWERED, "pings_answered", "circuit pings answered by a worker")                  \
	X(TESTS_ANSWERED, "tests_answered", "speed test requests answered")                        \
	X(HANDED_ON, "handed_on", "cells that a busy worker gave to another worker")               \
	X(TO_CONTROL, "to_control", "datagrams and messages handed to the control thread")         \
	X(BURSTS, "bursts", "non-empty receive bursts")                                            \
	X(SLEEPS, "sleeps", "times a worker went to sleep for lack of work")                       \
	X(NAPS, "naps", "times a worker let a trickle of datagrams gather")                        \
	X(DROP_SHORT, "drop_short", "too short for the protocol")                                  \
	X(DROP_PREFIX, "drop_prefix", "prefix belongs to no overlay of this node")                 \
	X(DROP_BANNED, "drop_banned", "from a banned address, or a banned node's introduction")    \
	X(DROP_UNKNOWN_CIRCUIT, "drop_unknown_circuit", "sealed cell for an unknown circuit")      \
	X(DROP_PLAIN, "drop_plain", "plaintext cell where it is not allowed")                      \
	X(DROP_EARLY, "drop_early", "relay_early limit reached")                                   \
	X(DROP_AUTH, "drop_auth", "tag did not verify")                                            \
	X(DROP_REPLAY, "drop_replay", "exact duplicate of an earlier cell")                        \
	X(DROP_MALFORMED, "drop_malformed", "message that does not parse or is not allowed here")  \
	X(DROP_POLICY, "drop_policy", "payload refused by the exit policy")                        \
	X(DROP_DESTINATION, "drop_destination", "destination refused by the exit policy")          \
	X(DROP_RULES, "drop_rules",                                                                \
		"destination of an exit, or origin of an answer, refused by `rules` in [exit]")    \
	X(DROP_CIRCUIT_PACKETS, "drop_circuit_packets",                                            \
		"data for outside of a circuit with more than `circuit_packets` in [exit]")        \
	X(DROP_CIRCUIT_DESTINATIONS, "drop_circuit_destinations",                                  \
		"data for another host of a circuit with `circuit_destinations` (in [exit])")      \
	X(DROP_ORIGIN, "drop_origin", "answer from an address that the exit policy refuses")       \
	X(DROP_RATE, "drop_rate", "over a rate limit")                                             \
	X(DROP_BANDWIDTH, "drop_bandwidth", "over `rate` in [bandwidth]")                          \
	X(DROP_BANDWIDTH_RELAY, "drop_bandwidth_relay", "over `relay_rate` in [bandwidth]")        \
	X(DROP_BANDWIDTH_EXIT, "drop_bandwidth_exit", "over `exit_rate` in [bandwidth]")           \
	X(DROP_BANDWIDTH_CIRCUIT, "drop_bandwidth_circuit", "over `circuit_rate` in [bandwidth]")  \
	X(DROP_ACCOUNTING, "drop_accounting", "after the limit of [accounting] was reached")       \
	X(DROP_CONTROL_FULL, "drop_control_full", "ring to the control thread full")               \
	X(DROP_OWN_FULL, "drop_own_full",                                                          \
		"data from own circuits that the program did not take in time")                    \
	X(DROP_NO_BUFFER, "drop_no_buffer", "no free packet buffer")                               \
	X(DROP_TX, "drop_tx", "refused by the kernel or the device on sending")                    \
	X(DROP_NEIGHBOUR, "drop_neighbour", "link address of the next hop not resolved in time")   \
	X(DROP_FRAME, "drop_frame",                                                                \
		"bad Ethernet, ARP, IP or UDP header or checksum, or not for us")                  \
	X(DROP_FRAGMENT, "drop_fragment",                                                          \
		"fragments that overlap, or whose rest did not come in time")                      \
	X(DROP_OVERSIZE, "drop_oversize", "larger than the longest allowed datagram")              \
	X(DROP_EXIT_OPEN, "drop_exit_open",                                                        \
		"exit could not open its outside port, or was not asked to by its previous hop")   \
	X(NO_FILES, "no_files", "sockets not opened for circuits: too few file descriptors left")  \
	X(DROP_EXIT_QUEUE, "drop_exit_queue", "too many datagrams wait for a name to resolve")     \
	X(DROP_RESOLVE, "drop_resolve", "domain name did not resolve")                             \
	X(DROP_SOCKS_CLIENT, "drop_socks_client",                                                  \
		"for SOCKS clients whose port is not known yet, or whose socket is full")          \
	X(DROP_SOCKS_MALFORMED, "drop_socks_malformed",                                            \
		"malformed datagrams of SOCKS clients, or fragments")                              \
	X(DROP_SOCKS_SEND, "drop_socks_send",                                                      \
		"datagrams of SOCKS clients that are too long for a circuit, or too many at a "    \
		"time")                                                                            \
	X(DROP_SOCKS_SHARED, "drop_socks_shared",                                                  \
		"datagrams of SOCKS clients to hosts that others use on all circuits")             \
	X(DROP_SOCKS_STRANGER, "drop_socks_stranger",                                              \
		"datagrams to SOCKS associations that did not come from their client")             \
	X(DROP_SOCKS_WAIT, "drop_socks_wait",                                                      \
		"datagrams of SOCKS clients that waited too long for a circuit, or were too many") \
	X(DROP_SOCKS_WHOSE, "drop_socks_whose",                                                    \
		"from circuits, and either of two SOCKS clients may be the receiver")              \
	X(CREATE_ACCEPTED, "create_accepted", "create messages answered")                          \
	X(CREATE_REFUSED_LIMIT, "create_refused_limit",                                            \
		"create refused: max_joined_circuits reached, or too many unused circuits of a "   \
		"source")                                                                          \
	X(CREATE_REFUSED_RATE, "create_refused_rate",                                              \
		"create refused: rate limit of its source or of the node")                         \
	X(CREATE_REFUSED_BANDWIDTH, "create_refused_bandwidth",                                    \
		"create refused: of a stranger, while little is left of `rate` in [bandwidth]")    \
	X(CREATE_REFUSED_IN_USE, "create_refused_in_use",                                          \
		"create refused: circuit id in use, or used recently")                             \
	X(CREATE_REFUSED_BAD, "create_refused_bad",                                                \
		"create refused: malformed or low-order point")                                    \
	X(CREATE_REFUSED_DRAIN, "create_refused_drain",                                            \
		"create refused: the node lets its circuits end")                                  \
	X(CREATE_REFUSED_QUEUE, "create_refused_queue",                                            \
		"create refused: too many wait for their handshakes, most of them of its source")  \
	X(CREATE_REFUSED_AGE, "create_refused_age",                                                \
		"create refused: waited so long for its handshake that its sender has given up")   \
	X(CREATE_REFUSED_BANNED, "create_refused_banned", "create refused: its sender is banned")  \
	X(CIRCUITS_BANNED, "circuits_banned", "circuits ended because a neighbour was banned")     \
	X(EXTEND_ACCEPTED, "extend_accepted", "extend messages that led to a create")              \
	X(EXTEND_REFUSED, "extend_refused",                                                        \
		"extend messages ignored (too late, unknown node, not a relay, ...)")              \
	X(EXTEND_TIMEOUT, "extend_timeout", "creates we sent that were not answered in time")      \
	X(EXTENDED, "extended", "circuits extended through us")                                    \
	X(DESTROY_RECEIVED, "destroy_received", "destroy messages obeyed")                         \
	X(DESTROY_REFUSED, "destroy_refused",                                                      \
		"destroy messages of unknown circuits or from strangers")                          \
	X(DESTROY_SENT, "destroy_sent", "destroy messages sent")                                   \
	X(CIRCUITS_EXPIRED, "circuits_expired", "circuits removed by age, idleness or traffic")    \
	X(CIRCUITS_DISPLACED, "circuits_displaced",                                                \
		"circuits that made room: unused, or of a neighbour with more than its share")     \
	X(OWN_BEGUN, "own_circuits_begun", "own circuits for which a create was sent")             \
	X(OWN_READY, "own_circuits_ready", "own circuits that became complete")                    \
	X(OWN_FAILED, "own_circuits_failed", "own circuits that could not be built")               \
	X(OWN_DESTROYED, "own_circuits_destroyed", "own circuits destroyed by their first hop")    \
	X(OWN_EXPIRED, "own_circuits_expired", "own circuits ended by silence, age or traffic")    \
	X(OWN_CLOSED, "own_circuits_closed", "own circuits closed because nobody needed them")     \
	X(OWN_REPLACED, "own_circuits_replaced", "own circuits replaced before their end")         \
	X(OWN_HOP_TIMEOUT, "own_hop_timeouts", "nodes that did not become a hop in time")          \
	X(OWN_HOP_BAD, "own_hop_bad", "nodes that failed to prove their identity as a hop")        \
	X(HTTP_REQUESTS, "http_requests", "HTTP requests that circuits asked for")                 \
	X(HTTP_ANSWERED, "http_answered", "of these, answered")                                    \
	X(HTTP_REFUSED, "http_refused",                                                            \
		"of these, not made: not offered, malformed, too many, or destination refused")    \
	X(HTTP_FAILED, "http_failed", "of these, no acceptable answer came in time")               \
	X(HTTP_RX_BYTES, "http_rx_bytes", "bytes that web servers sent to this exit")              \
	X(HTTP_TX_BYTES, "http_tx_bytes", "bytes of requests sent to web servers")                 \
	X(SOCKS_UP, "socks_up", "datagrams of SOCKS clients")                                      \
	X(SOCKS_DOWN, "socks_down", "datagrams handed to SOCKS clients")                           \
	X(SOCKS_MOVED, "socks_moved",                                                              \
		"destinations moved to another circuit because nothing came back")                 \
	X(SOCKS_REQUESTS, "socks_requests", "HTTP requests of SOCKS clients")                      \
	X(SOCKS_FULL, "socks_full",                                                                \
		"SOCKS connections that waited for others to end, or were refused")                \
	X(HIDDEN_INTRODUCTIONS, "hidden_introductions",                                            \
		"seeder keys for which this node became an introduction point")                    \
	X(HIDDEN_CREATE_E2E, "hidden_create_e2e",                                                  \
		"create-e2e messages handed to a seeder as its introduction point")                \
	X(HIDDEN_RENDEZVOUS, "hidden_rendezvous",                                                  \
		"cookies for which this node became a rendezvous point")                           \
	X(HIDDEN_LINKED, "hidden_linked", "pairs of circuits joined at this node")                 \
	X(HIDDEN_PEERS, "hidden_peers", "questions for introduction points answered")              \
	X(HIDDEN_ASKED, "hidden_asked", "addresses from a DHT asked for introduction points")      \
	X(HIDDEN_REFUSED, "hidden_refused",                                                        \
		"messages of hidden services ignored (malformed, unknown key or cookie, too "      \
		"many, ...)")                                                                      \
	X(SWARM_INTRODUCTIONS, "swarm_introductions",                                              \
		"introduction points of our own that were established")                            \
	X(SWARM_LOOKUPS, "swarm_lookups", "look-ups for introduction points of services we use")   \
	X(SWARM_PEERS, "swarm_peers", "peers that we were connected with end to end")              \
	X(SWARM_REFUSED, "swarm_refused",                                                          \
		"create-e2e to our services refused: a repeat, or too many")                       \
	X(SWARM_FORGED, "swarm_forged", "created-e2e that its seeder has not made")                \
	X(INTRO_REQUESTS, "intro_requests", "introduction requests answered")                      \
	X(INTRO_RESPONSES, "intro_responses", "introduction responses that matched a request")     \
	X(INTRO_UNSOLICITED, "intro_unsolicited",                                                  \
		"introduction responses that nobody asked for, dropped")                           \
	X(INTRO_FOREIGN, "intro_foreign",                                                          \
		"introduction responses that were meant for another address than ours, ignored")   \
	X(PUNCTURES_SENT, "punctures_sent", "punctures sent on request")                           \
	X(LIVENESS_PINGS, "liveness_pings", "discovery and DHT pings answered")                    \
	X(DHT_FINDS, "dht_finds", "look-ups of others in the DHT answered")                        \
	X(DHT_STORED, "dht_stored", "values of the DHT stored for others")                         \
	X(DHT_LOOKUPS, "dht_lookups", "look-ups of our own in the DHT, stores included")           \
	X(DHT_REFUSED, "dht_refused",                                                              \
		"requests to store in the DHT refused: bad token, too long, or too many")          \
	X(NAME_LOOKUPS, "name_lookups", "domain names that resolvers were asked for")              \
	X(NAME_FAILURES, "name_failures", "of these, without an answer from any resolver")         \
	X(BAD_SIGNATURE, "bad_signature", "signed messages that did not verify")                   \
	X(CONTROL_MALFORMED, "control_malformed", "control messages that did not parse")           \
	X(CONTROL_RATE, "control_rate", "control messages dropped by a rate limit")                \
	X(CONTROL_UNKNOWN, "control_unknown",                                                      \
		"control messages with an id that this node does not handle")

enum peel_counter {
#define X(id, name, help) PEEL_##id,
	PEEL_COUNTERS(X)
#undef X
	PEEL_N_COUNTERS
};

/** A thread's counters. Exactly one thread adds; any thread may read (relaxed). */
struct peel_stats {
	uint64_t value[PEEL_N_COUNTERS];
} __attribute__((aligned(64)));

/** Add @p n: a relaxed load and store, no locked instruction. Thread: the owner. */
static inline void
peel_stats_add(struct peel_stats *s, enum peel_counter c, uint64_t n)
{
	__atomic_store_n(&s->value[c], __atomic_load_n(&s->value[c], __ATOMIC_RELAXED) + n,
		__ATOMIC_RELAXED);
}

/** Read one counter. Thread: any. */
static inline uint64_t
peel_stats_get(const struct peel_stats *s, enum peel_counter c)
{
	return __atomic_load_n(&s->value[c], __ATOMIC_RELAXED);
}

struct peel_counter_info {
	const char *name; /* as printed, lower case with underscores */
	const char *help;
};
extern const struct peel_counter_info peel_counter_info[PEEL_N_COUNTERS];
