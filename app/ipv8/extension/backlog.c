/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The callback of py-ipv8's endpoint does nothing with a datagram but leave it in the queue of its
 * event loop, which takes all that there is memory for. So now and then a mark of ours goes into
 * that queue: as many datagrams as were handed over since the last mark that came out may be in it.
 * When they are too many, the rest waits in the library's ring, which is bounded, has room of its
 * own for what builds circuits, and counts what it drops.
 */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "extension.h"

#define QUEUED_MAX 1024
#define MARK_EVERY 128
/* Until it is seen that the endpoint was closed, or that no loop runs. */
#define WAIT_NS 100000000

/* In a capsule, as marks may outlive the endpoint. Fields are used with the GIL. */
struct backlog {
	uint64_t handed, marked, done;
	bool in_queue, waited_for;
	sem_t out;
};

static struct backlog *
backlog_of(PyObject *capsule)
{
	return PyCapsule_GetPointer(capsule, NULL);
}

/* The loop has come to the mark. */
static PyObject *
on_mark(PyObject *capsule, PyObject *none)
{
	struct backlog *b = backlog_of(capsule);

	(void)none;
	b->done = b->marked;
	b->in_queue = false;
	if (b->waited_for)
		sem_post(&b->out);
	b->waited_for = false;
	Py_RETURN_NONE;
}

static PyMethodDef mark = {"peel_mark", on_mark, METH_NOARGS, NULL};

static void
release(PyObject *capsule)
{
	struct backlog *b = backlog_of(capsule);

	sem_destroy(&b->out);
	free(b);
}

PyObject *
backlog_new(void)
{
	struct backlog *b = calloc(1, sizeof(*b));
	PyObject *capsule, *function;

	if (b == NULL)
		return PyErr_NoMemory();
	sem_init(&b->out, 0, 0);
	capsule = PyCapsule_New(b, NULL, release);
	if (capsule == NULL) {
		sem_destroy(&b->out);
		free(b);
		return NULL;
	}
	function = PyCFunction_New(&mark, capsule);
	Py_DECREF(capsule);
	return function;
}

/* @return false: the callback's owner has no event loop, or none that still runs. */
static bool
leave_mark(PyObject *function, PyObject *callback)
{
	PyObject *owner = PyObject_GetAttrString(callback, "__self__");
	PyObject *loop = owner != NULL ? PyObject_GetAttrString(owner, "loop") : NULL;
	PyObject *done = NULL;

	if (loop != NULL)
		done = PyObject_CallMethod(loop, "call_soon_threadsafe", "O", function);
	Py_XDECREF(done);
	Py_XDECREF(loop);
	Py_XDECREF(owner);
	PyErr_Clear();
	return done != NULL;
}

void
backlog_add(PyObject *backlog, PyObject *callback, unsigned int n)
{
	struct backlog *b = backlog_of(PyCFunction_GetSelf(backlog));

	b->handed += n;
	if (b->in_queue || b->handed - b->done < MARK_EVERY)
		return;
	b->marked = b->handed;
	b->in_queue = true;
	Py_INCREF(callback);
	if (!leave_mark(backlog, callback)) {
		b->in_queue = false;
		b->done = b->handed;
	}
	Py_DECREF(callback);
}

bool
backlog_is_full(PyObject *backlog)
{
	const struct backlog *b = backlog_of(PyCFunction_GetSelf(backlog));

	return b->handed - b->done >= QUEUED_MAX;
}

void
backlog_wait(PyObject *backlog)
{
	struct backlog *b = backlog_of(PyCFunction_GetSelf(backlog));
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WAIT_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	b->waited_for = true;
	Py_BEGIN_ALLOW_THREADS while (
		sem_clockwait(&b->out, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR);
	Py_END_ALLOW_THREADS
}
