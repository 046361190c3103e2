/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What every layer needs: addresses, byte order, secrets, log, and the outside world (time,
 * randomness) as an interface, so that protocol libraries run in tests without clock or kernel.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <string.h>

#define PEEL_MUST_USE __attribute__((warn_unused_result))
#define PEEL_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define PEEL_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- addresses ------------------------------------------------------------------------------- */

enum peel_family {
	PEEL_FAMILY_NONE = 0,
	PEEL_FAMILY_IPV4 = 4,
	PEEL_FAMILY_IPV6 = 6,
};

/**
 * A UDP address. IPv4 uses ip[0..3]; all unused bytes are zero, so two addresses are equal exactly
 * when their bytes are. The all-zero value is "no address".
 */
struct peel_addr {
	uint8_t ip[16];
	uint16_t port;	/* host order */
	uint8_t family; /* enum peel_family */
	uint8_t zero;
};
_Static_assert(
	sizeof(struct peel_addr) == 20, "struct peel_addr is compared and hashed as 20 bytes");

#define PEEL_ADDR_TEXT_MAX 56 /* "[v6]:port" and the terminator */

static inline bool
peel_addr_equal(const struct peel_addr *a, const struct peel_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/** Whether two addresses have the same IP address, whatever their ports. */
static inline bool
peel_addr_same_ip(const struct peel_addr *a, const struct peel_addr *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/** The source that an address counts for when strangers' shares are limited: the whole IPv4
 * address, the first 56 bits of an IPv6 address (what a provider gives to one customer), without
 * the port. Thread: any. */
struct peel_addr peel_addr_source(const struct peel_addr *a);

/** Whether a single host can have this address: it is not in 0.0.0.0/8 ("this network"), not ::,
 * multicast, reserved or broadcast. Thread: any. */
bool peel_addr_is_host(const struct peel_addr *a);

/** Whether it is in 127.0.0.0/8 or is ::1. Thread: any. */
bool peel_addr_is_loopback(const struct peel_addr *a);

/** Whether it is loopback, private, link-local or shared: not reachable from the Internet. Thread:
 * any. */
bool peel_addr_is_local(const struct peel_addr *a);

/** Whether a datagram can be sent to it: a unicast address and a port. Thread: any. */
bool peel_addr_usable(const struct peel_addr *a);

/** Whom a datagram from this address counts for: its source (peel_addr_source), but a local address
 * with its port, because test networks have many nodes on one address. Thread: any. */
struct peel_addr peel_addr_sender(const struct peel_addr *a);

/** Whether it is 0.0.0.0 or ::, whatever the port, or no address at all. */
static inline bool
peel_addr_is_any(const struct peel_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

/** Whether no address is given, or the protocol's "0.0.0.0:0". */
static inline bool
peel_addr_is_none(const struct peel_addr *a)
{
	return a->port == 0 && peel_addr_is_any(a);
}

/** Bits of an address of this family: the longest prefix. */
static inline unsigned int
peel_addr_bits(const struct peel_addr *a)
{
	return a->family == PEEL_FAMILY_IPV4 ? 32 : 128;
}

struct peel_addr peel_addr_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);

/**
 * Parse "1.2.3.4:5" or "[2001:db8::1]:5". Without ":port" the port is @p default_port.
 * @return 0 or -EINVAL (also for names: nothing is resolved). Thread: any.
 */
int peel_addr_parse(const char *text, uint16_t default_port, struct peel_addr *out) PEEL_MUST_USE;

/** Write "1.2.3.4:5" or "[v6]:5" into @p out and return it. Thread: any. */
const char *peel_addr_text(const struct peel_addr *a, char out[PEEL_ADDR_TEXT_MAX]);

struct sockaddr_storage;
/** Convert to and from the kernel's form. peel_addr_to_sockaddr returns the length in bytes to pass
 * to the kernel. peel_addr_from_sockaddr turns an IPv4-mapped IPv6 address into IPv4, and returns
 * -EINVAL for other families. Thread: any. */
unsigned int peel_addr_to_sockaddr(const struct peel_addr *a, struct sockaddr_storage *out);
int peel_addr_from_sockaddr(const struct sockaddr_storage *in, struct peel_addr *out) PEEL_MUST_USE;

/* ---- hashes: a secret seed keeps strangers from aiming at buckets ---------------------------- */

/** Of an address and a number. Thread: any. */
uint64_t peel_addr_hash(const struct peel_addr *a, uint32_t extra, uint64_t seed);

/** Of anything else. Thread: any. */
uint64_t peel_hash_bytes(const void *bytes, size_t len, uint64_t seed);
/** The same of a number, quickly. */
uint64_t peel_hash_u32(uint32_t value, uint64_t seed);

/* ---- numbers that are not secret ------------------------------------------------------------- */

/** The next number of a generator (SplitMix64) whose state is any 64-bit number. For choices that
 * an attacker may guess. */
static inline uint64_t
peel_splitmix(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* ---- byte order: wire fields are read by bytes, never by casting a struct onto a packet ------ */

static inline uint16_t
peel_get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
peel_get_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t
peel_get_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static inline void
peel_put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
peel_put_be32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
peel_put_be64(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	"the byte swaps above assume a little-endian machine");

/* ---- file descriptors ------------------------------------------------------------------------ */

/**
 * Whether, after opening @p fd, @p reserve descriptors (a quarter of the limit, if that is small)
 * are left for others. New descriptors get the lowest free number, so a caller that closes @p fd on
 * false never takes the last ones. Thread: any.
 */
bool peel_files_spared(int fd, unsigned int reserve);

/* ---- secrets --------------------------------------------------------------------------------- */

/** A symmetric key. Wiped with peel_wipe(), compared with peel_equal_ct(), never logged. */
struct peel_key {
	uint8_t b[32];
};

/** Overwrite memory in a way the compiler keeps. Thread: any. */
void peel_wipe(void *p, size_t len);

/** Compare without a data-dependent branch. Thread: any. */
bool peel_equal_ct(const void *a, const void *b, size_t len);

/**
 * Allocate zeroed pages of their own for secrets, which are not in core dumps and not swapped out.
 * Locking counts against RLIMIT_MEMLOCK; beyond that limit the pages are not locked, which is not
 * an error. NULL when out of memory. Free with the same length in bytes, which also wipes. Each
 * takes at least a page, so use it for few and lasting things. Thread: any.
 */
void *peel_secret_alloc(size_t len);
void peel_secret_free(void *p, size_t len);

/** Give the same protection to whole pages of other memory, and take it back before the memory is
 * freed. Thread: any. */
void peel_secret_guard(void *p, size_t len);
void peel_secret_unguard(void *p, size_t len);
/** The same for the stack of the calling thread, where compilers leave copies of secrets. Not for
 * the main thread. Switch it off before the thread ends, because its stack may be reused. */
void peel_secret_guard_stack(bool on);

/* ---- the outside world ----------------------------------------------------------------------- */

/**
 * Time and randomness as protocol libraries see them. Time is monotonic, in milliseconds since an
 * arbitrary start. Thread: any, for the real one.
 */
struct peel_env {
	uint64_t (*now_ms)(void *arg);
	void (*random)(void *arg, void *out, size_t len);
	void *arg;
};

/** The real environment: CLOCK_MONOTONIC and the kernel's generator (getrandom). */
extern const struct peel_env peel_env_system;

static inline uint64_t
peel_now_ms(const struct peel_env *env)
{
	return env->now_ms(env->arg);
}

static inline void
peel_random(const struct peel_env *env, void *out, size_t len)
{
	env->random(env->arg, out, len);
}

uint16_t peel_random_u16(const struct peel_env *env);
uint32_t peel_random_u32(const struct peel_env *env);
uint64_t peel_random_u64(const struct peel_env *env);
/** Uniform in 0..n-1, n >= 1. */
uint32_t peel_random_below(const struct peel_env *env, uint32_t n);

/** Say in @p why what is wrong and what to do about it. @return @p rc, so that the caller can
 * return with it.   Thread: any. */
int peel_fail(char *why, size_t why_size, int rc, const char *format, ...) PEEL_PRINTF(4, 5);

/* ---- log: control thread only, never per packet ---------------------------------------------- */

enum peel_log_level {
	PEEL_LOG_ERROR,
	PEEL_LOG_WARNING,
	PEEL_LOG_INFO,
	PEEL_LOG_DEBUG,
};

/** A line, without a newline, and the place in the sources that it comes from. The texts are the
 * caller's. */
struct peel_log_line {
	enum peel_log_level level;
	const char *text;
	const char *file; /* below the folder of the sources: "lib/node/loop.c" */
	unsigned int line;
	const char *function;
};

typedef void (*peel_log_fn)(void *arg, const struct peel_log_line *line);

/** Set where log lines go, and the least serious level that is logged. NULL, the default, discards
 * them, so that an embedding program hears nothing. Thread: any, if only the level changes. */
void peel_log_set(peel_log_fn fn, void *arg, enum peel_log_level level);

/** Log one line, given without a newline: peel_log(level, format, ...). Thread: any except
 * workers. */
#define peel_log(level, ...) peel_log_at(__FILE__, __LINE__, __func__, level, __VA_ARGS__)
void peel_log_at(const char *file, unsigned int line, const char *function,
	enum peel_log_level level, const char *format, ...) PEEL_PRINTF(5, 6);
