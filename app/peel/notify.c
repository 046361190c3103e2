/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "notify.h"

static int notify_socket = -1;
static struct sockaddr_un manager;
static socklen_t manager_len;
static uint64_t watchdog_ms;

/* A number from the environment, 0 if it has none. */
static unsigned long long
number(const char *name)
{
	const char *text = getenv(name);
	unsigned long long n;

	return text != NULL && sscanf(text, "%llu", &n) == 1 ? n : 0;
}

void
notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != NULL ? strlen(path) : 0;
	unsigned long long whose = number("WATCHDOG_PID");

	/* A path, or with @ the name of an abstract socket. */
	if (len < 2 || (path[0] != '/' && path[0] != '@') || len >= sizeof(manager.sun_path))
		return;
	manager.sun_family = AF_UNIX;
	memcpy(manager.sun_path, path, len);
	if (path[0] == '@')
		manager.sun_path[0] = '\0';
	manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	notify_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (whose == 0 || whose == (unsigned long long)getpid())
		watchdog_ms = number("WATCHDOG_USEC") / 1000;
}

bool
notify_wanted(void)
{
	return notify_socket >= 0;
}

uint64_t
notify_watchdog_ms(void)
{
	return notify_socket >= 0 ? watchdog_ms : 0;
}

void
notify_send(const char *format, ...)
{
	char text[512];
	va_list ap;
	int n;

	if (notify_socket < 0)
		return;
	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n < 0)
		return;
	(void)sendto(notify_socket, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1,
		MSG_NOSIGNAL, (const struct sockaddr *)&manager, manager_len);
}
