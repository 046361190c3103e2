/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * An endpoint opens and closes, as often as wanted.
 */
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "extension.h"

#define PORT_TRIES 1000

static LIST_HEAD(, endpoint) opened = LIST_HEAD_INITIALIZER(opened);

struct peel_guest *
endpoint_guest_or_none(PyObject *self)
{
	const struct endpoint *ep = (const struct endpoint *)self;

	return ep->guest != NULL && ep->process == getpid() ? ep->guest : NULL;
}

bool
endpoint_is_closing(PyObject *self)
{
	const struct endpoint *ep = (const struct endpoint *)self;

	return ep->closing && ep->process == getpid();
}

struct peel_guest *
endpoint_guest_if_any(PyObject *self)
{
	return endpoint_is_closing(self) ? NULL : endpoint_guest(self);
}

PyObject *
endpoint_not_done(void)
{
	if (PyErr_Occurred())
		return NULL;
	Py_RETURN_NONE;
}

struct peel_guest *
endpoint_guest(PyObject *self)
{
	struct peel_guest *guest = endpoint_guest_or_none(self);

	if (guest == NULL)
		raise_not_open();
	return guest;
}

/* More of them than CPUs gain nothing, and each has buffers of its own. */
static unsigned int
workers_of(unsigned long wanted)
{
	cpu_set_t cpus;
	unsigned long max = 1;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 0)
		max = (unsigned long)CPU_COUNT(&cpus);
	if (wanted < 1)
		return 1;
	return (unsigned int)(wanted < max ? wanted : max);
}

static bool
is_on(const char *variable)
{
	const char *value = getenv(variable);

	return value != NULL && strcmp(value, "1") == 0;
}

/* What __init__ was given, or false if that is no IP address. */
static bool
listen_address(const struct endpoint *ep, struct peel_address *out)
{
	const char *host = PyUnicode_AsUTF8AndSize(ep->listen_addr, NULL);
	bool ok = host != NULL && read_host(host, ep->port, out) == 0;

	PyErr_Clear();
	return ok;
}

static bool
is_loopback(const struct peel_address *a)
{
	static const uint8_t v6[16] = {[15] = 1};

	return a->type == PEEL_ADDRESS_IPV6 ? memcmp(a->ip, v6, sizeof(v6)) == 0 : a->ip[0] == 127;
}

/* Without the GIL. */
static int
start(struct receiver *receiver, const struct peel_address *listen, unsigned int workers,
	struct peel_guest **out)
{
	struct peel_guest_settings s;
	char text[264];

	peel_guest_settings_init(&s);
	s.listen = peel_address_text(listen, text, sizeof(text));
	/* Who can be reached from this machine alone may also send to it: so do tests. */
	s.exit_loopback = is_loopback(listen);
	s.port_tries = PORT_TRIES;
	s.workers = workers;
	s.exit_private = is_on("PEEL_IPV8_EXIT_PRIVATE");
	s.callbacks.arg = receiver;
	s.callbacks.on_datagrams = receiver_on_datagrams;
	return peel_guest_open(&s, out);
}

static struct receiver *
receiver_new(PyObject *callback)
{
	struct receiver *receiver = calloc(1, sizeof(*receiver));

	if (receiver == NULL) {
		PyErr_NoMemory();
		return NULL;
	}
	receiver->backlog = backlog_new();
	if (receiver->backlog == NULL) {
		free(receiver);
		return NULL;
	}
	Py_INCREF(callback);
	receiver->callback = callback;
	return receiver;
}

/* It calls nobody any more. The library may still hold it. */
static void
receiver_end(struct receiver *receiver)
{
	Py_CLEAR(receiver->callback);
	Py_CLEAR(receiver->backlog);
}

PyObject *
endpoint_open(PyObject *self, PyObject *args)
{
	struct endpoint *ep = (struct endpoint *)self;
	struct peel_guest *guest = NULL;
	struct receiver *receiver;
	struct peel_address listen;
	PyObject *callback, *threads;
	unsigned long workers = 0;
	int rc;

	if (!PyArg_ParseTuple(args, "OO:open", &callback, &threads) ||
		read_unsigned(threads, ULONG_MAX, &workers) != 0)
		return NULL;
	if (ep->guest != NULL || ep->opening || endpoint_is_closing(self))
		Py_RETURN_FALSE;
	if (ep->listen_addr == NULL)
		return PyErr_Format(
			PyExc_RuntimeError, "__init__() of the endpoint was not called");
	if (!listen_address(ep, &listen)) {
		log_python("error", "not opened: %R is not an IP address", ep->listen_addr);
		Py_RETURN_FALSE;
	}
	receiver = receiver_new(callback);
	if (receiver == NULL)
		return NULL;
	ep->opening = true;
	Py_BEGIN_ALLOW_THREADS rc = start(receiver, &listen, workers_of(workers), &guest);
	Py_END_ALLOW_THREADS ep->opening = false;
	if (rc < 0) {
		log_python("error", "not opened: %s", peel_strerror(rc));
		receiver_end(receiver);
		free(receiver);
		Py_RETURN_FALSE;
	}
	ep->guest = guest;
	ep->receiver = receiver;
	ep->process = getpid();
	LIST_INSERT_HEAD(&opened, ep, opened);
	Py_RETURN_TRUE;
}

/* What it counted is asked for afterwards, too. */
static void
keep_counters(struct endpoint *ep, struct peel_guest *guest)
{
	struct peel_guest_message_stats total;

	peel_guest_totals(guest, &total);
	ep->bytes_up += total.bytes_up;
	ep->bytes_down += total.bytes_down;
}

void
endpoint_shut(struct endpoint *ep, bool behind)
{
	struct peel_guest *guest = ep->guest;
	struct receiver *receiver = ep->receiver;

	if (guest == NULL)
		return;
	LIST_REMOVE(ep, opened);
	ep->guest = NULL;
	ep->receiver = NULL;
	if (ep->process != getpid())
		return; /* its threads are the parent's */
	keep_counters(ep, guest);
	peel_guest_address(guest, &ep->bound);
	receiver_end(receiver);
	if (behind || receiver_is_calling()) {
		closing_begin(guest, receiver);
		return;
	}
	Py_INCREF((PyObject *)ep);
	ep->closing = true;
	Py_BEGIN_ALLOW_THREADS peel_guest_close(guest);
	Py_END_ALLOW_THREADS ep->closing = false;
	Py_DECREF((PyObject *)ep);
	free(receiver);
}

PyObject *
endpoint_close(PyObject *self, PyObject *args)
{
	PyObject *timeout;

	/* The end takes no longer than a moment: there is nothing to limit. */
	if (!PyArg_ParseTuple(args, "O:close", &timeout))
		return NULL;
	endpoint_shut((struct endpoint *)self, false);
	Py_RETURN_NONE;
}

PyObject *
endpoint_close_all(PyObject *module, PyObject *none)
{
	(void)module;
	(void)none;
	while (!LIST_EMPTY(&opened))
		endpoint_shut(LIST_FIRST(&opened), false);
	Py_BEGIN_ALLOW_THREADS closing_wait();
	Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

PyObject *
endpoint_is_open(PyObject *self, PyObject *none)
{
	(void)none;
	return PyBool_FromLong(endpoint_guest_or_none(self) != NULL || endpoint_is_closing(self));
}

PyObject *
endpoint_get_address(PyObject *self, PyObject *none)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	struct peel_address address = ((const struct endpoint *)self)->bound;

	(void)none;
	if (PyErr_Occurred())
		return NULL;
	if (guest != NULL)
		peel_guest_address(guest, &address);
	return address_tuple(&address);
}
