/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "world.h"

uint16_t
sum16(const uint8_t *p, size_t len, uint32_t start)
{
	uint32_t sum = start;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

size_t
make_eth(uint8_t *f, const uint8_t *dst, const uint8_t *src, uint16_t type)
{
	memcpy(f, dst, 6);
	memcpy(f + 6, src, 6);
	peel_put_be16(f + 12, type);
	return 14;
}

void
fix_ip4(uint8_t *ip)
{
	peel_put_be16(ip + 10, 0);
	peel_put_be16(ip + 10, (uint16_t)~sum16(ip, (ip[0] & 15) * 4u, 0));
}

size_t
make_ip4(uint8_t *p, const uint8_t *src, const uint8_t *dst, uint8_t proto, size_t payload,
	uint16_t id, uint16_t frag)
{
	memset(p, 0, 20);
	p[0] = 0x45;
	peel_put_be16(p + 2, (uint16_t)(20 + payload));
	peel_put_be16(p + 4, id);
	peel_put_be16(p + 6, frag);
	p[8] = 3;
	p[9] = proto;
	memcpy(p + 12, src, 4);
	memcpy(p + 16, dst, 4);
	fix_ip4(p);
	return 20;
}

size_t
make_ip6(uint8_t *p, const uint8_t *src, const uint8_t *dst, uint8_t proto, size_t payload,
	uint8_t hops)
{
	memset(p, 0, 40);
	p[0] = 0x60;
	peel_put_be16(p + 4, (uint16_t)payload);
	p[6] = proto;
	p[7] = hops;
	memcpy(p + 8, src, 16);
	memcpy(p + 24, dst, 16);
	return 40;
}

static uint16_t
l4_sum(const uint8_t *p, size_t len, const uint8_t *src, const uint8_t *dst, size_t ip_len,
	uint8_t proto)
{
	uint32_t sum = sum16(dst, ip_len, sum16(src, ip_len, 0)) + proto + (uint32_t)len;

	return sum16(p, len, sum);
}

bool
udp_sum_ok(const uint8_t *udp, size_t len, const uint8_t *src, const uint8_t *dst, size_t ip_len)
{
	return l4_sum(udp, len, src, dst, ip_len, 17) == 0xffff;
}

size_t
make_udp(uint8_t *p, const uint8_t *src, const uint8_t *dst, size_t ip_len, uint16_t sport,
	uint16_t dport, size_t len)
{
	peel_put_be16(p, sport);
	peel_put_be16(p + 2, dport);
	peel_put_be16(p + 4, (uint16_t)(8 + len));
	peel_put_be16(p + 6, 0);
	for (size_t i = 0; i < len; i++)
		p[8 + i] = (uint8_t)i;
	uint16_t sum = (uint16_t)~l4_sum(p, 8 + len, src, dst, ip_len, 17);

	peel_put_be16(p + 6, sum == 0 ? 0xffff : sum);
	return 8 + len;
}

size_t
make_frame4(const struct world *w, uint8_t *f, uint16_t dport, size_t len)
{
	size_t at = make_eth(f, w->mac, host_mac, 0x0800);

	at += make_ip4(f + at, host_ip, own_ip, 17, 8 + len, 1, 0);
	return at + make_udp(f + at, host_ip, own_ip, 4, 5555, dport, len);
}

size_t
make_frame6(const struct world *w, uint8_t *f, uint16_t dport, size_t len)
{
	size_t at = make_eth(f, w->mac, host_mac, 0x86dd);

	at += make_ip6(f + at, host_ip6, own_ip6, 17, 8 + len, 3);
	return at + make_udp(f + at, host_ip6, own_ip6, 16, 5555, dport, len);
}

size_t
make_arp(uint8_t *f, const uint8_t *dst, uint16_t op, const uint8_t *sha, const uint8_t *spa,
	const uint8_t *tha, const uint8_t *tpa)
{
	size_t at = make_eth(f, dst, sha, 0x0806);
	const uint8_t head[6] = {0, 1, 8, 0, 6, 4};

	memcpy(f + at, head, 6);
	peel_put_be16(f + at + 6, op);
	memcpy(f + at + 8, sha, 6);
	memcpy(f + at + 14, spa, 4);
	memcpy(f + at + 18, tha, 6);
	memcpy(f + at + 24, tpa, 4);
	return at + 28;
}

size_t
make_nd(uint8_t *f, const uint8_t *dst_mac, const uint8_t *src_mac, uint8_t type, uint8_t flags,
	const uint8_t *src, const uint8_t *dst, const uint8_t *target)
{
	size_t at = make_eth(f, dst_mac, src_mac, 0x86dd);
	uint8_t *p;

	at += make_ip6(f + at, src, dst, 58, 32, 255);
	p = f + at;
	memset(p, 0, 32);
	p[0] = type;
	p[4] = flags;
	memcpy(p + 8, target, 16);
	p[24] = type == 135 ? 1 : 2;
	p[25] = 1;
	memcpy(p + 26, src_mac, 6);
	peel_put_be16(p + 2, (uint16_t)~l4_sum(p, 32, src, dst, 16, 58));
	return at + 32;
}
