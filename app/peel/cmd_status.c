/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd.h"
#include "conf.h"

#define ANSWER_SECONDS 5

struct request {
	const char *socket;
	const char *what; /* status, circuits, ... */
	bool pretty;
	unsigned int watch; /* seconds; 0: once */
};

static int
connect_to(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	int fd, ret;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A node that hangs must not hang whoever looks why. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

/* Ask, and copy the answer to standard output. */
static int
ask(const struct request *r)
{
	char buffer[16384];
	size_t total = 0;
	ssize_t n;
	int fd = connect_to(r->socket), ret = 0;

	if (fd < 0)
		return fd;
	n = snprintf(buffer, sizeof(buffer), "%s%s\n", r->what, r->pretty ? " pretty" : "");
	if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
		ret = -errno;
	while (ret == 0 && (n = read(fd, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			ret = errno == EAGAIN ? -ETIMEDOUT : -errno;
		else if (fwrite(buffer, 1, (size_t)n, stdout) != (size_t)n)
			ret = -EIO;
		else
			total += (size_t)n;
	}
	close(fd);
	if (ret == 0 && total == 0)
		ret = -ECONNRESET;
	return fflush(stdout) == 0 || ret != 0 ? ret : -EIO;
}

static int
ask_and_tell(const struct request *r)
{
	int ret = ask(r);

	if (ret == 0)
		return EXIT_OK;
	fprintf(stderr, "peel status: %s: %s%s\n", r->socket, strerror(-ret),
		ret == -ENOENT || ret == -ECONNREFUSED ? " (does the node run?)" : "");
	return EXIT_FAILED;
}

static int
parse_options(int argc, char **argv, struct request *r, const char **config)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 's'}, {"pretty", no_argument, NULL, 'p'},
		{"watch", optional_argument, NULL, 'w'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	char *end;
	int o;

	while ((o = getopt_long(argc, argv, "c:s:ph", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			*config = optarg;
			break;
		case 's':
			r->socket = optarg;
			break;
		case 'p':
			r->pretty = true;
			break;
		case 'w':
			r->watch = 1;
			if (optarg == NULL)
				break;
			r->watch = (unsigned int)strtoul(optarg, &end, 10);
			if (*end != '\0' || r->watch < 1 || r->watch > 3600) {
				fprintf(stderr, "peel status: --watch takes 1 to 3600 seconds\n");
				return peel_command_usage_error(&peel_command_status);
			}
			break;
		case 'h':
			peel_command_help(stdout, &peel_command_status);
			return -1;
		default:
			return peel_command_usage_error(&peel_command_status);
		}
	}
	return EXIT_OK;
}

static bool
known(const char *what)
{
	static const char *const all[] = {"status", "circuits", "peers", "stats"};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(all); i++) {
		if (strcmp(what, all[i]) == 0)
			return true;
	}
	return false;
}

static int
run(int argc, char **argv)
{
	static struct peel_conf conf;
	struct request r = {.what = "status"};
	const char *config = NULL;
	int ret = parse_options(argc, argv, &r, &config);

	if (ret != EXIT_OK)
		return ret < 0 ? EXIT_OK : ret;
	if (optind < argc)
		r.what = argv[optind++];
	if (optind != argc || !known(r.what) || (config == NULL) == (r.socket == NULL)) {
		if (config == NULL && r.socket == NULL)
			fprintf(stderr, "peel status: which node? Give -c FILE or -s SOCKET\n");
		else if (config != NULL && r.socket != NULL)
			fprintf(stderr, "peel status: give -c or -s, not both\n");
		else
			fprintf(stderr, "peel status: \"%s\" is not understood\n",
				optind != argc ? argv[optind] : r.what);
		return peel_command_usage_error(&peel_command_status);
	}
	if (config != NULL) {
		ret = peel_command_load(config, &conf);
		if (ret != 0)
			return ret;
		if (conf.node.management[0] == '\0') {
			fprintf(stderr,
				"%s: [node] management: is not set, so there is no socket to ask\n",
				config);
			return EXIT_USAGE;
		}
		r.socket = conf.node.management;
	}
	ret = ask_and_tell(&r);
	while (r.watch > 0 && ret == EXIT_OK) {
		sleep(r.watch);
		ret = ask_and_tell(&r);
	}
	return ret;
}

const struct peel_command peel_command_status = {
	.name = "status",
	.about = "ask a running node what it is doing",
	.usage = "status -c FILE [--pretty] [--watch[=SECONDS]] [status|circuits|peers|stats]",
	.help = "Prints what a running node says about itself, as JSON: its status, or only its "
		"circuits,\n"
		"its peers, or its counters. The configuration must name a management socket.\n\n"
		"options:\n"
		"  -c, --config FILE      the configuration the node runs with\n"
		"  -s, --socket SOCKET    its management socket, instead of -c\n"
		"  -p, --pretty           indented, for people\n"
		"      --watch[=SECONDS]  again and again, every second unless told\n"
		"  -h, --help             this text\n",
	.run = run,
};
