/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The format is that of resolv.conf(5). Only its "nameserver" lines concern us.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "system.h"

#define DNS_PORT 53
#define LINE_SIZE 512

bool
dns_system_changed(const char *path, struct dns_stamp *stamp)
{
	struct dns_stamp now = {0};
	struct stat st;

	if (stat(path, &st) == 0)
		now = (struct dns_stamp){
			.device = st.st_dev,
			.inode = st.st_ino,
			.size = (uint64_t)st.st_size,
			.seconds = st.st_mtim.tv_sec,
			.nanoseconds = st.st_mtim.tv_nsec,
		};
	if (memcmp(&now, stamp, sizeof(now)) == 0)
		return false;
	*stamp = now;
	return true;
}

/* Parse "nameserver ADDRESS" or, for a link-local address, "nameserver ADDRESS%INTERFACE". */
static bool
parse_line(char *line, struct dns_place *out)
{
	char *at = line, *word = strsep(&at, " \t"), *scope;

	if (strcmp(word, "nameserver") != 0 || at == NULL)
		return false;
	at += strspn(at, " \t");
	at[strcspn(at, " \t\r\n#;")] = '\0';
	scope = strchr(at, '%');
	memset(out, 0, sizeof(*out));
	if (scope != NULL) {
		*scope++ = '\0';
		if (strlen(scope) >= sizeof(out->interface))
			return false;
		memcpy(out->interface, scope, strlen(scope) + 1);
	}
	return peel_addr_parse(at, DNS_PORT, &out->addr) == 0;
}

size_t
dns_system_read(const char *path, struct dns_place *out, size_t max)
{
	FILE *file = fopen(path, "re");
	char line[LINE_SIZE];
	size_t n = 0;

	while (file != NULL && n < max && fgets(line, sizeof(line), file) != NULL)
		n += parse_line(line, &out[n]);
	if (file != NULL)
		fclose(file);
	if (n > 0)
		return n;
	out[0] = (struct dns_place){.addr = peel_addr_ipv4(127, 0, 0, 1, DNS_PORT)};
	return 1;
}
