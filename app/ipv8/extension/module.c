/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The module peel_ipv8._peel. It keeps state in the process (DPDK is there once), so it serves the
 * main interpreter only.
 */
#include "extension.h"

static PyMethodDef functions[] = {
	{"_close_all", endpoint_close_all, METH_NOARGS,
		"Close what is open; called as Python ends."},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "peel_ipv8._peel",
	.m_doc = "Peel's data plane as the endpoint of py-ipv8",
	.m_size = -1,
	.m_methods = functions,
};

/* Python's end finds no thread of ours that still wants the GIL. */
static int
close_at_exit(PyObject *module)
{
	PyObject *function = PyObject_GetAttrString(module, "_close_all");
	PyObject *atexit = PyImport_ImportModule("atexit");
	PyObject *done = NULL;

	if (function != NULL && atexit != NULL)
		done = PyObject_CallMethod(atexit, "register", "O", function);
	Py_XDECREF(done);
	Py_XDECREF(atexit);
	Py_XDECREF(function);
	return done != NULL ? 0 : -1;
}

PyMODINIT_FUNC PyInit__peel(void);

PyMODINIT_FUNC
PyInit__peel(void)
{
	PyObject *module;

	if (closing_init() != 0)
		return PyErr_NoMemory();
	module = PyModule_Create(&definition);
	if (module == NULL)
		return NULL;
	if (endpoint_type_add(module) != 0 || close_at_exit(module) != 0 ||
		PyModule_AddStringConstant(module, "__version__", peel_version()) != 0)
		Py_CLEAR(module);
	return module;
}
