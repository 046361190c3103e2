/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Hidden services between nodes of this process: two ends, which meet through relays of this
 * process, too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "world.h"

#define SIZES 1300
#define PEERS 64

/* A node that uses services, and what it was told. */
struct end {
	struct peel *p;
	bool greets, echoes;
	pthread_mutex_t lock;
	struct peel_address peer[PEERS];
	unsigned int met, gone, got, wrong;
	bool seen[SIZES + 1]; /* data of that length */
	char greeting[64];    /* the last one */
};

static struct world world;
static struct end a, b;
static unsigned int names; /* services so far: none is used twice */

static void
next_id(uint8_t id[PEEL_SERVICE_ID_LEN])
{
	char name[32];

	snprintf(name, sizeof(name), "service %u", ++names);
	peel_service_id(name, id);
}

static bool
same(const struct peel_address *x, const struct peel_address *y)
{
	return x->type == y->type && x->port == y->port && memcmp(x->ip, y->ip, 4) == 0;
}

static void
fill(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + len);
}

static void
on_peer(void *arg, struct peel *p, const struct peel_address *peer)
{
	struct end *end = arg;

	pthread_mutex_lock(&end->lock);
	if (p != end->p || peer->type != PEEL_ADDRESS_IPV4 || peer->port != 1024 ||
		peer->ip[0] != 127 || (peer->ip[1] & 0xc0) != 192)
		end->wrong++;
	end->peer[end->met++ % PEERS] = *peer;
	pthread_mutex_unlock(&end->lock);
	if (end->greets && peel_tunnel_data(p, 0, peer, PEEL_DATA, "greetings", 9) != 0)
		end->wrong++;
}

static void
on_gone(void *arg, struct peel *p, const struct peel_address *peer)
{
	struct end *end = arg;
	bool known = false;

	/* Its address means nothing any more. */
	if (peel_tunnel_data(p, 0, peer, PEEL_DATA, "x", 1) != -ENOENT ||
		peel_peer_circuit(p, peer) != 0)
		end->wrong++;
	pthread_mutex_lock(&end->lock);
	for (unsigned int i = 0; i < end->met && i < PEERS; i++)
		known |= same(&end->peer[i], peer);
	end->wrong += !known;
	end->gone++;
	pthread_mutex_unlock(&end->lock);
}

static void
on_data(void *arg, struct peel *p, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	uint8_t expected[SIZES];
	peel_circuit now = peel_peer_circuit(p, origin);
	struct end *end = arg;
	bool known = false;

	pthread_mutex_lock(&end->lock);
	for (unsigned int i = 0; i < end->met && i < PEERS; i++)
		known |= same(&end->peer[i], origin);
	/* Nobody speaks before on_peer has told of him; the service may have been left since. */
	end->wrong += !known || (now != circuit && now != 0);
	if (len == 9 && memcmp(payload, "greetings", 9) == 0) {
		snprintf(end->greeting, sizeof(end->greeting), "%.9s", (const char *)payload);
	} else if (len <= SIZES) {
		fill(expected, len);
		end->wrong += memcmp(payload, expected, len) != 0;
		end->seen[len] = true;
	}
	end->got++;
	pthread_mutex_unlock(&end->lock);
	if (end->echoes)
		peel_tunnel_data(p, 0, origin, PEEL_DATA, payload, len);
}

static bool
has_met(void *arg)
{
	struct end *end = arg;
	bool met;

	pthread_mutex_lock(&end->lock);
	met = end->met > end->gone;
	pthread_mutex_unlock(&end->lock);
	return met;
}

static bool
both_met(void *arg)
{
	(void)arg;
	return has_met(&a) && has_met(&b);
}

static bool
is_gone(void *arg)
{
	struct end *end = arg;
	bool gone;

	pthread_mutex_lock(&end->lock);
	gone = end->met > 0 && end->gone == end->met;
	pthread_mutex_unlock(&end->lock);
	return gone;
}

/* At least one, maybe not the last. */
static bool
has_gone(void *arg)
{
	struct end *end = arg;
	bool gone;

	pthread_mutex_lock(&end->lock);
	gone = end->gone > 0;
	pthread_mutex_unlock(&end->lock);
	return gone;
}

