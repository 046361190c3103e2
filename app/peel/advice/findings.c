/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The table of findings: when, what, and what to do about it.
 */
#include <stdio.h>
#include <string.h>

#include "conditions.h"

#define PROBLEM true
#define NOTE false

/* clang-format off */
const struct finding findings[] = {
	/* whom it reaches, and who reaches it */
	{"address_lost", PROBLEM, finding_is_true, "address_lost",
		"This machine has lost an address that the node is bound to.",
		"Give the address back to its interface, or change `listen` in [port] and "
		"restart the node."},
	{"no_bootstrap", PROBLEM, finding_no_bootstrap, NULL,
		"The node has no bootstrap servers and knows nobody.",
		"Set `bootstrap = default` in [discovery] and reload, unless others are meant to "
		"find it."},
	{"bootstrap_unresolved", PROBLEM, finding_unresolved, NULL,
		"{} bootstrap servers have names that do not resolve.",
		"Check `dns_servers` in [exit], and /etc/resolv.conf if that is `system`: "
		"`getent ahosts NAME` must answer. A reload takes over other resolvers."},
	{"no_peers", PROBLEM, finding_nobody_answers, NULL,
		"Nobody has answered this node in {} s.",
		"Let UDP out to everywhere, and the answers in: check firewall, routes, and that "
		"the servers in [discovery] bootstrap are up."},
	{"no_public_address", PROBLEM, finding_no_public_address, NULL,
		"The node has {} peers, and they do not agree on its public address.",
		"Wait for more peers, or set `public_address` in [discovery]. A NAT that gives "
		"each peer another port must be told to keep one: forward the port."},
	{"port_unreachable", PROBLEM, finding_not_reached, NULL,
		"Nobody has contacted this node by itself so far.",
		"Let UDP to port {} in: open the firewall of this machine and of the provider; "
		"behind a NAT forward the port and set `public_address` in [discovery]."},
	{"behind_nat", NOTE, finding_behind_nat, NULL,
		"Others see this node at {}, which is no address of this machine: it is behind a "
		"NAT.",
		"Forward the port on the router, and set `public_address` in [discovery] to what "
		"others see."},
	{"dht_empty", PROBLEM, finding_dht_empty, NULL,
		"The DHT of the overlay knows no node, so hidden services are neither found nor "
		"announced.",
		"Let UDP in on the port of `listen`; set `state` in [dht], so that nodes are "
		"remembered over a restart."},

	/* too much work */
	{"circuits_full", PROBLEM, finding_circuits_full, NULL,
		"All {} places for circuits of others are taken, and new circuits are refused.",
		"Raise `max_joined_circuits` in [tunnel]; beyond what it was at the start that "
		"takes a restart."},
	{"sessions_full", PROBLEM, finding_full, "tables.sessions tables.sessions_max",
		"The table of sessions is full: {} are in use.",
		"Raise `max_joined_circuits` in [tunnel] and restart the node."},
	{"handshakes_spent", PROBLEM, finding_grows, "counters.create_refused_rate",
		"Circuits are refused because the budget of handshakes is spent: {}.",
		"If the load is honest, raise `create_rate` in [tunnel], or `create_rate_per_source` "
		"if few neighbours send many. Both change with a reload."},
	{"bandwidth_spent", NOTE, finding_grows, "counters.create_refused_bandwidth",
		"Circuits of nodes that nothing is known of are refused because little is left of "
		"`rate` in [bandwidth]: {}.",
		"That is what the limit is for. If the line carries more, raise `rate`, which "
		"changes with a reload; `bandwidth` in `peel status` has what is left."},
	{"worker_busy", PROBLEM, finding_worker_busy, NULL,
		"Worker {}.",
		"Give the node another worker (`cores` or `count` in [workers], which takes a "
		"restart) and keep other programs off its CPUs; `peel setup` says what else this "
		"machine could do."},
	{"control_late", PROBLEM, finding_control_late, NULL,
		"The control thread is late: {} of its timers were more than 0.1 s overdue.",
		"It lacks CPU time: set `control_core` in [workers], lower `create_rate` in "
		"[tunnel], or keep other programs off its CPU."},
	{"buffers_short", PROBLEM, finding_full, "memory.buffers_in_use memory.buffers",
		"Almost all packet buffers are in use: {}.",
		"Raise `buffers` in [port] and restart the node; each takes 2.5 kB."},
	{"no_buffer", PROBLEM, finding_grows, "counters.drops.drop_no_buffer",
		"Datagrams are dropped because no packet buffer is free: {}.",
		"Raise `buffers` in [port] and restart the node; each takes 2.5 kB."},
	{"control_full", PROBLEM, finding_grows, "counters.drops.drop_control_full",
		"Messages to the control thread are dropped because their ring is full: {}.",
		"Raise `ring` in [workers] (a restart); if it lasts, the control thread lacks "
		"CPU time: set `control_core`."},
	{"own_full", PROBLEM, finding_grows, "counters.drops.drop_own_full",
		"Data of own circuits is dropped because the program does not take it in time: {}.",
		"The program that receives it needs more CPU time; `ring` in [workers] evens out "
		"bursts (a restart)."},

	/* the kernel, and the device */
	{"kernel_drops", PROBLEM, finding_drops, "port.rx_kernel_drops",
		"The kernel drops datagrams before the node gets them: {}.",
		"Give its sockets more room: `sysctl -w net.core.rmem_max=4194304` and a restart "
		"(`peel setup --apply --persist`), or give the node another worker."},
	{"send_refused", PROBLEM, finding_drops, "counters.drops.drop_tx",
		"The kernel or the device refuses to send: {}.",
		"See whether a firewall of this machine refuses UDP that goes out; if not, give the "
		"sockets more room: `sysctl -w net.core.wmem_max=4194304` and a restart. With a "
		"device, look whether its link is slower than what arrives."},
	{"device_gone", PROBLEM, finding_is_off, "port.device_present",
		"The interface below the device is gone.",
		"Make it again under the same name; the node goes on by itself."},
	{"link_down", PROBLEM, finding_is_off, "port.link_up",
		"The device has no link.",
		"Check the cable, the switch, and that the interface is up (`ip link`)."},
	{"device_missed", PROBLEM, finding_drops, "port.device_rx_missed",
		"The network card drops frames that nobody took in time: {}.",
		"Raise `rx_descriptors` in [port], or give the node another worker; both take a "
		"restart."},
	{"gateway_silent", PROBLEM, finding_drops, "counters.drops.drop_neighbour",
		"Datagrams are dropped because the next hop does not answer on the link: {}.",
		"Check `gateway` and `address` in [port], and that the router answers ARP or ND "
		"there."},
	{"bad_frames", NOTE, finding_drops, "counters.drops.drop_frame",
		"Frames arrive broken or for others: {}.",
		"On a veth pair switch the sender's checksum offload off (`ethtool -K IFACE tx "
		"off`); a switch may flood frames of other hosts."},
	{"no_coalescing", NOTE, finding_is_off, "port.receive_coalescing",
		"The kernel does not hand over trains of datagrams in one piece.",
		"Linux 5.0 or later does; each datagram costs several times as much without."},
	{"no_segmentation", NOTE, finding_is_off, "port.send_segmentation",
		"The kernel does not take trains of datagrams in one piece.",
		"Linux 4.18 or later does, unless a device on the way cannot: `ethtool -k "
		"IFACE`, tx-udp-segmentation."},

	/* exits */
	{"resolver_failing", PROBLEM, finding_names_fail, NULL,
		"No resolver answers for {} names that circuits send to.",
		"Check `dns_servers` in [exit]; a resolver on this machine is the safest. A "
		"reload takes it over."},
	{"no_files", PROBLEM, finding_grows, "counters.no_files",
		"Exits get no socket because too few open files are allowed: {}.",
		"Raise the limit to 2 x `max_sockets` + 256 (LimitNOFILE= of the service, or "
		"`ulimit -n`) and restart."},
	{"exit_sockets_full", PROBLEM, finding_full, "port.exit_endpoints port.exit_endpoints_max",
		"Almost all sockets of exits are in use: {}.",
		"Raise `max_sockets` in [exit] and the limit of open files to twice as much, and "
		"restart."},
	{"exit_queue_full", NOTE, finding_drops, "counters.drops.drop_exit_queue",
		"Datagrams of exits are dropped because too many wait for a name or a socket: {}.",
		"Raise `queue` in [exit] (a reload), and look at the resolvers: slow ones make "
		"others wait."},
	{"exit_closed", NOTE, finding_drops, "counters.drops.drop_exit_open",
		"Data for outside is dropped because its exit has no socket: {}.",
		"See what the log says about sockets of exits."},

	{"circuit_packets", NOTE, finding_drops, "counters.drops.drop_circuit_packets",
		"Circuits that end here send more datagrams than `circuit_packets` allows: {}.",
		"Nothing, if it is an abuser that is stopped; raise `circuit_packets` in [exit] (a "
		"reload) if honest circuits are concerned."},
	{"circuit_destinations", NOTE, finding_drops, "counters.drops.drop_circuit_destinations",
		"Circuits that end here send to more hosts than `circuit_destinations` allows: {}.",
		"Nothing, if it is a scan that is stopped; raise `circuit_destinations` in [exit] (a "
		"reload) if honest circuits are concerned."},

	/* the machine, and the node as a whole */
	{"clock_jumped", PROBLEM, finding_clock_jumped, NULL,
		"The clock of this machine has jumped {} while it was watched.",
		"Let it be slewed instead (chrony, systemd-timesyncd). Circuits do not mind; "
		"logs and the DHT do."},
	{"clock_not_synchronised", NOTE, finding_clock_free, NULL,
		"The clock of this machine is not synchronised.",
		"`timedatectl set-ntp yes`, or run chrony. Circuits do not mind; logs and "
		"certificates do."},
	{"slow_engine", NOTE, finding_slow_engine, NULL,
		"Cells are encrypted by {} on this CPU.",
		"Set `engine = auto` in [aead] and restart the node."},
	{"files_open", NOTE, finding_is_open, "privileges.files",
		"Nothing keeps the node from files that it does not need: {}.",
		"Use a kernel with landlock (lsm=landlock,...), or a container that allows it."},
	{"calls_open", NOTE, finding_is_open, "privileges.system_calls",
		"Nothing keeps the node from system calls that it does not need: {}.",
		"Use a kernel with seccomp, or a container that allows it."},
	{"other_version", NOTE, finding_other_version, NULL,
		"The node is of version {}.",
		"Restart it (`peel drain` lets circuits end first) to run what is installed."},
	{"draining", NOTE, finding_draining, NULL,
		"The node drains: it takes no new circuits, and ends when {} have ended.",
		"`peel drain --cancel` if that is not wanted."},
	{0},
};
/* clang-format on */

/* @p to: `from` with the detail in the place of {}. */
static void
fill(char to[FINDINGS_TEXT_MAX], const char *from, const char *detail)
{
	const char *place = strstr(from, "{}");

	if (place == NULL)
		snprintf(to, FINDINGS_TEXT_MAX, "%s", from);
	else
		snprintf(to, FINDINGS_TEXT_MAX, "%.*s%s%s", (int)(place - from), from, detail,
			place + 2);
}

bool
findings_is(const struct finding *f, const struct findings_look *l, struct findings_text *out)
{
	char detail[128] = "";

	if (!f->is(l, f->arg, detail, sizeof(detail)))
		return false;
	fill(out->what, f->what, detail);
	fill(out->remedy, f->remedy, detail);
	return true;
}
