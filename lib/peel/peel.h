/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#ifndef PEEL_H
#define PEEL_H

/*
 * libpeel: send anonymously through circuits of the IPv8 tunnel overlay.
 *
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
 *
 * Threads: a function may be called from any thread, unless it says otherwise; callbacks run in the thread that drives
 * the node (the library's own after peel_run, else the caller of peel_poll), never two of a node at once, and without
 * locks: they may call anything but peel_close, peel_run and peel_poll. What they are given is theirs during the call
 * only. Errors are negative errno values; peel_strerror says what went wrong.
 *
 * Several nodes may live in one process. The library is a guest: it installs no signal handlers, prints nothing, never
 * exits and changes neither affinity nor limits of the process; its threads handle no signals. It needs no privileges
 * and no hugepages. The first peel_open starts DPDK inside of the library; its memory and one sleeping thread stay until
 * the process ends. After fork() only the parent may use its nodes and open new ones.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PEEL_API __attribute__((visibility("default")))

struct peel;		       /* a node */
typedef uint64_t peel_circuit; /* names a circuit of this process; 0 is none */

#define PEEL_HOPS_LIMIT 8 /* most hops of a circuit */
#define PEEL_KEY_LEN 74	  /* public key of a node */
#define PEEL_PAYLOAD_MAX                                                                           \
	1600 /* most bytes of one peel_tunnel_data; beyond 1356 (three hops) IP fragments */

/* ---- addresses --------------------------------------------------------------------------------------------------------- */

enum peel_address_type {
	PEEL_ADDRESS_NONE,
	PEEL_ADDRESS_IPV4,
	PEEL_ADDRESS_IPV6,
	PEEL_ADDRESS_DOMAIN, /* resolved by the exit */
};

/** A host and a port. */
struct peel_address {
	uint8_t type;	  /* enum peel_address_type */
	uint16_t port;	  /* host byte order */
	uint8_t ip[16];	  /* IPV4: the first 4 bytes */
	char domain[256]; /* DOMAIN: with a terminating zero */
};

/** From "192.0.2.7", "2001:db8::7" or a domain name in ASCII, and a port. Nothing is resolved. -EINVAL: none of these. */
PEEL_API int peel_address_set(struct peel_address *out, const char *host, uint16_t port);
/** "192.0.2.7:5", "[2001:db8::7]:5" or "example.org:5" into @p out (cut to @p size, 264 is always
 *  enough), which is returned. */
PEEL_API const char *peel_address_text(const struct peel_address *a, char *out, size_t size);

/* ---- settings ------------------------------------------------------------------------------------------------------------ */

/** What a node does for others; announced to them. Bits of peel_settings.peer_flags. */
enum peel_flag {
	PEEL_RELAY = 1,		  /* pass on cells */
	PEEL_EXIT_BT = 2,	  /* be an exit for BitTorrent */
	PEEL_EXIT_IPV8 = 4,	  /* be an exit for IPv8 */
	PEEL_SPEED_TEST = 8,	  /* answer speed tests */
	PEEL_EXIT_BACKUP = 16384, /* be an exit only when others know no better one */
	PEEL_EXIT_HTTP = 32768,	  /* do HTTP requests to trackers for circuits */
};

struct peel_dht_provider;

/**
 * Always begin with peel_settings_init(), which sets the protocol's defaults, and change what shall differ. Strings
 * and arrays are borrowed during peel_open only. Times are in seconds. Later versions add fields at the end: a structure
 * of an older one is taken, its missing fields have their defaults; of a newer one, when these are all zero.
 */
struct peel_settings {
	size_t size; /* of the structure the caller was compiled with; set by peel_settings_init */

	/* own circuits */
	uint32_t min_circuits;	    /* 1: what peel_tunnels_ready() counts as enough */
	uint32_t max_circuits;	    /* 8: circuits built and kept per hop count */
	uint32_t max_time;	    /* 3600: life of a circuit */
	uint32_t max_time_ip;	    /* 86400: life of an introduction point's circuit */
	uint32_t max_time_inactive; /* 20: life of a circuit nothing comes through */
	uint64_t max_traffic;	    /* 10 GiB: bytes of a circuit, both directions together */
	uint32_t circuit_timeout;   /* 60: divided by next_hop_timeout, tries to build a circuit */
	uint32_t next_hop_timeout;  /* 10: wait for a hop's answer */
	uint32_t max_relay_early;   /* 8: cells that may extend a circuit; also its most hops */
	bool allow_same_network; /* no: two hops never share a /16 (IPv4) or /32 (IPv6) of public addresses,
				    where these are known */
	bool isolate_destinations; /* no: peel_circuit_for() gives each destination circuits of its own */

