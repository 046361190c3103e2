/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel keygen`: makes the key of a node, or shows its public half.
 */
#include <getopt.h>

#include "cmd.h"
#include "peel_keys.h"

static void
print_hex(const char *name, const uint8_t *p, size_t len)
{
	printf("%s ", name);
	for (size_t i = 0; i < len; i++)
		printf("%02x", p[i]);
	putchar('\n');
}

static int
run(int argc, char **argv)
{
	static const struct option options[] = {{"show", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	const char *path = NULL;
	struct peel_identity id;
	bool show = false;
	char why[512] = "";
	int o, rc;

	while ((o = getopt_long(argc, argv, "s:h", options, NULL)) != -1) {
		switch (o) {
		case 's':
			show = true;
			path = optarg;
			break;
		case 'h':
			command_help(stdout, &command_keygen);
			return EXIT_OK;
		default:
			return command_usage_error(&command_keygen);
		}
	}
	if (!show && optind < argc)
		path = argv[optind++];
	if (path == NULL || optind != argc)
		return command_wrong(&command_keygen, "needs exactly one file");
	if (peel_keys_init() != 0) {
		fprintf(stderr, "peel keygen: libsodium or libcrypto does not work here\n");
		return EXIT_FAILED;
	}
	if (show) {
		rc = peel_identity_load(path, &id, why, sizeof(why));
	} else {
		rc = peel_identity_generate(&peel_env_system, &id);
		if (rc == 0)
			rc = peel_identity_save(path, &id, why, sizeof(why));
	}
	if (rc != 0) {
		fprintf(stderr, "peel keygen: %s\n", why[0] != '\0' ? why : strerror(-rc));
		peel_identity_wipe(&id);
		return EXIT_FAILED;
	}
	if (show)
		print_hex("public_key", id.pk, sizeof(id.pk));
	print_hex("mid", id.mid, sizeof(id.mid));
	peel_identity_wipe(&id);
	return EXIT_OK;
}

const struct command command_keygen = {
	.name = "keygen",
	.about = "make the private key of a node, or show its public half",
	.usage = "keygen FILE | peel keygen --show FILE",
	.help = "Writes a new private key to FILE, readable only by its owner, and prints the\n"
		"member id (mid) by which others know the node. An existing file is never\n"
		"replaced.\n\n"
		"options:\n"
		"  -s, --show FILE  print the public key and the member id of an existing key\n"
		"  -h, --help       this text\n",
	.run = run,
};
