/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Metrics from a status document: names, types, grouping, and what is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "peel_metrics.h"
#include "peel_stats.h"

static const char document[] =
	"{\"version\": \"1.2.3\", \"driver\": \"socket\", \"engine\": \"sodium\","
	" \"uptime_ms\": 1500, \"cpu_seconds\": 0.25, \"public_address\": null,"
	" \"address_lost\": false, \"services\": [{}, {}],"
	" \"circuits\": {\"exits\": 3, \"relays\": 2, \"rendezvous\": 1, \"max_joined\": 100},"
	" \"memory\": {\"rss_bytes\": 4096, \"buffers\": 12287},"
	" \"counters\": {\"rx_bytes\": 18446744073, \"cells_forward\": 5,"
	"  \"create_refused_rate\": 7, \"drops\": {\"drop_auth\": 9}},"
	" \"workers\": [{\"busy_seconds\": 1.5, \"busy_cycles\": 3000, \"cells\": 7,"
	"  \"rings\": {\"or\": 2, \"worker\": 0}}, {\"busy_seconds\": 0.5}],"
	" \"durations\": {\"handshakes\": {\"upto\": [[0.00001, 1], [0.25, 5]], \"count\": 6,"
	"  \"sum_seconds\": 1.25}},"
	" \"port\": {\"rx_kernel_drops\": 4}}";

static char *
text_of(const char *json, enum peel_metrics_form form)
{
	json_t *status = json_loads(json, 0, NULL);
	char *text;

	assert_non_null(status);
	text = peel_metrics_text(status, form);
	assert_non_null(text);
	json_decref(status);
	return text;
}

/* Whole lines, one after the other. */
static void
assert_lines(const char *text, const char *lines)
{
	const char *at = strstr(text, lines);

	if (at == NULL)
		print_error("not there:\n%s", lines);
	assert_non_null(at);
	assert_true(at == text || at[-1] == '\n');
}

static void
test_prometheus(void **state)
{
	char *text = text_of(document, PEEL_METRICS_PROMETHEUS);

	(void)state;
	assert_lines(text,
		"# HELP peel_build_info Version and parts in use\n"
		"# TYPE peel_build_info gauge\n"
		"peel_build_info{version=\"1.2.3\",driver=\"socket\",engine=\"sodium\"} 1\n");
	assert_lines(text, "# HELP peel_rx_bytes_total UDP payload bytes received\n"
			   "# TYPE peel_rx_bytes_total counter\n"
			   "peel_rx_bytes_total 18446744073\n");
	assert_lines(text, "# TYPE peel_drops_total counter\n"
			   "peel_drops_total{reason=\"short\"} 0\n");
	assert_lines(text, "peel_drops_total{reason=\"auth\"} 9\n");
	assert_lines(text, "peel_create_refused_total{reason=\"rate\"} 7\n");
	assert_lines(text, "peel_cells_total{kind=\"forward\"} 5\n");
	assert_lines(text, "# TYPE peel_circuits gauge\n"
			   "peel_circuits{kind=\"exit\"} 3\n"
			   "peel_circuits{kind=\"relay\"} 2\n"
			   "peel_circuits{kind=\"rendezvous\"} 1\n");
	assert_lines(text, "peel_public_address_known 0\n");
	assert_lines(text, "peel_address_lost 0\n");
	assert_lines(text, "peel_services 2\n");
	assert_lines(text, "peel_uptime_seconds 1.5\n");
	assert_lines(text, "# TYPE process_cpu_seconds_total counter\n"
			   "process_cpu_seconds_total 0.25\n");
	assert_lines(text, "# TYPE peel_port_rx_kernel_drops untyped\n"
			   "peel_port_rx_kernel_drops 4\n");
	assert_lines(text, "# TYPE peel_worker_busy_seconds_total counter\n"
			   "peel_worker_busy_seconds_total{worker=\"0\"} 1.5\n"
			   "peel_worker_busy_seconds_total{worker=\"1\"} 0.5\n");
	assert_lines(text, "peel_worker_cells_total{worker=\"0\"} 7\n");
	assert_lines(text, "peel_ring_messages{worker=\"0\",class=\"or\"} 2\n");
	assert_lines(text, "# TYPE peel_handshake_seconds histogram\n"
			   "peel_handshake_seconds_bucket{le=\"1e-05\"} 1\n"
			   "peel_handshake_seconds_bucket{le=\"0.25\"} 5\n"
			   "peel_handshake_seconds_bucket{le=\"+Inf\"} 6\n"
			   "peel_handshake_seconds_sum 1.25\n"
			   "peel_handshake_seconds_count 6\n");
	assert_null(strstr(text, "# EOF"));
	assert_null(strstr(text, "peel_own_circuits{")); /* a relay has none */
	free(text);
}

