/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel relay`: a session, and nothing beside it.
 */
#include "cmd.h"
#include "session.h"

static void
on_ready(void *arg)
{
	session_print_ready(arg);
}

static int
run(int argc, char **argv)
{
	static struct session s = {.lasting = true, .on_ready = on_ready, .arg = &s};
	int code = command_node(&command_relay, CONF_FOR_RELAY, argc, argv, &s.conf);

	if (code >= 0)
		return code;
	if (session_open(&s) != 0)
		return EXIT_FAILED;
	code = session_run(&s) == 0 && !s.failed ? EXIT_OK : EXIT_FAILED;
	session_close(&s);
	return code;
}

const struct command command_relay = {
	.name = "relay",
	.about = "run a relay, or an exit",
	.usage = "relay -c FILE [--check] | --sample",
	.help = "Runs a node as its configuration says (--sample and the manual page peel.ini(5)\n"
		"document every setting). When it is up, it prints `ready ADDRESS:PORT` on\n"
		"standard output; the log goes to standard error.\n\n"
		"options:\n"
		"  -c, --config FILE  the configuration\n"
		"      --check        only look for mistakes in the file and on this machine:\n"
		"                     prints each as FILE:LINE: [section] key: what is wrong,\n"
		"                     and keeps nothing open\n"
		"      --sample       print a configuration with every setting and its meaning\n"
		"  -h, --help         this text\n\n"
		"signals:\n"
		"  SIGTERM, SIGINT    say goodbye to neighbours and end; a second one ends\n"
		"                     at once. With shutdown_wait in [node], the first one waits\n"
		"                     for circuits to end, as `peel drain` does\n"
		"  SIGUSR1            print the status on standard output, one line of JSON\n"
		"  SIGHUP             read the configuration again (`peel reload --help`)\n\n"
		"exit codes: 0 ended as asked, 1 could not go on,\n"
		"2 wrong arguments or configuration\n",
	.run = run,
};
