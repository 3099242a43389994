# The reader of the daemon's log stalls while thousands of credentials are refused, with a log line each. The workers
# continue, dropped lines are counted and reported, and the daemon can end.
# Once: no version of HAProxy differs here.
# Turns: a corner in depth, expensive.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
TOKEN=$(token)
kill -TERM "$(pid_of tollgate)"
wait_for gone "$(pid_of tollgate)"
mkfifo "$D/log"
exec 8<>"$D/log" # open, but not read
setsid "$build/tollgate" serve -c "$D/tollgate.yaml" </dev/null >/dev/null 2>"$D/log" 8>&- &
pid=$!
echo "$pid $(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20) tollgate" >>"$D/.pids"
served() { req POST /api/direct/first -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{}'; [ "$status" = 200 ]; }
check "HAProxy has found the daemon" wait_for served
curl -s -m 300 -Z --parallel-max 8 -o /dev/null -w '%{http_code}\n' -H 'authorization: Bearer eyJhbGciOiJub25lIn0.e30.x' \
	"$EDGE/v1/models?[1-9000]" 2>/dev/null | sort | uniq -c >"$D/refused.txt"
is "thousands of requests are refused, each with a response" "$(awk '{ print $2 }' "$D/refused.txt" | tr '\n' ' ')" "401 "
check "lines were dropped" test "$(metric log_dropped_total)" -gt 0
req POST /api/direct/after -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{}'
is "other requests are served" "$status" 200
cat <&8 >"$D/read.txt" &
reader=$!
told() { sed -n 's/.*event=log.dropped lines=\([0-9]*\).*/\1/p' "$D/read.txt" | awk '{ n += $1 } END { print n + 0 }'; }
all_told() { [ "$(told)" = "$(metric log_dropped_total)" ]; }
check "when the log is read again, it has the number of dropped lines" wait_for all_told
kill "$reader"
curl -s -m 300 -Z --parallel-max 8 -o /dev/null -H 'authorization: Bearer eyJhbGciOiJub25lIn0.e30.x' "$EDGE/v1/models?[1-2000]" 2>/dev/null
kill -TERM "$pid"
check "the daemon ends although the log is not read" wait_for gone "$pid"
echo "$pid tollgate" >>"$D/.killed" # no crash: the log line about the stop is not read either
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
