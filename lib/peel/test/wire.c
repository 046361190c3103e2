/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

const uint8_t wire_prefix[PEEL_PREFIX_BYTES] = {
	0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

void
wire_open(struct wire *w)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	w->fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(w->fd >= 0);
	assert_int_equal(bind(w->fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(w->fd, (struct sockaddr *)&at, &len), 0);
	assert_int_equal(peel_address_set(&w->address, "127.0.0.1", ntohs(at.sin_port)), 0);
}

void
wire_close(struct wire *w)
{
	close(w->fd);
}

void
wire_send(const struct wire *w, const struct peel_address *to, const void *data, size_t len)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(to->port)};

	memcpy(&at.sin_addr, to->ip, 4);
	assert_int_equal(
		sendto(w->fd, data, len, 0, (struct sockaddr *)&at, sizeof(at)), (ssize_t)len);
}

size_t
wire_receive(const struct wire *w, void *data, size_t size, unsigned int ms)
{
	struct pollfd fd = {.fd = w->fd, .events = POLLIN};
	ssize_t n;

	if (poll(&fd, 1, (int)ms) != 1)
		return 0;
	n = recv(w->fd, data, size, 0);
	assert_true(n > 0);
	return (size_t)n;
}

void
wire_keys(uint8_t number, struct peel_guest_keys *out)
{
	memset(out->key_forward, number, sizeof(out->key_forward));
	memset(out->key_backward, number + 100, sizeof(out->key_backward));
	memset(out->salt_forward, number, sizeof(out->salt_forward));
	memset(out->salt_backward, number + 1, sizeof(out->salt_backward));
}

static void
put_be(uint8_t *out, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

void
wire_header(uint8_t *out, uint32_t cid, bool plain, bool early)
{
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	out[22] = 0;
	put_be(out + 23, cid, 4);
	out[27] = plain;
	out[28] = early;
}

size_t
wire_seal(uint8_t *text, size_t len, const struct peel_guest_keys *k, bool forward, uint64_t salt)
{
	uint8_t nonce[12];

	memcpy(nonce, forward ? k->salt_forward : k->salt_backward, 4);
	put_be(nonce + 4, salt, 8);
	memmove(text + 8, text, len);
	memcpy(text, nonce + 4, 8);
	crypto_aead_chacha20poly1305_ietf_encrypt(text + 8, NULL, text + 8, len, NULL, 0, NULL,
		nonce, forward ? k->key_forward : k->key_backward);
	return len + WIRE_LAYER;
}

size_t
wire_unseal(uint8_t *text, size_t len, const struct peel_guest_keys *k, bool forward)
{
	uint8_t nonce[12];

	assert_true(len >= WIRE_LAYER);
	memcpy(nonce, forward ? k->salt_forward : k->salt_backward, 4);
	memcpy(nonce + 4, text, 8);
	assert_int_equal(
		crypto_aead_chacha20poly1305_ietf_decrypt(text + 8, NULL, NULL, text + 8, len - 8,
			NULL, 0, nonce, forward ? k->key_forward : k->key_backward),
		0);
	memmove(text, text + 8, len - WIRE_LAYER);
	return len - WIRE_LAYER;
}

uint64_t
wire_salt(const uint8_t *text)
{
	uint64_t salt = 0;

	for (int i = 0; i < 8; i++)
		salt = salt << 8 | text[i];
	return salt;
}

size_t
wire_data(uint8_t *out, const struct peel_address *to, const void *payload, size_t len)
{
	size_t n = 0;

	out[n++] = 1;
	out[n++] = 1;
	memcpy(out + n, to->ip, 4);
	put_be(out + n + 4, to->port, 2);
	n += 6;
	out[n++] = 1; /* from nowhere */
	memset(out + n, 0, 6);
	n += 6;
	memcpy(out + n, payload, len);
	return n + len;
}
