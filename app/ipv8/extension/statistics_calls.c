/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What the endpoint counted, written into py-ipv8's objects or told.
 */
#include <time.h>

#include "extension.h"

#define MESSAGES 256

/* Takes the reference of the value. */
static int
set_attr(PyObject *o, const char *name, PyObject *value)
{
	int rc = value != NULL ? PyObject_SetAttrString(o, name, value) : -1;

	Py_XDECREF(value);
	return rc;
}

static double
time_of_day(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts); /* as py-ipv8 keeps it */
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* It also moves when py-ipv8 itself saw something happen, so it never goes back. */
static int
write_activity(PyObject *o, uint64_t idle_ms)
{
	double when = time_of_day() - (double)idle_ms / 1e3;
	PyObject *before;
	double old;

	if (idle_ms == UINT64_MAX)
		return 0;
	before = PyObject_GetAttrString(o, "last_activity");
	old = before != NULL ? PyFloat_AsDouble(before) : -1.0;
	Py_XDECREF(before);
	if (PyErr_Occurred())
		return -1;
	return when > old ? set_attr(o, "last_activity", PyFloat_FromDouble(when)) : 0;
}

static PyObject *
update(PyObject *self, PyObject *args, enum peel_guest_kind kind)
{
	struct peel_guest *guest = endpoint_guest_if_any(self);
	struct peel_guest_stats s;
	uint64_t up, down;
	PyObject *id, *o;
	uint32_t cid;

	if (guest == NULL || !PyArg_ParseTuple(args, "OO", &id, &o) || read_cid(id, &cid) != 0)
		return endpoint_not_done();
	if (peel_guest_get_stats(guest, kind, cid, &s) != 0)
		Py_RETURN_NONE; /* it just ended */
	/* The library counts by link; py-ipv8 says "up" of what an exit lets out. */
	up = kind == PEEL_GUEST_EXIT ? s.bytes_down : s.bytes_up;
	down = kind == PEEL_GUEST_EXIT ? s.bytes_up : s.bytes_down;
	if (set_attr(o, "bytes_up", PyLong_FromUnsignedLongLong(up)) != 0 ||
		set_attr(o, "bytes_down", PyLong_FromUnsignedLongLong(down)) != 0 ||
		write_activity(o, s.idle_ms) != 0)
		return NULL;
	if (kind == PEEL_GUEST_EXIT && set_attr(o, "enabled", PyBool_FromLong(s.enabled)) != 0)
		return NULL;
	Py_RETURN_NONE;
}

PyObject *
endpoint_update_circuit_stats(PyObject *self, PyObject *args)
{
	return update(self, args, PEEL_GUEST_CIRCUIT);
}

PyObject *
endpoint_update_relay_stats(PyObject *self, PyObject *args)
{
	return update(self, args, PEEL_GUEST_RELAY);
}

PyObject *
endpoint_update_exit_stats(PyObject *self, PyObject *args)
{
	return update(self, args, PEEL_GUEST_EXIT);
}

/* [num_up, bytes_up, num_down, bytes_down], as a list or a tuple. */
static PyObject *
four(const char *format, const struct peel_guest_message_stats *s)
{
	return Py_BuildValue(format, (unsigned long long)s->num_up, (unsigned long long)s->bytes_up,
		(unsigned long long)s->num_down, (unsigned long long)s->bytes_down);
}

static int
add_message(PyObject *dict, int id, const struct peel_guest_message_stats *s)
{
	PyObject *key = PyLong_FromLong(id);
	PyObject *value = four("[KKKK]", s);
	int rc = key != NULL && value != NULL ? PyDict_SetItem(dict, key, value) : -1;

	Py_XDECREF(key);
	Py_XDECREF(value);
	return rc;
}

PyObject *
endpoint_get_message_statistics(PyObject *self, PyObject *prefix)
{
	struct peel_guest *guest;
	struct peel_guest_message_stats messages[MESSAGES];
	PyObject *dict;
	Py_ssize_t len;
	char *data;

	if (PyBytes_AsStringAndSize(prefix, &data, &len) != 0)
		return NULL;
	dict = PyDict_New(); /* first: the collector may run code that closes it */
	guest = endpoint_guest_or_none(self);
	if (dict == NULL || guest == NULL || len != PEEL_PREFIX_BYTES ||
		peel_guest_message_stats(guest, (const uint8_t *)data, messages) < 0)
		return dict;
	for (int id = 0; id < MESSAGES; id++) {
		const struct peel_guest_message_stats *s = &messages[id];

		if ((s->num_up != 0 || s->num_down != 0) && add_message(dict, id, s) != 0) {
			Py_DECREF(dict);
			return NULL;
		}
	}
	return dict;
}

PyObject *
endpoint_get_socket_statistics(PyObject *self, PyObject *none)
{
	struct peel_guest *guest = endpoint_guest(self);
	struct peel_guest_message_stats total;

	(void)none;
	if (guest == NULL)
		return NULL;
	peel_guest_totals(guest, &total);
	return four("(KKKK)", &total);
}

PyObject *
endpoint_get_byte_counters(PyObject *self, PyObject *none)
{
	const struct endpoint *ep = (const struct endpoint *)self;
	struct peel_guest *guest = endpoint_guest_or_none(self);
	struct peel_guest_message_stats total = {0};
	unsigned long long up, down;

	(void)none;
	if (guest != NULL)
		peel_guest_totals(guest, &total);
	up = ep->bytes_up + total.bytes_up;
	down = ep->bytes_down + total.bytes_down;
	return Py_BuildValue("(KK)", up, down);
}
