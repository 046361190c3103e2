/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "association.h"
#include "lanes.h"

static int
exchange(int s, const void *question, size_t len, uint8_t *answer, size_t answer_len)
{
	if (send(s, question, len, MSG_NOSIGNAL) != (ssize_t)len)
		return -EIO;
	return recv(s, answer, answer_len, MSG_WAITALL) == (ssize_t)answer_len ? 0 : -EIO;
}

/* The UDP address to send to: another port of the server. */
static int
associate(int s, struct sockaddr_in *server)
{
	struct timeval patience = {.tv_sec = 5};
	uint8_t answer[10];
	int rc;

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(s, (struct sockaddr *)server, sizeof(*server)) != 0)
		return -errno;
	rc = exchange(s, "\x05\x01\x00", 3, answer, 2);
	if (rc != 0 || answer[1] != 0)
		return rc != 0 ? rc : -EACCES;
	rc = exchange(s, "\x05\x03\x00\x01\0\0\0\0\0\0", 10, answer, sizeof(answer));
	if (rc != 0 || answer[1] != 0 || answer[3] != 1)
		return rc != 0 ? rc : -EPROTO;
	memcpy(&server->sin_port, answer + 8, 2);
	return 0;
}

int
association_open(struct association *a, uint16_t port)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in server = own;
	int rc;

	server.sin_port = htons(port);
	a->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a->udp = lanes_socket();
	rc = a->tcp < 0 ? -errno : a->udp < 0 ? a->udp : associate(a->tcp, &server);
	if (rc == 0 && (bind(a->udp, (struct sockaddr *)&own, sizeof(own)) != 0 ||
			       connect(a->udp, (struct sockaddr *)&server, sizeof(server)) != 0))
		rc = -errno;
	if (rc != 0)
		association_close(a);
	return rc;
}

void
association_close(const struct association *a)
{
	if (a->udp >= 0)
		close(a->udp);
	if (a->tcp >= 0)
		close(a->tcp);
}
