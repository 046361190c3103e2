/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Seccomp. What is not on the list answers ENOSYS, as a kernel would that does not have it:
 * libraries try newer calls and have another way. What only somebody else's code in our process
 * could want, a program to execute above all, ends the process.
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

/* Calls without conditions. Those that workers make all the time are here: for them the kernel
 * keeps a bitmap. */
static const int allowed[] = {
	/* datagrams and streams */
	SCMP_SYS(recvmmsg), SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendmmsg),
	SCMP_SYS(sendmsg), SCMP_SYS(sendto), SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(listen),
	SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(shutdown), SCMP_SYS(getsockname),
	SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
	/* descriptors */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(dup2),
	SCMP_SYS(dup3), SCMP_SYS(fcntl), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(eventfd),
	SCMP_SYS(eventfd2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime), SCMP_SYS(memfd_create), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(flock), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(close_range),
	/* waiting */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall),
	/* files: which, landlock says */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(statfs), SCMP_SYS(fstatfs),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink),
	SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(rmdir), SCMP_SYS(umask),
	/* memory */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mlock),
	SCMP_SYS(mlock2), SCMP_SYS(munlock), SCMP_SYS(mincore), SCMP_SYS(mbind),
	SCMP_SYS(get_mempolicy), SCMP_SYS(set_mempolicy), SCMP_SYS(move_pages),
	SCMP_SYS(membarrier),
	/* threads and signals */
	SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list),
	SCMP_SYS(get_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address), SCMP_SYS(gettid),
	SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_get_priority_max),
	SCMP_SYS(sched_get_priority_min), SCMP_SYS(getpriority), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigpending),
	SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack), SCMP_SYS(capget), SCMP_SYS(capset),
	/* questions */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(getrandom), SCMP_SYS(getcpu), SCMP_SYS(getrlimit), SCMP_SYS(getrusage),
	SCMP_SYS(times), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(getuid), SCMP_SYS(geteuid),
	SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getresuid), SCMP_SYS(getresgid),
	SCMP_SYS(getgroups)};

static const int fatal[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(setuid),
	SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
	SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid),
	SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(mount), SCMP_SYS(umount2),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(open_by_handle_at), SCMP_SYS(personality)};

static const int sanitizers[] = {SCMP_SYS(clone), SCMP_SYS(ptrace), SCMP_SYS(wait4),
	SCMP_SYS(getdents), SCMP_SYS(prctl), SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(prlimit64),
	SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(personality)};

static bool
is_sanitizers(int call)
{
	for (size_t i = 0; PEEL_SANITIZED && i < PEEL_ARRAY_LEN(sanitizers); i++) {
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
		/* Those that meet their other side at a path, and meet it again. */
		{AF_UNIX, confine_device_is(conf, "net_memif") || confine_device_is(conf, "net_v")},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < PEEL_ARRAY_LEN(families); i++) {
		if (families[i].wanted)
			rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i].family));
	}
	return rc;
}

/* Calls of which only a part is harmless. */
static int
add_parts(scmp_filter_ctx ctx)
{
	const scmp_datum_t me = (scmp_datum_t)getpid();
	const struct {
		int call;
		struct scmp_arg_cmp cmp;
	} parts[] = {
		/* threads, no processes; clone3 keeps its flags where no filter can look */
		{SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)},
		/* nothing that can be written becomes code */
		{SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		{SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
		/* signals to ourselves, abort() for one */
		{SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, me)},
		{SCMP_SYS(kill), SCMP_A0(SCMP_CMP_EQ, me)},
		{SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)},
		{SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_GET_NAME)},
		{SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0)}, /* asking */
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
 * Requests to a terminal are numbers 0x54xx without a direction, and one of them types into it what
 * its owner's shell then executes. Of these only questions and what is common to all descriptors;
 * all that is no such number passes. The kernel looks at 32 bits, so each rule does.
 */
static int
add_ioctl(scmp_filter_ctx ctx)
{
	static const uint32_t terminal[] = {
		TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};
	int rc = 0;

	for (unsigned int bit = 8; rc == 0 && bit < 32; bit = bit == 15 ? 30 : bit + 1) {
		scmp_datum_t mask = UINT64_C(1) << bit;

		/* Another bit than 0x54 has there, or a direction. */
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, mask, mask & ~(scmp_datum_t)0x5400));
	}
	for (size_t i = 0; rc == 0 && i < PEEL_ARRAY_LEN(terminal); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, terminal[i]));
	return rc;
}

static int
fill(scmp_filter_ctx ctx, const struct conf *conf)
{
	static const int xdp[] = {SCMP_SYS(bpf), SCMP_SYS(setrlimit), SCMP_SYS(prlimit64)};
	bool is_xdp = confine_device_is(conf, "net_af_xdp");
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1); /* all threads */

	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* Old kernels would slow down all of our code, as if it were a stranger's. */
	if (rc == 0)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	if (rc == 0)
		rc = add_list(ctx, SCMP_ACT_KILL_PROCESS, fatal, PEEL_ARRAY_LEN(fatal));
	if (rc == 0)
		rc = add_list(ctx, SCMP_ACT_ALLOW, allowed, PEEL_ARRAY_LEN(allowed));
	if (rc == 0 && PEEL_SANITIZED)
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
