/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Rows under py-ipv8's names: what each has, and which way bytes go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rest_rows.h"

#define NOW 1000000.5

static void
assert_json(json_t *value, const char *expected)
{
	char *text = json_dumps(value, JSON_SORT_KEYS | JSON_REAL_PRECISION(12));

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(value);
}

static const struct peel_or_row circuit = {
	.kind = "relay",
	.cid = 7,
	.next_cid = 4294967295u,
	.age_ms = 500,
	.bytes_forward = 10,
	.bytes_backward = 20,
};

static void
test_relays(void **state)
{
	struct peel_or_row row = circuit;
	json_t *list = json_array();

	(void)state;
	rest_relays(&row, NOW, list);
	assert_json(list,
		"[{\"bytes_down\": 20, \"bytes_up\": 10, \"circuit_from\": 7, \"circuit_to\": "
		"4294967295, \"creation_time\": 1000000.0, \"direction\": \"forward\", "
		"\"is_rendezvous\": false}, "
		"{\"bytes_down\": 10, \"bytes_up\": 20, \"circuit_from\": 4294967295, "
		"\"circuit_to\": 7, \"creation_time\": 1000000.0, \"direction\": \"backward\", "
		"\"is_rendezvous\": false}]");
	list = json_array();
	row.kind = "rendezvous";
	rest_relays(&row, NOW, list);
	assert_int_equal(json_array_size(list), 1);
	assert_true(json_is_true(json_object_get(json_array_get(list, 0), "is_rendezvous")));
	row.kind = "exit";
	rest_relays(&row, NOW, list);
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
}

static void
test_exits(void **state)
{
	struct peel_or_row row = circuit;
	json_t *list = json_array();

	(void)state;
	rest_exit(&row, true, NOW, list);
	assert_int_equal(json_array_size(list), 0);
	row.kind = "exit";
	row.introduction = row.opened = true;
	rest_exit(&row, false, NOW, list);
	assert_json(list,
		"[{\"bytes_down\": 20, \"bytes_up\": 10, \"circuit_from\": 7, \"creation_time\": "
		"1000000.0, \"enabled\": true, \"is_introduction\": true, \"is_rendezvous\": "
		"false}]");
}

static void
test_peers(void **state)
{
	struct peel_node_conf conf = {0};
	struct peel_peer peer = {.flags = 0x8005, .member = 1 << PEEL_COMMUNITY_DHT};
	json_t *all = json_object();
	const json_t *o;

	(void)state;
	assert_int_equal(peel_addr_parse("[2001:db8::1]:5", 0, &peer.addr), 0);
	assert_json(rest_peer(&peer),
		"{\"flags\": [1, 4, 32768], \"ip\": \"2001:db8::1\", \"is_key_compatible\": true, "
		"\"mid\": \"0000000000000000000000000000000000000000\", \"port\": 5}");
	peer.addr = peel_addr_ipv4(192, 0, 2, 1, 65535);
	rest_network_peer(&conf, &peer, all);
	o = json_object_get(all, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "ip")), "192.0.2.1");
	assert_int_equal(json_array_size(json_object_get(o, "services")), 1);
	json_decref(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relays),
		cmocka_unit_test(test_exits),
		cmocka_unit_test(test_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