	/* for others */
	bool become_exitnode; /* no: exit data for others (sets PEEL_EXIT_BT); may have legal ramifications */
	uint16_t peer_flags; /* PEEL_RELAY | PEEL_SPEED_TEST */
	uint32_t
		max_joined_circuits; /* 100: circuits of others to take part in; a relayed one counts twice */
	uint32_t unstable_timeout;    /* 60: how long after joining a hop may be extended */
	uint32_t remove_tunnel_delay; /* 5: between the end of a circuit and its removal */
	bool exit_loopback;	      /* no: exits reach 127.0.0.0/8 and ::1 */
	bool exit_private;	      /* no: exits reach 10.0.0.0/8 and the like */
	bool exit_any_payload; /* no: exits pass on only the kinds of payload their flags name */

	/* hidden services */
	uint32_t swarm_lookup_interval;		      /* 30 */
	uint32_t swarm_connection_limit;	      /* 15 */
	const struct peel_dht_provider *dht_provider; /* NULL: none; must outlive the node */

	/* the node */
	const char *
		key_file; /* NULL: a fresh key for this session, so that sessions cannot be linked */
	const char *community;	    /* "default", "tribler" or 40 hexadecimal digits */
	const char *listen;	    /* "0.0.0.0:0": any free port */
	const char *public_address; /* NULL: learnt from others */
	const char *const *
		bootstrap; /* "HOST:PORT" of servers or peers, ending with NULL; NULL: the public servers */
	const char *const *
		dns_servers; /* "ADDRESS:PORT" for names in exit traffic, ending with NULL; NULL: the system's */
	uint32_t max_peers; /* 30: peers per overlay before requests are refused */

	/* resources */
	unsigned int workers; /* 1: threads that move cells */
	const int *cores;     /* [workers] CPU of each; NULL: wherever the kernel likes */
	bool poll;	      /* no: workers spin instead of sleeping when idle */
	const char *engine;   /* "auto", "avx512", "ipsec_mb", "sodium": who encrypts */
	bool hugepages; /* no: memory in ordinary pages. The first node of the process decides for all. */
	uint32_t
		memory; /* 512: MiB of address space for all nodes of the process, touched as needed; first node decides */
	const char *management; /* NULL: no socket that `peel status` can ask */
};

/** Set every field to its default. Cannot fail. */
PEEL_API void peel_settings_init(struct peel_settings *settings);

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

/**
 * A node, with its port open but silent until it is driven; peel_close() frees it. On failure *out is NULL and
 * peel_strerror(result) says why: -EINVAL a setting, -E2BIG settings of a newer version, -EADDRINUSE, -EADDRNOTAVAIL,
 * -EACCES and -ENOENT (key file), -ENOMEM (settings.memory), -ENOTSUP (after fork) ... The first call of the process
 * takes about a fifth of a second.
 */
PEEL_API int peel_open(const struct peel_settings *settings, struct peel **out);
/**
 * Tell neighbours, end all threads, free everything. Callbacks of what is still under way come before it returns:
 * -ECANCELED for speed tests, -ENOENT for HTTP requests, none for circuits. No other thread may be inside of a function
 * of the node. From a callback of the node it does nothing. NULL is fine.
 */
PEEL_API void peel_close(struct peel *p);
/** Let the library drive the node in a thread of its own from now on. Returns when its threads run. -EALREADY: they do;
 *  -EBUSY: peel_poll drives it; -EAGAIN, -ENOMEM: no thread. */
PEEL_API int peel_run(struct peel *p);
/**
 * Drive the node from the caller's loop instead: wait up to @p timeout_ms (0: do not wait, -1: as long as it takes) and do
 * what is due, callbacks included. Wants to be called when peel_fd() is readable, and when peel_timeout() is over at the
 * latest. One thread at a time. 0; -EBUSY: after peel_run, or inside of peel_poll; -EAGAIN, -ENOMEM: no thread (workers
 * are threads of the library even so); -ENODEV, -EPERM: the network device is gone for good.
 */
PEEL_API int peel_poll(struct peel *p, int timeout_ms);
/** A file descriptor that is readable when peel_poll has work: for poll() or epoll. The node's: do not read or close it. */
PEEL_API int peel_fd(const struct peel *p);
/** Milliseconds until peel_poll wants to be called at the latest, 0 to 500. */
PEEL_API int peel_timeout(const struct peel *p);
/** What a result of this library means; for the last failure of the calling thread, when it had that code, what was
 *  wrong in detail. Never NULL. Valid until the thread's next call that fails. */
