/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "cmd.h"
#include "output.h"
#include "peel_internal.h"
#include "session.h"

static void
on_ready(void *arg)
{
	struct session *s = arg;
	struct peel_address local;
	char text[64];

	peel_local_address(s->peel, &local);
	output_print(PEEL_OUTPUT, "ready %s\n", peel_address_text(&local, text, sizeof(text)));
}

static int
run(int argc, char **argv)
{
	static struct session s;
	int code = command_node(&peel_command_relay, PEEL_CONF_RELAY, argc, argv, &s.conf);

	if (code >= 0)
		return code;
	code = EXIT_FAILED;
	if (session_open(&s) == 0) {
		peel_node_on_ready(peel_get_node(s.peel), on_ready, &s);
		if (session_run(&s) == 0 && !s.failed)
			code = EXIT_OK;
		session_close(&s);
	}
	output_finish(PEEL_OUTPUT_PATIENCE_MS);
	return code;
}

const struct command peel_command_relay = {
	.name = "relay",
	.about = "run a relay, or an exit",
	.usage = "relay -c FILE [--check] | --sample",
	.help = "Runs a node as its configuration says (config/relay.ini documents every\n"
		"setting). When it is up, it prints `ready ADDRESS:PORT` on standard output; the\n"
		"log goes to standard error.\n\n"
		"options:\n"
		"  -c, --config FILE  the configuration\n"
		"      --check        only look for mistakes in the file and on this machine:\n"
		"                     prints each as FILE:LINE: [section] key: what is wrong,\n"
		"                     and keeps nothing open\n"
		"      --sample       print a configuration with every setting and its meaning\n"
		"  -h, --help         this text\n\n"
		"signals:\n"
		"  SIGTERM, SIGINT    say goodbye to neighbours and end; a second one ends\n"
		"                     at once\n"
		"  SIGUSR1            print the status on standard output, one line of JSON\n"
		"  SIGHUP             ignored\n\n"
		"exit codes: 0 ended as asked, 1 could not go on,\n"
		"2 wrong arguments or configuration\n",
	.run = run,
};
