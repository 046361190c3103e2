/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#ifndef PEEL_GUEST_H
#define PEEL_GUEST_H

/**
 * @file
 * Peel's data plane under the control plane of another program, the guest: the guest finds peers,
 * does handshakes, and says which circuits there are; this library moves, seals and opens their
 * cells and is their exit. What is not settled among cells comes to the guest as datagrams.
 *
 * @code
 *	struct peel_guest_settings s;
 *	struct peel_guest *g;
 *
 *	peel_guest_settings_init(&s);
 *	s.listen = "0.0.0.0:8090";
 *	s.callbacks.on_datagrams = on_datagrams;
 *	if (peel_guest_open(&s, &g) != 0) ...
 *	peel_guest_set_prefix(g, tunnels);
 *	peel_guest_set_prefixes(g, all, n);
 *	peel_guest_add_exit(g, circuit_id, &previous_hop, &keys);
 * @endcode
 *
 * Threads: every function may be called from any thread and returns at once, but for
 * peel_guest_open() and peel_guest_close(). They take the node's lock for a moment; it is never
 * held while the guest is called, so the guest may hold a lock of its own (an interpreter's) around
 * calls of this library, and take it in its callback. Errors are negative errno values;
 * peel_strerror() says what went wrong. What peel.h says about the process holds here, too. Nodes
 * of both headers may live in one process.
 *
 * Words: an *exit* is a circuit that ends here, a *relay* one that passes through, an *own circuit*
 * one that the guest has built. A *cell* has the 22 bytes of the prefix, a zero byte, the circuit
 * id (4 bytes, big-endian), the plaintext flag, the relay_early flag, and a message.
 */

#include "peel.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A guest's node. */
struct peel_guest;

/** Bytes in front of every datagram of an overlay. */
#define PEEL_PREFIX_BYTES 22
/** Most datagrams of one callback. */
#define PEEL_GUEST_BURST 64
/** Most bytes of a datagram that the guest sends. */
#define PEEL_GUEST_DATAGRAM_MAX 2048
/** Most hops of an own circuit. */
#define PEEL_GUEST_HOPS_MAX 8

/* ---- life ------------------------------------------------------------------------------------ */

/** A datagram for the guest: one of its overlays as it came, or an opened cell, which has its
 * header in front of the message and is as long as that without layers. */
struct peel_guest_datagram {
	struct peel_address from; /**< IPv4 or IPv6 */
	const uint8_t *data;	  /**< valid during the callback */
	size_t len;		  /**< bytes of data */
};

/** What the library calls. */
struct peel_guest_callbacks {
	/** passed to the functions below */
	void *arg;
	/**
	 * Datagrams for the guest: 1 to #PEEL_GUEST_BURST, those of a neighbour in the order in
	 * which they came; but for opened cells, which others of the same burst may overtake. One
	 * thread of the library calls it, always the same, and holds no lock. While it waits there,
	 * the rest of the library goes on; what comes meanwhile and finds no room is dropped.
	 * @param arg from this structure
	 * @param d the datagrams
	 * @param n how many
	 */
	void (*on_datagrams)(void *arg, const struct peel_guest_datagram *d, unsigned int n);
};

/** Always begin with peel_guest_settings_init(). Strings and arrays are borrowed only during
 * peel_guest_open(). Brackets hold the default. */
struct peel_guest_settings {
	/** Size of the structure the caller was compiled with; set by peel_guest_settings_init() */
	size_t size;
	/** Address and port to listen on; port 0: any ["0.0.0.0:0"] */
	const char *listen;
	/** While the port is taken, try the next one, so many times [0] */
	uint32_t port_tries;
	/** Worker threads [1] */
	unsigned int workers;
	/** Exits, relayed circuits and own circuits at a time, all together [2048] */
	uint32_t max_circuits;
	/** Let exits reach loopback. They also do while their own address, or the node's, is one of
	 * loopback [false] */
	bool exit_loopback;
	/** Let exits reach private networks [false] */
	bool exit_private;
	/** Resolvers, "ADDRESS" or "ADDRESS:PORT", with NULL at the end; NULL: the system's [NULL]
	 */
	const char *const *dns_servers;
	/** AEAD engine, or "auto": the fastest that works ["auto"] */
	const char *engine;
	/** MiB of address space for packets of all nodes of the process. The first node decides.
	 * [1024] */
	uint32_t memory;
	/** Workers never sleep: lowest latency, a whole core each [false] */
	bool poll;
	/** What the library calls */
	struct peel_guest_callbacks callbacks;
};

