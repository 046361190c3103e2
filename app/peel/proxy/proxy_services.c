/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "peel_internal.h"
#include "proxy_circuits.h"
#include "proxy_services.h"
#include "service_name.h"

struct service {
	struct proxy_services *all; /* NULL: the entry is free */
	struct service_name name;
	uint8_t id[PEEL_SERVICE_ID_LEN];
	bool find, seed;
};

struct proxy_services {
	struct session *session;
	struct peel_proxy_peers *peers;
	struct service service[SERVICES_MAX];
};

/* ---- peers ----------------------------------------------------------------------------------- */

static void
on_peer(void *arg, struct peel *peel, const struct peel_address *peer)
{
	struct service *s = arg;

	struct peel_socks_target t;

	(void)peel;
	proxy_origin(peer, &t);
	peel_proxy_peers_add(
		s->all->peers, &t.addr, s->name.hops, (unsigned int)(s - s->all->service));
}

static void
on_gone(void *arg, struct peel *peel, const struct peel_address *peer)
{
	struct service *s = arg;

	struct peel_socks_target t;

	(void)peel;
	proxy_origin(peer, &t);
	peel_proxy_peers_del(s->all->peers, &t.addr);
}

/* ---- joining and leaving --------------------------------------------------------------------- */

static struct service *
find(struct proxy_services *ps, const char *text)
{
	for (size_t i = 0; i < SERVICES_MAX; i++) {
		if (ps->service[i].all != NULL && strcmp(ps->service[i].name.text, text) == 0)
			return &ps->service[i];
	}
	return NULL;
}

static void
leave(struct service *s)
{
	(void)peel_leave_service(s->all->session->peel, s->id);
	peel_proxy_peers_forget(s->all->peers, (unsigned int)(s - s->all->service));
	memset(s, 0, sizeof(*s));
}

static void
identify(const struct service_name *name, uint8_t id[PEEL_SERVICE_ID_LEN])
{
	if (name->kind == SERVICE_NAME)
		peel_service_id(name->text, id);
	else if (name->kind == SERVICE_TORRENT)
		peel_tribler_service_id(name->hash, id);
	else
		memcpy(id, name->hash, PEEL_SERVICE_ID_LEN);
}

