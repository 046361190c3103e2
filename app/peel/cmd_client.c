/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "output.h"
#include "proxy.h"

struct client {
	struct session session;
	struct proxy *proxy;
};

static void
on_interrupt(void *arg)
{
	struct client *c = arg;

	proxy_close(c->proxy);
}

static int
start(struct client *c)
{
	struct session *s = &c->session;
	struct peel_address local;
	char why[512] = "", text[64];
	int ret;

	if (session_open(s) != 0)
		return EXIT_FAILED;
	ret = proxy_open(s, &c->proxy, why, sizeof(why));
	if (ret == 0) {
		s->on_interrupt = on_interrupt;
		s->arg = c;
		proxy_print(c->proxy);
		peel_local_address(s->peel, &local);
		output_print(
			PEEL_OUTPUT, "ready %s\n", peel_address_text(&local, text, sizeof(text)));
	} else {
		peel_log(PEEL_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-ret));
		proxy_close(c->proxy);
	}
	if ((session_run(s) != 0 || !s->interrupted) && ret == 0) { /* the node failed */
		ret = -EIO;
		proxy_close(c->proxy);
	}
	session_close(s);
	proxy_free(c->proxy);
	return ret == 0 ? EXIT_OK : EXIT_FAILED;
}

static int
run(int argc, char **argv)
{
	static struct client client;
	int code = command_node(
		&peel_command_client, PEEL_CONF_CLIENT, argc, argv, &client.session.conf);

	if (code >= 0)
		return code;
	code = start(&client);
	output_finish(PEEL_OUTPUT_PATIENCE_MS);
	return code;
}

const struct command peel_command_client = {
	.name = "client",
	.about = "send the traffic of other programs through circuits",
	.usage = "client -c FILE [--check] | --sample",
	.help = "Runs a node that builds circuits, and SOCKS5 listeners that lead into them: one\n"
		"for each number of hops (config/client.ini documents every setting). Programs\n"
		"send UDP through it, and HTTP requests to BitTorrent trackers. When it listens,\n"
		"it prints on standard output `socks HOPS ADDRESS:PORT` for each listener, then\n"
		"`ready ADDRESS:PORT`, the node's own address. The log on standard error tells\n"
		"when circuits are ready.\n\n"
		"options:\n"
		"  -c, --config FILE  the configuration\n"
		"      --check        only look for mistakes in the file and on this machine\n"
		"      --sample       print a configuration with every setting and its meaning\n"
		"  -h, --help         this text\n\n"
		"signals:\n"
		"  SIGTERM, SIGINT    close all circuits and end; a second one ends at once\n"
		"  SIGUSR1            print the status on standard output, one line of JSON\n"
		"  SIGHUP             ignored\n\n"
		"exit codes: 0 ended as asked, 1 could not go on,\n"
		"2 wrong arguments or configuration\n",
	.run = run,
};
