/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The conditions of findings.c. Each is as `is` of struct finding, which says what they take. */

#include "findings.h"

/* Of these, @p arg is a path in the status: a counter that grows; one of drops that grows by more
 * than a few of all datagrams; "PART WHOLE", almost full; true; a switch of the port driver that is
 * 0; a mechanism of the kernel that is "open". */
bool finding_grows(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_drops(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_full(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_is_true(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_is_off(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_is_open(const struct findings_look *l, const char *arg, char *detail, size_t size);

/* These look at several figures, and take no argument. */
bool finding_nobody_answers(
	const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_no_bootstrap(
	const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_unresolved(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_no_public_address(
	const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_behind_nat(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_not_reached(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_circuits_full(
	const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_names_fail(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_dht_empty(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_worker_busy(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_control_late(
	const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_slow_engine(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_clock_jumped(
	const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_clock_free(const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_other_version(
	const struct findings_look *l, const char *arg, char *detail, size_t size);
bool finding_draining(const struct findings_look *l, const char *arg, char *detail, size_t size);
