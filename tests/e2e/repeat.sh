# A test file that fails while others run is repeated alone: the output and counts of tests/e2e/run, and the failures
# that are never repeated.
# Once: HAProxy does not affect the result.
. "$(dirname "$0")/lib.sh"
. "$root/tests/support/repeat.bash"

# ---- runs ----
export UNSTABLE_LOG=$D/unstable.log ALONE_IN_S=0 # do not wait for a quiet machine
put() { cat >"$D/$1"; }
up=$(sed 's#[^/]*#..#g; s#^../##' <<<"$here") # the path from here to the root of the file system
tried() { "$root/tests/e2e/run" --lanes 2 "${@/#/$up$D/}" >"$D/said" 2>&1; }
put good.sh <<<'echo "ok - it holds"'
put bad.sh <<<'echo "not ok - it does not hold"; exit 1'
put once.sh <<<'touch "$0.tried"; echo "ok - first"; if [ -e "$0.again" ]; then echo "ok - then"; else touch "$0.again"; echo "not ok - then"; fi; echo "# logs: $0.d"'
put less.sh <<<'if [ -e "$0.again" ]; then echo "ok - second"; else touch "$0.again"; echo "ok - first"; echo "ok - second"; echo "not ok - then"; fi; echo "# logs: $0.d"'
put skips.sh <<<'if [ -e "$0.again" ]; then echo "ok - first"; echo "ok - then"; echo "skip - it: not here"; else touch "$0.again"; echo "ok - first"; echo "not ok - then"; fi; echo "# logs: $0.d"'
put hangs.sh <<<'if [ -e "$0.again" ]; then echo "ok - it"; else touch "$0.again"; echo "not ok - it"; fi'
put final.sh <<<'if [ -e "$0.again" ]; then echo "ok - it"; else touch "$0.again"; echo "ok - it"; echo "not ok - it went unread"; echo "# final"; echo "# logs: $0.d"; fi'
put crash.sh <<<'if [ -e "$0.again" ]; then echo "ok - it"; else touch "$0.again"; echo "ok - it"; exit 139; fi'
tried good.sh once.sh
is "a file that fails once is no failure" "$?" 0
is "it is counted as unstable" "$(tail -n 1 "$D/said")" "3 passed, 0 failed, 0 skipped, 1 unstable"
like "its name and the failed check are printed" "$(cat "$D/said")" '^unstable - once.sh: then$'
like "it is logged with date and stage" "$(cat "$UNSTABLE_LOG")" '^20[0-9-]{8}T[0-9:]{5}Z e2e with HAProxy [0-9.]+, load [0-9.]+: once.sh: then$'
like "the first output is kept" "$(cat "$D/said")" '^not ok - once.sh: then$'
tried good.sh bad.sh
is "a file that fails twice is a failure" "$? $(tail -n 1 "$D/said")" "1 1 passed, 1 failed, 0 skipped"
for f in crash final; do
	tried good.sh $f.sh
	like "not repeated: $f" "$? $(tail -n 1 "$D/said")" '^1 [12] passed, 1 failed, 0 skipped$'
done
for f in less skips hangs; do
	tried good.sh $f.sh
	like "a second run with fewer checks is no pass: $f" "$? $(tail -n 1 "$D/said")" '^1 [123] passed, 1 failed, 0 skipped$'
done
put gone.sh <<<'rm -rf "$(dirname "$(readlink /proc/$$/fd/1)")/out"; echo "ok - it"'
tried good.sh gone.sh
like "a second run that loses lines is no pass" "$? $(tail -n 1 "$D/said")" '^1 .*, 2 failed, 0 skipped$'
rm "$D/once.sh.again"
tried once.sh
is "a file that ran alone is not repeated" "$? $(tail -n 1 "$D/said")" "1 1 passed, 1 failed, 0 skipped"
rm "$D"/*.again
for i in 1 2 3 4; do cp "$D/once.sh" "$D/once$i.sh"; done
tried once.sh once1.sh once2.sh once3.sh once4.sh
is "with many failed files, none is repeated" "$? $(tail -n 1 "$D/said")" "1 5 passed, 5 failed, 0 skipped"

# ---- the output of a file ----
mkdir "$D/left"
said_by() { bash -c '. "$1/lib.sh"; '"$1" - "$here" | sed 's/^# logs: .*//'; echo "# logs: $D/left"; } # the output of a file that prints $1
for text in 'not_ok "the answer is another"' 'final not_ok "it went unread"' 'final is "none of it went" 1 0' \
	'check "the journal verifies" verifies /nowhere /nowhere' 'ok fine'; do
	said_by "$text" >"$D/output"
	check "repeated only if the failure is not final: $text" test "$(repeatable "$D/output"; echo $?)" = "$([[ $text = *another* ]]; echo $?)"
done
printf 'not ok - a: another\n# logs: %s\n' "$D/left" >"$D/output"
for line in 'ERROR: AddressSanitizer: heap-use-after-free' 'stack: tollgate ended by itself, 1 times' 'x.c:9: runtime error: shift'; do
	echo "$line" >"$D/left/tollgate.log"
	check "not repeated after $line" test "$(repeatable "$D/output"; echo $?)" = 1
done
rm "$D/left/tollgate.log"
mkdir "$D/left/journal"
"$build/tollgate" keygen "$D/left/audit.key" >/dev/null
echo '{"v":1' >"$D/left/journal/20260101T000000.000001.jsonl"
check "not repeated if a journal does not verify" test "$(repeatable "$D/output"; echo $?)" = 1

# ---- crashes are reported ----
E=$D/stack
mkdir "$E"
"$root/tests/support/stack" up --dir "$E" --no-redis --patient || { not_ok "the stack comes up"; exit 1; }
kill -KILL "$(awk '$3 == "tollgate" { print $1 }' "$E/.pids")"
wait_for gone "$(awk '$3 == "tollgate" { print $1 }' "$E/.pids")"
"$root/tests/support/stack" down --dir "$E" 2>"$D/down"
like "a daemon that crashed is reported" "$(cat "$D/down")" '^stack: tollgate ended by itself, 1 times$'
"$root/tests/support/stack" up --dir "$E" --no-redis --patient
"$root/tests/support/stack" down --dir "$E" 2>"$D/down"
is "a daemon that was stopped is not reported" "$(cat "$D/down")" ""
exit $failed
