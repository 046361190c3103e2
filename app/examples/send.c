/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Send one packet through a circuit and print what comes back:
 *	send HOPS [BOOTSTRAP_HOST:PORT...] DESTINATION PORT MESSAGE
 */
#include <peel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
on_data(void *answered, struct peel *p, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	char text[280];

	(void)p;
	(void)circuit;
	printf("%s: %.*s\n", peel_address_text(origin, text, sizeof(text)), (int)len,
		(const char *)payload);
	__atomic_store_n((int *)answered, 1, __ATOMIC_RELEASE);
}

int
main(int argc, char **argv)
{
	const char *host = argc < 5 ? NULL : argv[argc - 3], *message = argv[argc - 1];
	struct peel_settings settings;
	struct peel_address to;
	peel_circuit circuit;
	int rc, answered = 0;
	struct peel *p;

	peel_settings_init(&settings);
	if (argc > 5) { /* else the public servers */
		argv[argc - 3] = NULL;
		settings.bootstrap = (const char *const *)&argv[2];
	}
	rc = peel_open(&settings, &p);
	if (rc == 0)
		rc = peel_address_set(&to, host, (uint16_t)(host ? atoi(argv[argc - 2]) : 0));
	if (rc == 0)
		rc = peel_build_tunnels(p, (unsigned int)atoi(argv[1]));
	if (rc == 0)
		rc = peel_run(p);
	if (rc == 0)
		peel_on_data(p, on_data, &answered);
	for (int s = 0; rc == 0 && s < 60 && !__atomic_load_n(&answered, __ATOMIC_ACQUIRE); s++) {
		if (peel_active_data_circuits(p, &circuit, 1) > 0) /* UDP: until answered */
			peel_tunnel_data(p, circuit, &to, PEEL_DATA, message, strlen(message));
		sleep(1);
	}
	if (rc != 0)
		fprintf(stderr, "%s\n", peel_strerror(rc));
	peel_close(p);
	return !answered;
}
