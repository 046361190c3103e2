/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Speed tests under way: which test an identifier belongs to, and when to stop waiting. A slot is
 * drawn at random and is part of the identifier, so an answer finds its slot at once, and
 * identifiers say nothing about other circuits.
 */
#include <errno.h>
#include <stdlib.h>
#include <uv.h>

#include "handle.h"

#define SLOTS 4096 /* a power of two, up to 2^16 */
#define TRIES 32
#define TIMEOUT_US 10000000
#define SWEEP_MS 100

struct slot {
	void (*done)(void *arg, int result, uint64_t rtt_us, size_t len);
	void *arg;
	peel_circuit circuit; /* 0: free */
	uint64_t sent_us;
	uint32_t identifier;
	bool rust;
};

struct tests {
	struct peel_node *node;
	/* of the node's loop, under its lock; runs while something is under way */
	uv_timer_t timer;
	pthread_mutex_t lock;
	uint64_t next_sweep_us;
	unsigned int n;
	struct slot slot[SLOTS];
};

static uint64_t
now_us(void)
{
	return uv_hrtime() / 1000;
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* Holding the lock. The copy is for the call, without it. */
static struct slot
take(struct tests *t, unsigned int i)
{
	struct slot s = t->slot[i];

	memset(&t->slot[i], 0, sizeof(t->slot[i]));
	t->n--;
	return s;
}

/* End those of a circuit (0: all) that were sent until then; callbacks may begin new ones. */
static void
end_all(struct tests *t, peel_circuit circuit, uint64_t until_us, int result)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		struct slot s = {0};

		pthread_mutex_lock(&t->lock);
		if (t->n == 0) {
			pthread_mutex_unlock(&t->lock);
			return;
		}
		if (t->slot[i].circuit != 0 && t->slot[i].sent_us <= until_us &&
			(circuit == 0 || t->slot[i].circuit == circuit))
			s = take(t, i);
		pthread_mutex_unlock(&t->lock);
		if (s.circuit != 0)
			s.done(s.arg, result, 0, 0);
	}
}

/* Only ends the wait of the thread that drives the node, so that tests_sweep has its turn. */
static void
on_timer(uv_timer_t *timer)
{
	struct tests *t = timer->data;

	pthread_mutex_lock(&t->lock);
	if (t->n == 0)
		uv_timer_stop(timer);
	pthread_mutex_unlock(&t->lock);
}

void
tests_sweep(struct tests *t)
{
	uint64_t now = now_us();
	bool due;

	pthread_mutex_lock(&t->lock);
	due = t->n > 0 && now >= t->next_sweep_us;
	if (due)
		t->next_sweep_us = now + SWEEP_MS * 1000;
	pthread_mutex_unlock(&t->lock);
	if (due)
		end_all(t, 0, now - TIMEOUT_US, -ETIMEDOUT);
}

void
tests_answer(struct tests *t, peel_circuit circuit, const uint8_t *msg, size_t len)
{
	struct peel_msg_test m;
	struct slot s = {0};
	unsigned int i;

	if (len < 1 ||
		(msg[0] != PEEL_MSG_TEST_RESPONSE && msg[0] != PEEL_MSG_TEST_RESPONSE_RUST) ||
		peel_test_parse(msg[0], msg + 1, len - 1, &m) != 0)
		return;
	i = m.identifier & (SLOTS - 1);
	pthread_mutex_lock(&t->lock);
	if (t->slot[i].circuit == circuit && t->slot[i].identifier == m.identifier &&
		t->slot[i].rust == (msg[0] == PEEL_MSG_TEST_RESPONSE_RUST))
		s = take(t, i);
	pthread_mutex_unlock(&t->lock);
	if (s.circuit != 0)
		s.done(s.arg, 0, now_us() - s.sent_us, m.data.len);
}

void
tests_circuit_ended(struct tests *t, peel_circuit circuit)
{
	end_all(t, circuit, UINT64_MAX, -ENOENT);
}

/* ---- beginnings ------------------------------------------------------------------------------ */

/* Holding the lock. */
static struct slot *
new_slot(struct tests *t, bool rust, uint32_t *identifier)
{
	for (unsigned int try = 0; try < TRIES; try++) {
		uint32_t r = peel_random_u32(&peel_env_system);
		struct slot *s = &t->slot[r & (SLOTS - 1)];

		if (s->circuit == 0) {
			*identifier = rust ? r : r & UINT16_MAX;
			t->n++;
			return s;
		}
	}
	return NULL;
}

static int
message(uint8_t *out, size_t size, const struct peel_test *test, uint32_t identifier)
{
	uint8_t noise[PEEL_DATAGRAM_MAX];
	struct peel_msg_test m = {
		.identifier = identifier,
		.response_size = test->response_size,
		.data = {noise, test->request_size},
	};

	if (test->request_size > sizeof(noise))
		return -ENOSPC;
	peel_random(&peel_env_system, noise, test->request_size);
	return peel_test_build(
		out, size, test->rust ? PEEL_MSG_TEST_REQUEST_RUST : PEEL_MSG_TEST_REQUEST, &m);
}

/* The timer is the loop's: under its lock, and only for the first of several. */
static void
start_timer(struct tests *t)
{
	peel_node_lock(t->node);
	if (!uv_is_active((uv_handle_t *)&t->timer))
		uv_timer_start(&t->timer, on_timer, SWEEP_MS, SWEEP_MS);
	peel_node_unlock(t->node);
}

int
tests_begin(struct tests *t, peel_circuit circuit, const struct peel_test *test,
	void (*done)(void *arg, int result, uint64_t rtt_us, size_t len), void *arg)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	uint32_t id = 0;
	struct slot *s;
	bool first;
	int rc, len;

	if (circuit == 0)
		return error_no_circuit();
	pthread_mutex_lock(&t->lock);
	s = new_slot(t, test->rust, &id);
	if (s != NULL)
		*s = (struct slot){done, arg, circuit, now_us(), id, test->rust};
	first = t->n == 1;
	pthread_mutex_unlock(&t->lock);
	if (s == NULL)
		return error_text(-EAGAIN, "too many tests are under way");
	if (first)
		start_timer(t);
	len = message(msg, sizeof(msg), test, id);
	rc = len < 0 ? -EMSGSIZE : peel_node_send_message(t->node, circuit, msg, (size_t)len);
	if (rc == 0)
		return 0;
	pthread_mutex_lock(&t->lock);
	/* Unless the circuit's end was faster, and done was called. */
	if (s->circuit == circuit && s->identifier == id)
		take(t, (unsigned int)(s - t->slot));
	else
		rc = 0;
	pthread_mutex_unlock(&t->lock);
	if (rc == -ENOENT)
		return error_no_circuit();
	return rc == 0 ? 0 : error_text(rc, NULL);
}

int
peel_test_circuit(struct peel *p, peel_circuit circuit, const struct peel_test *test,
	void (*done)(void *arg, int result, uint64_t rtt_us, size_t len), void *arg)
{
	return tests_begin(p->tests, circuit, test, done, arg);
}

/* ---- life ------------------------------------------------------------------------------------ */

int
tests_new(struct peel_node *node, struct tests **out)
{
	struct tests *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return error_no_memory();
	t->node = node;
	pthread_mutex_init(&t->lock, NULL);
	uv_timer_init(peel_node_loop(node), &t->timer);
	t->timer.data = t;
	*out = t;
	return 0;
}

void
tests_cancel(struct tests *t)
{
	end_all(t, 0, UINT64_MAX, -ECANCELED);
}

void
tests_free(struct tests *t)
{
	if (t == NULL)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t);
}
