# SPDX-License-Identifier: BSD-3-Clause
# Steps of the test run: each prints one line and adds to the totals. Sourced, not run.
#
#   check TEXT COMMAND...          one test: the exit code decides
#   suite TEXT PARSER COMMAND...   many tests: PARSER prints "PASSED FAILED" from the log it reads on
#                                  standard input

total_passed=0
total_failed=0
logs=$(mktemp -d)
failed_steps=()

_line()
{
	printf '%-52s %5d passed %4d failed %7s s\n' "$1" "$2" "$3" "$4"
	total_passed=$((total_passed + $2))
	total_failed=$((total_failed + $3))
}

_show()
{
	failed_steps+=("$1")
	printf -- '---- %s: last lines\n' "$1"
	# Failures first: in a long log they are not among the last lines.
	grep -E '^(FAIL|not ok)|FAILED|^ *[0-9]+/[0-9]+ .*(FAIL|TIMEOUT)|SUMMARY: |runtime error:' "$2" | head -n 30 || true
	tail -n 40 "$2"
	printf -- '----\n'
}

check()
{
	local text=$1 log=$logs/$((${#failed_steps[@]} + total_passed + total_failed)) start=$EPOCHREALTIME
	shift
	if "$@" >"$log" 2>&1 </dev/null; then
		_line "$text" 1 0 "$(since "$start")"
	else
		_line "$text" 0 1 "$(since "$start")"
		_show "$text" "$log"
		return 1
	fi
}

suite()
{
	local text=$1 parser=$2 log=$logs/suite start=$EPOCHREALTIME code=0 counts passed failed
	shift 2
	"$@" >"$log" 2>&1 </dev/null || code=$?
	counts=$("$parser" <"$log")
	passed=${counts% *}
	failed=${counts#* }
	# A bad exit code is a failure even if none was counted, and so is a suite in which nothing ran.
	if [ "$failed" = 0 ] && { [ "$code" != 0 ] || [ "$passed" = 0 ]; }; then
		failed=1
	fi
	_line "$text" "$passed" "$failed" "$(since "$start")"
	if [ "$failed" != 0 ]; then
		_show "$text" "$log"
		return 1
	fi
}

# "Ok: 12", "Fail: 0", "Timeout: 0" at the end of a meson test run.
meson_counts()
{
	awk '/^Ok:/ || /^Expected Fail:/ { ok += $NF }
	     /^Fail:/ || /^Unexpected Pass:/ || /^Timeout:/ { bad += $NF }
	     END { print ok + 0, bad + 0 }'
}

# "12 passed, 0 failed" as the last such line.
summary_counts()
{
	awk '/^[0-9]+ passed, [0-9]+ failed/ { ok = $1; bad = $3 } END { print ok + 0, bad + 0 }'
}

finish()
{
	rm -rf "$logs"
	if [ ${#failed_steps[@]} -gt 0 ]; then
		printf 'failed: %s\n' "${failed_steps[@]}"
	fi
	printf '%d passed, %d failed\n' "$total_passed" "$total_failed"
	[ "$total_failed" = 0 ]
}
