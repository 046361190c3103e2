/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#ifndef PEEL_H
#define PEEL_H

/**
 * @file
 * libpeel: send anonymously through circuits of the IPv8 tunnel overlay.
 *
 * @code
 *	struct peel_settings s;
 *	struct peel *p;
 *
 *	peel_settings_init(&s);
 *	if (peel_open(&s, &p) != 0) ...
 *	peel_on_data(p, on_data, NULL);
 *	peel_build_tunnels(p, 3);
 *	peel_run(p);                          (threads of its own; or call peel_poll from a loop)
 *	while (peel_tunnels_ready(p, 3) < 1.0) ...
 *	peel_active_data_circuits(p, &circuit, 1);
 *	peel_address_set(&to, "192.0.2.7", 7000);
 *	peel_tunnel_data(p, circuit, &to, PEEL_DATA, "hello", 5);
 * @endcode
 *
 * Threads: a function may be called from any thread unless it says otherwise. Callbacks run in the
 * thread that drives the node (the library's own thread after peel_run, otherwise the caller of
 * peel_poll), never two of one node at once, and without locks: they may call anything except
 * peel_close, peel_run and peel_poll. Their arguments are valid only during the call. Errors are
 * negative errno values; peel_strerror says what went wrong.
 *
 * Several nodes may live in one process. The library stays out of the way: it installs no signal
 * handlers, prints nothing, never exits, and changes neither the affinity nor the limits of the
 * process; its threads handle no signals. It needs no privileges and no hugepages. The first
 * peel_open starts DPDK inside the library; DPDK's memory and one sleeping thread stay until the
 * process ends. After fork() only the parent may use its nodes and open new ones.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks the functions that libpeel.so exports. */
#define PEEL_API __attribute__((visibility("default")))

/** A node. */
struct peel;
/** Names a circuit of this process; 0 is none. */
typedef uint64_t peel_circuit;

/** Most hops of a circuit. */
#define PEEL_HOPS_LIMIT 8
/** Bytes of the public key of a node. */
#define PEEL_KEY_LEN 74
/** Most bytes of one peel_tunnel_data(); above 1356 (three hops) datagrams travel as IP
 * fragments. */
#define PEEL_PAYLOAD_MAX 1600

/* ---- addresses ------------------------------------------------------------------------------- */

/** Kinds of addresses. */
enum peel_address_type {
	PEEL_ADDRESS_NONE,   /**< no address */
	PEEL_ADDRESS_IPV4,   /**< IPv4 */
	PEEL_ADDRESS_IPV6,   /**< IPv6 */
	PEEL_ADDRESS_DOMAIN, /**< a name, which the exit resolves */
};

/** A host and a port. */
struct peel_address {
	uint8_t type;	  /**< enum peel_address_type */
	uint16_t port;	  /**< in host byte order */
	uint8_t ip[16];	  /**< of IPv4 the first four bytes */
	char domain[256]; /**< the name, with a terminating zero */
};

/**
 * Make an address from text. Nothing is resolved.
 * @param out the address
 * @param host "192.0.2.7", "2001:db8::7" or a domain name in ASCII
 * @param port in host byte order
 * @return 0; -EINVAL: host is none of these
 */
PEEL_API int peel_address_set(struct peel_address *out, const char *host, uint16_t port);
/**
 * An address as text: "192.0.2.7:5", "[2001:db8::7]:5" or "example.org:5".
 * @param a the address
 * @param out the text, cut to @p size
 * @param size bytes of @p out; 264 is always enough
 * @return @p out
 */
PEEL_API const char *peel_address_text(const struct peel_address *a, char *out, size_t size);

/* ---- settings -------------------------------------------------------------------------------- */

/** What a node does for others; announced to them. Bits of peel_settings.peer_flags. */
enum peel_flag {
	PEEL_RELAY = 1,		  /**< pass on cells */
	PEEL_EXIT_BT = 2,	  /**< be an exit for BitTorrent */
	PEEL_EXIT_IPV8 = 4,	  /**< be an exit for IPv8 */
	PEEL_SPEED_TEST = 8,	  /**< answer speed tests */
	PEEL_EXIT_BACKUP = 16384, /**< be an exit only when others know no better one */
	PEEL_EXIT_HTTP = 32768,	  /**< do HTTP requests to trackers for circuits */
};

struct peel_dht_provider;

