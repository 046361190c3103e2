/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Runs a fuzz target over the files of a folder: the committed corpus as an ordinary test, with any
 * compiler.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay(const char *path)
{
	FILE *f = fopen(path, "rb");
	long len;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) < 0)
		return -1;
	rewind(f);
	/* Exact-size heap block: one byte read too far is seen by the sanitizer. */
	uint8_t *data = malloc(len > 0 ? (size_t)len : 1);

	if (data == NULL || fread(data, 1, (size_t)len, f) != (size_t)len)
		return -1;
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)len);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned int n = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
		return 2;
	}
	DIR *dir = opendir(argv[1]);

	if (dir == NULL) {
		perror(argv[1]);
		return 2;
	}
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char path[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		if (replay(path) != 0) {
			perror(path);
			return 1;
		}
		n++;
	}
	closedir(dir);
	printf("%u inputs replayed\n", n);
	return n > 0 ? 0 : 1;
}
