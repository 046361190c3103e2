/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Attributes of py-ipv8's objects (ipv8/messaging/anonymization/tunnel.py) become structures.
 */
#include <arpa/inet.h>
#include <string.h>

#include "extension.h"

int
read_unsigned(PyObject *value, unsigned long max, unsigned long *out)
{
	unsigned long n;

	if (!PyLong_Check(value)) {
		PyErr_Format(PyExc_TypeError, "an int, not %R", value);
		return -1;
	}
	n = PyLong_AsUnsignedLong(value);
	if (n == (unsigned long)-1 && PyErr_Occurred())
		return -1;
	if (n > max) {
		PyErr_Format(PyExc_OverflowError, "%R is more than %lu", value, max);
		return -1;
	}
	*out = n;
	return 0;
}

int
read_unsigned_attr(PyObject *o, const char *name, unsigned long max, unsigned long *out)
{
	PyObject *value = PyObject_GetAttrString(o, name);
	int rc = value != NULL ? read_unsigned(value, max, out) : -1;

	Py_XDECREF(value);
	return rc;
}

int
read_cid(PyObject *value, uint32_t *out)
{
	unsigned long n = 0;
	int rc = read_unsigned(value, UINT32_MAX, &n);

	*out = (uint32_t)n;
	return rc;
}

int
read_host(const char *host, uint16_t port, struct peel_address *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	bool is_v6 = inet_pton(AF_INET6, host, out->ip) == 1;

	if (!is_v6 && inet_pton(AF_INET, host, out->ip) != 1)
		return raise_invalid_address("'%.64s' is not an IP address", host);
	/* Peers are also known by the mapped address, of which nothing would come back. */
	if (is_v6 && memcmp(out->ip, mapped, sizeof(mapped)) == 0) {
		memmove(out->ip, out->ip + sizeof(mapped), 4);
		is_v6 = false;
	}
	out->type = is_v6 ? PEEL_ADDRESS_IPV6 : PEEL_ADDRESS_IPV4;
	out->port = port;
	out->domain[0] = '\0';
	return 0;
}

int
read_address(PyObject *tuple, struct peel_address *out)
{
	PyObject *host, *port_object;
	const char *text;
	Py_ssize_t len;
	long port;

	if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) < 2) {
		PyErr_Format(PyExc_TypeError, "an address is (host, port), not %R", tuple);
		return -1;
	}
	host = PyTuple_GetItem(tuple, 0);
	port_object = PyTuple_GetItem(tuple, 1);
	if (!PyUnicode_Check(host) || !PyLong_Check(port_object)) {
		PyErr_Format(PyExc_TypeError, "an address is (str, int), not %R", tuple);
		return -1;
	}
	text = PyUnicode_AsUTF8AndSize(host, &len);
	if (text == NULL)
		return -1;
	if (strlen(text) != (size_t)len)
		return raise_invalid_address("a host with a zero byte");
	port = PyLong_AsLong(port_object);
	if (port < 0 || port > UINT16_MAX) {
		/* A ValueError, which callers expect, also for what does not fit a long. */
		PyErr_Clear();
		PyErr_Format(PyExc_ValueError, "%R is not a port", port_object);
		return -1;
	}
	return read_host(text, (uint16_t)port, out);
}

/* Bytes of just that length. */
static int
read_bytes_attr(PyObject *o, const char *name, size_t len, uint8_t *out)
{
	PyObject *value = PyObject_GetAttrString(o, name);
	Py_ssize_t size = 0;
	char *data = NULL;
	int rc = -1;

	if (value != NULL && PyBytes_AsStringAndSize(value, &data, &size) == 0) {
		rc = 0;
		if ((size_t)size == len) {
			memcpy(out, data, len);
		} else {
			PyErr_Format(PyExc_ValueError, "%s: %zu bytes are needed", name, len);
			rc = -1;
		}
	}
	Py_XDECREF(value);
	return rc;
}

int
read_keys(PyObject *keys, struct peel_guest_keys *out)
{
	if (read_bytes_attr(keys, "key_forward", sizeof(out->key_forward), out->key_forward) != 0 ||
		read_bytes_attr(
			keys, "key_backward", sizeof(out->key_backward), out->key_backward) != 0 ||
		read_bytes_attr(
			keys, "salt_forward", sizeof(out->salt_forward), out->salt_forward) != 0)
		return -1;
	return read_bytes_attr(
		keys, "salt_backward", sizeof(out->salt_backward), out->salt_backward);
}

static int
read_peer_address(PyObject *hop, struct peel_address *out)
{
	PyObject *peer = PyObject_GetAttrString(hop, "peer");
	PyObject *address = peer != NULL ? PyObject_GetAttrString(peer, "address") : NULL;
	int rc = address != NULL ? read_address(address, out) : -1;

	Py_XDECREF(address);
	Py_XDECREF(peer);
	return rc;
}

int
read_hop(PyObject *hop, struct peel_address *address, struct peel_guest_keys *keys)
{
	PyObject *session_keys;
	int rc;

	if (address != NULL && read_peer_address(hop, address) != 0)
		return -1;
	if (keys == NULL)
		return 0;
	session_keys = PyObject_GetAttrString(hop, "keys");
	rc = session_keys != NULL ? read_keys(session_keys, keys) : -1;
	Py_XDECREF(session_keys);
	return rc;
}

