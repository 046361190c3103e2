# SPDX-License-Identifier: BSD-3-Clause
# Steps of the test run: each prints one line and adds to the totals. Sourced, not run.
#
#   check TEXT COMMAND...          one test: the exit code decides
#   try TEXT FUNCTION...           one test: every command of the function must succeed. So that bash sees to that, `try`
#                                  must not be part of a condition
#   or_give_up                     ends the script if a test has failed: what follows depends on it
#   suite TEXT PARSER COMMAND...   many tests: PARSER prints "PASSED FAILED" from the log it reads on
#                                  standard input
#   beside FUNCTION                runs the steps of FUNCTION in the background, with what time of the CPUs others leave
#   rejoin                         waits for them and prints their lines; fails if FUNCTION did
#   end_beside                     for the end of the run, also an early one
#   finish                         prints the sum; the exit code says whether anything failed

logs=$(mktemp -d)
aside=

# Steps in front and beside add to one file of results: "PASSED FAILED TEXT".
_line()
{
	printf '%-52s %5d passed %4d failed %7s s\n' "$1" "$2" "$3" "$4"
	printf '%d %d %s\n' "$2" "$3" "$1" >>"$logs/results"
}

_show()
{
	printf -- '---- %s: last lines\n' "$1"
	# Failures first, with the line that says why: in a long log they are not among the last lines.
	grep -A 1 --no-group-separator -E '^(FAIL|not ok)|FAILED|^ *[0-9]+/[0-9]+ .*(FAIL|TIMEOUT)|SUMMARY: |runtime error:' "$2" | head -n 60 || true
	tail -n 40 "$2"
	printf -- '----\n'
}

check()
{
	local text=$1 log start=$EPOCHREALTIME
	shift
	log=$(mktemp "$logs/check.XXXX")
	if "$@" >"$log" 2>&1 </dev/null; then
		_line "$text" 1 0 "$(since "$start")"
	else
		_line "$text" 0 1 "$(since "$start")"
		_show "$text" "$log"
		return 1
	fi
}

try()
{
	local text=$1 log start=$EPOCHREALTIME code
	shift
	log=$(mktemp "$logs/try.XXXX")
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	code=$?
	set -e
	if [ $code = 0 ]; then
		_line "$text" 1 0 "$(since "$start")"
	else
		_line "$text" 0 1 "$(since "$start")"
		_show "$text" "$log"
	fi
}

or_give_up()
{
	! awk '$2 { exit 1 }' "$logs/results" || return 0
	finish || exit 1
}

suite()
{
	local text=$1 parser=$2 log start=$EPOCHREALTIME code=0 counts passed failed
	shift 2
	log=$(mktemp "$logs/suite.XXXX")
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

beside()
{
	set -m # a process group of its own, to end all of it
	{
		renice -n 19 "$BASHPID" >/dev/null
		"$@"
	} >"$logs/beside" 2>&1 </dev/null &
	aside=$!
	set +m
}

rejoin()
{
	local code=0
	wait "$aside" || code=$?
	aside=
	cat "$logs/beside"
	return $code
}

end_beside()
{
	if [ -n "$aside" ]; then
		kill -TERM -- "-$aside" 2>/dev/null || true
		wait "$aside" || true
	fi
	rm -rf "$logs"
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
	awk '{ passed += $1; failed += $2 }
	     $2 { sub(/^[0-9]+ [0-9]+ /, ""); print "failed: " $0 }
	     END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 }' "$logs/results"
}
