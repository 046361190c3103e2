/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The class _Endpoint: the methods that py-ipv8's endpoint calls, by the names it calls them.
 */
#include "extension.h"

static int
init(PyObject *self, PyObject *args, PyObject *keywords)
{
	static char *names[] = {"listen_addr", "port", NULL};
	struct endpoint *ep = (struct endpoint *)self;
	PyObject *address, *port, *before = ep->listen_addr;
	unsigned long n = 0;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "UO", names, &address, &port) ||
		read_unsigned(port, UINT16_MAX, &n) != 0)
		return -1;
	Py_INCREF(address);
	ep->listen_addr = address;
	ep->port = (uint16_t)n;
	Py_XDECREF(before);
	return 0;
}

static int
traverse(PyObject *self, visitproc visit, void *arg)
{
	const struct endpoint *ep = (const struct endpoint *)self;

	Py_VISIT(Py_TYPE(self));
	/* The program's endpoint, which owns this one. */
	if (ep->receiver != NULL)
		Py_VISIT(ep->receiver->callback);
	return 0;
}

static int
clear(PyObject *self)
{
	endpoint_shut((struct endpoint *)self, true);
	return 0;
}

static void
dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);

	PyObject_GC_UnTrack(self);
	endpoint_shut((struct endpoint *)self, true);
	Py_CLEAR(((struct endpoint *)self)->listen_addr);
	release(self);
	Py_DECREF(type);
}

static PyMethodDef methods[] = {
	{"open", endpoint_open, METH_VARARGS,
		"open(callback, worker_threads) -> bool: bind and receive; callback(ip, port, "
		"datagram) "
		"in a foreign thread"},
	{"close", endpoint_close, METH_VARARGS,
		"close(timeout_secs): end; nothing is called back after"},
	{"is_open", endpoint_is_open, METH_NOARGS, "is_open() -> bool"},
	{"get_address", endpoint_get_address, METH_NOARGS,
		"get_address() -> (host, port), as bound"},
	{"send", endpoint_send, METH_VARARGS, "send(address, data): a datagram as it is"},
	{"send_cell", endpoint_send_cell, METH_VARARGS,
		"send_cell(address, cell): a plaintext cell, sealed as its circuit wants"},
	{"add_circuit", endpoint_set_circuit, METH_VARARGS, "add_circuit(cid, Circuit)"},
	{"update_circuit", endpoint_set_circuit, METH_VARARGS,
		"update_circuit(cid, Circuit): it has another hop, or keys of a hidden service"},
	{"update_circuit_stats", endpoint_update_circuit_stats, METH_VARARGS,
		"update_circuit_stats(cid, Circuit): write bytes and activity into it"},
	{"remove_circuit", endpoint_remove_circuit, METH_O, "remove_circuit(cid)"},
	{"add_relay", endpoint_add_relay, METH_VARARGS, "add_relay(cid, RelayRoute)"},
	{"update_relay_stats", endpoint_update_relay_stats, METH_VARARGS,
		"update_relay_stats(cid, RelayRoute): write bytes and activity into it"},
	{"remove_relay", endpoint_remove_relay, METH_O, "remove_relay(cid)"},
	{"add_exit", endpoint_add_exit, METH_VARARGS, "add_exit(cid, TunnelExitSocket)"},
	{"update_exit_stats", endpoint_update_exit_stats, METH_VARARGS,
		"update_exit_stats(cid, TunnelExitSocket): write bytes, activity and enabled into "
		"it"},
	{"remove_exit", endpoint_remove_exit, METH_O, "remove_exit(cid)"},
	{"set_prefix", endpoint_set_prefix, METH_O, "set_prefix(prefix): of the tunnels' cells"},
	{"set_prefixes", endpoint_set_prefixes, METH_O,
		"set_prefixes(list): whose datagrams are called back"},
	{"set_max_relay_early", endpoint_set_max_relay_early, METH_O, "set_max_relay_early(n)"},
	{"set_peer_flags", endpoint_set_peer_flags, METH_O, "set_peer_flags(set)"},
	{"set_exit_address", endpoint_set_exit_address, METH_O,
		"set_exit_address((host, port)): where exits send from"},
	{"create_socks5_server", endpoint_create_socks5_server, METH_VARARGS,
		"create_socks5_server(port, hops) -> port; OSError if it is taken"},
	{"set_udp_associate_default_remote", endpoint_set_default_remote, METH_VARARGS,
		"set_udp_associate_default_remote(address, hops)"},
	{"get_socks5_statistics", endpoint_get_socks5_statistics, METH_NOARGS,
		"get_socks5_statistics() -> [{'port', 'hops', 'associates'}]"},
	{"get_peers_for_circuit", endpoint_get_peers_for_circuit, METH_O,
		"get_peers_for_circuit(cid) -> [(host, port)]"},
	{"get_associated_circuits", endpoint_get_associated_circuits, METH_O,
		"get_associated_circuits(port) -> (cid, ...)"},
	{"get_message_statistics", endpoint_get_message_statistics, METH_O,
		"get_message_statistics(prefix) -> {id: [num_up, bytes_up, num_down, bytes_down]}"},
	{"get_socket_statistics", endpoint_get_socket_statistics, METH_NOARGS,
		"get_socket_statistics() -> (num_up, bytes_up, num_down, bytes_down)"},
	{"get_byte_counters", endpoint_get_byte_counters, METH_NOARGS,
		"get_byte_counters() -> (up, down)"},
	{"run_speedtest", endpoint_run_speedtest, METH_VARARGS,
		"run_speedtest(cid, time_ms, request_size, response_size, target_rtt_ms, callback, "
		"interval_ms)"},
	{NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
	{Py_tp_doc, "_Endpoint(listen_addr, port): Peel's data plane for py-ipv8's tunnels"},
	{Py_tp_new, PyType_GenericNew},
	{Py_tp_init, init},
	{Py_tp_traverse, traverse},
	{Py_tp_clear, clear},
	{Py_tp_dealloc, dealloc},
	{Py_tp_methods, methods},
	{0, NULL},
};

static PyType_Spec spec = {
	.name = "peel_ipv8._peel._Endpoint",
	.basicsize = sizeof(struct endpoint),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.slots = slots,
};

int
endpoint_type_add(PyObject *module)
{
	PyObject *type = PyType_FromSpec(&spec);
	int rc = type != NULL ? PyModule_AddObjectRef(module, "_Endpoint", type) : -1;

	Py_XDECREF(type);
	return rc;
}
