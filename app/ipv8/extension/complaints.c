/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Exceptions and log lines. The exceptions are those of the package whose class this replaces, as
 * programs catch them by that name.
 */
#include <errno.h>

#include "extension.h"

static PyObject *
exception(const char *name)
{
	PyObject *module = PyImport_ImportModule("ipv8_rust_tunnels._rust");
	PyObject *class = module != NULL ? PyObject_GetAttrString(module, name) : NULL;

	Py_XDECREF(module);
	return class;
}

PyObject *
raise_not_open(void)
{
	PyObject *class = exception("EndpointNotOpenError");

	if (class != NULL)
		PyErr_SetString(class, "Endpoint is not open");
	Py_XDECREF(class);
	return NULL;
}

int
raise_invalid_address(const char *format, ...)
{
	PyObject *class = exception("InvalidAddressError");
	PyObject *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (class != NULL)
		text = PyUnicode_FromFormatV(format, ap);
	va_end(ap);
	if (text != NULL)
		PyErr_SetObject(class, text);
	Py_XDECREF(text);
	Py_XDECREF(class);
	return -1;
}

void
log_python(const char *level, const char *format, ...)
{
	PyObject *logging, *logger = NULL, *text, *done = NULL;
	va_list ap;

	va_start(ap, format);
	text = PyUnicode_FromFormatV(format, ap);
	va_end(ap);
	logging = PyImport_ImportModule("logging");
	if (text != NULL && logging != NULL)
		logger = PyObject_CallMethod(logging, "getLogger", "s", "peel_ipv8");
	if (logger != NULL)
		done = PyObject_CallMethod(logger, level, "sO", "%s", text);
	if (done == NULL)
		PyErr_WriteUnraisable(NULL);
	Py_XDECREF(done);
	Py_XDECREF(logger);
	Py_XDECREF(logging);
	Py_XDECREF(text);
}

PyObject *
none_or_raise(int rc)
{
	if (rc == -ENOMEM)
		return PyErr_NoMemory();
	if (rc < 0)
		return PyErr_Format(PyExc_ValueError, "%s", peel_strerror(rc));
	Py_RETURN_NONE;
}
