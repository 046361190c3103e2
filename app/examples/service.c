/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Meet others that run the same program with the same name, send each a message, and print the
 * first one that comes:
 *	service HOPS [BOOTSTRAP_HOST:PORT...] NAME MESSAGE
 */
#include <peel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
on_peer(void *message, struct peel *p, const struct peel_address *peer)
{
	peel_tunnel_data(p, 0, peer, PEEL_DATA, message, strlen(message));
}

static void
on_data(void *met, struct peel *p, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	char text[280];

	(void)p;
	(void)circuit;
	printf("%s: %.*s\n", peel_address_text(origin, text, sizeof(text)), (int)len,
		(const char *)payload);
	__atomic_store_n((int *)met, 1, __ATOMIC_RELEASE);
}

int
main(int argc, char **argv)
{
	char *message = argv[argc - 1];
	uint8_t id[PEEL_SERVICE_ID_LEN];
	struct peel_settings settings;
	int rc, met = 0;
	struct peel *p;

	if (argc < 4) {
		fprintf(stderr, "usage: %s HOPS [BOOTSTRAP_HOST:PORT...] NAME MESSAGE\n", argv[0]);
		return 2;
	}
	peel_service_id(argv[argc - 2], id);
	peel_settings_init(&settings);
	if (argc > 4) { /* else the public servers */
		argv[argc - 2] = NULL;
		settings.bootstrap = (const char *const *)&argv[2];
	}
	rc = peel_open(&settings, &p);
	if (rc == 0)
		peel_on_data(p, on_data, &met);
	if (rc == 0)
		rc = peel_register_service(p, id, (unsigned int)atoi(argv[1]), on_peer, message);
	if (rc == 0)
		rc = peel_run(p);
	for (int s = 0; rc == 0 && s < 120 && !__atomic_load_n(&met, __ATOMIC_ACQUIRE); s++)
		sleep(1);
	sleep(met); /* our own message may still be on its way */
	if (rc != 0)
		fprintf(stderr, "%s\n", peel_strerror(rc));
	peel_close(p);
	return !met;
}
