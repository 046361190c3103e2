/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Seccomp. A call that is not on the list fails with ENOSYS, as on a kernel that does not have it:
 * libraries try newer calls first and have another way. A call that only foreign code in our
 * process would make, such as the execution of a program, ends the process.
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine.h"

#define S SCMP_SYS

/* Calls without conditions. Those that workers make all the time are here: for them the kernel
 * keeps a bitmap. */
static const int allowed[] = {
	/* datagrams and streams */
	S(recvmmsg), S(recvmsg), S(recvfrom), S(sendmmsg), S(sendmsg), S(sendto), S(bind),
	S(connect), S(listen), S(accept), S(accept4), S(shutdown), S(getsockname), S(getpeername),
	S(getsockopt), S(setsockopt),
	/* descriptors */
	S(read), S(write), S(readv), S(writev), S(pread64), S(pwrite64), S(lseek), S(close), S(dup),
	S(dup2), S(dup3), S(fcntl), S(pipe), S(pipe2), S(eventfd), S(eventfd2), S(timerfd_create),
	S(timerfd_settime), S(timerfd_gettime), S(memfd_create), S(ftruncate), S(fallocate),
	S(flock), S(fsync), S(fdatasync), S(close_range),
	/* waiting */
	S(poll), S(ppoll), S(select), S(pselect6), S(epoll_create), S(epoll_create1), S(epoll_ctl),
	S(epoll_wait), S(epoll_pwait), S(epoll_pwait2), S(nanosleep), S(clock_nanosleep),
	S(restart_syscall),
	/* files: which, landlock says */
	S(open), S(openat), S(stat), S(lstat), S(fstat), S(newfstatat), S(statx), S(statfs),
	S(fstatfs), S(access), S(faccessat), S(faccessat2), S(readlink), S(readlinkat),
	S(getdents64), S(getcwd), S(unlink), S(unlinkat), S(rename), S(renameat), S(renameat2),
	S(rmdir), S(umask),
	/* memory */
	S(munmap), S(mremap), S(madvise), S(brk), S(mlock), S(mlock2), S(munlock), S(mincore),
	S(mbind), S(get_mempolicy), S(set_mempolicy), S(move_pages), S(membarrier),
	/* threads and signals */
	S(futex), S(futex_waitv), S(set_robust_list), S(get_robust_list), S(rseq),
	S(set_tid_address), S(gettid), S(getpid), S(getppid), S(exit), S(exit_group),
	S(sched_yield), S(sched_getaffinity), S(sched_setaffinity), S(sched_getparam),
	S(sched_getscheduler), S(sched_setattr), S(sched_get_priority_max),
	S(sched_get_priority_min), S(getpriority), S(rt_sigaction), S(rt_sigprocmask),
	S(rt_sigreturn), S(rt_sigpending), S(rt_sigtimedwait), S(sigaltstack), S(capget), S(capset),
	/* questions */
	S(clock_gettime), S(clock_getres), S(gettimeofday), S(time), S(getrandom), S(getcpu),
	S(getrlimit), S(getrusage), S(times), S(sysinfo), S(uname), S(getuid), S(geteuid),
	S(getgid), S(getegid), S(getresuid), S(getresgid), S(getgroups)};

static const int fatal[] = {S(execve), S(execveat), S(fork), S(vfork), S(ptrace),
	S(process_vm_readv), S(process_vm_writev), S(setuid), S(setgid), S(setreuid), S(setregid),
	S(setresuid), S(setresgid), S(setgroups), S(setfsuid), S(setfsgid), S(unshare), S(setns),
	S(mount), S(umount2), S(pivot_root), S(chroot), S(init_module), S(finit_module),
	S(delete_module), S(kexec_load), S(kexec_file_load), S(reboot), S(perf_event_open),
	S(userfaultfd), S(keyctl), S(add_key), S(request_key), S(open_by_handle_at),
	S(personality)};

static const int sanitizers[] = {S(clone), S(ptrace), S(wait4), S(getdents), S(prctl), S(kill),
	S(tgkill), S(prlimit64), S(mmap), S(mprotect), S(personality)};

static bool
is_sanitizers(int call)
{
	for (size_t i = 0; SANITIZED && i < PEEL_ARRAY_LEN(sanitizers); i++) {
		if (sanitizers[i] == call)
			return true;
	}
	return false;
}

/* -EDOM: this CPU's kernels have no such call. */
static int
add_list(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = action != SCMP_ACT_ALLOW && is_sanitizers(calls[i])
				 ? 0
				 : seccomp_rule_add(ctx, action, calls[i], 0);

		if (rc != 0 && rc != -EDOM)
			return rc;
	}
	return 0;
}