static bool
was_greeted(void *arg)
{
	struct end *end = arg;
	bool greeted;

	pthread_mutex_lock(&end->lock);
	greeted = strcmp(end->greeting, "greetings") == 0;
	pthread_mutex_unlock(&end->lock);
	return greeted;
}

static struct peel_address
last_peer(struct end *end)
{
	struct peel_address peer;

	pthread_mutex_lock(&end->lock);
	peer = end->peer[(end->met - 1) % PEERS];
	pthread_mutex_unlock(&end->lock);
	return peer;
}

static void
join(struct end *end, const uint8_t id[PEEL_SERVICE_ID_LEN], unsigned int hops, bool seed,
	bool find)
{
	struct peel_service_options options;

	peel_service_options_init(&options);
	options.hops = hops;
	options.seed = seed;
	options.find = find;
	assert_int_equal(peel_join_service(end->p, id, &options, on_peer, on_gone, end), 0);
}

/* ---- life of the world ----------------------------------------------------------------------- */

static void
end_open(struct end *end)
{
	struct peel_settings s;

	memset(end, 0, sizeof(*end));
	pthread_mutex_init(&end->lock, NULL);
	world_client(&world, &s);
	s.swarm_lookup_interval = 1;
	assert_int_equal(peel_open(&s, &end->p), 0);
	peel_on_data(end->p, on_data, end);
	assert_int_equal(peel_run(end->p), 0);
}

static void
end_close(struct end *end)
{
	peel_close(end->p);
	pthread_mutex_destroy(&end->lock);
}

/* ---- a DHT of the program, which all relays share -------------------------------------------- */

#define ANNOUNCED_MAX 256

static struct {
	pthread_mutex_t lock;
	uint8_t hash[ANNOUNCED_MAX][20];
	struct peel_introduction_point point[ANNOUNCED_MAX];
	unsigned int n, n_looked_up, n_found;
} dht = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int
dht_announce(void *arg, const uint8_t info_hash[20], const struct peel_introduction_point *point)
{
	(void)arg;
	pthread_mutex_lock(&dht.lock);
	if (dht.n < ANNOUNCED_MAX) {
		memcpy(dht.hash[dht.n], info_hash, 20);
		dht.point[dht.n++] = *point;
	}
	pthread_mutex_unlock(&dht.lock);
	return 0;
}

static int
dht_lookup(void *arg, const uint8_t info_hash[20],
	void (*found)(void *ctx, const struct peel_introduction_point *point), void *ctx)
{
	(void)arg;
	pthread_mutex_lock(&dht.lock);
	dht.n_looked_up++;
	for (unsigned int i = 0; i < dht.n; i++) {
		if (memcmp(dht.hash[i], info_hash, 20) != 0)
			continue;
		found(ctx, &dht.point[i]);
		dht.n_found++;
	}
	pthread_mutex_unlock(&dht.lock);
	found(ctx, NULL);
	return 0;
}

static int
dht_peer_lookup(void *arg, const uint8_t mid[20],
	void (*found)(void *ctx, const struct peel_address *address), void *ctx)
{
	(void)arg;
	(void)mid;
	found(ctx, NULL);
	return 0;
}

static const struct peel_dht_provider provider = {
	.lookup = dht_lookup, .announce = dht_announce, .peer_lookup = dht_peer_lookup};

/* Whether an introduction point has told the DHT: an exit that looked there before says for a while
 * that there is nobody. */
static bool
is_announced(void *arg)
{
	bool announced = false;

	pthread_mutex_lock(&dht.lock);
	for (unsigned int i = 0; i < dht.n; i++)
		announced |= memcmp(dht.hash[i], arg, PEEL_SERVICE_ID_LEN) == 0;
	pthread_mutex_unlock(&dht.lock);
	return announced;
}

/* a seeds what b finds. */
static void
join_both(unsigned int hops, uint8_t id[PEEL_SERVICE_ID_LEN])
{
	next_id(id);
	join(&a, id, hops, true, false);
	wait_for(is_announced, id, "an introduction point in the DHT");
	join(&b, id, hops, false, true);
}

/* It was told of the introduction points of the services so far, by their public addresses, and
 * asked for them by the ends of circuits. */
