/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel send`: one datagram through a circuit, and what comes back.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "tool.h"

struct sender {
	struct tool tool;
	struct peel_address to;
	uint8_t message[PEEL_PAYLOAD_MAX + 1];
	size_t len;
	unsigned int wait; /* seconds for answers */
	bool hex, sent;
	unsigned int answers;
	uv_timer_t end;
};

static void
print_payload(FILE *f, const uint8_t *p, size_t len, bool hex)
{
	for (size_t i = 0; i < len && !hex; i++)
		hex = !isprint(p[i]) && p[i] != '\n' && p[i] != '\t';
	if (!hex) {
		fwrite(p, 1, len, f);
		if (len == 0 || p[len - 1] != '\n')
			putc('\n', f);
		return;
	}
	for (size_t i = 0; i < len; i++)
		fprintf(f, "%02x%s", p[i], i + 1 == len ? "\n" : i % 32 == 31 ? "\n" : "");
	if (len == 0)
		putc('\n', f);
}

static void
on_data(void *arg, struct peel *peel, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct sender *s = arg;
	char from[300], *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)peel;
	(void)circuit;
	output_print(OUTPUT_STDERR, "%s, %zu bytes:\n",
		peel_address_text(origin, from, sizeof(from)), len);
	if (f != NULL) {
		print_payload(f, payload, len, s->hex);
		if (fclose(f) == 0)
			output_write(OUTPUT_STDOUT, text, size);
		free(text);
	}
	s->answers++;
}

static void
on_end(uv_timer_t *timer)
{
	struct sender *s = timer->data;

	if (s->answers == 0 && s->wait > 0)
		tool_fail(&s->tool,
			"no answer within %u s (most exits let out only what looks like "
			"BitTorrent)",
			s->wait);
	session_stop(&s->tool.session);
}

static void
on_ready(struct tool *t)
{
	struct sender *s = t->arg;
	char hops[16];
	int rc;

	if (s->sent)
		return;
	rc = peel_tunnel_data(t->session.peel, t->circuit, &s->to, PEEL_DATA, s->message, s->len);
	if (rc != 0) {
		tool_fail(t, "%s", peel_strerror(rc));
		return;
	}
	s->sent = true;
	output_print(OUTPUT_STDERR, "sent %zu bytes through %s\n", s->len, tool_hops(t, hops));
	uv_timer_init(&t->session.loop, &s->end);
	s->end.data = s;
	/* A moment even when nobody waits: it still has to leave. */
	uv_timer_start(&s->end, on_end, s->wait > 0 ? s->wait * 1000 : 200, 0);
}

static void
on_start(struct tool *t)
{
	peel_on_data(t->session.peel, on_data, t->arg);
}

/* HOST PORT [MESSAGE] */
static int
take_arguments(struct sender *s, int argc, char **argv)
{
	unsigned int port;
	int rc;

	if (argc < 2 || argc > 3)
		return command_wrong(&command_send, "needs a host and a port, and maybe a message");
	rc = command_number(&command_send, "PORT", argv[1], 1, 65535, &port);
	if (rc != EXIT_OK)
		return rc;
	if (peel_address_set(&s->to, argv[0], (uint16_t)port) != 0)
		return command_wrong(
			&command_send, "\"%s\" is neither an address nor a name", argv[0]);
	if (argc == 3) {
		s->len = strlen(argv[2]);
		if (s->len <= PEEL_PAYLOAD_MAX)
			memcpy(s->message, argv[2], s->len);
	} else {
		s->len = fread(s->message, 1, sizeof(s->message), stdin);
	}
	if (s->len > PEEL_PAYLOAD_MAX) {
		fprintf(stderr, "peel send: a message has at most %d bytes\n", PEEL_PAYLOAD_MAX);
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static int
run(int argc, char **argv)
{
	static const struct option options[] = {TOOL_LONG, {"wait", required_argument, NULL, 'w'},
		{"hex", no_argument, NULL, 'x'}, {NULL, 0, NULL, 0}};
	static struct sender s;
	int o, rc = EXIT_OK;

	tool_init(&s.tool, &command_send);
	s.tool.on_ready = on_ready;
	s.tool.arg = &s;
	s.wait = 3;
	while (rc == EXIT_OK &&
		(o = getopt_long(argc, argv, TOOL_SHORT "w:x", options, NULL)) != -1) {
		if (o == 'w')
			rc = command_number(&command_send, "--wait", optarg, 0, 3600, &s.wait);
		else if (o == 'x')
			s.hex = true;
		else
			rc = tool_option(&s.tool, o, optarg);
	}
	if (rc == EXIT_OK)
		rc = take_arguments(&s, argc - optind, argv + optind);
	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	s.tool.on_start = on_start;
	return tool_run(&s.tool);
}

const struct command command_send = {
	.name = "send",
	.about = "send a datagram through a circuit and print what comes back",
	.usage = "send [-c FILE] [-b HOST:PORT]... [--hops N] [--wait SECONDS] [--hex] HOST PORT "
		 "[MESSAGE]",
	.help = "Builds a circuit, sends MESSAGE (or standard input, up to 1600 bytes) from its\n"
		"end to HOST, and prints the answers: their payload on standard output, their\n"
		"senders on standard error. Bytes that are not text are printed in hexadecimal.\n"
		"Most exits let only BitTorrent and IPv8 datagrams pass.\n\n"
		"options:\n" TOOL_HELP
		"      --wait SECONDS         how long to wait for answers (3)\n"
		"      --hex                  print all answers in hexadecimal\n"
		"  -h, --help                 this text\n\n"
		"exit codes: 0 answered (or --wait 0), 1 no circuit, no answer or another\n"
		"failure, 2 wrong arguments or configuration\n",
	.run = run,
};
