/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel client`: a session with SOCKS listeners in front of its circuits.
 */
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "proxy.h"

static void
on_interrupt(void *arg)
{
	proxy_close(arg);
}

static int
run(int argc, char **argv)
{
	static struct session s = {.lasting = true};
	int rc, code = command_node(&command_client, CONF_FOR_CLIENT, argc, argv, &s.conf);
	struct proxy *proxy;
	char why[512] = "";

	if (code >= 0)
		return code;
	if (session_open(&s) != 0)
		return EXIT_FAILED;
	rc = proxy_open(&s, &proxy, why, sizeof(why));
	if (rc == 0) {
		s.on_interrupt = on_interrupt;
		s.arg = proxy;
		proxy_print(proxy);
		session_print_ready(&s);
		if (session_run(&s) != 0 || !s.interrupted) /* the node failed */
			rc = -EIO;
	} else {
		peel_log(PEEL_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-rc));
	}
	if (rc != 0)
		proxy_close(proxy); /* its listeners end with the loop */
	session_close(&s);
	proxy_free(proxy);
	return rc == 0 ? EXIT_OK : EXIT_FAILED;
}

const struct command command_client = {
	.name = "client",
	.about = "send the traffic of other programs through circuits",
	.usage = "client -c FILE [--check] | --sample",
	.help = "Runs a node that builds circuits, and SOCKS5 listeners that lead into them: one\n"
		"for each number of hops (--sample and the manual page peel.ini(5) document every\n"
		"setting). Programs send UDP through it, and HTTP requests to BitTorrent "
		"trackers.\n"
		"When it listens, it prints on standard output `socks HOPS ADDRESS:PORT` for each\n"
		"listener, then `ready ADDRESS:PORT`, the node's own address. The log on standard\n"
		"error tells when circuits are ready.\n\n"
		"options:\n"
		"  -c, --config FILE  the configuration\n"
		"      --check        only look for mistakes in the file and on this machine\n"
		"      --sample       print a configuration with every setting and its meaning\n"
		"  -h, --help         this text\n\n"
		"signals:\n"
		"  SIGTERM, SIGINT    close all circuits and end; a second one ends at once. With\n"
		"                     shutdown_wait in [node], the first one waits for those of\n"
		"                     others to end, as `peel drain` does\n"
		"  SIGUSR1            print the status on standard output, one line of JSON\n"
		"  SIGHUP             read the configuration again (`peel reload --help`)\n\n"
		"exit codes: 0 ended as asked, 1 could not go on,\n"
		"2 wrong arguments or configuration\n",
	.run = run,
};
