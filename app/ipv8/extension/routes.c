/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What is sent, and the circuits, relays and exits it is sent along. What is read from py-ipv8's
 * objects is read before the library is called, so that half an object changes nothing. Attributes
 * may run Python code, and meanwhile any thread may close the endpoint: whether it is open is asked
 * before, for the right exception, and again after.
 */
#include <errno.h>

#include "extension.h"

/* (address, bytes) of a method that sends. */
static int
read_datagram(PyObject *args, struct peel_address *to, char **data, Py_ssize_t *len)
{
	PyObject *address, *bytes;

	if (!PyArg_ParseTuple(args, "OO", &address, &bytes) || read_address(address, to) != 0)
		return -1;
	return PyBytes_AsStringAndSize(bytes, data, len);
}

/* Networks fail, and callers do not expect to hear of it. */
static PyObject *
sent(int rc, const struct peel_address *to, const char *level)
{
	char text[264];

	if (rc < 0)
		log_python(level, "not sent to %s: %s", peel_address_text(to, text, sizeof(text)),
			peel_strerror(rc));
	Py_RETURN_NONE;
}

PyObject *
endpoint_send(PyObject *self, PyObject *args)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	struct peel_address to;
	Py_ssize_t len;
	char *data;

	if (guest == NULL || read_datagram(args, &to, &data, &len) != 0)
		return endpoint_not_done();
	return sent(peel_guest_send(guest, &to, data, (size_t)len), &to, "warning");
}

PyObject *
endpoint_send_cell(PyObject *self, PyObject *args)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	struct peel_address to;
	Py_ssize_t len;
	char *cell;
	int rc;

	if (guest == NULL || read_datagram(args, &to, &cell, &len) != 0)
		return endpoint_not_done();
	rc = peel_guest_send_cell(guest, &to, cell, (size_t)len);
	/* Of a circuit that just ended nothing is said. */
	return sent(rc == -ENOENT ? 0 : rc, &to, rc == -EBADMSG ? "error" : "warning");
}

/* (cid, object) */
static int
read_pair(PyObject *args, uint32_t *cid, PyObject **object)
{
	PyObject *id;

	if (!PyArg_ParseTuple(args, "OO", &id, object))
		return -1;
	return read_cid(id, cid);
}

PyObject *
endpoint_set_circuit(PyObject *self, PyObject *args)
{
	struct peel_guest_circuit circuit;
	struct peel_guest *guest;
	PyObject *object;
	uint32_t cid;

	if (endpoint_guest_if_any(self) == NULL || read_pair(args, &cid, &object) != 0 ||
		read_circuit(object, &circuit) != 0)
		return endpoint_not_done();
	guest = endpoint_guest_if_any(self);
	if (guest == NULL)
		return endpoint_not_done();
	return none_or_raise(peel_guest_set_circuit(guest, cid, &circuit));
}

PyObject *
endpoint_add_relay(PyObject *self, PyObject *args)
{
	struct peel_guest_relay relay;
	struct peel_guest *guest;
	PyObject *object;
	uint32_t cid;

	if (endpoint_guest_if_any(self) == NULL || read_pair(args, &cid, &object) != 0 ||
		read_relay(object, &relay) != 0)
		return endpoint_not_done();
	guest = endpoint_guest_if_any(self);
	if (guest == NULL)
		return endpoint_not_done();
	return none_or_raise(peel_guest_add_relay(guest, cid, &relay));
}

PyObject *
endpoint_add_exit(PyObject *self, PyObject *args)
{
	struct peel_guest_keys keys;
	struct peel_address previous;
	struct peel_guest *guest;
	PyObject *object, *hop;
	uint32_t cid;
	int rc;

	if (endpoint_guest_if_any(self) == NULL || read_pair(args, &cid, &object) != 0)
		return endpoint_not_done();
	hop = PyObject_GetAttrString(object, "hop");
	rc = hop != NULL ? read_hop(hop, &previous, &keys) : -1;
	Py_XDECREF(hop);
	guest = rc == 0 ? endpoint_guest_if_any(self) : NULL;
	if (guest == NULL)
		return endpoint_not_done();
	return none_or_raise(peel_guest_add_exit(guest, cid, &previous, &keys));
}

static PyObject *
remove_by(PyObject *self, PyObject *id, void (*remove)(struct peel_guest *guest, uint32_t cid))
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	uint32_t cid;

	if (guest == NULL || read_cid(id, &cid) != 0)
		return endpoint_not_done();
	remove(guest, cid);
	Py_RETURN_NONE;
}

PyObject *
endpoint_remove_circuit(PyObject *self, PyObject *cid)
{
	return remove_by(self, cid, peel_guest_remove_circuit);
}

PyObject *
endpoint_remove_relay(PyObject *self, PyObject *cid)
{
	return remove_by(self, cid, peel_guest_remove_relay);
}

PyObject *
endpoint_remove_exit(PyObject *self, PyObject *cid)
{
	return remove_by(self, cid, peel_guest_remove_exit);
}
