/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A session of libtorrent that has no torrents and only takes part in the DHT.
 */
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <libtorrent/alert_types.hpp>
#include <libtorrent/disabled_disk_io.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>

#include "mainline_session.h"

namespace lt = libtorrent;
using pack = lt::settings_pack;

struct mainline {
	mainline_conf conf;
	std::unique_ptr<lt::session> session;
	/* the state that is being told: of each address family there is a DHT, which tells its own
	 */
	size_t n_nodes = 0;
	std::vector<std::array<uint8_t, MAINLINE_HASH_LEN>> under_way;
};

/* Answers to strangers: as much as a slow line, from small tables. */
static constexpr int upload_rate = 8000;
static constexpr int torrents_max = 500;
static constexpr int peers_max = 100;
static constexpr int items_max = 50;
static constexpr int local_rate = 1000; /* datagrams of an address a second; else 5 */
static constexpr auto patience = std::chrono::seconds(5);

/* "ADDRESS:PORT" of a network in which many nodes share an address, or a part of it? */
static bool
is_local(const std::string &where)
{
	static const char *const local[] = {"127.", "10.", "192.168.", "[::1]", "[fd"};

	return std::any_of(std::begin(local), std::end(local),
		[&](const char *l) { return where.rfind(l, 0) == 0; });
}

static lt::session_params
make_params(const mainline_conf &conf)
{
	lt::session_params p;
	pack &s = p.settings;
	bool strict = !is_local(conf.listen);

	p.disk_io_constructor = lt::disabled_disk_io_constructor;
	s.set_str(pack::listen_interfaces, conf.listen);
	s.set_str(pack::dht_bootstrap_nodes, conf.bootstrap);
	s.set_int(pack::max_retry_port_bind, 0); /* that port and no other */
	s.set_bool(pack::listen_system_port_fallback, false);
	s.set_bool(pack::enable_dht, true);
	for (int off : {pack::enable_upnp, pack::enable_natpmp, pack::enable_lsd,
		     pack::enable_incoming_tcp, pack::enable_outgoing_tcp,
		     pack::enable_incoming_utp, pack::enable_outgoing_utp})
		s.set_bool(off, false);
	s.set_int(pack::dht_upload_rate_limit, upload_rate);
	s.set_int(pack::dht_max_torrents, torrents_max);
	s.set_int(pack::dht_max_peers, peers_max);
	s.set_int(pack::dht_max_dht_items, items_max);
	s.set_bool(pack::dht_restrict_routing_ips, strict);
	s.set_bool(pack::dht_restrict_search_ips, strict);
	if (!strict)
		s.set_int(pack::dht_block_ratelimit, local_rate);
	s.set_int(
		pack::alert_mask, static_cast<int>(static_cast<std::uint32_t>(
					  lt::alert_category::status | lt::alert_category::error)));
	return p;
}

/* libtorrent's threads leave signals to others, but for the one that calls in every thread. */
class signals_blocked
{
	sigset_t old;

      public:
	signals_blocked()
	{
		sigset_t all;

		sigfillset(&all);
		sigdelset(&all, SIGRTMAX);
		pthread_sigmask(SIG_BLOCK, &all, &old);
	}
	~signals_blocked()
	{
		pthread_sigmask(SIG_SETMASK, &old, nullptr);
	}
};

/* Wait until all sockets are open, or one of them cannot be. */
static std::string
wait_for_sockets(lt::session &session, size_t wanted)
{
	auto until = std::chrono::steady_clock::now() + patience;
	size_t n = 0;

	while (n < wanted && std::chrono::steady_clock::now() < until) {
		std::vector<lt::alert *> alerts;

		session.wait_for_alert(std::chrono::milliseconds(100));
		session.pop_alerts(&alerts);
		for (const lt::alert *a : alerts) {
			if (const auto *f = lt::alert_cast<lt::listen_failed_alert>(a))
				return f->error.message();
			if (const auto *s = lt::alert_cast<lt::listen_succeeded_alert>(a))
				n += s->socket_type == lt::socket_type_t::utp;
		}
	}
	return n < wanted ? "no such address on this machine" : "";
}

