/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The way to a target: the closest nodes known are asked who is closer, until the closest ones have
 * all answered. What others tell is not believed further than that somebody may be there: a node
 * counts when it has answered, at the address and with the key that make its id.
 */
#include "lookups.h"

#define UNDER_WAY_MAX 4
#define ASKED_MAX 24
#define FIND_TIMEOUT_MS 2000
/* Candidates of one source: one may have any number of keys, but not all places around a target. */
#define SAME_SOURCE_MAX 2

/* ---- candidates ------------------------------------------------------------------------------ */

static bool
known(const struct dht_crawl *c, const struct peel_dht_node *node)
{
	struct peel_addr source = peel_addr_sender(&node->addr);
	unsigned int same_source = 0;

	for (uint8_t i = 0; i < c->n; i++) {
		struct peel_addr other = peel_addr_sender(&c->candidate[i].is.addr);

		if (memcmp(c->candidate[i].is.id, node->id, sizeof(node->id)) == 0)
			return true;
		same_source += peel_addr_equal(&source, &other);
	}
	return same_source >= SAME_SOURCE_MAX;
}

static void
insert(struct dht_crawl *c, const struct peel_dht_node *node, const struct peel_dht_node *teacher,
	const uint8_t target[PEEL_DHT_KEY_LEN])
{
	uint8_t at = c->n;

	if (known(c, node))
		return;
	while (at > 0 && dht_closer(node->id, c->candidate[at - 1].is.id, target))
		at--;
	if (at == DHT_CANDIDATES)
		return;
	if (c->n < DHT_CANDIDATES)
		c->n++;
	else if (c->candidate[c->n - 1].state == DHT_CANDIDATE_ASKED ||
		 c->candidate[c->n - 1].state == DHT_CANDIDATE_OPENING)
		return; /* its answer is still to come */
	memmove(&c->candidate[at + 1], &c->candidate[at],
		(size_t)(c->n - 1 - at) * sizeof(c->candidate[0]));
	c->candidate[at] = (struct dht_candidate){.is = *node, .has_teacher = teacher != NULL};
	if (teacher != NULL)
		c->candidate[at].teacher = *teacher;
}

