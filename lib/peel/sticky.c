/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Which circuit a destination has: a bounded table by host and number of hops, in which the least
 * recently used entry makes room. Ports do not count: a web server and the name server beside it
 * see the same visitor anyway. Hosts are kept as a keyed digest, so entries are small, nobody can
 * aim at a bucket, and the table does not name the hosts.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "handle.h"

#define ENTRIES 1024
#define BUCKETS 2048 /* a power of two */
#define ACTIVE_MAX 256
#define NONE UINT16_MAX

struct entry {
	uint8_t digest[16];
	peel_circuit circuit;
	uint16_t next; /* in the bucket, or of the free ones */
	uint16_t newer, older;
};

struct sticky {
	pthread_mutex_t lock;
	bool isolate;
	uint8_t key[crypto_generichash_KEYBYTES];
	uint16_t bucket[BUCKETS];
	uint16_t free, newest, oldest;
	struct entry entry[ENTRIES];
};

int
sticky_new(bool isolate, struct sticky **out)
{
	struct sticky *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return error_no_memory();
	pthread_mutex_init(&s->lock, NULL);
	s->isolate = isolate;
	peel_random(&peel_env_system, s->key, sizeof(s->key));
	memset(s->bucket, 0xff, sizeof(s->bucket));
	s->newest = s->oldest = NONE;
	for (uint16_t i = 0; i < ENTRIES; i++)
		s->entry[i].next = i + 1 < ENTRIES ? (uint16_t)(i + 1) : NONE;
	*out = s;
	return 0;
}

void
sticky_free(struct sticky *s)
{
	if (s == NULL)
		return;
	pthread_mutex_destroy(&s->lock);
	peel_wipe(s, sizeof(*s));
	free(s);
}

/* Names mean the same in capitals, and with a dot at the end. */
static void
digest_of(const struct sticky *s, unsigned int hops, const struct peel_address *a, uint8_t out[16])
{
	uint8_t text[2 + sizeof(a->domain)] = {(uint8_t)hops, a->type};
	size_t len = a->type == PEEL_ADDRESS_IPV4 ? 4 : 16;

	if (a->type == PEEL_ADDRESS_DOMAIN) {
		len = strnlen(a->domain, sizeof(a->domain));
		if (len > 0 && a->domain[len - 1] == '.')
			len--;
		for (size_t i = 0; i < len; i++) {
			char c = a->domain[i];

			text[2 + i] = (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
		}
	} else {
		memcpy(text + 2, a->ip, len);
	}
	crypto_generichash(out, 16, text, 2 + len, s->key, sizeof(s->key));
}

static uint16_t *
bucket_of(struct sticky *s, const uint8_t digest[16])
{
	return &s->bucket[(digest[0] | digest[1] << 8) & (BUCKETS - 1)];
}

static void
unlink_age(struct sticky *s, struct entry *e)
{
	if (e->newer != NONE)
		s->entry[e->newer].older = e->older;
	else
		s->newest = e->older;
	if (e->older != NONE)
		s->entry[e->older].newer = e->newer;
	else
		s->oldest = e->newer;
}

static void
link_newest(struct sticky *s, uint16_t i)
{
	struct entry *e = &s->entry[i];

	e->newer = NONE;
	e->older = s->newest;
	if (s->newest != NONE)
		s->entry[s->newest].newer = i;
	else
		s->oldest = i;
	s->newest = i;
}

static void
drop(struct sticky *s, uint16_t i)
{
	struct entry *e = &s->entry[i];
	uint16_t *link = bucket_of(s, e->digest);

	while (*link != i)
		link = &s->entry[*link].next;
	*link = e->next;
	unlink_age(s, e);
	memset(e, 0, sizeof(*e));
	e->next = s->free;
	s->free = i;
}

static peel_circuit
look_up(struct sticky *s, const uint8_t digest[16])
{
	for (uint16_t i = *bucket_of(s, digest); i != NONE; i = s->entry[i].next) {
		if (memcmp(s->entry[i].digest, digest, 16) == 0) {
			unlink_age(s, &s->entry[i]);
			link_newest(s, i);
			return s->entry[i].circuit;
		}
	}
	return 0;
}

static void
remember(struct sticky *s, const uint8_t digest[16], peel_circuit circuit)
{
	uint16_t *bucket = bucket_of(s, digest), i;

	if (s->free == NONE)
		drop(s, s->oldest);
	i = s->free;
	s->free = s->entry[i].next;
	memcpy(s->entry[i].digest, digest, 16);
	s->entry[i].circuit = circuit;
	s->entry[i].next = *bucket;
	*bucket = i;
	link_newest(s, i);
}

/* The best circuit; with isolation, the best of those with the fewest destinations. */
static peel_circuit
choose(const struct sticky *s, const peel_circuit *active, size_t n)
{
	unsigned int least = ENTRIES + 1;
	peel_circuit best = 0;

	if (!s->isolate)
		return n > 0 ? active[0] : 0;
	for (size_t c = 0; c < n; c++) {
		unsigned int users = 0;

		for (uint16_t i = s->newest; i != NONE; i = s->entry[i].older)
			users += s->entry[i].circuit == active[c];
		if (users < least) {
			least = users;
			best = active[c];
		}
	}
	return best;
}

/* @return how many were written. */
static size_t
data_circuits(struct peel *p, unsigned int hops, peel_circuit out[ACTIVE_MAX])
{
	size_t n = peel_active_data_circuits_of(p, hops, out, ACTIVE_MAX), kept = 0;

	for (size_t i = 0; i < n && i < ACTIVE_MAX; i++) {
		if (!peel_is_reserved(p, out[i]))
			out[kept++] = out[i];
	}
	return kept;
}

peel_circuit
peel_circuit_for(struct peel *p, unsigned int hops, const struct peel_address *destination)
{
	struct sticky *s = p->sticky;
	peel_circuit active[ACTIVE_MAX], circuit;
	uint8_t digest[16];
	size_t n;

	if (peers_own(destination))
		return peers_circuit(p->peers, destination);
	digest_of(s, hops, destination, digest);
	pthread_mutex_lock(&s->lock);
	circuit = look_up(s, digest);
	pthread_mutex_unlock(&s->lock);
	if (circuit != 0)
		return circuit;
	n = data_circuits(p, hops, active);
	pthread_mutex_lock(&s->lock);
	circuit = look_up(s, digest); /* another thread may have been faster */
	if (circuit == 0) {
		circuit = choose(s, active, n);
		if (circuit != 0)
			remember(s, digest, circuit);
	}
	pthread_mutex_unlock(&s->lock);
	return circuit;
}

void
sticky_forget(struct sticky *s, peel_circuit circuit)
{
	pthread_mutex_lock(&s->lock);
	for (uint16_t i = s->newest; i != NONE;) {
		uint16_t older = s->entry[i].older;

		if (s->entry[i].circuit == circuit)
			drop(s, i);
		i = older;
	}
	pthread_mutex_unlock(&s->lock);
}

bool
sticky_isolates(const struct sticky *s)
{
	return s->isolate;
}