/**
 * Always begin with peel_settings_init(), which sets all defaults, then change the fields that
 * shall differ. Strings and arrays are borrowed only during peel_open(). Times are in seconds.
 * Brackets hold the default; a switch has the described effect when it is true. Later versions add
 * fields at the end. The library accepts a structure of an older version, whose missing fields have
 * their defaults, and one of a newer version if all fields that it does not know are zero.
 */
struct peel_settings {
	/** Size of the structure the caller was compiled with; set by peel_settings_init() */
	size_t size;

	/* own circuits */
	/** Circuits that peel_tunnels_ready() considers enough [1] */
	uint32_t min_circuits;
	/** Circuits built and kept per hop count [8] */
	uint32_t max_circuits;
	/** Life of a circuit [3600] */
	uint32_t max_time;
	/** Life of an introduction point's circuit [86400] */
	uint32_t max_time_ip;
	/** Life of a circuit through which nothing comes [20] */
	uint32_t max_time_inactive;
	/** Most bytes of a circuit, both directions together [10 GiB] */
	uint64_t max_traffic;
	/** How long building a circuit may take; divided by next_hop_timeout, the number of tries
	 * [60] */
	uint32_t circuit_timeout;
	/** How long to wait for a hop's answer [10] */
	uint32_t next_hop_timeout;
	/** Cells that may extend a circuit; also the most hops it can have [8] */
	uint32_t max_relay_early;
	/** Two hops of a circuit may share a /16 (IPv4) or /32 (IPv6) of public addresses;
	 * otherwise they never do, as far as addresses are known [no] */
	bool allow_same_network;
	/** peel_circuit_for() gives each destination circuits of its own [no] */
	bool isolate_destinations;

	/* for others */
	/** Be an exit for others (sets PEEL_EXIT_BT); this may have legal consequences [no] */
	bool become_exitnode;
	/** What the node does for others: bits of enum peel_flag [PEEL_RELAY | PEEL_SPEED_TEST] */
	uint16_t peer_flags;
	/** Most circuits of others at a time; a relayed one counts twice [100] */
	uint32_t max_joined_circuits;
	/** How long others' circuits may be extended after they have joined [60] */
	uint32_t unstable_timeout;
	/** Time between the end of a circuit and its removal [5] */
	uint32_t remove_tunnel_delay;
	/** The exit reaches 127.0.0.0/8 and ::1 [no] */
	bool exit_loopback;
	/** The exit reaches 10.0.0.0/8 and the like [no] */
	bool exit_private;
	/** The exit passes on every kind of payload, not only those that its flags name [no] */
	bool exit_any_payload;

	/* hidden services */
	/** Time between two look-ups of a service [30] */
	uint32_t swarm_lookup_interval;
	/** Connections to a service [15] */
	uint32_t swarm_connection_limit;
	/** Where services are looked up and announced besides IPv8's own DHT; must outlive the
	 * node [NULL: nowhere] */
	const struct peel_dht_provider *dht_provider;

	/* the node */
	/** File with the node's key [NULL: a fresh key, so that sessions cannot be linked] */
	const char *key_file;
	/** "default", "tribler" or 40 hexadecimal digits ["default"] */
	const char *community;
	/** Address and port to bind ["0.0.0.0:0", any free port] */
	const char *listen;
	/** "ADDRESS:PORT" as others see it [NULL: learnt from others] */
	const char *public_address;
	/** "HOST:PORT" of servers or peers, ending with NULL [NULL: the public servers] */
	const char *const *bootstrap;
	/** "ADDRESS:PORT" of servers that resolve names in exit traffic, ending with NULL [NULL:
	 *  the system's] */
	const char *const *dns_servers;
	/** Peers per overlay; beyond that, new nodes are refused [30] */
	uint32_t max_peers;

	/* resources */
	/** Number of threads that move cells [1] */
	unsigned int workers;
	/** CPU number of each worker [NULL: the kernel chooses] */
	const int *cores;
	/** Idle workers spin instead of sleeping [no] */
	bool poll;
	/** Engine that encrypts: "auto", "avx512", "avx2", "ipsec_mb", "sodium" ["auto"] */
	const char *engine;
	/** Use hugepages; the first node of the process decides for all [no] */
	bool hugepages;
	/** MiB of address space for all nodes of the process, touched as needed; the first node
	 *  decides [512] */
	uint32_t memory;
	/** Path of a socket that `peel status` can ask [NULL: none] */
	const char *management;
};

