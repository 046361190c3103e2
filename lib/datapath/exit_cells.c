/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Messages that end here, and datagrams from the outside that go back into a circuit.
 */
#include "burst.h"
#include "peel_discovery.h"

/* early cells of a circuit after which its extends are ignored */
#define EARLY_MAX 64

/* A message for the control thread, with its session beside it. */
static void
punt_message(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route,
	enum peel_msg_class cls, enum peel_msg_kind kind, bool early)
{
	struct peel_pkt *pkt = peel_pkt(m);

	pkt->session = route->session;
	pkt->generation = peel_session_generation(w->conf.routes, route->session);
	pkt->early = early;
	burst_punt(w, m, cls, kind);
}

/* Seal an answer in place of the question and send it back to the previous hop. @return false: over
 * a limit, and dropped. */
static bool
answer(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route,
	enum peel_bandwidth_kind kind)
{
	struct peel_session *session = peel_session_at(w->conf.routes, route->session);

	if (!burst_admit(w, m, route->session, kind, m->data_len + SEALED_MORE))
		return false;
	burst_seal(w, m, &session->backward, &route->out, route->out_cid, 0);
	return true;
}

/* A datagram of the tunnel overlay to this machine: that is how a downloader whose exit is the
 * introduction point asks for a seeder. */
static bool
is_inside(const struct peel_policy *policy, const struct peel_msg_data *data)
{
	return data->payload.len >= PEEL_HEADER_LEN &&
	       memcmp(data->payload.p, policy->prefix, PEEL_PREFIX_LEN) == 0 &&
	       data->destination.type != PEEL_HOST_NAME && policy->own != NULL &&
	       peel_addr_set_has(policy->own, &data->destination.addr);
}

/* Do the configured rules refuse it? Messages of hidden services pass at every exit. */
static inline bool
ruled_out(const struct peel_policy *policy, const struct peel_addr *a, const uint8_t *d, size_t len)
{
	return unlikely(policy->rules != NULL) && !peel_policy_of_overlay(policy, d, len) &&
	       !peel_policy_rules(policy, a);
}

/* Does the policy let datagrams go there, or come from there? */
static inline bool
may_reach(const struct peel_worker *w, const struct peel_policy *policy, const struct peel_addr *a,
	const struct peel_span *payload)
{
	return likely(peel_policy_destination(policy, a)) ||
	       (w->conf.guest != NULL && guest_itself(w, policy, a, payload->p, payload->len));
}

/* Whether the circuit is within its limits at this exit; if not, the datagram is dropped. Until its
 * endpoint is open, the control thread asks. */
static inline bool
within_limits(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route,
	uint32_t endpoint, const struct peel_host *to)
{
	struct peel_circuit_limits *limits = __atomic_load_n(&w->circuit_limits, __ATOMIC_ACQUIRE);
	enum peel_circuit_limits_verdict verdict;

	if (likely(limits == NULL) || endpoint == PEEL_ENDPOINT_MAIN)
		return true;
	verdict = peel_circuit_limits_take(limits, endpoint,
		peel_exit_circuit(
			route->session, peel_session_generation(w->conf.routes, route->session)),
		to, w->round_tsc);
	if (likely(verdict == PEEL_CIRCUIT_LIMITS_MAY))
		return true;
	burst_drop(w, m,
		verdict == PEEL_CIRCUIT_LIMITS_PACKETS ? PEEL_DROP_CIRCUIT_PACKETS
						       : PEEL_DROP_CIRCUIT_DESTINATIONS);
	return false;
}

static void
exit_data(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route,
	const uint8_t *d, uint32_t len)
{
	uint32_t endpoint = __atomic_load_n(&route->endpoint, __ATOMIC_RELAXED);
	const struct peel_policy *policy = worker_policy(w);
	struct peel_msg_data data;

	if (peel_data_parse(d + 1, len - 1, &data) != 0 ||
		(data.destination.type != PEEL_HOST_NAME &&
			peel_addr_is_none(&data.destination.addr))) {
		burst_drop(w, m, PEEL_DROP_MALFORMED);
	} else if (!peel_policy_payload(policy, data.payload.p, data.payload.len)) {
		burst_drop(w, m, PEEL_DROP_POLICY);
	} else if (unlikely(w->conf.guest == NULL && is_inside(policy, &data))) {
		punt_message(w, m, route, PEEL_CLASS_EXIT, PEEL_KIND_EXIT_INSIDE, false);
	} else if (data.destination.type != PEEL_HOST_NAME &&
		   !may_reach(w, policy, &data.destination.addr, &data.payload)) {
		burst_drop(w, m, PEEL_DROP_DESTINATION);
	} else if (data.destination.type != PEEL_HOST_NAME &&
		   ruled_out(policy, &data.destination.addr, data.payload.p, data.payload.len)) {
		burst_drop(w, m, PEEL_DROP_RULES);
	} else if (!within_limits(w, m, route, endpoint, &data.destination) ||
		   !burst_admit(
			   w, m, route->session, PEEL_BANDWIDTH_EXIT, (uint32_t)data.payload.len)) {
		return;
	} else if (endpoint == PEEL_ENDPOINT_MAIN || data.destination.type == PEEL_HOST_NAME) {
		peel_pkt(m)->endpoint = endpoint;
		punt_message(w, m, route, PEEL_CLASS_EXIT, PEEL_KIND_EXIT_DATA, false);
	} else {
		rte_pktmbuf_adj(m, (uint16_t)(data.payload.p - d));
		burst_tx(w, m, &data.destination.addr, endpoint);
		w->burst.n_exited++;
	}
}

