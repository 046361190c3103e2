/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * One question, one answer, over the management socket of a node.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "management_client.h"

#define ANSWER_SECONDS 5

static int
connect_to(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	int fd, rc;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A node that hangs must not hang the one who looks why. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* Where an answer is, to notice one that was cut off: it is one JSON value and a line feed. */
struct place {
	unsigned int depth; /* brackets that are open */
	bool in_string, escaped, whole;
};

static void
follow(struct place *p, const char *text, size_t len)
{
	for (const char *c = text; c < text + len; c++) {
		if (p->escaped) {
			p->escaped = false;
			continue;
		}
		p->escaped = p->in_string && *c == '\\';
		p->in_string ^= *c == '"' && !p->escaped;
		if (!p->in_string)
			p->depth += (*c == '{' || *c == '[') - (*c == '}' || *c == ']');
		p->whole = *c == '\n' && p->depth == 0;
	}
}

int
management_ask(const char *socket_path, const char *what, bool pretty, FILE *out)
{
	char buffer[16384];
	struct place place = {0};
	size_t total = 0;
	ssize_t n;
	int fd = connect_to(socket_path), rc = 0;

	if (fd < 0)
		return fd;
	n = snprintf(buffer, sizeof(buffer), "%s%s\n", what, pretty ? " pretty" : "");
	if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
		rc = -errno;
	while (rc == 0 && (n = read(fd, buffer, sizeof(buffer))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = errno == EAGAIN ? -ETIMEDOUT : -errno;
		else if (fwrite(buffer, 1, (size_t)n, out) != (size_t)n)
			rc = -EIO;
		else
			follow(&place, buffer, (size_t)n);
		total += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (rc == 0 && !place.whole)
		rc = total == 0 ? -ECONNRESET : -EPIPE;
	return fflush(out) == 0 || rc != 0 ? rc : -EIO;
}

int
management_failed(const struct command *command, const char *socket_path, int error)
{
	fprintf(stderr, "peel %s: %s: %s%s\n", command->name, socket_path,
		error == -EPIPE ? "the answer was cut off: the node ended, or was kept waiting "
				  "for a minute"
				: strerror(-error),
		error == -ENOENT || error == -ECONNREFUSED ? " (does the node run?)" : "");
	return EXIT_FAILED;
}

/* @p out is the caller's to free, also after an error. */
static int
into_memory(const char *socket_path, const char *what, bool pretty, char **out)
{
	size_t size;
	FILE *f;
	int rc;

	*out = NULL;
	f = open_memstream(out, &size);
	rc = f != NULL ? management_ask(socket_path, what, pretty, f) : -ENOMEM;
	if (f != NULL)
		fclose(f);
	return rc;
}

int
management_json(const char *socket_path, const char *what, json_t **out)
{
	char *text;
	int rc = into_memory(socket_path, what, false, &text);

	*out = rc == 0 ? json_loads(text, 0, NULL) : NULL;
	free(text);
	return rc == 0 && *out == NULL ? -EPROTO : rc;
}

static int
print(const struct command *command, const char *answer)
{
	json_t *o = json_loads(answer, 0, NULL);
	const char *error = json_string_value(json_object_get(o, "error"));

	if (error != NULL)
		fprintf(stderr, "peel %s: %s\n", command->name, error);
	else
		fputs(answer, stdout);
	json_decref(o);
	return error != NULL ? EXIT_FAILED : EXIT_OK;
}

int
management_tell(
	const struct command *command, const char *socket_path, const char *what, bool pretty)
{
	char *answer;
	int rc = into_memory(socket_path, what, pretty, &answer);

	rc = rc == 0 ? print(command, answer) : management_failed(command, socket_path, rc);
	free(answer);
	return rc;
}

int
management_option(const struct command *command, int o, struct management_node *node)
{
	switch (o) {
	case 'c':
		node->config = optarg;
		return EXIT_OK;
	case 's':
		node->socket = optarg;
		return EXIT_OK;
	case 'h':
		command_help(stdout, command);
		return -1;
	default:
		return command_usage_error(command);
	}
}

int
management_options(
	const struct command *command, int argc, char **argv, struct management_node *node)
{
	static const struct option list[] = {MANAGEMENT_OPTIONS};
	int o, rc = EXIT_OK;

	while (rc == EXIT_OK && (o = getopt_long(argc, argv, MANAGEMENT_LETTERS, list, NULL)) != -1)
		rc = management_option(command, o, node);
	return rc;
}

int
management_find(const struct command *command, struct management_node *node)
{
	static struct conf conf;

	if (node->config == NULL && node->socket == NULL)
		return command_wrong(command, "which node? Give -c FILE or -s SOCKET");
	if (node->config != NULL && node->socket != NULL)
		return command_wrong(command, "give -c or -s, not both");
	if (node->config == NULL)
		return EXIT_OK;
	if (command_load(CONF_FOR_ANY, node->config, &conf) != 0)
		return EXIT_USAGE;
	node->socket = conf.node.management;
	if (conf.node.management[0] != '\0')
		return EXIT_OK;
	fprintf(stderr, "%s: [node] management: is not set, so there is no socket to ask\n",
		node->config);
	return EXIT_USAGE;
}
