/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The library inside a program: what it leaves behind, and what it must leave alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

static const char *const nobody[] = {NULL};

static void
quiet_settings(struct peel_settings *s)
{
	peel_settings_init(s);
	s->listen = "127.0.0.1:0";
	s->bootstrap = nobody;
}

static struct peel *
open_one(void)
{
	struct peel_settings s;
	struct peel *p;
	int rc;

	quiet_settings(&s);
	rc = peel_open(&s, &p);
	if (rc != 0)
		fail_msg("%s", peel_strerror(rc));
	return p;
}

static unsigned int
count(const char *folder)
{
	DIR *d = opendir(folder);
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static long
rss_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- what belongs to the program ------------------------------------------------------------- */

struct possessions {
	cpu_set_t cpus;
	sigset_t mask;
	struct rlimit limit[RLIM_NLIMITS];
	struct sigaction action[NSIG];
	char name[16];
	int policy, nice, dumpable;
	mode_t umask;
};

static void
look(struct possessions *p)
{
	memset(p, 0, sizeof(*p));
	sched_getaffinity(0, sizeof(p->cpus), &p->cpus);
	pthread_sigmask(SIG_SETMASK, NULL, &p->mask);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		getrlimit((enum __rlimit_resource)i, &p->limit[i]);
	for (int i = 1; i < NSIG; i++)
		sigaction(i, NULL, &p->action[i]);
	prctl(PR_GET_NAME, p->name);
	p->policy = sched_getscheduler(0);
	p->nice = getpriority(PRIO_PROCESS, 0);
	p->dumpable = prctl(PR_GET_DUMPABLE);
	p->umask = umask(0);
	umask(p->umask);
}

static void
assert_same(const struct possessions *a, const struct possessions *b)
{
	assert_true(CPU_EQUAL(&a->cpus, &b->cpus));
	assert_memory_equal(&a->mask, &b->mask, sizeof(a->mask));
	assert_memory_equal(a->limit, b->limit, sizeof(a->limit));
	for (int i = 1; i < NSIG; i++)
		assert_true(a->action[i].sa_handler == b->action[i].sa_handler);
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->policy, b->policy);
	assert_int_equal(a->nice, b->nice);
	assert_int_equal(a->umask, b->umask);
	assert_int_equal(a->dumpable, b->dumpable);
}