static void
test_own_dht_was_asked(void **state)
{
	(void)state;
	pthread_mutex_lock(&dht.lock);
	assert_true(dht.n > 0);
	for (unsigned int i = 0; i < dht.n; i++) {
		assert_int_equal(dht.point[i].address.type, PEEL_ADDRESS_IPV4);
		assert_int_not_equal(dht.point[i].address.port, 0);
		assert_memory_equal(dht.point[i].key, "LibNaCLPK:", 10);
		assert_memory_equal(dht.point[i].seeder_key, "LibNaCLPK:", 10);
	}
	assert_true(dht.n_looked_up > 0);
	pthread_mutex_unlock(&dht.lock);
}

static bool
has_found(void *arg)
{
	unsigned int n;

	pthread_mutex_lock(&dht.lock);
	n = dht.n_found;
	pthread_mutex_unlock(&dht.lock);
	return n > *(const unsigned int *)arg;
}

/* Exits ask it for a service that none of them is an introduction point of. */
static void
test_own_dht_finds(void **state)
{
	uint8_t id[PEEL_SERVICE_ID_LEN];
	unsigned int before;

	(void)state;
	next_id(id);
	pthread_mutex_lock(&dht.lock);
	assert_in_range(dht.n, 1, ANNOUNCED_MAX - 1);
	memcpy(dht.hash[dht.n], id, sizeof(id));
	dht.point[dht.n++] = dht.point[0];
	before = dht.n_found;
	pthread_mutex_unlock(&dht.lock);
	end_open(&b);
	join(&b, id, 1, false, true);
	wait_for(has_found, &before, "an exit that finds it in the DHT");
	end_close(&b);
}

