/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peel_keys.h"

/*
 * Legacy keys are PEM texts or DER: a sequence that begins with a one-byte version. Both are
 * recognised only to give a helpful answer.
 */
static bool
looks_legacy(const uint8_t *p, size_t len)
{
	static const char pem[] = "-----BEGIN";

	if (len < sizeof(pem) - 1)
		return false;
	size_t version = p[1] < 0x80 ? 2 : 2 + (p[1] & 3);

	return memcmp(p, pem, sizeof(pem) - 1) == 0 ||
	       (p[0] == 0x30 && p[version] == 0x02 && p[version + 1] == 0x01);
}

/* Up to `size` bytes; what a regular file has at this moment. */
static ssize_t
read_all(int fd, uint8_t *p, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, p + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static int
check_file(int fd, const char *path, char *why, size_t why_size)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		return peel_fail(why, why_size, -errno, "%s: %s", path, strerror(errno));
	}
	if (!S_ISREG(st.st_mode))
		return peel_fail(why, why_size, -EINVAL, "%s is not a regular file", path);
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return peel_fail(why, why_size, -EPERM,
			"%s may be used by others (mode %03o); make it private with: chmod 600 %s",
			path, st.st_mode & 0777u, path);
	return 0;
}

static int
parse_content(const char *path, const uint8_t *content, size_t len, struct peel_identity *out,
	char *why, size_t why_size)
{
	if (peel_identity_parse(content, len, out) == 0)
		return 0;
	if (looks_legacy(content, len))
		return peel_fail(why, why_size, -ENOTSUP,
			"%s holds a legacy elliptic curve key; tunnels need a new (25519) key",
			path);
	return peel_fail(why, why_size, -EINVAL,
		"%s is not a key file: it should be %d bytes that begin with \"LibNaCLSK:\"", path,
		PEEL_SK_LEN);
}

int
peel_identity_load(const char *path, struct peel_identity *out, char *why, size_t why_size)
{
	uint8_t content[PEEL_SK_LEN + 1]; /* one more shows that the file is too long */
	/* Opening a pipe or device must not hang before we see what it is. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	ssize_t n;

	if (fd < 0)
		return peel_fail(why, why_size, -errno, "%s: %s", path, strerror(errno));
	rc = check_file(fd, path, why, why_size);
	if (rc != 0)
		goto out;
	n = read_all(fd, content, sizeof(content));
	if (n < 0) {
		rc = peel_fail(why, why_size, (int)n, "%s: %s", path, strerror((int)-n));
	} else {
		rc = parse_content(path, content, (size_t)n, out, why, why_size);
	}
	peel_wipe(content, sizeof(content));
out:
	close(fd);
	return rc;
}

static int
write_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, p, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		p += put;
		len -= (size_t)put;
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

int
peel_identity_save(const char *path, const struct peel_identity *id, char *why, size_t why_size)
{
	uint8_t content[PEEL_SK_LEN];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR), rc;

	if (fd < 0 && errno == EEXIST)
		return peel_fail(why, why_size, -EEXIST,
			"%s exists already; a key is never replaced, choose another name", path);
	if (fd < 0)
		return peel_fail(why, why_size, -errno, "%s: %s", path, strerror(errno));
	peel_identity_serialise(id, content);
	rc = write_all(fd, content, sizeof(content));
	peel_wipe(content, sizeof(content));
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc != 0) {
		unlink(path); /* half a key is worse than none */
		peel_fail(why, why_size, rc, "%s: %s", path, strerror(-rc));
	}
	return rc;
}
