/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Whether this machine has what the configuration asks for; checked before anything is opened.
 */
#include <errno.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "await.h"
#include "conf_table.h"
#include "eal_plan.h"
#include "host_facts.h"
#include "notice_file.h"
#include "peel_aead_engines.h"

static void
check_key(const struct conf *c, struct conf_errors *e)
{
	struct peel_identity id;
	char why[384] = "";

	if (c->node.key_file[0] == '\0')
		return; /* a fresh one */
	if (peel_identity_load(c->node.key_file, &id, why, sizeof(why)) != 0) {
		bool missing = access(c->node.key_file, F_OK) != 0 && errno == ENOENT;

		conf_note(e, CONF_node_key, missing ? "%s (`peel keygen %s` makes a key)" : "%s",
			why, c->node.key_file);
		return;
	}
	peel_identity_wipe(&id);
}

/* @return 0, or -errno if files cannot be made in the folder of @p path, which becomes @p folder */
static int
reach_folder(const char *path, char *folder, size_t size)
{
	char *slash;

	snprintf(folder, size, "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL)
		snprintf(folder, size, ".");
	else
		slash[slash == folder] = '\0';
	return access(folder, W_OK | X_OK) == 0 ? 0 : -errno;
}

static void
note_folder(struct conf_errors *e, enum conf_id id, const char *what, const char *folder, int rc)
{
	conf_note(e, id, "%s %s: %s%s%s%s", what, folder, strerror(-rc),
		rc == -ENOENT ? " (`install -d -m 700 " : "", rc == -ENOENT ? folder : "",
		rc == -ENOENT ? "` makes the folder)" : "");
}

static void
check_management(const struct conf *c, struct conf_errors *e)
{
	char folder[sizeof(c->node.management)];
	struct stat st;
	int rc;

	if (c->node.management[0] == '\0')
		return;
	if (lstat(c->node.management, &st) == 0 && !S_ISSOCK(st.st_mode))
		conf_wrong(e, CONF_node_management,
			"%s exists and is no socket: it will not be replaced", c->node.management);
	rc = reach_folder(c->node.management, folder, sizeof(folder));
	if (rc != 0)
		note_folder(e, CONF_node_management, "cannot make a socket in", folder, rc);
}

/* As this user: the node may be another one, and says so at its start. */
static void
check_log_file(const struct conf *c, struct conf_errors *e)
{
	char folder[sizeof(c->log_file)];
	struct stat st;
	int rc;

	if (c->log_file[0] == '\0')
		return;
	if (stat(c->log_file, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			conf_wrong(e, CONF_log_file, "%s exists and is no file", c->log_file);
		else if (access(c->log_file, W_OK) != 0)
			conf_wrong(e, CONF_log_file, "cannot write %s: %s", c->log_file,
				strerror(errno));
		return;
	}
	rc = reach_folder(c->log_file, folder, sizeof(folder));
	if (rc != 0)
		note_folder(e, CONF_log_file, "cannot make a file in", folder, rc);
}

static void
check_notice(const struct conf *c, struct conf_errors *e)
{
	char why[384], *text;

	if (c->notice.file[0] == '\0')
		return;
	text = notice_file_read(c->notice.file, why, sizeof(why));
	if (text == NULL)
		conf_note(e, CONF_exit_notice, "%s", why);
	free(text);
}

/* Found out once: a node that is confined cannot ask. 0: unknown. */
static size_t
memory_of_machine(void)
{
	static long pages;

	if (pages == 0)
		pages = sysconf(_SC_PHYS_PAGES);
	return pages > 0 ? (size_t)pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

bool
conf_accounts_fit(const struct conf *c, char *why, size_t why_size)
{
	uint32_t sockets = c->node.port_conf.max_endpoints;
	size_t bytes = peel_circuit_limits_bytes(&c->node.circuit, sockets);
	size_t memory = memory_of_machine();

	if (memory == 0 || bytes <= memory / 2)
		return true;
	snprintf(why, why_size,
		"[exit] circuit_destinations: %u hosts for each of max_sockets = %u take up to %zu "
		"MiB, more than half of this machine's memory (%zu MiB): lower one of them",
		c->node.circuit.destinations, sockets, bytes >> 20, memory >> 20);
	return false;
}

/* What they take is touched bit by bit: it would be missed when the exit is busy. */
static void
check_accounts(const struct conf *c, struct conf_errors *e)
{
	char why[CONF_WHY_MAX];

	if (!conf_accounts_fit(c, why, sizeof(why)))
		conf_error(e, c->line[CONF_exit_circuit_destinations], NULL, NULL, "%s", why);
}

static void
check_user(const struct conf *c, struct conf_errors *e)
{
	const struct passwd *pw;

	if (c->user[0] == '\0')
		return;
	pw = getpwnam(c->user);
	if (pw == NULL)
		conf_wrong(e, CONF_node_user, "%s is not known here", c->user);
	else if (geteuid() != 0 && geteuid() != pw->pw_uid)
		conf_wrong(e, CONF_node_user, "only root can become %s", c->user);
}

static void
check_cpus(const struct conf *c, struct conf_errors *e)
{
	cpu_set_t have;
	char list[256];

	if (sched_getaffinity(0, sizeof(have), &have) != 0)
		return;
	peel_cpu_list(&have, list, sizeof(list));
	for (unsigned int i = 0; i < c->node.n_workers; i++) {
		int core = c->node.core[i];

		if (core >= 0 && !CPU_ISSET(core, &have))
			conf_wrong(e, CONF_workers_cores,
				"there is no CPU %d for this program, only %s", core, list);
	}
	if (c->node.control_core >= 0 && !CPU_ISSET(c->node.control_core, &have))
		conf_wrong(e, CONF_workers_control_core,
			"there is no CPU %d for this program, only %s", c->node.control_core, list);
}

static void
check_engine(const struct conf *c, struct conf_errors *e)
{
	if (c->node.engine == NULL && peel_aead_engine_best() == NULL)
		conf_wrong(e, CONF_aead_engine, "no engine works on this CPU");
	else if (c->node.engine != NULL && peel_aead_self_test(c->node.engine) != 0)
		conf_wrong(
			e, CONF_aead_engine, "%s does not work on this CPU", c->node.engine->name);
}

/* An address that is missing may still come: see await.h. */
static void
check_bind(const struct conf *c, struct conf_errors *e)
{
	struct awaited list[AWAITED_MAX];
	unsigned int n = await_list(c, list);

	for (unsigned int i = 0; i < n; i++) {
		int rc = await_bind(&list[i].addr);

		if (rc != 0 && rc != -EADDRNOTAVAIL)
			conf_wrong(e, list[i].id, "cannot be bound to: %s", strerror(-rc));
	}
}

static void
check_device(const struct conf *c, struct conf_errors *e)
{
	char name[HOST_NAME_MAX];

	if (host_has_interface(c->node.device)) {
		conf_wrong(e, CONF_port_device,
			"%s is the kernel's name; give its PCI address, or "
			"net_af_packet0,iface=%s",
			c->node.device, c->node.device);
		return;
	}
	if (peel_eal_is_pci(c->node.device) && !host_pci(c->node.device, name))
		conf_wrong(e, CONF_port_device, "there is no such PCI device");
	else if (host_device_interface(c->node.device, name) && !host_has_interface(name))
		conf_wrong(e, CONF_port_device, "there is no network interface %s", name);
}

unsigned int
conf_check_host(const char *name, const struct conf *conf, conf_error_fn fn, void *arg)
{
	struct conf_errors e = {.conf = conf, .file = name, .fn = fn, .arg = arg};
	struct eal_plan plan;
	char why[384] = "";

	if (peel_keys_init() != 0)
		conf_error(&e, 0, NULL, NULL, "libsodium or libcrypto does not work here");
	else
		check_key(conf, &e);
	check_management(conf, &e);
	check_log_file(conf, &e);
	check_notice(conf, &e);
	check_accounts(conf, &e);
	check_user(conf, &e);
	check_cpus(conf, &e);
	check_engine(conf, &e);
	if (strcmp(conf->node.port->name, "socket") == 0)
		check_bind(conf, &e);
	else
		check_device(conf, &e);
	if (eal_plan(conf, &plan, why, sizeof(why)) != 0)
		conf_note(&e, plan.huge ? CONF_workers_hugepages : CONF_workers_memory, "%s", why);
	return e.n;
}

static void
note_gateway(struct conf_errors *e, const struct peel_network *own, const struct peel_addr *gateway,
	enum conf_id id)
{
	if (gateway->family != PEEL_FAMILY_NONE && !conf_gateway_on_link(own, gateway))
		conf_note(e, id, "is outside of our network and will be asked for on the link");
}

/* Two owners of one address answer for each other; one host alone on its network needs a router. */
static void
note_address(struct conf_errors *e, const struct peel_network *own, const struct peel_addr *gateway,
	enum conf_id id)
{
	unsigned int host = peel_addr_bits(&own->addr);

	if (own->addr.family == PEEL_FAMILY_NONE)
		return;
	if (await_bind(&own->addr) == 0)
		conf_note(e, id, "the kernel has this address, too: take it away there");
	if (own->prefix_len == host && gateway->family == PEEL_FAMILY_NONE)
		conf_note(e, id, "nobody is reached from a network of one host without a gateway");
}

/* Without it a node starts, too, so this is no mistake. */
static void
note_state(struct conf_errors *e, enum conf_id id, const char *path, const char *what)
{
	char folder[sizeof(e->conf->node.dht_state)];
	int rc;

	if (path[0] == '\0')
		return;
	rc = reach_folder(path, folder, sizeof(folder));
	if (rc != 0)
		note_folder(e, id, what, folder, rc);
}

void
conf_notes(const char *name, const struct conf *conf, conf_error_fn fn, void *arg)
{
	struct conf_errors e = {.conf = conf, .file = name, .fn = fn, .arg = arg};
	struct awaited list[AWAITED_MAX];
	unsigned int n = await_list(conf, list);
	const struct peel_port_conf *p = &conf->node.port_conf;
	struct eal_plan plan;
	char text[384], address[AWAIT_TEXT_MAX];

	for (unsigned int i = 0; i < n; i++) {
		if (await_bind(&list[i].addr) == -EADDRNOTAVAIL)
			conf_note(&e, list[i].id,
				"this machine does not have %s yet, and the start will wait for it",
				await_text(&list[i].addr, address));
	}
	if (strcmp(conf->node.port->name, "socket") != 0) {
		note_address(&e, &conf->address, &p->gateway, CONF_port_address);
		note_address(&e, &conf->address6, &p->gateway6, CONF_port_address6);
		note_gateway(&e, &conf->address, &p->gateway, CONF_port_gateway);
		note_gateway(&e, &conf->address6, &p->gateway6, CONF_port_gateway6);
	}
	note_state(&e, CONF_dht_state, conf->node.dht_state, "no nodes will be remembered in");
	note_state(&e, CONF_accounting_state, conf->node.accounting_state,
		"what is used will not be remembered in");
	if (eal_plan(conf, &plan, text, sizeof(text)) == 0 && plan.refused)
		conf_error(&e, 0, NULL, NULL, "%s", eal_plan_text(&plan, text, sizeof(text)));
}