static int
read_hops(PyObject *circuit, struct peel_guest_circuit *out)
{
	PyObject *hops = PyObject_GetAttrString(circuit, "_hops");
	Py_ssize_t n = hops != NULL ? PySequence_Size(hops) : -1;
	int rc = n < 0 ? -1 : 0;

	if (n > (Py_ssize_t)(sizeof(out->hop) / sizeof(out->hop[0]))) {
		PyErr_Format(PyExc_ValueError, "a circuit of %zd hops is too long", n);
		rc = -1;
	}
	for (Py_ssize_t i = 0; i < n && rc == 0; i++) {
		PyObject *hop = PySequence_GetItem(hops, i);

		rc = hop != NULL ? read_hop(hop, i == 0 ? &out->first : NULL, &out->hop[i]) : -1;
		Py_XDECREF(hop);
	}
	out->n_hops = rc == 0 ? (uint8_t)n : 0;
	Py_XDECREF(hops);
	return rc;
}

/* A list or set of flags as bits. Flags of later times do not concern us. */
static int
read_exit_flags(PyObject *circuit, uint16_t *out)
{
	PyObject *flags = PyObject_GetAttrString(circuit, "exit_flags");
	PyObject *each = flags != NULL ? PyObject_GetIter(flags) : NULL;
	PyObject *flag;

	*out = 0;
	while (each != NULL && (flag = PyIter_Next(each)) != NULL) {
		unsigned long bits = 0;

		if (read_unsigned(flag, UINT16_MAX, &bits) == 0)
			*out |= (uint16_t)bits;
		else if (PyErr_ExceptionMatches(PyExc_OverflowError))
			PyErr_Clear();
		Py_DECREF(flag);
		if (PyErr_Occurred())
			break;
	}
	Py_XDECREF(each);
	Py_XDECREF(flags);
	return PyErr_Occurred() ? -1 : 0;
}

static int
read_circuit_type(PyObject *circuit, uint8_t *out)
{
	static const char *const names[] = {[PEEL_GUEST_IP_SEEDER] = "IP_SEEDER",
		[PEEL_GUEST_RP_SEEDER] = "RP_SEEDER",
		[PEEL_GUEST_RP_DOWNLOADER] = "RP_DOWNLOADER"};
	PyObject *type = PyObject_GetAttrString(circuit, "ctype");

	*out = PEEL_GUEST_DATA;
	if (type == NULL)
		return -1;
	for (size_t i = 0; PyUnicode_Check(type) && i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i] != NULL && PyUnicode_CompareWithASCIIString(type, names[i]) == 0)
			*out = (uint8_t)i;
	}
	Py_DECREF(type);
	return 0;
}

static int
read_end_to_end(PyObject *circuit, struct peel_guest_circuit *out)
{
	PyObject *keys = PyObject_GetAttrString(circuit, "hs_session_keys");
	int rc = keys != NULL ? 0 : -1;

	out->e2e = keys != NULL && keys != Py_None;
	if (out->e2e)
		rc = read_keys(keys, &out->end_to_end);
	Py_XDECREF(keys);
	return rc;
}

int
read_circuit(PyObject *circuit, struct peel_guest_circuit *out)
{
	unsigned long goal = 0;

	memset(out, 0, sizeof(*out));
	if (read_hops(circuit, out) != 0 ||
		read_unsigned_attr(circuit, "goal_hops", UINT8_MAX, &goal) != 0 ||
		read_circuit_type(circuit, &out->type) != 0 ||
		read_exit_flags(circuit, &out->exit_flags) != 0)
		return -1;
	out->goal_hops = (uint8_t)goal;
	return read_end_to_end(circuit, out);
}

int
read_relay(PyObject *relay, struct peel_guest_relay *out)
{
	unsigned long cid = 0, direction = 0;
	PyObject *hop, *rendezvous;
	int rc;

	memset(out, 0, sizeof(*out));
	if (read_unsigned_attr(relay, "circuit_id", UINT32_MAX, &cid) != 0 ||
		read_unsigned_attr(relay, "direction", UINT8_MAX, &direction) != 0)
		return -1;
	hop = PyObject_GetAttrString(relay, "hop");
	rc = hop != NULL ? read_hop(hop, &out->out, &out->keys) : -1;
	Py_XDECREF(hop);
	if (rc != 0)
		return -1;
	rendezvous = PyObject_GetAttrString(relay, "rendezvous_relay");
	rc = rendezvous != NULL ? PyObject_IsTrue(rendezvous) : -1;
	Py_XDECREF(rendezvous);
	out->out_cid = (uint32_t)cid;
	out->backward = direction != 0;
	out->rendezvous = rc == 1;
	return rc < 0 ? -1 : 0;
}

PyObject *
address_host(const struct peel_address *a)
{
	char text[INET6_ADDRSTRLEN];

	if (a->type == PEEL_ADDRESS_DOMAIN)
		return PyUnicode_FromString(a->domain);
	inet_ntop(a->type == PEEL_ADDRESS_IPV6 ? AF_INET6 : AF_INET, a->ip, text, sizeof(text));
	return PyUnicode_FromString(text);
}

PyObject *
address_tuple(const struct peel_address *a)
{
	return Py_BuildValue("(Ni)", address_host(a), (int)a->port);
}
