/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What libxdp and libbpf have to say, which DPDK's driver of af_xdp brings along: they would write
 * to standard error. It is for those who look for a fault. At the end of a confined program, for
 * one, libxdp complains that it cannot count users of the XDP program (it may not make its file for
 * that), and asks for the program to be taken off: the driver does so itself, right afterwards.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include "ethdev_internal.h"

/* Both libraries: level (0 is a warning), format, arguments. */
typedef int (*print_fn)(int level, const char *format, va_list ap);

static int
print(int level, const char *format, va_list ap)
{
	char text[256];
	int len = vsnprintf(text, sizeof(text), format, ap);

	(void)level;
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	while (len > 0 && text[len - 1] == '\n')
		len--;
	if (len > 0)
		peel_log(PEEL_LOG_DEBUG, "%.*s", len, text);
	return len;
}

void
ethdev_xdp_log(void)
{
	static const char *const library[][2] = {
		{"libxdp.so.1", "libxdp_set_print"}, {"libbpf.so.1", "libbpf_set_print"}};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(library); i++) {
		void *handle = dlopen(library[i][0], RTLD_LAZY | RTLD_NOLOAD);
		print_fn (*set)(print_fn);

		if (handle == NULL)
			continue;
		*(void **)&set = dlsym(handle, library[i][1]);
		if (set != NULL)
			(void)set(print);
		(void)dlclose(handle); /* the driver has it still */
	}
}
