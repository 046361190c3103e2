/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The CPython extension peel_ipv8._peel: libpeel's data plane as the class that py-ipv8's endpoint
 * calls. Only the stable ABI, so that one wheel serves every Python from 3.10 on.
 *
 * Every function needs the GIL, unless it says otherwise. What returns an int returns 0, or -1 with
 * a Python exception set.
 */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "peel_guest.h"

/** Where datagrams go. The library's thread uses it, and it lives on after the object is gone. */
struct receiver {
	PyObject *callback; /**< callback(ip: str, port: int, datagram: bytes); NULL: closed */
	PyObject *backlog;  /**< of backlog_new() */
};

/** An object of the class _Endpoint. */
struct endpoint {
	PyObject_HEAD PyObject *listen_addr; /**< str, as given */
	uint16_t port;
	bool opening;		   /**< open() has let go of the GIL */
	bool closing;		   /**< close() has, and guest is NULL already */
	struct peel_guest *guest;  /**< NULL: not open */
	struct receiver *receiver; /**< as long as guest */
	pid_t process;		   /**< that opened it: a child of fork() has none of its threads */
	struct peel_address bound; /**< of the last guest, known when it closes */
	uint64_t bytes_up, bytes_down; /**< of former times that it was open */
	LIST_ENTRY(endpoint) opened;   /**< while guest is there */
};

/* endpoint_type.c */

/** Make the class and add it to the module. */
int endpoint_type_add(PyObject *module);
/** Close every open endpoint, for the end of the program; a method of the module. */
PyObject *endpoint_close_all(PyObject *module, PyObject *none);

/* endpoint_life.c */

/** Stop calling the program and end the endpoint's threads. From a callback, or `behind`, in
 * another thread; else it returns when all has ended, and lets others run meanwhile. */
void endpoint_shut(struct endpoint *ep, bool behind);
/** The open endpoint, or NULL and EndpointNotOpenError. In a child of fork() it is not open: a
 * second user of the parent's rings would break them, and seal with the salts that the parent uses.
 * Ask anew after whatever may run Python code, such as reading attributes: any thread may close it
 * then. */
struct peel_guest *endpoint_guest(PyObject *self);
/** The same without an exception. */
struct peel_guest *endpoint_guest_or_none(PyObject *self);
/** The same for methods that can do without: until close() returns there is no exception, but the
 * caller returns endpoint_not_done(). The program's tasks go on while a thread of it closes. */
struct peel_guest *endpoint_guest_if_any(PyObject *self);
/** Whether close() has begun and not returned. */
bool endpoint_is_closing(PyObject *self);
/** NULL if there is an exception, else None. */
PyObject *endpoint_not_done(void);

PyObject *endpoint_open(PyObject *self, PyObject *args);
PyObject *endpoint_close(PyObject *self, PyObject *args);
PyObject *endpoint_is_open(PyObject *self, PyObject *none);
PyObject *endpoint_get_address(PyObject *self, PyObject *none);

/* closing.c: guests that end while nobody waits for them */

/** Before all others, once. Returns 0, or an errno. Without the GIL too. */
int closing_init(void);
/** End a guest in a thread of its own. */
void closing_begin(struct peel_guest *guest, struct receiver *receiver);
/** Wait for all such threads. Call without the GIL: they may need it. */
void closing_wait(void);

/* backlog.c: what waits in the program's event loop */

/** For a receiver: a Python function, which is a mark in the loop's queue. */
PyObject *backlog_new(void);
/** So many datagrams were handed to the callback. */
void backlog_add(PyObject *backlog, PyObject *callback, unsigned int n);
/** Whether as many wait as may. */
bool backlog_is_full(PyObject *backlog);
/** Until the loop has come further, or for a moment. Lets others run meanwhile. */
void backlog_wait(PyObject *backlog);

/* receiver.c */

/** peel_guest_callbacks.on_datagrams; `arg` is a receiver. Takes the GIL once per burst. */
void receiver_on_datagrams(void *arg, const struct peel_guest_datagram *d, unsigned int n);
/** Whether this thread is inside a callback that the library made. Without the GIL too. */
bool receiver_is_calling(void);
/** Mark the beginning and the end of another callback of the library. */
void receiver_calling(bool yes);