/**
 * Set all defaults.
 * @param s the settings
 */
PEEL_API void peel_guest_settings_init(struct peel_guest_settings *s);
/**
 * Open a node: when this returns, it is bound and runs. It drops everything until
 * peel_guest_set_prefix() and peel_guest_set_prefixes().
 * @param s the settings
 * @param out the node, or NULL after an error
 * @return 0; -EINVAL: a setting is wrong; -EADDRINUSE: the port, and all that were tried after it,
 *         are taken; other errors as of peel_open()
 */
PEEL_API int peel_guest_open(const struct peel_guest_settings *s, struct peel_guest **out);
/**
 * Stop and free a node. No callback runs after this returns. Not from a callback (nothing happens
 * then), and not while holding a lock that the callback waits for.
 * @param g the node; NULL is fine
 */
PEEL_API void peel_guest_close(struct peel_guest *g);
/**
 * The node's address and port, as bound.
 * @param g the node
 * @param out the address
 */
PEEL_API void peel_guest_address(const struct peel_guest *g, struct peel_address *out);

/* ---- settings that change -------------------------------------------------------------------- */

/**
 * Set the overlay whose cells pass.
 * @param g the node
 * @param prefix of its datagrams
 * @return 0; -ENOSPC: more than 4096 overlays at a time; -ENOMEM
 */
PEEL_API int peel_guest_set_prefix(struct peel_guest *g, const uint8_t prefix[PEEL_PREFIX_BYTES]);
/**
 * Set the overlays whose datagrams are the guest's. All others are dropped; cells of the overlay
 * of peel_guest_set_prefix() pass whether or not it is among these.
 * @param g the node
 * @param prefix [n] of their datagrams
 * @param n how many
 * @return as peel_guest_set_prefix()
 */
PEEL_API int peel_guest_set_prefixes(
	struct peel_guest *g, const uint8_t (*prefix)[PEEL_PREFIX_BYTES], size_t n);
/**
 * How many cells with relay_early pass a relay in each direction, the extend that made it included,
 * and go out over an own circuit. For circuits that are added from now on.
 * @param g the node
 * @param n how many [8]; 0: relays pass nothing
 */
PEEL_API void peel_guest_set_max_relay_early(struct peel_guest *g, uint8_t n);
/**
 * What exits let out, and serve.
 * @param g the node
 * @param peer_flags bits of enum peel_flag [none]
 */
PEEL_API void peel_guest_set_flags(struct peel_guest *g, uint16_t peer_flags);
/**
 * The address from which exits send from now on, those that have no socket yet included.
 * @param g the node
 * @param a its port is ignored. 0.0.0.0 or ::, any address of both families [this]; any other: that
 *        one, and nothing of the other family
 * @return 0; -EINVAL: no IP address; another error: this machine does not have the address
 */
PEEL_API int peel_guest_set_exit_address(struct peel_guest *g, const struct peel_address *a);

/* ---- sending --------------------------------------------------------------------------------- */

/**
 * Send a datagram as it is. One that the network loses is no error.
 * @param g the node
 * @param to IPv4 or IPv6; an IPv4-mapped address is taken as IPv4, here and everywhere
 * @param data copied
 * @param len bytes of data
 * @return 0; -EINVAL: no IP address, or port 0; -EMSGSIZE
 */
PEEL_API int peel_guest_send(
	struct peel_guest *g, const struct peel_address *to, const void *data, size_t len);