/**
 * Set every field to its default. Cannot fail.
 * @param settings filled by this call
 */
PEEL_API void peel_settings_init(struct peel_settings *settings);

/* ---- life ------------------------------------------------------------------------------------ */

/**
 * Make a node. Its port is open, but it does nothing until it is driven. peel_close() frees it. The
 * first call in a process takes about a fifth of a second.
 * @param settings initialised by peel_settings_init(); borrowed during the call
 * @param out the node; NULL on failure
 * @return 0, or an error that peel_strerror() explains: -EINVAL (a setting), -E2BIG (settings of a
 *         newer version), -EADDRINUSE, -EADDRNOTAVAIL, -EACCES and -ENOENT (key file), -ENOMEM
 *         (settings.memory), -ENOTSUP (after fork) ...
 */
PEEL_API int peel_open(const struct peel_settings *settings, struct peel **out);
/**
 * Tell the neighbours, end all threads, free everything. Before it returns, it calls back for
 * everything that is still under way: -ECANCELED for speed tests, -ENOENT for HTTP requests,
 * nothing for circuits. No other thread may be inside a function of this node. Called from a
 * callback of the node, it does nothing.
 * @param p the node; NULL is fine
 */
PEEL_API void peel_close(struct peel *p);
/**
 * Let the library drive the node in a thread of its own from now on. Returns once its threads run.
 * @param p the node
 * @return 0; -EALREADY: they run already; -EBUSY: peel_poll() drives the node; -EAGAIN, -ENOMEM: no
 *         thread could be made
 */
PEEL_API int peel_run(struct peel *p);
/**
 * Drive the node from the caller's loop instead: wait, then do what is due, callbacks included.
 * Call it when peel_fd() is readable, and at the latest when peel_timeout() is over. One thread at
 * a time. The workers are still threads of the library.
 * @param p the node
 * @param timeout_ms longest wait in milliseconds; 0: do not wait, -1: no limit
 * @return 0; -EBUSY: after peel_run(), or inside peel_poll(); -EAGAIN, -ENOMEM: no thread could be
 *         made; -ENODEV, -EPERM: the network device is gone for good
 */
PEEL_API int peel_poll(struct peel *p, int timeout_ms);
/**
 * A file descriptor that is readable when peel_poll() has work: for poll() or epoll. It belongs to
 * the node: do not read or close it.
 * @param p the node
 * @return the descriptor
 */
PEEL_API int peel_fd(const struct peel *p);
/**
 * When to call peel_poll() at the latest.
 * @param p the node
 * @return milliseconds from now, 0 to 500
 */
PEEL_API int peel_timeout(const struct peel *p);
/**
 * The meaning of a result of this library. If it is the code of the calling thread's last failure,
 * the text says in detail what was wrong.
 * @param result returned by a function of this library
 * @return never NULL; valid until the thread's next call that fails
 */
PEEL_API const char *peel_strerror(int result);
/**
 * The version of the running library.
 * @return "0.1.0"
 */
PEEL_API const char *peel_version(void);
/**
 * The node's own address and port, as bound.
 * @param p the node
 * @param out the address
 */
PEEL_API void peel_local_address(const struct peel *p, struct peel_address *out);
/**
 * Add a server or peer to start from. A name is resolved in the background, and again from time to
 * time.
 * @param p the node
 * @param host_port "HOST:PORT"
 * @return 0; -EINVAL: not of this form; -ENOMEM; -ENOSPC: more than 128 names
 */
PEEL_API int peel_add_bootstrap(struct peel *p, const char *host_port);

/* ---- circuits -------------------------------------------------------------------------------- */

/**
 * Keep a pool of circuits of that many hops from now on: between min_circuits and max_circuits,
 * built as peers become known, and replaced before they end. There may be pools of several lengths;
 * asking again for the same length does nothing.
 * @param p the node
 * @param hops of each circuit
 * @return 0; -EINVAL: hops is 0 or too many
 */
PEEL_API int peel_build_tunnels(struct peel *p, unsigned int hops);
/**
 * Close the circuits of that many hops and build no more.
 * @param p the node
 * @param hops as in peel_build_tunnels()
 * @return 0; -ENOENT: circuits of that many hops were not asked for
 */