static int
add_sockets(scmp_filter_ctx ctx, const struct conf *conf)
{
	const struct {
		int family;
		bool wanted;
	} families[] = {
		{AF_INET, true},
		{AF_INET6, true},
		{AF_NETLINK, true}, /* addresses of this machine */
		{AF_PACKET, confine_device_is(conf, "net_af_packet") ||
				    confine_device_is(conf, "net_af_xdp")},
		{AF_XDP, confine_device_is(conf, "net_af_xdp")},
		/* These connect to their peer at a path, and connect again when it returns. */
		{AF_UNIX, confine_device_is(conf, "net_memif") || confine_device_is(conf, "net_v")},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < PEEL_ARRAY_LEN(families); i++) {
		if (families[i].wanted)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(socket), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i].family));
	}
	return rc;
}

/* Calls that are harmless only with certain arguments. */
static int
add_parts(scmp_filter_ctx ctx)
{
	const scmp_datum_t me = (scmp_datum_t)getpid();
	const struct {
		int call;
		struct scmp_arg_cmp cmp;
	} parts[] = {
		/* threads, no processes; clone3 keeps its flags where no filter can look */
		{S(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)},
		/* nothing that can be written becomes code */
		{S(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{S(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		/* signals to ourselves, abort() for one */
		{S(tgkill), SCMP_A0(SCMP_CMP_EQ, me)}, {S(kill), SCMP_A0(SCMP_CMP_EQ, me)},
		{S(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)},
		{S(prctl), SCMP_A0(SCMP_CMP_EQ, PR_GET_NAME)},
		{S(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0)}, /* asking */
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < PEEL_ARRAY_LEN(parts); i++) {
		if (!is_sanitizers(parts[i].call))
			rc = seccomp_rule_add_array(
				ctx, SCMP_ACT_ALLOW, parts[i].call, 1, &parts[i].cmp);
	}
	return rc;
}

/*
 * Requests to a terminal have numbers 0x54xx without a direction. One of them types text into the
 * terminal, which its owner's shell then executes. Of these numbers, only questions and requests
 * that all descriptors share are allowed. Every other number passes. The kernel looks at 32 bits,
 * and so does each rule.
 */
static int
add_ioctl(scmp_filter_ctx ctx)
{
	static const uint32_t terminal[] = {
		TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};
	int rc = 0;

	for (unsigned int bit = 8; rc == 0 && bit < 32; bit = bit == 15 ? 30 : bit + 1) {
		scmp_datum_t mask = UINT64_C(1) << bit;

		/* A bit that 0x54 does not have, or a direction. */
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, mask, mask & ~(scmp_datum_t)0x5400));
	}
	for (size_t i = 0; rc == 0 && i < PEEL_ARRAY_LEN(terminal); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, S(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, terminal[i]));
	return rc;
}

static int
fill(scmp_filter_ctx ctx, const struct conf *conf)
{
	static const int xdp[] = {S(bpf), S(setrlimit), S(prlimit64)};
	bool is_xdp = confine_device_is(conf, "net_af_xdp");
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1); /* all threads */

	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* Old kernels would slow down all of our code, as if it were not trusted. */
	if (rc == 0)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	if (rc == 0)
		rc = add_list(ctx, SCMP_ACT_KILL_PROCESS, fatal, PEEL_ARRAY_LEN(fatal));
	if (rc == 0)
		rc = add_list(ctx, SCMP_ACT_ALLOW, allowed, PEEL_ARRAY_LEN(allowed));
	if (rc == 0 && SANITIZED)
		rc = add_list(ctx, SCMP_ACT_ALLOW, sanitizers, PEEL_ARRAY_LEN(sanitizers));
	if (rc == 0)
		rc = add_parts(ctx);
	if (rc == 0)
		rc = add_ioctl(ctx);
	if (rc == 0)
		rc = add_sockets(ctx, conf);
	if (rc == 0)
		rc = is_xdp ? add_list(ctx, SCMP_ACT_ALLOW, xdp, PEEL_ARRAY_LEN(xdp))
			    : add_list(ctx, SCMP_ACT_KILL_PROCESS, xdp, 1);
	return rc;
}

int
confine_calls(const struct conf *conf, char *out, size_t size)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int rc;

	if (ctx == NULL)
		return -ENOMEM;
	rc = fill(ctx, conf);
	if (rc == 0) {
		rc = seccomp_load(ctx);
		if (rc == 0)
			snprintf(out, size, "seccomp");
		else
			snprintf(out, size, "open (no seccomp: %s)", strerror(-rc));
		rc = 0;
	}
	seccomp_release(ctx);
	return rc;
}

void
confine_no_io_uring(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (filter == NULL)
		return;
	if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), S(io_uring_setup), 0) == 0)
		(void)seccomp_load(filter); /* without seccomp there is no fence either */
	seccomp_release(filter);
}