PEEL_API const char *peel_strerror(int result);
/** Of the library that runs: "0.1.0" */
PEEL_API const char *peel_version(void);
/** Own address and port as bound. */
PEEL_API void peel_local_address(const struct peel *p, struct peel_address *out);
/** Another server or peer to start from, "HOST:PORT"; a name is resolved meanwhile, and again now and then. -EINVAL,
 *  -ENOMEM, -ENOSPC: more than 128 names. */
PEEL_API int peel_add_bootstrap(struct peel *p, const char *host_port);

/* ---- circuits -------------------------------------------------------------------------------------------------------------- */

/**
 * Keep circuits of that many hops from now on: between min_circuits and max_circuits, built as peers become known, replaced
 * before they end. Pools of several lengths may stand side by side; asking again is fine. -EINVAL: hops is 0 or too
 * many.
 */
PEEL_API int peel_build_tunnels(struct peel *p, unsigned int hops);
/** Close the circuits of that many hops and build no more. -ENOENT. */
PEEL_API int peel_stop_tunnels(struct peel *p, unsigned int hops);
/** Circuits of any length that data may be sent over now, best first. @return how many there are; at most n are written
 *  (out may be NULL when n is 0). */
PEEL_API size_t peel_active_data_circuits(struct peel *p, peel_circuit *out, size_t n);
/** The same of one length. */
PEEL_API size_t peel_active_data_circuits_of(
	struct peel *p, unsigned int hops, peel_circuit *out, size_t n);
/** Active circuits of that many hops divided by min_circuits: from 1.0 on there are enough. */
PEEL_API double peel_tunnels_ready(struct peel *p, unsigned int hops);

/** What keeps circuits from being built. */
enum peel_missing {
	PEEL_MISSING_NOTHING,
	PEEL_MISSING_RELAYS, /* fewer are known than a circuit has hops */
	PEEL_MISSING_EXIT,   /* none is known */
	PEEL_MISSING_NETWORKS, /* all relays known are in fewer networks than a circuit has hops: allow_same_network */
	PEEL_MISSING_ANSWERS, /* enough are known, but circuits through them fail */
};
/**
 * Why there are no circuits of that many hops (yet): enum peel_missing, and the same in words in @p text (cut to
 * @p size, 256 is always enough; NULL when that is 0). PEEL_MISSING_NOTHING while there is one, and at first, too. -ENOENT:
 * circuits of that many hops were not asked for.
 */
PEEL_API int peel_tunnels_missing(struct peel *p, unsigned int hops, char *text, size_t size);

/**
 * The circuit for a destination: the same one as long as it lives, so that packets of a conversation leave from one exit;
 * with isolate_destinations no two destination hosts share one while there are others. Hosts count, ports do not; names
 * are not resolved, so a name and its address are two. The 1024 used last are remembered. 0: none is ready.
 */
PEEL_API peel_circuit peel_circuit_for(
	struct peel *p, unsigned int hops, const struct peel_address *destination);
/** Close a circuit; the pool replaces it. -ENOENT: there is none, or it is closing already. */
PEEL_API int peel_close_circuit(struct peel *p, peel_circuit circuit);

enum peel_message_type {
	PEEL_DATA = 1, /* u"data" */
};

/**
 * Send through a circuit to a destination. The payload is copied; order within a circuit is kept, delivery is not promised
 * (it is UDP). -ENOENT: the circuit is gone; -ENOTCONN: not complete, or closing; -EAGAIN: more is queued than can be sent, try
 * later; -EMSGSIZE: beyond PEEL_PAYLOAD_MAX, or what fits a circuit of that many hops (less for long names); -EINVAL:
 * destination or type. Does not block.
 */
PEEL_API int peel_tunnel_data(struct peel *p, peel_circuit circuit,
	const struct peel_address *destination, enum peel_message_type type, const void *payload,
	size_t len);
/** Called for what comes back: where it came from as the exit says, and the payload (both borrowed during the call).
 *  NULL: nobody. A call that began before this one returned may still be under way in the thread that drives the node. */
PEEL_API void peel_on_data(struct peel *p,
	void (*callback)(void *arg, struct peel *p, peel_circuit circuit,
		const struct peel_address *origin, const void *payload, size_t len),
	void *arg);

enum peel_circuit_state {
	PEEL_CIRCUIT_EXTENDING,
	PEEL_CIRCUIT_READY,
	PEEL_CIRCUIT_CLOSING,
};

struct peel_circuit_hop {
	uint8_t key[PEEL_KEY_LEN];
	struct peel_address address; /* NONE where only the key is known */
};