PEEL_API int peel_stop_tunnels(struct peel *p, unsigned int hops);
/**
 * The circuits of any length over which data may be sent now, the best first.
 * @param p the node
 * @param out [n] the circuits; may be NULL when n is 0
 * @param n most circuits to write
 * @return how many there are
 */
PEEL_API size_t peel_active_data_circuits(struct peel *p, peel_circuit *out, size_t n);
/**
 * The circuits of one length over which data may be sent now, the best first.
 * @param p the node
 * @param hops of each circuit
 * @param out [n] the circuits; may be NULL when n is 0
 * @param n most circuits to write
 * @return how many there are
 */
PEEL_API size_t peel_active_data_circuits_of(
	struct peel *p, unsigned int hops, peel_circuit *out, size_t n);
/**
 * Whether there are enough circuits of that many hops.
 * @param p the node
 * @param hops of each circuit
 * @return active circuits divided by min_circuits: 1.0 or more means enough
 */
PEEL_API double peel_tunnels_ready(struct peel *p, unsigned int hops);

/** What keeps circuits from being built. */
enum peel_missing {
	PEEL_MISSING_NOTHING,  /**< nothing */
	PEEL_MISSING_RELAYS,   /**< fewer relays are known than a circuit has hops */
	PEEL_MISSING_EXIT,     /**< no exit is known */
	PEEL_MISSING_NETWORKS, /**< the known relays are in too few networks; see allow_same_network
				*/
	PEEL_MISSING_ANSWERS,  /**< enough are known, but circuits through them fail */
};
/**
 * Why there are no circuits of that many hops (yet).
 * @param p the node
 * @param hops as in peel_build_tunnels()
 * @param text the same in words, cut to @p size; NULL when that is 0
 * @param size bytes of @p text; 256 is always enough
 * @return enum peel_missing, which is PEEL_MISSING_NOTHING while there is a circuit and at first;
 *         -ENOENT: circuits of that many hops were not asked for
 */
PEEL_API int peel_tunnels_missing(struct peel *p, unsigned int hops, char *text, size_t size);

/**
 * The circuit for a destination: the same one as long as it lives, so that the packets of a
 * conversation leave from one exit. With isolate_destinations, two destination hosts share a
 * circuit only if there is no other. Hosts count, ports do not; names are not resolved, so a name
 * and its address are two hosts. The 1024 hosts used last are remembered.
 * @param p the node
 * @param hops of the circuit
 * @param destination where data is to go; a peer of a hidden service has its own circuit
 * @return the circuit; 0: none is ready
 */
PEEL_API peel_circuit peel_circuit_for(
	struct peel *p, unsigned int hops, const struct peel_address *destination);
/**
 * Close a circuit; the pool replaces it.
 * @param p the node
 * @param circuit the circuit
 * @return 0; -ENOENT: there is none, or it is closing already
 */
PEEL_API int peel_close_circuit(struct peel *p, peel_circuit circuit);

/** Kinds of messages that are sent through a circuit. */
enum peel_message_type {
	PEEL_DATA = 1, /**< datagrams for a destination ("data" of py-ipv8) */
};

/**
 * Send a payload through a circuit to a destination. A circuit keeps the order; delivery is not
 * guaranteed (it is UDP). Does not block.
 * @param p the node
 * @param circuit the circuit; any, or 0, if the destination is a peer of a hidden service, which
 *        has a circuit of its own
 * @param destination where its exit sends the payload, or a peer of peel_join_service()
 * @param type PEEL_DATA
 * @param payload is copied
 * @param len bytes of @p payload
 * @return 0; -ENOENT: the circuit or the peer is gone (an address of 127.192.0.0/10 is never sent
 *         to an exit); -ENOTCONN: the circuit is not complete, closing, or one of a hidden service;
 *         -EAGAIN: the queue is full, try later; -EMSGSIZE: more than PEEL_PAYLOAD_MAX, or than
 *         fits a circuit of that many hops (less for long names); -EINVAL: destination or type
 */
PEEL_API int peel_tunnel_data(struct peel *p, peel_circuit circuit,
	const struct peel_address *destination, enum peel_message_type type, const void *payload,
	size_t len);
/**
 * Set the callback for incoming data. A call of the previous callback that began before this
 * function returned may still be under way in the thread that drives the node.
 * @param p the node
 * @param callback gets the origin of the payload, as told by the exit, or the peer of a hidden
 *         service, and the payload (both borrowed during the call); NULL: no callback
 * @param arg its first argument
 */