/* What a second leaves, at most as much again, is for circuits that come in the next one when the
 * others have had its share. */
void
exit_second(struct peel_worker *w)
{
	struct speed_tests *t = &w->tests;
	uint32_t rate = __atomic_load_n(&t->rate, __ATOMIC_RELAXED);

	t->tokens = RTE_MIN(t->tokens + rate, 2ull * rate);
	t->askers_before = t->askers;
	t->askers = 0;
	memset(t->asked, 0, sizeof(t->asked));
}

/* The answers of a second are shared evenly by the circuits that ask in this second or asked in the
 * one before. A circuit that asks alone has them all. */
static inline bool
may_test(struct peel_worker *w, uint32_t session)
{
	struct speed_tests *t = &w->tests;
	uint32_t rate = __atomic_load_n(&t->rate, __ATOMIC_RELAXED);

	if (rate == 0)
		return true;
	uint64_t asked = ++t->asked[session % TEST_SESSIONS];

	t->askers += asked == 1;
	if (t->tokens == 0 || (asked > 1 && asked * RTE_MAX(t->askers, t->askers_before) > rate))
		return false;
	t->tokens--;
	return true;
}

/* 19: u16 identifier, 21: u32 identifier; then the wanted size (protocol 14.10, 22.1). */
static void
test_request(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route, uint8_t *d,
	uint32_t len)
{
	uint32_t id_len = d[0] == PEEL_MSG_TEST_REQUEST ? 2 : 4;

	if ((worker_policy(w)->flags & PEEL_FLAG_SPEED_TEST) == 0 || len < 1 + id_len + 2) {
		burst_drop(w, m, PEEL_DROP_MALFORMED);
		return;
	}
	if (!may_test(w, route->session)) {
		burst_drop(w, m, PEEL_DROP_RATE);
		return;
	}
	uint32_t size = RTE_MIN((uint32_t)peel_get_be16(d + 1 + id_len),
		__atomic_load_n(&w->tests.size_max, __ATOMIC_RELAXED));
	uint32_t total = 1 + id_len + size;

	if (total > m->data_len && rte_pktmbuf_append(m, (uint16_t)(total - m->data_len)) == NULL) {
		burst_drop(w, m, PEEL_DROP_OVERSIZE);
		return;
	}
	if (total < m->data_len)
		rte_pktmbuf_trim(m, (uint16_t)(m->data_len - total));
	/* 20 answers 19, 22 answers 21. */
	d[0]++;
	for (uint32_t i = 0; i < size; i += 8) {
		uint64_t v = peel_splitmix(&w->tests.filler);

		memcpy(d + 1 + id_len + i, &v, RTE_MIN(size - i, 8u));
	}
	if (answer(w, m, route, PEEL_BANDWIDTH_ALL))
		peel_stats_add(w->conf.stats, PEEL_TESTS_ANSWERED, 1);
}

static void
ping(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route, uint8_t *d,
	uint32_t len)
{
	if (len < 3) {
		burst_drop(w, m, PEEL_DROP_MALFORMED);
		return;
	}
	d[0] = PEEL_MSG_PONG;
	rte_pktmbuf_trim(m, (uint16_t)(len - 3));
	if (answer(w, m, route, PEEL_BANDWIDTH_ALL))
		peel_stats_add(w->conf.stats, PEEL_PINGS_ANSWERED, 1);
}

static bool
admit_extend(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route, bool early)
{
	if (!early) {
		burst_drop(w, m, PEEL_DROP_EARLY);
		return false;
	}
	/* Every extend is an early cell, and nobody needs so many. */
	if (__atomic_load_n(&route->n_early, __ATOMIC_RELAXED) > EARLY_MAX) {
		burst_drop(w, m, PEEL_DROP_RATE);
		return false;
	}
	return true;
}

