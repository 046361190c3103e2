# SPDX-License-Identifier: BSD-3-Clause
# Helpers shared by the set-up, demo and test scripts. Sourced, not run.

die()
{
	printf '%s\n' "$*" >&2
	exit 1
}

# Is a Debian package installed? One dpkg-query per package is a few milliseconds.
installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Root runs things directly, anybody else through sudo if there is one.
as_root_possible()
{
	[ "$(id -u)" = 0 ] || command -v sudo >/dev/null
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# step TEXT COMMAND...: run a command silently, print one line with its duration, and show the end of
# its output only if it fails.
step()
{
	local text=$1 log start=$EPOCHREALTIME
	shift
	log=$(mktemp)
	if "$@" >"$log" 2>&1 </dev/null; then
		rm -f "$log"
		printf '%-44s ok      %6.1f s\n' "$text" "$(since "$start")"
		return 0
	fi
	printf '%-44s FAILED  %6.1f s\n' "$text" "$(since "$start")"
	tail -n "${STEP_TAIL:-60}" "$log" >&2
	rm -f "$log"
	return 1
}

# Seconds since a value of EPOCHREALTIME, with one decimal; no external program.
since()
{
	local now=$EPOCHREALTIME us
	us=$(((${now/./}) - (${1/./})))
	printf '%d.%d' $((us / 1000000)) $((us % 1000000 / 100000))
}