struct peel_circuit_info {
	enum peel_circuit_state state;
	uint32_t circuit_id;	 /* on the link to the first hop */
	unsigned int goal, hops; /* wanted, so far */
	struct peel_circuit_hop hop[PEEL_HOPS_LIMIT];
	uint64_t age_ms, idle_ms;
	uint64_t bytes_up, bytes_down; /* on the link to the first hop */
	uint32_t rtt_ms;	       /* of the last ping to its end, 0: none yet */
};
/** What is known of a circuit, also of one that is being built or closing. -ENOENT. */
PEEL_API int peel_circuit_info(struct peel *p, peel_circuit circuit, struct peel_circuit_info *out);
/** Called when a circuit becomes ready and when one that was begun ended, ready or not. NULL: nobody. */
PEEL_API void peel_on_circuit(struct peel *p,
	void (*callback)(void *arg, struct peel *p, peel_circuit circuit, bool ready), void *arg);

/** The node's status as JSON text: counters, circuits, peers. free() it. NULL when out of memory. */
PEEL_API char *peel_status(struct peel *p);

/* ---- services at the end of a circuit -------------------------------------------------------------------------------------- */

/**
 * One HTTP request by the exit of a circuit (which needs PEEL_EXIT_HTTP): for BitTorrent trackers. @p done is called once,
 * with result 0 and the raw answer (header and body, borrowed during the call), or with result < 0: -ETIMEDOUT (5.5 s),
 * -ENOENT (circuit gone, node closed). @p request is copied; a GET is sent with `Accept-Encoding: identity`, as exits pass on
 * only what they can read. When this fails, done is not called: -EAGAIN: five are under
 * way on this circuit; -EMSGSIZE: longer than one cell; -EINVAL: target; -ENOENT, -ENOTCONN: the circuit.
 */
PEEL_API int peel_http_request(struct peel *p, peel_circuit circuit,
	const struct peel_address *target, const void *request, size_t len,
	void (*done)(void *arg, int result, const void *answer, size_t len), void *arg);
/** A circuit of that many hops whose exit does HTTP requests; begun when there is none, beside the pools. With
 *  isolate_destinations peel_circuit_for() keeps data away from it. 0: not ready yet, ask again. */
PEEL_API peel_circuit peel_http_circuit(struct peel *p, unsigned int hops);

/** What a speed test sends and asks for. */
struct peel_test {
	bool rust;		/* the form of the Rust endpoint, 21/22 instead of 19/20 */
	uint16_t request_size;	/* bytes of random data to send */
	uint16_t response_size; /* bytes to ask for */
};
/** One test request over a circuit; @p done is called once with the round trip in microseconds and the bytes that came,
 *  or a result < 0 (-ETIMEDOUT after 10 s, -ENOENT: circuit gone, -ECANCELED: node closed). When this fails, done is not
 *  called: -EAGAIN: more is queued than can be sent, or too many are under way; -EMSGSIZE; -ENOENT, -ENOTCONN. */
PEEL_API int peel_test_circuit(struct peel *p, peel_circuit circuit, const struct peel_test *test,
	void (*done)(void *arg, int result, uint64_t rtt_us, size_t len), void *arg);

/* ---- hidden services ------------------------------------------------------------------------------------------------------- */

/** Where a hidden service can be asked for. */
struct peel_introduction_point {
	struct peel_address address;
	uint8_t key[PEEL_KEY_LEN];	  /* of the introduction point */
	uint8_t seeder_key[PEEL_KEY_LEN]; /* of the service */
	uint8_t source;			  /* 0 unknown, 1 DHT, 2 peer exchange */
};

/** A DHT to find services with. Called from the thread that drives the node; may answer at once or later, from any
 *  thread. 0, or -errno when there will be no answer. */
struct peel_dht_provider {
	void *arg;
	/** Find introduction points of a service; @p found may be called many times, the last time with NULL. */
	int (*lookup)(void *arg, const uint8_t info_hash[20],
		void (*found)(void *ctx, const struct peel_introduction_point *point), void *ctx);
	/** Announce one. */
	int (*announce)(void *arg, const uint8_t info_hash[20],
		const struct peel_introduction_point *point);
	/** Find the address of a node by the SHA-1 of its key; @p found is called once, NULL: not found. */
	int (*peer_lookup)(void *arg, const uint8_t mid[20],
		void (*found)(void *ctx, const struct peel_address *address), void *ctx);
};

/** End-to-end connections for a service: the callback gets peers to peel_tunnel_data() to. -ENOTSUP in this version. */
PEEL_API int peel_register_service(struct peel *p, const uint8_t info_hash[20], unsigned int hops,
	void (*on_peer)(void *arg, struct peel *p, const struct peel_address *peer), void *arg);

#ifdef __cplusplus
}
#endif
#endif
