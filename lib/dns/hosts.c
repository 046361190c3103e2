/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "hosts.h"
#include "system.h"

#define BYTES_MAX (16u << 20) /* bytes of the file; the rest is not read */
#define BLANKS " \t\r\v\f"

struct host {
	const char *name; /* in `text` */
	uint8_t ip[16];
	uint8_t family;
};

struct list {
	char *text;
	struct host *host; /* sorted by name, then by position in the file */
	size_t n, size;
};

struct dns_hosts {
	const char *path;
	struct dns_stamp stamp;
	struct list list;
};

static void
free_list(struct list *list)
{
	free(list->text);
	free(list->host);
	*list = (struct list){0};
}

static int
add(struct list *list, const struct host *host)
{
	if (list->n == list->size) {
		size_t size = list->size == 0 ? 32 : 2 * list->size;
		struct host *more = realloc(list->host, size * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		list->host = more;
		list->size = size;
	}
	list->host[list->n++] = *host;
	return 0;
}

/* Parse "ADDRESS NAME...": all the names get that address. */
static int
parse_line(struct list *list, char *line)
{
	struct host host = {0};
	char *at, *word;
	int rc = 0;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, BLANKS, &at);
	if (word == NULL)
		return 0;
	if (inet_pton(AF_INET, word, host.ip) == 1)
		host.family = PEEL_FAMILY_IPV4;
	else if (inet_pton(AF_INET6, word, host.ip) == 1)
		host.family = PEEL_FAMILY_IPV6;
	else
		return 0;
	while (rc == 0 && (host.name = strtok_r(NULL, BLANKS, &at)) != NULL)
		rc = add(list, &host);
	return rc;
}

static int
by_name(const void *a, const void *b)
{
	const struct host *x = a, *y = b;
	int order = strcasecmp(x->name, y->name);

	return order != 0 ? order : (x->name > y->name) - (x->name < y->name);
}

/* @return NULL when out of memory. */
static char *
read_text(const char *path)
{
	char *text = malloc(BYTES_MAX + 1); /* pages that are never written cost nothing */
	FILE *file = fopen(path, "re");
	size_t len = 0;
	char *less;

	if (text != NULL && file != NULL)
		len = fread(text, 1, BYTES_MAX, file);
	if (file != NULL)
		fclose(file);
	if (text == NULL)
		return NULL;
	text[len] = '\0';
	less = realloc(text, len + 1);
	return less != NULL ? less : text;
}

static int
read_list(const char *path, struct list *list)
{
	char *at, *line;
	int rc = 0;

	*list = (struct list){.text = read_text(path)};
	if (list->text == NULL)
		return -ENOMEM;
	at = list->text;
	while (rc == 0 && (line = strsep(&at, "\n")) != NULL)
		rc = parse_line(list, line);
	if (rc != 0)
		free_list(list);
	else if (list->n > 0)
		qsort(list->host, list->n, sizeof(list->host[0]), by_name);
	return rc;
}

struct dns_hosts *
dns_hosts_new(const char *path)
{
	struct dns_hosts *hosts = calloc(1, sizeof(*hosts));

	if (hosts == NULL)
		return NULL;
	hosts->path = path;
	(void)dns_system_changed(path, &hosts->stamp);
	if (read_list(path, &hosts->list) == 0)
		return hosts;
	free(hosts);
	return NULL;
}

void
dns_hosts_free(struct dns_hosts *hosts)
{
	if (hosts == NULL)
		return;
	free_list(&hosts->list);
	free(hosts);
}

void
dns_hosts_refresh(struct dns_hosts *hosts)
{
	struct list list;

	if (!dns_system_changed(hosts->path, &hosts->stamp) || read_list(hosts->path, &list) != 0)
		return;
	free_list(&hosts->list);
	hosts->list = list;
}

size_t
dns_hosts_find(const struct dns_hosts *hosts, const char *name, struct peel_addr *out, size_t max)
{
	const struct list *list = &hosts->list;
	size_t low = 0, high = list->n, n = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcasecmp(list->host[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; n < max && low < list->n && strcasecmp(list->host[low].name, name) == 0; low++) {
		out[n] = (struct peel_addr){.family = list->host[low].family};
		memcpy(out[n++].ip, list->host[low].ip, sizeof(list->host[low].ip));
	}
	return n;
}