/* routes.c, settings_calls.c, statistics_calls.c, proxies.c, speed_calls.c: methods of the class */

PyObject *endpoint_send(PyObject *self, PyObject *args);
PyObject *endpoint_send_cell(PyObject *self, PyObject *args);
PyObject *endpoint_set_circuit(PyObject *self, PyObject *args);
PyObject *endpoint_remove_circuit(PyObject *self, PyObject *cid);
PyObject *endpoint_add_relay(PyObject *self, PyObject *args);
PyObject *endpoint_remove_relay(PyObject *self, PyObject *cid);
PyObject *endpoint_add_exit(PyObject *self, PyObject *args);
PyObject *endpoint_remove_exit(PyObject *self, PyObject *cid);

PyObject *endpoint_set_prefix(PyObject *self, PyObject *prefix);
PyObject *endpoint_set_prefixes(PyObject *self, PyObject *prefixes);
PyObject *endpoint_set_max_relay_early(PyObject *self, PyObject *n);
PyObject *endpoint_set_peer_flags(PyObject *self, PyObject *flags);
PyObject *endpoint_set_exit_address(PyObject *self, PyObject *address);

PyObject *endpoint_update_circuit_stats(PyObject *self, PyObject *args);
PyObject *endpoint_update_relay_stats(PyObject *self, PyObject *args);
PyObject *endpoint_update_exit_stats(PyObject *self, PyObject *args);
PyObject *endpoint_get_message_statistics(PyObject *self, PyObject *prefix);
PyObject *endpoint_get_socket_statistics(PyObject *self, PyObject *none);
PyObject *endpoint_get_byte_counters(PyObject *self, PyObject *none);

PyObject *endpoint_create_socks5_server(PyObject *self, PyObject *args);
PyObject *endpoint_set_default_remote(PyObject *self, PyObject *args);
PyObject *endpoint_get_socks5_statistics(PyObject *self, PyObject *none);
PyObject *endpoint_get_peers_for_circuit(PyObject *self, PyObject *cid);
PyObject *endpoint_get_associated_circuits(PyObject *self, PyObject *port);

PyObject *endpoint_run_speedtest(PyObject *self, PyObject *args);

/* reading.c: what py-ipv8's objects say */

/** An int of 0..max; OverflowError outside. */
int read_unsigned(PyObject *value, unsigned long max, unsigned long *out);
/** The same for the attribute of an object. */
int read_unsigned_attr(PyObject *o, const char *name, unsigned long max, unsigned long *out);
/** A circuit's id. */
int read_cid(PyObject *value, uint32_t *out);
/** (host: str, port: int, ...). A host that is no IP address is an InvalidAddressError; an
 * IPv4-mapped IPv6 address is read as IPv4. */
int read_address(PyObject *tuple, struct peel_address *out);
/** The address in text alone. */
int read_host(const char *host, uint16_t port, struct peel_address *out);
/** SessionKeys. */
int read_keys(PyObject *session_keys, struct peel_guest_keys *out);
/** A Hop: where it is and what we share with it. Either may be NULL. */
int read_hop(PyObject *hop, struct peel_address *address, struct peel_guest_keys *keys);
/** A Circuit. */
int read_circuit(PyObject *circuit, struct peel_guest_circuit *out);
/** A RelayRoute. */
int read_relay(PyObject *relay, struct peel_guest_relay *out);
/** (host, port) of an address; a new reference. */
PyObject *address_tuple(const struct peel_address *address);
/** Its host alone. */
PyObject *address_host(const struct peel_address *address);

/* complaints.c */

/** Set EndpointNotOpenError. Returns NULL. */
PyObject *raise_not_open(void);
/** Set InvalidAddressError with PyUnicode_FromFormat()'s arguments. Returns -1. */
int raise_invalid_address(const char *format, ...);
/** Log, as "peel_ipv8" of Python's logging; `level` is the name of a method of a logger. */
void log_python(const char *level, const char *format, ...);
/** None, or what a negative result of the library becomes: ENOMEM is MemoryError, the rest
 * ValueError. A new reference. */
PyObject *none_or_raise(int rc);
