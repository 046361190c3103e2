/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * When something is so: conditions over two status documents.
 */
#include <stdio.h>
#include <string.h>

#include "conditions.h"
#include "peel_status_path.h"

#define SETTLED_MS 20000  /* since the start: by then a node has met others */
#define REACHED_MS 600000 /* by then others have come by themselves */
#define ALMOST 0.95	  /* of a table, or of a worker's time */
#define FAILING 0.5	  /* of look-ups */
#define LOOKUPS_MIN 5	  /* before their share means something */
#define DROPS_SHARE 0.001 /* of the datagrams received: fewer are nothing to act on */
#define LATE_SHARE 0.05	  /* of the control thread's timers */
#define LATE_SECONDS 0.1
#define CLOCK_JUMP_SECONDS 0.5

/* ---- reading a status ------------------------------------------------------------------------ */

static double
now(const struct findings_look *l, const char *path)
{
	return peel_status_number(l->now, path);
}

/* How much a counter has grown. */
static double
grown(const struct findings_look *l, const char *path)
{
	return now(l, path) - peel_status_number(l->before, path);
}

static bool
settled(const struct findings_look *l)
{
	return now(l, "uptime_ms") >= SETTLED_MS;
}

static bool
is_socket(const struct findings_look *l)
{
	const char *driver = json_string_value(peel_status_at(l->now, "driver"));

	return driver != NULL && strcmp(driver, "socket") == 0;
}

/* "12 a second", or "3 in 5 s" of what is rare. */
static void
rate_text(const struct findings_look *l, double n, char *out, size_t size)
{
	if (n >= l->seconds)
		snprintf(out, size, "%.0f a second", n / l->seconds);
	else
		snprintf(out, size, "%.0f in %.0f s", n, l->seconds);
}

/* ---- kinds of conditions --------------------------------------------------------------------- */

/* A counter grows. */
bool
finding_grows(const struct findings_look *l, const char *path, char *detail, size_t size)
{
	double n = grown(l, path);

	rate_text(l, n, detail, size);
	return n > 0;
}

/* A counter of drops grows by more than a few of all datagrams. */
bool
finding_drops(const struct findings_look *l, const char *path, char *detail, size_t size)
{
	return finding_grows(l, path, detail, size) &&
	       grown(l, path) > DROPS_SHARE * grown(l, "counters.rx_datagrams");
}

/* "PART WHOLE": almost full. */
bool
finding_full(const struct findings_look *l, const char *paths, char *detail, size_t size)
{
	char part[64];
	size_t len = strcspn(paths, " ");

	snprintf(part, sizeof(part), "%.*s", (int)len, paths);
	snprintf(detail, size, "%.0f of %.0f", now(l, part), now(l, paths + len + 1));
	return now(l, paths + len + 1) > 0 && now(l, part) >= ALMOST * now(l, paths + len + 1);
}

bool
finding_is_true(const struct findings_look *l, const char *path, char *detail, size_t size)
{
	(void)detail;
	(void)size;
	return json_is_true(peel_status_at(l->now, path));
}

/* A switch of the port driver, which says 0 or 1. */
bool
finding_is_off(const struct findings_look *l, const char *path, char *detail, size_t size)
{
	(void)detail;
	(void)size;
	return json_is_integer(peel_status_at(l->now, path)) && now(l, path) == 0;
}

/* A mechanism of the kernel that is "open", and why. */
bool
finding_is_open(const struct findings_look *l, const char *path, char *detail, size_t size)
{
	const char *text = json_string_value(peel_status_at(l->now, path));

	snprintf(detail, size, "%s", text != NULL ? text : "");
	return text != NULL && strncmp(text, "open", 4) == 0;
}

/* ---- conditions that are like no other ------------------------------------------------------- */

bool
finding_nobody_answers(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	(void)arg;
	snprintf(detail, size, "%.0f", now(l, "uptime_ms") / 1000);
	return settled(l) && now(l, "peers.tunnel") == 0 && now(l, "bootstrap.servers") > 0 &&
	       now(l, "bootstrap.unresolved") < now(l, "bootstrap.servers");
}

bool
finding_no_bootstrap(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	(void)arg;
	(void)detail;
	(void)size;
	return now(l, "bootstrap.servers") == 0 && now(l, "peers.tunnel") == 0;
}

bool
finding_unresolved(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	(void)arg;
	snprintf(detail, size, "%.0f of %.0f", now(l, "bootstrap.unresolved"),
		now(l, "bootstrap.servers"));
	return now(l, "uptime_ms") >= SETTLED_MS / 2.0 && now(l, "bootstrap.unresolved") > 0;
}

bool
finding_no_public_address(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	(void)arg;
	snprintf(detail, size, "%.0f", now(l, "peers.tunnel"));
	return settled(l) && now(l, "peers.tunnel") > 0 &&
	       json_is_null(peel_status_at(l->now, "public_address"));
}

