# The daemon killed and stopped under load, HAProxy reloaded under load: no
# request passes unread, and what was accepted is answered.
# Long: it loads for seconds.
. "$(dirname "$0")/lib.sh"
command -v node >/dev/null || { skip "load" "node is not installed"; exit 0; }
stack_up --policy "$here/policy.yaml" --config "$here/config.yaml"
TOKEN=$(token)
export TOKEN EDGE

# load_begin, load_end; so_many STATUS N: N more of it come
load_begin() {
	rm -f "$D/enough"
	: >"$D/load.txt"
	STOP=$D/enough NOW=$D/load.txt node "$here/load.mjs" &
	lp=$!
}
load_end() { touch "$D/enough"; wait $lp; }
has_said() { [ "$(said "$1")" -ge "$2" ]; }
so_many() { wait_for has_said "$1" $(($(said "$1") + $2)); }
said() { sed -n "s/^$1 //p" "$D/load.txt" | grep . || echo 0; }
only() { # name, the words that may stand in the tally
	local other
	other=$(grep -vE "^($2) " "$D/load.txt" | tr '\n' ' ')
	if [ -z "$other" ]; then ok "$1"; else not_ok "$1" "also: $other"; fi
}
leaks() { seen 1000 | grep -cE 'AKIAQ3EGRTZK7VXW2YUB|jane.doe'; }

load_begin
so_many 200 100
load_end
only "without a fault: permitted and denied, nothing else" '200|403'

as_shipped # a second without a daemon is a 503

# killed
load_begin
so_many 200 100
killed tollgate
so_many 503 16
daemon_start
wait_for is_ready
so_many 200 100
load_end
only "the daemon killed under load: 200, 403 and 503, save connections that were cut" '200|403|503|cut|refused'
check "some requests met no daemon" test "$(said 503)" -gt 0
final is "nothing passed unread while it was gone" "$(leaks)" 0
passes() { req POST "$1" -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d "$2"; [ "$status" = 200 ]; }
check "with it back, requests pass" wait_for passes /api/direct/after '{}'
check "the journal verifies after the kill" verifies "$JOURNAL" "$AUDIT_KEY"

# stopped: what it accepted is answered, then it ends
load_begin
so_many 200 100
old=$(pid_of tollgate)
kill -TERM "$old"
check "the daemon ends after SIGTERM under load" wait_for gone "$old"
daemon_start
so_many 200 100
load_end
only "the daemon stopped under load: 200, 403 and 503" '200|403|503'
final is "nothing passed unread" "$(leaks)" 0
check "the journal verifies after the stop" verifies "$JOURNAL" "$AUDIT_KEY"

# nobody there
wait_for is_ready
killed tollgate
wait_for gone "$(pid_of tollgate)"
req POST /api/direct/dead -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{}'
is "without a daemon: 503" "$status" 503
like "in JSON, with Retry-After" "$head$body" 'retry-after: 1.*|gateway_unavailable'
req POST /v1/chat/completions -H 'content-type: application/json' -d '{}'
is "on every route" "$status" 503
unlike "and nothing arrives" "$(seen)" '/api/direct/dead'
daemon_start
wait_for passes /api/direct/again '{}' # HAProxy has found it; it has no connection to the relay yet

# the relay's socket gone, before HAProxy has a connection to it: no other listener has
# to be there for a 503
mkdir "$SOCKETS/away" && mv "$SOCKETS"/relay*.sock "$SOCKETS/away"
req POST /v1/chat/completions -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"model":"echo","messages":[]}'
is "without a relay: 503" "$status" 503
like "at once, with Retry-After and the decision's id" "$head" '^x-tollgate-id: .'
like "and in JSON" "$(header retry-after) $body" '^1 .*gateway_unavailable'
mv "$SOCKETS/away"/* "$SOCKETS"
req POST /v1/chat/completions -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' -d '{"model":"echo","messages":[{"role":"user","content":"hi"}]}'
is "with it back, it is used again" "$status" 200
unlike "HAProxy listens on no name that another user could take first" "$(cat "$root"/haproxy/*.cfg)" 'abns@'

# HAProxy reloaded
sed -i 's/^\( *timeout processing\) .*/\1 20s/' "$D/haproxy/spoe.cfg"
load_begin
for n in 1 2 3; do
	so_many 200 50
	check "HAProxy is reloaded: $n" haproxy_reload # one that is told while it reloads may take both for one
done
so_many 200 100
load_end
only "HAProxy reloaded under load: every accepted request is answered" '200|403|refused'
kill -HUP "$(pid_of tollgate)"
check "the policy reloads" wait_for says '^1$' metric reloads_total 'result="ok"'
