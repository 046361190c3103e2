/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What py-ipv8 tells an open endpoint about itself.
 */
#include <stdlib.h>
#include <string.h>

#include "extension.h"

PyObject *
endpoint_set_prefix(PyObject *self, PyObject *prefix)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	Py_ssize_t len;
	char *data;

	if (guest == NULL || PyBytes_AsStringAndSize(prefix, &data, &len) != 0)
		return endpoint_not_done();
	if (len != PEEL_PREFIX_BYTES)
		return PyErr_Format(PyExc_ValueError, "a prefix has %d bytes", PEEL_PREFIX_BYTES);
	return none_or_raise(peel_guest_set_prefix(guest, (const uint8_t *)data));
}

/* py-ipv8 takes any key for a listener, but only compares the first 22 bytes of a datagram. */
static int
collect_prefixes(PyObject *list, uint8_t (*out)[PEEL_PREFIX_BYTES], size_t *n)
{
	Py_ssize_t size = PyList_Size(list);

	for (Py_ssize_t i = 0; i < size; i++) {
		Py_ssize_t len;
		char *data;

		if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &data, &len) != 0)
			return -1;
		if (len == PEEL_PREFIX_BYTES)
			memcpy(out[(*n)++], data, PEEL_PREFIX_BYTES);
	}
	return 0;
}

PyObject *
endpoint_set_prefixes(PyObject *self, PyObject *prefixes)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	uint8_t(*list)[PEEL_PREFIX_BYTES];
	PyObject *result = NULL;
	size_t n = 0;

	if (guest == NULL)
		return endpoint_not_done();
	if (!PyList_Check(prefixes))
		return PyErr_Format(PyExc_TypeError, "a list of prefixes, not %R", prefixes);
	list = calloc((size_t)PyList_Size(prefixes) + 1, sizeof(*list));
	if (list == NULL)
		return PyErr_NoMemory();
	if (collect_prefixes(prefixes, list, &n) == 0)
		result = none_or_raise(peel_guest_set_prefixes(
			guest, (const uint8_t(*)[PEEL_PREFIX_BYTES])list, n));
	free(list);
	return result;
}

PyObject *
endpoint_set_max_relay_early(PyObject *self, PyObject *n)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	unsigned long value = 0;

	if (guest == NULL || read_unsigned(n, UINT8_MAX, &value) != 0)
		return endpoint_not_done();
	peel_guest_set_max_relay_early(guest, (uint8_t)value);
	Py_RETURN_NONE;
}

PyObject *
endpoint_set_peer_flags(PyObject *self, PyObject *flags)
{
	struct peel_guest *guest;
	PyObject *each, *flag;
	unsigned long bits = 0;

	if (endpoint_guest_if_any(self) == NULL)
		return endpoint_not_done();
	if (!PySet_Check(flags))
		return PyErr_Format(PyExc_TypeError, "a set of flags, not %R", flags);
	each = PyObject_GetIter(flags);
	while (each != NULL && (flag = PyIter_Next(each)) != NULL) {
		unsigned long value = 0;
		int rc = read_unsigned(flag, UINT16_MAX, &value);

		Py_DECREF(flag);
		if (rc != 0)
			break;
		bits |= value;
	}
	Py_XDECREF(each);
	if (PyErr_Occurred())
		return NULL;
	/* A set may run Python code, which may have closed it. */
	guest = endpoint_guest_if_any(self);
	if (guest == NULL)
		return endpoint_not_done();
	peel_guest_set_flags(guest, (uint16_t)bits);
	Py_RETURN_NONE;
}

PyObject *
endpoint_set_exit_address(PyObject *self, PyObject *address)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	struct peel_address a;

	if (guest == NULL || read_address(address, &a) != 0)
		return endpoint_not_done();
	return none_or_raise(peel_guest_set_exit_address(guest, &a));
}