static void
test_openmetrics(void **state)
{
	char *text = text_of(document, PEEL_METRICS_OPENMETRICS);

	(void)state;
	assert_lines(text, "# TYPE peel_build info\n# HELP peel_build ");
	assert_lines(text, "# TYPE peel_rx_bytes counter\n# UNIT peel_rx_bytes bytes\n"
			   "# HELP peel_rx_bytes UDP payload bytes received\n"
			   "peel_rx_bytes_total 18446744073\n");
	assert_lines(text, "# TYPE peel_port_rx_kernel_drops unknown\n");
	assert_string_equal(text + strlen(text) - strlen("# EOF\n"), "# EOF\n");
	free(text);
}

/* No counter is forgotten, each is told once, and no help is cut off. */
static void
test_all_counters(void **state)
{
	char *text, *json = NULL;
	size_t len;
	FILE *out = open_memstream(&json, &len);

	(void)state;
	fputs("{\"counters\": {\"drops\": {", out);
	for (int c = 0; c < PEEL_N_COUNTERS; c++)
		fprintf(out, "%s\"%s\": %d", c > 0 ? ", " : "", peel_counter_info[c].name,
			1000000 + c);
	fputs("}}}", out);
	fclose(out);
	text = text_of(json, PEEL_METRICS_OPENMETRICS);
	for (int c = 0; c < PEEL_N_COUNTERS; c++) {
		char value[32];
		const char *at;

		snprintf(value, sizeof(value), " %d\n", 1000000 + c);
		at = strstr(text, value);
		assert_non_null(at);
		assert_null(strstr(at + 1, value));
		assert_non_null(strstr(text, peel_counter_info[c].help));
	}
	free(text);
	free(json);
}

/* A family is announced once: OpenMetrics allows no second time. */
static void
test_families_once(void **state)
{
	char *text = text_of(document, PEEL_METRICS_OPENMETRICS);
	unsigned int n = 0;

	(void)state;
	for (char *line = strstr(text, "# TYPE "); line != NULL; n++) {
		char head[160];
		char *next = strstr(line + 1, "# TYPE ");
		size_t name = strlen("# TYPE ") + strcspn(line + strlen("# TYPE "), " ") + 1;

		snprintf(head, sizeof(head), "%.*s", (int)name, line);
		for (char *other = next; other != NULL; other = strstr(other + 1, "# TYPE "))
			assert_true(strncmp(other, head, strlen(head)) != 0);
		line = next;
	}
	assert_true(n > 70);
	free(text);
}

static void
test_empty(void **state)
{
	char *text = text_of("{}", PEEL_METRICS_OPENMETRICS);

	(void)state;
	assert_string_equal(text, "# EOF\n");
	free(text);
	text = text_of(
		"{\"circuits\": 5, \"memory\": {\"buffers\": \"many\"}}", PEEL_METRICS_PROMETHEUS);
	assert_string_equal(text, "");
	free(text);
}

static void
test_accepted(void **state)
{
	(void)state;
	assert_int_equal(peel_metrics_accepted(NULL), PEEL_METRICS_PROMETHEUS);
	assert_int_equal(peel_metrics_accepted("text/html, */*"), PEEL_METRICS_PROMETHEUS);
	assert_int_equal(
		peel_metrics_accepted("application/openmetrics-text;version=1.0.0,text/plain;q=.5"),
		PEEL_METRICS_OPENMETRICS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prometheus),
		cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_all_counters),
		cmocka_unit_test(test_families_once),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
