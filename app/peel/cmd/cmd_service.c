/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel service`: hidden services. Here are the arguments; `publish` and `connect` run a node of
 * their own (hidden_service.c), the others tell a running client what to do (service_ask.c).
 */
#include <stdio.h>
#include <string.h>

#include "hidden_service.h"
#include "peel_node_text.h"
#include "service_ask.h"

enum {
	OPTION_NAME = 256,
	OPTION_INFO_HASH,
	OPTION_TRIBLER,
	OPTION_TO,
	OPTION_LISTEN,
	OPTION_KEY,
	OPTION_IDLE,
	OPTION_QUIET,
};

struct arguments {
	struct hidden_service service;
	const char *name, *info_hash, *local;
	bool tribler;
};

static int
option(struct arguments *a, int o, const char *value)
{
	struct hidden_service *s = &a->service;

	switch (o) {
	case OPTION_NAME:
		a->name = value;
		return EXIT_OK;
	case OPTION_INFO_HASH:
		a->info_hash = value;
		return EXIT_OK;
	case OPTION_TRIBLER:
		a->tribler = true;
		return EXIT_OK;
	case OPTION_TO:
	case OPTION_LISTEN:
		a->local = value;
		return EXIT_OK;
	case OPTION_KEY:
		s->key_file = value;
		return EXIT_OK;
	case OPTION_IDLE:
		return command_number(&command_service, "--idle", value, 1, 86400, &s->idle);
	case OPTION_QUIET:
		s->quiet = true;
		return EXIT_OK;
	default:
		return tool_option(&s->tool, o, value);
	}
}

static int
take_service(struct arguments *a)
{
	struct hidden_service *s = &a->service;
	uint8_t hash[20];

	if ((a->name != NULL) == (a->info_hash != NULL))
		return command_wrong(&command_service, "needs either --name or --info-hash");
	if (a->tribler && a->info_hash == NULL)
		return command_wrong(
			&command_service, "--tribler is about --info-hash: that of a torrent");
	if (a->name != NULL) {
		if (a->name[0] == '\0')
			return command_wrong(&command_service, "--name is empty");
		peel_service_id(a->name, s->id);
		return EXIT_OK;
	}
	if (service_parse_hash(a->info_hash, hash) != 0)
		return command_wrong(&command_service,
			"--info-hash takes 40 hexadecimal digits, not \"%s\"", a->info_hash);
	if (a->tribler)
		peel_tribler_service_id(hash, s->id);
	else
		memcpy(s->id, hash, sizeof(s->id));
	return EXIT_OK;
}

static int
take_local(struct arguments *a, const char *name, bool any_port)
{
	struct hidden_service *s = &a->service;
	char why[256] = "";

	if (a->local == NULL)
		return command_wrong(&command_service, "needs %s ADDRESS:PORT", name);
	if (peel_node_parse_address(a->local, &s->local, why, sizeof(why)) != 0)
		return command_wrong(&command_service, "%s: %s", name, why);
	if (s->local.port == 0 && !any_port)
		return command_wrong(&command_service, "%s: port 0 cannot be reached", name);
	return EXIT_OK;
}

static int
run_node(const struct service_role *role, const struct option *long_options,
	const char *local_option, int argc, char **argv)
{
	static struct arguments a;
	struct session *session = &a.service.tool.session;
	int o, rc = EXIT_OK;

	tool_init(&a.service.tool, &command_service);
	a.service.tool.hops_max = SERVICE_HOPS_MAX;
	session->conf.log_level = PEEL_LOG_WARNING;
	a.service.role = role;
	a.service.idle = 300;
	while (rc == EXIT_OK && (o = getopt_long(argc, argv, TOOL_SHORT, long_options, NULL)) != -1)
		rc = option(&a, o, optarg);
	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	if (optind != argc)
		return command_wrong(&command_service, "\"%s\" is not understood", argv[optind]);
	rc = take_service(&a);
	if (rc == EXIT_OK)
		rc = take_local(&a, local_option, !role->seed);
	if (a.service.quiet && session->conf.log_level > PEEL_LOG_WARNING)
		session->conf.log_level = PEEL_LOG_WARNING;
	return rc != EXIT_OK ? rc : service_run(&a.service);
}

#define SERVICE_LONG                                                                               \
	TOOL_LONG_NETWORK, {"name", required_argument, NULL, OPTION_NAME},                         \
		{"info-hash", required_argument, NULL, OPTION_INFO_HASH},                          \
		{"tribler", no_argument, NULL, OPTION_TRIBLER},                                    \
		{"idle", required_argument, NULL, OPTION_IDLE},                                    \
	{                                                                                          \
		"quiet", no_argument, NULL, OPTION_QUIET                                           \
	}

static int
run_publish(int argc, char **argv)
{
	static const struct option list[] = {SERVICE_LONG,
		{"to", required_argument, NULL, OPTION_TO},
		{"key", required_argument, NULL, OPTION_KEY}, {NULL, 0, NULL, 0}};

	return run_node(&service_publish, list, "--to", argc, argv);
}

static int
run_connect(int argc, char **argv)
{
	static const struct option list[] = {SERVICE_LONG,
		{"listen", required_argument, NULL, OPTION_LISTEN}, {NULL, 0, NULL, 0}};

	return run_node(&service_connect, list, "--listen", argc, argv);
}

static int
run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} parts[] = {{"publish", run_publish}, {"connect", run_connect}, {"join", service_ask_join},
		{"leave", service_ask_leave}, {"list", service_ask_list}};
	const char *name = argc > 1 ? argv[1] : "";
	char full[64];

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		command_help(stdout, &command_service);
		return EXIT_OK;
	}
	for (size_t i = 0; i < PEEL_ARRAY_LEN(parts); i++) {
		if (strcmp(name, parts[i].name) != 0)
			continue;
		snprintf(full, sizeof(full), "%s %s", argv[0], name);
		argv[1] = full; /* what getopt_long begins its errors with */
		return parts[i].run(argc - 1, argv + 1);
	}
	return command_wrong(
		&command_service, "first say what to do: publish, connect, join, leave or list");
}

const struct command command_service = {
	.name = "service",
	.about = "offer a UDP service without telling where it is, or use one",
	.usage = "service publish --name NAME --to ADDRESS:PORT [--hops N] [--key FILE]\n"
		 "       peel service connect --name NAME --listen ADDRESS:PORT [--hops N]\n"
		 "       peel service join -c FILE [--publish | --both] NAME[/HOPS]\n"
		 "       peel service leave -c FILE NAME\n"
		 "       peel service list -c FILE [--pretty]",
	.help = "publish: others reach the UDP program at ADDRESS:PORT through circuits of both\n"
		"sides. Each peer is a UDP port of its own to that program.\n"
		"connect: datagrams of local programs to ADDRESS:PORT go to a peer of the\n"
		"service, and its answers come back. Each local address talks to one peer, and\n"
		"has it for itself.\n"
		"Both run until SIGINT or SIGTERM. Lines on standard output tell how many\n"
		"introduction points and peers there are, and how many bytes went through.\n\n"
		"options of publish and connect:\n"
		"      --name NAME            the service: both sides give the same name\n"
		"      --info-hash HEX        its identifier, 40 digits, instead of a name\n"
		"      --tribler              HEX is the info hash of a torrent of Tribler's "
		"users\n"
		"      --to ADDRESS:PORT      publish: the program that serves\n"
		"      --listen ADDRESS:PORT  connect: where local programs send to\n"
		"      --key FILE             publish: keep the service's key in FILE, which is\n"
		"                             made when it is missing; otherwise a fresh key\n"
		"  -n, --hops N               relays of this side, 1 to 7 (3)\n"
		"      --idle SECONDS         a silent peer's socket, or a silent local address,\n"
		"                             is forgotten after this time (300)\n"
		"      --quiet                only errors and warnings\n" TOOL_HELP_NETWORK "\n"
		"join, leave and list tell a running `peel client` what to do. NAME may also be\n"
		"id:HEX, with the digits that publish prints (a name with spaces must), or\n"
		"torrent:HEX. Peers get addresses in 127.192.0.0/10, to which programs send\n"
		"through the SOCKS5 listener of HOPS hops (3).\n\n"
		"options of join, leave and list:\n"
		"  -c, --config FILE          the configuration the client runs with\n"
		"  -s, --socket SOCKET        its management socket, instead of -c\n"
		"      --publish              join: be found there instead of connecting\n"
		"      --both                 join: be found there, and connect\n"
		"  -p, --pretty               list: indented, for people\n"
		"  -h, --help                 this text\n\n"
		"exit codes: 0 ended as asked, 1 could not go on, 2 wrong arguments or\n"
		"configuration\n",
	.run = run,
};