static int
setup(void **state)
{
	(void)state;
	world.dht = &provider;
	world_start(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

static int
open_ends(void **state)
{
	(void)state;
	end_open(&a);
	end_open(&b);
	return 0;
}

static int
close_ends(void **state)
{
	(void)state;
	end_close(&a);
	end_close(&b);
	assert_int_equal(a.wrong, 0);
	assert_int_equal(b.wrong, 0);
	return 0;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_identifiers(void **state)
{
	static const uint8_t abc[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
		0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
	/* SHA-1("tribler anonymous download" "0001...13") */
	static const uint8_t tribler[] = {0xeb, 0x21, 0x13, 0xf7, 0x8b, 0xbc, 0xab, 0x7f, 0x28,
		0x88, 0xd3, 0x9f, 0x3e, 0x0d, 0x69, 0xee, 0x44, 0xce, 0x99, 0xc0};
	uint8_t id[PEEL_SERVICE_ID_LEN], info_hash[20];

	(void)state;
	peel_service_id("abc", id);
	assert_memory_equal(id, abc, sizeof(abc));
	for (uint8_t i = 0; i < 20; i++)
		info_hash[i] = i;
	peel_tribler_service_id(info_hash, id);
	assert_memory_equal(id, tribler, sizeof(tribler));
}

static unsigned int
missing(struct end *end)
{
	unsigned int n = 0;

	pthread_mutex_lock(&end->lock);
	for (size_t i = 1; i <= SIZES; i++)
		n += !end->seen[i];
	pthread_mutex_unlock(&end->lock);
	return n;
}

/* Every length from 1 byte to 1300, there and back, until all have come: it is UDP. */
static void
exchange(struct end *from, struct end *to)
{
	struct peel_address peer = last_peer(from);
	uint8_t data[SIZES];

	to->echoes = true;
	for (int round = 0; round < 60 && missing(from) > 0; round++) {
		for (size_t len = 1; len <= SIZES; len++) {
			if (from->seen[len])
				continue;
			fill(data, len);
			while (peel_tunnel_data(from->p, 0, &peer, PEEL_DATA, data, len) == -EAGAIN)
				sleep_ms(1);
			if (len % 16 == 0)
				sleep_ms(2);
		}
		for (int i = 0; i < 100 && missing(from) > 0; i++)
			sleep_ms(10);
	}
	assert_int_equal(missing(from), 0);
	assert_int_equal(missing(to), 0);
}

static void
test_both_ways(void **state)
{
	(void)state;
	for (unsigned int hops = 1; hops <= 3; hops++) {
		uint8_t id[PEEL_SERVICE_ID_LEN];

		open_ends(NULL);
		join_both(hops, id);
		wait_for(has_met, &b, "a seeder");
		exchange(&b, &a);
		/* Each end has one circuit to the other, which is for nothing else. */
		struct peel_address peer = last_peer(&b);
		peel_circuit circuit = peel_peer_circuit(b.p, &peer), active[8];
		struct peel_circuit_info info;
		struct peel_service_info service;
		size_t n = peel_active_data_circuits(b.p, active, 8);

		assert_int_equal(peel_circuit_info(b.p, circuit, &info), 0);
		assert_int_equal(info.state, PEEL_CIRCUIT_READY);
		assert_int_equal(info.hops, hops + 1);
		for (size_t i = 0; i < n && i < 8; i++)
			assert_true(active[i] != circuit);
		assert_int_equal(
			peel_tunnel_data(b.p, circuit, &world.echo, PEEL_DATA, "x", 1), -ENOTCONN);
		assert_true(peel_circuit_for(b.p, hops, &peer) == circuit);
		assert_int_equal(peel_service_info(b.p, id, &service), 0);
		assert_true(service.find && !service.seed && service.hops == hops);
		assert_int_equal(service.peers, 1);
		assert_true(service.looked_up_ms >= 0);
		assert_int_equal(peel_service_info(a.p, id, &service), 0);
		assert_true(service.own_introduction_points >= 1 && service.peers == 1);
		assert_memory_equal(service.key, "LibNaCLPK:", 10);
		/* It leaves: both are told. */
		assert_int_equal(peel_leave_service(b.p, id), 0);
		assert_int_equal(peel_leave_service(b.p, id), -ENOENT);
		assert_int_equal(peel_tunnel_data(b.p, 0, &peer, PEEL_DATA, "x", 1), -ENOENT);
		wait_for(is_gone, &a, "the end of the connection");
		close_ends(NULL);
	}
}

/* Whoever hears of a peer first may speak, and is heard. */
static void
test_who_speaks_first(void **state)
{
	(void)state;
	for (int seeder_greets = 0; seeder_greets < 2; seeder_greets++) {
		uint8_t id[PEEL_SERVICE_ID_LEN];
		struct end *greeter = seeder_greets ? &a : &b, *other = seeder_greets ? &b : &a;

		open_ends(NULL);
		greeter->greets = true;
		join_both(1, id);
		wait_for(was_greeted, other, "a greeting");
		close_ends(NULL);
	}
}

/* A circuit that ends takes its peer along, and is made anew; the peer is another one then. */
static void
test_hanging_up(void **state)
{
	uint8_t id[PEEL_SERVICE_ID_LEN];
	struct peel_address peer, again;

	(void)state;
	join_both(1, id);
	wait_for(has_met, &b, "a seeder");
	a.echoes = true;
	peer = last_peer(&b);
	assert_int_equal(peel_tunnel_data(b.p, 0, &peer, PEEL_DATA, "greetings", 9), 0);
	wait_for(was_greeted, &b, "an answer");
	assert_int_equal(peel_close_circuit(b.p, peel_peer_circuit(b.p, &peer)), 0);
	wait_for(has_gone, &b, "the end of the connection");
	wait_for(has_gone, &a, "the end of the connection");
	wait_for(has_met, &b, "the seeder again");
	again = last_peer(&b);
	assert_false(same(&peer, &again));
	assert_int_equal(peel_tunnel_data(b.p, 0, &peer, PEEL_DATA, "x", 1), -ENOENT);
	exchange(&b, &a);
}

static void
on_peer_of_document(void *arg, struct peel *p, const struct peel_address *peer)
{
	peel_tunnel_data(p, 0, peer, PEEL_DATA, "greetings", 9);
	on_peer(arg, p, peer);
}

/* Two that do the same find each other, and each other only. */
static void
test_as_in_the_document(void **state)
{
	uint8_t id[PEEL_SERVICE_ID_LEN];

	(void)state;
	next_id(id);
	assert_int_equal(peel_register_service(a.p, id, 1, on_peer_of_document, &a), 0);
	assert_int_equal(peel_register_service(b.p, id, 1, on_peer_of_document, &b), 0);
	wait_for(was_greeted, &a, "a greeting");
	wait_for(was_greeted, &b, "a greeting");
	wait_for(both_met, NULL, "each other");
}

static void
test_errors(void **state)
{
	struct peel_service_options options;
	struct peel_service_info info;
	uint8_t id[PEEL_SERVICE_ID_LEN];
	struct peel_address nobody;
	unsigned int hops = 1;

	(void)state;
	next_id(id);
	assert_int_equal(peel_service_info(a.p, id, &info), -ENOENT);
	assert_int_equal(peel_leave_service(a.p, id), -ENOENT);
	assert_int_equal(peel_register_service(a.p, id, 0, on_peer, &a), -EINVAL);
	assert_non_null(strstr(peel_strerror(-EINVAL), "1 to 7 hops"));
	assert_int_equal(peel_register_service(a.p, id, 8, on_peer, &a), -EINVAL);
	peel_service_options_init(&options);
	options.seed = options.find = false;
	assert_int_equal(peel_join_service(a.p, id, &options, NULL, NULL, NULL), -EINVAL);
	options.size = 0;
	assert_int_equal(peel_join_service(a.p, id, &options, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(peel_join_service(a.p, id, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(peel_join_service(a.p, id, NULL, NULL, NULL, NULL), -EEXIST);
	assert_int_equal(peel_service_info(a.p, id, &info), 0);
	assert_true(info.seed && info.find && info.hops == 1 && info.peers == 0);
	assert_int_equal(peel_leave_service(a.p, id), 0);

	/* Nobody has this address, and no exit hears of it. */
	assert_int_equal(peel_build_tunnels(a.p, hops), 0);
	for (int i = 0; i < 6000 && peel_tunnels_ready(a.p, hops) < 1; i++)
		sleep_ms(10);
	peel_circuit circuit;

	assert_true(peel_active_data_circuits(a.p, &circuit, 1) > 0);
	for (int mapped = 0; mapped < 2; mapped++) {
		assert_int_equal(peel_address_set(&nobody,
					 mapped ? "::ffff:127.255.255.255" : "127.192.0.1", 1024),
			0);
		assert_int_equal(
			peel_tunnel_data(a.p, circuit, &nobody, PEEL_DATA, "x", 1), -ENOENT);
		assert_true(peel_circuit_for(a.p, hops, &nobody) == 0);
		assert_true(peel_peer_circuit(a.p, &nobody) == 0);
	}
	/* Nor as a name, which exits would resolve. */
	nobody = (struct peel_address){.type = PEEL_ADDRESS_DOMAIN, .port = 1024};
	for (int i = 0; i < 2; i++) {
		strcpy(nobody.domain, i == 0 ? "127.192.0.1" : "::ffff:127.255.255.255");
		assert_int_equal(
			peel_tunnel_data(a.p, circuit, &nobody, PEEL_DATA, "x", 1), -ENOENT);
	}
	/* Its neighbours are addresses like others. */
	assert_int_equal(peel_address_set(&nobody, "127.191.255.255", 1024), 0);
	assert_int_equal(peel_tunnel_data(a.p, circuit, &nobody, PEEL_DATA, "x", 1), 0);
}

/* ---- an exit that claims to be a peer ---- */

static struct {
	unsigned int honest, pretended;
} heard;

static void
on_data_of_exit(void *arg, struct peel *p, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	(void)arg;
	(void)p;
	(void)circuit;
	(void)payload;
	(void)len;
	__atomic_add_fetch(
		origin->ip[1] >= 192 ? &heard.pretended : &heard.honest, 1, __ATOMIC_RELAXED);
}

static bool
heard_honest(void *arg)
{
	(void)arg;
	return __atomic_load_n(&heard.honest, __ATOMIC_RELAXED) > 0;
}

static int
udp_socket(const char *ip, uint16_t port, struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t size = sizeof(*address);
	struct timeval second = {.tv_sec = 1};

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, ip, &address->sin_addr);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	return fd;
}

static bool
has_circuit(void *arg)
{
	return peel_active_data_circuits(a.p, arg, 1) > 0;
}

/* Whatever an exit says: nothing that it passes on comes from a peer. */
static void
test_exits_have_no_peers(void **state)
{
	struct sockaddr_in honest, pretender, exit;
	int fd = udp_socket("127.0.0.1", 0, &honest);
	int other = udp_socket("127.192.0.1", 0, &pretender);
	socklen_t size = sizeof(exit);
	struct peel_address to;
	peel_circuit circuit;
	ssize_t got = -1;
	char data[16];

	(void)state;
	peel_on_data(a.p, on_data_of_exit, NULL);
	assert_int_equal(peel_build_tunnels(a.p, 1), 0);
	wait_for(has_circuit, &circuit, "a circuit");
	assert_int_equal(peel_address_set(&to, "127.0.0.1", ntohs(honest.sin_port)), 0);
	for (int i = 0; i < 30 && got != 5; i++) {
		assert_int_equal(peel_tunnel_data(a.p, circuit, &to, PEEL_DATA, "hello", 5), 0);
		got = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&exit, &size);
	}
	assert_int_equal(got, 5);
	assert_int_equal(sendto(other, "I!", 2, 0, (struct sockaddr *)&exit, size), 2);
	assert_int_equal(sendto(fd, "I!", 2, 0, (struct sockaddr *)&exit, size), 2);
	wait_for(heard_honest, NULL, "an answer");
	assert_int_equal(heard.pretended, 0);
	close(fd);
	close(other);
}

/* A key that lasts. */
static void
test_key_file(void **state)
{
	char path[] = "/tmp/peel-test-XXXXXX", file[64];
	struct peel_service_options options;
	struct peel_service_info first, again;
	uint8_t id[PEEL_SERVICE_ID_LEN], other[PEEL_SERVICE_ID_LEN];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(file, sizeof(file), "%s/key", path);
	peel_service_options_init(&options);
	options.key_file = file;
	next_id(id);
	assert_int_equal(peel_join_service(a.p, id, &options, NULL, NULL, NULL), 0);
	assert_int_equal(peel_service_info(a.p, id, &first), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(peel_join_service(b.p, id, &options, NULL, NULL, NULL), 0);
	assert_int_equal(peel_service_info(b.p, id, &again), 0);
	assert_memory_equal(first.key, again.key, sizeof(first.key));
	/* A key names one service. */
	next_id(other);
	assert_int_equal(peel_join_service(b.p, other, &options, NULL, NULL, NULL), -EKEYREJECTED);
	/* Without a file it is another one each time. */
	assert_int_equal(peel_leave_service(b.p, id), 0);
	assert_int_equal(peel_join_service(b.p, id, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(peel_service_info(b.p, id, &again), 0);
	assert_memory_not_equal(first.key, again.key, sizeof(first.key));
	assert_int_equal(peel_leave_service(b.p, id), 0);
	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(peel_join_service(b.p, id, &options, NULL, NULL, NULL), -EPERM);
	assert_non_null(strstr(peel_strerror(-EPERM), "options.key_file: "));
	unlink(file);
	rmdir(path);
	assert_int_equal(peel_join_service(b.p, id, &options, NULL, NULL, NULL), -ENOENT);
}

/* Services half made, data on its way. */
static void
test_close_in_flight(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		uint8_t id[PEEL_SERVICE_ID_LEN], more[PEEL_SERVICE_ID_LEN];

		open_ends(NULL);
		a.greets = b.greets = a.echoes = true;
		next_id(id);
		next_id(more);
		join(&a, id, 1, true, true);
		join(&b, id, 2, true, true);
		join(&a, more, 2, true, true);
		sleep_ms((unsigned int)i * 500);
		assert_int_equal(peel_leave_service(a.p, more), 0);
		if (i == 3)
			wait_for(both_met, NULL, "each other");
		close_ends(NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identifiers),
		cmocka_unit_test_setup_teardown(test_errors, open_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_exits_have_no_peers, open_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_key_file, open_ends, close_ends),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_who_speaks_first),
		cmocka_unit_test_setup_teardown(test_hanging_up, open_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_as_in_the_document, open_ends, close_ends),
		cmocka_unit_test(test_close_in_flight),
		cmocka_unit_test(test_own_dht_was_asked),
		cmocka_unit_test(test_own_dht_finds),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
