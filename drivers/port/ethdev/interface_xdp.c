/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * XDP programs and AF_XDP sockets on an interface.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "interface.h"

#define FRAME 4096
#define RING 8
/* the kernel takes a closed socket off its queue in its own time */
#define LET_GO_US 200000

bool
interface_xdp_allowed(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, caps) == 0 &&
	       (caps[0].effective >> CAP_SYS_ADMIN & 1) != 0;
}

/* ---- whose program is it --------------------------------------------------------------------- */

int
interface_xdp_program(uint32_t id)
{
	union bpf_attr get;

	memset(&get, 0, sizeof(get));
	get.prog_id = id;

	int fd = (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &get, sizeof(get));

	return fd < 0 ? -errno : fd;
}

static bool
program_name(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	union bpf_attr ask;
	struct bpf_prog_info info;
	int fd = interface_xdp_program(id);
	bool good;

	if (fd < 0)
		return false;
	memset(&info, 0, sizeof(info));
	memset(&ask, 0, sizeof(ask));
	ask.info.bpf_fd = (uint32_t)fd;
	ask.info.info_len = sizeof(info);
	ask.info.info = (uint64_t)(uintptr_t)&info;
	good = syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &ask, sizeof(ask)) == 0;
	close(fd);
	memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	return good;
}

/* The programs that libxdp puts on an interface for AF_XDP sockets; the second is a dispatcher that
 * calls others. */
static bool
left_behind(const char *name)
{
	return strncmp(name, "xsk_def_", 8) == 0 || strncmp(name, "xdp_dispatcher", 14) == 0;
}

/* ---- has somebody a socket on a queue -------------------------------------------------------- */

static int
make_ready(int fd, void *frames)
{
	struct xdp_umem_reg reg = {
		.addr = (uint64_t)(uintptr_t)frames, .len = RING * FRAME, .chunk_size = FRAME};
	int size = RING;

	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) != 0 ||
		setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &size, sizeof(size)) != 0 ||
		setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &size, sizeof(size)) != 0 ||
		setsockopt(fd, SOL_XDP, XDP_RX_RING, &size, sizeof(size)) != 0)
		return -errno;
	return 0;
}

/* The kernel allows one on each: try, and close it again at once. */
static bool
queue_taken(int index, unsigned int queue)
{
	struct sockaddr_xdp a = {.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_COPY,
		.sxdp_ifindex = (uint32_t)index,
		.sxdp_queue_id = queue};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	void *frames = mmap(
		NULL, RING * FRAME, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool taken = fd >= 0 && frames != MAP_FAILED && make_ready(fd, frames) == 0 &&
		     bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 && errno == EBUSY;

	if (fd >= 0)
		close(fd);
	if (frames != MAP_FAILED)
		munmap(frames, RING * FRAME);
	return taken;
}

int
interface_xdp_free(const struct interface *i, const char *name, unsigned int first, unsigned int n,
	char *why, size_t why_size)
{
	char program[BPF_OBJ_NAME_LEN] = "";

	if (i->xdp == 0)
		return 0;
	/* Without the right to ask there is none to open the device either. */
	if (program_name(i->xdp, program) && !left_behind(program))
		return peel_fail(why, why_size, -EBUSY,
			"interface %s has the XDP program \"%.16s\" of somebody else: take it off "
			"(ip link set %s xdp off), or use another interface or net_af_packet",
			name, program, name);
	for (unsigned int q = first; q < first + n; q++) {
		if (queue_taken(i->index, q))
			return peel_fail(why, why_size, -EBUSY,
				"interface %s is used by another AF_XDP program (queue %u): end "
				"that one, or use another interface",
				name, q);
	}
	usleep(LET_GO_US);
	return 0;
}
