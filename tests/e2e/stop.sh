# The daemon stops by force (a second signal) with requests in every state: each is
# ended on record and the program says that it stopped. And it is told to stop, or
# to reload, while it starts; and it cannot start.
. "$(dirname "$0")/lib.sh"
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
TOKEN=$(token)
ask() { curl -s -m 120 -o /dev/null -X POST -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "$@" & }
last_log() { tail -n 1 "$D/tollgate.log"; }
# Every permitted decision has its completion.
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

control '{"delay_ms": 60000}' # longer than it is waited for
redis=$(pid_of redis)
for i in 1 2 3; do
	ask -d '{"model":"m","messages":[{"role":"user","content":"hello"}]}' "$EDGE/v1/chat/completions"
	# more than a buffer of a body that does not end: the relay reads it
	(printf '{"a":"%0300000d' 0; exec sleep 60) | curl -s -m 120 -o /dev/null -X POST -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -H 'transfer-encoding: chunked' -T - "$EDGE/api/relay/x" &
done
in_flight() { [ "$(metric requests_in_flight)" -ge 6 ]; }
check "requests wait for the provider and for their body" wait_for in_flight
kill -STOP "$redis"
for i in 1 2 3; do ask -d '{"x":1}' "$EDGE/api/relay/y"; done
all_there() { [ "$(metric requests_in_flight)" -ge 9 ]; }
wait_for all_there
pid=$(pid_of tollgate)
kill -TERM "$pid"
check "told once, it waits for them" wait_for says draining curl -s "$ADMIN/readyz"
kill -TERM "$pid"
check "told twice, it ends before what it has accepted" wait_for gone "$pid"
kill -CONT "$redis"
like "and says so" "$(last_log)" 'event=stopped'
final is "nothing that was permitted has no completion" "$(open_decisions)" 0
like "which says why" "$(cat "$JOURNAL"/*)" 'the daemon stopped'
check "the journal verifies" verifies "$JOURNAL" "$AUDIT_KEY"
final unlike "no sanitizer has anything to say" "$(cat "$D/tollgate.log")" 'Sanitizer|runtime error'

# while it starts
serve() { "$build/tollgate" serve -c "$1" </dev/null >>"$D/tollgate.log" 2>&1 & pid=$!; }
caught() { # the first thing it does
	local end=$((EPOCHSECONDS + 30))
	# SIGHUP and SIGTERM, and it is no copy of this shell any more, which catches some too
	until { [ "$(cat "/proc/$pid/comm")" = tollgate ] && [ $((0x$(sed -n 's/^SigCgt:\t//p' "/proc/$pid/status") & 0x4001)) = $((0x4001)) ]; } ||
		[ $EPOCHSECONDS -ge $end ]; do
		sleep 0.002
	done
}
serve "$D/tollgate.yaml"
caught
kill -HUP "$pid"
kill -TERM "$pid"
check "told to stop while it starts, it ends" wait_for gone "$pid"
wait "$pid"
is "with 0" $? 0
like "in words" "$(last_log)" 'event=stopped'
check "and leaves no socket" test -z "$(ls "$SOCKETS" | grep -E 'agent|relay|admin')"

# it cannot start
sed "s#unix@$SOCKETS/admin.sock#unix@$SOCKETS/none/admin.sock#" "$D/tollgate.yaml" >"$D/no-admin.yaml"
serve "$D/no-admin.yaml"
wait "$pid"
is "a start that fails at its last step ends with 2" $? 2
like "and says why" "$(last_log)" 'none/admin.sock'
check "and leaves no socket" test -z "$(ls "$SOCKETS" | grep -E 'agent|relay|admin')"