size_t
dht_crawl_begin(struct peel_dht *dht, struct dht_lookup *l, unsigned int family)
{
	const struct dht_node *node[DHT_CLOSEST];
	size_t n = dht_routing_closest(&dht->routing[family], l->target, NULL, node, DHT_CLOSEST);

	for (size_t i = 0; i < n; i++)
		insert(&l->crawl[family], &node[i]->is, NULL, l->target);
	return n;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void on_answer(
	struct peel_dht *dht, const struct dht_request *request, const struct peel_span *body);

/* A find-request; 0 when it cannot be sent now, else its identifier. */
static uint32_t
send_find(struct peel_dht *dht, const struct dht_lookup *l, unsigned int family,
	const struct peel_dht_node *to, const uint8_t target[PEEL_DHT_KEY_LEN])
{
	struct dht_request like = {
		.to = *to,
		.done = on_answer,
		.token = dht_lookup_token(dht, l, family),
	};
	struct peel_dht_find_request m = {
		.lan = dht->conf.lan,
		.target = target,
		.offset = l->offset,
		.force_nodes = l->goal != DHT_FIND_VALUES || target != l->target,
	};
	uint8_t buffer[512];
	struct peel_writer w = dht_begin(dht, PEEL_MSG_DHT_FIND_REQUEST, buffer, sizeof(buffer));

	if (!dht_limit_take(&dht->to_node, dht_hash(dht, &to->addr, 0), dht_now(dht)))
		return 0;
	struct dht_request *r = dht_request_new(
		dht, DHT_POOL_LOOKUPS, PEEL_MSG_DHT_FIND_REQUEST, FIND_TIMEOUT_MS, &like);

	if (r == NULL)
		return 0;
	m.identifier = r->identifier;
	peel_dht_find_request_write(&w, &m);
	dht_send(dht, &to->addr, &w);
	return r->identifier;
}

/* Whom we were told of may be behind a NAT that lets us in only when its neighbour, who told us,
 * makes it send us something: that is what happens when that one is asked for its id. */
static bool
open_way(struct peel_dht *dht, const struct dht_lookup *l, unsigned int family,
	struct dht_candidate *candidate)
{
	if (!candidate->has_teacher)
		return false;
	candidate->has_teacher = false; /* once is enough */
	if (dht_routing_find(&dht->routing[family], candidate->is.id) != NULL)
		return false;
	candidate->identifier = send_find(dht, l, family, &candidate->teacher, candidate->is.id);
	if (candidate->identifier == 0)
		return false;
	candidate->state = DHT_CANDIDATE_OPENING;
	return true;
}

static bool
ask(struct peel_dht *dht, const struct dht_lookup *l, unsigned int family,
	struct dht_candidate *candidate)
{
	uint32_t identifier = send_find(dht, l, family, &candidate->is, l->target);

	candidate->state = identifier != 0 ? DHT_CANDIDATE_ASKED : DHT_CANDIDATE_NEW;
	candidate->identifier = identifier;
	return identifier != 0;
}

bool
dht_crawl_step(struct peel_dht *dht, struct dht_lookup *l, unsigned int family)
{
	struct dht_crawl *c = &l->crawl[family];
	unsigned int wanted = DHT_CLOSEST;
	bool over = true;

	for (uint8_t i = 0; i < c->n && wanted > 0; i++) {
		struct dht_candidate *candidate = &c->candidate[i];

		if (candidate->state == DHT_CANDIDATE_FAILED)
			continue;
		wanted--;
		if (candidate->state != DHT_CANDIDATE_NEW || c->n_asked >= ASKED_MAX)
			continue;
		over = false;
		if (c->n_under_way >= UNDER_WAY_MAX)
			break;
		/* One that may not be asked now has its turn later. */
		if (open_way(dht, l, family, candidate) || ask(dht, l, family, candidate)) {
			c->n_under_way++;
			c->n_asked++;
		}
	}
	return over && c->n_under_way == 0;
}

/* ---- answers --------------------------------------------------------------------------------- */

static struct dht_candidate *
find_candidate(struct dht_crawl *c, uint32_t identifier)
{
	for (uint8_t i = 0; i < c->n; i++) {
		struct dht_candidate *candidate = &c->candidate[i];

		if (candidate->identifier == identifier &&
			(candidate->state == DHT_CANDIDATE_ASKED ||
				candidate->state == DHT_CANDIDATE_OPENING))
			return candidate;
	}
	return NULL;
}

/* Nobody on the Internet makes us send into local networks. */
static bool
may_ask(const struct peel_addr *addr, const struct peel_addr *teacher)
{
	return peel_addr_usable(addr) && addr->family == teacher->family &&
	       (!peel_addr_is_local(addr) || peel_addr_is_local(teacher)) &&
	       (!peel_addr_is_loopback(addr) || peel_addr_is_loopback(teacher));
}

static void
learn(struct peel_dht *dht, struct dht_lookup *l, struct dht_crawl *c,
	const struct peel_dht_node *teacher, const struct peel_dht_contacts *nodes)
{
	for (uint8_t i = 0; i < nodes->n; i++) {
		const struct peel_dht_contact *contact = &nodes->contact[i];

		if (!peel_pk_valid(contact->pk) || !may_ask(&contact->addr, &teacher->addr) ||
			memcmp(contact->pk.p, dht->conf.identity->pk, PEEL_PK_LEN) == 0)
			continue;
		struct peel_dht_node node = dht_node_make(&contact->addr, contact->pk.p);

		/* The first one was sent a puncture-request when we were told of it. */
		insert(c, &node, i == 0 ? NULL : teacher, l->target);
	}
}

static void
take_answer(struct peel_dht *dht, struct dht_lookup *l, struct dht_crawl *c,
	struct dht_candidate *candidate, const struct peel_span *body)
{
	struct peel_dht_node teacher = candidate->is;
	struct peel_dht_find_response m;

	if (body == NULL || peel_dht_find_response_parse(*body, &m) != 0) {
		candidate->state = DHT_CANDIDATE_FAILED;
		return;
	}
	candidate->state = DHT_CANDIDATE_ANSWERED;
	candidate->without_values = m.values.n == 0;
	memcpy(candidate->token, m.token, sizeof(candidate->token));
	if (l->goal == DHT_FIND_VALUES && m.values.n > 0) {
		for (uint8_t i = 0; i < m.values.n; i++)
			dht_lookup_value(l, m.values.value[i]);
		return;
	}
	learn(dht, l, c, &teacher, &m.nodes); /* candidates move */
}

static void
on_answer(struct peel_dht *dht, const struct dht_request *request, const struct peel_span *body)
{
	struct dht_lookup *l = dht_lookup_of(dht, request->token);
	unsigned int family = DHT_TOKEN_FAMILY(request->token);
	struct dht_candidate *candidate;

	if (l == NULL || l->acting ||
		(candidate = find_candidate(&l->crawl[family], request->identifier)) == NULL)
		return;
	if (candidate->state == DHT_CANDIDATE_OPENING) {
		/* Whatever the teacher said, now is the time. */
		if (ask(dht, l, family, candidate))
			return;
		l->crawl[family].n_asked--;
		l->crawl[family].n_under_way--;
	} else {
		l->crawl[family].n_under_way--;
		take_answer(dht, l, &l->crawl[family], candidate, body);
	}
	dht_lookup_advance(dht, l);
}
