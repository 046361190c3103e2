/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <uv.h>

#include "cmd.h"
#include "conf.h"
#include "eal.h"
#include "log.h"
#include "output.h"
#include "peel_aead_engines.h"
#include "privileges.h"

struct relay {
	struct peel_conf conf;
	struct peel_node *node;
	struct peel_node_privileges privileges;
	uv_signal_t term, interrupt, status;
};

static void
on_ready(void *arg)
{
	struct relay *r = arg;
	struct peel_addr local;
	char text[PEEL_ADDR_TEXT_MAX];

	peel_node_local(r->node, &local);
	peel_output_print(PEEL_OUTPUT, "ready %s\n", peel_addr_text(&local, text));
}

static void
on_term(uv_signal_t *handle, int number)
{
	struct relay *r = handle->data;

	(void)number;
	/* No longer watched, a second signal has its default effect: the end, at once. */
	uv_signal_stop(&r->term);
	uv_signal_stop(&r->interrupt);
	peel_log(PEEL_LOG_INFO, "stopping");
	peel_node_stop(r->node);
}

static void
on_status(uv_signal_t *handle, int number)
{
	struct relay *r = handle->data;
	char *text = peel_node_status(r->node, false);

	(void)number;
	peel_command_print_status(text);
}

static int
watch_signals(struct relay *r)
{
	uv_loop_t *loop = peel_node_loop(r->node);
	int ret;

	uv_signal_init(loop, &r->term);
	uv_signal_init(loop, &r->interrupt);
	uv_signal_init(loop, &r->status);
	r->term.data = r->interrupt.data = r->status.data = r;
	ret = uv_signal_start(&r->term, on_term, SIGTERM);
	if (ret == 0)
		ret = uv_signal_start(&r->interrupt, on_term, SIGINT);
	if (ret == 0)
		ret = uv_signal_start(&r->status, on_status, SIGUSR1);
	return ret;
}

static void
log_start(const struct relay *r)
{
	const struct peel_node_conf *n = &r->conf.node;

	peel_log(PEEL_LOG_INFO, "peel %s: %u worker%s, port driver %s, AEAD engine %s",
		PEEL_VERSION, n->n_workers, n->n_workers == 1 ? "" : "s", n->port->name,
		n->engine->name);
	if (n->n_bootstrap + n->n_bootstrap_names == 0)
		peel_log(PEEL_LOG_WARNING,
			"no bootstrap servers: this node waits for others to find it");
}

/* From EAL to the end of the loop. */
static int
run_node(struct relay *r)
{
	char why[512] = "";
	int ret = peel_node_new(&r->conf.node, &r->node, why, sizeof(why));

	if (ret != 0) {
		peel_log(PEEL_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-ret));
		return ret;
	}
	ret = peel_privileges_drop(&r->conf, &r->privileges, why, sizeof(why));
	if (ret == 0)
		ret = peel_privileges_confine(&r->conf, &r->privileges, why, sizeof(why));
	if (ret == 0) {
		peel_node_set_privileges(r->node, &r->privileges);
		ret = watch_signals(r);
		peel_node_on_ready(r->node, on_ready, r);
	}
	if (ret == 0)
		ret = peel_node_run(r->node);
	if (ret != 0)
		peel_log(PEEL_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-ret));
	peel_node_free(r->node);
	return ret;
}

static int
start(struct relay *r)
{
	struct peel_eal_plan plan;
	char why[512] = "", text[384];
	int ret = peel_eal_plan(&r->conf, &plan, why, sizeof(why));

	if (ret == 0) {
		r->conf.node.n_mbufs = plan.n_mbufs;
		if (r->conf.node.engine == NULL)
			r->conf.node.engine = peel_aead_engine_best();
		log_start(r);
		peel_log(PEEL_LOG_INFO, "%s", peel_eal_plan_text(&plan, text, sizeof(text)));
		ret = peel_eal_start(&r->conf, &plan, why, sizeof(why));
		if (ret == 0)
			ret = peel_output_start();
	}
	if (ret != 0) {
		peel_log(PEEL_LOG_ERROR, "%s", why[0] != '\0' ? why : strerror(-ret));
		return EXIT_FAILED;
	}
	ret = run_node(r);
	peel_eal_stop();
	return ret == 0 ? EXIT_OK : EXIT_FAILED;
}

static int
run(int argc, char **argv)
{
	static struct relay relay;
	int code = peel_command_node(&peel_command_relay, PEEL_CONF_RELAY, argc, argv, &relay.conf);

	if (code >= 0)
		return code;
	code = start(&relay);
	peel_output_finish(PEEL_OUTPUT_PATIENCE_MS);
	return code;
}

const struct peel_command peel_command_relay = {
	.name = "relay",
	.about = "run a relay, or an exit",
	.usage = "relay -c FILE [--check] | --sample",
	.help = "Runs a node as its configuration says (config/relay.ini documents every setting). "
		"When it\n"
		"is up, it prints `ready ADDRESS:PORT` on standard output; the log goes to "
		"standard error.\n\n"
		"options:\n"
		"  -c, --config FILE  the configuration\n"
		"      --check        only look for mistakes, in the file and on this machine: "
		"prints each\n"
		"                     as FILE:LINE: [section] key: what is wrong, and opens "
		"nothing\n"
		"      --sample       print a configuration with every setting and its meaning\n"
		"  -h, --help         this text\n\n"
		"signals:\n"
		"  SIGTERM, SIGINT    say good-bye to neighbours and end; a second one ends at "
		"once\n"
		"  SIGUSR1            print the status on standard output, one line of JSON\n"
		"  SIGHUP             nothing\n\n"
		"exit codes: 0 ended as asked, 1 could not go on, 2 wrong arguments or "
		"configuration\n",
	.run = run,
};