/**
 * Seal a plaintext cell by what its circuit id is, and send it. An own circuit: with all its
 * layers; relay_early is set here. An exit: backward. A relay: as cells that go out with that id
 * are. One whose plaintext flag is set, or create and created, goes out as it is.
 * @param g the node
 * @param to as in peel_guest_send()
 * @param cell copied
 * @param len bytes of cell
 * @return 0; -EINVAL as above; -EBADMSG: no cell of peel_guest_set_prefix(); -ENOENT: no circuit
 *         has that id; -EMSGSIZE
 */
PEEL_API int peel_guest_send_cell(
	struct peel_guest *g, const struct peel_address *to, const void *cell, size_t len);

/* ---- circuits of others ---------------------------------------------------------------------- */

/** A hop's session, as its two ends derived it. One pair of keys is one session, whatever it is
 * used for and however often it is added: no salt is used twice. */
struct peel_guest_keys {
	uint8_t key_forward[32];  /**< away from the originator */
	uint8_t key_backward[32]; /**< towards the originator */
	uint8_t salt_forward[4];  /**< first bytes of the nonces of key_forward */
	uint8_t salt_backward[4]; /**< first bytes of the nonces of key_backward */
};

/**
 * Be the exit of a circuit. Its messages come to the guest as opened cells, except for data, test
 * requests (21) and HTTP requests (28). Data goes out by the flags of peel_guest_set_flags(), and
 * answers come back.
 * @param g the node
 * @param cid its circuit id
 * @param previous the hop before us
 * @param k copied
 * @return 0; -EINVAL: no IP address, or port 0; -ENOSPC: too many circuits
 */
PEEL_API int peel_guest_add_exit(struct peel_guest *g, uint32_t cid,
	const struct peel_address *previous, const struct peel_guest_keys *k);
/**
 * The exit ends: within a second, or at once when a relay takes the circuit over, be it before or
 * after this call. So no cell is lost between this call and peel_guest_add_relay().
 * @param g the node
 * @param cid unknown ids are fine
 */
PEEL_API void peel_guest_remove_exit(struct peel_guest *g, uint32_t cid);

/** One of the two entries of a relay. */
struct peel_guest_relay {
	uint32_t out_cid;	 /**< circuit id of the link on which it goes out */
	bool backward;		 /**< add a layer instead of opening one */
	bool rendezvous;	 /**< open with these keys, seal with those of the other entry */
	struct peel_address out; /**< neighbour to which it goes */
	struct peel_guest_keys keys; /**< copied */
};
/**
 * Add one of the two entries of a relay, or replace it: for what comes with a circuit id. Cells
 * pass once the other one is there, for what comes with its out_cid and goes out with @p in_cid.
 * Backward cells are taken only from the neighbour to which forward ones go.
 * @param g the node
 * @param in_cid circuit id of the link on which it comes
 * @param r copied
 * @return as of peel_guest_add_exit()
 */
PEEL_API int peel_guest_add_relay(
	struct peel_guest *g, uint32_t in_cid, const struct peel_guest_relay *r);
/**
 * Remove one entry. Nothing passes in either direction then.
 * @param g the node
 * @param in_cid unknown ids are fine
 */
PEEL_API void peel_guest_remove_relay(struct peel_guest *g, uint32_t in_cid);

/* ---- own circuits ---------------------------------------------------------------------------- */

/** What own circuits are for. */
enum peel_guest_circuit_type {
	PEEL_GUEST_DATA,	  /**< data to exits */
	PEEL_GUEST_IP_SEEDER,	  /**< to an introduction point */
	PEEL_GUEST_RP_SEEDER,	  /**< to a rendezvous point, as seeder */
	PEEL_GUEST_RP_DOWNLOADER, /**< to a rendezvous point, as downloader */
};

