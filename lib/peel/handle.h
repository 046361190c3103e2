/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the files of lib/peel share. */

#include <pthread.h>
#include <semaphore.h>

#include "peel_internal.h"

struct sticky;	 /* destinations and their circuits: sticky.c */
struct tests;	 /* speed tests under way: speedtest.c */
struct services; /* hidden services: services.c */
struct peers;	 /* their peers: service_peers.c */

enum mode {
	MODE_IDLE, /* nobody drives the node yet */
	MODE_POLL, /* the program does */
	MODE_RUN,  /* `driver` does */
};

/* A thread that drives a node. */
struct driver {
	struct peel_node *node;
	void (*round)(void *arg); /* after each round, without locks; NULL: nothing */
	void *arg;
	pthread_t thread;
	bool stop; /* atomic */
	sem_t started;
	int result;
};

/* The program's callbacks, as in peel.h. */
typedef void (*data_fn)(void *arg, struct peel *p, peel_circuit circuit,
	const struct peel_address *origin, const void *payload, size_t len);
typedef void (*circuit_fn)(void *arg, struct peel *p, peel_circuit circuit, bool ready);
typedef void (*peer_fn)(void *arg, struct peel *p, const struct peel_address *peer);

struct peel {
	struct peel_node *node;
	struct sticky *sticky;
	struct tests *tests;
	struct services *services;
	struct peers *peers;
	/* Begun for HTTP requests, by hops; under the node's lock. */
	struct {
		peel_circuit circuit;
		uint64_t due_ms;   /* when the next one may be begun ... */
		uint32_t pause_ms; /* ... and how long after it another one */
	} http[PEEL_HOPS_LIMIT];
	struct driver driver; /* of peel_run */

	/* Guards what follows. It is never held during calls of the node or the program. */
	pthread_mutex_t lock;
	enum mode mode;
	bool polling;	  /* somebody is in peel_poll ... */
	pthread_t poller; /* ... who */
	data_fn on_data;
	void *data_arg;
	circuit_fn on_circuit;
	void *circuit_arg;
};

/* error.c */
/** Remember what went wrong, for peel_strerror in this thread. @return code. @p text is not
 * copied. */
int error_text(int code, const char *text);
int error_format(int code, const char *format, ...) PEEL_PRINTF(2, 3);
/** -ENOENT and -ENOMEM. */
int error_no_circuit(void);
int error_no_memory(void);

/* peel_address.c */
void address_from_host(const struct peel_host *h, struct peel_address *out);
/** Borrows the name. -EINVAL: no address, or port 0. */
int address_to_host(const struct peel_address *a, struct peel_host *out) PEEL_MUST_USE;

/* settings.c */
/** Checks all that can be checked without looking at this machine. */
int settings_check(const struct peel_settings *s) PEEL_MUST_USE;
/** Copy what a caller, maybe of another version, gave: missing fields have their defaults. */
int settings_take(const struct peel_settings *in, struct peel_settings *out) PEEL_MUST_USE;
/** The same with any settings that begin with their size: over the defaults in @p out, which has
 * @p known bytes. @p oldest: the fewest bytes that there ever were. @p init: who makes defaults. */
int settings_copy(
	const void *in, size_t oldest, void *out, size_t known, const char *init) PEEL_MUST_USE;

/* program_provider.c */
/** The DHT of settings.dht_provider. */
extern const struct peel_provider_ops program_provider;

/* convert.c */
int settings_convert(const struct peel_settings *s, struct peel_node_conf *conf) PEEL_MUST_USE;
/** The AEAD engine of that name, if it works here; NULL or "auto": the node's choice. */
int settings_engine(const char *engine, struct peel_node_conf *conf) PEEL_MUST_USE;

/* library_eal.c */
/** EAL runs when this returns 0; started by the first caller of the process. */
int eal_once(bool huge, uint32_t memory_mib) PEEL_MUST_USE;
/** Is this the thread that starts EAL? */
bool eal_is_starting(void);

/* driver.c */
/** Start the node and its thread, and stop both. 0 or -errno. */
int driver_start(struct driver *d) PEEL_MUST_USE;
void driver_stop(struct driver *d);
/** Threads of the library handle no signals: all are blocked while a thread is created. */
void signals_block(sigset_t *old);
void signals_restore(const sigset_t *old);

/* events.c */
void events_attach(struct peel *p);

/* services.c */
int services_new(struct services **out) PEEL_MUST_USE;
void services_free(struct services *s);
/** lib/swarm tells of a peer. Called without locks by the thread that drives the node, as the next
 * one. */
void services_peer(struct peel *p, peel_circuit circuit, uint32_t swarm, bool connected);
/** Whose data came through the end-to-end layer of a circuit; the program gets to know the peer
 * before. @return false: nobody's (any more). */
bool services_origin(struct peel *p, peel_circuit circuit, struct peel_address *out);

/* service_peers.c: thread: any */
/** @p circuits: how many there can be at a time. After an error, free it. */
int peers_new(uint32_t circuits, struct peers **out) PEEL_MUST_USE;
void peers_free(struct peers *t);
/** Whether an address belongs to the network of peers, whether or not there is such a peer. */
bool peers_own(const struct peel_address *a);
/** Give the peer at the end of a circuit an address. @return false: it has one. */
bool peers_add(struct peers *t, peel_circuit circuit, uint32_t swarm, struct peel_address *out);
/** @return false: there was none. */
bool peers_remove(struct peers *t, peel_circuit circuit, struct peel_address *out);
void peers_remove_swarm(struct peers *t, uint32_t swarm);
/** The address of the peer behind a circuit. @return false: there is none. */
bool peers_address(struct peers *t, peel_circuit circuit, struct peel_address *out);
/** The circuit to a peer, 0: there is no such peer. */
peel_circuit peers_circuit(struct peers *t, const struct peel_address *a);

/* sticky.c */
int sticky_new(bool isolate, struct sticky **out) PEEL_MUST_USE;
void sticky_free(struct sticky *s);
bool sticky_isolates(const struct sticky *s);
/** The circuit is gone: its destinations get other circuits. Thread: any. */
void sticky_forget(struct sticky *s, peel_circuit circuit);

/* speedtest.c */
int tests_new(struct peel_node *node, struct tests **out) PEEL_MUST_USE;
/** As peel_test_circuit(). */
int tests_begin(struct tests *t, peel_circuit circuit, const struct peel_test *test,
	void (*done)(void *arg, int result, uint64_t rtt_us, size_t len), void *arg);
/** Ends what is under way with -ECANCELED, when nobody drives the node any more. */
void tests_cancel(struct tests *t);
/** After the node's loop is closed. */
void tests_free(struct tests *t);
void tests_answer(struct tests *t, peel_circuit circuit, const uint8_t *msg, size_t len);
/** Ends what waited too long. Called without locks by the thread that drives the node. */
void tests_sweep(struct tests *t);
void tests_circuit_ended(struct tests *t, peel_circuit circuit);
