/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* HTTP requests over own circuits, with a clock and a way out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_http.h"
#include "peel_http_msg.h"
#include "peel_http_ask.h"

#define CIRCUIT 0x100000001u
#define OTHER 0x100000002u

struct world {
	struct peel_http_ask *http;
	uint64_t now;
	uint32_t random;
	int send_result;
	unsigned int n_changed;
	peel_origin_id sent_to;
	uint8_t sent[PEEL_DATAGRAM_MAX];
	size_t sent_len;
	unsigned int n_sent;
};

static struct world *current;

static uint64_t
now_ms(void *arg)
{
	return ((struct world *)arg)->now;
}

/* Repeats itself, so that identifiers collide. */
static void
draw(void *arg, void *out, size_t len)
{
	struct world *w = arg;
	uint32_t v = w->random++ / 2;

	memset(out, 0, len);
	memcpy(out, &v, len < sizeof(v) ? len : sizeof(v));
}

/* ---- what a node would do ----------------------------------------------------------------------
 */

static int
send_message(void *arg, peel_origin_id id, const void *msg, size_t len)
{
	struct world *w = arg;

	if (w->send_result != 0)
		return w->send_result;
	w->sent_to = id;
	memcpy(w->sent, msg, len);
	w->sent_len = len;
	w->n_sent++;
	return 0;
}

static void
changed(void *arg)
{
	((struct world *)arg)->n_changed++;
}

/* ---- tests ----------------------------------------------------------------------------------- */

struct result {
	int calls, result;
	uint8_t *answer;
	size_t len;
};

static void
on_done(void *arg, int result, const void *answer, size_t len)
{
	struct result *r = arg;

	/* Nobody holds the lock: the program may ask again from here. */
	(void)peel_http_ask_next(current->http);
	r->calls++;
	r->result = result;
	r->len = len;
	free(r->answer);
	r->answer = malloc(len + 1);
	assert_non_null(r->answer);
	if (len > 0)
		memcpy(r->answer, answer, len);
	assert_true((result == 0) == (answer != NULL));
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	static struct peel_env env;

	assert_non_null(w);
	env = (struct peel_env){.now_ms = now_ms, .random = draw, .arg = w};
	w->now = 1000;
	assert_int_equal(
		peel_http_ask_new(
			&(struct peel_http_ask_conf){
				.env = &env, .send = send_message, .changed = changed, .arg = w},
			&w->http),
		0);
	*state = current = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	peel_http_ask_free(w->http);
	assert_int_equal(w->n_changed, w->n_sent);
	free(w);
	return 0;
}

static const struct peel_host target = {
	.type = PEEL_HOST_NAME, .addr.port = 80, .name = {(const uint8_t *)"tracker.example", 15}};

static int
ask(struct world *w, peel_origin_id circuit, struct result *r, uint32_t *identifier)
{
	struct peel_msg_http_request m;
	int rc = peel_http_ask_request(w->http, circuit, &target, "GET", 3, on_done, r);

	if (rc != 0)
		return rc;
	assert_int_equal(w->sent_to, circuit);
	assert_int_equal(w->sent[0], PEEL_MSG_HTTP_REQUEST);
	assert_int_equal(peel_http_request_parse(w->sent + 1, w->sent_len - 1, &m), 0);
	assert_int_equal(m.target.addr.port, 80);
	assert_int_equal(m.target.name.len, 15);
	assert_int_equal(m.request.len, 3);
	if (identifier != NULL)
		*identifier = m.identifier;
	return 0;
}

static int
respond(struct world *w, peel_origin_id circuit, uint32_t identifier, uint16_t part, uint16_t total,
	const char *text)
{
	uint8_t msg[256];
	struct peel_msg_http_response m = {.identifier = identifier,
		.part = part,
		.total = total,
		.response = {(const uint8_t *)text, strlen(text)}};
	int len = peel_http_response_build(msg, sizeof(msg), &m);

	assert_true(len > 0);
	return peel_http_ask_response(w->http, circuit, msg, (size_t)len);
}

