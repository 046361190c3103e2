/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Hidden services that the program uses, over lib/swarm. The node's lock is taken before the one
 * here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "handle.h"

#define OPTIONS_LIMIT 4096 /* no version's structure is as large */

_Static_assert(PEEL_SERVICE_ID_LEN == PEEL_INFO_HASH_LEN, "a service is a swarm");

struct service {
	uint8_t id[PEEL_SERVICE_ID_LEN];
	uint32_t swarm; /* 0: free */
	peer_fn on_peer, on_gone;
	void *arg;
};

struct services {
	pthread_mutex_t lock;
	struct service service[PEEL_SWARMS_MAX];
};

int
services_new(struct services **out)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return error_no_memory();
	pthread_mutex_init(&(*out)->lock, NULL);
	return 0;
}

void
services_free(struct services *s)
{
	if (s == NULL)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- identifiers ----------------------------------------------------------------------------- */

void
peel_service_id(const char *name, uint8_t id[PEEL_SERVICE_ID_LEN])
{
	peel_mid((const uint8_t *)name, strlen(name), id);
}

void
peel_tribler_service_id(const uint8_t info_hash[20], uint8_t id[PEEL_SERVICE_ID_LEN])
{
	char text[] = "tribler anonymous download"
		      "0123456789012345678901234567890123456789";

	for (int i = 0; i < 20; i++)
		snprintf(text + sizeof(text) - 41 + 2 * i, 3, "%02x", info_hash[i]);
	peel_service_id(text, id);
}

/* ---- joining --------------------------------------------------------------------------------- */

void
peel_service_options_init(struct peel_service_options *options)
{
	*options = (struct peel_service_options){
		.size = sizeof(*options), .hops = 1, .seed = true, .find = true};
}

/* As with settings: of another version, too. */
static int
take_options(const struct peel_service_options *in, struct peel_service_options *out)
{
	const uint8_t *bytes = (const uint8_t *)in;

	peel_service_options_init(out);
	if (in == NULL)
		return 0;
	if (in->size <= sizeof(in->size) || in->size > OPTIONS_LIMIT)
		return error_format(-EINVAL,
			"options.size is %zu: begin with peel_service_options_init()", in->size);
	for (size_t i = sizeof(*out); i < in->size; i++) {
		if (bytes[i] != 0)
			return error_format(-E2BIG,
				"options have %zu bytes and use one behind the %zu that version %s "
				"knows",
				in->size, sizeof(*out), PEEL_VERSION);
	}
	memcpy(out, in, in->size < sizeof(*out) ? in->size : sizeof(*out));
	return 0;
}

/* Two programs that make the same file at the same time get the same key. */
static int
load_key(const char *path, struct peel_identity *key)
{
	char why[512] = "";
	int rc = peel_identity_load(path, key, why, sizeof(why));

	if (rc == -ENOENT) {
		rc = peel_identity_generate(&peel_env_system, key);
		if (rc == 0)
			rc = peel_identity_save(path, key, why, sizeof(why));
		if (rc == -EEXIST)
			rc = peel_identity_load(path, key, why, sizeof(why));
	}
	return rc == 0 ? 0 : error_format(rc, "options.key_file: %s", why);
}

/* Holding the node's lock, so that no event of the new swarm is delivered before the service is
 * there. */
static int
join(struct peel *p, const struct peel_swarm_spec *spec, const struct service *callbacks)
{
	struct peel_swarms *swarms = peel_node_swarms(p->node);
	struct services *s = p->services;
	uint32_t swarm;
	int rc;

	if (swarms == NULL)
		return error_text(-ENOTSUP, "this node has no circuits of its own");
	rc = peel_swarm_join(swarms, spec, &swarm);
	switch (rc) {
	case 0:
		break;
	case -EINVAL:
		return error_format(rc,
			"a service has 1 to %d hops, and fewer than max_relay_early, not %u",
			PEEL_HOPS_LIMIT - 1, spec->hops);
	case -EEXIST:
		return error_text(rc, "this service was joined already");
	case -EKEYREJECTED:
		return error_text(rc,
			"options.key_file: this is the key of the node or of another service, and "
			"everybody could see that they belong together");
	case -ENOSPC:
		return error_format(rc, "a node has at most %d services", PEEL_SWARMS_MAX);
	default:
		return error_text(rc, NULL);
	}
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < PEEL_SWARMS_MAX; i++) {
		if (s->service[i].swarm == 0) {
			s->service[i] = *callbacks;
			memcpy(s->service[i].id, spec->info_hash, sizeof(spec->info_hash));
			s->service[i].swarm = swarm;
			break;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int
peel_join_service(struct peel *p, const uint8_t id[PEEL_SERVICE_ID_LEN],
	const struct peel_service_options *options, peer_fn on_peer, peer_fn on_gone, void *arg)
{
	const struct service callbacks = {.on_peer = on_peer, .on_gone = on_gone, .arg = arg};
	struct peel_service_options o;
	struct peel_swarm_spec spec = {0};
	struct peel_identity key;
	int rc = take_options(options, &o);

	if (rc != 0)
		return rc;
	if (!o.seed && !o.find)
		return error_text(-EINVAL, "options: neither seed nor find is set");
	if (o.seed && o.key_file != NULL) {
		rc = load_key(o.key_file, &key);
		if (rc != 0)
			return rc;
		spec.key = &key;
	}
	memcpy(spec.info_hash, id, sizeof(spec.info_hash));
	spec.hops = o.hops;
	spec.seed = o.seed;
	spec.find = o.find;
	peel_node_lock(p->node);
	rc = join(p, &spec, &callbacks);
	peel_node_unlock(p->node);
	if (spec.key != NULL)
		peel_identity_wipe(&key);
	return rc;
}

int
peel_register_service(struct peel *p, const uint8_t id[PEEL_SERVICE_ID_LEN], unsigned int hops,
	peer_fn on_peer, void *arg)
{
	struct peel_service_options options;

	peel_service_options_init(&options);
	options.hops = hops;
	return peel_join_service(p, id, &options, on_peer, NULL, arg);
}

/* ---- those that are joined ------------------------------------------------------------------- */

/* Holding the lock. NULL: not joined. */
static struct service *
by_id(struct services *s, const uint8_t id[PEEL_SERVICE_ID_LEN])
{
	for (size_t i = 0; i < PEEL_SWARMS_MAX; i++) {
		if (s->service[i].swarm != 0 &&
			memcmp(s->service[i].id, id, PEEL_SERVICE_ID_LEN) == 0)
			return &s->service[i];
	}
	return NULL;
}

static uint32_t
swarm_of(struct services *s, const uint8_t id[PEEL_SERVICE_ID_LEN], bool forget)
{
	struct service *service;
	uint32_t swarm = 0;

	pthread_mutex_lock(&s->lock);
	service = by_id(s, id);
	if (service != NULL) {
		swarm = service->swarm;
		if (forget)
			memset(service, 0, sizeof(*service));
	}
	pthread_mutex_unlock(&s->lock);
	return swarm;
}

static int
not_joined(void)
{
	return error_text(-ENOENT, "this service was not joined");
}

int
peel_leave_service(struct peel *p, const uint8_t id[PEEL_SERVICE_ID_LEN])
{
	uint32_t swarm;

	peel_node_lock(p->node);
	swarm = swarm_of(p->services, id, true);
	if (swarm != 0) {
		(void)peel_swarm_leave(peel_node_swarms(p->node), swarm);
		peers_remove_swarm(p->peers, swarm);
	}
	peel_node_unlock(p->node);
	return swarm != 0 ? 0 : not_joined();
}

int
peel_service_info(
	struct peel *p, const uint8_t id[PEEL_SERVICE_ID_LEN], struct peel_service_info *out)
{
	struct peel_swarm_info info;
	uint32_t swarm;
	int rc = -ENOENT;

	memset(out, 0, sizeof(*out));
	peel_node_lock(p->node);
	swarm = swarm_of(p->services, id, false);
	if (swarm != 0)
		rc = peel_swarm_info(peel_node_swarms(p->node), swarm, &info);
	peel_node_unlock_unchanged(p->node);
	if (rc != 0)
		return not_joined();
	out->hops = info.hops;
	out->seed = info.seed;
	out->find = info.find;
	out->peers = info.connections;
	out->connecting = info.pending;
	out->introduction_points = info.known;
	out->own_introduction_points = info.introductions;
	out->seeders = info.seeders;
	out->looked_up_ms = info.looked_up_ms == UINT64_MAX ? -1 : (int64_t)info.looked_up_ms;
	memcpy(out->key, info.seeder_pk, sizeof(out->key));
	return 0;
}

/* ---- events, from the thread that drives the node, without locks ----------------------------- */

/* What a service wants to be told; without functions if it was left. */
static struct service
copy_of(struct services *s, uint32_t swarm)
{
	struct service copy = {0};

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < PEEL_SWARMS_MAX; i++) {
		if (s->service[i].swarm == swarm)
			copy = s->service[i];
	}
	pthread_mutex_unlock(&s->lock);
	return copy;
}

/* A peer may be met twice: by its first data, and when lib/swarm tells. */
static void
meet(struct peel *p, peel_circuit circuit, uint32_t swarm)
{
	struct service service;
	struct peel_address address;
	bool known;

	/* Leaving forgets the service first and its peers then, both under the node's lock. */
	peel_node_lock(p->node);
	service = copy_of(p->services, swarm);
	known = service.swarm == 0 || !peers_add(p->peers, circuit, swarm, &address);
	peel_node_unlock_unchanged(p->node);
	if (!known && service.on_peer != NULL)
		service.on_peer(service.arg, p, &address);
}

void
services_peer(struct peel *p, peel_circuit circuit, uint32_t swarm, bool connected)
{
	struct service service;
	struct peel_address address;

	if (connected) {
		meet(p, circuit, swarm);
		return;
	}
	if (!peers_remove(p->peers, circuit, &address))
		return;
	service = copy_of(p->services, swarm);
	if (service.on_gone != NULL)
		service.on_gone(service.arg, p, &address);
}

bool
services_origin(struct peel *p, peel_circuit circuit, struct peel_address *out)
{
	struct peel_swarms *swarms = peel_node_swarms(p->node);
	uint32_t swarm = 0;
	bool is_peer;

	if (peers_address(p->peers, circuit, out))
		return true;
	/* A seeder is not told of the link: this may be the first that it hears of the peer. */
	peel_node_lock(p->node);
	if (peel_swarms_heard(swarms, circuit))
		swarm = peel_swarm_of_circuit(swarms, circuit, &is_peer);
	peel_node_unlock(p->node);
	if (swarm == 0)
		return false;
	meet(p, circuit, swarm);
	return peers_address(p->peers, circuit, out);
}
