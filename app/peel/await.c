/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Addresses may come after the program: from DHCP, from a router's advertisement, over a slow link.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "await.h"
#include "conf_table.h"
#include "notify.h"

int
await_bind(const struct peel_addr *addr)
{
	struct peel_addr a = *addr;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, rc = 0;

	a.port = 0;
	len = peel_addr_to_sockaddr(&a, &ss);
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&ss, len) != 0)
		rc = -errno;
	close(fd);
	return rc;
}

const char *
await_text(const struct peel_addr *addr, char out[AWAIT_TEXT_MAX])
{
	inet_ntop(addr->family == PEEL_FAMILY_IPV4 ? AF_INET : AF_INET6, addr->ip, out,
		AWAIT_TEXT_MAX);
	return out;
}

unsigned int
await_list(const struct conf *conf, struct awaited out[AWAITED_MAX])
{
	const struct peel_port_conf *p = &conf->node.port_conf;
	const struct awaited all[AWAITED_MAX] = {{CONF_port_listen, p->listen},
		{CONF_port_exit_address, p->exit_ipv4}, {CONF_port_exit_address6, p->exit_ipv6}};
	unsigned int n = 0;

	if (strcmp(conf->node.port->name, "socket") != 0)
		return 0; /* a device's addresses are ours alone */
	for (unsigned int i = 0; i < AWAITED_MAX; i++) {
		if (all[i].addr.family != PEEL_FAMILY_NONE)
			out[n++] = all[i];
	}
	return n;
}

void
await_addresses(const struct conf *conf)
{
	static const struct timespec pause = {.tv_nsec = 500 * 1000 * 1000};
	struct awaited list[AWAITED_MAX];
	unsigned int n = await_list(conf, list);
	char text[AWAIT_TEXT_MAX];

	for (unsigned int i = 0; i < n; i++) {
		list[i].addr.port = 0;
		if (await_bind(&list[i].addr) != -EADDRNOTAVAIL)
			continue; /* another failure shows when it is really opened */
		peel_log(PEEL_LOG_WARNING,
			"waiting for the address %s ([port] %s), which this machine does not have "
			"yet",
			await_text(&list[i].addr, text), conf_settings[list[i].id].name);
		notify_send("STATUS=waiting for the address %s", text);
		while (await_bind(&list[i].addr) == -EADDRNOTAVAIL) {
			/* However long it takes, this is no failed start. */
			notify_send("EXTEND_TIMEOUT_USEC=30000000");
			nanosleep(&pause, NULL);
		}
		peel_log(PEEL_LOG_INFO, "the address %s has come", await_text(&list[i].addr, text));
	}
}