/* Every thread but ours has all signals blocked that can be. */
static void
assert_threads_deaf(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		char path[300], line[128];
		unsigned long long blocked = 0;
		FILE *f;

		if (e->d_name[0] == '.' || atoi(e->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		while (fgets(line, sizeof(line), f) != NULL)
			sscanf(line, "SigBlk: %llx", &blocked);
		fclose(f);
		/* SIGTERM, SIGINT, SIGALRM, SIGPIPE, SIGCHLD stand for all. */
		for (const int *s = (const int[]){SIGTERM, SIGINT, SIGALRM, SIGPIPE, SIGCHLD, 0};
			*s != 0; s++)
			assert_true(blocked & 1ull << (*s - 1));
	}
	closedir(d);
}

/* The first of the process: EAL starts here. A small limit of open files must stay. */
static void
test_leaves_alone(void **state)
{
	struct rlimit files;
	struct possessions before, after;
	struct peel *p;
	cpu_set_t one;

	(void)state;
	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof(one), &one);
	for (int cpu = CPU_SETSIZE - 1; CPU_COUNT(&one) > 1; cpu--)
		CPU_CLR(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	look(&before);
	p = open_one();
	look(&after);
	assert_same(&before, &after);
	assert_int_equal(peel_run(p), 0);
	look(&after);
	assert_same(&before, &after);
	assert_threads_deaf();
	peel_close(p);
	look(&after);
	assert_same(&before, &after);
	p = open_one();
	assert_int_equal(peel_poll(p, 0), 0);
	look(&after);
	assert_same(&before, &after);
	assert_threads_deaf();
	peel_close(p);
	look(&after);
	assert_same(&before, &after);
}

static void
test_open_close_often(void **state)
{
	unsigned int threads = 0, fds = 0;
	long rss = 0;

	(void)state;
	for (int i = 0; i < 56; i++) {
		struct peel *p = open_one();

		switch (i % 4) {
		case 1:
			assert_int_equal(peel_run(p), 0);
			break;
		case 2:
			assert_int_equal(peel_run(p), 0);
			assert_int_equal(peel_build_tunnels(p, 1 + (unsigned int)i % 3), 0);
			break;
		case 3:
			assert_int_equal(peel_poll(p, 1), 0);
			break;
		}
		peel_close(p);
		if (i == 5) { /* first uses are over */
			threads = count("/proc/self/task");
			fds = count("/proc/self/fd");
			rss = rss_kib();
		}
	}
	assert_int_equal(count("/proc/self/task"), threads);
	assert_int_equal(count("/proc/self/fd"), fds);
	if (getenv("PEEL_TEST_SANITIZED") == NULL) /* sanitizers keep what was freed */
		assert_true(rss_kib() < rss + 4096);
	/* The thread that is left is DPDK's. */
	assert_true(threads <= 2 + 2);
}

static void
test_misuse(void **state)
{
	struct peel *p = open_one();
	struct peel_circuit_info info;
	struct peel_address to;
	struct peel_test test = {0};
	peel_circuit circuit = 77;

	(void)state;
	assert_true(peel_fd(p) >= 0);
	assert_true(peel_timeout(p) >= 0);
	assert_int_equal(peel_poll(p, 0), 0);
	assert_int_equal(peel_run(p), -EBUSY);
	assert_string_equal(peel_strerror(-EBUSY), "the node is driven by peel_poll");
	peel_close(p);
	peel_close(NULL);

	p = open_one();
	assert_int_equal(peel_run(p), 0);
	assert_int_equal(peel_run(p), -EALREADY);
	assert_int_equal(peel_poll(p, 0), -EBUSY);
	assert_int_equal(peel_build_tunnels(p, 0), -EINVAL);
	assert_int_equal(peel_build_tunnels(p, PEEL_HOPS_LIMIT + 1), -EINVAL);
	assert_string_equal(peel_strerror(-EINVAL),
		"a circuit has 1 to 8 hops, and no more than max_relay_early, not 9");
	assert_int_equal(peel_stop_tunnels(p, 2), -ENOENT);
	assert_string_equal(peel_strerror(-ENOENT), "circuits of 2 hops were not asked for");
	assert_int_equal(peel_build_tunnels(p, 2), 0);
	assert_int_equal(peel_stop_tunnels(p, 2), 0);
	assert_int_equal(peel_active_data_circuits(p, NULL, 0), 0);
	assert_true(peel_tunnels_ready(p, 1) == 0);
	assert_int_equal(peel_address_set(&to, "192.0.2.7", 5), 0);
	assert_int_equal(peel_circuit_for(p, 1, &to), 0);
	assert_int_equal(peel_close_circuit(p, circuit), -ENOENT);
	assert_int_equal(peel_circuit_info(p, circuit, &info), -ENOENT);
	assert_int_equal(peel_tunnel_data(p, circuit, &to, PEEL_DATA, "x", 1), -ENOENT);
	assert_int_equal(peel_tunnel_data(p, 0, &to, PEEL_DATA, "x", 1), -ENOENT);
	assert_int_equal(peel_tunnel_data(p, ~0ull, &to, PEEL_DATA, "x", 1), -ENOENT);
	assert_int_equal(
		peel_tunnel_data(p, circuit, &to, (enum peel_message_type)2, "x", 1), -EINVAL);
	assert_int_equal(
		peel_tunnel_data(p, circuit, &to, PEEL_DATA, "x", PEEL_PAYLOAD_MAX + 1), -EMSGSIZE);
	assert_int_equal(peel_test_circuit(p, circuit, &test, NULL, NULL), -ENOENT);
	assert_int_equal(peel_test_circuit(p, 0, &test, NULL, NULL), -ENOENT);
	assert_int_equal(peel_http_request(p, circuit, &to, "x", 1, NULL, NULL), -ENOENT);
	assert_int_equal(peel_http_circuit(p, 1), 0);
	assert_int_equal(peel_http_circuit(p, 0), 0);
	assert_int_equal(peel_add_bootstrap(p, "nonsense"), -EINVAL);
	assert_int_equal(peel_add_bootstrap(p, "127.0.0.1:9"), 0);
	assert_int_equal(
		peel_register_service(p, (const uint8_t *)"12345678901234567890", 9, NULL, NULL),
		-EINVAL);
	assert_string_equal(peel_strerror(-EINVAL),
		"a service has 1 to 7 hops, and fewer than max_relay_early, not 9");
	assert_int_equal(
		peel_register_service(p, (const uint8_t *)"12345678901234567890", 1, NULL, NULL),
		0);
	char *status = peel_status(p);

	assert_non_null(status);
	assert_int_equal(status[0], '{');
	free(status);
	peel_close(p);
}

static void
test_open_failures(void **state)
{
	struct peel_settings s;
	struct peel *p = open_one(), *q = p;
	struct peel_address local;
	unsigned int fds = count("/proc/self/fd");
	char text[64];

	(void)state;
	quiet_settings(&s);
	s.max_circuits = 0;
	assert_int_equal(peel_open(&s, &q), -EINVAL);
	assert_null(q);
	assert_string_equal(
		peel_strerror(-EINVAL), "settings.max_circuits: 0 is not between 1 and 1024");
	/* The port is taken. */
	peel_local_address(p, &local);
	quiet_settings(&s);
	s.listen = peel_address_text(&local, text, sizeof(text));
	assert_int_equal(peel_open(&s, &q), -EADDRINUSE);
	assert_non_null(strstr(peel_strerror(-EADDRINUSE), text));
	/* No such address here. */
	s.listen = "192.0.2.7:0";
	assert_int_equal(peel_open(&s, &q), -EADDRNOTAVAIL);
	/* More than there is. */
	quiet_settings(&s);
	s.workers = 32;
	assert_int_equal(peel_open(&s, &q), -ENOMEM);
	assert_non_null(strstr(peel_strerror(-ENOMEM), "settings.memory"));
	s.workers = 1;
	s.key_file = "/dev/null";
	assert_true(peel_open(&s, &q) < 0);
	assert_int_equal(count("/proc/self/fd"), fds);
	peel_close(p);
}

static void
test_fork(void **state)
{
	struct peel *p = open_one(), *q;
	struct peel_settings s;
	int status;
	pid_t child;

	(void)state;
	quiet_settings(&s);
	child = fork();
	if (child == 0)
		_exit(peel_open(&s, &q) == -ENOTSUP ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(peel_run(p), 0); /* the parent's goes on */
	peel_close(p);
}

/* EAL that cannot start must say so by a result and nothing else, and not for ever: in a child,
 * before any other. */
static int
without_memory(void)
{
	struct rlimit space = {.rlim_cur = 400u << 20, .rlim_max = 400u << 20};
	struct peel_settings s;
	struct peel *p;
	int rc;

	quiet_settings(&s);
	if (setrlimit(RLIMIT_AS, &space) != 0)
		return 1;
	s.memory = 4096;
	rc = peel_open(&s, &p);
	if (rc >= 0 || peel_strerror(rc)[0] == '\0')
		return 2;
	return strstr(peel_strerror(rc), "DPDK") != NULL ? 0 : 3;
}

static int
with_hugepages(void)
{
	struct peel_settings s;
	struct peel *p;
	int rc;

	quiet_settings(&s);
	s.hugepages = true;
	rc = peel_open(&s, &p);
	if (rc == 0) { /* this machine has some */
		peel_close(p);
		return 0;
	}
	return strstr(peel_strerror(rc), "settings.hugepages") != NULL ? 0 : 4;
}

/* Runs fn in a child that began with exec, so that nothing is left of EAL; whatever it prints comes
 * back. */
static void
assert_silent(const char *what)
{
	char self[256], out[512] = "";
	int tube[2], status;
	ssize_t n;
	pid_t child;

	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	assert_true(n > 0);
	self[n] = '\0';
	assert_int_equal(pipe(tube), 0);
	child = fork();
	if (child == 0) {
		dup2(tube[1], STDOUT_FILENO);
		dup2(tube[1], STDERR_FILENO);
		close(tube[0]);
		close(tube[1]);
		execl(self, self, what, (char *)NULL);
		_exit(99);
	}
	close(tube[1]);
	n = read(tube[0], out, sizeof(out) - 1);
	close(tube[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (n > 0)
		fail_msg("%s printed: %s", what, out);
	assert_int_equal(status, 0);
}

static int
ordinary(void)
{
	struct peel_settings s;
	struct peel *p;

	quiet_settings(&s);
	if (peel_open(&s, &p) != 0 || peel_run(p) != 0 || peel_build_tunnels(p, 3) != 0)
		return 1;
	sleep_ms(700);
	peel_close(p);
	return 0;
}

/* ---- secrets --------------------------------------------------------------------------------- */

static long
locked_kib(void)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "VmLck: %ld", &kib);
	fclose(f);
	return kib;
}

/* Does the memory from @p start on hold the key whose bytes are the complement of @p inverse? Our
 * own copy must not count. */
static bool
holds_key(int mem, unsigned long start, unsigned long end, const uint8_t inverse[32])
{
	static uint8_t piece[1 << 16];

	for (unsigned long at = start; at < end; at += sizeof(piece) / 2) {
		/* What lies behind this mapping is not in it. */
		size_t len = end - at < sizeof(piece) ? end - at : sizeof(piece);
		ssize_t n = pread(mem, piece, len, (off_t)at);

		/* What was read last is in `piece` itself, which is not what is looked for. */
		if (at <= (unsigned long)piece && (unsigned long)piece < at + sizeof(piece))
			continue;
		for (ssize_t i = 0; i + 32 <= n; i++) {
			int k = 0;

			while (k < 32 && (piece[i + k] ^ inverse[k]) == 0xff)
				k++;
			if (k == 32)
				return true;
		}
	}
	return false;
}

/* Mappings with the key; each must be left out of dumps and be locked. */
static unsigned int
find_key(const uint8_t inverse[32])
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long start = 0, end = 0, from, to;
	unsigned int found = 0;
	char line[512], rights[8] = "";

	assert_non_null(maps);
	assert_true(mem >= 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3) {
			start = from;
			end = to;
			continue;
		}
		if (strncmp(line, "VmFlags:", 8) != 0 || strncmp(rights, "rw", 2) != 0 ||
			!holds_key(mem, start, end, inverse))
			continue;
		found++;
		if (strstr(line, " dd") == NULL || strstr(line, " lo") == NULL)
			fail_msg("the key is in %lx-%lx with %s", start, end, line);
	}
	close(mem);
	fclose(maps);
	return found;
}

