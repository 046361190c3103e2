/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Settings of the public interface become a node's configuration.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handle.h"
#include "peel_aead_engines.h"
#include "peel_dht_ipv8.h"
#include "peel_node_text.h"
#include "peel_port_socket.h"

#define OWN_MAX 16384
#define OWN_MIN (4 * PEEL_SWARMS_MAX) /* half of them are enough for all services */
#define EXIT_SOCKETS_MAX 4096

/* "settings.NAME: what is wrong" */
static int
bad(const char *name, const char *why)
{
	return error_format(-EINVAL, "settings.%s: %s", name, why);
}

static int
copy_path(const char *name, const char *path, char *out, size_t size)
{
	if (path == NULL)
		return 0;
	if (path[0] == '\0' || strlen(path) >= size)
		return error_format(
			-EINVAL, "settings.%s: a path has 1 to %zu characters", name, size - 1);
	memcpy(out, path, strlen(path) + 1);
	return 0;
}

static int
convert_texts(const struct peel_settings *s, struct peel_node_conf *c)
{
	char why[384] = "";
	int rc = copy_path("key_file", s->key_file, c->key_file, sizeof(c->key_file));

	if (rc == 0)
		rc = copy_path("management", s->management, c->management, sizeof(c->management));
	if (rc != 0)
		return rc;
	if (s->key_file != NULL && access(s->key_file, R_OK) != 0) {
		rc = -errno;
		return error_format(rc, "settings.key_file: cannot read %s: %s", s->key_file,
			strerrordesc_np(-rc));
	}
	if (peel_node_conf_set_community(c, PEEL_COMMUNITY_TUNNEL,
		    s->community != NULL ? s->community : "default", why, sizeof(why)) != 0)
		return bad("community", why);
	if (peel_node_parse_address(s->listen != NULL ? s->listen : "0.0.0.0:0",
		    &c->port_conf.listen, why, sizeof(why)) != 0)
		return bad("listen", why);
	if (s->public_address == NULL)
		return 0;
	if (peel_node_parse_address(s->public_address, &c->public_address, why, sizeof(why)) != 0)
		return bad("public_address", why);
	return c->public_address.port != 0 ? 0 : bad("public_address", "port 0 cannot be reached");
}

static int
convert_lists(const struct peel_settings *s, struct peel_node_conf *c)
{
	char why[384] = "";

	if (s->bootstrap == NULL &&
		peel_node_conf_add_bootstrap(c, "default", why, sizeof(why)) != 0)
		return bad("bootstrap", why);
	for (size_t i = 0; s->bootstrap != NULL && s->bootstrap[i] != NULL; i++) {
		if (peel_node_conf_add_bootstrap(c, s->bootstrap[i], why, sizeof(why)) != 0)
			return bad("bootstrap", why);
	}
	for (size_t i = 0; s->dns_servers != NULL && s->dns_servers[i] != NULL; i++) {
		if (peel_node_conf_add_dns(c, s->dns_servers[i], why, sizeof(why)) != 0)
			return bad("dns_servers", why);
	}
	return 0;
}

int
settings_engine(const char *engine, struct peel_node_conf *c)
{
	if (engine == NULL || strcmp(engine, "auto") == 0)
		return 0;
	c->engine = peel_aead_engine_find(engine);
	if (c->engine == NULL)
		return error_format(-EINVAL,
			"settings.engine: there is no engine \"%.64s\" in this build", engine);
	if (peel_aead_self_test(c->engine) != 0)
		return error_format(
			-EINVAL, "settings.engine: %s does not work on this CPU", engine);
	return 0;
}

static int
convert_workers(const struct peel_settings *s, struct peel_node_conf *c)
{
	cpu_set_t have;

	c->n_workers = s->workers;
	c->idle = s->poll ? PEEL_IDLE_POLL : PEEL_IDLE_SLEEP;
	if (s->cores != NULL && sched_getaffinity(0, sizeof(have), &have) != 0)
		CPU_ZERO(&have);
	for (unsigned int i = 0; s->cores != NULL && i < s->workers; i++) {
		int core = s->cores[i];

		if (core < 0 || core >= CPU_SETSIZE || !CPU_ISSET(core, &have))
			return error_format(-EINVAL,
				"settings.cores: there is no CPU %d for this program", core);
		for (unsigned int j = 0; j < i; j++) {
			if (s->cores[j] == core)
				return error_format(
					-EINVAL, "settings.cores: names CPU %d twice", core);
		}
		c->core[i] = core;
	}
	return settings_engine(s->engine, c);
}

static void
convert_circuits(const struct peel_settings *s, struct peel_node_conf *c)
{
	struct peel_origin_settings *o = &c->originator;
	struct peel_or_settings *t = &c->tunnel;
	uint32_t own = s->max_circuits * PEEL_HOPS_MAX + PEEL_OWN_EXTRA;

	if (own < OWN_MIN)
		own = OWN_MIN;
	c->max_own_circuits = own < OWN_MAX ? own : OWN_MAX;
#define SET_originator(field, value) o->field = value;
#define SET_tunnel(field, value) t->field = value;
#define SET_swarm(field, value) c->swarm.field = value;
#define SET_both(field, value) o->field = t->field = value;
#define SET_node(field, value) c->field = value;
#define TAKE_ALL(owner, field, name) SET_##owner(field, s->name)
#define TAKE_OWN TAKE_ALL
#define TAKE_FILES(...)
#define VALUE(                                                                                     \
	section, name, owner, field, type, by_default, min, max, word, meaning, takers, about)     \
	TAKE_##takers(owner, field, name)
#include "peel_settings.def"
	o->allow_same_network = s->allow_same_network;

	t->peer_flags = s->peer_flags;
	if (s->become_exitnode)
		t->peer_flags |= PEEL_EXIT_BT;
}

int
settings_convert(const struct peel_settings *s, struct peel_node_conf *c)
{
	int rc;

	peel_node_conf_init(c);
	c->port = &peel_port_socket;
	c->provider[c->n_providers++] = &peel_dht_ipv8;
	if (s->dht_provider != NULL) {
		c->provider[c->n_providers++] = &program_provider;
		c->provider_program = s->dht_provider;
	}
	convert_circuits(s, c);
	c->policy.allow_loopback = s->exit_loopback;
	c->policy.allow_private = s->exit_private;
	c->policy.any_payload = s->exit_any_payload;
	/* Each takes two descriptors: a library uses no more of them than its circuits need. */
	c->port_conf.max_endpoints = s->max_joined_circuits < EXIT_SOCKETS_MAX
					     ? s->max_joined_circuits + 1
					     : EXIT_SOCKETS_MAX;
	rc = convert_texts(s, c);
	if (rc == 0)
		rc = convert_lists(s, c);
	if (rc == 0)
		rc = convert_workers(s, c);
	return rc;
}
