/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Speed tests, whose figures the library tells from a thread of its own.
 */
#include "extension.h"

/* [t_sent_ms, bytes_sent, t_received_ms or 0, bytes_received] by the request's id */
static PyObject *
answers_dict(const struct peel_guest_test_answer *a, size_t n)
{
	PyObject *dict = PyDict_New();

	for (size_t i = 0; dict != NULL && i < n; i++) {
		PyObject *id = PyLong_FromUnsignedLong(a[i].id);
		PyObject *times = Py_BuildValue("[KIKI]", (unsigned long long)a[i].sent_ms,
			(unsigned int)a[i].n_sent, (unsigned long long)a[i].received_ms,
			(unsigned int)a[i].n_received);

		if (id == NULL || times == NULL || PyDict_SetItem(dict, id, times) != 0)
			Py_CLEAR(dict);
		Py_XDECREF(id);
		Py_XDECREF(times);
	}
	return dict;
}

/* Called by the library; `done` once, at the latest when the guest ends. */
static void
on_answers(void *arg, const struct peel_guest_test_answer *a, size_t n, bool done)
{
	PyGILState_STATE gil = PyGILState_Ensure();
	PyObject *callback = arg;
	PyObject *dict = answers_dict(a, n);
	PyObject *result = NULL;

	receiver_calling(true);
	if (dict != NULL)
		result = PyObject_CallFunctionObjArgs(
			callback, dict, done ? Py_True : Py_False, NULL);
	if (result == NULL)
		PyErr_WriteUnraisable(callback);
	Py_XDECREF(result);
	Py_XDECREF(dict);
	if (done)
		Py_DECREF(callback);
	receiver_calling(false);
	PyGILState_Release(gil);
}

static int
read_test(PyObject *args, struct peel_guest_test *t, PyObject **callback)
{
	PyObject *cid, *duration, *request, *response, *rtt, *interval;
	unsigned long n[5] = {0};

	if (!PyArg_ParseTuple(args, "OOOOOOO:run_speedtest", &cid, &duration, &request, &response,
		    &rtt, callback, &interval) ||
		read_cid(cid, &t->cid) != 0 || read_unsigned(duration, UINT32_MAX, &n[0]) != 0 ||
		read_unsigned(request, UINT16_MAX, &n[1]) != 0 ||
		read_unsigned(response, UINT16_MAX, &n[2]) != 0 ||
		read_unsigned(rtt, UINT32_MAX, &n[3]) != 0 ||
		read_unsigned(interval, UINT32_MAX, &n[4]) != 0)
		return -1;
	t->duration_ms = (uint32_t)n[0];
	t->request_size = (uint16_t)n[1];
	t->response_size = (uint16_t)n[2];
	t->target_rtt_ms = (uint32_t)n[3];
	t->interval_ms = (uint32_t)n[4];
	return 0;
}

PyObject *
endpoint_run_speedtest(PyObject *self, PyObject *args)
{
	struct peel_guest *guest = endpoint_guest(self);
	struct peel_guest_test test = {0};
	PyObject *callback;
	int rc;

	if (guest == NULL || read_test(args, &test, &callback) != 0)
		return NULL;
	Py_INCREF(callback);
	rc = peel_guest_speedtest(guest, &test, on_answers, callback);
	if (rc < 0)
		Py_DECREF(callback);
	return none_or_raise(rc);
}
