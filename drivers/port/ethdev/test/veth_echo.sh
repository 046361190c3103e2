#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026, the Peel authors
#
# Echo over real kernel interfaces: the port on one end of a veth pair (af_packet, af_xdp) or behind a tap, a kernel UDP
# client on the other, all in namespaces of its own that are deleted at the end.
#
#	veth_echo.sh PROGRAM DRIVER        DRIVER: af_packet, af_xdp or tap
#
# Exit code 77: cannot run here (not root, no namespaces, driver not available).
set -eu

program=$1
driver=$2
here=$(cd "$(dirname "$0")" && pwd)
python=/usr/bin/python3
dut=peel-e$$-dut
client=peel-e$$-net
work=$(mktemp -d)
pid=

skip() {
	echo "skipped: $*"
	exit 77
}

cleanup() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || :
	[ -z "$pid" ] || wait "$pid" 2>/dev/null || :
	ip netns del "$dut" 2>/dev/null || :
	ip netns del "$client" 2>/dev/null || :
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

in_net() {
	ip netns exec "$client" "$@"
}

[ "$(id -u)" = 0 ] || skip "needs root"
[ -x "$python" ] || skip "no $python"
ip netns add "$client" 2>/dev/null || skip "no network namespaces"

if [ "$driver" = tap ]; then
	# The port makes the interface, which is the client's.
	devargs=net_tap0,iface=c0,mac=02:00:00:00:00:01
	dut=$client
else
	command -v ethtool >/dev/null || skip "no ethtool"
	ip netns add "$dut"
	ip link add d0 netns "$dut" address 02:00:00:00:00:01 type veth \
		peer name c0 netns "$client" address 02:00:00:00:00:02 || skip "no veth"
	# No addresses and no IPv6 of the kernel's own on the port's end: it must stay silent there.
	ip netns exec "$dut" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	ip netns exec "$dut" ip link set d0 up
	# The kernel leaves checksums of packets to a veth unfilled otherwise.
	in_net ethtool -K c0 tx off >/dev/null
	devargs=net_${driver}0,iface=d0
fi

mkfifo "$work/in"
ip netns exec "$dut" "$program" "$devargs" 10.77.0.1:7000 24 fd77::1 64 \
	<"$work/in" >"$work/out" 2>"$work/err" &
pid=$!
exec 3>"$work/in"
tries=0
until grep -q '^ready' "$work/out"; do
	if ! kill -0 $pid 2>/dev/null || [ $tries -ge 300 ]; then
		cat "$work/err"
		[ "$driver" = af_packet ] || skip "$driver is not available here"
		echo "the port did not open"
		exit 1
	fi
	tries=$((tries + 1))
	sleep 0.1
done

[ "$driver" != tap ] || in_net ip link set c0 address 02:00:00:00:00:02
in_net sysctl -qw net.ipv6.conf.c0.disable_ipv6=0 net.ipv6.conf.c0.accept_dad=0
in_net ip addr add 10.77.0.2/24 dev c0
in_net ip link set c0 up
in_net ip -6 addr add fd77::2/64 dev c0 nodad

result=0
in_net "$python" "$here/veth_client.py" "$driver" || result=$?
exec 3>&-
wait $pid || result=$?
pid=
sed 's/^/  /' "$work/out"
[ $result = 0 ] || cat "$work/err"
exit $result