/** An own circuit as it is now. */
struct peel_guest_circuit {
	uint8_t type;		   /**< enum peel_guest_circuit_type */
	uint8_t goal_hops;	   /**< how many it shall have */
	uint8_t n_hops;		   /**< how many it has */
	bool e2e;		   /**< end_to_end is set */
	uint16_t exit_flags;	   /**< of its last hop, bits of enum peel_flag */
	struct peel_address first; /**< its first hop; unused while n_hops is 0 */
	/** their sessions, the first hop's first */
	struct peel_guest_keys hop[PEEL_GUEST_HOPS_MAX];
	/** of seeder and downloader, the innermost layer */
	struct peel_guest_keys end_to_end;
};
/**
 * Add an own circuit, or say what it has now: layers are added, and salts go on. What comes over it
 * is the guest's as opened cells, but for answers of tests (22) and HTTP (29), and for data
 * once a SOCKS client has sent over it, but for data of the overlay of peel_guest_set_prefix().
 * Cells are taken only from its first hop.
 * @param g the node
 * @param cid its circuit id
 * @param c copied
 * @return 0; -EINVAL: too many hops, or no first one; -ENOSPC: too many circuits
 */
PEEL_API int peel_guest_set_circuit(
	struct peel_guest *g, uint32_t cid, const struct peel_guest_circuit *c);
/**
 * Remove an own circuit.
 * @param g the node
 * @param cid unknown ids are fine
 */
PEEL_API void peel_guest_remove_circuit(struct peel_guest *g, uint32_t cid);

/* ---- SOCKS ----------------------------------------------------------------------------------- */

/**
 * Open a SOCKS5 server on 127.0.0.1, without login, for programs that send through own circuits of
 * that length: UDP, and HTTP requests to BitTorrent trackers over circuits whose exit_flags have
 * PEEL_EXIT_HTTP. Servers of one length share circuits and 64 associations. An association ends
 * with its TCP connection.
 *
 * Data goes over circuits of type PEEL_GUEST_DATA that have all their hops; while there is none, it
 * waits, 10 s at most. A circuit belongs to one association. What comes back over a circuit is an
 * association's from the first datagram on that one has sent through it, and no longer the guest's
 * (except for datagrams of the overlay of cells). An end-to-end circuit is the destination that has
 * its id as IPv4 address and port 1024. It belongs to servers of goal_hops, a downloader's of
 * goal_hops - 1. What comes over it goes to all associations that have sent to it, and while there
 * is none, to all of that length.
 * @param g the node
 * @param port to listen on; 0: any
 * @param hops of the circuits, 1 to #PEEL_GUEST_HOPS_MAX
 * @return the port; -EINVAL: hops; -EADDRINUSE: the port is taken; -ENOSPC: more than 64 servers;
 *         -ENOMEM
 */
PEEL_API int peel_guest_socks_open(struct peel_guest *g, uint16_t port, unsigned int hops);
/**
 * Make this the client of each association of that length that has not sent anything yet.
 * @param g the node
 * @param a the client's UDP socket
 * @param hops of the circuits
 * @return 0; -EINVAL: no IP address, or port 0
 */
PEEL_API int peel_guest_socks_default_remote(
	struct peel_guest *g, const struct peel_address *a, unsigned int hops);

/** A SOCKS server. */
struct peel_guest_socks_info {
	uint16_t port;	       /**< on which it listens */
	uint8_t hops;	       /**< of the circuits */
	uint32_t associations; /**< that it has now */
};
/**
 * List the SOCKS servers, in the order in which they were opened.
 * @param g the node
 * @param out [n] the servers
 * @param n most servers to write
 * @return how many were written
 */
PEEL_API size_t peel_guest_socks_list(
	struct peel_guest *g, struct peel_guest_socks_info *out, size_t n);
/**
 * The addresses to which associations sent last through an own circuit of type PEEL_GUEST_DATA:
 * those that lose their way when it ends. Call it before peel_guest_remove_circuit(). Names are not
 * among them. The last 4096 addresses of all circuits of a length are known.
 * @param g the node
 * @param cid its circuit id
 * @param out [n] the addresses
 * @param n most addresses to write
 * @return how many were written
 */
PEEL_API size_t peel_guest_circuit_peers(
	struct peel_guest *g, uint32_t cid, struct peel_address *out, size_t n);
/**
 * The circuits of an association.
 * @param g the node
 * @param udp_port on which the association listens for its client
 * @param out [n] their ids
 * @param n most ids to write
 * @return how many were written
 */