/* A host's limits and dumps are its own, so secrets have pages of their own, and nothing stays
 * locked. */
static void
test_secrets(void **state)
{
	char path[] = "/tmp/peel-shield-XXXXXX";
	uint8_t content[74] = "LibNaCLSK:", inverse[32];
	int fd = mkstemp(path), random = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	struct peel_settings s;
	struct peel *p;
	long locked = locked_kib();

	(void)state;
	if (getenv("PEEL_TEST_SANITIZED") != NULL) /* sanitizers make mlock() do nothing */
		skip();
	assert_true(fd >= 0 && random >= 0);
	assert_int_equal(read(random, content + 10, 64), 64);
	assert_int_equal(write(fd, content, sizeof(content)), sizeof(content));
	for (int i = 0; i < 32; i++)
		inverse[i] = (uint8_t)~content[10 + i];
	explicit_bzero(content, sizeof(content));
	close(fd);
	close(random);
	quiet_settings(&s);
	s.key_file = path;
	assert_int_equal(peel_open(&s, &p), 0);
	assert_int_equal(peel_run(p), 0);
	assert_int_equal(peel_build_tunnels(p, 1), 0);
	sleep_ms(200);
	assert_int_equal(find_key(inverse), 1);
	peel_close(p);
	assert_int_equal(find_key(inverse), 0);
	assert_int_equal(locked_kib(), locked);
	unlink(path);
}

static void
test_silence(void **state)
{
	(void)state;
	assert_silent("ordinary");
	assert_silent("hugepages");
	/* Sanitizers need more address space than any limit. */
	if (getenv("PEEL_TEST_SANITIZED") == NULL)
		assert_silent("memory");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaves_alone),
		cmocka_unit_test(test_open_close_often),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_open_failures),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_silence),
	};

	if (argc > 1)
		return strcmp(argv[1], "memory") == 0	   ? without_memory()
		       : strcmp(argv[1], "hugepages") == 0 ? with_hugepages()
							   : ordinary();
	/* A thread that libuv 1.45 to 1.48 adds unless the host says no is not ours. */
	setenv("UV_USE_IO_URING", "0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
