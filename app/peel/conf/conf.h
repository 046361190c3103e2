/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The configuration file of `peel relay` and `peel client`: INI text, read whole, checked whole,
 * immutable afterwards. The table of all settings (lib/base/peel_settings.def) drives reading,
 * checks, error texts and the sample files. Control thread only, before anything else starts.
 */

#include <limits.h>
#include <stdio.h>

#include "peel_node.h"
#include "service_name.h"

enum hugepages {
	HUGEPAGES_AUTO, /* when enough pages are free */
	HUGEPAGES_YES,
	HUGEPAGES_NO,
};

/** Which command reads a file: it decides about defaults and about what may stand there. */
enum conf_use {
	CONF_FOR_RELAY = 1,
	CONF_FOR_CLIENT = 2,
	/* everything may be there, nothing must */
	CONF_FOR_ANY = CONF_FOR_RELAY | CONF_FOR_CLIENT,
};

/** The settings of a file: CONF_port_listen is `listen` in [port]. */
enum conf_id {
#define VALUE(section, name, ...) CONF_##section##_##name,
#define SWITCH VALUE
#define FLAG(name, ...) CONF_tunnel_##name,
#define WORD VALUE
#define TEXT VALUE
#include "peel_settings.def"
	CONF_N
};

/* What a client needs beyond a node; the pools' settings are in node.originator. */
struct client_conf {
	bool isolate_destinations;
	/* SOCKS listeners for circuits of 1, 2 ... hops; family NONE: none */
	struct peel_addr listen[PEEL_HOPS_MAX];
	char user[256], password[256];
	uint32_t max_clients;  /* per listener */
	uint32_t idle_timeout; /* seconds */
	/* hidden services: to connect to, and to be found at */
	struct service_list join, publish;
};

/* HTTP for metrics. */
struct metrics_conf {
	struct peel_addr listen; /* family NONE: none */
	char key[128];		 /* empty: none is asked for */
};

/* A page about this exit. */
struct notice_conf {
	char file[256]; /* empty: none */
	struct peel_addr listen;
};

struct conf {
	enum conf_use use;
	struct peel_node_conf node; /* engine NULL: the best one of this CPU */
	/* What the program itself needs. */
	char user[64];		/* to become after start; empty: no change */
	uint32_t shutdown_wait; /* seconds; 0: a signal ends the node at once */
	enum hugepages hugepages;
	bool telemetry;			       /* DPDK's */
	uint32_t memory_mib;		       /* without hugepages; 0: computed */
	struct peel_network address, address6; /* ethdev: own addresses and on-link networks */
	bool become_exitnode;
	uint8_t rule_verb; /* [exit] rules: read, and its pattern is not; 0: none */
	enum peel_log_level log_level;
	bool log_timestamps;
	char log_file[256]; /* empty: standard error, or the journal */
	struct metrics_conf metrics;
	struct notice_conf notice;
	struct client_conf client;
	unsigned int line[CONF_N]; /* of each setting, 0: not given */
	uint64_t text[CONF_N];	   /* hash of what each was set to, also by default */
	char path[PATH_MAX];	   /* of the file, for reading it again; empty: none */
};

/** One error: "FILE:LINE: [section] key: what is wrong; allowed: ...". */
typedef void (*conf_error_fn)(void *arg, const char *text);

/** The defaults. */
void conf_init(struct conf *conf, enum conf_use use);

#define CONF_WHY_MAX 384
/** Set one value, as text. @p more: to the elements of a list that are there already. 0, or -EINVAL
 * and why not. */
int conf_set(struct conf *conf, enum conf_id id, const char *value, bool more,
	char why[CONF_WHY_MAX]) PEEL_MUST_USE;

/**
 * Parse and check @p text, which @p name (a file name) stands for in errors. Starts from the
 * defaults. Everything that can be said without looking at this machine is checked.
 * @return the number of errors; each was given to @p fn.
 */
unsigned int conf_parse(enum conf_use use, const char *name, const char *text, size_t len,
	struct conf *conf, conf_error_fn fn, void *arg) PEEL_MUST_USE;

/** The same for a file. One that cannot be read counts as one error. */
unsigned int conf_load(enum conf_use use, const char *path, struct conf *conf, conf_error_fn fn,
	void *arg) PEEL_MUST_USE;

/**
 * What depends on this machine and is known without opening ports: key file, CPUs, engine, user,
 * folders.
 * @return the number of errors; each was given to @p fn.
 */
unsigned int conf_check_host(
	const char *name, const struct conf *conf, conf_error_fn fn, void *arg) PEEL_MUST_USE;

/** Whether accounts of circuits at exits (`circuit_destinations`) fit into this machine's memory;
 * otherwise @p why, and what to do. For a reload, too. */
bool conf_accounts_fit(const struct conf *conf, char *why, size_t why_size);

/** Report what a start would do that is not an error: addresses it waits for, routers outside the
 * network, memory. */
void conf_notes(const char *name, const struct conf *conf, conf_error_fn fn, void *arg);

/** Write the sample file, which documents every setting with its default (config/relay.ini,
 * config/client.ini). */
void conf_sample(enum conf_use use, FILE *to);