PEEL_API size_t peel_guest_associated_circuits(
	struct peel_guest *g, uint16_t udp_port, uint32_t *out, size_t n);

/* ---- speed tests ----------------------------------------------------------------------------- */

/** A speed test of an own circuit. */
struct peel_guest_test {
	uint32_t cid;		/**< its circuit id */
	uint32_t duration_ms;	/**< how long requests are sent */
	uint16_t request_size;	/**< bytes of random data in a request */
	uint16_t response_size; /**< bytes to ask for */
	/** Round trip from which on fewer requests are under way at a time. Late answers are
	 * waited for twice as long at the end. 0: whatever suits the circuit, and a second */
	uint32_t target_rtt_ms;
	uint32_t interval_ms; /**< between two reports; 0: only at the end */
};
/** What became of a request. */
struct peel_guest_test_answer {
	uint32_t id;	      /**< its number in the test, from 0 */
	uint64_t sent_ms;     /**< when, since 1970 */
	uint32_t n_sent;      /**< bytes of its cell */
	uint64_t received_ms; /**< when it was answered, since 1970; 0: it was not yet */
	uint32_t n_received;  /**< bytes of the answer's cell */
};
/**
 * Send as many test requests (21) over a circuit as it carries.
 * @param g the node
 * @param t copied
 * @param on_answers called every interval_ms with all requests so far, and once with @p done true:
 *        at the end, soon after the circuit has gone, or in peel_guest_close(). The thread that
 *        calls it drives the node, or closes it, and holds no lock; it may call all but
 *        peel_guest_close(). @p a is valid during the call.
 * @param arg its first argument
 * @return 0; -ENOENT: there is no such circuit; -ENOMEM. Then on_answers is not called
 */
PEEL_API int peel_guest_speedtest(struct peel_guest *g, const struct peel_guest_test *t,
	void (*on_answers)(void *arg, const struct peel_guest_test_answer *a, size_t n, bool done),
	void *arg);

/* ---- counts ---------------------------------------------------------------------------------- */

/** What has a circuit id. */
enum peel_guest_kind {
	PEEL_GUEST_CIRCUIT, /**< an own circuit */
	PEEL_GUEST_RELAY,   /**< an entry of a relay */
	PEEL_GUEST_EXIT,    /**< an exit */
};
/** About the link with a circuit id, since it was added. */
struct peel_guest_stats {
	uint64_t bytes_up;   /**< sent on it */
	uint64_t bytes_down; /**< that came from it, in authentic cells */
	uint64_t idle_ms;    /**< since the last one that came; UINT64_MAX: none has yet */
	bool enabled;	     /**< an exit whose outside socket is open */
};
/**
 * Ask about a circuit, or one link of a relay.
 * @param g the node
 * @param kind what it is
 * @param cid its circuit id; of a relay, of either link
 * @param out the answer
 * @return 0 or -ENOENT
 */
PEEL_API int peel_guest_get_stats(struct peel_guest *g, enum peel_guest_kind kind, uint32_t cid,
	struct peel_guest_stats *out);

/** Datagrams and their bytes. */
struct peel_guest_message_stats {
	uint64_t num_up;     /**< sent */
	uint64_t bytes_up;   /**< in those */
	uint64_t num_down;   /**< received */
	uint64_t bytes_down; /**< in those */
};
/**
 * The datagrams of an overlay since it was first named to this node, by the byte after the prefix;
 * cells have 0. The counts of one that is named no more are kept until thousands of others came.
 * @param g the node
 * @param prefix of its datagrams
 * @param out the counts, zeroes after an error
 * @return 0 or -ENOENT: it was never named
 */
PEEL_API int peel_guest_message_stats(struct peel_guest *g, const uint8_t prefix[PEEL_PREFIX_BYTES],
	struct peel_guest_message_stats out[256]);
/**
 * All datagrams of the node, those of exits included.
 * @param g the node
 * @param out the counts
 */
PEEL_API void peel_guest_totals(struct peel_guest *g, struct peel_guest_message_stats *out);

#ifdef __cplusplus
}
#endif

#endif
