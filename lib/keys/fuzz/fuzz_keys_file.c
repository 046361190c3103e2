/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* The content of a key file. What loads must serialise to the same bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peel_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_identity id;
	uint8_t again[PEEL_SK_LEN];
	char path[64], why[128];
	int fd = memfd_create("key", 0);

	if (peel_keys_init() != 0 || fd < 0 || fchmod(fd, 0600) != 0 ||
		write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	why[0] = '\0';
	if (peel_identity_load(path, &id, why, sizeof(why)) == 0) {
		peel_identity_serialise(&id, again);
		if (size != sizeof(again) || memcmp(again, data, size) != 0)
			abort();
	} else if (why[0] == '\0') {
		abort(); /* a refusal without a reason */
	}
	close(fd);
	return 0;
}
