/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * SOCKS5 listeners that send over the program's circuits, and what they are doing.
 */
#include <errno.h>
#include <stdlib.h>

#include "extension.h"

#define SERVERS_MAX 256
#define PEERS_MAX 4096
#define CIRCUITS_MAX 1024

PyObject *
endpoint_create_socks5_server(PyObject *self, PyObject *args)
{
	struct peel_guest *guest = endpoint_guest(self);
	PyObject *port_object, *hops_object;
	unsigned long port = 0, hops = 0;
	int rc;

	if (guest == NULL ||
		!PyArg_ParseTuple(args, "OO:create_socks5_server", &port_object, &hops_object) ||
		read_unsigned(port_object, UINT16_MAX, &port) != 0 ||
		read_unsigned(hops_object, UINT8_MAX, &hops) != 0)
		return NULL;
	rc = peel_guest_socks_open(guest, (uint16_t)port, (unsigned int)hops);
	if (rc >= 0)
		return PyLong_FromLong(rc);
	errno = -rc;
	return PyErr_SetFromErrno(PyExc_OSError);
}

PyObject *
endpoint_set_default_remote(PyObject *self, PyObject *args)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	PyObject *address_object, *hops_object;
	struct peel_address address;
	unsigned long hops = 0;
	int rc;

	if (guest == NULL ||
		!PyArg_ParseTuple(args, "OO:set_udp_associate_default_remote", &address_object,
			&hops_object) ||
		read_address(address_object, &address) != 0 ||
		read_unsigned(hops_object, UINT8_MAX, &hops) != 0)
		return endpoint_not_done();
	rc = peel_guest_socks_default_remote(guest, &address, (unsigned int)hops);
	return none_or_raise(rc == -ENOENT ? 0 : rc); /* of no associations, all have it */
}

/* Adds an object, whose reference it takes, to a list. */
static int
append(PyObject *list, PyObject *o)
{
	int rc = o != NULL ? PyList_Append(list, o) : -1;

	Py_XDECREF(o);
	return rc;
}

PyObject *
endpoint_get_socks5_statistics(PyObject *self, PyObject *none)
{
	struct peel_guest_socks_info servers[SERVERS_MAX];
	PyObject *list = PyList_New(0); /* first: the collector may run code that closes it */
	struct peel_guest *guest = endpoint_guest_or_none(self);
	size_t n = 0;

	(void)none;
	if (guest != NULL)
		n = peel_guest_socks_list(guest, servers, SERVERS_MAX);
	for (size_t i = 0; list != NULL && i < n; i++) {
		PyObject *dict = Py_BuildValue("{s:i,s:i,s:I}", "port", (int)servers[i].port,
			"hops", (int)servers[i].hops, "associates",
			(unsigned int)servers[i].associations);

		if (append(list, dict) != 0)
			Py_CLEAR(list);
	}
	return list;
}

PyObject *
endpoint_get_peers_for_circuit(PyObject *self, PyObject *id)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	struct peel_address *peers;
	PyObject *list;
	uint32_t cid;
	size_t n;

	if (endpoint_is_closing(self))
		return PyList_New(0);
	if (guest == NULL || read_cid(id, &cid) != 0)
		return NULL;
	peers = calloc(PEERS_MAX, sizeof(*peers));
	if (peers == NULL)
		return PyErr_NoMemory();
	n = peel_guest_circuit_peers(guest, cid, peers, PEERS_MAX);
	list = PyList_New(0);
	for (size_t i = 0; list != NULL && i < n; i++) {
		if (append(list, address_tuple(&peers[i])) != 0)
			Py_CLEAR(list);
	}
	free(peers);
	return list;
}

PyObject *
endpoint_get_associated_circuits(PyObject *self, PyObject *port_object)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	uint32_t circuits[CIRCUITS_MAX];
	unsigned long port = 0;
	PyObject *tuple;
	size_t n;

	if (endpoint_is_closing(self))
		return PyTuple_New(0);
	if (guest == NULL || read_unsigned(port_object, UINT16_MAX, &port) != 0)
		return NULL;
	n = peel_guest_associated_circuits(guest, (uint16_t)port, circuits, CIRCUITS_MAX);
	tuple = PyTuple_New((Py_ssize_t)n);
	for (size_t i = 0; tuple != NULL && i < n; i++) {
		PyObject *cid = PyLong_FromUnsignedLong(circuits[i]);

		if (cid == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, cid) != 0)
			Py_CLEAR(tuple);
	}
	return tuple;
}
