# The daemon is stopped by force (a second signal) with requests in each state. Each request has a completion, and the
# log reports the stop. Then a signal during the start, a reload during the start, and a start that fails.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
TOKEN=$(token)
ask() { curl -s -m 120 -o /dev/null -X POST -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "$@" & }
last_log() { tail -n 1 "$D/tollgate.log"; }
# Each permitted decision has its completion.
open_decisions() {
	cat "$JOURNAL"/* | tr -d '\0' | python3 -c '
import json, sys
permitted, done = set(), set()
for line in sys.stdin:
    r = json.loads(line)
    if r.get("type") == "completion": done.add(r["id"])
    if r.get("type") == "decision" and r.get("decision") != "deny" and r.get("via") == "relay": permitted.add(r["id"])
print(len(permitted - done))'
}

control '{"delay_ms": 60000}' # longer than the test waits
redis=$(pid_of redis)
for i in 1 2 3; do
	ask -d '{"model":"m","messages":[{"role":"user","content":"hello"}]}' "$EDGE/v1/chat/completions"
	# longer than HAProxy's buffer and without an end, so that the relay reads it
	(printf '{"a":"%0300000d' 0; exec sleep 60) | curl -s -m 120 -o /dev/null -X POST -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -H 'transfer-encoding: chunked' -T - "$EDGE/api/relay/x" &
done
in_flight() { [ "$(metric requests_in_flight)" -ge 6 ]; }
check "requests wait for the provider and for their bodies" wait_for in_flight
kill -STOP "$redis"
for i in 1 2 3; do ask -d '{"x":1}' "$EDGE/api/relay/y"; done
all_there() { [ "$(metric requests_in_flight)" -ge 9 ]; }
wait_for all_there
pid=$(pid_of tollgate)
kill -TERM "$pid"
check "after one signal, the daemon waits for them" wait_for says draining curl -s "$ADMIN/readyz"
kill -TERM "$pid"
check "after a second signal, it ends before they are complete" wait_for gone "$pid"
kill -CONT "$redis"
like "the log reports the stop" "$(last_log)" 'event=stopped'
final is "each permitted request has a completion" "$(open_decisions)" 0
like "the completion has the reason" "$(cat "$JOURNAL"/*)" 'the daemon stopped'
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
final unlike "no sanitizer reports an error" "$(cat "$D/tollgate.log")" 'Sanitizer|runtime error'

# a signal during the start
serve() { "$build/tollgate" serve -c "$1" </dev/null >>"$D/tollgate.log" 2>&1 & pid=$!; }
caught() { # waits until the daemon catches signals, which is the first thing that it does
	local end=$((EPOCHSECONDS + 30))
	# SIGHUP and SIGTERM; and the process is not a copy of this shell any more, which catches some signals too
	until { [ "$(cat "/proc/$pid/comm")" = tollgate ] && [ $((0x$(sed -n 's/^SigCgt:\t//p' "/proc/$pid/status") & 0x4001)) = $((0x4001)) ]; } ||
		[ $EPOCHSECONDS -ge $end ]; do
		sleep 0.002
	done
}
serve "$D/tollgate.yaml"
caught
kill -HUP "$pid"
kill -TERM "$pid"
check "a signal during the start ends the daemon" wait_for gone "$pid"
wait "$pid"
is "its exit code is 0" $? 0
like "the log reports that stop" "$(last_log)" 'event=stopped'
check "no socket is left" test -z "$(ls "$SOCKETS" | grep -E 'agent|relay|admin')"

# a start that fails
sed "s#unix@$SOCKETS/admin.sock#unix@$SOCKETS/none/admin.sock#" "$D/tollgate.yaml" >"$D/no-admin.yaml"
serve "$D/no-admin.yaml"
wait "$pid"
is "a start that fails at its last step is exit 2" $? 2
like "the log has the reason" "$(last_log)" 'none/admin.sock'
check "a failed start leaves no socket" test -z "$(ls "$SOCKETS" | grep -E 'agent|relay|admin')"