/* A guest has all messages but those that workers, or HTTP requests in the control thread, serve
 * for it. */
static bool
is_guests(const struct peel_worker *w, uint8_t id)
{
	return w->conf.guest != NULL && id != PEEL_MSG_CELL && id != PEEL_MSG_DATA &&
	       id != PEEL_MSG_TEST_REQUEST_RUST && id != PEEL_MSG_HTTP_REQUEST;
}

static void
to_guest(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route, uint8_t id,
	bool early)
{
	if (id == PEEL_MSG_EXTEND && !admit_extend(w, m, route, early))
		return;
	if (!guest_cell(w, m, 1, route->session))
		burst_drop(w, m, PEEL_DROP_CONTROL_FULL);
}

void
stage_exit(struct peel_worker *w, struct rte_mbuf *m, struct peel_route *route, bool early)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t len = m->data_len;
	uint8_t id = len == 0 ? PEEL_MSG_CELL : d[0];

	if (unlikely(is_guests(w, id))) {
		to_guest(w, m, route, id, early);
		return;
	}
	switch (id) {
	case PEEL_MSG_DATA:
		exit_data(w, m, route, d, len);
		break;
	case PEEL_MSG_PING:
		ping(w, m, route, d, len);
		break;
	case PEEL_MSG_TEST_REQUEST:
	case PEEL_MSG_TEST_REQUEST_RUST:
		test_request(w, m, route, d, len);
		break;
	case PEEL_MSG_EXTEND:
		if (admit_extend(w, m, route, early))
			punt_message(w, m, route, PEEL_CLASS_OR, PEEL_KIND_MESSAGE, early);
		break;
	case PEEL_MSG_ESTABLISH_INTRO:
	case PEEL_MSG_ESTABLISH_RENDEZVOUS:
	case PEEL_MSG_LINK_E2E:
	case PEEL_MSG_PEERS_REQUEST:
	case PEEL_MSG_HTTP_REQUEST:
		/* One circuit can ask for these without end: not in the way of others'
		 * extends. */
		punt_message(w, m, route, PEEL_CLASS_EXIT, PEEL_KIND_MESSAGE, early);
		break;
	default: /* empty, plaintext-only ids, answers nobody here asked for, unknown ids */
		burst_drop(w, m, PEEL_DROP_MALFORMED);
	}
}

/* Put the data message in front of what came from outside: no destination, the sender as origin
 * (protocol 18.1). */
static inline void
prepend_data_header(struct rte_mbuf *m, const struct peel_addr *origin)
{
	bool v6 = origin->family == PEEL_FAMILY_IPV6;
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)(1 + 7 + (v6 ? 19 : 7)));

	*p++ = PEEL_MSG_DATA;
	*p++ = PEEL_HOST_IPV4;
	memset(p, 0, 6);
	p += 6;
	*p++ = v6 ? PEEL_HOST_IPV6 : PEEL_HOST_IPV4;
	memcpy(p, origin->ip, v6 ? 16 : 4);
	peel_put_be16(p + (v6 ? 16 : 4), origin->port);
}

static void
return_one(struct peel_worker *w, struct rte_mbuf *m)
{
	const struct peel_pkt *pkt = peel_pkt(m);
	const struct peel_route *route = return_route(w, m);
	const struct peel_policy *policy = worker_policy(w);
	const struct peel_span payload = {rte_pktmbuf_mtod(m, const uint8_t *), m->data_len};

	/* The circuit may have been extended or removed since the datagram's port was opened. */
	if (unlikely(route->kind != PEEL_ROUTE_EXIT || route->session != (uint32_t)pkt->cookie ||
		     __atomic_load_n(&route->endpoint, __ATOMIC_RELAXED) != pkt->endpoint)) {
		burst_drop(w, m, PEEL_DROP_UNKNOWN_CIRCUIT);
	} else if (!peel_policy_payload(policy, payload.p, payload.len)) {
		burst_drop(w, m, PEEL_DROP_POLICY);
	} else if (!may_reach(w, policy, &pkt->remote, &payload)) {
		/* A host of our own network: its address would tell the circuit where that
		 * is. */
		burst_drop(w, m, PEEL_DROP_ORIGIN);
	} else if (ruled_out(policy, &pkt->remote, payload.p, payload.len)) {
		burst_drop(w, m, PEEL_DROP_RULES);
	} else {
		struct peel_addr origin = pkt->remote;

		prepend_data_header(m, &origin);
		w->burst.n_returned += answer(w, m, route, PEEL_BANDWIDTH_EXIT);
	}
}

void
stage_returns(struct peel_worker *w, const struct group *g)
{
	for (uint16_t i = 0; i < g->n_returns; i++)
		return_one(w, g->ret[i]);
}
