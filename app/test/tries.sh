# SPDX-License-Identifier: BSD-3-Clause
# Cases that are functions. Sourced by scripts with `set -euo pipefail`.
#
#   try TEXT FUNCTION...   runs it, prints a line, and what it printed when it fails. Every command of the function
#                          must succeed; so that bash sees to that, `try` must not be part of a condition
#   or_give_up             ends the script if a case has failed: what follows depends on it
#   tried                  prints the sum; fails if a case did

passed=0
failed=0

try()
{
	local text=$1 log code=0
	shift
	log=$(mktemp)
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	code=$?
	set -e
	if [ $code = 0 ]; then
		passed=$((passed + 1))
		printf 'ok      %s\n' "$text"
	else
		failed=$((failed + 1))
		printf 'FAILED  %s\n' "$text"
		tail -n 60 "$log"
	fi
	rm -f "$log"
}

or_give_up()
{
	[ $failed = 0 ] || {
		tried || exit 1
	}
}

tried()
{
	echo "$passed passed, $failed failed"
	[ $failed = 0 ]
}
