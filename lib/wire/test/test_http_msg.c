/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* http-request and http-response: parsed, checked against the fields, and rebuilt byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"
#include "peel_http_msg.h"

static int
rebuild(struct peel_span message, size_t len, uint8_t *out, size_t size)
{
	struct peel_msg_http_request request;
	struct peel_msg_http_response response;
	uint8_t *exact = malloc(len);
	int ret;

	assert_non_null(exact);
	memcpy(exact, message.p, len);
	if (exact[0] == PEEL_MSG_HTTP_REQUEST) {
		ret = peel_http_request_parse(exact + 1, len - 1, &request);
		if (ret == 0)
			ret = peel_http_request_build(out, size, &request);
	} else {
		ret = peel_http_response_parse(exact + 1, len - 1, &response);
		if (ret == 0)
			ret = peel_http_response_build(out, size, &response);
	}
	free(exact);
	return ret;
}

static void
test_vectors_parse_and_build(void **state)
{
	json_t *file = peel_vectors_load("extras"), *v;
	size_t i, n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		uint8_t out[4096];

		if (strncmp(peel_vec_id(v), "http-", 5) != 0)
			continue;
		struct peel_span m = field_span(&a, v, "cell_message");

		expect_bytes(peel_vec_id(v), out, (size_t)rebuild(m, m.len, out, sizeof(out)), m.p,
			m.len);
		for (size_t size = 0; size < m.len; size++)
			assert_int_equal(rebuild(m, m.len, out, size), -ENOSPC);
		for (size_t cut = 1; cut < m.len; cut++)
			assert_int_equal(rebuild(m, cut, out, sizeof(out)), -EBADMSG);
		arena_free(&a);
		n++;
	}
	assert_int_equal(n, 5);
	json_decref(file);
}

static void
test_request_fields(void **state)
{
	static const char *const ids[] = {
		"http-request-domain", "http-request-v4", "http-request-v6"};
	json_t *file = peel_vectors_load("extras");

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(ids); i++) {
		const json_t *v = peel_vectors_find(file, ids[i]);
		struct peel_msg_http_request request;
		struct arena a = {0};
		struct peel_span m = field_span(&a, v, "cell_message");
		struct peel_span want = field_span(&a, v, "fields.request");
		struct peel_host host = text_host(peel_vec_str(v, "fields.target"));

		assert_int_equal(peel_http_request_parse(m.p + 1, m.len - 1, &request), 0);
		assert_int_equal(request.identifier, peel_vec_int(v, "fields.identifier"));
		assert_int_equal(request.target.type, host.type);
		assert_true(peel_addr_equal(&request.target.addr, &host.addr));
		expect_bytes(ids[i], request.target.name.p, request.target.name.len, host.name.p,
			host.name.len);
		expect_bytes(ids[i], request.request.p, request.request.len, want.p, want.len);
		arena_free(&a);
	}
	json_decref(file);
}

static void
test_response_fields(void **state)
{
	json_t *file = peel_vectors_load("extras");
	const json_t *v = peel_vectors_find(file, "http-response-1");
	struct peel_msg_http_response response;
	struct arena a = {0};
	struct peel_span m = field_span(&a, v, "cell_message");
	struct peel_span want = field_span(&a, v, "fields.response");

	(void)state;
	assert_int_equal(peel_http_response_parse(m.p + 1, m.len - 1, &response), 0);
	assert_int_equal(response.identifier, peel_vec_int(v, "fields.identifier"));
	assert_int_equal(response.part, 1);
	assert_int_equal(response.total, 2);
	expect_bytes(
		"http-response-1", response.response.p, response.response.len, want.p, want.len);
	arena_free(&a);
	json_decref(file);
}

static void
test_part_beyond_total_is_refused(void **state)
{
	uint8_t body[] = {0, 0, 0, 1, 0, 1, 0, 2, 0, 0};
	struct peel_msg_http_response response;

	(void)state;
	assert_int_equal(peel_http_response_parse(body, sizeof(body), &response), 0);
	assert_int_equal(response.response.len, 0);
	body[5] = 2;
	assert_int_equal(peel_http_response_parse(body, sizeof(body), &response), -EBADMSG);
	body[5] = body[7] = 0;
	assert_int_equal(peel_http_response_parse(body, sizeof(body), &response), -EBADMSG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_parse_and_build),
		cmocka_unit_test(test_request_fields),
		cmocka_unit_test(test_response_fields),
		cmocka_unit_test(test_part_beyond_total_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
