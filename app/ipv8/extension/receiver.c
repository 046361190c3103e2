/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * From the library's thread into Python. What the callback raises is reported and ends there.
 */
#include <string.h>

#include "extension.h"

static __thread bool calling;

/* The sender of a datagram; neighbours in a burst often share it. */
struct sender {
	const struct peel_address *address;
	PyObject *host, *port;
};

bool
receiver_is_calling(void)
{
	return calling;
}

void
receiver_calling(bool yes)
{
	calling = yes;
}

static bool
is_same(const struct peel_address *a, const struct peel_address *b)
{
	size_t len = a->type == PEEL_ADDRESS_IPV6 ? 16 : 4;

	return a->type == b->type && a->port == b->port && memcmp(a->ip, b->ip, len) == 0;
}

static void
sender_set(struct sender *s, const struct peel_address *address)
{
	if (s->address != NULL && is_same(s->address, address))
		return;
	Py_XDECREF(s->host);
	Py_XDECREF(s->port);
	s->address = address;
	s->host = address_host(address);
	s->port = PyLong_FromLong(address->port);
}

static void
deliver(struct receiver *r, struct sender *s, const struct peel_guest_datagram *d)
{
	PyObject *callback = r->callback;
	PyObject *data = PyBytes_FromStringAndSize((const char *)d->data, (Py_ssize_t)d->len);
	PyObject *result = NULL;

	sender_set(s, &d->from);
	Py_INCREF(callback); /* it may close the endpoint */
	if (data != NULL && s->host != NULL && s->port != NULL)
		result = PyObject_CallFunctionObjArgs(callback, s->host, s->port, data, NULL);
	if (result == NULL)
		PyErr_WriteUnraisable(callback);
	Py_XDECREF(result);
	Py_XDECREF(data);
	Py_DECREF(callback);
}

void
receiver_on_datagrams(void *arg, const struct peel_guest_datagram *d, unsigned int n)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	struct receiver *r = arg;
	PyObject *backlog = r->backlog;
	struct sender s = {0};

	receiver_calling(true);
	Py_XINCREF(backlog); /* whatever runs below may close the endpoint */
	while (r->callback != NULL && backlog_is_full(backlog))
		backlog_wait(backlog);
	for (unsigned int i = 0; i < n && r->callback != NULL; i++)
		deliver(r, &s, &d[i]);
	if (r->callback != NULL)
		backlog_add(backlog, r->callback, n);
	Py_XDECREF(backlog);
	Py_XDECREF(s.host);
	Py_XDECREF(s.port);
	receiver_calling(false);
	PyGILState_Release(gil);
}