static int
join(struct proxy_services *ps, const struct service_name *name, bool find_others, bool seed,
	char *why, size_t why_size)
{
	const struct client_conf *cc = &ps->session->conf.client;
	struct peel_service_options options;
	struct service *s = ps->service;
	int rc;

	while (s < ps->service + SERVICES_MAX && s->all != NULL)
		s++;
	if (s == ps->service + SERVICES_MAX) {
		snprintf(why, why_size, "no more than %d services", SERVICES_MAX);
		return -ENOSPC;
	}
	if (cc->listen[name->hops - 1].family == PEEL_FAMILY_NONE) {
		snprintf(why, why_size, "%s has %u hops, and [socks] hops%u is not set", name->text,
			name->hops, name->hops);
		return -EINVAL;
	}
	*s = (struct service){.all = ps, .name = *name, .find = find_others, .seed = seed};
	identify(name, s->id);
	peel_service_options_init(&options);
	options.hops = name->hops;
	options.find = find_others;
	options.seed = seed;
	rc = peel_join_service(ps->session->peel, s->id, &options, on_peer, on_gone, s);
	if (rc != 0) {
		snprintf(why, why_size, "%s: %s", name->text, peel_strerror(rc));
		memset(s, 0, sizeof(*s));
	}
	return rc;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void
add_peer(void *arg, const struct peel_addr *peer)
{
	char text[PEEL_ADDR_TEXT_MAX];

	json_array_append_new(arg, json_string(peel_addr_text(peer, text)));
}

static json_t *
describe(const struct service *s)
{
	char id[2 * PEEL_SERVICE_ID_LEN + 1] = "";
	struct peel_service_info info;
	json_t *peers;

	if (peel_service_info(s->all->session->peel, s->id, &info) != 0)
		return NULL;
	peers = json_array();
	peel_proxy_peers_dump(s->all->peers, (unsigned int)(s - s->all->service), add_peer, peers);
	for (unsigned int i = 0; i < PEEL_SERVICE_ID_LEN; i++)
		snprintf(id + 2 * i, 3, "%02x", s->id[i]);
	return json_pack("{s:s, s:s, s:i, s:b, s:b, s:i, s:i, s:i, s:i, s:o}", "name", s->name.text,
		"info_hash", id, "hops", (int)s->name.hops, "find", s->find, "seed", s->seed,
		"introduction_points", (int)info.introduction_points, "own_introduction_points",
		(int)info.own_introduction_points, "seeders", (int)info.seeders, "connecting",
		(int)info.connecting, "peers", peers);
}

static json_t *
list(const struct proxy_services *ps)
{
	json_t *all = json_array();

	for (size_t i = 0; i < SERVICES_MAX; i++) {
		if (ps->service[i].all != NULL)
			json_array_append_new(all, describe(&ps->service[i]));
	}
	return all;
}

static json_t *
refuse(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

/* @p how: join, publish, both or leave. */
static json_t *
change(struct proxy_services *ps, const char *how, const char *text)
{
	bool both = strcmp(how, "both") == 0;
	struct service_name name;
	struct service *s;
	char why[256] = "";

	if (service_parse(text, &name, why, sizeof(why)) != 0)
		return refuse(why);
	s = find(ps, name.text);
	if (strcmp(how, "leave") == 0) {
		if (s == NULL)
			return refuse(
				"that service is not joined: `peel service list` tells which");
		leave(s);
		return list(ps);
	}
	if (s != NULL)
		return refuse("that service is joined already: leave it first");
	if (join(ps, &name, both || strcmp(how, "join") == 0, both || strcmp(how, "publish") == 0,
		    why, sizeof(why)) != 0)
		return refuse(why);
	return list(ps);
}

static char *
on_request(void *arg, const char *request, bool pretty)
{
	struct proxy_services *ps = arg;
	char how[16], text[SERVICE_TEXT_MAX + 4];
	json_t *answer;
	char *out;

	if (strcmp(request, "service list") == 0)
		answer = list(ps);
	else if (sscanf(request, "service %15s %67s", how, text) == 2 &&
		 (strcmp(how, "join") == 0 || strcmp(how, "publish") == 0 ||
			 strcmp(how, "both") == 0 || strcmp(how, "leave") == 0))
		answer = change(ps, how, text);
	else
		return NULL;
	out = json_dumps(answer, pretty ? JSON_INDENT(2) : JSON_COMPACT);
	json_decref(answer);
	return out;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
join_configured(struct proxy_services *ps, char *why, size_t why_size)
{
	const struct service_list *find_list = &ps->session->conf.client.join;
	const struct service_list *seed_list = &ps->session->conf.client.publish;
	int rc = 0;

	for (size_t i = 0; i < find_list->n && rc == 0; i++)
		rc = join(ps, &find_list->item[i], true,
			service_find(seed_list, find_list->item[i].text) < SERVICES_MAX, why,
			why_size);
	for (size_t i = 0; i < seed_list->n && rc == 0; i++) {
		if (find(ps, seed_list->item[i].text) == NULL)
			rc = join(ps, &seed_list->item[i], false, true, why, why_size);
	}
	return rc;
}

int
proxy_services_new(struct session *s, struct peel_proxy_peers *peers, struct proxy_services **out,
	char *why, size_t why_size)
{
	struct proxy_services *ps = calloc(1, sizeof(*ps));

	*out = ps;
	if (ps == NULL)
		return -ENOMEM;
	ps->session = s;
	ps->peers = peers;
	s->on_request = on_request;
	s->request_arg = ps;
	return join_configured(ps, why, why_size);
}

void
proxy_services_free(struct proxy_services *ps)
{
	free(ps);
}
