/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * SOCKS servers in front of circuits of one length: what associations send goes into circuits, and
 * what comes out goes to whom it is for. Datagrams and HTTP requests wait while no circuit takes
 * them. Whose circuits these are does not matter: they are numbers, with a few functions that do
 * something with them. Thread: the loop's, for everything.
 */

#include "peel_socks.h"

#define PEEL_PROXY_HOPS_MAX 8
/* For the answer to an HTTP request: an exit gets 5.5 s, three of them are asked, and other
 * requests may be before it. */
#define PEEL_PROXY_HTTP_MS 18000

struct peel_proxy; /* servers and circuits of one length */
struct peel_proxy_peers;

/** What circuits can do. */
struct peel_proxy_circuits {
	void *arg;
	/** List those of the length that data may go through now, the first @p n of them. @return
	 * how many there are. */
	size_t (*usable)(void *arg, uint64_t *out, size_t n);
	/** Send a datagram. 0; -ENOENT or -ENOTCONN: the circuit has ended; other errors: the
	 * datagram cannot be sent. */
	int (*send)(void *arg, uint64_t circuit, const struct peel_socks_target *to,
		const uint8_t *payload, size_t len);
	/** Begin one more circuit, as associations want to talk to the same hosts. 0, or -errno;
	 * -EALREADY: the last one is still being built. NULL: that is up to others. */
	int (*more)(void *arg);
	/** Find a circuit whose exit does HTTP, and which is not among @p avoid. 0: there is none
	 * (yet: it is asked again). */
	uint64_t (*http)(void *arg, const uint64_t *avoid, size_t n);
	/** Have the exit of a circuit do an HTTP request, which is borrowed during the call. @p
	 * done is called once in the loop's thread, unless this fails: with 0 and the answer, or
	 * with -errno; -ETIMEDOUT: the exit did not answer. 0; -EAGAIN: not now; other errors:
	 * never. */
	int (*request)(void *arg, uint64_t circuit, const struct peel_socks_target *to,
		const uint8_t *request, size_t len,
		void (*done)(void *arg, int result, const void *answer, size_t len),
		void *done_arg);
};

struct peel_proxy_conf {
	struct uv_loop_s *loop;
	struct peel_stats *stats;	/* of the loop's thread; must outlive it */
	unsigned int hops;		/* 1..PEEL_PROXY_HOPS_MAX */
	struct peel_proxy_peers *peers; /* shared by all lengths; must outlive it */
	/* hosts share a circuit only if there are too few, and one circuit does all HTTP requests,
	 * and nothing else */
	bool isolate;
	bool remember; /* for peel_proxy_destinations() */
	struct peel_proxy_circuits circuits;
};

/** Make one without servers. 0, -EINVAL or -ENOMEM. */
int peel_proxy_new(const struct peel_proxy_conf *conf, struct peel_proxy **out) PEEL_MUST_USE;
/** Add a server, which ends with the proxy; @p out may be NULL. @p conf is as for peel_socks_new,
 * but for stats, http_ms and backend, which are the proxy's. Together its servers have
 * PEEL_SOCKS_ASSOCS_MAX associations at most. Errors are those of peel_socks_new. */
int peel_proxy_listen(struct peel_proxy *p, const struct peel_socks_conf *conf,
	struct peel_socks **out, char *why, size_t why_size) PEEL_MUST_USE;
/** Drop all clients; @p done is called when the last of them is gone. NULL is fine. */
void peel_proxy_close(struct peel_proxy *p, void (*done)(void *arg), void *arg);
/** Call it after that, or after the end of the loop. Answers to requests may still come. NULL is
 * fine. */
void peel_proxy_free(struct peel_proxy *p);

/** Make @p client the one client of each association that has not sent anything yet. */
void peel_proxy_default_client(struct peel_proxy *p, const struct peel_addr *client);
/** List the addresses, without names, to which something was sent through that circuit last, the
 * first @p n of them. @return how many there are; of all circuits together the last 4096 are known.
 */
size_t peel_proxy_destinations(
	const struct peel_proxy *p, uint64_t circuit, struct peel_addr *out, size_t n);
/** List the circuits of the association whose relay socket has that port, the first @p n of them.
 * @return how many there are; 0 also when there is no such association. */
size_t peel_proxy_associated(const struct peel_proxy *p, uint16_t port, uint64_t *out, size_t n);

/** Circuits came or went, or an exit has become known: look at them again. @return how many data
 * can go through. */
size_t peel_proxy_changed(struct peel_proxy *p);
/** Data came out of a circuit. @return whether the circuit is one of this length's that has an
 * owner; then it is delivered, or counted. */
bool peel_proxy_take(struct peel_proxy *p, uint64_t circuit, const struct peel_socks_target *origin,
	const uint8_t *payload, size_t len);
