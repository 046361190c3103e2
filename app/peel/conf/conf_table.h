/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the conf*.c files and their tests share: the table at run time, and errors. */

#include "conf.h"

/* How a value is written. A form that one setting alone has is named after it. */
enum conf_type {
	CONF_NUMBER, /* decimal, min..max, or the word */
	CONF_SECONDS,
	CONF_SIZE,   /* with a k, M, G or T suffix (powers of 1024) */
	CONF_RATE,   /* the same, or bits with kbit, Mbit or Gbit (powers of 1000); kept in bytes */
	CONF_MILLIS, /* seconds with a fraction, kept in milliseconds; min..max in milliseconds */
	CONF_WORD,   /* one of the words, kept as its index */
	CONF_SWITCH,
	CONF_FLAG,   /* a switch for the bits `min` of the field */
	CONF_STRING, /* shorter than the field */
	CONF_COMMUNITY,
	CONF_DRIVER,
	CONF_ENGINE,
	CONF_ADDRESS, /* address and port, or nothing */
	CONF_LISTEN,  /* must be there */
	CONF_PUBLIC,  /* with a port that is not 0, or nothing */
	CONF_IP4,     /* an address without a port, or nothing */
	CONF_IP6,
	CONF_NETWORK4, /* address and prefix length, or nothing */
	CONF_NETWORK6,
	CONF_PORTS, /* a range */
	CONF_PERIOD,
	CONF_CORES, /* from here on: lists, which may go on in the next line */
	CONF_BOOTSTRAP,
	CONF_DENY,
	CONF_DNS,
	CONF_PROVIDER,
	CONF_RULES,
	CONF_SERVICES,
};

struct conf_setting {
	const char *section, *name;
	enum conf_type type;
	size_t offset, size; /* of the field in struct conf */
	int64_t by_default, min, max, meaning;
	const char *words;   /* the one for `meaning`; of a CONF_WORD all, separated by spaces */
	const char *text;    /* default of a type that is no number; NULL: by_default */
	const char *allowed; /* NULL: made from type, range and words */
	const char *about;
};
extern const struct conf_setting conf_settings[CONF_N];

/** First setting of a section, -1: there is no such section. The settings of a section stand
 * together. */
int conf_section_find(const char *section);
int conf_find(const char *section, const char *name);
/** Whether a setting changes while the node runs. */
bool conf_reloads(enum conf_id id);
/** Which commands read a section. */
enum conf_use conf_section_use(const char *section);
#define CONF_TEXT_MAX 256
/** "; did you mean [SECTION] NAME?", the setting that somebody who wrote this may have meant, or
 * nothing; name NULL: which section. */
const char *conf_guess(const char *section, const char *name, char out[CONF_TEXT_MAX]);
/** What may stand there. */
const char *conf_allowed(const struct conf_setting *k, char out[CONF_TEXT_MAX]);
/** The default as it would be written in a file. */
const char *conf_default(enum conf_id id, enum conf_use use, char out[CONF_TEXT_MAX]);

/* Errors of one file. */
struct conf_errors {
	const struct conf *conf;
	const char *file;
	conf_error_fn fn;
	void *arg;
	unsigned int n;
};
/* a file that is not a configuration at all need not fill the screen */
#define CONF_ERRORS_MAX 100

/** Line 0: about the file as a whole. @p section and @p key may be NULL. */
void conf_error(struct conf_errors *e, unsigned int line, const char *section, const char *key,
	const char *format, ...) PEEL_PRINTF(5, 6);
/** About a setting. */
#define conf_note_at(e, at_line, id, ...)                                                          \
	conf_error(e, at_line, conf_settings[id].section, conf_settings[id].name, __VA_ARGS__)
#define conf_wrong_at(e, at_line, id, format, ...)                                                 \
	conf_note_at(e, at_line, id, format "; allowed: %s", ##__VA_ARGS__,                        \
		conf_allowed(&conf_settings[id], (char[CONF_TEXT_MAX]){0}))
/** The same, at the line where it was given. */
#define conf_note(e, id, ...) conf_note_at(e, (e)->conf->line[id], id, __VA_ARGS__)
#define conf_wrong(e, id, ...) conf_wrong_at(e, (e)->conf->line[id], id, __VA_ARGS__)

/** Why a value cannot be taken. @return -EINVAL. */
int conf_refuse(char why[CONF_WHY_MAX], const char *format, ...) PEEL_PRINTF(2, 3);

/** conf_value.c: "LOW-HIGH", or with @p one_will_do "LOW" alone. @return whether it is one. */
bool conf_read_range(const char *value, bool one_will_do, unsigned int *low, unsigned int *high);
/** conf_list.c: the elements of a list; @p more: behind those that are there. */
int conf_set_list(const struct conf_setting *k, struct conf *c, const char *value, bool more,
	char why[CONF_WHY_MAX]) PEEL_MUST_USE;
/** conf_rule.c: one element of the exit's rules. */
int conf_add_rule(struct conf *c, const char *value, char why[CONF_WHY_MAX]) PEEL_MUST_USE;
/** conf_address.c: an address or a network, by the setting's type. */
int conf_set_address(const struct conf_setting *k, void *field, const char *value,
	char why[CONF_WHY_MAX]) PEEL_MUST_USE;
/** "ADDRESS/LENGTH"; without a length one host. */
int conf_read_network(
	const char *value, struct peel_network *out, char why[CONF_WHY_MAX]) PEEL_MUST_USE;
/** Bits of an address behind its prefix: none set, all set? Both true for a prefix without such
 * bits. */
void conf_host_bits(const struct peel_network *n, bool *none, bool *all);
/** conf_check.c: fit the values together; counts into @p e. */
void conf_check(struct conf *c, struct conf_errors *e);
/** conf_net.c: own addresses and routers of a device; counts into @p e. */
void conf_check_network(const struct conf *c, struct conf_errors *e);
/** Is the gateway on the network, or does it have an address of the link? Otherwise it is reached
 * on the link all the same. */
bool conf_gateway_on_link(const struct peel_network *network, const struct peel_addr *gateway);