static void
test_answer_in_parts(void **state)
{
	struct world *w = *state;
	struct result a = {0}, b = {0};
	uint32_t ida, idb;

	assert_int_equal(ask(w, CIRCUIT, &a, &ida), 0);
	assert_int_equal(ask(w, CIRCUIT, &b, &idb), 0);
	assert_int_not_equal(ida, idb);
	assert_int_equal(respond(w, CIRCUIT, ida, 1, 2, "world"), 0);
	assert_int_equal(respond(w, CIRCUIT, ida, 1, 2, "twice"), 0);
	/* Strangers: another circuit, another identifier, another total, no message at all. */
	assert_int_equal(respond(w, OTHER, ida, 0, 2, "xxxx "), -ENOENT);
	assert_int_equal(respond(w, CIRCUIT, ida + 77, 0, 2, "xxxx "), -ENOENT);
	assert_int_equal(respond(w, CIRCUIT, ida, 0, 3, "xxxx "), 0);
	assert_int_equal(peel_http_ask_response(w->http, CIRCUIT, (const uint8_t *)"", 0), -ENOENT);
	assert_int_equal(
		peel_http_ask_response(w->http, CIRCUIT, (const uint8_t *)"\x1d\x00", 2), -ENOENT);
	assert_int_equal(a.calls + b.calls, 0);
	assert_int_equal(respond(w, CIRCUIT, ida, 0, 2, "hello "), 0);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.len, 11);
	assert_memory_equal(a.answer, "hello world", 11);
	assert_int_equal(respond(w, CIRCUIT, ida, 0, 2, "hello "), -ENOENT);
	assert_int_equal(b.calls, 0);
	assert_int_equal(respond(w, CIRCUIT, idb, 0, 1, "b"), 0);
	assert_int_equal(b.calls, 1);
	free(a.answer);
	free(b.answer);
}

static void
test_time_is_up(void **state)
{
	struct world *w = *state;
	struct result a = {0}, b = {0};
	uint32_t ida;

	assert_int_equal(peel_http_ask_next(w->http), UINT64_MAX);
	assert_int_equal(ask(w, CIRCUIT, &a, &ida), 0);
	w->now += 2000;
	assert_int_equal(ask(w, OTHER, &b, NULL), 0);
	/* An exit that began at the same time has given up by then, and has a place again. */
	assert_true(PEEL_HTTP_WAIT_MS >= PEEL_HTTP_TIME_MS + 500);
	assert_int_equal(peel_http_ask_next(w->http), PEEL_HTTP_WAIT_MS - 2000);
	w->now += PEEL_HTTP_WAIT_MS - 2001;
	peel_http_ask_deliver(w->http);
	assert_int_equal(a.calls + b.calls, 0);
	w->now++;
	assert_int_equal(peel_http_ask_next(w->http), 0);
	peel_http_ask_deliver(w->http);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.result, -ETIMEDOUT);
	assert_int_equal(b.calls, 0);
	assert_int_equal(respond(w, CIRCUIT, ida, 0, 1, "late"), -ENOENT);
	w->now += PEEL_HTTP_WAIT_MS;
	peel_http_ask_deliver(w->http);
	peel_http_ask_deliver(w->http);
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.result, -ETIMEDOUT);
	free(a.answer);
	free(b.answer);
}

static void
test_circuit_or_node_ends(void **state)
{
	struct world *w = *state;
	struct result a = {0}, b = {0};

	assert_int_equal(ask(w, CIRCUIT, &a, NULL), 0);
	assert_int_equal(ask(w, OTHER, &b, NULL), 0);
	peel_http_ask_ended(w->http, CIRCUIT);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.result, -ENOENT);
	assert_int_equal(b.calls, 0);
	peel_http_ask_free(w->http);
	w->http = NULL;
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.result, -ENOENT);
	free(a.answer);
	free(b.answer);
}

