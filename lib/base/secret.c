/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "peel_base.h"

void
peel_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}

bool
peel_equal_ct(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *x = a, *y = b;
	uint8_t diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= (uint8_t)(x[i] ^ y[i]);
	return diff == 0;
}

/* ---- pages for secrets ----------------------------------------------------------------------- */

static size_t
whole_pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) & ~(page - 1);
}

void *
peel_secret_alloc(size_t len)
{
	void *p = mmap(
		NULL, whole_pages(len), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	peel_secret_guard(p, whole_pages(len));
	return p;
}

void
peel_secret_free(void *p, size_t len)
{
	if (p == NULL)
		return;
	peel_wipe(p, len);
	munmap(p, whole_pages(len));
}

/* Where the kernel refuses (a limit, part of a hugepage), secrets are where they would be without
 * this. */
void
peel_secret_guard(void *p, size_t len)
{
	(void)madvise(p, len, MADV_DONTDUMP);
	(void)mlock2(p, len, MLOCK_ONFAULT);
}

void
peel_secret_unguard(void *p, size_t len)
{
	(void)munlock(p, len);
}

void
peel_secret_guard_stack(bool on)
{
	pthread_attr_t attr;
	void *stack;
	size_t size;

	if (pthread_getattr_np(pthread_self(), &attr) != 0)
		return;
	if (pthread_attr_getstack(&attr, &stack, &size) == 0) {
		if (on) {
			peel_secret_guard(stack, size);
		} else {
			peel_secret_unguard(stack, size);
			(void)madvise(stack, size, MADV_DODUMP);
		}
	}
	pthread_attr_destroy(&attr);
}