PEEL_API void peel_on_data(struct peel *p,
	void (*callback)(void *arg, struct peel *p, peel_circuit circuit,
		const struct peel_address *origin, const void *payload, size_t len),
	void *arg);

/** States of a circuit. */
enum peel_circuit_state {
	PEEL_CIRCUIT_EXTENDING, /**< being built */
	PEEL_CIRCUIT_READY,	/**< complete */
	PEEL_CIRCUIT_CLOSING,	/**< ended, and soon removed */
};

/** One node of a circuit. */
struct peel_circuit_hop {
	uint8_t key[PEEL_KEY_LEN];   /**< its public key */
	struct peel_address address; /**< PEEL_ADDRESS_NONE if only the key is known */
};

/** What is known about a circuit. */
struct peel_circuit_info {
	enum peel_circuit_state state;		      /**< where in its life it is */
	uint32_t circuit_id;			      /**< on the link to the first hop */
	unsigned int goal;			      /**< hops it is to have */
	unsigned int hops;			      /**< hops it has so far */
	struct peel_circuit_hop hop[PEEL_HOPS_LIMIT]; /**< these, the first hop first */
	uint64_t age_ms;			      /**< since it was begun */
	uint64_t idle_ms;			      /**< since something came through it */
	uint64_t bytes_up;			      /**< sent on the link to the first hop */
	uint64_t bytes_down;			      /**< received on the link to the first hop */
	uint32_t rtt_ms; /**< of the last ping to its end, 0: none yet */
};
/**
 * Describe a circuit, which may also be one that is being built or closing.
 * @param p the node
 * @param circuit the circuit
 * @param out what is known
 * @return 0; -ENOENT: there is none
 */
PEEL_API int peel_circuit_info(struct peel *p, peel_circuit circuit, struct peel_circuit_info *out);
/**
 * Set the callback for circuits that become ready, and for circuits that end, whether they were
 * ready or not. Among them are those that hidden services need, if any were joined.
 * @param p the node
 * @param callback gets the circuit, and true if it is ready, false if it ended; NULL: no callback
 * @param arg its first argument
 */
PEEL_API void peel_on_circuit(struct peel *p,
	void (*callback)(void *arg, struct peel *p, peel_circuit circuit, bool ready), void *arg);

/**
 * The node's status as JSON text: counters, circuits, peers.
 * @param p the node
 * @return the text, which the caller frees with free(); NULL when out of memory
 */
PEEL_API char *peel_status(struct peel *p);

/* ---- services at the end of a circuit -------------------------------------------------------- */

/**
 * Let the exit of a circuit (which needs PEEL_EXIT_HTTP) make one HTTP request to a BitTorrent
 * tracker. A GET is sent with `Accept-Encoding: identity`, because exits pass on only what they can
 * read.
 * @param p the node
 * @param circuit the circuit
 * @param target the server
 * @param request is copied
 * @param len bytes of @p request
 * @param done called once, unless this function fails: with result 0 and the raw answer (header
 *         and body, borrowed during the call), or with result < 0: -ETIMEDOUT (5.5 s),
 *         -ENOENT (circuit gone, node closed)
 * @param arg its first argument
 * @return 0; -EAGAIN: five are under way on this circuit; -EMSGSIZE: longer than one cell;
 *         -EINVAL: target; -ENOENT, -ENOTCONN: the circuit
 */
PEEL_API int peel_http_request(struct peel *p, peel_circuit circuit,
	const struct peel_address *target, const void *request, size_t len,
	void (*done)(void *arg, int result, const void *answer, size_t len), void *arg);
/**
 * A circuit of that many hops whose exit makes HTTP requests. If there is none, one is begun beside
 * the pools. With isolate_destinations, peel_circuit_for() keeps data away from it.
 * @param p the node
 * @param hops of the circuit
 * @return the circuit; 0: not ready yet, ask again
 */
PEEL_API peel_circuit peel_http_circuit(struct peel *p, unsigned int hops);