static void
test_five_per_circuit(void **state)
{
	struct world *w = *state;
	struct result r = {0};
	uint32_t id = 0;

	for (int i = 0; i < PEEL_HTTP_PER_CIRCUIT; i++)
		assert_int_equal(ask(w, CIRCUIT, &r, &id), 0);
	assert_int_equal(ask(w, CIRCUIT, &r, NULL), -EAGAIN);
	assert_int_equal(ask(w, OTHER, &r, NULL), 0);
	assert_int_equal(respond(w, CIRCUIT, id, 0, 1, "x"), 0);
	assert_int_equal(ask(w, CIRCUIT, &r, NULL), 0);
	assert_int_equal(ask(w, CIRCUIT, &r, NULL), -EAGAIN);
	assert_int_equal(r.calls, 1);
	peel_http_ask_ended(w->http, CIRCUIT);
	peel_http_ask_ended(w->http, OTHER);
	assert_int_equal(r.calls, 7);
	free(r.answer);
}

static void
test_requests_that_cannot_be(void **state)
{
	struct world *w = *state;
	struct peel_host host = target;
	static const uint8_t big[PEEL_DATAGRAM_MAX + 1];
	struct result r = {0};

	assert_int_equal(
		peel_http_ask_request(w->http, CIRCUIT, &host, "", 0, on_done, &r), -EINVAL);
	assert_int_equal(
		peel_http_ask_request(w->http, CIRCUIT, &host, big, sizeof(big), on_done, &r),
		-EMSGSIZE);
	assert_int_equal(
		peel_http_ask_request(w->http, CIRCUIT, &host, big, sizeof(big) - 20, on_done, &r),
		-EMSGSIZE);
	host.addr.port = 0;
	assert_int_equal(
		peel_http_ask_request(w->http, CIRCUIT, &host, "x", 1, on_done, &r), -EINVAL);
	host = target;
	host.name.len = 0;
	assert_int_equal(
		peel_http_ask_request(w->http, CIRCUIT, &host, "x", 1, on_done, &r), -EINVAL);
	host = (struct peel_host){.type = PEEL_HOST_IPV4, .addr.port = 1};
	assert_int_equal(
		peel_http_ask_request(w->http, CIRCUIT, &host, "x", 1, on_done, &r), -EINVAL);
	host.addr = peel_addr_ipv4(192, 0, 2, 1, 1);
	w->send_result = -ENOTCONN;
	assert_int_equal(
		peel_http_ask_request(w->http, CIRCUIT, &host, "x", 1, on_done, &r), -ENOTCONN);
	assert_int_equal(w->n_sent, 0);
	w->send_result = 0;
	assert_int_equal(peel_http_ask_request(w->http, CIRCUIT, &host, "x", 1, on_done, &r), 0);
	assert_int_equal(r.calls, 0);
	peel_http_ask_ended(w->http, CIRCUIT);
	assert_int_equal(r.calls, 1);
	free(r.answer);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Exits pass on what they can read; so a GET does not ask for gzip. What is none goes as it is. */
static void
test_answers_are_asked_for_plain(void **state)
{
	static const struct {
		const char *asked, *sent;
	} cases[] = {
		{"GET /a HTTP/1.1\r\nAccept-Encoding: gzip\r\nHost: t\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: t\r\nAccept-Encoding: identity\r\n\r\n"},
		{"POST /a HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n",
			"POST /a HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n"},
		{"\r\nGET /a HTTP/1.1\r\n\r\n", "\r\nGET /a HTTP/1.1\r\n\r\n"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		struct peel_msg_http_request m;
		struct result r = {0};

		assert_int_equal(peel_http_ask_request(w->http, CIRCUIT, &target, cases[i].asked,
					 strlen(cases[i].asked), on_done, &r),
			0);
		assert_int_equal(peel_http_request_parse(w->sent + 1, w->sent_len - 1, &m), 0);
		assert_int_equal(m.request.len, strlen(cases[i].sent));
		assert_memory_equal(m.request.p, cases[i].sent, m.request.len);
		peel_http_ask_ended(w->http, CIRCUIT);
		free(r.answer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answer_in_parts),
		TEST(test_time_is_up),
		TEST(test_circuit_or_node_ends),
		TEST(test_five_per_circuit),
		TEST(test_requests_that_cannot_be),
		TEST(test_answers_are_asked_for_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