bool
finding_behind_nat(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	const char *address = json_string_value(peel_status_at(l->now, "public_address"));

	(void)arg;
	snprintf(detail, size, "%s", address != NULL ? address : "");
	/* A device of ours has an address that the kernel does not know. */
	return address != NULL && is_socket(l) && !l->host.has_public_address;
}

bool
finding_not_reached(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	const char *address = json_string_value(peel_status_at(l->now, "address"));
	const char *port = address != NULL ? strrchr(address, ':') : NULL;

	(void)arg;
	snprintf(detail, size, "%s", port != NULL ? port + 1 : "");
	return now(l, "uptime_ms") >= REACHED_MS && now(l, "peers.tunnel") > 0 &&
	       now(l, "counters.intro_requests") == 0 && now(l, "counters.create_accepted") == 0;
}

bool
finding_circuits_full(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	double max = now(l, "circuits.max_joined");
	double places = now(l, "circuits.exits") - now(l, "circuits.unproved") +
			now(l, "circuits.rendezvous") + 2 * now(l, "circuits.relays");

	(void)arg;
	snprintf(detail, size, "%.0f", max);
	return max > 0 && (places >= max || grown(l, "counters.create_refused_limit") > 0);
}

bool
finding_names_fail(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	double asked = now(l, "counters.name_lookups"), failed = now(l, "counters.name_failures");

	(void)arg;
	snprintf(detail, size, "%.0f of %.0f", failed, asked);
	return asked >= LOOKUPS_MIN && failed >= FAILING * asked;
}

bool
finding_dht_empty(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	(void)arg;
	(void)detail;
	(void)size;
	/* Without peers there cannot be any: that is said already. */
	return settled(l) && now(l, "peers.tunnel") > 0 &&
	       now(l, "dht.nodes_ipv4") + now(l, "dht.nodes_ipv6") == 0;
}

bool
finding_worker_busy(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	const json_t *list = peel_status_at(l->now, "workers"),
		     *before = peel_status_at(l->before, "workers");

	(void)arg;
	for (size_t i = 0; i < json_array_size(list); i++) {
		double busy = peel_status_number(json_array_get(list, i), "busy_seconds") -
			      peel_status_number(json_array_get(before, i), "busy_seconds");

		snprintf(detail, size, "%zu has work %.0f %% of its time", i,
			100 * busy / l->seconds);
		if (busy >= ALMOST * l->seconds)
			return true;
	}
	return false;
}

bool
finding_control_late(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	const json_t *list = peel_status_at(l->now, "durations.tick_delay.upto"),
		     *before = peel_status_at(l->before, "durations.tick_delay.upto");
	double all = grown(l, "durations.tick_delay.count"), in_time = 0;

	(void)arg;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *row = json_array_get(list, i), *then = json_array_get(before, i);

		if (json_number_value(json_array_get(row, 0)) <= LATE_SECONDS)
			in_time = json_number_value(json_array_get(row, 1)) -
				  json_number_value(json_array_get(then, 1));
	}
	snprintf(detail, size, "%.0f %%", all > 0 ? 100 * (all - in_time) / all : 0);
	return all > 0 && all - in_time > LATE_SHARE * all;
}

bool
finding_slow_engine(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	const char *engine = json_string_value(peel_status_at(l->now, "engine"));

	(void)arg;
	snprintf(detail, size, "%s, and %s is faster", engine != NULL ? engine : "",
		l->host.best_engine != NULL ? l->host.best_engine : "");
	return engine != NULL && l->host.best_engine != NULL &&
	       strcmp(engine, l->host.best_engine) != 0;
}

bool
finding_clock_jumped(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	double by = l->host.clock_jump_seconds;

	(void)arg;
	snprintf(detail, size, "%.1f s %s", by < 0 ? -by : by, by < 0 ? "back" : "ahead");
	return by >= CLOCK_JUMP_SECONDS || by <= -CLOCK_JUMP_SECONDS;
}

bool
finding_clock_free(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	(void)arg;
	(void)detail;
	(void)size;
	return !l->host.clock_synchronised;
}

bool
finding_other_version(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	const char *version = json_string_value(peel_status_at(l->now, "version"));

	(void)arg;
	snprintf(detail, size, "%s, and this program is %s", version != NULL ? version : "",
		PEEL_VERSION);
	return version != NULL && strcmp(version, PEEL_VERSION) != 0;
}

bool
finding_draining(const struct findings_look *l, const char *arg, char *detail, size_t size)
{
	(void)arg;
	snprintf(detail, size, "%.0f", now(l, "drain.circuits"));
	return json_is_object(peel_status_at(l->now, "drain"));
}