/** The request of a speed test. */
struct peel_test {
	bool rust; /**< the form of the Rust endpoint, messages 21/22 instead of 19/20 */
	uint16_t request_size;	/**< bytes of random data to send */
	uint16_t response_size; /**< bytes to ask for */
};
/**
 * One speed test over a circuit.
 * @param p the node
 * @param circuit the circuit
 * @param test the request
 * @param done called once, unless this function fails: with result 0, the round trip in
 *         microseconds and the number of bytes that came back, or with result < 0: -ETIMEDOUT (10
 *         s), -ENOENT (circuit gone), -ECANCELED (node closed)
 * @param arg its first argument
 * @return 0; -EAGAIN: the queue is full, or too many tests are under way; -EMSGSIZE: request_size;
 *         -ENOENT, -ENOTCONN: the circuit
 */
PEEL_API int peel_test_circuit(struct peel *p, peel_circuit circuit, const struct peel_test *test,
	void (*done)(void *arg, int result, uint64_t rtt_us, size_t len), void *arg);

/* ---- hidden services ------------------------------------------------------------------------- */

/** A node where a hidden service can be asked for. */
struct peel_introduction_point {
	struct peel_address address;	  /**< of the introduction point */
	uint8_t key[PEEL_KEY_LEN];	  /**< of the introduction point */
	uint8_t seeder_key[PEEL_KEY_LEN]; /**< of the service */
	uint8_t source;			  /**< who told: 0 unknown, 1 DHT, 2 peer exchange */
};

/**
 * A DHT that a program brings along, for what the node does for others: it looks up services for
 * circuits that end at the node, announces those that it introduces, and seeks nodes that do not
 * answer where a circuit is to be extended to. What several DHTs find is merged.
 *
 * The node calls it from the thread that drives it, and holds its lock: do not wait there. Each
 * function returns 0, or -errno if there will be no answer. Answers may come at once or later, from
 * any thread, also after peel_close(), when they are ignored. Every question that was taken must
 * get its last answer some time: it holds one of 32 places until then.
 */
struct peel_dht_provider {
	/** First argument of every call. */
	void *arg;
	/** Find the introduction points of a service; @p found may be called many times, the last
	 * time with NULL. Those who asked wait for ten seconds. */
	int (*lookup)(void *arg, const uint8_t info_hash[20],
		void (*found)(void *ctx, const struct peel_introduction_point *point), void *ctx);
	/** Announce an introduction point: this node, by the address that others see. Repeated
	 * every 15 minutes as long as it holds. */
	int (*announce)(void *arg, const uint8_t info_hash[20],
		const struct peel_introduction_point *point);
	/** Find the address of a node by the SHA-1 of its key; @p found is called once, NULL: not
	 * found. After five seconds nobody waits any more. */
	int (*peer_lookup)(void *arg, const uint8_t mid[20],
		void (*found)(void *ctx, const struct peel_address *address), void *ctx);
};

/** Bytes of the identifier of a service. */
#define PEEL_SERVICE_ID_LEN 20

/**
 * The identifier of a service from a name, its SHA-1. With py-ipv8 it is
 * `hashlib.sha1(b"my service identifier").digest()`.
 * @param name any text; who knows it can find the service
 * @param id the identifier
 */
PEEL_API void peel_service_id(const char *name, uint8_t id[PEEL_SERVICE_ID_LEN]);
/**
 * The identifier under which Tribler's users find each other for a torrent.
 * @param info_hash of the torrent
 * @param id the identifier
 */
PEEL_API void peel_tribler_service_id(const uint8_t info_hash[20], uint8_t id[PEEL_SERVICE_ID_LEN]);

/**
 * Find others that use the same service, and be found by them: peel_join_service() with the default
 * options and without on_gone.
 * @code
 *	static void
 *	on_peer(void *arg, struct peel *p, const struct peel_address *peer)
 *	{
 *		peel_tunnel_data(p, 0, peer, PEEL_DATA, "my message to this peer", 23);
 *	}
 *	...
 *	peel_service_id("my service identifier", id);
 *	peel_register_service(p, id, 1, on_peer, NULL);
 * @endcode
 * @param p the node
 * @param id of the service
 * @param hops of this node's circuits for it
 * @param on_peer as in peel_join_service()
 * @param arg its first argument
 * @return as peel_join_service()
 */
PEEL_API int peel_register_service(struct peel *p, const uint8_t id[PEEL_SERVICE_ID_LEN],
	unsigned int hops,
	void (*on_peer)(void *arg, struct peel *p, const struct peel_address *peer), void *arg);

/** How to use a service. Begin with peel_service_options_init(); later versions add fields at the
 * end. Brackets hold the default. */
