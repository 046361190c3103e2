/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the conf*.c files and their tests share: the table of keys, and errors about them. */

#include "conf.h"

struct conf_key;

struct conf_word {
	const char *word; /* a table of them ends with NULL */
	int64_t value;
};

enum conf_type {
	CONF_NUMBER, /* decimal, min..max, or one of `words` */
	CONF_SIZE,   /* the same with a k, M, G or T suffix (powers of 1024) */
	CONF_MILLIS, /* seconds with up to three decimals, kept in milliseconds; min..max in milliseconds */
	CONF_BOOL,
	CONF_FLAG, /* yes or no sets or clears the bits `min` */
	CONF_WORD, /* one of `words` */
	CONF_TEXT, /* shorter than the field */
	CONF_ADDR, /* address and port, or nothing */
	CONF_SET,  /* `set` does it */
	CONF_LIST, /* `set` is called per element; a list may go on in the next line */
};

/** Set a value, or add one element of a list (the first clears what was there). 0, or -errno and why not. */
typedef int (*conf_set_fn)(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);

struct conf_key {
	const char *section, *name;
	enum conf_type type;
	size_t offset, size; /* of the field in struct peel_conf */
	int64_t min, max;
	const struct conf_word *words;
	conf_set_fn set;
	const char *allowed; /* of errors; NULL: made from the type, the range and the words */
	const char *about;   /* what it means, one line */
};

extern const struct conf_key conf_keys[];
extern const unsigned int conf_n_keys;

/** Index of a key, or -1. */
int conf_key_find(const char *section, const char *name);
/** Which commands read a section, bits of enum peel_conf_use; 0: there is no such section. */
unsigned int conf_section_use(const char *section);
/** The sections of a command, "node, port, ...". */
const char *conf_section_list(enum peel_conf_use use, char *out, size_t size);
/** The key or section that somebody who wrote this may have meant; NULL when nothing is near. */
const char *conf_hint_key(const char *section, const char *name, char *out, size_t size);
const char *conf_hint_section(const char *section);
/** What may stand there, for errors. */
const char *conf_allowed(const struct conf_key *k, char *out, size_t size);

/** Parse and store a whole value. @p more: further elements of a list. 0, or -EINVAL and why not. */
int conf_value_set(const struct conf_key *k, struct peel_conf *c, const char *value, bool more,
	char *why, size_t why_size) PEEL_MUST_USE;

/* conf_addr.c */
/** "ADDRESS/LENGTH"; without a length one host. 0, or -EINVAL and why not. */
int conf_parse_network(
	const char *value, struct peel_network *out, char *why, size_t why_size) PEEL_MUST_USE;

/* conf_lists.c and conf_addr.c: setters of values with a form of their own */
int conf_set_community(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_discovery_community(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_dht_community(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_driver(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_engine(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_listen(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_address(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_address6(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_gateway(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_gateway6(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_exit_ports(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_exit_address(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_exit_address6(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_public_address(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_cores(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_bootstrap(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_deny(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);
int conf_set_dns(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size);

/* Errors of one file. */
struct conf_errors {
	const char *file;
	peel_conf_error_fn fn;
	void *arg;
	unsigned int n;
};
#define CONF_ERRORS_MAX 100 /* a file that is not a configuration at all need not fill the screen */

/** Line 0: about the file as a whole. @p section and @p key may be NULL. */
void conf_error(struct conf_errors *e, unsigned int line, const char *section, const char *key,
	const char *format, ...) PEEL_PRINTF(5, 6);
/** About a key; its line is the one where it was given. Appends "; allowed: ...". */
void conf_error_key(struct conf_errors *e, const struct peel_conf *c, const char *section,
	const char *name, const char *format, ...) PEEL_PRINTF(5, 6);

/** Was the key given in the file? */
bool conf_given(const struct peel_conf *c, const char *section, const char *name);

/** conf_check.c: fit the values together; counts into @p e. */
void conf_check(struct peel_conf *c, struct conf_errors *e);
/** conf_net.c: own addresses and routers of a device; counts into @p e. */
void conf_check_network(const struct peel_conf *c, struct conf_errors *e);
/** Is the gateway on the network, or does it have an address of the link? Otherwise it is reached on the link all the same. */
bool conf_gateway_on_link(const struct peel_network *network, const struct peel_addr *gateway);
/** conf_client.c: the same for [client] and [socks]. */
void conf_check_client(struct peel_conf *c, struct conf_errors *e);
