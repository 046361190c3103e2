/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What is wrong with a node, told from two of its status documents and from its machine: for `peel
 * doctor`. Thread: any; no function waits. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/** What the status does not tell. */
struct findings_host {
	bool has_public_address; /* the node's public address is one of this machine's */
	bool clock_synchronised;
	/* how far the clock moved beside the steady one between the two documents */
	double clock_jump_seconds;
	const char *best_engine; /* of this CPU; NULL: not known */
};

struct findings_look {
	const json_t *before, *now; /* status documents */
	double seconds;		    /* between them */
	struct findings_host host;
};

struct finding {
	const char *name;
	bool problem; /* else only worth to know */
	/* So, or not; then @p detail is what stands for {} in the sentences. */
	bool (*is)(const struct findings_look *l, const char *arg, char *detail, size_t size);
	const char *arg;
	const char *what, *remedy; /* sentences */
};

/** All that can be found; the last one has no name. */
extern const struct finding findings[];

#define FINDINGS_TEXT_MAX 400
struct findings_text {
	char what[FINDINGS_TEXT_MAX], remedy[FINDINGS_TEXT_MAX];
};
/** Whether it is so; then @p out says what is, and what to do. */
bool findings_is(const struct finding *f, const struct findings_look *l, struct findings_text *out);
