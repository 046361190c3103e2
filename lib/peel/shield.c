/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The shared library contains a DPDK of its own, and these functions stand between it and the
 * process (the linker's --wrap). DPDK prints why it does not start, takes over syslog, raises the
 * limit of open files, and ends the program when its start runs out of something. A library does
 * none of these. Nor does DPDK need to see which modules the kernel has (some containers do not
 * show it), as no device is opened. Only calls from inside the library come here.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "handle.h"

void __wrap_openlog(const char *ident, int option, int facility);
int __wrap_puts(const char *s);
int __wrap_putchar(int c);
int __wrap_fputc(int c, FILE *f);
int __wrap_fputs(const char *s, FILE *f);
size_t __wrap_fwrite(const void *p, size_t size, size_t n, FILE *f);
int __wrap_printf(const char *format, ...);
int __wrap___printf_chk(int flag, const char *format, ...);
int __wrap_fprintf(FILE *f, const char *format, ...);
int __wrap___fprintf_chk(FILE *f, int flag, const char *format, ...);
int __wrap_setrlimit(int resource, const void *limit);
int __wrap_setrlimit64(int resource, const void *limit) __attribute__((alias("__wrap_setrlimit")));
int __wrap_rte_vfio_enable(const char *module);
void __wrap_exit(int status) __attribute__((noreturn));
void __wrap_abort(void) __attribute__((noreturn));

int __real_fputc(int c, FILE *f);
int __real_fputs(const char *s, FILE *f);
size_t __real_fwrite(const void *p, size_t size, size_t n, FILE *f);
void __real_exit(int status) __attribute__((noreturn));
void __real_abort(void) __attribute__((noreturn));

static bool
is_programs(const FILE *f)
{
	return f == stdout || f == stderr;
}

void
__wrap_openlog(const char *ident, int option, int facility)
{
	(void)ident;
	(void)option;
	(void)facility;
}

int
__wrap_puts(const char *s)
{
	(void)s;
	return 0;
}

int
__wrap_putchar(int c)
{
	return c;
}

int
__wrap_printf(const char *format, ...)
{
	(void)format;
	return 0;
}

int
__wrap___printf_chk(int flag, const char *format, ...)
{
	(void)flag;
	(void)format;
	return 0;
}

int
__wrap_fputc(int c, FILE *f)
{
	return is_programs(f) ? c : __real_fputc(c, f);
}

int
__wrap_fputs(const char *s, FILE *f)
{
	return is_programs(f) ? 0 : __real_fputs(s, f);
}

size_t
__wrap_fwrite(const void *p, size_t size, size_t n, FILE *f)
{
	return is_programs(f) ? n : __real_fwrite(p, size, n, f);
}

int
__wrap_fprintf(FILE *f, const char *format, ...)
{
	va_list ap;
	int n = 0;

	va_start(ap, format);
	if (!is_programs(f))
		n = vfprintf(f, format, ap);
	va_end(ap);
	return n;
}

int
__wrap___fprintf_chk(FILE *f, int flag, const char *format, ...)
{
	va_list ap;
	int n = 0;

	(void)flag;
	va_start(ap, format);
	if (!is_programs(f))
		n = vfprintf(f, format, ap);
	va_end(ap);
	return n;
}

int
__wrap_setrlimit(int resource, const void *limit)
{
	(void)resource;
	(void)limit;
	return 0;
}

int
__wrap_rte_vfio_enable(const char *module)
{
	(void)module;
	return 0;
}

void
__wrap_exit(int status)
{
	if (eal_is_starting())
		pthread_exit(NULL);
	__real_exit(status);
}

void
__wrap_abort(void)
{
	if (eal_is_starting())
		pthread_exit(NULL);
	__real_abort();
}