static int
open_session(mainline &m, char *why, size_t why_size)
{
	std::string listen = m.conf.listen;
	signals_blocked guard;

	m.session = std::make_unique<lt::session>(make_params(m.conf));
	std::string wrong = wait_for_sockets(
		*m.session, 1 + static_cast<size_t>(std::count(listen.begin(), listen.end(), ',')));

	if (!wrong.empty()) {
		std::snprintf(
			why, why_size, "cannot listen on %s: %s", m.conf.listen, wrong.c_str());
		return -EADDRNOTAVAIL;
	}
	pack later;

	later.set_int(pack::alert_mask,
		static_cast<int>(static_cast<std::uint32_t>(lt::alert_category::dht_operation)));
	m.session->apply_settings(later);
	const mainline_conf &conf = m.conf;

	m.session->set_alert_notify([conf]() { conf.wake(conf.arg); });
	return 0;
}

int
mainline_open(const mainline_conf *conf, mainline **out, char *why, size_t why_size)
{
	try {
		auto m = std::make_unique<mainline>();

		m->conf = *conf;
		int rc = open_session(*m, why, why_size);

		if (rc == 0)
			*out = m.release();
		return rc;
	} catch (const std::exception &e) {
		std::snprintf(why, why_size, "libtorrent: %s", e.what());
		return -EIO;
	}
}

void
mainline_close(mainline *m)
{
	m->session->set_alert_notify([]() {});
	delete m;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static lt::sha1_hash
to_hash(const uint8_t *hash)
{
	return lt::sha1_hash(reinterpret_cast<const char *>(hash));
}

int
mainline_get_peers(mainline *m, const uint8_t *hash)
{
	try {
		m->session->dht_get_peers(to_hash(hash));
		return 0;
	} catch (const std::exception &) {
		return -EIO;
	}
}

int
mainline_announce(mainline *m, const uint8_t *hash, uint16_t port)
{
	try {
		m->session->dht_announce(to_hash(hash), port);
		return 0;
	} catch (const std::exception &) {
		return -EIO;
	}
}

int
mainline_ask(mainline *m)
{
	try {
		m->session->post_dht_stats();
		/* What comes of this shows that all DHTs have told. */
		m->session->post_session_stats();
		return 0;
	} catch (const std::exception &) {
		return -EIO;
	}
}

/* ---- answers --------------------------------------------------------------------------------- */

static mainline_address
to_address(const lt::tcp::endpoint &e)
{
	mainline_address a = {};

	a.port = e.port();
	a.is_ipv6 = e.address().is_v6();
	if (a.is_ipv6) {
		auto bytes = e.address().to_v6().to_bytes();

		std::copy(bytes.begin(), bytes.end(), a.ip);
	} else {
		auto bytes = e.address().to_v4().to_bytes();

		std::copy(bytes.begin(), bytes.end(), a.ip);
	}
	return a;
}

static void
tell_peers(const mainline &m, const lt::dht_get_peers_reply_alert &a)
{
	std::vector<mainline_address> address;

	for (const auto &e : a.peers())
		address.push_back(to_address(e));
	m.conf.peers(m.conf.arg, reinterpret_cast<const uint8_t *>(a.info_hash.data()),
		address.data(), address.size());
}

static void
add_state(mainline &m, const lt::dht_stats_alert &a)
{
	for (const auto &bucket : a.routing_table)
		m.n_nodes += static_cast<size_t>(bucket.num_nodes);
	for (const auto &l : a.active_requests) {
		m.under_way.emplace_back();
		std::memcpy(m.under_way.back().data(), l.target.data(), MAINLINE_HASH_LEN);
	}
}

static void
tell_state(mainline &m)
{
	m.conf.state(m.conf.arg, m.n_nodes,
		reinterpret_cast<const uint8_t(*)[MAINLINE_HASH_LEN]>(m.under_way.data()),
		m.under_way.size());
	m.n_nodes = 0;
	m.under_way.clear();
}

void
mainline_poll(mainline *m)
{
	try {
		std::vector<lt::alert *> alerts;

		m->session->pop_alerts(&alerts);
		for (const lt::alert *a : alerts) {
			if (const auto *p = lt::alert_cast<lt::dht_get_peers_reply_alert>(a))
				tell_peers(*m, *p);
			else if (const auto *s = lt::alert_cast<lt::dht_stats_alert>(a))
				add_state(*m, *s);
			else if (lt::alert_cast<lt::session_stats_alert>(a) != nullptr)
				tell_state(*m);
		}
	} catch (const std::exception &) {
		/* no memory: what was found is lost */
	}
}
