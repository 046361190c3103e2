# SPDX-License-Identifier: BSD-3-Clause
# Borrow 2 MB hugepages for a short program. Sourced, not run.
#
# hugepages_take COUNT: if the pool has less than COUNT free pages, root makes it larger, provided the
# machine has memory to spare. Says what happened. Peel runs without hugepages too, only slower.
# hugepages_give_back: the pool gets its old size again.

hugepages_before=

hugepages_take()
{
	local pool=/proc/sys/vm/nr_hugepages free total available
	free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
	total=$(awk '/^HugePages_Total/ { print $2 }' /proc/meminfo)
	available=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	if [ "${free:-0}" -ge "$1" ]; then
		echo "hugepages: $free free, used"
	elif [ -w "$pool" ] && [ "$available" -gt $(($1 * 2 * 4)) ]; then
		echo $((total + $1 - free)) >"$pool" || true
		free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
		hugepages_before=$total
		echo "hugepages: pool enlarged, $free free, used"
	else
		echo "hugepages: ${free:-0} free, running with ordinary pages where they do not suffice"
	fi
}

hugepages_give_back()
{
	if [ -n "$hugepages_before" ]; then
		echo "$hugepages_before" >/proc/sys/vm/nr_hugepages || true
		hugepages_before=
	fi
}