struct peel_service_options {
	/** Size of the structure the caller was compiled with; set by peel_service_options_init()
	 */
	size_t size;
	/** Relays between this node and the meeting point of a connection [1] */
	unsigned int hops;
	/** Others can find this node: it keeps introduction points [yes] */
	bool seed;
	/** This node looks for others that can be found, and connects to them [yes] */
	bool find;
	/** File with the key by which others know this node again, if it seeds. It is made,
	 * readable only by its owner, when it does not exist. Each service needs one of its own
	 * [NULL: a fresh key] */
	const char *key_file;
};
/**
 * Set every field to its default. Cannot fail.
 * @param options filled by this call
 */
PEEL_API void peel_service_options_init(struct peel_service_options *options);
/**
 * Use a hidden service: make end-to-end connections to others that use the same one, without either
 * side learning where the other is. The library does the rest: it builds circuits, keeps
 * introduction points, looks for others every swarm_lookup_interval, connects to up to
 * swarm_connection_limit of them, and replaces what is lost.
 *
 * A peer is an address of IPv4 in 127.192.0.0/10, port 1024, which means something to this node
 * only: one for each connection, not given again until four million others were. Data for it goes
 * to peel_tunnel_data() as for any destination; data from it comes to the callback of
 * peel_on_data() with this address as its origin and the connection's circuit. It does not matter
 * who speaks first. What an exit passes on never has such an origin. Two nodes that both seed and
 * find may each connect to the other: then each is two peers to the other.
 * @param p the node
 * @param id of the service
 * @param options NULL: the defaults; borrowed during the call
 * @param on_peer gets a peer to which data can be sent from now on
 * @param on_gone gets a peer that is gone, once for each on_peer, but not those that
 *        peel_leave_service() and peel_close() end; NULL: no callback
 * @param arg their first argument
 * @return 0; -EINVAL: hops (one less than max_relay_early and PEEL_HOPS_LIMIT at most), or neither
 *         seed nor find; -EEXIST: joined already; -ENOSPC: too many services; -ENOMEM; -EACCES,
 *         -ENOENT (its folder), -EPERM (others may read it), -EKEYREJECTED (it is the node's own
 *         or another service's), -EINVAL ...: the key file; -E2BIG: options of a newer version
 */
PEEL_API int peel_join_service(struct peel *p, const uint8_t id[PEEL_SERVICE_ID_LEN],
	const struct peel_service_options *options,
	void (*on_peer)(void *arg, struct peel *p, const struct peel_address *peer),
	void (*on_gone)(void *arg, struct peel *p, const struct peel_address *peer), void *arg);
/**
 * Use a service no longer: its connections are closed and its peers' addresses mean nothing from
 * now on. A call of its callbacks that began before may still be under way in the thread that
 * drives the node; no other follows.
 * @param p the node
 * @param id of the service
 * @return 0; -ENOENT: it was not joined
 */
PEEL_API int peel_leave_service(struct peel *p, const uint8_t id[PEEL_SERVICE_ID_LEN]);

/** What is known of a service that this node uses. */
struct peel_service_info {
	unsigned int hops;		  /**< as joined */
	bool seed;			  /**< as joined */
	bool find;			  /**< as joined */
	uint32_t peers;			  /**< connected now */
	uint32_t connecting;		  /**< connections being made */
	uint32_t introduction_points;	  /**< known, where others can be asked for */
	uint32_t own_introduction_points; /**< where this node can be asked for now */
	uint32_t seeders;		  /**< others that can be found: an estimate */
	int64_t looked_up_ms;		  /**< since the last look-up was begun; -1: none yet */
	uint8_t key[PEEL_KEY_LEN]; /**< public key of this node as a seeder; zeroes if none */
};
/**
 * Describe a service.
 * @param p the node
 * @param id of the service
 * @param out what is known
 * @return 0; -ENOENT: it was not joined
 */
PEEL_API int peel_service_info(
	struct peel *p, const uint8_t id[PEEL_SERVICE_ID_LEN], struct peel_service_info *out);
/**
 * The circuit of a connection, for peel_circuit_info(), which describes this node's side of it, and
 * for peel_close_circuit(), which ends it.
 * @param p the node
 * @param peer the peer
 * @return the circuit; 0: there is no such peer (any more)
 */
PEEL_API peel_circuit peel_peer_circuit(struct peel *p, const struct peel_address *peer);

#ifdef __cplusplus
}
#endif
#endif
